"""What the host tells a plugin, and the log."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from . import _wire, values
from .failure import Failure

T = TypeVar("T")


def debug(message: str) -> None:
    """A line for the plugin's author."""
    _wire.log("debug", message)


def info(message: str) -> None:
    """A line worth keeping."""
    _wire.log("info", message)


def warn(message: str) -> None:
    """Something is odd."""
    _wire.log("warn", message)


def error(message: str) -> None:
    """Something went wrong."""
    _wire.log("error", message)


def now_ms() -> int:
    """Now, in milliseconds since 1970, recorded with the run. (`time.time` does not work in a component.)"""
    return int(_wire.ask(lambda: _wire.host.now_ms()))


def remaining_ms() -> int:
    """How long this call may still take, in milliseconds."""
    return int(_wire.ask(lambda: _wire.host.remaining_ms()))


def is_cancelled() -> bool:
    """Whether the engine wants this call to end: a person cancelled the run, or the engine is shutting down."""
    return bool(_wire.ask(lambda: _wire.host.is_cancelled()))


def sleep(ms: int) -> None:
    """Waits. Ends early where the call is cancelled; counts against the call's time."""
    _wire.ask(lambda: _wire.host.sleep(max(0, int(ms))))


def settings(of: type[T] = dict) -> T:  # type: ignore[assignment]
    """The operator's settings for this installation of the plugin (`settings` in stanch.toml), as a dict or a dataclass."""
    said: Any = json.loads(_wire.ask(lambda: _wire.host.settings()))
    try:
        return values.read(said, of)
    except values.Misfit as misfit:
        raise Failure.invalid_params(
            f"The plugin's `settings` in stanch.toml do not fit: {misfit}"
        ) from None
