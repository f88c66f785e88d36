/** Files in the folders that the grant names. Every path starts with the grant's `at`. */

import * as wit from "runbook:plugin/files@0.1.0";
import { ask } from "./failure.js";
import { encodeUtf8 } from "./text.js";

/** One entry of a folder, as it was when it was seen. `kind` is `file`, `directory` or `link`. */
export interface Entry {
  path: string;
  kind: string;
  bytes: number;
  /** When it was last changed, in milliseconds since 1970. */
  modifiedMs: number;
}

/** The file system that a folder is on. */
export interface Space {
  totalBytes: number;
  freeBytes: number;
}

/** What a removal did; `refused` was left, because it is no longer what was seen. */
export interface Removed {
  paths: string[];
  bytes: number;
  refused: string[];
}

/** How full the file system of `folder` is. */
export function usage(folder: string): Space {
  return ask(() => wit.usage(folder));
}

/** The entries of `folder`, page after page as they are needed. */
export function* scan(folder: string, recursive = false): Generator<Entry> {
  let from: string | undefined;
  do {
    const page = ask(() => wit.scan(folder, recursive, from));
    yield* page.items;
    from = page.next ?? undefined;
  } while (from !== undefined);
}

/** The first `limit` bytes of a file. */
export function read(path: string, limit: number): Uint8Array {
  return ask(() => wit.read(path, limit));
}

/** Writes a file. A change: only in `apply`, and only as planned (`Action.write`). */
export function write(path: string, content: Uint8Array | string): void {
  ask(() => wit.write(path, typeof content === "string" ? encodeUtf8(content) : content));
}

/**
 * Removes files of a folder, each only if it is still the one that was seen. A change: only in `apply`, and only as planned
 * (`Action.remove`).
 */
export function remove(folder: string, entries: Entry[]): Removed {
  return ask(() => wit.remove(folder, entries));
}
