/** What the host tells a plugin, and the log. */

import * as wit from "runbook:plugin/host@0.1.0";
import { Failure, ask } from "./failure.js";
import { type Schema, misfit } from "./schema.js";
import { type Json } from "./text.js";

/** A line for the plugin's author. */
export function debug(message: string): void {
  wit.log("debug", message);
}

/** A line worth keeping. */
export function info(message: string): void {
  wit.log("info", message);
}

/** Something is odd. */
export function warn(message: string): void {
  wit.log("warn", message);
}

/** Something went wrong. */
export function error(message: string): void {
  wit.log("error", message);
}

/** Now, in milliseconds since 1970, recorded with the run. (`Date.now` does not work in a component.) */
export function nowMs(): number {
  return wit.nowMs();
}

/** How long this call may still take, in milliseconds. */
export function remainingMs(): number {
  return wit.remainingMs();
}

/** Whether the engine wants this call to end: a person cancelled the run, or the engine is shutting down. */
export function isCancelled(): boolean {
  return wit.isCancelled();
}

/** Waits. Ends early where the call is cancelled; counts against the call's time. */
export function sleep(ms: number): void {
  ask(() => wit.sleep(Math.max(0, Math.floor(ms))));
}

/** The operator's settings for this installation of the plugin (`settings` in stanch.toml). */
export function settings<T>(of: Schema<T>): T {
  const said = JSON.parse(wit.settings()) as Json;
  const why = misfit(said, of);
  if (why !== undefined) {
    throw Failure.invalidParams(`The plugin's \`settings\` in stanch.toml do not fit: ${why}`);
  }
  return of.fill(said) as T;
}
