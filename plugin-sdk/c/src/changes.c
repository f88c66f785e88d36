/* Plans, and carrying them out. */
#include "wire.h"

#include <string.h>

#ifdef STANCH_REMEDIATION

void finding_out(const stanch_finding *finding, runbook_plugin_common_finding_t *out);

stanch_action stanch_send_action(const stanch_request *request) {
  stanch_action action = {.verb = request->method ? request->method : "GET", .target = request->url};
  if (request->json) {
    stanch_json *content = stanch_object();
    stanch_set(content, "contentType", stanch_of_text(request->content_type ? request->content_type : "application/json"));
    stanch_set(content, "body", request->json);
    action.content = stanch_print(content);
  } else if (strcmp(action.verb, "POST") == 0 || strcmp(action.verb, "PUT") == 0 || strcmp(action.verb, "PATCH") == 0) {
    action.content = "{}";
  }
  return action;
}

stanch_action stanch_patch_action(stanch_kind kind, const stanch_json *object, const char *patch_kind,
                                  const stanch_json *body) {
  const char *space = stanch_text(object, "metadata/namespace", "_"), *slash = strchr(kind.api_version, '/');
  int group = slash ? (int)(slash - kind.api_version) : 1;
  stanch_json *content = stanch_object(), *extra = stanch_object();
  stanch_set(content, "kind", stanch_of_text(patch_kind));
  stanch_set(content, "body", body);
  stanch_set(extra, "apiVersion", stanch_of_text(kind.api_version));
  stanch_set(extra, "kind", stanch_of_text(kind.kind));
  return (stanch_action){
      .verb = "patch",
      .target = stanch_format("kubernetes:%s/%.*s/%s/%s", space, group, slash ? kind.api_version : "_", kind.resource,
                              stanch_text(object, "metadata/name", "")),
      .expect = stanch_format("version:%s", stanch_text(object, "metadata/resourceVersion", "")),
      .content = stanch_print(content),
      .extra = extra,
  };
}

void stanch_add_action(stanch_change_plan *plan, stanch_action action) {
  stanch_action *more = stanch_memory((plan->action_count + 1) * sizeof *more);
  for (size_t i = 0; i < plan->action_count; i++) more[i] = plan->actions[i];
  more[plan->action_count++] = action;
  plan->actions = more;
}

bool stanch_maybe_done(const stanch_attempt *made, size_t action) {
  const char *state = action < made->plan.action_count ? made->progress[action].state : "not-sent";
  return strcmp(state, "not-sent") != 0 && strcmp(state, "refused") != 0;
}

/* --- Carrying out --- */

static stanch_failure *send(const stanch_action *action, const char *key, char **said) {
  const stanch_json *content = action->content ? stanch_parse(action->content) : NULL;
  stanch_request request = {
      .method = action->verb,
      .url = action->target,
      .json = stanch_get(content, "body"),
      .content_type = stanch_text(content, "contentType", NULL),
      .idempotency_key = key,
  };
  stanch_response response;
  stanch_failure *failure = stanch_send(&request, &response);
  bool gone = !failure && strcmp(action->verb, "DELETE") == 0 && (response.status == 404 || response.status == 410);
  if (!failure && !gone) failure = stanch_ok(&response);
  if (!failure) *said = stanch_format("%s %s answered %d", action->verb, action->target, response.status);
  return stanch_during(failure, "%s %s", action->verb, action->target);
}

static stanch_failure *patch(const stanch_action *action, char **said) {
  /* kubernetes:NAMESPACE/GROUP/RESOURCE/NAME */
  const char *space = action->target + strlen("kubernetes:"), *end = strchr(space, '/'), *name = strrchr(space, '/');
  const stanch_json *content = action->content ? stanch_parse(action->content) : NULL;
  const char *kind = stanch_text(action->extra, "kind", NULL), *version = stanch_text(action->extra, "apiVersion", NULL);
  if (!end || !kind || !version || strcmp(action->verb, "patch") != 0) {
    return stanch_fail("failed", "The kit does not know how to `%s` `%s`", action->verb, action->target);
  }
  runbook_plugin_kubernetes_object_t what = {0};
  what.api_version = wire_of(version);
  what.kind = wire_of(kind);
  what.namespace_.is_some = strncmp(space, "_/", 2) != 0;
  what.namespace_.val = wire_of(stanch_format("%.*s", (int)(end - space), space));
  what.name = wire_of(name + 1);
  wire_text patch_kind = wire_of(stanch_text(content, "kind", ""));
  wire_text body = wire_of(stanch_print(stanch_get(content, "body"))), answer;
  runbook_plugin_kubernetes_failure_t failure;
  if (!runbook_plugin_kubernetes_patch(&what, &patch_kind, &body, &answer, &failure)) {
    return stanch_during(failure_of(&failure), "`patch` on %s `%.*s/%s`", kind, (int)(end - space), space, name + 1);
  }
  *said = stanch_format("Patched %s `%.*s/%s`", kind, (int)(end - space), space, name + 1);
  return NULL;
}

stanch_failure *stanch_carry_out(const stanch_context *ctx, const stanch_change_plan *plan, stanch_outcome *outcome) {
  char *all = "";
  for (size_t i = 0; i < plan->action_count; i++) {
    const stanch_action *action = &plan->actions[i];
    const char *key = plan->action_count > 1 ? stanch_format("%s-%zu", ctx->idempotency_key, i) : ctx->idempotency_key;
    char *said = "";
    bool on_object = strncmp(action->target, "kubernetes:", 11) == 0;
    stanch_failure *failure = on_object ? patch(action, &said) : send(action, key, &said);
    if (failure) return failure;
    if (i < 3) all = stanch_format("%s%s%s", all, i ? "; " : "", said);
  }
  if (plan->action_count > 3) all = stanch_format("%s; %zu more", all, plan->action_count - 3);
  outcome->summary = plan->action_count ? all : "Nothing to do";
  return NULL;
}

__attribute__((weak)) stanch_failure *stanch_apply(const stanch_context *ctx, const stanch_json *params,
                                                   const stanch_change_plan *plan, stanch_outcome *outcome) {
  (void)params;
  return stanch_carry_out(ctx, plan, outcome);
}

__attribute__((weak)) stanch_failure *stanch_verify(const stanch_context *ctx, const stanch_json *params,
                                                    const stanch_attempt *made, stanch_finding *finding) {
  (void)ctx, (void)params, (void)made;
  finding->summary = "This plugin cannot verify what it changed";
  return NULL;
}

__attribute__((weak)) stanch_failure *stanch_plan_undo(const stanch_context *ctx, const stanch_json *params,
                                                       const stanch_attempt *made, stanch_change_plan *plan) {
  (void)ctx, (void)params, (void)made, (void)plan;
  return stanch_fail("failed", "This change cannot be undone by the plugin");
}

/* --- To and from the contract --- */

typedef exports_runbook_plugin_remediation_change_plan_t wire_plan;
typedef exports_runbook_plugin_remediation_failure_t wire_failure;
typedef exports_runbook_plugin_remediation_context_t wire_context;

static WORLD(option_string_t) maybe(const char *text) {
  WORLD(option_string_t) wire = {0};
  wire.is_some = text != NULL;
  if (text) wire.val = wire_of(text);
  return wire;
}

static const char *some(WORLD(option_string_t) wire) { return wire.is_some ? text_of(wire.val) : NULL; }

static void plan_out(const stanch_change_plan *plan, wire_plan *out) {
  memset(out, 0, sizeof *out);
  out->summary = wire_of(plan->summary);
  out->data = wire_of(stanch_print(plan->data));
  out->extra = wire_of("{}");
  out->actions.len = plan->action_count;
  out->actions.ptr = stanch_memory(plan->action_count * sizeof *out->actions.ptr);
  for (size_t i = 0; i < plan->action_count; i++) {
    const stanch_action *from = &plan->actions[i];
    exports_runbook_plugin_remediation_action_t *to = &out->actions.ptr[i];
    to->verb = wire_of(from->verb);
    to->target = wire_of(from->target);
    to->expect = maybe(from->expect);
    to->content = maybe(from->content);
    to->reason = wire_of(from->reason);
    to->extra = wire_of(stanch_print(from->extra));
  }
}

static stanch_change_plan plan_in(const wire_plan *wire) {
  stanch_change_plan plan = {.summary = text_of(wire->summary), .data = stanch_parse(text_of(wire->data))};
  for (size_t i = 0; i < wire->actions.len; i++) {
    const exports_runbook_plugin_remediation_action_t *action = &wire->actions.ptr[i];
    stanch_add_action(&plan, (stanch_action){
                                 .verb = text_of(action->verb),
                                 .target = text_of(action->target),
                                 .expect = some(action->expect),
                                 .content = some(action->content),
                                 .reason = text_of(action->reason),
                                 .extra = stanch_parse(text_of(action->extra)),
                             });
  }
  return plan;
}

static stanch_attempt attempt_in(const exports_runbook_plugin_remediation_attempt_made_t *wire) {
  stanch_attempt made = {.plan = plan_in(&wire->plan)};
  stanch_progress *progress = stanch_memory(made.plan.action_count * sizeof *progress);
  for (size_t i = 0; i < made.plan.action_count; i++) progress[i] = (stanch_progress){"not-sent", ""};
  for (size_t i = 0; i < wire->progress.len; i++) {
    uint32_t action = wire->progress.ptr[i].action;
    if (action >= made.plan.action_count) continue;
    progress[action].state = text_of(wire->progress.ptr[i].state);
    progress[action].detail = text_of(wire->progress.ptr[i].detail);
  }
  made.progress = progress;
  return made;
}

bool exports_runbook_plugin_remediation_plan(wire_context *ctx, exports_runbook_plugin_remediation_json_t *params,
                                             wire_plan *ret, wire_failure *err) {
  stanch_context context = context_of(ctx);
  stanch_change_plan plan = {.summary = ""};
  if (failed_with(stanch_plan(&context, stanch_parse(text_of(*params)), &plan), err)) return false;
  plan_out(&plan, ret);
  return true;
}

bool exports_runbook_plugin_remediation_apply(wire_context *ctx, exports_runbook_plugin_remediation_json_t *params,
                                              wire_plan *plan, exports_runbook_plugin_remediation_outcome_t *ret,
                                              wire_failure *err) {
  stanch_context context = context_of(ctx);
  stanch_change_plan planned = plan_in(plan);
  /* Data that fits the manifest is needed in any case: where an application or a look after it says none, the plan's holds. */
  stanch_outcome outcome = {.summary = "", .data = planned.data};
  if (failed_with(stanch_apply(&context, stanch_parse(text_of(*params)), &planned, &outcome), err)) return false;
  memset(ret, 0, sizeof *ret);
  ret->summary = wire_of(outcome.summary);
  ret->data = wire_of(stanch_print(outcome.data));
  ret->extra = wire_of("{}");
  return true;
}

bool exports_runbook_plugin_remediation_verify(wire_context *ctx, exports_runbook_plugin_remediation_json_t *params,
                                               exports_runbook_plugin_remediation_attempt_made_t *made,
                                               exports_runbook_plugin_remediation_finding_t *ret, wire_failure *err) {
  stanch_context context = context_of(ctx);
  stanch_attempt attempt = attempt_in(made);
  stanch_finding finding = {.verdict = STANCH_UNKNOWN, .summary = "", .data = attempt.plan.data};
  if (failed_with(stanch_verify(&context, stanch_parse(text_of(*params)), &attempt, &finding), err)) return false;
  finding_out(&finding, ret);
  return true;
}

bool exports_runbook_plugin_remediation_plan_undo(wire_context *ctx, exports_runbook_plugin_remediation_json_t *params,
                                                  exports_runbook_plugin_remediation_attempt_made_t *made,
                                                  wire_plan *ret, wire_failure *err) {
  stanch_context context = context_of(ctx);
  stanch_attempt attempt = attempt_in(made);
  stanch_change_plan plan = {.summary = ""};
  if (failed_with(stanch_plan_undo(&context, stanch_parse(text_of(*params)), &attempt, &plan), err)) return false;
  plan_out(&plan, ret);
  return true;
}

#endif
