"""Why something did not work."""

from __future__ import annotations

import traceback
from typing import Any

from . import _wire

CODES = ("invalid-params", "denied", "not-found", "conflict", "unavailable", "timeout", "budget", "failed")


class Failure(Exception):
    """A code that the engine acts on and a sentence for a tired reader: what failed, on what, and why.

    The host's own failures are raised as they are. Any other exception becomes one with the code ``failed``. The engine
    retries ``unavailable`` and ``timeout`` where nothing was changed, and plans again on ``conflict``.
    """

    def __init__(
        self, code: str, message: str, *, retry_after_ms: int | None = None, extra: Any = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.extra = extra

    @classmethod
    def invalid_params(cls, message: str) -> Failure:
        """The runbook, or the operator's settings, gave something that this plugin cannot use."""
        return cls("invalid-params", message)

    @classmethod
    def denied(cls, message: str) -> Failure:
        """The host, or the system acted on, refused."""
        return cls("denied", message)

    @classmethod
    def not_found(cls, message: str) -> Failure:
        """What was named is not there."""
        return cls("not-found", message)

    @classmethod
    def conflict(cls, message: str) -> Failure:
        """The world changed since the plan was made; it is planned again."""
        return cls("conflict", message)

    @classmethod
    def unavailable(cls, message: str) -> Failure:
        """Not reachable now."""
        return cls("unavailable", message)

    @classmethod
    def timeout(cls, message: str) -> Failure:
        """A time limit was reached."""
        return cls("timeout", message)

    @classmethod
    def failed(cls, message: str) -> Failure:
        """Anything else."""
        return cls("failed", message)

    def context(self, what: str) -> Failure:
        """The same, with what was being done put before the message: ``raise failure.context("reading the list")``."""
        return Failure(
            self.code, f"{what}: {self.message}", retry_after_ms=self.retry_after_ms, extra=self.extra
        )


def of(error: BaseException) -> Failure:
    """Any exception as a failure. Of where it was raised only file names and lines are said, never folders."""
    if isinstance(error, Failure):
        return error
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = ""
    # Not by `traceback.extract_tb`, which reads the sources: there are no files in a component.
    for frame, line in traceback.walk_tb(error.__traceback__):
        place = f"{_name(frame.f_code.co_filename)}:{line}"
        _wire.log("warn", f"  at {place} in {frame.f_code.co_name}")
        where = f" ({place})"
    _wire.log("error", said)
    return Failure.failed(f"{said}{where}")


def _name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]
