/** What the engine hands to a call. */

import type { Outcome } from "./finding.js";
import type { Action, Plan } from "./plan.js";
import type { Json } from "./text.js";

/** One alert of the run's episode. */
export interface Alert {
  name: string;
  /** Stable identity of the alert across notifications. */
  fingerprint: string;
  /** `firing` or `resolved`. */
  status: string;
  labels: { [name: string]: string };
  annotations: { [name: string]: string };
  /** RFC 3339. */
  startsAt: string;
  /** What the sender sent of this alert. */
  payload: Json | undefined;
  extra: Json | undefined;
}

/** For which run and step a call is. */
export interface Context {
  run: string;
  step: string;
  /** 1 for the first attempt. */
  attempt: number;
  /** The same for every attempt at one application of this step of this run, and different between them. */
  idempotencyKey: string;
  /** The first first. None where a person started the run. */
  alerts: Alert[];
  extra: Json | undefined;
}

/** The idempotency key of one action of a plan: the context's own where there is one, else with the index appended. */
export function keyOf(ctx: Context, index: number, actions: number): string {
  return actions > 1 ? `${ctx.idempotencyKey}-${index}` : ctx.idempotencyKey;
}

/** What the host saw of one planned action. A state that you do not know is no definite answer. */
export interface Progress {
  state: "not-sent" | "done" | "refused" | "unknown" | (string & {});
  detail: string;
}

/** What was tried, also where apply failed, stopped without an answer, or the engine died in it. */
export class Attempt<Data = Json> {
  constructor(
    readonly plan: Plan<Data>,
    /** In the plan's order. */
    readonly progress: Progress[],
    /** What `apply` said, where it came to say something. */
    readonly outcome: Outcome<Data> | undefined,
  ) {}

  /** The actions that took effect for certain. */
  done(): Action[] {
    return this.plan.actions.filter((_, index) => this.progress[index]?.state === "done");
  }

  /** The actions that took effect or may have: what an undo has to think of. */
  maybeDone(): Action[] {
    return this.plan.actions.filter(
      (_, index) => !["not-sent", "refused"].includes(this.progress[index]?.state ?? "not-sent"),
    );
  }
}

/** What people are told. */
export interface Message {
  /** `question`, `progress`, `escalation` or `report`. */
  kind: string;
  /** `low`, `medium`, `high` or `critical`. */
  severity: string;
  /** One line. */
  title: string;
  /** Plain text, already free of markup. */
  text: string;
  /** Where to look further. */
  link?: string;
  /** The run's report: alert, findings, plan, what was done. */
  report: Json | undefined;
  /** The same for every message of one run. */
  thread: string;
  extra: Json | undefined;
}
