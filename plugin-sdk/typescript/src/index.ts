/**
 * Write a plugin for stanch in TypeScript or JavaScript.
 *
 * A plugin is the default export of its module: a `diagnosis`, a `remediation` or a `notification`, with a schema of its
 * parameters. `stanch plugin build` makes a component of it. Everything else follows from that: the manifest, the words of the
 * contract, and what an exception means.
 *
 * ```ts
 * import { Finding, diagnosis, http, schema } from "@stanch/plugin";
 *
 * export default diagnosis({
 *   name: "health",
 *   version: "0.1.0",
 *   summary: "Says whether a health page answers 200",
 *   params: schema.object({ url: schema.url("The health page.") }),
 *   diagnose(ctx, { url }) {
 *     const { status } = http.get(url).send();
 *     return Finding.judged(status === 200, `\`${url}\` answers ${status}`);
 *   },
 * });
 * ```
 */

export { type Answer, carryOut, perform } from "./apply.js";
export { type Alert, Attempt, type Context, type Message, type Progress, keyOf } from "./context.js";
export { type Code, Failure } from "./failure.js";
export * as files from "./files.js";
export { Evidence, Finding, type Outcome, type Verdict } from "./finding.js";
export * as host from "./host.js";
export * as http from "./http.js";
export {
  type About,
  type Diagnosis,
  type Notification,
  type Plugin,
  type Remediation,
  diagnosis,
  notification,
  remediation,
} from "./kinds.js";
export * as kubernetes from "./kubernetes.js";
export { Action, type Plan, populationOf } from "./plan.js";
export * as schema from "./schema.js";
export type { Infer } from "./schema.js";
export type { Json } from "./text.js";
