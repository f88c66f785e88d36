/**
 * The contract (plugin.wit) as a component written in JavaScript sees it: names in camel case, `option` as undefined
 * (null where the host gives one), a
 * failure thrown with the record as `payload`.
 */

declare module "runbook:plugin/common@0.1.0" {
  export interface Label {
    name: string;
    value: string;
  }
  export interface Alert {
    name: string;
    fingerprint: string;
    status: string;
    labels: Label[];
    annotations: Label[];
    startsAt: string;
    payload: string;
    extra: string;
  }
  export interface Context {
    run: string;
    step: string;
    attempt: number;
    idempotencyKey: string;
    alerts: Alert[];
    extra: string;
  }
  export interface Failure {
    code: string;
    message: string;
    retryAfterMs?: number;
    extra: string;
  }
  export interface Point {
    atMs: number;
    value: number;
  }
  export interface Evidence {
    label: string;
    value: string;
    link?: string;
    unit?: string;
    points: Point[];
    extra: string;
  }
  export type Verdict = "yes" | "no" | "unknown";
  export interface Finding {
    verdict: Verdict;
    summary: string;
    evidence: Evidence[];
    data: string;
    extra: string;
  }
  export interface Action {
    verb: string;
    target: string;
    expect?: string;
    content?: string;
    items: string[];
    reason: string;
    extra: string;
  }
  export interface ChangePlan {
    summary: string;
    actions: Action[];
    population?: string;
    data: string;
    extra: string;
  }
  export interface Outcome {
    summary: string;
    evidence: Evidence[];
    data: string;
    extra: string;
  }
  export interface Progress {
    action: number;
    state: string;
    detail: string;
  }
  export interface AttemptMade {
    plan: ChangePlan;
    progress: Progress[];
    outcome?: Outcome;
  }
  export interface Message {
    kind: string;
    severity: string;
    title: string;
    text: string;
    link?: string;
    report: string;
    thread: string;
    extra: string;
  }
}

declare module "runbook:plugin/host@0.1.0" {
  export type Level = "debug" | "info" | "warn" | "error";
  export function log(level: Level, message: string): void;
  export function nowMs(): number;
  export function remainingMs(): number;
  export function isCancelled(): boolean;
  export function sleep(ms: number): void;
  export function settings(): string;
}

declare module "runbook:plugin/http@0.1.0" {
  export interface Header {
    name: string;
    value: string;
  }
  export interface Request {
    method: string;
    url: string;
    headers: Header[];
    body: Uint8Array;
    timeoutMs?: number;
  }
  export interface Response {
    status: number;
    headers: Header[];
    body: Uint8Array;
  }
  export function send(request: Request): Response;
}

declare module "runbook:plugin/files@0.1.0" {
  export interface Entry {
    path: string;
    kind: string;
    bytes: number;
    modifiedMs: number;
  }
  export interface Space {
    totalBytes: number;
    freeBytes: number;
  }
  export interface Entries {
    items: Entry[];
    next?: string;
  }
  export interface Removed {
    paths: string[];
    bytes: number;
    refused: string[];
  }
  export function usage(folder: string): Space;
  export function scan(folder: string, recursive: boolean, continueFrom?: string): Entries;
  export function read(path: string, limitBytes: number): Uint8Array;
  export function write(path: string, content: Uint8Array): void;
  export function remove(folder: string, files: Entry[]): Removed;
}

declare module "runbook:plugin/kubernetes@0.1.0" {
  export interface Object {
    apiVersion: string;
    kind: string;
    namespace?: string;
    name: string;
  }
  export interface Query {
    apiVersion: string;
    kind: string;
    namespace?: string;
    labelSelector?: string;
    fieldSelector?: string;
    limit?: number;
    continueFrom?: string;
  }
  export interface Page {
    items: string[];
    next?: string;
  }
  export function get(what: Object): string;
  export function find(what: Query): Page;
  export function logs(pod: Object, container: string | undefined, previous: boolean, tailLines: number): string;
  export function _delete(what: Object, graceSeconds?: number): void;
  export function evict(pod: Object, graceSeconds?: number): void;
  export function patch(what: Object, kind: string, body: string): string;
  export function create(what: Object, body: string): string;
  export function scale(what: Object, replicas: number): void;
}
