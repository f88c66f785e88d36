/**
 * The contract's exports, made of the plugin: what the entry of a component exports.
 *
 * What the host leaves out comes in as null; here it becomes undefined, as plugins and the rest of the kit have it.
 */

import type * as wit from "runbook:plugin/common@0.1.0";
import { carryOut } from "./apply.js";
import { type Alert, Attempt, type Context, type Progress } from "./context.js";
import { Failure, failureOf } from "./failure.js";
import type { Evidence, Finding, Outcome } from "./finding.js";
import type { Diagnosis, Notification, Plugin, Remediation } from "./kinds.js";
import { Action, type Plan } from "./plan.js";
import { type Schema, manifestSchema, misfit, nothing } from "./schema.js";
import { type Json, canonical, fromJson, toJson } from "./text.js";

/** The exports of a component of this plugin, which has to be of this kind. */
export function exportsOf(plugin: Plugin, kind: Plugin["kind"]) {
  if (plugin?.kind !== kind) {
    const found = plugin?.kind === undefined ? "not one" : `a ${plugin.kind} plugin`;
    throw new TypeError(
      `the plugin's module has to have a ${kind} plugin as its default export, and has ${found}: ` +
        `write \`export default ${kind}({ … })\``,
    );
  }
  // Made while the component is built, so that what is wrong with it is told then.
  const text = manifestOf(plugin);
  const manifest = { describe: () => text };
  return {
    manifest,
    diagnosis: plugin.kind === "diagnosis" ? diagnosisOf(plugin.of) : undefined,
    remediation: plugin.kind === "remediation" ? remediationOf(plugin.of) : undefined,
    notification: plugin.kind === "notification" ? notificationOf(plugin.of) : undefined,
  };
}

function manifestOf(plugin: Plugin): string {
  const { name, version, summary, params, asks = {} } = plugin.of;
  const changes = plugin.kind === "remediation" ? plugin.of : undefined;
  return canonical({
    name,
    version,
    summary,
    params: manifestSchema(params),
    data: manifestSchema(plugin.kind === "notification" ? nothing : (plugin.of.data ?? nothing)),
    idempotent: changes?.idempotent ?? false,
    reversible: changes?.planUndo !== undefined,
    verifies: changes?.verify !== undefined,
    "verifies-undo": changes?.verifiesUndo ?? false,
    asks,
  });
}

function diagnosisOf(plugin: Diagnosis<unknown, unknown>) {
  return {
    diagnose: guarded((ctx: wit.Context, params: string) =>
      findingOut(plugin.diagnose(contextIn(ctx), paramsIn(plugin.params, params))),
    ),
  };
}

function remediationOf(plugin: Remediation<unknown, unknown>) {
  const { params: of } = plugin;
  return {
    plan: guarded((ctx: wit.Context, params: string) =>
      planOut(plugin.plan(contextIn(ctx), paramsIn(of, params))),
    ),
    apply: guarded((ctx: wit.Context, params: string, plan: wit.ChangePlan) => {
      const [context, given, planned] = [contextIn(ctx), paramsIn(of, params), planIn(plan)];
      return outcomeOut(plugin.apply?.(context, given, planned) ?? carriedOut(context, planned), planned);
    }),
    verify: guarded((ctx: wit.Context, params: string, made: wit.AttemptMade) => {
      const attempt = attemptIn(made);
      const found = plugin.verify?.(contextIn(ctx), paramsIn(of, params), attempt) ?? {
        verdict: "unknown",
        summary: "This plugin cannot verify what it changed",
      };
      return findingOut(found, attempt.plan);
    }),
    planUndo: guarded((ctx: wit.Context, params: string, made: wit.AttemptMade) => {
      if (plugin.planUndo === undefined) throw Failure.failed("This change cannot be undone by the plugin");
      return planOut(plugin.planUndo(contextIn(ctx), paramsIn(of, params), attemptIn(made)));
    }),
  };
}

function carriedOut(ctx: Context, plan: Plan<unknown>): Outcome<unknown> {
  const said = carryOut(ctx, plan).map((answer) => answer.said);
  const more = said.length > 3 ? [`${said.length - 3} more`] : [];
  return { summary: [...said.slice(0, 3), ...more].join("; ") || "Nothing to do" };
}

function notificationOf(plugin: Notification<unknown>) {
  return {
    notify: guarded((ctx: wit.Context, params: string, message: wit.Message) => {
      const { report, extra, ...rest } = message;
      const told = { ...rest, report: fromJson(report), extra: fromJson(extra) };
      plugin.notify(contextIn(ctx), paramsIn(plugin.params, params), told);
    }),
  };
}

/** What was thrown becomes the contract's failure. */
function guarded<Given extends unknown[], Out>(call: (...given: Given) => Out): (...given: Given) => Out {
  return (...given) => {
    try {
      const out = call(...given);
      if (typeof (out as { then?: unknown } | undefined)?.then === "function") {
        throw new TypeError("the plugin answered with a promise: its functions have to be synchronous");
      }
      return out;
    } catch (thrown) {
      const { code, message, retryAfterMs, extra } = failureOf(thrown);
      const failure: wit.Failure = { code, message, extra: toJson(extra) };
      if (retryAfterMs !== undefined) failure.retryAfterMs = retryAfterMs;
      throw failure;
    }
  };
}

function paramsIn(of: Schema<unknown>, text: string): unknown {
  const value = fromJson(text) ?? null;
  const why = misfit(value, of);
  if (why !== undefined) throw Failure.invalidParams(`The parameters do not fit: ${why}`);
  return of.fill(value);
}

function evidenceOut(evidence: Evidence[] | undefined): wit.Evidence[] {
  return (evidence ?? []).map(({ points = [], ...rest }) => ({
    ...rest,
    points: points.map(([atMs, value]) => ({ atMs, value })),
    extra: "{}",
  }));
}

/** Data that fits the manifest is needed in any case: where an application or a look after it says none, the plan's holds. */
function findingOut(found: Finding<unknown>, plan?: Plan<unknown>): wit.Finding {
  const { verdict, summary, evidence, data = plan?.data } = found;
  return { verdict, summary, evidence: evidenceOut(evidence), data: toJson(data as Json), extra: "{}" };
}

function outcomeOut(outcome: Outcome<unknown>, plan: Plan<unknown>): wit.Outcome {
  const { summary, evidence, data = plan.data } = outcome;
  return { summary, evidence: evidenceOut(evidence), data: toJson(data as Json), extra: "{}" };
}

function planOut(plan: Plan<unknown>): wit.ChangePlan {
  const actions = plan.actions.map(({ words }) => ({
    ...words,
    items: words.items ?? [],
    reason: words.reason ?? "",
    extra: toJson(words.extra),
  }));
  const { summary, population, data } = plan;
  const out: wit.ChangePlan = { summary, actions, data: toJson(data as Json), extra: "{}" };
  if (population !== undefined) out.population = population;
  return out;
}

function planIn(plan: wit.ChangePlan): Plan<unknown> {
  const actions = plan.actions.map(({ expect, content, extra, ...words }) => {
    const said = { ...(expect != null && { expect }), ...(content != null && { content }) };
    return new Action({ ...words, ...said, extra: fromJson(extra) ?? {} });
  });
  const out: Plan<unknown> = { summary: plan.summary, actions, data: fromJson(plan.data) };
  if (plan.population != null) out.population = plan.population;
  return out;
}

function attemptIn(made: wit.AttemptMade): Attempt<unknown> {
  const plan = planIn(made.plan);
  const progress: Progress[] = plan.actions.map(() => ({ state: "not-sent", detail: "" }));
  for (const { action, state, detail } of made.progress) {
    if (action < progress.length) progress[action] = { state, detail };
  }
  return new Attempt(plan, progress, made.outcome == null ? undefined : outcomeIn(made.outcome));
}

function outcomeIn(outcome: wit.Outcome): Outcome<unknown> {
  const evidence = outcome.evidence.map(({ points, extra: _, ...rest }) => ({
    ...rest,
    points: points.map(({ atMs, value }): [number, number] => [atMs, value]),
  }));
  return { summary: outcome.summary, evidence, data: fromJson(outcome.data) };
}

function contextIn(ctx: wit.Context): Context {
  return { ...ctx, alerts: ctx.alerts.map(alertIn), extra: fromJson(ctx.extra) };
}

function alertIn(alert: wit.Alert): Alert {
  const labels = (of: wit.Label[]) => Object.fromEntries(of.map(({ name, value }) => [name, value]));
  return {
    ...alert,
    labels: labels(alert.labels),
    annotations: labels(alert.annotations),
    payload: fromJson(alert.payload),
    extra: fromJson(alert.extra),
  };
}
