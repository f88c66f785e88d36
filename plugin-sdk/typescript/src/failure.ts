import * as wit from "runbook:plugin/host@0.1.0";
import { type Json, fromJson } from "./text.js";

/** What the engine acts on. */
export type Code =
  | "invalid-params"
  | "denied"
  | "not-found"
  | "conflict"
  | "unavailable"
  | "timeout"
  | "budget"
  | "failed";

/**
 * Why something did not work: a code that the engine acts on and a sentence for a tired reader: what failed, on what, and
 * why.
 *
 * The host's own failures are thrown as they are. Any other exception becomes one with the code `failed`. The engine retries
 * `unavailable` and `timeout` where nothing was changed, and plans again on `conflict`.
 */
export class Failure extends Error {
  /** When it may be worth another try, in milliseconds from now. */
  retryAfterMs?: number;
  /** What else there is to say. */
  extra?: Json;

  constructor(
    readonly code: Code | (string & {}),
    message: string,
    more: { retryAfterMs?: number; extra?: Json } = {},
  ) {
    super(message);
    this.name = "Failure";
    if (more.retryAfterMs !== undefined) this.retryAfterMs = more.retryAfterMs;
    if (more.extra !== undefined) this.extra = more.extra;
  }

  /** The runbook, or the operator's settings, gave something that this plugin cannot use. */
  static invalidParams(message: string): Failure {
    return new Failure("invalid-params", message);
  }

  /** The host, or the system acted on, refused. */
  static denied(message: string): Failure {
    return new Failure("denied", message);
  }

  /** What was named is not there. */
  static notFound(message: string): Failure {
    return new Failure("not-found", message);
  }

  /** The world changed since the plan was made; it is planned again. */
  static conflict(message: string): Failure {
    return new Failure("conflict", message);
  }

  /** Not reachable now. */
  static unavailable(message: string): Failure {
    return new Failure("unavailable", message);
  }

  /** A time limit was reached. */
  static timeout(message: string): Failure {
    return new Failure("timeout", message);
  }

  /** Anything else. */
  static failed(message: string): Failure {
    return new Failure("failed", message);
  }

  /** The same, with what was being done put before the message. */
  context(what: string): Failure {
    return new Failure(this.code, `${what}: ${this.message}`, this);
  }
}

/** Makes a call of the host; its failure is thrown as ours. */
export function ask<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    const said = (thrown as { payload?: unknown })?.payload ?? thrown;
    if (!isFailure(said)) throw thrown;
    const more: { retryAfterMs?: number; extra?: Json } = {};
    if (said.retryAfterMs != null) more.retryAfterMs = said.retryAfterMs;
    const extra = fromJson(said.extra);
    if (extra !== undefined) more.extra = extra;
    throw new Failure(said.code, said.message, more);
  }
}

/** Anything that was thrown as a failure. Of where it was thrown only names and lines are said, never folders. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (!(thrown instanceof Error)) return Failure.failed(String(thrown));
  const said = thrown.message ? `${thrown.name}: ${thrown.message}` : thrown.name;
  const stack = (thrown.stack ?? "").replace(/[^\s()]*[/\\]/g, "").trim();
  for (const line of stack.split("\n").filter(Boolean).slice(0, 20)) wit.log("warn", `  ${line.trim()}`);
  wit.log("error", said);
  return Failure.failed(said);
}

function isFailure(said: unknown): said is { code: string; message: string; retryAfterMs?: number; extra: string } {
  const it = said as { code?: unknown; message?: unknown; extra?: unknown } | null;
  return typeof it?.code === "string" && typeof it.message === "string" && typeof it.extra === "string";
}
