"""The three kinds of plugin. A plugin is one class of one of them, in the module `plugin`."""

from __future__ import annotations

import typing
from typing import Any, ClassVar, Generic, TypeVar

from .about import About
from .apply import carry_out
from .context import Attempt, Context, Message
from .finding import Finding, Outcome
from .failure import Failure
from .plan import Plan
from .values import Nothing

Params = TypeVar("Params")
Data = TypeVar("Data")

#: The plugin's class, once it was defined.
made: list[type[_Kind]] = []


class _Kind:
    #: Name, version, one sentence, and what it promises.
    about: ClassVar[About]
    #: What it needs, in the notation of a grant: ``{"http": [{"url": "…", "read": ["GET"]}]}``.
    asks: ClassVar[dict[str, Any]] = {}

    params_type: ClassVar[Any] = Nothing
    data_type: ClassVar[Any] = Nothing

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in cls.__dict__.get("__orig_bases__", ()):
            origin, given = typing.get_origin(base), typing.get_args(base)
            if isinstance(origin, type) and issubclass(origin, _Kind) and given:
                cls.params_type = given[0]
                cls.data_type = given[1] if len(given) > 1 else Nothing
        if cls.__module__ == "plugin":
            if not isinstance(getattr(cls, "about", None), About):
                raise TypeError(
                    f'`{cls.__name__}` does not say what it is: about = About("name", "0.1.0", "One sentence")'
                )
            made.append(cls)


class Diagnosis(_Kind, Generic[Params, Data]):
    """Answers one question, read-only: the host refuses every change."""

    def diagnose(self, ctx: Context, params: Params) -> Finding:
        """Looks, and answers yes, no or unknown."""
        raise NotImplementedError


class Remediation(_Kind, Generic[Params, Data]):
    """Plans, then applies, one change."""

    def plan(self, ctx: Context, params: Params) -> Plan:
        """Read-only. Names each action exactly; without actions there is nothing to do."""
        raise NotImplementedError

    def apply(self, ctx: Context, params: Params, plan: Plan) -> Outcome:
        """Carries the plan out: the host lets through exactly what it names, each once.

        What is written here is the whole of it for most plugins: every action in order, the first failure ends it.
        """
        said = [answer.said for answer in carry_out(ctx, plan)]
        more = [f"{len(said) - 3} more"] if len(said) > 3 else []
        return Outcome("; ".join(said[:3] + more) or "Nothing to do")

    def verify(self, ctx: Context, params: Params, made: Attempt) -> Finding:
        """Read-only. Yes: the change holds and did what it was for.

        Asked also after a crash, to find out whether an action without an answer took effect. Without one `about` must not
        say `verifies`.
        """
        return Finding.unknown("This plugin cannot verify what it changed")

    def plan_undo(self, ctx: Context, params: Params, made: Attempt) -> Plan:
        """Read-only. The plan of the way back from what was really done. Without one `about` must not say `reversible`."""
        raise Failure.failed("This change cannot be undone by the plugin")


class Notification(_Kind, Generic[Params]):
    """Tells people."""

    def notify(self, ctx: Context, params: Params, message: Message) -> None:
        """Delivers one message. May send only what its `notify` grant names."""
        raise NotImplementedError
