//! `[guardrails]`: engine-wide; what a runbook cannot loosen.

use stanch_contract::{ByteSize, Rate, Share, Span};
use stanch_runbook::EngineGuardrails;
use stanch_runbook::guardrails::TargetCeilings;

use stanch_runbook::reading::{Fields, Got, Problems};

/// A number of targets beyond which a ceiling is none.
pub(super) const MOST_TARGETS: u32 = 1_000;

pub(super) fn guardrails(top: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> EngineGuardrails {
    let mut guardrails = EngineGuardrails::default();
    let Some(mut fields) = top
        .node("guardrails")
        .and_then(|node| Fields::of(node, "`[guardrails]`", problems))
    else {
        return guardrails;
    };
    if let Some(actions) = fields.parsed::<Rate>("actions", problems) {
        guardrails.actions = actions.value;
    }
    if let Some(mut table) = fields
        .node("targets")
        .and_then(|node| Fields::of(node, "`targets`", problems))
    {
        let TargetCeilings {
            kubernetes,
            http,
            files,
        } = &mut guardrails.targets;
        for (key, ceiling) in [("kubernetes", kubernetes), ("http", http), ("files", files)] {
            if let Some(count) = table.count(key, 0, MOST_TARGETS, problems) {
                *ceiling = count.value;
            }
        }
        table.finish(problems);
    }
    if let Some(mut table) = fields
        .node("files")
        .and_then(|node| Fields::of(node, "`files`", problems))
    {
        if let Some(items) = table.count("items", 0, 1_000_000, problems) {
            guardrails.files.items = u64::from(items.value);
        }
        if let Some(bytes) = table.parsed::<ByteSize>("bytes", problems) {
            guardrails.files.bytes = bytes.value;
        }
        table.finish(problems);
    }
    for (key, span) in [
        ("hold", &mut guardrails.hold),
        ("lock_wait", &mut guardrails.lock_wait),
    ] {
        if let Some(set) = fields.parsed::<Span>(key, problems) {
            *span = set.value;
            more_than_nothing(key, &set, problems);
        }
    }
    if let Some(mut table) = fields
        .node("storm")
        .and_then(|node| Fields::of(node, "`storm`", problems))
    {
        if let Some(alerts) = table.count("alerts", 1, u32::MAX, problems) {
            guardrails.storm.alerts = alerts.value;
        }
        if let Some(within) = table.parsed::<Span>("within", problems) {
            guardrails.storm.within = within.value;
            more_than_nothing("within", &within, problems);
        }
        table.finish(problems);
    }
    if let Some(most) = fields.count("max_open", 1, 1_000_000, problems) {
        guardrails.max_open = most.value;
    }
    if let Some(share) = fields.parsed::<Share>("share", problems) {
        guardrails.share = share.value;
    }
    if let Some(keep) = fields.count("keep_ready", 0, 1_000_000, problems) {
        guardrails.keep_ready = keep.value;
    }
    fields.finish(problems);
    guardrails
}

fn more_than_nothing(key: &str, span: &Got<Span>, problems: &mut Problems<'_>) {
    if span.value == Span::ZERO {
        problems.add(
            &span.at,
            format!("`{key}` is no time at all"),
            "here",
            "write more than `0s`".to_owned(),
        );
    }
}
