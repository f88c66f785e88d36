/* The generated bindings of the world that is built, under names that are the same for each. */
#ifndef STANCH_WIRE_H
#define STANCH_WIRE_H

#include "stanch.h"

#if defined(STANCH_DIAGNOSIS)
#include "diagnosis_plugin.h"
#define WORLD(name) diagnosis_plugin_##name
#elif defined(STANCH_REMEDIATION)
#include "remediation_plugin.h"
#define WORLD(name) remediation_plugin_##name
#elif defined(STANCH_NOTIFICATION)
#include "notification_plugin.h"
#define WORLD(name) notification_plugin_##name
#else
#error "say which kind of plugin this is: -DSTANCH_DIAGNOSIS, -DSTANCH_REMEDIATION or -DSTANCH_NOTIFICATION"
#endif

#ifndef STANCH_NOTIFICATION
#define STANCH_LOOKS 1 /* at files and clusters */
#endif

typedef WORLD(string_t) wire_text;

/* To the contract: memory of its own, which the contract's side frees. */
wire_text wire_of(const char *text);
/* From the contract. */
char *text_of(wire_text text);
stanch_failure *failure_of(const runbook_plugin_common_failure_t *failure);
bool failed_with(const stanch_failure *failure, runbook_plugin_common_failure_t *out);
stanch_context context_of(const runbook_plugin_common_context_t *ctx);

#endif
