/* `config-switch`: sets one key of a ConfigMap to another value.
 *
 * It is planned for the very version of the ConfigMap that was read, so nothing that somebody else writes meanwhile is lost. The
 * way back puts the old value back, or takes the key away where there was none, and only while the value is still the one that
 * was set here. */
#include <stdlib.h>
#include <string.h>

#include "stanch.h"

/* Longer values are configuration files and no switches. */
#define LONGEST (16 * 1024)
/* Of a value, for people: characters. */
#define SHOWN 120

const char *stanch_manifest = STANCH_JSON({
  "name": "config-switch",
  "version": "0.1.0",
  "summary": "Switches the value of a key of a ConfigMap",
  "idempotent": true,
  "reversible": true,
  "verifies": true,
  "asks": {
    "kubernetes": [
      {
        "clusters": ["eu"], "verbs": ["get", "patch"], "resources": ["configmaps"],
        "namespaces": ["inference"], "names": ["flags"]
      }
    ]
  },
  "params": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "required": ["namespace", "name", "key", "value"],
    "properties": {
      "namespace": { "type": "string", "minLength": 1, "description": "Where it is." },
      "name": { "type": "string", "minLength": 1, "description": "What it is called." },
      "key": { "type": "string", "pattern": "^[-._a-zA-Z0-9]{1,253}$", "description": "Which key." },
      "value": { "type": "string", "description": "Its value then." },
      "from": {
        "type": "array", "items": { "type": "string" }, "default": [],
        "description": "Only where its value now is one of these."
      },
      "add": {
        "type": "boolean", "default": false,
        "description": "Also where there is no such key yet; else that is taken for a mistake."
      }
    }
  },
  "data": {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "additionalProperties": false,
    "required": ["uid", "old", "new"],
    "properties": {
      "uid": { "type": "string", "description": "Which ConfigMap it was: another of the same name has another." },
      "old": { "type": ["string", "null"], "description": "The value before; none where there was no such key." },
      "new": { "type": "string", "description": "The value then." }
    }
  }
});

/* A value for people: one line, the beginning of it. */
static char *shown(const char *value) {
  char *line = stanch_format("%s", value);
  size_t at = 0;
  for (int count = 0; line[at] && count < SHOWN; count++) {
    if ((unsigned char)line[at] < 32 || line[at] == 127) line[at] = ' ';
    at++;
    while (((unsigned char)line[at] & 0xc0) == 0x80) at++;
  }
  return stanch_format("`%.*s%s`", (int)at, line, line[at] ? "…" : "");
}

static const char *or_else(const char *value, const char *otherwise) { return value ? shown(value) : otherwise; }

static bool same(const char *one, const char *other) { return one && other ? strcmp(one, other) == 0 : one == other; }

static char *name_of(const stanch_json *params) {
  return stanch_format("ConfigMap `%s/%s`", stanch_text(params, "namespace", ""), stanch_text(params, "name", ""));
}

/* The ConfigMap, and the value of the key; NULL where there is no such key. */
static stanch_failure *read_value(const stanch_json *params, stanch_json **map, const char **value) {
  const char *key = stanch_text(params, "key", "");
  stanch_failure *failure = stanch_see(STANCH_CONFIG_MAP, stanch_text(params, "namespace", ""), stanch_text(params, "name", ""), map);
  if (failure) return failure;
  if (stanch_is_there(stanch_get(*map, "metadata/deletionTimestamp"))) {
    return stanch_fail("failed", "%s is being deleted", name_of(params));
  }
  if (stanch_truth(*map, "immutable", false)) {
    return stanch_fail("failed", "%s is immutable: nobody can change it, only replace it", name_of(params));
  }
  if (stanch_get(stanch_get(*map, "binaryData"), key)) {
    return stanch_fail("failed", "`%s` of %s is binary, and only text is switched", key, name_of(params));
  }
  *value = stanch_text(stanch_get(*map, "data"), key, NULL);
  return NULL;
}

static int in_order(const void *one, const void *other) { return strcmp(*(char *const *)one, *(char *const *)other); }

static stanch_failure *no_such_key(const stanch_json *params, const stanch_json *map) {
  const stanch_json *data = stanch_get(map, "data");
  size_t count = stanch_count(data);
  const char **keys = stanch_memory(count * sizeof *keys), *all = "";
  for (size_t i = 0; i < count; i++) keys[i] = stanch_name(data, i);
  qsort(keys, count, sizeof *keys, in_order);
  for (size_t i = 0; i < count && i < 20; i++) all = stanch_format("%s%s%s", all, i ? "`, `" : "", keys[i]);
  return stanch_fail("not-found", "%s has no key `%s`; it has `%s`. Where it is to be added, say `add = true`", name_of(params),
                     stanch_text(params, "key", ""), all);
}

static stanch_json *data_of(const stanch_json *map, const char *old, const char *new) {
  stanch_json *data = stanch_object();
  stanch_set(data, "uid", stanch_of_text(stanch_text(map, "metadata/uid", "")));
  stanch_set(data, "old", old ? stanch_of_text(old) : stanch_null());
  return stanch_set(data, "new", stanch_of_text(new));
}

static stanch_action patch(const stanch_json *map, const char *key, const char *value) {
  stanch_json *data = stanch_set(stanch_object(), key, value ? stanch_of_text(value) : stanch_null());
  return stanch_patch_action(STANCH_CONFIG_MAP, map, "merge", stanch_set(stanch_object(), "data", data));
}

stanch_failure *stanch_plan(const stanch_context *ctx, const stanch_json *params, stanch_change_plan *plan) {
  (void)ctx;
  const char *key = stanch_text(params, "key", ""), *value = stanch_text(params, "value", ""), *old, *named = name_of(params);
  stanch_json *map;
  stanch_failure *failure = read_value(params, &map, &old);
  if (failure) return failure;
  plan->data = data_of(map, old, value);
  if (strlen(value) > LONGEST || (old && strlen(old) > LONGEST)) {
    return stanch_fail("invalid-params", "A value of `%s` is longer than 16 KiB: that is a file and no switch", key);
  }
  if (same(old, value)) {
    plan->summary = stanch_format("`%s` of %s is %s already", key, named, shown(value));
    return NULL;
  }
  const stanch_json *from = stanch_get(params, "from");
  const char *only = "";
  bool fits = !old || stanch_count(from) == 0;
  for (size_t i = 0; i < stanch_count(from); i++) {
    const char *one = stanch_text(stanch_item(from, i), "", "");
    fits = fits || same(one, old);
    only = stanch_format("%s%s%s", only, i ? " or " : "", shown(one));
  }
  if (!fits) {
    return stanch_fail("failed", "`%s` of %s is %s, and the runbook switches it from %s only", key, named, shown(old), only);
  }
  if (!old && !stanch_truth(params, "add", false)) return no_such_key(params, map);
  plan->summary = old ? stanch_format("Switch `%s` of %s from %s to %s", key, named, shown(old), shown(value))
                      : stanch_format("Add `%s` to %s, as %s", key, named, shown(value));
  stanch_add_action(plan, patch(map, key, value));
  return NULL;
}

stanch_failure *stanch_verify(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                              stanch_finding *finding) {
  (void)ctx;
  const stanch_json *data = made->plan.data;
  const char *now;
  stanch_json *map;
  stanch_failure *failure = read_value(params, &map, &now);
  if (failure) return failure;
  bool well = same(stanch_text(map, "metadata/uid", ""), stanch_text(data, "uid", NULL)) && now &&
              same(now, stanch_text(data, "new", NULL));
  finding->verdict = well ? STANCH_YES : STANCH_NO;
  finding->summary = stanch_format("`%s` of %s is %s", stanch_text(params, "key", ""), name_of(params), or_else(now, "not there"));
  finding->data = data;
  return NULL;
}

stanch_failure *stanch_plan_undo(const stanch_context *ctx, const stanch_json *params, const stanch_attempt *made,
                                 stanch_change_plan *plan) {
  (void)ctx;
  const stanch_json *data = made->plan.data;
  const char *key = stanch_text(params, "key", ""), *old = stanch_text(data, "old", NULL), *now, *named = name_of(params);
  if (!stanch_is_text(stanch_get(data, "uid"))) return stanch_fail("failed", "what was there before is not known");
  plan->data = data;
  bool any = false;
  for (size_t i = 0; i < made->plan.action_count; i++) any = any || stanch_maybe_done(made, i);
  if (!any) {
    plan->summary = "Nothing was switched";
    return NULL;
  }
  stanch_json *map;
  stanch_failure *failure = read_value(params, &map, &now);
  if (failure) return failure;
  if (!same(stanch_text(map, "metadata/uid", ""), stanch_text(data, "uid", ""))) {
    return stanch_fail("conflict", "%s is another one by now, and is left as it is", named);
  }
  if (same(now, old)) {
    plan->summary = stanch_format("`%s` of %s is as it was before already", key, named);
    return NULL;
  }
  if (!same(now, stanch_text(data, "new", ""))) {
    return stanch_fail("conflict", "`%s` of %s is %s, which was not set here. Somebody changed it, and it is left as it is", key,
                       named, or_else(now, "gone"));
  }
  plan->summary = old ? stanch_format("Switch `%s` of %s back to %s", key, named, shown(old))
                      : stanch_format("Take `%s` away from %s again", key, named);
  stanch_action action = patch(map, key, old);
  action.reason = "It is still the value that was set here";
  stanch_add_action(plan, action);
  return NULL;
}
