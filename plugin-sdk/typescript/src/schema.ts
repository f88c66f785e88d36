/**
 * Types of parameters and data, said once: a schema is the JSON Schema of the manifest, the check at run time, and the
 * TypeScript type (`Infer`).
 *
 * Labels of an alert come from outside. Where a schema says that a string is PromQL, a URL, a regex or JSON, the engine
 * escapes what a runbook puts into it for its position. Into a plain `string()` an outside value does not load unless the
 * runbook wraps it in `text(…)`.
 */

import { type Json, encodeUtf8 } from "./text.js";

/** A JSON Schema. */
export type JsonSchema = { [word: string]: Json };

/** What a value of type `T` has to be. */
export interface Schema<T> {
  /** The JSON Schema. */
  readonly json: JsonSchema;
  /** May be left out. */
  readonly optional: boolean;
  /** What stands for it where it is left out. */
  readonly otherwise: Json | undefined;
  /** Why a value does not fit, with its place. */
  check(value: Json, at: string): string | undefined;
  /** The value with what was left out filled in. */
  fill(value: Json): Json;
  /** Only for the compiler. */
  readonly type?: T;
}

/** The TypeScript type of a schema. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

type Checks = (value: Json, at: string) => string | undefined;

function make<T>(json: JsonSchema, check: Checks, fill: (value: Json) => Json = (value) => value): Schema<T> {
  return { json, check, fill, optional: false, otherwise: undefined };
}

function is(what: string, holds: (value: Json) => boolean): Checks {
  return (value, at) => (holds(value) ? undefined : `${place(at)} is ${short(value)}, and must be ${what}`);
}

function described(json: JsonSchema, description: string | undefined): JsonSchema {
  return description === undefined ? json : { ...json, description };
}

function special(format: string) {
  return (description?: string): Schema<string> =>
    make(
      described({ type: "string", minLength: 1, "x-stanch-format": format }, description),
      is("a string that is not empty", (value) => typeof value === "string" && value !== ""),
    );
}

/** A PromQL expression. */
export const promql = special("promql");
/** An `http` or `https` URL. */
export const url = special("url");
/** A regular expression. */
export const regex = special("regex");
/** A JSON document, as text. */
export const jsonText = special("json");

/** A string; `pattern` is what it has to match, `minLength` how many characters it has at least. */
export function string(
  description?: string,
  bounds: { pattern?: string; minLength?: number } = {},
): Schema<string> {
  const pattern = bounds.pattern === undefined ? undefined : new RegExp(bounds.pattern);
  return make(described({ type: "string", ...bounds }, description), (value, at) => {
    if (typeof value !== "string") return `${place(at)} is ${short(value)}, and must be a string`;
    if (bounds.minLength !== undefined && [...value].length < bounds.minLength) {
      return `${place(at)} must have at least ${bounds.minLength} characters`;
    }
    if (pattern?.test(value) === false) return `${place(at)} is ${short(value)}, and must match \`${bounds.pattern}\``;
    return undefined;
  });
}

function number(kind: string, what: string, whole: boolean) {
  return (description?: string, bounds: { minimum?: number; maximum?: number } = {}): Schema<number> =>
    make(described({ type: kind, ...bounds }, description), (value, at) => {
      if (typeof value !== "number" || (whole && !Number.isInteger(value))) {
        return `${place(at)} is ${short(value)}, and must be ${what}`;
      }
      const { minimum = -Infinity, maximum = Infinity } = bounds;
      if (value < minimum) return `${place(at)} is ${value}, and must be at least ${minimum}`;
      if (value > maximum) return `${place(at)} is ${value}, and must be at most ${maximum}`;
      return undefined;
    });
}

/** A whole number. */
export const integer = number("integer", "a whole number", true);
/** A number. */
export const float = number("number", "a number", false);

/** True or false. */
export function boolean(description?: string): Schema<boolean> {
  return make(described({ type: "boolean" }, description), is("true or false", (v) => typeof v === "boolean"));
}

/** A length of time, written `90s` or `1h30m`; `spanMs` reads it. */
export function span(description?: string): Schema<string> {
  const pattern = "^([0-9]+(ms|s|m|h|d))+$";
  const json = { type: "string", pattern, examples: ["90s", "1h30m"] };
  const form = new RegExp(pattern);
  return make(
    described(json, description),
    is("a length of time, written `90s` or `1h30m`", (value) => typeof value === "string" && form.test(value)),
  );
}

/** A length of time in milliseconds. */
export function spanMs(text: string): number {
  const units: { [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g)) {
    ms += Number(count) * (units[unit as string] as number);
  }
  return ms;
}

/** A size, written `64MiB`; `byteCount` reads it. */
export function bytes(description?: string): Schema<string> {
  const pattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$";
  const form = new RegExp(pattern);
  return make(
    described({ type: "string", pattern, examples: ["64MiB"] }, description),
    is("a size, written `64MiB`", (value) => typeof value === "string" && form.test(value)),
  );
}

/** A size as a number of bytes. */
export function byteCount(text: string): number {
  const power = ["B", "KiB", "MiB", "GiB", "TiB"].indexOf(text.replace(/[0-9]/g, ""));
  return Number.parseInt(text, 10) * 1024 ** power;
}

/** How many bytes a text has as UTF-8. */
export function utf8Length(text: string): number {
  return encodeUtf8(text).length;
}

/** One of these values. */
export function oneOf<const T extends (string | number | boolean)[]>(values: T, description?: string): Schema<T[number]> {
  const what = `one of ${values.map((value) => JSON.stringify(value)).join(", ")}`;
  return make(described({ enum: [...values] }, description), is(what, (value) => values.includes(value as never)));
}

/** What fits one of these schemas. */
export function either<S extends Schema<unknown>[]>(of: S, description?: string): Schema<Infer<S[number]>> {
  const json = { anyOf: of.map((one) => one.json) };
  return make(
    described(json, description),
    (value, at) => {
      const why = of.map((one) => one.check(value, at));
      return why.includes(undefined) ? undefined : why.slice(0, 3).join(", or ");
    },
    (value) => of.find((one) => one.check(value, "") === undefined)?.fill(value) ?? value,
  );
}

/** A list. */
export function list<T>(of: Schema<T>, description?: string): Schema<T[]> {
  return make(
    described({ type: "array", items: of.json }, description),
    (value, at) => {
      if (!Array.isArray(value)) return `${place(at)} is ${short(value)}, and must be a list`;
      return first(value, (item, index) => of.check(item, `${at}/${index}`));
    },
    (value) => (value as Json[]).map((item) => of.fill(item)),
  );
}

/** An object with any names. */
export function map<T>(of: Schema<T>, description?: string): Schema<{ [name: string]: T }> {
  return make(
    described({ type: "object", additionalProperties: of.json }, description),
    (value, at) => {
      if (!isObject(value)) return `${place(at)} is ${short(value)}, and must be an object`;
      return first(Object.entries(value), ([name, item]) => of.check(item ?? null, `${at}/${name}`));
    },
    (value) =>
      Object.fromEntries(Object.entries(value as object).map(([name, item]) => [name, of.fill(item as Json)])),
  );
}

/** Any JSON value. */
export function any(description?: string): Schema<Json> {
  return make(described({}, description), () => undefined);
}

/** May be left out, or null; then `otherwise` stands for it, where there is one. */
export function optional<T>(of: Schema<T>): Schema<T | undefined>;
export function optional<T>(of: Schema<T>, otherwise: T): Schema<T>;
export function optional<T>(of: Schema<T>, otherwise?: T): Schema<T | undefined> {
  const json: JsonSchema = otherwise === undefined ? orNull(of.json) : { ...of.json, default: otherwise as Json };
  return {
    json,
    optional: true,
    otherwise: otherwise as Json | undefined,
    check: (value, at) => (value === null && otherwise === undefined ? undefined : of.check(value, at)),
    fill: (value) => (value === null ? value : of.fill(value)),
  };
}

/** Is always there, and may be null. */
export function nullable<T>(of: Schema<T>): Schema<T | null> {
  return make(
    orNull(of.json),
    (value, at) => (value === null ? undefined : of.check(value, at)),
    (value) => (value === null ? value : of.fill(value)),
  );
}

type Fields = { [name: string]: Schema<unknown> };
type MayMiss<F extends Fields> = { [N in keyof F]: undefined extends Infer<F[N]> ? N : never }[keyof F];

/** The type of an object with these members. */
export type ObjectOf<F extends Fields> = { [N in Exclude<keyof F, MayMiss<F>>]: Infer<F[N]> } & {
  [N in MayMiss<F>]?: Infer<F[N]>;
};

/** An object with these members and no others. */
export function object<F extends Fields>(fields: F, description?: string): Schema<ObjectOf<F>> {
  const names = Object.keys(fields);
  const properties = Object.fromEntries(names.map((name) => [name, (fields[name] as Schema<unknown>).json]));
  const required = names.filter((name) => !(fields[name] as Schema<unknown>).optional);
  const json: JsonSchema = { type: "object", properties, additionalProperties: false };
  if (required.length > 0) json.required = required;
  return make(
    described(json, description),
    (value, at) => {
      if (!isObject(value)) return `${place(at)} is ${short(value)}, and must be an object`;
      const unknown = Object.keys(value).find((name) => !names.includes(name));
      if (unknown !== undefined) {
        return `${place(at)} has no member \`${unknown}\`; it has ${names.join(", ") || "none"}`;
      }
      const missing = required.find((name) => value[name] === undefined);
      if (missing !== undefined) return `${place(`${at}/${missing}`)} is missing`;
      return first(names, (name) => {
        const item = value[name];
        return item === undefined ? undefined : (fields[name] as Schema<unknown>).check(item, `${at}/${name}`);
      });
    },
    (value) => {
      const given = value as { [name: string]: Json };
      const out: { [name: string]: Json } = {};
      for (const name of names) {
        const field = fields[name] as Schema<unknown>;
        const item = given[name];
        if (item !== undefined && item !== null) out[name] = field.fill(item);
        else if (field.otherwise !== undefined) out[name] = field.otherwise;
      }
      return out;
    },
  );
}

/** No parameters, or no data. */
export const nothing = object({});

/** The schema as the manifest has it. */
export function manifestSchema(of: Schema<unknown>): JsonSchema {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...of.json };
}

/** Why a value does not fit; undefined where it does. */
export function misfit(value: Json, of: Schema<unknown>): string | undefined {
  return of.check(value, "");
}

function orNull(json: JsonSchema): JsonSchema {
  if (typeof json.type === "string") return { ...json, type: [json.type, "null"] };
  if (Array.isArray(json.enum)) return { ...json, enum: [...json.enum, null] };
  return Object.keys(json).length === 0 ? json : { anyOf: [json, { type: "null" }] };
}

function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function first<I>(items: I[], check: (item: I, index: number) => string | undefined): string | undefined {
  for (const [index, item] of items.entries()) {
    const why = check(item, index);
    if (why !== undefined) return why;
  }
  return undefined;
}

function place(at: string): string {
  return at === "" ? "the whole" : `\`${at.slice(1)}\``;
}

function short(value: Json): string {
  const said = JSON.stringify(value);
  return said.length <= 60 ? said : `${said.slice(0, 57)}...`;
}
