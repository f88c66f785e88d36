/* Puts an address on a blocklist, and takes it off again. */
#include "stanch.h"

const char *stanch_manifest = STANCH_JSON({
  "name": "{{name}}",
  "version": "0.1.0",
  "summary": "Puts an address on a blocklist",
  "idempotent": true,
  "reversible": true,
  "verifies": true,
  "asks": { "http": [{ "url": "https://edge.example/blocked/*", "read": ["GET"], "change": ["PUT", "DELETE"] }] },
  "params": {
    "type": "object",
    "properties": {
      "list": { "type": "string", "minLength": 1, "x-stanch-format": "url", "description": "The blocklist's URL." },
      "address": { "type": "string", "description": "What to block." }
    },
    "required": ["list", "address"],
    "additionalProperties": false
  }
});

static char *entry(const stanch_json *params) {
  return stanch_format("%s/%s", stanch_text(params, "list", ""), stanch_encode(stanch_text(params, "address", "")));
}

stanch_failure *stanch_plan(const stanch_context *ctx, const stanch_json *params, stanch_change_plan *plan) {
  (void)ctx;
  const char *address = stanch_text(params, "address", "");
  stanch_request get = {.url = entry(params)};
  stanch_response answer;
  stanch_failure *failure = stanch_send(&get, &answer);
  if (failure) return failure;
  if (answer.status == 200) {
    plan->summary = stanch_format("`%s` is blocked already", address);
    return NULL;
  }
  stanch_json *body = stanch_set(stanch_object(), "reason", stanch_of_text("stanch"));
  stanch_request put = {.method = "PUT", .url = entry(params), .json = body};
  plan->summary = stanch_format("Block `%s`", address);
  stanch_add_action(plan, stanch_send_action(&put));
  return NULL;
}

stanch_failure *stanch_verify(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                              stanch_finding *finding) {
  (void)ctx, (void)made;
  stanch_request get = {.url = entry(params)};
  stanch_response answer;
  stanch_failure *failure = stanch_send(&get, &answer);
  if (failure) return failure;
  finding->summary = stanch_format("The list answers %d", answer.status);
  if (answer.status == 200) {
    finding->verdict = STANCH_YES;
    finding->summary = "It is on the list";
  } else if (answer.status == 404) {
    finding->verdict = STANCH_NO;
    finding->summary = "It is not on the list";
  }
  return NULL;
}

stanch_failure *stanch_plan_undo(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                                 stanch_change_plan *plan) {
  (void)ctx, (void)params;
  plan->summary = "Unblock";
  for (size_t i = 0; i < made->plan.action_count; i++) {
    stanch_request request = {.method = "DELETE", .url = made->plan.actions[i].target};
    if (stanch_maybe_done(made, i)) stanch_add_action(plan, stanch_send_action(&request));
  }
  return NULL;
}
