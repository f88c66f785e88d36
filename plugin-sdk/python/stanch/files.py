"""Files in the folders that the grant names. Every path starts with the grant's `at`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import _wire


@dataclass(frozen=True)
class Entry:
    """One entry of a folder, as it was when it was seen."""

    path: str
    #: `file`, `directory`, `link`.
    kind: str
    bytes: int
    #: When it was last changed, in milliseconds since 1970.
    modified_ms: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def item(self) -> str:
        """How a plan names it: `PATH@MODIFIED-MS`."""
        return f"{self.path}@{self.modified_ms}"


@dataclass(frozen=True)
class Space:
    """The file system that a folder is on."""

    total_bytes: int
    free_bytes: int

    @property
    def used_share(self) -> float:
        """The used share, between 0 and 1; 0 where there is no space at all."""
        return (self.total_bytes - self.free_bytes) / self.total_bytes if self.total_bytes else 0.0


@dataclass(frozen=True)
class Removed:
    """What a removal did."""

    paths: list[str]
    bytes: int
    #: What was left, because it is no longer what was seen.
    refused: list[str]


def usage(folder: str) -> Space:
    """How full the file system of `folder` is."""
    space = _wire.ask(lambda: _wire.file_calls.usage(folder))
    return Space(int(space.total_bytes), int(space.free_bytes))


def scan(folder: str, *, recursive: bool = False) -> Iterator[Entry]:
    """The entries of `folder`, page after page as they are needed."""
    start: str | None = None
    while True:
        page = _wire.ask(lambda: _wire.file_calls.scan(folder, recursive, start))
        for one in page.items:
            yield Entry(one.path, one.kind, int(one.bytes), int(one.modified_ms))
        start = page.next
        if start is None:
            return


def read(path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file."""
    return bytes(_wire.ask(lambda: _wire.file_calls.read(path, limit)))


def write(path: str, content: bytes) -> None:
    """Writes a file. A change: only in `apply`, and only as planned (`Action.write`)."""
    _wire.ask(lambda: _wire.file_calls.write(path, content))


def remove(folder: str, entries: Iterable[Entry]) -> Removed:
    """Removes files of a folder, each only if it is still the one that was seen.

    A change: only in `apply`, and only as planned (`Action.remove`).
    """
    sent = list(entries)

    def call():  # noqa: ANN202 - the bindings' own type
        calls = _wire.file_calls
        named = [calls.Entry(e.path, e.kind, float(e.bytes), float(e.modified_ms)) for e in sent]
        return calls.remove(folder, named)

    gone = _wire.ask(call)
    return Removed(list(gone.paths), int(gone.bytes), list(gone.refused))
