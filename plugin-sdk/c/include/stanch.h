/* Write a plugin for stanch in C.
 *
 * A plugin defines `stanch_manifest` and the functions of its kind: `stanch_diagnose`; or `stanch_plan` and, where it has them,
 * `stanch_apply`, `stanch_verify`, `stanch_plan_undo`; or `stanch_notify`. `stanch plugin build` makes a component of it.
 *
 * Nothing is ever freed: every call of a plugin has a fresh instance with memory of its own, which goes when the call ends.
 * Strings are UTF-8 and end with a zero byte. Functions that can fail return NULL where they did not. */
#ifndef STANCH_H
#define STANCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

/* JSON written as it is: `const char *stanch_manifest = STANCH_JSON({ "name": "health" });` */
#define STANCH_JSON(...) #__VA_ARGS__

/* A JSON value. NULL stands for one that is not there: every function takes it. */
typedef struct stanch_json stanch_json;

/* The value that a text is; NULL where it is no JSON. */
stanch_json *stanch_parse(const char *text);
/* The text of a value, without white space, the members of objects in order. */
char *stanch_print(const stanch_json *value);

/* A member of an object, or of objects in it: names with a slash between, "metadata/labels". NULL where there is none. */
const stanch_json *stanch_get(const stanch_json *value, const char *path);
/* How many members or items it has; 0 for anything else. */
size_t stanch_count(const stanch_json *value);
/* An item of an array, or a member of an object by place. */
const stanch_json *stanch_item(const stanch_json *value, size_t index);
/* What a member of an object by place is called. */
const char *stanch_name(const stanch_json *value, size_t index);

/* Whether it is there and not null. */
bool stanch_is_there(const stanch_json *value);
bool stanch_is_text(const stanch_json *value);
bool stanch_is_number(const stanch_json *value);
bool stanch_is_array(const stanch_json *value);

/* The member at this path where it is of this type, else `otherwise`. An empty path is the value itself. */
const char *stanch_text(const stanch_json *value, const char *path, const char *otherwise);
double stanch_number(const stanch_json *value, const char *path, double otherwise);
bool stanch_truth(const stanch_json *value, const char *path, bool otherwise);

stanch_json *stanch_object(void);
stanch_json *stanch_array(void);
stanch_json *stanch_of_text(const char *text);
stanch_json *stanch_of_number(double number);
stanch_json *stanch_of_truth(bool truth);
stanch_json *stanch_null(void);
/* Sets a member; the one of that name before is replaced. Both give the object or array back. */
stanch_json *stanch_set(stanch_json *object, const char *name, const stanch_json *value);
stanch_json *stanch_push(stanch_json *array, const stanch_json *value);

/* --- Memory and text ------------------------------------------------------------------------------------------------- */

/* Memory, all zero. Ends the call where there is none. */
void *stanch_memory(size_t bytes);
/* As printf writes it. */
char *stanch_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Percent-encoded for a member of a query or a segment of a path (RFC 3986: all but the unreserved). */
char *stanch_encode(const char *text);
/* A length of time, `90s` or `1h30m`, in milliseconds; -1 where it is none. */
int64_t stanch_span_ms(const char *text);

/* --- Failures -------------------------------------------------------------------------------------------------------- */

/* A code that the engine acts on ("invalid-params", "denied", "not-found", "conflict", "unavailable", "timeout", "budget",
 * "failed") and a sentence for a tired reader: what failed, on what, and why. */
typedef struct stanch_failure {
  const char *code;
  const char *message;
  uint32_t retry_after_ms; /* 0 where nobody knows */
  const char *extra; /* what else the host said, as JSON: which layer of the gate refused, and what would allow it */
} stanch_failure;

stanch_failure *stanch_fail(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same failure, with what was being done put before its message. */
stanch_failure *stanch_during(stanch_failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- The call itself ------------------------------------------------------------------------------------------------- */

void stanch_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void stanch_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t stanch_now_ms(void);
uint32_t stanch_remaining_ms(void);
bool stanch_is_cancelled(void);
/* Waits. Ends early where the call is cancelled; counts against the call's time. */
void stanch_sleep(uint32_t ms);
/* The operator's settings for this installation of the plugin. */
stanch_json *stanch_settings(void);

typedef struct stanch_label {
  const char *name, *value;
} stanch_label;

typedef struct stanch_alert {
  const char *name, *fingerprint, *status, *starts_at;
  stanch_json *labels, *annotations; /* objects of strings */
  stanch_json *payload;
} stanch_alert;

typedef struct stanch_context {
  const char *run, *step;
  uint32_t attempt; /* 1 for the first */
  const char *idempotency_key;
  const stanch_alert *alerts;
  size_t alert_count;
} stanch_context;

/* --- HTTP ------------------------------------------------------------------------------------------------------------ */

/* One request. Redirects are not followed; credentials that the grant names are added by the host, out of sight. */
typedef struct stanch_request {
  const char *method; /* "GET" where it is not said */
  const char *url;    /* the whole URL, with the query */
  const stanch_json *json; /* the body, as JSON */
  const uint8_t *body;     /* the body, as bytes, with its type */
  size_t body_bytes;
  const char *content_type;
  const char *idempotency_key;
  const char *accept;
  uint32_t timeout_ms; /* 0: the host's own limit alone */
} stanch_request;

typedef struct stanch_response {
  int status;
  stanch_json *headers; /* an object of strings, names in lower case */
  const char *body;     /* with a zero byte after its end */
  size_t body_bytes;
} stanch_response;

/* Every answer is one, whatever its status. Not reaching the server, being refused by the gate and too large an answer are
 * failures. */
stanch_failure *stanch_send(const stanch_request *request, stanch_response *response);
/* NULL where the answer is 2xx, else the failure that its status means. */
stanch_failure *stanch_ok(const stanch_response *response);

/* --- Kubernetes: the cluster that the step is bound to ------------------------------------------------------------------ */

typedef struct stanch_kind {
  const char *api_version, *kind, *resource; /* "apps/v1", "Deployment", "deployments" */
} stanch_kind;

extern const stanch_kind STANCH_POD, STANCH_CONFIG_MAP, STANCH_DEPLOYMENT;

/* One object; one that is not there is a failure, "not-found". */
stanch_failure *stanch_see(stanch_kind kind, const char *space, const char *name, stanch_json **object);
/* One object. `*object` is NULL where it is not there. */
stanch_failure *stanch_look(stanch_kind kind, const char *space, const char *name, stanch_json **object);
/* The objects of a kind, all pages of them, as an array. Selectors may be NULL. */
stanch_failure *stanch_find(stanch_kind kind, const char *space, const char *labels, const char *fields,
                            stanch_json **objects);

/* --- Findings -------------------------------------------------------------------------------------------------------- */

typedef enum stanch_verdict { STANCH_YES, STANCH_NO, STANCH_UNKNOWN } stanch_verdict;

typedef struct stanch_point {
  double at_ms, value;
} stanch_point;

/* Something a person would look at. */
typedef struct stanch_evidence {
  const char *label, *value;
  const char *unit, *link; /* NULL where there is none */
  const stanch_point *points;
  size_t point_count;
} stanch_evidence;

typedef struct stanch_finding {
  stanch_verdict verdict;
  const char *summary; /* one sentence */
  stanch_evidence *evidence;
  size_t evidence_count;
  const stanch_json *data; /* what later steps can read */
} stanch_finding;

void stanch_add_evidence(stanch_finding *finding, stanch_evidence evidence);

/* --- Plans ----------------------------------------------------------------------------------------------------------- */

/* One change, in the contract's words. */
typedef struct stanch_action {
  const char *verb, *target;
  const char *expect;  /* what must still hold, or NULL */
  const char *content; /* the exact content, as JSON, or NULL */
  const char *reason;
  stanch_json *extra;  /* the engine hands it back untouched */
} stanch_action;

typedef struct stanch_change_plan {
  const char *summary; /* one sentence */
  stanch_action *actions; /* none: nothing to do */
  size_t action_count;
  const stanch_json *data;
} stanch_change_plan;

/* A request as an action; its body, where it has one, is JSON. */
stanch_action stanch_send_action(const stanch_request *request);
/* A patch of the object as it was read, in that very state. */
stanch_action stanch_patch_action(stanch_kind kind, const stanch_json *object, const char *patch_kind,
                                  const stanch_json *body);
void stanch_add_action(stanch_change_plan *plan, stanch_action action);

typedef struct stanch_outcome {
  const char *summary;
  const stanch_json *data;
} stanch_outcome;

/* What the host saw of one action: "not-sent", "done", "refused", "unknown". */
typedef struct stanch_progress {
  const char *state, *detail;
} stanch_progress;

typedef struct stanch_attempt {
  stanch_change_plan plan;
  const stanch_progress *progress; /* in the plan's order */
} stanch_attempt;

/* Whether an action took effect or may have: what an undo has to think of. */
bool stanch_maybe_done(const stanch_attempt *made, size_t action);

/* Carries every action out, in order, each request with its idempotency key; the first failure ends it. */
stanch_failure *stanch_carry_out(const stanch_context *ctx, const stanch_change_plan *plan, stanch_outcome *outcome);

/* --- What a plugin defines ------------------------------------------------------------------------------------------- */

/* The manifest, as one JSON document. */
extern const char *stanch_manifest;

#ifdef STANCH_DIAGNOSIS
/* Looks, and answers yes, no or unknown. Read-only. */
stanch_failure *stanch_diagnose(const stanch_context *ctx, const stanch_json *params, stanch_finding *finding);
#endif

#ifdef STANCH_REMEDIATION
/* Read-only. Names each action exactly. */
stanch_failure *stanch_plan(const stanch_context *ctx, const stanch_json *params, stanch_change_plan *plan);
/* Carries the plan out. Where a plugin defines none, this is stanch_carry_out. */
stanch_failure *stanch_apply(const stanch_context *ctx, const stanch_json *params, const stanch_change_plan *plan,
                             stanch_outcome *outcome);
/* Read-only. Yes: the change holds and did what it was for. Without one the manifest must not say `verifies`. */
stanch_failure *stanch_verify(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                              stanch_finding *finding);
/* Read-only. The plan of the way back. Without one the manifest must not say `reversible`. */
stanch_failure *stanch_plan_undo(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                                 stanch_change_plan *plan);
#endif

#ifdef STANCH_NOTIFICATION
typedef struct stanch_message {
  const char *kind, *severity, *title, *text, *thread;
  const char *link; /* NULL where there is none */
  const stanch_json *report;
} stanch_message;

/* Delivers one message. May send only what its `notify` grant names. */
stanch_failure *stanch_notify(const stanch_context *ctx, const stanch_json *params, const stanch_message *message);
#endif

#endif
