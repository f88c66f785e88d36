/* Does a health page answer 200? */
#include "stanch.h"

const char *stanch_manifest = STANCH_JSON({
  "name": "{{name}}",
  "version": "0.1.0",
  "summary": "Says whether a health page answers 200",
  "asks": { "http": [{ "url": "https://api.example/health", "read": ["GET"] }] },
  "params": {
    "type": "object",
    "properties": {
      "url": { "type": "string", "minLength": 1, "x-stanch-format": "url", "description": "The health page." }
    },
    "required": ["url"],
    "additionalProperties": false
  }
});

stanch_failure *stanch_diagnose(const stanch_context *ctx, const stanch_json *params, stanch_finding *finding) {
  (void)ctx;
  stanch_request request = {.url = stanch_text(params, "url", "")};
  stanch_response answer;
  stanch_failure *failure = stanch_send(&request, &answer);
  if (failure) return failure;
  finding->verdict = answer.status == 200 ? STANCH_YES : STANCH_NO;
  finding->summary = stanch_format("`%s` answers %d", request.url, answer.status);
  return NULL;
}
