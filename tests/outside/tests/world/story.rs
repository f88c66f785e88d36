//! What the deaths have in common: a runbook whose effects are counted outside, and who attends its runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use stanch_outside::run::{asked, changed};
use stanch_outside::serve::{Engine, Trouble};

use super::{World, about};

/// A check, a change of several actions, verify, recovery; more keys of the step.
pub(crate) fn runbook(name: &str, alert: &str, plugin: &str, effects: usize, more: &str) -> String {
    format!(
        r#"name = "{name}"
title = "Effects"
owner = "nobody"
mode = "auto"
[trigger]
alert = "{alert}"
group_by = ["case"]
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "wrong"
ask = "Is it wrong?"
uses = "probe"
with = {{ url = "URL/look", tries = 1 }}
[[mitigation]]
id = "fix"
do = "Make the effects"
when = "diagnosis.wrong.yes"
uses = "{plugin}"
with = {{ url = "URL/${{alert.labels.case}}", actions = {effects} }}
limits = {{ targets = 3 }}
{more}
[mitigation.verify]
within = "10s"
every = "200ms"
[recovery]
stable_for = "50ms"
trust = "alert"
"#
    )
}

/// What was said to a run and confirmed.
#[derive(Default)]
pub(crate) struct Said {
    approved: BTreeSet<Option<String>>,
    resolved: bool,
}

/// What a person and Alertmanager would do now. An error: the engine did not confirm it.
pub(crate) fn attend(
    world: &World,
    engine: &Engine,
    alert: &str,
    case: &str,
    view: &Value,
    said: &mut Said,
) -> Result<(), Trouble> {
    let run = view["id"].as_str().unwrap();
    if let Some(step) = doubt(view) {
        let happened = happened(world, view);
        let fact = if happened { "--happened" } else { "--not-happened" };
        engine.tell(&["settle", run, &step, fact, "--go-on"])?;
    } else if let Some(asked) = asked(view) {
        assert!(
            !said.approved.contains(&asked.digest),
            "{case}: a yes was confirmed and is lost"
        );
        asked.answer(engine, run, true)?;
        said.approved.insert(asked.digest);
    } else if is_to_resolve(view) && !said.resolved {
        said.resolved = world.post(&about(alert, &[case.to_owned()], false));
    }
    Ok(())
}

/// The change is made and verified, or failed and was put back: the alert is over.
fn is_to_resolve(view: &Value) -> bool {
    changed(view) || view["steps"][0]["state"] == "undone"
}

/// The step in doubt about which a person is asked.
pub(crate) fn doubt(view: &Value) -> Option<String> {
    let steps = view["steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["state"] == "in-doubt" && step["person"] == true);
    step.map(|step| step["id"].as_str().unwrap().to_owned())
}

/// Whether the action in doubt had its effect, as a person would find out.
fn happened(world: &World, view: &Value) -> bool {
    let made = world.counter.made();
    let plans = ["plan", "undo_plan"].map(|plan| view["steps"][0][plan]["actions"].as_array());
    let unknown: Vec<&Value> = plans
        .into_iter()
        .flatten()
        .flatten()
        .filter(|action| action["progress"]["state"] == "unknown")
        .collect();
    assert_eq!(unknown.len(), 1, "one action at a time is in doubt: {plans:?}");
    let (verb, target) = (&unknown[0]["verb"], unknown[0]["target"].as_str().unwrap());
    made.iter()
        .any(|effect| effect.method == *verb && target.ends_with(&effect.path))
}

/// What happened in the run, in words that do not change.
pub(crate) fn events(view: &Value) -> Vec<String> {
    let timeline = view["timeline"].as_array().unwrap();
    timeline
        .iter()
        .map(|entry| entry["event"].as_str().unwrap().to_owned())
        .collect()
}

/// Every effect of the case was made, with a key of its own, and, unless it is `safe`, once.
pub(crate) fn counted(world: &World, case: &str, effects: usize, safe: bool, context: &str) {
    let counts = world.counter.counts(case);
    assert_eq!(counts.len(), effects, "{context}: lost: {counts:?}");
    if !safe {
        assert!(
            counts.values().all(|count| *count == 1),
            "{context}: done twice: {counts:?}"
        );
    }
    let mut keys = BTreeMap::new();
    for effect in world.counter.made() {
        if effect.path.split('/').nth(1) == Some(case) {
            assert!(!effect.key.is_empty(), "{context}: no key");
            let what = format!("{} {}", effect.method, effect.path);
            let key = keys.entry(what).or_insert(effect.key.clone());
            assert_eq!(*key, effect.key, "{context}: a repeat has another key");
        }
    }
    let different: BTreeSet<&String> = keys.values().collect();
    assert_eq!(
        different.len(),
        effects,
        "{context}: two effects share a key: {keys:?}"
    );
}
