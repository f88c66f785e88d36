//! The page of a runbook, as Markdown that also reads well as plain text. In the order in which a tired reader needs it:
//! what users notice, what to find out, what to do about it and how by hand, when it is over, who is told.

use std::fmt::Write as _;

use serde_json::Value;
use stanch_contract::Span;

use crate::expr::Params;
use crate::expr::severity_word;
use crate::model::{
    Approval, Batch, Change, Check, Limits, Mode, OnFailure, Ramp, Runbook, Step, StepKind, Verify, Worker,
};

/// Lines are collected; writing to a String cannot fail.
struct Page {
    out: String,
}

impl Page {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn blank(&mut self) {
        if !self.out.ends_with("\n\n") && !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn heading(&mut self, text: &str) {
        self.blank();
        self.line(format!("## {text}"));
        self.blank();
    }

    /// A point under a step.
    fn point(&mut self, name: &str, text: impl AsRef<str>) {
        let mut lines = text.as_ref().lines();
        self.line(format!("   - {name}: {}", lines.next().unwrap_or_default()));
        for line in lines {
            self.line(format!("     {line}"));
        }
    }
}

/// The page of `runbook`.
pub fn page(runbook: &Runbook) -> String {
    let mut page = Page { out: String::new() };
    page.line(format!("# {}", runbook.title));
    page.blank();
    page.line(format!(
        "**Impact: {}.** {}",
        severity_word(runbook.impact.severity),
        runbook.impact.summary
    ));
    page.blank();
    page.line(format!(
        "Owner: {} · Team: {} · `{}`",
        runbook.owner, runbook.team, runbook.name
    ));
    page.line(match runbook.mode {
        Mode::Shadow => "Mode: shadow. It plans and records; it changes nothing.",
        Mode::Ask => "Mode: ask. A person decides on each change.",
        Mode::Auto => "Mode: auto. It acts by itself, and asks only where a step says so.",
    });
    if !runbook.links.is_empty() {
        page.blank();
        for link in &runbook.links {
            page.line(format!("- {}: <{}>", link.title, link.url.source()));
        }
    }
    trigger(&mut page, runbook);
    diagnosis(&mut page, runbook);
    steps(&mut page, "Mitigation: stop the bleeding", &runbook.mitigation);
    steps(&mut page, "Resolution: fix the root cause", &runbook.resolution);
    recovery(&mut page, runbook);
    told(&mut page, runbook);
    guardrails(&mut page, runbook);
    page.out
}

fn trigger(page: &mut Page, runbook: &Runbook) {
    page.heading("This runbook applies when");
    let Some(trigger) = &runbook.trigger else {
        page.line(format!("- a person starts it: `stanch run {}`", runbook.name));
        return inputs(page, runbook);
    };
    if !trigger.alerts.is_empty() {
        page.line(format!("- the alert {} fires", listed(&trigger.alerts, "or")));
    }
    for matcher in &trigger.matchers {
        page.line(format!("- `{matcher}`"));
    }
    if let Some(when) = &trigger.when {
        page.line(format!("- `{}`", when.source()));
    }
    if let Some(at_least) = trigger.at_least {
        page.line(format!(
            "- it fired at least {} times within {}",
            at_least.count, at_least.within
        ));
    }
    if let Some(after) = trigger.after {
        page.line(format!("- it still fires after {after}"));
    }
    page.blank();
    page.line(if trigger.group_by.is_empty() {
        "One run for each alert.".to_owned()
    } else {
        format!(
            "One run for all alerts alike in {}.",
            listed(&trigger.group_by, "and")
        )
    });
    if let Some(again) = trigger.again {
        page.line(format!("Still firing {again} after the run closed: another run."));
    }
    inputs(page, runbook);
}

fn inputs(page: &mut Page, runbook: &Runbook) {
    if runbook.inputs.is_empty() {
        return;
    }
    page.blank();
    page.line("It is told:");
    page.blank();
    for input in &runbook.inputs {
        let mut line = format!("- `{}`, {}", input.name, crate::input::type_word(input.kind));
        if let Some(from) = &input.from {
            let _ = write!(line, ", from `{}`", from.source());
        }
        if let Some(default) = &input.default {
            let _ = write!(line, ", else {default}");
        }
        if let Some(who) = &input.visible_to {
            let _ = write!(line, ", shown to {} only", listed(who, "and"));
        }
        page.line(line);
    }
}

fn diagnosis(page: &mut Page, runbook: &Runbook) {
    if runbook.diagnosis.is_empty() {
        return;
    }
    page.heading("Diagnosis: the checklist");
    for check in &runbook.diagnosis {
        checked(page, check, "");
    }
}

fn checked(page: &mut Page, check: &Check, note: &str) {
    page.line(format!("- [ ] **{}** (`{}`){note}", check.ask, check.id));
    looks(page, &check.worker);
    cluster(page, check.on.as_deref());
    if let Some(by_hand) = &check.by_hand {
        page.point("by hand", by_hand);
    }
    if !check.needs.is_empty() {
        let needs: Vec<String> = check.needs.iter().map(|id| id.to_string()).collect();
        page.point("after", listed(&needs, "and"));
    }
}

fn looks(page: &mut Page, worker: &Worker) {
    match worker {
        Worker::Plugin { uses, with } => page.point(&format!("asks `{uses}`"), parameters(with)),
        Worker::Person => page.point(
            "answered by",
            "a person: `stanch answer RUN CHECK yes|no|unknown`",
        ),
    }
}

/// What a change's stages have in common, and what each says of its own; without stages, its parameters.
fn in_common(change: &Change) -> (String, Vec<String>) {
    let Value::Array(stages) = change.with.source() else {
        return (parameters(&change.with), Vec::new());
    };
    let everywhere = |name: &str, value: &Value| stages.iter().all(|stage| stage.get(name) == Some(value));
    let part = |stage: &Value, common: bool| {
        let members = stage.as_object().into_iter().flatten();
        let members = members.filter(|(name, value)| everywhere(name, value) == common);
        Value::Object(
            members
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    };
    let common = stages.first().map_or(Value::Null, |stage| part(stage, true));
    (
        written(&common),
        stages.iter().map(|stage| written(&part(stage, false))).collect(),
    )
}

fn ramped(ramp: Ramp, stages: &[String]) -> String {
    let hold = if ramp.hold == Span::ZERO {
        String::new()
    } else {
        format!("held {}, then ", ramp.hold)
    };
    format!(
        "{}; each {hold}verified before the next; one decision covers all",
        stages.join(", then ")
    )
}

/// Parameters on one line, as the runbook has them.
fn parameters(with: &Params) -> String {
    written(with.source())
}

fn written(with: &Value) -> String {
    match with {
        Value::Object(members) if members.is_empty() => "without parameters".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name} = {value}"))
                .collect();
            format!("`{}`", members.join(", "))
        }
        other => format!("`{other}`"),
    }
}

fn steps(page: &mut Page, heading: &str, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    page.heading(heading);
    for (index, step) in steps.iter().enumerate() {
        let words = match &step.kind {
            StepKind::Look { ask, .. } => format!("Look: {ask}"),
            StepKind::Change(change) => change.what.clone(),
            StepKind::ByHand { what, .. } => format!("{what} — done by a person"),
        };
        page.line(format!("{}. **{words}** (`{}`)", index + 1, step.id));
        if let Some(when) = &step.when {
            page.point("only when", format!("`{}`", when.source()));
        }
        match &step.kind {
            StepKind::Look { worker, .. } => looks(page, worker),
            StepKind::Change(inner) => change(page, inner),
            StepKind::ByHand {
                expires,
                after_resolved,
                ..
            } => {
                if *after_resolved {
                    page.point("to be done", "also where the alert is resolved before that");
                }
                page.point(
                    "says done or not done",
                    format!("a person, within {expires}; no answer is not done"),
                );
            }
        }
        if !step.channels.is_empty() {
            let channels: Vec<String> = step.channels.iter().map(ToString::to_string).collect();
            let words = format!(
                "{}, then where the operator's channels are",
                channels.join(", then ")
            );
            page.point("people hear of it in", words);
        }
        cluster(page, step.on.as_deref());
        if let Some(by_hand) = &step.by_hand {
            page.point("by hand", by_hand);
        }
        if let Some(retry) = step.retry {
            page.point(
                "tried again",
                format!(
                    "{} times, every {}, while nothing was changed",
                    retry.times, retry.every
                ),
            );
        }
        page.point(
            "if it fails",
            match step.on_failure {
                OnFailure::Stop => "the later steps are skipped, and people are told",
                OnFailure::Continue => "the run goes on, and people are told",
            },
        );
    }
}

fn change(page: &mut Page, change: &Change) {
    let (common, stages) = in_common(change);
    page.point(&format!("changes, with `{}`", change.uses), common);
    if let Some(ramp) = change.ramp {
        page.point("in stages", ramped(ramp, &stages));
    }
    if let Some(limits) = limits(&change.limits) {
        page.point("at most", limits);
    }
    if let Some(batch) = change.batch {
        page.point("a few at a time", batches(batch));
    }
    page.point(
        "asks first",
        change.approval.as_ref().map_or("nobody".to_owned(), approval),
    );
    page.point("did it help?", verify(&change.verify));
    let mut undo = Vec::new();
    if change.undo.on_failure {
        undo.push("when it fails after something was changed");
    }
    if change.undo.when_resolved {
        undo.push("when the alerts are resolved and the recovery checks held");
    }
    page.point(
        "put back",
        if undo.is_empty() {
            "not by itself".to_owned()
        } else {
            undo.join(", and ")
        },
    );
}

fn limits(limits: &Limits) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(targets) = limits.targets {
        parts.push(if targets == 1 {
            "1 target".to_owned()
        } else {
            format!("{targets} targets")
        });
    }
    if let Some(share) = limits.share {
        parts.push(format!("{share} of those there are"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn cluster(page: &mut Page, on: Option<&str>) {
    if let Some(on) = on {
        page.point("cluster", format!("`{on}`"));
    }
}

fn batches(batch: Batch) -> String {
    let size = if batch.size == 1 {
        "1 target".to_owned()
    } else {
        format!("{} targets", batch.size)
    };
    let hold = if batch.hold == Span::ZERO {
        String::new()
    } else {
        format!(", after {}", batch.hold)
    };
    format!("{size}, verified before the next{hold}; one decision covers all")
}

fn approval(approval: &Approval) -> String {
    let whom = if approval.from.is_empty() {
        "whoever has the role approver or more".to_owned()
    } else {
        listed(&approval.from, "or")
    };
    let how_many = if approval.quorum == 1 {
        String::new()
    } else {
        format!("{} of ", approval.quorum)
    };
    format!(
        "{how_many}{whom}, “{}”; no answer in {} is a no",
        approval.ask, approval.expires
    )
}

fn verify(verify: &Verify) -> String {
    let mut who = Vec::new();
    if verify.own {
        who.push("the plugin looks itself".to_owned());
    }
    if let Some((uses, with)) = &verify.also {
        let on = verify
            .on
            .as_ref()
            .map_or_else(String::new, |on| format!(" in `{on}`"));
        who.push(format!("`{uses}`{on} says so: {}", parameters(with)));
    }
    if who.is_empty() {
        return "nobody looks (`verify = \"none\"`)".to_owned();
    }
    format!(
        "{}; every {}, for at most {}",
        who.join(", and "),
        verify.every,
        verify.within
    )
}

fn recovery(page: &mut Page, runbook: &Runbook) {
    let recovery = &runbook.recovery;
    page.heading("It is over when");
    page.line(format!(
        "- all alerts are resolved for {} without a break",
        recovery.stable_for
    ));
    for check in &recovery.checks {
        checked(page, check, ", yes all that time");
    }
    page.blank();
    page.line(format!(
        "Not over after {}: people are told, and nothing is put back by itself.",
        recovery.give_up_after
    ));
}

fn told(page: &mut Page, runbook: &Runbook) {
    page.heading("Who is told when it goes wrong");
    if runbook.escalation.is_empty() {
        page.line("Nobody: the runbook has no `[[escalation]]`. It is only seen in `stanch runs`.");
    }
    for (index, notice) in runbook.escalation.iter().enumerate() {
        page.line(format!(
            "{}. `{}`: {}",
            index + 1,
            notice.uses,
            parameters(&notice.with)
        ));
    }
    if runbook.escalation.len() > 1 {
        page.blank();
        page.line("In this order, until one is delivered.");
    }
}

fn guardrails(page: &mut Page, runbook: &Runbook) {
    let guardrails = &runbook.guardrails;
    page.heading("Guardrails");
    if let Some(lock) = &guardrails.lock {
        page.line(format!("- one change at a time under `{}`", lock.source()));
    }
    if let Some(cooldown) = guardrails.cooldown {
        page.line(format!("- {cooldown} between runs that changed something"));
    }
    if let Some(rate) = guardrails.rate {
        page.line(format!(
            "- at most {} in {} that change something",
            runs(rate.count),
            rate.per
        ));
    }
    page.line(format!(
        "- what is older than {} is looked at again before the first change",
        guardrails.fresh
    ));
}

fn runs(count: u32) -> String {
    if count == 1 {
        "1 run".to_owned()
    } else {
        format!("{count} runs")
    }
}

/// `a`, `b` or `c`.
fn listed(names: &[String], word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} {word} {last}", first.join(", ")),
        all => all.join(""),
    }
}
