/* Findings: what a diagnosis answers, and a remediation that is asked to verify. */
#include "wire.h"

#include <string.h>

#ifdef STANCH_LOOKS

void stanch_add_evidence(stanch_finding *finding, stanch_evidence evidence) {
  stanch_evidence *more = stanch_memory((finding->evidence_count + 1) * sizeof *more);
  for (size_t i = 0; i < finding->evidence_count; i++) more[i] = finding->evidence[i];
  more[finding->evidence_count++] = evidence;
  finding->evidence = more;
}

static WORLD(option_string_t) maybe(const char *text) {
  WORLD(option_string_t) wire = {0};
  wire.is_some = text != NULL;
  if (text) wire.val = wire_of(text);
  return wire;
}

void finding_out(const stanch_finding *finding, runbook_plugin_common_finding_t *out) {
  memset(out, 0, sizeof *out);
  out->verdict = (uint8_t)finding->verdict;
  out->summary = wire_of(finding->summary);
  out->data = wire_of(stanch_print(finding->data));
  out->extra = wire_of("{}");
  out->evidence.len = finding->evidence_count;
  out->evidence.ptr = stanch_memory(finding->evidence_count * sizeof *out->evidence.ptr);
  for (size_t i = 0; i < finding->evidence_count; i++) {
    const stanch_evidence *from = &finding->evidence[i];
    runbook_plugin_common_evidence_t *to = &out->evidence.ptr[i];
    to->label = wire_of(from->label);
    to->value = wire_of(from->value);
    to->unit = maybe(from->unit);
    to->link = maybe(from->link);
    to->extra = wire_of("{}");
    to->points.len = from->point_count;
    to->points.ptr = stanch_memory(from->point_count * sizeof *to->points.ptr);
    for (size_t p = 0; p < from->point_count; p++) {
      to->points.ptr[p].at_ms = from->points[p].at_ms;
      to->points.ptr[p].value = from->points[p].value;
    }
  }
}

#endif

void exports_runbook_plugin_manifest_describe(wire_text *out) { *out = wire_of(stanch_manifest); }

#ifdef STANCH_DIAGNOSIS

bool exports_runbook_plugin_diagnosis_diagnose(exports_runbook_plugin_diagnosis_context_t *ctx,
                                               exports_runbook_plugin_diagnosis_json_t *params,
                                               exports_runbook_plugin_diagnosis_finding_t *ret,
                                               exports_runbook_plugin_diagnosis_failure_t *err) {
  stanch_context context = context_of(ctx);
  stanch_finding finding = {.verdict = STANCH_UNKNOWN, .summary = ""};
  if (failed_with(stanch_diagnose(&context, stanch_parse(text_of(*params)), &finding), err)) return false;
  finding_out(&finding, ret);
  return true;
}

#endif

#ifdef STANCH_NOTIFICATION

bool exports_runbook_plugin_notification_notify(exports_runbook_plugin_notification_context_t *ctx,
                                                exports_runbook_plugin_notification_json_t *params,
                                                exports_runbook_plugin_notification_message_t *message,
                                                exports_runbook_plugin_notification_failure_t *err) {
  stanch_context context = context_of(ctx);
  stanch_message told = {
      .kind = text_of(message->kind),
      .severity = text_of(message->severity),
      .title = text_of(message->title),
      .text = text_of(message->text),
      .thread = text_of(message->thread),
      .link = message->link.is_some ? text_of(message->link.val) : NULL,
      .report = stanch_parse(text_of(message->report)),
  };
  return !failed_with(stanch_notify(&context, stanch_parse(text_of(*params)), &told), err);
}

#endif
