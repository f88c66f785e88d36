/* Posts a message to a chat's webhook. */
#include "stanch.h"

const char *stanch_manifest = STANCH_JSON({
  "name": "{{name}}",
  "version": "0.1.0",
  "summary": "Posts a message to a chat's webhook",
  "asks": { "notify": [{ "url": "https://chat.example/hook" }] },
  "params": { "type": "object", "properties": {}, "additionalProperties": false }
});

stanch_failure *stanch_notify(const stanch_context *ctx, const stanch_json *params, const stanch_message *message) {
  (void)ctx, (void)params;
  const char *text = stanch_format("%s\n%s", message->title, message->text);
  stanch_json *body = stanch_set(stanch_object(), "text", stanch_of_text(text));
  stanch_request post = {.method = "POST", .url = stanch_text(stanch_settings(), "url", ""), .json = body};
  stanch_response answer;
  stanch_failure *failure = stanch_send(&post, &answer);
  return failure ? failure : stanch_ok(&answer);
}
