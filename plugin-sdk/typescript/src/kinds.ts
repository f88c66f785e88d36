/** The three kinds of plugin. A plugin's module has one of them as its default export. */

import type { Attempt, Context, Message } from "./context.js";
import type { Finding, Outcome } from "./finding.js";
import type { Plan } from "./plan.js";
import type { Schema } from "./schema.js";
import type { Json } from "./text.js";

/** What a plugin says of itself. */
export interface About<Params, Data> {
  /** Kebab-case. */
  name: string;
  /** Semver. */
  version: string;
  /** One sentence: what the plugin does, on what. */
  summary: string;
  /** What a runbook's `with` gives. */
  params: Schema<Params>;
  /** What later steps can read as `.data`; nothing where it is left out. */
  data?: Schema<Data>;
  /** What it needs, in the notation of a grant: `{ http: [{ url: "…", read: ["GET"] }] }`. */
  asks?: { [capability: string]: Json };
}

/** Answers one question, read-only: the host refuses every change. */
export interface Diagnosis<Params, Data> extends About<Params, Data> {
  /** Looks, and answers yes, no or unknown. */
  diagnose(ctx: Context, params: Params): Finding<Data>;
}

/** Plans, then applies, one change. */
export interface Remediation<Params, Data> extends About<Params, Data> {
  /**
   * A repeat of an action under one idempotency key has no second effect, so that the engine may send an action again whose
   * answer was lost. Say it only where the other side keeps the promise.
   */
  idempotent?: boolean;
  /**
   * Asked again after the way back was applied, `planUndo` looks at the world and gives an empty plan where all is as before.
   */
  verifiesUndo?: boolean;
  /** Read-only. Names each action exactly; without actions there is nothing to do. */
  plan(ctx: Context, params: Params): Plan<Data>;
  /**
   * Carries the plan out: the host lets through exactly what it names, each once. Without it every action is carried out in
   * order, and the first failure ends it; that is all that most plugins need.
   */
  apply?(ctx: Context, params: Params, plan: Plan<Data>): Outcome<Data>;
  /**
   * Read-only. Yes: the change holds and did what it was for. Asked also after a crash, to find out whether an action without
   * an answer took effect. The manifest says `verifies` where it is there.
   */
  verify?(ctx: Context, params: Params, made: Attempt<Data>): Finding<Data>;
  /**
   * Read-only. The plan of the way back from what was really done. The manifest says `reversible` where it is there.
   */
  planUndo?(ctx: Context, params: Params, made: Attempt<Data>): Plan<Data>;
}

/** Tells people. */
export interface Notification<Params> extends Omit<About<Params, object>, "data"> {
  /** Delivers one message. May send only what its `notify` grant names. */
  notify(ctx: Context, params: Params, message: Message): void;
}

/** A plugin of some kind, as the component's entry finds it. */
export type Plugin =
  | { kind: "diagnosis"; of: Diagnosis<unknown, unknown> }
  | { kind: "remediation"; of: Remediation<unknown, unknown> }
  | { kind: "notification"; of: Notification<unknown> };

/** A diagnosis plugin: `export default diagnosis({ … })`. */
export function diagnosis<Params, Data = object>(of: Diagnosis<Params, Data>): Plugin {
  return { kind: "diagnosis", of: of as Diagnosis<unknown, unknown> };
}

/** A remediation plugin: `export default remediation({ … })`. */
export function remediation<Params, Data = object>(of: Remediation<Params, Data>): Plugin {
  return { kind: "remediation", of: of as Remediation<unknown, unknown> };
}

/** A notification plugin: `export default notification({ … })`. */
export function notification<Params>(of: Notification<Params>): Plugin {
  return { kind: "notification", of: of as Notification<unknown> };
}
