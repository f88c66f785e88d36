"""What a plugin saw and what it did, with what that rests on."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


class Verdict(enum.Enum):
    """The answer to one question."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass
class Evidence:
    """Something a person would look at: a value, a link, or a curve."""

    label: str
    value: str = ""
    unit: str | None = None
    #: Where to look further: an `http` or `https` URL.
    link: str | None = None
    #: (milliseconds since 1970, value), oldest first.
    points: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, label: str, value: Any, *, unit: str | None = None, link: str | None = None) -> Evidence:
        """A value with a label."""
        return cls(label, str(value), unit, link)

    @classmethod
    def curve(
        cls,
        label: str,
        points: Iterable[tuple[float, float]],
        *,
        unit: str | None = None,
        link: str | None = None,
    ) -> Evidence:
        """A curve; its last value is the evidence's value. What is not finite is left out."""
        kept = [(float(at), float(value)) for at, value in points if math.isfinite(value)]
        last = f"{kept[-1][1]:.15g}" if kept else ""
        return cls(label, last, unit, link, kept)


@dataclass
class Finding:
    """The answer to one question: yes, no, or that it could not be found out, in one sentence."""

    verdict: Verdict
    summary: str
    #: What it rests on.
    evidence: list[Evidence] = field(default_factory=list)
    #: What later steps can read; None stands for the default of the plugin's data.
    data: Any = None

    @classmethod
    def judged(cls, holds: bool, summary: str, **more: Any) -> Finding:
        """Yes where it holds, else no. Only where it was seen either way."""
        return cls(Verdict.YES if holds else Verdict.NO, summary, **more)

    @classmethod
    def yes(cls, summary: str, **more: Any) -> Finding:
        """It is so."""
        return cls(Verdict.YES, summary, **more)

    @classmethod
    def no(cls, summary: str, **more: Any) -> Finding:
        """It is not so."""
        return cls(Verdict.NO, summary, **more)

    @classmethod
    def unknown(cls, summary: str, **more: Any) -> Finding:
        """It could not be found out."""
        return cls(Verdict.UNKNOWN, summary, **more)


@dataclass
class Outcome:
    """What an application did."""

    summary: str
    evidence: list[Evidence] = field(default_factory=list)
    #: What later steps can read; None stands for the default of the plugin's data.
    data: Any = None
