/* Memory, text, failures, and the calls of the host. */
#include "wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *stanch_memory(size_t bytes) {
  void *memory = calloc(1, bytes ? bytes : 1);
  if (!memory) __builtin_trap();
  return memory;
}

static char *formatted(const char *format, va_list values) {
  va_list again;
  va_copy(again, values);
  int length = vsnprintf(NULL, 0, format, values);
  char *text = stanch_memory((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *stanch_format(const char *format, ...) {
  va_list values;
  va_start(values, format);
  char *text = formatted(format, values);
  va_end(values);
  return text;
}

char *stanch_encode(const char *text) {
  char *out = stanch_memory(strlen(text) * 3 + 1), *at = out;
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
    if (plain) *at++ = (char)c;
    else at += snprintf(at, 4, "%%%02X", c);
  }
  return out;
}

int64_t stanch_span_ms(const char *text) {
  int64_t all = 0;
  if (!*text) return -1;
  while (*text) {
    char *unit;
    long long count = strtoll(text, &unit, 10);
    if (unit == text || *text < '0' || *text > '9') return -1;
    static const struct { const char *unit; int64_t ms; } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t i = 0;
    while (i < 5 && strncmp(unit, units[i].unit, strlen(units[i].unit)) != 0) i++;
    if (i == 5) return -1;
    all += count * units[i].ms;
    text = unit + strlen(units[i].unit);
  }
  return all;
}

/* --- Failures --- */

stanch_failure *stanch_fail(const char *code, const char *format, ...) {
  stanch_failure *failure = stanch_memory(sizeof *failure);
  va_list values;
  va_start(values, format);
  failure->code = code;
  failure->message = formatted(format, values);
  va_end(values);
  return failure;
}

stanch_failure *stanch_during(stanch_failure *failure, const char *format, ...) {
  if (!failure) return NULL;
  va_list values;
  va_start(values, format);
  stanch_failure *told = stanch_fail(failure->code, "%s: %s", formatted(format, values), failure->message);
  va_end(values);
  told->retry_after_ms = failure->retry_after_ms;
  told->extra = failure->extra;
  return told;
}

/* --- To and from the contract --- */

wire_text wire_of(const char *text) {
  wire_text wire = {0};
  wire.len = text ? strlen(text) : 0;
  if (wire.len) {
    wire.ptr = stanch_memory(wire.len);
    memcpy(wire.ptr, text, wire.len);
  }
  return wire;
}

char *text_of(wire_text wire) {
  char *text = stanch_memory(wire.len + 1);
  if (wire.len) memcpy(text, wire.ptr, wire.len);
  return text;
}

stanch_failure *failure_of(const runbook_plugin_common_failure_t *wire) {
  stanch_failure *failure = stanch_fail(text_of(wire->code), "%s", text_of(wire->message));
  failure->retry_after_ms = wire->retry_after_ms.is_some ? wire->retry_after_ms.val : 0;
  failure->extra = text_of(wire->extra);
  return failure;
}

bool failed_with(const stanch_failure *failure, runbook_plugin_common_failure_t *out) {
  if (!failure) return false;
  out->code = wire_of(failure->code);
  out->message = wire_of(failure->message);
  out->retry_after_ms.is_some = failure->retry_after_ms > 0;
  out->retry_after_ms.val = failure->retry_after_ms;
  out->extra = wire_of(failure->extra && *failure->extra ? failure->extra : "{}");
  return true;
}

static stanch_json *labels_of(runbook_plugin_common_list_label_t labels) {
  stanch_json *object = stanch_object();
  for (size_t i = 0; i < labels.len; i++) {
    stanch_set(object, text_of(labels.ptr[i].name), stanch_of_text(text_of(labels.ptr[i].value)));
  }
  return object;
}

stanch_context context_of(const runbook_plugin_common_context_t *wire) {
  stanch_context ctx = {.run = text_of(wire->run), .step = text_of(wire->step), .attempt = wire->attempt};
  ctx.idempotency_key = text_of(wire->idempotency_key);
  ctx.alert_count = wire->alerts.len;
  stanch_alert *alerts = stanch_memory(ctx.alert_count * sizeof *alerts);
  for (size_t i = 0; i < ctx.alert_count; i++) {
    const runbook_plugin_common_alert_t *alert = &wire->alerts.ptr[i];
    alerts[i] = (stanch_alert){
        .name = text_of(alert->name),
        .fingerprint = text_of(alert->fingerprint),
        .status = text_of(alert->status),
        .starts_at = text_of(alert->starts_at),
        .labels = labels_of(alert->labels),
        .annotations = labels_of(alert->annotations),
        .payload = stanch_parse(text_of(alert->payload)),
    };
  }
  ctx.alerts = alerts;
  return ctx;
}

/* --- The host --- */

void stanch_info(const char *format, ...) {
  va_list values;
  va_start(values, format);
  wire_text line = wire_of(formatted(format, values));
  va_end(values);
  runbook_plugin_host_log(RUNBOOK_PLUGIN_HOST_LEVEL_INFO, &line);
}

void stanch_warn(const char *format, ...) {
  va_list values;
  va_start(values, format);
  wire_text line = wire_of(formatted(format, values));
  va_end(values);
  runbook_plugin_host_log(RUNBOOK_PLUGIN_HOST_LEVEL_WARN, &line);
}

int64_t stanch_now_ms(void) { return (int64_t)runbook_plugin_host_now_ms(); }
uint32_t stanch_remaining_ms(void) { return runbook_plugin_host_remaining_ms(); }
bool stanch_is_cancelled(void) { return runbook_plugin_host_is_cancelled(); }
void stanch_sleep(uint32_t ms) { runbook_plugin_host_sleep(ms); }

stanch_json *stanch_settings(void) {
  wire_text text;
  runbook_plugin_host_settings(&text);
  return stanch_parse(text_of(text));
}

/* --- HTTP --- */

static void add_header(runbook_plugin_http_list_header_t *headers, const char *name, const char *value) {
  if (!value) return;
  headers->ptr[headers->len].name = wire_of(name);
  headers->ptr[headers->len++].value = wire_of(value);
}

stanch_failure *stanch_send(const stanch_request *request, stanch_response *response) {
  runbook_plugin_http_request_t wire = {0};
  wire.method = wire_of(request->method ? request->method : "GET");
  wire.url = wire_of(request->url);
  wire.headers.ptr = stanch_memory(3 * sizeof *wire.headers.ptr);
  const char *type = request->content_type;
  if (request->json) {
    wire_text body = wire_of(stanch_print(request->json));
    wire.body.ptr = body.ptr;
    wire.body.len = body.len;
    type = type ? type : "application/json";
  } else if (request->body_bytes) {
    wire.body.ptr = (uint8_t *)request->body;
    wire.body.len = request->body_bytes;
  }
  add_header(&wire.headers, "accept", request->accept);
  add_header(&wire.headers, "content-type", wire.body.len ? type : NULL);
  add_header(&wire.headers, "idempotency-key", request->idempotency_key);
  wire.timeout_ms.is_some = request->timeout_ms > 0;
  wire.timeout_ms.val = request->timeout_ms;

  runbook_plugin_http_response_t answer;
  runbook_plugin_http_failure_t failure;
  if (!runbook_plugin_http_send(&wire, &answer, &failure)) return failure_of(&failure);
  response->status = answer.status;
  response->headers = stanch_object();
  for (size_t i = 0; i < answer.headers.len; i++) {
    char *name = text_of(answer.headers.ptr[i].name);
    for (char *c = name; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    stanch_set(response->headers, name, stanch_of_text(text_of(answer.headers.ptr[i].value)));
  }
  response->body = text_of((wire_text){answer.body.ptr, answer.body.len});
  response->body_bytes = answer.body.len;
  return NULL;
}

stanch_failure *stanch_ok(const stanch_response *response) {
  int status = response->status;
  if (status >= 200 && status < 300) return NULL;
  const char *code = "failed";
  if (status == 401 || status == 403) code = "denied";
  if (status == 404 || status == 410) code = "not-found";
  if (status == 409 || status == 412) code = "conflict";
  if (status == 408) code = "timeout";
  if (status == 429 || (status >= 502 && status <= 504)) code = "unavailable";
  const stanch_json *body = stanch_parse(response->body);
  const char *said = response->body;
  static const char *const words[] = {"message", "error", "detail"};
  for (size_t i = 3; i-- > 0;) said = stanch_text(body, words[i], said);
  stanch_failure *failure = *said ? stanch_fail(code, "The server answered %d: %.200s", status, said)
                                  : stanch_fail(code, "The server answered %d", status);
  long seconds = strtol(stanch_text(response->headers, "retry-after", "0"), NULL, 10);
  failure->retry_after_ms = seconds > 0 && seconds < 4000000 ? (uint32_t)seconds * 1000 : 0;
  return failure;
}

/* --- Kubernetes --- */

#ifdef STANCH_LOOKS

const stanch_kind STANCH_POD = {"v1", "Pod", "pods"};
const stanch_kind STANCH_CONFIG_MAP = {"v1", "ConfigMap", "configmaps"};
const stanch_kind STANCH_DEPLOYMENT = {"apps/v1", "Deployment", "deployments"};

static WORLD(option_string_t) maybe(const char *text) {
  WORLD(option_string_t) wire = {0};
  wire.is_some = text && *text;
  if (wire.is_some) wire.val = wire_of(text);
  return wire;
}

stanch_failure *stanch_see(stanch_kind kind, const char *space, const char *name, stanch_json **object) {
  runbook_plugin_kubernetes_object_t what = {wire_of(kind.api_version), wire_of(kind.kind), maybe(space), wire_of(name)};
  runbook_plugin_kubernetes_json_t text;
  runbook_plugin_kubernetes_failure_t wire;
  *object = NULL;
  if (!runbook_plugin_kubernetes_get(&what, &text, &wire)) {
    bool spaced = space && *space;
    return stanch_during(failure_of(&wire), "reading %s `%s%s%s`", kind.kind, spaced ? space : "", spaced ? "/" : "", name);
  }
  *object = stanch_parse(text_of(text));
  return *object ? NULL : stanch_fail("failed", "the cluster answered something that is not a %s", kind.kind);
}

stanch_failure *stanch_look(stanch_kind kind, const char *space, const char *name, stanch_json **object) {
  stanch_failure *failure = stanch_see(kind, space, name, object);
  return failure && strcmp(failure->code, "not-found") == 0 ? NULL : failure;
}

stanch_failure *stanch_find(stanch_kind kind, const char *space, const char *labels, const char *fields,
                            stanch_json **objects) {
  runbook_plugin_kubernetes_query_t query = {0};
  query.api_version = wire_of(kind.api_version);
  query.kind = wire_of(kind.kind);
  query.namespace_ = maybe(space);
  query.label_selector = maybe(labels);
  query.field_selector = maybe(fields);
  *objects = stanch_array();
  for (;;) {
    runbook_plugin_kubernetes_page_t page;
    runbook_plugin_kubernetes_failure_t wire;
    if (!runbook_plugin_kubernetes_find(&query, &page, &wire)) {
      return stanch_during(failure_of(&wire), "listing %s", kind.resource);
    }
    for (size_t i = 0; i < page.items.len; i++) stanch_push(*objects, stanch_parse(text_of(page.items.ptr[i])));
    if (!page.next.is_some) return NULL;
    query.continue_from = page.next;
  }
}

#endif
