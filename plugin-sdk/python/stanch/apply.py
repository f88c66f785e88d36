"""Carrying a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _wire, files, http, kubernetes
from .context import Context
from .failure import Failure
from .plan import Action, Plan


@dataclass(frozen=True)
class Answer:
    """What one action came to."""

    action: Action
    #: One sentence for people.
    said: str
    #: The response, what was removed, the object as it is now; None where there is nothing.
    value: Any = None


def carry_out(ctx: Context, plan: Plan) -> list[Answer]:
    """Carries each action of the plan out, in order, each request with its idempotency key.

    The first failure ends it; what was done until then the host knows.
    """
    count = len(plan.actions)
    return [perform(action, ctx.key_of(index, count)) for index, action in enumerate(plan.actions)]


def perform(action: Action, key: str) -> Answer:
    """Carries one action out."""
    if action.target.startswith("file:"):
        return _on_files(action)
    named = action.object
    if named is not None:
        content = _wire.from_json(action.content or "{}")
        now = kubernetes.change(named, action.verb, content)
        done = {
            "delete": "Deleted",
            "evict": "Evicted",
            "patch": "Patched",
            "create": "Created",
            "scale": "Scaled",
        }
        return Answer(action, f"{done.get(action.verb, action.verb)} {named}", now)
    if action.url is not None:
        return _send(action, key)
    raise Failure.failed(f"The kit does not know how to `{action.verb}` `{action.target}`")


def _send(action: Action, key: str) -> Answer:
    what = f"{action.verb} {action.target}"
    content = _wire.from_json(action.content or "{}")
    request = http.request(action.verb, action.target)
    if isinstance(content, dict) and "body" in content:
        request = http.Request(request.method, request.url, body=action.body())
        if "contentType" in content:
            request = request.header("content-type", content["contentType"])
    try:
        answer = request.header("idempotency-key", key).send()
        gone = action.verb == "DELETE" and answer.status in (404, 410)
        if not gone:
            answer.ok()
    except Failure as failure:
        raise failure.context(what) from None
    return Answer(action, f"{what} answered {answer.status}", answer)


def _on_files(action: Action) -> Answer:
    path = action.target.removeprefix("file:")
    if action.verb == "write":
        try:
            files.write(path, action.body())
        except Failure as failure:
            raise failure.context(f"writing `{path}`") from None
        return Answer(action, f"Wrote `{path}`")
    if action.verb != "remove":
        raise Failure.failed(f"The kit does not know how to `{action.verb}` a file")
    entries = action.removes()
    try:
        gone = files.remove(path, entries)
    except Failure as failure:
        raise failure.context(f"removing files of `{path}`") from None
    if not gone.paths and gone.refused:
        raise Failure.conflict(
            f"None of the {len(entries)} files of `{path}` is still what was planned"
        )
    left = f"; left {len(gone.refused)} that are no longer what was seen" if gone.refused else ""
    return Answer(action, f"Removed {len(gone.paths)} files, {gone.bytes} bytes{left}", gone)
