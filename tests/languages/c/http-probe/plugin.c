/* `http-probe`: does a URL answer as it should?
 *
 * A probe is about the way to the server, too: a refused connection, a timeout and a wrong answer are a no. What keeps the
 * probe itself from looking (the gate refuses, an answer over the size limit) is unknown. */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "stanch.h"

const char *stanch_manifest = STANCH_JSON({
  "name": "http-probe",
  "version": "0.1.0",
  "summary": "Asks a URL several times and judges status, time and body",
  "asks": { "http": [{ "url": "https://shop.example/health", "read": ["GET", "HEAD"] }] },
  "params": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "required": ["url"],
    "$defs": {
      "status": {
        "anyOf": [
          { "type": "integer", "minimum": 100, "maximum": 599 },
          { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2})$" }
        ]
      },
      "span": { "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["90s", "1h30m"] }
    },
    "properties": {
      "url": { "type": "string", "minLength": 1, "x-stanch-format": "url", "description": "What to ask." },
      "status": {
        "anyOf": [{ "$ref": "#/$defs/status" }, { "type": "array", "items": { "$ref": "#/$defs/status" } }],
        "default": "2xx",
        "description": "What the status must be: a number, a class such as \"2xx\", or a list of them."
      },
      "within": { "$ref": "#/$defs/span", "description": "The longest that an answer may take." },
      "body": {
        "type": "string", "minLength": 1, "x-stanch-format": "regex",
        "description": "What the body must contain somewhere, as a regular expression."
      },
      "method": { "enum": ["GET", "HEAD"], "default": "GET", "description": "GET or HEAD." },
      "tries": { "type": "integer", "minimum": 1, "maximum": 20, "default": 3, "description": "How often to ask." },
      "passes": {
        "type": "integer", "minimum": 1, "maximum": 20,
        "description": "How many of the tries must pass; all, where it is not said."
      },
      "every": { "$ref": "#/$defs/span", "default": "1s", "description": "How long to wait between tries." }
    }
  },
  "data": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "required": ["tries", "passed", "status", "slowest_ms"],
    "properties": {
      "tries": { "type": "integer", "description": "How many tries were made." },
      "passed": { "type": "integer", "description": "How many passed." },
      "status": { "type": ["integer", "null"], "description": "The last status; none where nothing answered." },
      "slowest_ms": { "type": ["integer", "null"], "description": "The slowest answer, in milliseconds." }
    }
  }
});

static bool matches(const stanch_json *wanted, int status) {
  if (stanch_is_array(wanted)) {
    for (size_t i = 0; i < stanch_count(wanted); i++) {
      if (matches(stanch_item(wanted, i), status)) return true;
    }
    return false;
  }
  if (stanch_is_number(wanted)) return stanch_number(wanted, "", 0) == status;
  const char *text = stanch_text(wanted, "", "2xx");
  return strcmp(text + 1, "xx") == 0 ? text[0] - '0' == status / 100 : atoi(text) == status;
}

/* The status that came, and what is wrong with the answer. */
static stanch_failure *ask(const stanch_json *params, const regex_t *body, int *status, const char **wrong) {
  const char *within = stanch_text(params, "within", NULL);
  stanch_request request = {
      .method = stanch_text(params, "method", "GET"),
      .url = stanch_text(params, "url", ""),
      .timeout_ms = within ? (uint32_t)stanch_span_ms(within) : 0,
  };
  stanch_response answer;
  int64_t started = stanch_now_ms();
  stanch_failure *failure = stanch_send(&request, &answer);
  if (failure) return failure;
  int64_t took = stanch_now_ms() - started;
  *status = answer.status;
  if (!matches(stanch_get(params, "status"), answer.status)) {
    *wrong = stanch_format("answered %d", answer.status);
  } else if (within && took > stanch_span_ms(within)) {
    *wrong = stanch_format("took %lldms, more than %s", (long long)took, within);
  } else if (body && regexec(body, answer.body, 0, NULL, 0) != 0) {
    *wrong = stanch_format("the body does not contain `%s`", stanch_text(params, "body", ""));
  }
  return NULL;
}

stanch_failure *stanch_diagnose(const stanch_context *ctx, const stanch_json *params, stanch_finding *finding) {
  (void)ctx;
  const char *url = stanch_text(params, "url", ""), *pattern = stanch_text(params, "body", NULL);
  int tries = (int)stanch_number(params, "tries", 3), need = (int)stanch_number(params, "passes", tries);
  uint32_t every = (uint32_t)stanch_span_ms(stanch_text(params, "every", "1s"));
  if (need < 1 || need > tries) {
    return stanch_fail("invalid-params", "`passes` is %d, and must be from 1 to `tries`, which is %d", need, tries);
  }
  regex_t body;
  int bad = pattern ? regcomp(&body, pattern, REG_EXTENDED | REG_NOSUB) : 0;
  if (bad) {
    char why[100];
    regerror(bad, &body, why, sizeof why);
    return stanch_fail("invalid-params", "`body` is not a regular expression: %s", why);
  }

  int made = 0, passed = 0;
  const char *wrong = "";
  stanch_json *seen = stanch_object();
  stanch_set(seen, "status", NULL);
  stanch_set(seen, "slowest_ms", NULL);
  stanch_point *times = stanch_memory((size_t)tries * sizeof *times);
  for (int index = 0; index < tries; index++) {
    /* Another try that could not end in time would turn a no into a timeout. */
    if (index > 0 && (stanch_is_cancelled() || stanch_remaining_ms() < every * 2)) break;
    if (index > 0) stanch_sleep(every);
    int64_t started = stanch_now_ms();
    int status = 0;
    const char *why = NULL;
    made++;
    stanch_failure *failure = ask(params, pattern ? &body : NULL, &status, &why);
    if (failure && strcmp(failure->code, "unavailable") != 0 && strcmp(failure->code, "timeout") != 0) {
      finding->verdict = STANCH_UNKNOWN;
      finding->summary = stanch_format("`%s` could not be probed: %s", url, failure->message);
      finding->evidence_count = 0;
      stanch_set(seen, "tries", stanch_of_number(made));
      finding->data = stanch_set(seen, "passed", stanch_of_number(passed));
      return NULL;
    }
    if (failure) why = failure->message;
    else stanch_set(seen, "status", stanch_of_number(status));
    if (why) wrong = why;
    else passed++;
    stanch_add_evidence(finding, (stanch_evidence){
                                     .label = stanch_format("Try %d", made),
                                     .value = why ? why : stanch_format("%d", status),
                                 });
    double took = (double)(stanch_now_ms() - started);
    if (took > stanch_number(seen, "slowest_ms", -1)) stanch_set(seen, "slowest_ms", stanch_of_number(took));
    times[made - 1] = (stanch_point){(double)started, took};
    if (passed >= need || passed + tries - made < need) break;
  }

  stanch_add_evidence(finding, (stanch_evidence){
                                   .label = "Time to answer",
                                   .value = stanch_format("%.0f", times[made - 1].value),
                                   .unit = "ms",
                                   .link = url,
                                   .points = times,
                                   .point_count = (size_t)made,
                               });
  stanch_set(seen, "tries", stanch_of_number(made));
  finding->data = stanch_set(seen, "passed", stanch_of_number(passed));
  if (passed >= need) {
    finding->verdict = STANCH_YES;
    finding->summary = stanch_format("`%s` answers as it should (%d of %d tries)", url, passed, made);
  } else if (passed + tries - made < need) {
    finding->verdict = STANCH_NO;
    finding->summary = stanch_format("`%s` passed %d of %d tries: %s", url, passed, made, wrong);
  } else {
    finding->verdict = STANCH_UNKNOWN;
    finding->summary = stanch_format("Time was over after %d of %d tries of `%s`", made, tries, url);
  }
  return NULL;
}
