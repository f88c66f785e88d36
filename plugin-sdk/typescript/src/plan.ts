/**
 * Plans, in the contract's words.
 *
 * The host compares each changing call with the plan, so a plan names target and content exactly as the call will have them.
 * An `Action` is made of the very request, files or object that `carryOut` acts on. What the words cannot hold (bytes that
 * are not JSON, sizes of files, the kind of an object) travels in `extra`, which the engine hands back untouched.
 */

import { Failure } from "./failure.js";
import type { Entry } from "./files.js";
import { Request, request } from "./http.js";
import { type KubeObject, type Kind, type Named, collectionOf, named, targetOf } from "./kubernetes.js";
import { digest } from "./sha256.js";
import { type Json, canonical, decodeUtf8Strictly, encodeUtf8, fromHex, fromJson, member, toHex } from "./text.js";

/** What an action says in the contract's words. */
export interface Words {
  verb: string;
  target: string;
  expect?: string;
  content?: string;
  items?: string[];
  reason?: string;
  extra?: Json;
}

/** One change. */
export class Action {
  constructor(readonly words: Words) {}

  /** Sends this request. Of its headers only the content type is part of the plan. */
  static send(what: Request): Action {
    const words = { verb: what.method, target: what.url };
    if (what.body.length === 0) {
      return new Action(["POST", "PUT", "PATCH"].includes(what.method) ? { ...words, content: "{}" } : words);
    }
    const kind = what.headers["content-type"];
    const type = kind === undefined ? {} : { contentType: kind };
    const text = isJson(kind) ? decodeUtf8Strictly(what.body) : undefined;
    const body = text === undefined ? undefined : fromJson(text);
    if (body === undefined) {
      const content = canonical({ ...type, body: digest(what.body) });
      return new Action({ ...words, content, extra: keep(what.body) });
    }
    return new Action({ ...words, content: canonical({ ...type, body }) });
  }

  /** `POST` with this value as JSON. */
  static post(url: string, body: Json): Action {
    return Action.send(request("POST", url).json(body));
  }

  /** `PUT` with this value as JSON. */
  static put(url: string, body: Json): Action {
    return Action.send(request("PUT", url).json(body));
  }

  /** `PATCH` with this value as JSON. */
  static patch(url: string, body: Json): Action {
    return Action.send(request("PATCH", url).json(body));
  }

  /** `DELETE`. */
  static delete(url: string): Action {
    return Action.send(request("DELETE", url));
  }

  /** Removes these files of a folder (at any depth below it), each only if it is still the one that was seen. */
  static remove(folder: string, entries: Iterable<Entry>): Action {
    const seen = [...entries];
    return new Action({
      verb: "remove",
      target: `file:${folder.replace(/\/+$/, "")}`,
      items: seen.map((entry) => `${entry.path}@${entry.modifiedMs}`),
      extra: { bytes: seen.map((entry) => entry.bytes) },
    });
  }

  /** Writes a file. */
  static write(path: string, content: Uint8Array | string): Action {
    const bytes = typeof content === "string" ? encodeUtf8(content) : content;
    const target = `file:${path.replace(/\/+$/, "")}`;
    return new Action({ verb: "write", target, content: digest(bytes), extra: keep(bytes) });
  }

  /** Evicts this pod, and no other of its name, as far as its PodDisruptionBudgets allow. */
  static evict(pod: KubeObject, more: { graceSeconds?: number } = {}): Action {
    return on(pod.named, "evict", grace(more)).expectUid(pod);
  }

  /** Deletes this object, and no other of its name. */
  static deleteObject(what: KubeObject, more: { graceSeconds?: number } = {}): Action {
    return on(what.named, "delete", grace(more)).expectUid(what);
  }

  /** Sets the number of replicas of this object. */
  static scale(what: KubeObject, replicas: number): Action {
    return on(what.named, "scale", { replicas }).expectUid(what);
  }

  /** Patches this object, in the state that it was read in: `merge`, `strategic`, `json` or `apply`. */
  static patchObject(what: KubeObject, body: Json, kind = "merge"): Action {
    return on(what.named, "patch", { kind, body }).expectVersion(what);
  }

  /** Creates an object; its name and namespace are in the body's `metadata`. */
  static createObject(kind: Kind, body: { [name: string]: Json }): Action {
    const name = member(body.metadata, "name");
    const namespace = member(body.metadata, "namespace");
    if (typeof name !== "string") throw Failure.failed("an object to create needs a name of its own: `metadata.name`");
    return on(named(kind, typeof namespace === "string" ? namespace : undefined, name), "create", { body });
  }

  /** Only if the target's entity tag is still this one; the host sends it as `If-Match`. */
  expectEtag(etag: string): Action {
    return this.#with({ expect: `etag:${etag}` });
  }

  /** Only if the file was last changed then. */
  expectModifiedMs(ms: number): Action {
    return this.#with({ expect: `modified-ms:${ms}` });
  }

  /** Only if it is still this object. */
  expectUid(what: KubeObject): Action {
    return this.#with({ expect: `uid:${what.uid}` });
  }

  /** Only if nothing of the object has changed since. */
  expectVersion(what: KubeObject): Action {
    return this.#with({ expect: `version:${what.version}` });
  }

  /** Why, for the person who decides. */
  because(reason: string): Action {
    return this.#with({ reason });
  }

  /** The URL, where the action is a request. */
  get url(): string | undefined {
    return this.words.target.includes("://") ? this.words.target : undefined;
  }

  /** The object, where the action is on one. */
  get object(): Named | undefined {
    const { target, extra } = this.words;
    const [apiVersion, kind] = [member(extra, "apiVersion"), member(extra, "kind")];
    if (!target.startsWith("kubernetes:") || typeof apiVersion !== "string" || typeof kind !== "string") return undefined;
    const [namespace, , resource, ...name] = target.slice("kubernetes:".length).split("/") as [string, string, string];
    return named({ apiVersion, kind, resource }, namespace === "_" ? undefined : namespace, (name as string[]).join("/"));
  }

  /** What it does, as the plan has it. */
  get content(): Json | undefined {
    return this.words.content === undefined ? undefined : fromJson(this.words.content);
  }

  /** The bytes that it sends or writes. */
  body(): Uint8Array {
    const [text, hex] = [member(this.words.extra, "text"), member(this.words.extra, "hex")];
    if (typeof text === "string") return encodeUtf8(text);
    if (typeof hex === "string") return fromHex(hex);
    const body = member(this.content, "body");
    return body === undefined ? new Uint8Array(0) : encodeUtf8(canonical(body));
  }

  /** The files that would be removed; empty where the action is another. */
  removes(): Entry[] {
    const sizes = member(this.words.extra, "bytes");
    return (this.words.items ?? []).map((item, index) => {
      const at = item.lastIndexOf("@");
      const modifiedMs = Number(item.slice(at + 1));
      if (at < 1 || !Number.isInteger(modifiedMs)) {
        throw Failure.failed(`an item of the plan is no \`PATH@MODIFIED-MS\`: ${item}`);
      }
      const bytes = Array.isArray(sizes) ? sizes[index] : 0;
      return { path: item.slice(0, at), kind: "file", bytes: typeof bytes === "number" ? bytes : 0, modifiedMs };
    });
  }

  #with(more: Partial<Words>): Action {
    return new Action({ ...this.words, ...more });
  }
}

/** What would be changed. Without actions there is nothing to do. */
export interface Plan<Data = Json> {
  /** One sentence. */
  summary: string;
  /** What would be done, in order. */
  actions: Action[];
  /** What `apply`, `verify` and later steps can read. Not part of what is decided on. */
  data?: Data;
  /** The things like those acted on, for limits given as a share (`populationOf`). The host counts them. */
  population?: string;
}

/** How a plan names the things like those acted on: every target of the plan has to be one of them. */
export function populationOf(kind: Kind, namespace: string, labels: string): string {
  return `${collectionOf(kind, namespace)}?${labels}`;
}

function on(what: Named, verb: string, content: Json | undefined): Action {
  const extra = { apiVersion: what.kind.apiVersion, kind: what.kind.kind };
  const words = { verb, target: targetOf(what), extra };
  return new Action(content === undefined ? words : { ...words, content: canonical(content) });
}

function grace(more: { graceSeconds?: number }): Json | undefined {
  return more.graceSeconds === undefined ? undefined : { graceSeconds: more.graceSeconds };
}

function isJson(contentType: string | undefined): boolean {
  const essence = (contentType?.split(";")[0] ?? "").trim().toLowerCase();
  return essence === "application/json" || essence.endsWith("+json");
}

function keep(bytes: Uint8Array): Json {
  const text = decodeUtf8Strictly(bytes);
  return text === undefined ? { hex: toHex(bytes) } : { text };
}
