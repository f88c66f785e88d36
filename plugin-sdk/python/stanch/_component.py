"""The contract's exports, made of the plugin's class: what the component's entry modules (`stanch_diagnosis`, …) have."""

from __future__ import annotations

from typing import Any, Callable

from componentize_py_types import Err
from wit_world.imports import common

from . import _wire, failure, finding, kinds, values
from .context import Alert, Attempt, Context, Message, Progress
from .failure import Failure
from .plan import Action, Plan

try:
    from wit_world.exports import remediation as wit
except ImportError:
    pass


def the_plugin(kind: type) -> Any:
    found = [one for one in kinds.made if issubclass(one, kind)]
    if len(found) != 1:
        names = ", ".join(one.__name__ for one in kinds.made) or "none"
        raise TypeError(
            f"`plugin.py` has to have exactly one class of `stanch.{kind.__name__}`; its plugins are: {names}"
        )
    return found[0]()


def manifest_of(plugin: Any) -> str:
    return plugin.about.manifest(plugin.params_type, plugin.data_type, plugin.asks)


class Manifest:
    #: Made while the component is built, so that a type that has no schema is told then.
    text = "".join(manifest_of(one) for one in kinds.made)

    def describe(self) -> str:
        return self.text


def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    """An exception becomes the contract's failure."""

    def safe(*given: Any) -> Any:
        try:
            return call(*given)
        except BaseException as error:
            said = failure.of(error)
            raise Err(
                common.Failure(
                    said.code, said.message, said.retry_after_ms, _wire.to_json(values.write(said.extra))
                )
            ) from None

    return safe


class Diagnosis:
    @guarded
    def diagnose(self, ctx: common.Context, params: str) -> common.Finding:
        plugin = the_plugin(kinds.Diagnosis)
        found = plugin.diagnose(context(ctx), read_params(plugin, params))
        return finding_out(plugin, found)


class Remediation:
    @guarded
    def plan(self, ctx: common.Context, params: str) -> Any:
        plugin = the_plugin(kinds.Remediation)
        return plan_out(plugin, plugin.plan(context(ctx), read_params(plugin, params)))

    @guarded
    def apply(self, ctx: common.Context, params: str, plan: Any) -> Any:
        plugin = the_plugin(kinds.Remediation)
        done = plugin.apply(context(ctx), read_params(plugin, params), plan_in(plugin, plan))
        return wit.Outcome(done.summary, evidence_out(done.evidence), data_out(plugin, done.data), "{}")

    @guarded
    def verify(self, ctx: common.Context, params: str, made: Any) -> common.Finding:
        plugin = the_plugin(kinds.Remediation)
        found = plugin.verify(context(ctx), read_params(plugin, params), attempt_in(plugin, made))
        return finding_out(plugin, found)

    @guarded
    def plan_undo(self, ctx: common.Context, params: str, made: Any) -> Any:
        plugin = the_plugin(kinds.Remediation)
        plan = plugin.plan_undo(context(ctx), read_params(plugin, params), attempt_in(plugin, made))
        return plan_out(plugin, plan)


class Notification:
    @guarded
    def notify(self, ctx: common.Context, params: str, message: Any) -> None:
        plugin = the_plugin(kinds.Notification)
        told = Message(
            kind=message.kind,
            severity=message.severity,
            title=message.title,
            text=message.text,
            link=message.link,
            report=_wire.from_json(message.report),
            thread=message.thread,
            extra=_wire.from_json(message.extra),
        )
        plugin.notify(context(ctx), read_params(plugin, params), told)


def read_params(plugin: Any, text: str) -> Any:
    try:
        return values.read(_wire.from_json(text), plugin.params_type)
    except values.Misfit as misfit:
        raise Failure.invalid_params(f"The parameters do not fit: {misfit}") from None


def data_out(plugin: Any, data: Any) -> str:
    """The default where there is nothing to say: what is sent has to fit the schema that the manifest gives."""
    return _wire.canonical(values.write(plugin.data_type() if data is None else data))


def data_in(plugin: Any, text: str) -> Any:
    """None where there was nothing to say, or something that another version of the plugin said."""
    try:
        return values.read(_wire.from_json(text), plugin.data_type)
    except values.Misfit:
        return None


def evidence_out(evidence: list[finding.Evidence]) -> list[common.Evidence]:
    return [
        common.Evidence(
            one.label,
            one.value,
            one.link,
            one.unit,
            [common.Point(float(at), float(value)) for at, value in one.points],
            "{}",
        )
        for one in evidence
    ]


def finding_out(plugin: Any, found: finding.Finding) -> common.Finding:
    verdict = common.Verdict[found.verdict.name]
    data = data_out(plugin, found.data)
    return common.Finding(verdict, found.summary, evidence_out(found.evidence), data, "{}")


def plan_out(plugin: Any, plan: Plan) -> Any:
    actions = [
        wit.Action(a.verb, a.target, a.expect, a.content, a.items, a.reason, _wire.to_json(a.extra))
        for a in plan.actions
    ]
    return wit.ChangePlan(plan.summary, actions, plan.population, data_out(plugin, plan.data), "{}")


def plan_in(plugin: Any, plan: Any) -> Plan:
    actions = [
        Action(a.verb, a.target, a.expect, a.content, list(a.items), a.reason, _wire.from_json(a.extra))
        for a in plan.actions
    ]
    return Plan(plan.summary, actions, data_in(plugin, plan.data), plan.population)


def attempt_in(plugin: Any, made: Any) -> Attempt:
    plan = plan_in(plugin, made.plan)
    progress = [Progress() for _ in plan.actions]
    for seen in made.progress:
        if seen.action < len(progress):
            progress[seen.action] = Progress(seen.state, seen.detail)
    outcome = None
    if made.outcome is not None:
        evidence = [
            finding.Evidence(e.label, e.value, e.unit, e.link, [(p.at_ms, p.value) for p in e.points])
            for e in made.outcome.evidence
        ]
        outcome = finding.Outcome(made.outcome.summary, evidence, data_in(plugin, made.outcome.data))
    return Attempt(plan, progress, outcome)


def context(ctx: common.Context) -> Context:
    def named(labels: list[common.Label]) -> dict[str, str]:
        return {label.name: label.value for label in labels}

    alerts = [
        Alert(
            a.name,
            a.fingerprint,
            a.status,
            named(a.labels),
            named(a.annotations),
            a.starts_at,
            _wire.from_json(a.payload),
            _wire.from_json(a.extra),
        )
        for a in ctx.alerts
    ]
    return Context(ctx.run, ctx.step, ctx.attempt, ctx.idempotency_key, alerts, _wire.from_json(ctx.extra))
