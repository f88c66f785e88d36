/**
 * `http-probe`: does a URL answer as it should?
 *
 * A probe is about the way to the server, too: a refused connection, a timeout and a wrong answer are a no. What keeps the
 * probe itself from looking (the gate refuses, an answer over the size limit) is unknown.
 */

import { Evidence, Failure, Finding, type Infer, diagnosis, host, http, schema as s } from "@stanch/plugin";

const status = s.either([
  s.integer(undefined, { minimum: 100, maximum: 599 }),
  s.string(undefined, { pattern: "^([1-5]xx|[1-5][0-9]{2})$" }),
]);

const params = s.object({
  url: s.url("What to ask."),
  status: s.optional(
    s.either(
      [status, s.list(status)],
      'What the status must be: a number, a class such as "2xx", or a list of them.',
    ),
    "2xx",
  ),
  within: s.optional(s.span("The longest that an answer may take.")),
  body: s.optional(s.regex("What the body must contain somewhere, as a regular expression.")),
  method: s.optional(s.oneOf(["GET", "HEAD"], "GET or HEAD."), "GET"),
  tries: s.optional(s.integer("How often to ask.", { minimum: 1, maximum: 20 }), 3),
  passes: s.optional(
    s.integer("How many of the tries must pass; all, where it is not said.", { minimum: 1, maximum: 20 }),
  ),
  every: s.optional(s.span("How long to wait between tries."), "1s"),
});

const data = s.object(
  {
    tries: s.integer("How many tries were made."),
    passed: s.integer("How many passed."),
    status: s.nullable(s.integer("The last status; none where nothing answered.")),
    slowest_ms: s.nullable(s.integer("The slowest answer, in milliseconds.")),
  },
  "What the tries came to.",
);

type Params = Infer<typeof params>;

export default diagnosis({
  name: "http-probe",
  version: "0.1.0",
  summary: "Asks a URL several times and judges status, time and body",
  asks: { http: [{ url: "https://shop.example/health", read: ["GET", "HEAD"] }] },
  params,
  data,

  diagnose(_, params) {
    const { url, tries } = params;
    const need = params.passes ?? tries;
    if (need < 1 || need > tries) {
      throw Failure.invalidParams(`\`passes\` is ${need}, and must be from 1 to \`tries\`, which is ${tries}`);
    }
    const body = pattern(params.body);
    const every = s.spanMs(params.every);
    const seen: Infer<typeof data> = { tries: 0, passed: 0, status: null, slowest_ms: null };
    const evidence: Evidence[] = [];
    const times: [number, number][] = [];
    let wrong = "";
    for (let index = 0; index < tries; index += 1) {
      // Another try that could not end in time would turn a no into a timeout.
      if (index > 0 && (host.isCancelled() || host.remainingMs() < every * 2)) break;
      if (index > 0) host.sleep(every);
      const started = host.nowMs();
      seen.tries += 1;
      const label = `Try ${seen.tries}`;
      try {
        const answer = ask(params, body);
        seen.status = answer.status;
        if (answer.wrong === undefined) seen.passed += 1;
        else wrong = answer.wrong;
        evidence.push(Evidence.value(label, answer.wrong ?? answer.status));
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        if (failure.code !== "unavailable" && failure.code !== "timeout") {
          return Finding.unknown(`\`${url}\` could not be probed: ${failure.message}`, { data: seen });
        }
        evidence.push(Evidence.value(label, failure.message));
        wrong = failure.message;
      }
      const took = host.nowMs() - started;
      seen.slowest_ms = Math.max(seen.slowest_ms ?? 0, took);
      times.push([started, took]);
      if (seen.passed >= need || seen.passed + tries - seen.tries < need) break;
    }
    evidence.push(Evidence.curve("Time to answer", times, { unit: "ms", link: url }));
    const more = { evidence, data: seen };
    if (seen.passed >= need) {
      return Finding.yes(`\`${url}\` answers as it should (${seen.passed} of ${seen.tries} tries)`, more);
    }
    if (seen.passed + tries - seen.tries < need) {
      return Finding.no(`\`${url}\` passed ${seen.passed} of ${seen.tries} tries: ${wrong}`, more);
    }
    return Finding.unknown(`Time was over after ${seen.tries} of ${tries} tries of \`${url}\``, more);
  },
});

function pattern(body: string | undefined): RegExp | undefined {
  try {
    return body === undefined ? undefined : new RegExp(body);
  } catch (error) {
    throw Failure.invalidParams(`\`body\` is not a regular expression: ${(error as Error).message}`);
  }
}

/** The status that came, and what is wrong with the answer. */
function ask(params: Params, body: RegExp | undefined): { status: number; wrong?: string } {
  const within = params.within === undefined ? undefined : s.spanMs(params.within);
  const request = http.request(params.method, params.url);
  const started = host.nowMs();
  const answer = (within === undefined ? request : request.timeout(within)).send();
  const took = host.nowMs() - started;
  const { status } = answer;
  const wanted = Array.isArray(params.status) ? params.status : [params.status];
  if (!wanted.some((one) => matches(String(one), status))) return { status, wrong: `answered ${status}` };
  if (within !== undefined && took > within) {
    return { status, wrong: `took ${took}ms, more than ${params.within}` };
  }
  if (body?.test(answer.text()) === false) {
    return { status, wrong: `the body does not contain \`${params.body}\`` };
  }
  return { status };
}

function matches(wanted: string, status: number): boolean {
  return wanted.endsWith("xx") ? Number(wanted[0]) === Math.floor(status / 100) : Number(wanted) === status;
}
