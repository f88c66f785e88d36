/**
 * Outgoing HTTP. Redirects are not followed; credentials that the grant names are added by the host, out of sight.
 *
 * A method that the grant lists under `read` passes in every phase. One under `change` passes only in `apply` and only as
 * planned; plan it with `Action`.
 */

import * as wit from "runbook:plugin/http@0.1.0";
import { Failure, ask } from "./failure.js";
import { type Json, canonical, decodeUtf8, encodeUtf8, fromJson, member } from "./text.js";

/** One answer. */
export class Response {
  constructor(
    readonly status: number,
    /** Names in lower case. */
    readonly headers: { [name: string]: string },
    readonly body: Uint8Array,
  ) {}

  /** 2xx. */
  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The body as text; what is not UTF-8 is replaced. */
  text(): string {
    return decodeUtf8(this.body);
  }

  /** The body as JSON. */
  json<T = Json>(): T {
    try {
      return JSON.parse(this.text()) as T;
    } catch (error) {
      throw Failure.failed(`the answer is not the JSON that was expected: ${(error as Error).message}`);
    }
  }

  /**
   * The answer where it is 2xx, else the failure that its status means: 401 and 403 `denied`, 404 and 410 `not-found`, 409
   * and 412 `conflict`, 408 `timeout`, 429, 502, 503 and 504 `unavailable`, others `failed`. `Retry-After` in seconds is kept.
   */
  ok(): Response {
    if (this.isSuccess) return this;
    const said = this.#said();
    const wait = (this.headers["retry-after"] ?? "").trim();
    throw new Failure(
      CODES[this.status] ?? "failed",
      `The server answered ${this.status}${said && `: ${said}`}`,
      /^[0-9]+$/.test(wait) ? { retryAfterMs: Math.min(Number(wait) * 1000, 2 ** 32 - 1) } : {},
    );
  }

  #said(): string {
    const text = this.text();
    const body = fromJson(text);
    const words = ["message", "error", "detail"].map((name) => member(body, name));
    const found = words.find((word) => typeof word === "string") as string | undefined;
    return (found ?? text).trim().slice(0, 200);
  }
}

const CODES: { [status: number]: string } = {
  401: "denied",
  403: "denied",
  404: "not-found",
  408: "timeout",
  409: "conflict",
  410: "not-found",
  412: "conflict",
  429: "unavailable",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};

/** One request, built and then sent. */
export class Request {
  constructor(
    readonly method: string,
    /** The whole URL, with the query. */
    readonly url: string,
    /** Names in lower case. On a changing call the host takes only accept, content-type and idempotency-key. */
    readonly headers: { [name: string]: string } = {},
    readonly body: Uint8Array = new Uint8Array(0),
    /** How long to wait for the whole answer; the host's own limit holds besides. */
    readonly timeoutMs?: number,
  ) {}

  /** With one more member of the query, percent-encoded. */
  query(name: string, value: string): Request {
    const url = this.url.split("#")[0] as string;
    const joint = url.includes("?") ? "&" : "?";
    return this.#with({ url: `${url}${joint}${encode(name)}=${encode(value)}` });
  }

  /** With a header; the one of that name before is replaced. */
  header(name: string, value: string): Request {
    return this.#with({ headers: { ...this.headers, [name.toLowerCase()]: value } });
  }

  /** With this value as JSON, in the canonical form that a plan names. */
  json(value: Json): Request {
    return this.content("application/json", encodeUtf8(canonical(value)));
  }

  /** With these bytes as body. */
  content(contentType: string, body: Uint8Array | string): Request {
    const bytes = typeof body === "string" ? encodeUtf8(body) : body;
    return this.#with({ body: bytes }).header("content-type", contentType);
  }

  /** With a limit of time for the whole answer. */
  timeout(ms: number): Request {
    return this.#with({ timeoutMs: ms });
  }

  /**
   * Sends it. Every answer is one, whatever its status (`Response.ok`). Not reaching the server, being refused by the gate
   * and too large an answer are failures.
   */
  send(): Response {
    const answer = ask(() =>
      wit.send({
        method: this.method,
        url: this.url,
        headers: Object.entries(this.headers).map(([name, value]) => ({ name, value })),
        body: this.body,
        ...(this.timeoutMs === undefined ? {} : { timeoutMs: this.timeoutMs }),
      }),
    );
    const headers = answer.headers.map(({ name, value }) => [name.toLowerCase(), value]);
    return new Response(answer.status, Object.fromEntries(headers), Uint8Array.from(answer.body));
  }

  #with(other: { url?: string; headers?: { [name: string]: string }; body?: Uint8Array; timeoutMs?: number }): Request {
    return new Request(
      this.method,
      other.url ?? this.url,
      other.headers ?? this.headers,
      other.body ?? this.body,
      other.timeoutMs ?? this.timeoutMs,
    );
  }
}

/** With any method. */
export function request(method: string, url: string): Request {
  return new Request(method.toUpperCase(), url.trim());
}

/** `GET`. */
export function get(url: string): Request {
  return request("GET", url);
}

/** `HEAD`. */
export function head(url: string): Request {
  return request("HEAD", url);
}

/** `POST`. */
export function post(url: string): Request {
  return request("POST", url);
}

/** `PUT`. */
export function put(url: string): Request {
  return request("PUT", url);
}

/** `PATCH`. */
export function patch(url: string): Request {
  return request("PATCH", url);
}

/** `DELETE`. */
export function del(url: string): Request {
  return request("DELETE", url);
}

/** Percent-encoded for a member of a query or a segment of a path (RFC 3986: all but the unreserved). */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
