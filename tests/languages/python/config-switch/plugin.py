"""`config-switch`: sets one key of a ConfigMap to another value.

It is planned for the very version of the ConfigMap that was read, so nothing that somebody else writes meanwhile is lost. The
way back puts the old value back, or takes the key away where there was none, and only while the value is still the one that was
set here.
"""

from dataclasses import dataclass, field
from typing import Annotated

from stanch import (
    About,
    Action,
    Attempt,
    Context,
    Failure,
    Finding,
    Length,
    Pattern,
    Plan,
    Remediation,
    kubernetes,
)

#: Longer values are configuration files and no switches.
LONGEST = 16 * 1024
#: Of a value, for people.
SHOWN = 120


@dataclass
class Params:
    namespace: Annotated[str, "Where it is.", Length(1)]
    name: Annotated[str, "What it is called.", Length(1)]
    key: Annotated[str, "Which key.", Pattern("^[-._a-zA-Z0-9]{1,253}$")]
    value: Annotated[str, "Its value then."]
    # In JSON it is `from`, which cannot be a name in Python.
    from_: Annotated[list[str], "Only where its value now is one of these."] = field(default_factory=list)
    add: Annotated[
        bool, "Also where there is no such key yet; else that is taken for a mistake."
    ] = False


@dataclass
class Data:
    """What was there, and what is set."""

    uid: Annotated[str, "Which ConfigMap it was: another of the same name has another."] = ""
    old: Annotated[str | None, "The value before; none where there was no such key."] = None
    new: Annotated[str, "The value then."] = ""


class ConfigSwitch(Remediation[Params, Data]):
    about = About(
        "config-switch",
        "0.1.0",
        "Switches the value of a key of a ConfigMap",
        # Each action is for one version: a repeat finds another.
        idempotent=True,
        reversible=True,
        verifies=True,
    )
    asks = {
        "kubernetes": [
            {
                "clusters": ["eu"],
                "verbs": ["get", "patch"],
                "resources": ["configmaps"],
                "namespaces": ["inference"],
                "names": ["flags"],
            }
        ]
    }

    def plan(self, ctx: Context, params: Params) -> Plan:
        key, value = params.key, params.value
        found = read(params)
        named, old = found.named, value_of(found, key)
        data = Data(found.uid, old, value)
        if len(value.encode()) > LONGEST or len((old or "").encode()) > LONGEST:
            raise Failure.invalid_params(
                f"A value of `{key}` is longer than 16 KiB: that is a file and no switch"
            )
        if old == value:
            return Plan(f"`{key}` of {named} is {shown(value)} already", data=data)
        if old is not None and params.from_ and old not in params.from_:
            only = " or ".join(shown(one) for one in params.from_)
            raise Failure.failed(
                f"`{key}` of {named} is {shown(old)}, and the runbook switches it from {only} only"
            )
        if old is None and not params.add:
            raise no_such_key(found, key)
        summary = (
            f"Add `{key}` to {named}, as {shown(value)}"
            if old is None
            else f"Switch `{key}` of {named} from {shown(old)} to {shown(value)}"
        )
        return Plan(summary, [Action.patch_object(found, {"data": {key: value}})], data)

    def verify(self, ctx: Context, params: Params, made: Attempt) -> Finding:
        data = made.plan.data or Data()
        found = read(params)
        now = value_of(found, params.key)
        said = "not there" if now is None else shown(now)
        well = found.uid == data.uid and now == data.new
        return Finding.judged(well, f"`{params.key}` of {found.named} is {said}", data=data)

    def plan_undo(self, ctx: Context, params: Params, made: Attempt) -> Plan:
        data = made.plan.data
        if data is None:
            raise Failure.failed("what was there before is not known")
        if not any(made.maybe_done()):
            return Plan("Nothing was switched", data=data)
        key, found = params.key, read(params)
        named = found.named
        if found.uid != data.uid:
            raise Failure.conflict(f"{named} is another one by now, and is left as it is")
        now = value_of(found, key)
        if now == data.old:
            return Plan(f"`{key}` of {named} is as it was before already", data=data)
        if now != data.new:
            said = "gone" if now is None else shown(now)
            raise Failure.conflict(
                f"`{key}` of {named} is {said}, which was not set here. "
                "Somebody changed it, and it is left as it is"
            )
        summary = (
            f"Take `{key}` away from {named} again"
            if data.old is None
            else f"Switch `{key}` of {named} back to {shown(data.old)}"
        )
        action = Action.patch_object(found, {"data": {key: data.old}})
        return Plan(summary, [action.because("It is still the value that was set here")], data)


def read(params: Params) -> kubernetes.Object:
    named = kubernetes.CONFIG_MAP.named(params.namespace, params.name)
    found = kubernetes.get(named)
    if found.at("metadata", "deletionTimestamp") is not None:
        raise Failure.failed(f"{named} is being deleted")
    if found.at("immutable") is True:
        raise Failure.failed(f"{named} is immutable: nobody can change it, only replace it")
    return found


def value_of(found: kubernetes.Object, key: str) -> str | None:
    if key in found.at("binaryData", default={}):
        raise Failure.failed(f"`{key}` of {found.named} is binary, and only text is switched")
    return found.at("data", key)


def no_such_key(found: kubernetes.Object, key: str) -> Failure:
    keys = "`, `".join(sorted(found.at("data", default={}))[:20])
    return Failure.not_found(
        f"{found.named} has no key `{key}`; it has `{keys}`. Where it is to be added, say `add = true`"
    )


def shown(value: str) -> str:
    """A value for people: one line, the beginning of it."""
    line = "".join(" " if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in value[:SHOWN])
    return f"`{line}{'…' if len(line) < len(value) else ''}`"
