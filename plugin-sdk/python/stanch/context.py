"""What the engine hands to a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .finding import Outcome
from .plan import Action, Plan


@dataclass
class Alert:
    """One alert of the run's episode."""

    name: str
    #: Stable identity of the alert across notifications.
    fingerprint: str
    #: `firing` or `resolved`.
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    #: RFC 3339.
    starts_at: str
    #: What the sender sent of this alert.
    payload: Any
    extra: Any = None


@dataclass
class Context:
    """For which run and step a call is."""

    run: str
    step: str
    #: 1 for the first attempt.
    attempt: int
    #: The same for every attempt at one application of this step of this run, and different between them.
    idempotency_key: str
    #: The first first. None where a person started the run.
    alerts: list[Alert] = field(default_factory=list)
    extra: Any = None

    def key_of(self, index: int, actions: int) -> str:
        """The idempotency key of one action of a plan: the context's own where there is one, else with the index."""
        return f"{self.idempotency_key}-{index}" if actions > 1 else self.idempotency_key


@dataclass
class Progress:
    """What the host saw of one planned action."""

    #: `not-sent`, `done`, `refused`, `unknown`. One that you do not know is no definite answer.
    state: str = "not-sent"
    detail: str = ""


@dataclass
class Attempt:
    """What was tried, also where apply failed, stopped without an answer, or the engine died in it."""

    plan: Plan
    #: In the plan's order.
    progress: list[Progress]
    #: What `apply` said, where it came to say something.
    outcome: Outcome | None = None

    def done(self) -> Iterator[Action]:
        """The actions that took effect for certain."""
        return (action for action, seen in self._all() if seen.state == "done")

    def maybe_done(self) -> Iterator[Action]:
        """The actions that took effect or may have: what an undo has to think of."""
        return (action for action, seen in self._all() if seen.state not in ("not-sent", "refused"))

    def _all(self) -> Iterator[tuple[Action, Progress]]:
        return zip(self.plan.actions, self.progress)


@dataclass
class Message:
    """What people are told."""

    #: `question`, `progress`, `escalation` or `report`.
    kind: str
    #: `low`, `medium`, `high` or `critical`.
    severity: str
    #: One line.
    title: str
    #: Plain text, already free of markup.
    text: str
    #: Where to look further.
    link: str | None
    #: The run's report: alert, findings, plan, what was done.
    report: Any
    #: The same for every message of one run.
    thread: str
    extra: Any = None
