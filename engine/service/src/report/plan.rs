//! A plan and the question about it. What the host knows comes first; what the plugin says comes last and is labelled.

use stanch_contract::plan::Capability;
use stanch_contract::{ActionState, CanonicalAction, Span, Timestamp};

use super::page::{Page, Piece, Style};
use super::{Detail, words};
use crate::control::types::{
    ActionView, PlanView, QuestionView, RampView, RunView, StepView, Tone, UndoPromise, WorkerView,
};

/// Where the text beside a label begins.
const COLUMN: usize = 15;
/// Actions that the short page shows.
const ACTIONS: usize = 12;
/// Members of an action that the short page shows.
const ITEMS: usize = 4;
/// Characters of an action's content that the short page shows.
const CONTENT: usize = 240;

/// The open question of a step.
pub(super) fn question(
    page: &mut Page,
    run: &RunView,
    step: &StepView,
    question: &QuestionView,
    now: Timestamp,
    detail: Detail,
) {
    page.gap();
    page.line([
        Piece::new("Question  ", Style::State(Tone::Attention)),
        Piece::new(&question.ask, Style::Strong),
    ]);
    let plan = if question.undo {
        &step.undo_plan
    } else {
        &step.plan
    };
    if let Some(plan) = plan {
        let label = if question.undo { "Would undo" } else { "Would do" };
        actions(page, label, plan, detail);
        labelled(page, "Touches", &touches(plan));
    }
    for line in where_and_how(step) {
        labelled(page, "", &line);
    }
    if !question.undo {
        labelled(page, "Undone", &undone(step.undo, &question.promise));
    }
    labelled(page, "Who", &who(question));
    let left = words::length(words::between(now, question.expires_at));
    labelled(
        page,
        "Time left",
        &format!(
            "{left}, until {}; no answer is a no",
            words::clock(question.expires_at)
        ),
    );
    labelled(page, "Digest", &question.digest.digest().to_string());
    if let Some(plan) = plan {
        plugin_says(page, step, plan, detail);
    }
    let (id, step) = (&run.summary.id, &step.id);
    page.gap();
    // Not wrapped: they are there to be copied.
    let digest = question.digest.digest();
    page.line([Piece::plain(format!(
        "  stanch approve {id} {step} --digest {digest}"
    ))]);
    page.line([Piece::plain(format!("  stanch deny {id} {step} --reason …"))]);
}

/// The cluster, and how many targets at a time or in which stages.
pub(crate) fn where_and_how(step: &StepView) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(on) = &step.on {
        lines.push(format!("in cluster {on}"));
    }
    if let Some(batch) = step.batch {
        let at_once = words::count(u64::from(batch.size), "target");
        let (done, of) = (batch.done, batch.of);
        lines.push(format!(
            "{done} of {of} done; {at_once} at a time, each verified before the next"
        ));
    }
    if let Some(RampView { done, of, hold }) = step.ramp {
        let held = if hold == Span::ZERO {
            String::new()
        } else {
            format!("held {hold} and ")
        };
        lines.push(format!(
            "in {of} stages, {done} of them done; each {held}verified before the next"
        ));
    }
    lines
}

fn labelled(page: &mut Page, label: &str, text: &str) {
    page.beside(2, Piece::new(label, Style::Faint), COLUMN, text, Style::Plain);
}

/// What a plan's actions would do or did, one after the other.
pub(super) fn actions(page: &mut Page, label: &str, plan: &PlanView, detail: Detail) {
    if plan.actions.is_empty() {
        labelled(page, label, "nothing: there is nothing to do");
        return;
    }
    let most = if detail == Detail::All {
        usize::MAX
    } else {
        ACTIONS
    };
    let started = plan
        .actions
        .iter()
        .any(|action| action.progress != ActionState::NotSent);
    for (at, view) in plan.actions.iter().take(most).enumerate() {
        action(page, if at == 0 { label } else { "" }, view, started, detail);
    }
    more(page, plan.actions.len().saturating_sub(most), "action");
}

fn action(page: &mut Page, label: &str, view: &ActionView, started: bool, detail: Detail) {
    let action = &view.action;
    let size = match (action.items.len(), action.bytes) {
        (0, None) => String::new(),
        (0, Some(bytes)) => format!("  ({})", words::bytes(bytes)),
        (items, None) => format!("  ({})", words::count(items as u64, thing(action.capability))),
        (items, Some(bytes)) => {
            format!(
                "  ({}, {})",
                words::count(items as u64, thing(action.capability)),
                words::bytes(bytes)
            )
        }
    };
    let what = format!("{} {}{size}", action.verb, action.target);
    page.beside(2, Piece::new(label, Style::Faint), COLUMN, &what, Style::Strong);
    let indent = 2 + COLUMN + 2;
    if started {
        let (word, tone) = words::action(view);
        let detail = if view.sending { "" } else { view.progress.detail() };
        page.beside(
            indent,
            Piece::new(word, Style::State(tone)),
            10,
            detail,
            Style::Plain,
        );
    }
    if let Some(before) = &action.before {
        page.text(indent, &format!("before: {before}"), Style::Plain);
    }
    if let Some(content) = &action.content {
        let (all, kept) = (content.chars().count(), cut(content, detail));
        page.text(indent, &format!("content: {kept}"), Style::Plain);
        if kept.chars().count() < all {
            page.text(
                indent,
                &format!("… {all} characters in all, with `--all`"),
                Style::Faint,
            );
        }
    }
    // Once something was sent, what became of it counts, and not what it was chosen by.
    if started && detail == Detail::Short {
        return;
    }
    if let Some(dry_run) = &action.dry_run {
        page.text(indent, &format!("server's dry run: {dry_run}"), Style::Plain);
    }
    if let Some(expect) = &action.expect {
        page.text(indent, &format!("only while {expect}"), Style::Faint);
    }
    let most = if detail == Detail::All { usize::MAX } else { ITEMS };
    for item in action.items.iter().take(most) {
        page.text(indent, &member(item), Style::Faint);
    }
    let left = action.items.len().saturating_sub(most);
    if left > 0 {
        let left = words::count(left as u64, thing(action.capability));
        page.text(indent, &format!("… and {left} more with `--all`"), Style::Faint);
    }
    if !action.repeat_safe {
        page.text(
            indent,
            "sent once only: a repeat could have a second effect",
            Style::Faint,
        );
    }
}

fn more(page: &mut Page, left: usize, one: &str) {
    if left > 0 {
        let text = format!("… and {} more with `--all`", words::count(left as u64, one));
        page.text(2 + COLUMN, &text, Style::State(Tone::Attention));
    }
}

fn cut(content: &str, detail: Detail) -> String {
    if detail == Detail::All {
        content.to_owned()
    } else {
        content.chars().take(CONTENT).collect()
    }
}

/// `PATH@MODIFIED-MS`, as a person reads it.
pub(crate) fn member(item: &str) -> String {
    match item
        .rsplit_once('@')
        .and_then(|(path, ms)| Some((path, ms.parse::<i64>().ok()?)))
    {
        Some((path, ms)) => format!("{path}  (changed {})", words::date(Timestamp(ms))),
        None => item.to_owned(),
    }
}

/// One of what an action has as members.
pub(crate) fn thing(capability: Capability) -> &'static str {
    match capability {
        Capability::Files => "file",
        Capability::Kubernetes | Capability::Http => "item",
    }
}

/// The counts: what the host counted, never what the plugin claims.
pub(crate) fn touches(plan: &PlanView) -> String {
    let mut text = words::count(u64::from(plan.targets), "target");
    if plan.items > 0 {
        let one = plan
            .actions
            .first()
            .map_or("item", |action| thing(action.action.capability));
        text.push_str(&format!(", {}", words::count(plan.items, one)));
    }
    if let Some(bytes) = plan.bytes {
        text.push_str(&format!(", {}", words::bytes(bytes)));
    }
    if let Some(all) = &plan.population {
        let actions: Vec<CanonicalAction> = plan.actions.iter().map(|view| view.action.clone()).collect();
        text.push_str(&format!(
            "; of {} alike ({}), {} of them Ready, {} Ready besides these",
            all.total,
            all.what,
            all.ready,
            all.ready_besides(&actions)
        ));
    }
    text
}

/// How and when the change is put back: the promise that the yes covers, else what a person can do.
pub(crate) fn undone(undo: UndoPromise, promise: &str) -> String {
    match (promise.is_empty(), undo.possible) {
        (false, _) => promise.to_owned(),
        (true, true) => "only with `stanch undo`".to_owned(),
        (true, false) => "cannot be undone by the engine".to_owned(),
    }
}

/// Who is asked, how many must agree, who must not decide, and who has said yes.
pub(crate) fn who(question: &QuestionView) -> String {
    let from = match question.from.as_slice() {
        [] => "whoever has role approver or more".to_owned(),
        from => from.join(" or "),
    };
    let mut text = if question.quorum > 1 {
        format!("{} people of {from}", question.quorum)
    } else {
        from
    };
    if let Some(except) = &question.except {
        text.push_str(&format!("; not {except}, who asked for the run"));
    }
    if !question.yes.is_empty() {
        text.push_str(&format!("; yes so far: {}", question.yes.join(", ")));
    }
    text
}

/// The plugin's reasons for its actions; one that several have in a row is said once.
pub(crate) fn reasons(plan: &PlanView) -> Vec<&str> {
    let mut reasons: Vec<&str> = plan
        .actions
        .iter()
        .map(|view| view.action.reason.as_str())
        .collect();
    reasons.retain(|reason| !reason.is_empty());
    reasons.dedup();
    reasons
}

fn plugin_says(page: &mut Page, step: &StepView, plan: &PlanView, detail: Detail) {
    let WorkerView::Plugin(plugin) = &step.worker else {
        return;
    };
    page.gap();
    let label = format!("What `{plugin}` says of it (nobody checked this):");
    page.text(2, &label, Style::Faint);
    let most = if detail == Detail::All { usize::MAX } else { 400 };
    page.text(
        4,
        &stanch_contract::text::clean_line_to(&plan.plugin_says, most),
        Style::Faint,
    );
    let reasons = reasons(plan);
    let most = if detail == Detail::All { usize::MAX } else { 3 };
    for reason in reasons.iter().take(most) {
        page.text(
            4,
            &format!("- {}", stanch_contract::text::clean_line_to(reason, 400)),
            Style::Faint,
        );
    }
}
