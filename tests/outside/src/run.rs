//! A run, as the command line gives it to programs.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::serve::{Engine, Trouble};

/// The newest run of a runbook, once there is one.
pub fn appeared(engine: &Engine, runbook: &str, patience: Duration) -> Result<String, Trouble> {
    let began = Instant::now();
    while began.elapsed() < patience {
        let runs = engine.ask(&["runs", "--runbook", runbook])?;
        let first = runs.as_array().and_then(|runs| runs.first());
        if let Some(run) = first.and_then(|run| run.get("id")).and_then(Value::as_str) {
            return Ok(run.to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(engine.trouble(&format!("the alert started no run of `{runbook}`")))
}

/// How a run ended; none while it is open.
pub fn ending(view: &Value) -> Option<&str> {
    view.get("ending").and_then(Value::as_str)
}

/// In which phase a run is.
pub fn phase(view: &Value) -> Option<&str> {
    view.get("phase").and_then(Value::as_str)
}

/// What a person has to say now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The step.
    pub step: String,
    /// The question, or what is to be done.
    pub ask: String,
    /// What a yes is about; a step by hand has none.
    pub digest: Option<String>,
}

impl Asked {
    /// Says it.
    pub fn answer(&self, engine: &Engine, run: &str, yes: bool) -> Result<(), Trouble> {
        let words: Vec<&str> = match (&self.digest, yes) {
            (Some(digest), true) => vec!["approve", run, &self.step, "--digest", digest],
            (Some(digest), false) => vec!["deny", run, &self.step, "--digest", digest],
            (None, true) => vec!["done", run, &self.step],
            (None, false) => vec!["not-done", run, &self.step],
        };
        engine.tell(&words)?;
        Ok(())
    }
}

fn steps(view: &Value) -> impl Iterator<Item = &Value> {
    view.get("steps").and_then(Value::as_array).into_iter().flatten()
}

/// What a run, as `runs show` gives it, asks people now.
pub fn asked(view: &Value) -> Option<Asked> {
    steps(view).find_map(|step| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let question = step.get("question").filter(|question| !question.is_null());
        let by_hand = step.get("kind")?.as_str()? == "by-hand" && step.get("state")?.as_str()? == "asked";
        if question.is_none() && !by_hand {
            return None;
        }
        let digest = if by_hand {
            None
        } else {
            text(question?.get("digest"))
        };
        let ask =
            text(question.and_then(|question| question.get("ask"))).or_else(|| text(step.get("what")))?;
        Some(Asked {
            step: text(step.get("id"))?,
            ask,
            digest,
        })
    })
}

/// Whether a change of the run is made and verified.
pub fn changed(view: &Value) -> bool {
    steps(view).any(|step| {
        let is = |key: &str, word: &str| step.get(key).and_then(Value::as_str) == Some(word);
        is("kind", "change") && is("state", "done")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(steps: &[Value]) -> Value {
        json!({ "id": "r", "ending": null, "steps": steps })
    }

    #[test]
    fn an_open_question_is_found_with_what_a_yes_is_about() {
        let waiting =
            json!({ "id": "a", "kind": "change", "state": "planning", "what": "A", "question": null });
        let open = json!({ "ask": "Remove them?", "digest": "ab12" });
        let open = json!({ "id": "b", "kind": "change", "state": "asked", "what": "B", "question": open });
        assert!(asked(&run(std::slice::from_ref(&waiting))).is_none());
        let asked = asked(&run(&[waiting, open])).unwrap();
        assert_eq!((asked.step.as_str(), asked.ask.as_str()), ("b", "Remove them?"));
        assert_eq!(asked.digest.as_deref(), Some("ab12"));
    }

    #[test]
    fn a_step_by_hand_is_asked_about_and_a_look_is_not() {
        let step =
            |kind: &str| json!({ "id": "c", "kind": kind, "state": "asked", "what": "Find the writer" });
        let found = asked(&run(&[step("by-hand")])).unwrap();
        assert_eq!((found.ask.as_str(), found.digest), ("Find the writer", None));
        assert!(asked(&run(&[step("look")])).is_none());
    }

    #[test]
    fn the_alert_is_resolved_only_after_a_change() {
        let step = |kind: &str, state: &str| json!({ "id": "a", "kind": kind, "state": state });
        assert!(changed(&run(&[step("change", "done")])));
        assert!(!changed(&run(&[
            step("change", "verifying"),
            step("by-hand", "done")
        ])));
    }
}
