/** Carrying a plan out. */

import { type Context, keyOf } from "./context.js";
import { Failure } from "./failure.js";
import * as files from "./files.js";
import * as http from "./http.js";
import * as kubernetes from "./kubernetes.js";
import type { Action, Plan } from "./plan.js";
import { member } from "./text.js";

/** What one action came to. */
export interface Answer {
  action: Action;
  /** One sentence for people. */
  said: string;
  /** The response, what was removed, the object as it is now; undefined where there is nothing. */
  value?: http.Response | files.Removed | kubernetes.KubeObject;
}

/**
 * Carries each action of the plan out, in order, each request with its idempotency key. The first failure ends it; what was
 * done until then the host knows.
 */
export function carryOut(ctx: Context, plan: Plan<unknown>): Answer[] {
  const count = plan.actions.length;
  return plan.actions.map((action, index) => perform(action, keyOf(ctx, index, count)));
}

const DONE: { [verb: string]: string } = {
  delete: "Deleted",
  evict: "Evicted",
  patch: "Patched",
  create: "Created",
  scale: "Scaled",
};

/** Carries one action out. */
export function perform(action: Action, key: string): Answer {
  const { verb, target } = action.words;
  if (target.startsWith("file:")) return onFiles(action, target.slice("file:".length));
  if (action.object !== undefined) {
    const value = kubernetes.change(action.object, verb, action.content);
    const said = `${DONE[verb] ?? verb} ${kubernetes.nameOf(action.object)}`;
    return value === undefined ? { action, said } : { action, said, value };
  }
  if (action.url !== undefined) return send(action, key);
  throw Failure.failed(`The kit does not know how to \`${verb}\` \`${target}\``);
}

function send(action: Action, key: string): Answer {
  const { verb, target } = action.words;
  const what = `${verb} ${target}`;
  const type = member(action.content, "contentType");
  let request = new http.Request(verb, target, {}, action.body());
  if (typeof type === "string") request = request.header("content-type", type);
  const value = doing(what, () => {
    const answer = request.header("idempotency-key", key).send();
    const gone = verb === "DELETE" && (answer.status === 404 || answer.status === 410);
    return gone ? answer : answer.ok();
  });
  return { action, said: `${what} answered ${value.status}`, value };
}

function onFiles(action: Action, path: string): Answer {
  if (action.words.verb === "write") {
    doing(`writing \`${path}\``, () => files.write(path, action.body()));
    return { action, said: `Wrote \`${path}\`` };
  }
  if (action.words.verb !== "remove") {
    throw Failure.failed(`The kit does not know how to \`${action.words.verb}\` a file`);
  }
  const entries = action.removes();
  const value = doing(`removing files of \`${path}\``, () => files.remove(path, entries));
  if (value.paths.length === 0 && value.refused.length > 0) {
    throw Failure.conflict(`None of the ${entries.length} files of \`${path}\` is still what was planned`);
  }
  const left = value.refused.length > 0 ? `; left ${value.refused.length} that are no longer what was seen` : "";
  return { action, said: `Removed ${value.paths.length} files, ${value.bytes} bytes${left}`, value };
}

function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw thrown instanceof Failure ? thrown.context(what) : thrown;
  }
}
