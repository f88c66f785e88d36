/** What a plugin saw and what it did, with what that rests on. */

import type { Json } from "./text.js";

/** The answer to one question. What could not be found out is unknown, never no. */
export type Verdict = "yes" | "no" | "unknown";

/** Something a person would look at: a value, a link, or a curve. */
export interface Evidence {
  label: string;
  value: string;
  unit?: string;
  /** Where to look further: an `http` or `https` URL. */
  link?: string;
  /** [milliseconds since 1970, value], oldest first. */
  points?: [number, number][];
}

/** Makes evidence. */
export const Evidence = {
  /** A value with a label. */
  value(label: string, value: string | number | boolean, more: { unit?: string; link?: string } = {}): Evidence {
    return { label, value: String(value), ...more };
  },

  /** A curve; its last value is the evidence's value. What is not finite is left out. */
  curve(label: string, points: [number, number][], more: { unit?: string; link?: string } = {}): Evidence {
    const kept = points.filter(([at, value]) => Number.isFinite(at) && Number.isFinite(value));
    return { label, value: String(kept.at(-1)?.[1] ?? ""), points: kept, ...more };
  },
};

/** The answer to one question, in one sentence, with what it rests on. */
export interface Finding<Data = Json> {
  verdict: Verdict;
  summary: string;
  evidence?: Evidence[];
  /** What later steps can read. */
  data?: Data;
}

/** What a finding has beside verdict and summary. */
export type More<Data> = { evidence?: Evidence[]; data?: Data };

/** Makes findings. */
export const Finding = {
  /** Yes where it holds, else no. Only where it was seen either way. */
  judged<Data>(holds: boolean, summary: string, more: More<Data> = {}): Finding<Data> {
    return { verdict: holds ? "yes" : "no", summary, ...more };
  },

  /** It is so. */
  yes<Data>(summary: string, more: More<Data> = {}): Finding<Data> {
    return { verdict: "yes", summary, ...more };
  },

  /** It is not so. */
  no<Data>(summary: string, more: More<Data> = {}): Finding<Data> {
    return { verdict: "no", summary, ...more };
  },

  /** It could not be found out. */
  unknown<Data>(summary: string, more: More<Data> = {}): Finding<Data> {
    return { verdict: "unknown", summary, ...more };
  },
};

/** What an application did. */
export interface Outcome<Data = Json> {
  summary: string;
  evidence?: Evidence[];
  data?: Data;
}
