"""Types for parameters: strings of which the engine knows what they are, lengths of time and sizes, and bounds.

Labels of an alert come from outside. Where the schema says that a string is PromQL, a URL, a regex or JSON, the engine
escapes what a runbook puts into it for its position. Into a plain `str` an outside value does not load unless the runbook
wraps it in ``text(…)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar


class Special(str):
    """A string with a meaning."""

    SCHEMA: ClassVar[dict[str, Any]] = {}

    @classmethod
    def parse(cls, text: str) -> Special:
        return cls(text)


class Promql(Special):
    """A PromQL expression."""

    SCHEMA = {"type": "string", "minLength": 1, "x-stanch-format": "promql"}


class Url(Special):
    """An `http` or `https` URL."""

    SCHEMA = {"type": "string", "minLength": 1, "x-stanch-format": "url"}


class Regex(Special):
    """A regular expression."""

    SCHEMA = {"type": "string", "minLength": 1, "x-stanch-format": "regex"}


class JsonText(Special):
    """A JSON document, as text."""

    SCHEMA = {"type": "string", "minLength": 1, "x-stanch-format": "json"}


class Span(Special):
    """A length of time, written `90s` or `1h30m`."""

    SCHEMA = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["90s", "1h30m"]}
    UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

    @classmethod
    def parse(cls, text: str) -> Span:
        if not re.fullmatch(cls.SCHEMA["pattern"], text):
            raise ValueError(f"is `{text}`, and a length of time is written `90s` or `1h30m`")
        return cls(text)

    @property
    def ms(self) -> int:
        """In milliseconds."""
        parts = re.findall("([0-9]+)(ms|s|m|h|d)", self)
        return sum(int(number) * self.UNITS[unit] for number, unit in parts)


class Bytes(Special):
    """A size, written `64MiB`."""

    SCHEMA = {"type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$", "examples": ["64MiB"]}
    UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

    @classmethod
    def parse(cls, text: str) -> Bytes:
        if not re.fullmatch(cls.SCHEMA["pattern"], text):
            raise ValueError(f"is `{text}`, and a size is written `64MiB`")
        return cls(text)

    @property
    def count(self) -> int:
        """As a number of bytes."""
        number, unit = re.match("([0-9]+)(.*)", self).groups()  # type: ignore[union-attr]
        return int(number) << (10 * self.UNITS.index(unit))


class Bound:
    """What a value must hold, beside its type: a note in `Annotated`."""

    def schema(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class Range(Bound):
    """A number from `least` to `most`, both included."""

    least: float | None = None
    most: float | None = None

    def schema(self) -> dict[str, Any]:
        named = {"minimum": self.least, "maximum": self.most}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Length(Bound):
    """A string of so many characters, or a list of so many items."""

    least: int | None = None
    most: int | None = None
    of: str = "string"

    def schema(self) -> dict[str, Any]:
        names = ("minItems", "maxItems") if self.of == "list" else ("minLength", "maxLength")
        return {n: value for n, value in zip(names, (self.least, self.most)) if value is not None}


@dataclass(frozen=True)
class Pattern(Bound):
    """A string that this regular expression finds something in."""

    regex: str

    def schema(self) -> dict[str, Any]:
        return {"pattern": self.regex}
