/**
 * Objects of the Kubernetes cluster that the step is bound to (`on` in the runbook).
 *
 * Looking passes in every phase, as far as the grant goes. Changing passes only in `apply` and only as planned; plan it with
 * `Action`, which pins the very object that was looked at. An object is the JSON that the API server gave, with small views
 * of what most plugins read.
 */

import * as wit from "runbook:plugin/kubernetes@0.1.0";
import { Failure, ask } from "./failure.js";
import { type Json, canonical, fromJson, member } from "./text.js";

/** A kind of object: what a call names it by, and its plural, which plans and grants name it by. */
export interface Kind {
  /** `v1`, `apps/v1`. */
  apiVersion: string;
  /** `Pod`, `Deployment`. */
  kind: string;
  /** `pods`, `deployments`. */
  resource: string;
}

function kindOf(apiVersion: string, kind: string, resource: string): Kind {
  return { apiVersion, kind, resource };
}

export const POD = kindOf("v1", "Pod", "pods");
export const NODE = kindOf("v1", "Node", "nodes");
export const EVENT = kindOf("v1", "Event", "events");
export const SERVICE = kindOf("v1", "Service", "services");
export const CONFIG_MAP = kindOf("v1", "ConfigMap", "configmaps");
export const DEPLOYMENT = kindOf("apps/v1", "Deployment", "deployments");
export const REPLICA_SET = kindOf("apps/v1", "ReplicaSet", "replicasets");
export const STATEFUL_SET = kindOf("apps/v1", "StatefulSet", "statefulsets");
export const DAEMON_SET = kindOf("apps/v1", "DaemonSet", "daemonsets");
export const JOB = kindOf("batch/v1", "Job", "jobs");
export const CRON_JOB = kindOf("batch/v1", "CronJob", "cronjobs");

/** What one object is called; without a namespace where the kind is in none. */
export interface Named {
  kind: Kind;
  namespace?: string;
  name: string;
}

/** One object, by name. */
export function named(kind: Kind, namespace: string | undefined, name: string): Named {
  return namespace === undefined ? { kind, name } : { kind, namespace, name };
}

/** How a plan names the objects of a kind. */
export function collectionOf(kind: Kind, namespace: string | undefined): string {
  const [group] = kind.apiVersion.includes("/") ? kind.apiVersion.split("/") : ["_"];
  return `kubernetes:${namespace ?? "_"}/${group}/${kind.resource}`;
}

/** How a plan names one object: `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME`, with `_` where there is none. */
export function targetOf(what: Named): string {
  return `${collectionOf(what.kind, what.namespace)}/${what.name}`;
}

/** For people. */
export function nameOf(what: Named): string {
  const where = what.namespace === undefined ? what.name : `${what.namespace}/${what.name}`;
  return `${what.kind.kind} \`${where}\``;
}

/** An object as the API server gave it. */
export class KubeObject {
  constructor(
    readonly kind: Kind,
    readonly value: { [name: string]: Json },
  ) {}

  /** What is at this path: `pod.at("spec", "nodeName")`. Undefined where nothing is. */
  at(...names: (string | number)[]): Json | undefined {
    let value: Json | undefined = this.value;
    for (const name of names) {
      value = typeof name === "number" ? (Array.isArray(value) ? value[name] : undefined) : member(value, name);
    }
    return value;
  }

  /** The text there; empty where there is none. */
  text(...names: (string | number)[]): string {
    const value = this.at(...names);
    return typeof value === "string" ? value : "";
  }

  /** Its name. */
  get name(): string {
    return this.text("metadata", "name");
  }

  /** Its namespace. */
  get namespace(): string | undefined {
    return this.text("metadata", "namespace") || undefined;
  }

  /** Which one it is: another object of the same name has another. */
  get uid(): string {
    return this.text("metadata", "uid");
  }

  /** Which state of it this is. */
  get version(): string {
    return this.text("metadata", "resourceVersion");
  }

  /** What it is called. */
  get named(): Named {
    return named(this.kind, this.namespace, this.name);
  }
}

/** One object, as it is now. */
export function get(what: Named): KubeObject {
  return doing(`reading ${nameOf(what)}`, () => parse(what.kind, ask(() => wit.get(wire(what)))));
}

/** The object where it is there; undefined where it is not. */
export function look(what: Named): KubeObject | undefined {
  try {
    return get(what);
  } catch (thrown) {
    if (thrown instanceof Failure && thrown.code === "not-found") return undefined;
    throw thrown;
  }
}

/** The objects of a kind, page after page as they are needed: of one namespace, or of all. */
export function* find(
  kind: Kind,
  namespace?: string,
  only: { labels?: string; fields?: string } = {},
): Generator<KubeObject> {
  let from: string | undefined;
  do {
    const query: wit.Query = { apiVersion: kind.apiVersion, kind: kind.kind };
    if (namespace !== undefined) query.namespace = namespace;
    if (only.labels !== undefined) query.labelSelector = only.labels;
    if (only.fields !== undefined) query.fieldSelector = only.fields;
    if (from !== undefined) query.continueFrom = from;
    const page = doing(`listing ${kind.resource}`, () => ask(() => wit.find(query)));
    for (const item of page.items) yield parse(kind, item);
    from = page.next ?? undefined;
  } while (from !== undefined);
}

/** The end of a pod's log; of the instance before the last restart where `previous` is said. */
export function logs(pod: Named, of: { container?: string; previous?: boolean; tail?: number } = {}): string {
  const { container, previous = false, tail = 1000 } = of;
  return doing(`reading the log of ${nameOf(pod)}`, () => ask(() => wit.logs(wire(pod), container, previous, tail)));
}

/** Makes a planned change. Only in `apply`; `carryOut` calls it with exactly what the plan says. */
export function change(what: Named, verb: string, content: Json | undefined): KubeObject | undefined {
  const target = wire(what);
  const grace = member(content, "graceSeconds") as number | undefined;
  const body = () => canonical(member(content, "body"));
  const answer = doing(`\`${verb}\` on ${nameOf(what)}`, () =>
    ask((): string | undefined => {
      switch (verb) {
        case "delete":
          return void remove(target, grace);
        case "evict":
          return void wit.evict(target, grace);
        case "scale":
          return void wit.scale(target, member(content, "replicas") as number);
        case "create":
          return wit.create(target, body());
        case "patch":
          return wit.patch(target, member(content, "kind") as string, body());
        default:
          throw Failure.failed(`The kit does not know how to \`${verb}\` an object`);
      }
    }),
  );
  return answer === undefined ? undefined : parse(what.kind, answer);
}

const remove = (wit as unknown as { [name: string]: typeof wit._delete })["delete"] as typeof wit._delete;

function wire(what: Named): wit.Object {
  const { apiVersion, kind } = what.kind;
  const { namespace, name } = what;
  return namespace === undefined ? { apiVersion, kind, name } : { apiVersion, kind, namespace, name };
}

function parse(kind: Kind, text: string): KubeObject {
  const value = fromJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw Failure.failed(`the cluster answered something that is not a ${kind.kind}`);
  }
  return new KubeObject(kind, value as { [name: string]: Json });
}

function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw thrown instanceof Failure ? thrown.context(what) : thrown;
  }
}
