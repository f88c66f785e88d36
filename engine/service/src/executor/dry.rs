//! A dry run: the same state machine, the same plugins, the gate closed to every change, and nothing recorded.
//!
//! The run is a shadow run whatever the runbook's mode, so nothing is asked, locked or sent; checks and plans are made for
//! real. What a person would answer stays open.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, Digest};
use stanch_run::command::Command;
use stanch_run::{Event, EventKind, Input, Now, Opened, State};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::calls;
use super::engine::Engine;
use super::mail::Letter;
use super::pins::ToPin;
use crate::clock;

/// Why there was no dry run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DryRunError {
    /// No such runbook is loaded.
    #[error("there is no runbook `{0}`")]
    NoRunbook(String),
    /// An input is missing, not known, or not of its type.
    #[error("{0}")]
    Inputs(String),
    /// It could not be opened.
    #[error("the run cannot be opened: {0}")]
    Open(String),
}

impl Engine {
    /// What a run of this runbook would do for these alerts.
    ///
    /// # Errors
    /// Where there is no such runbook, or its inputs are not right.
    pub async fn dry_run(
        &self,
        runbook: &str,
        alerts: Vec<Alert>,
        inputs: BTreeMap<String, Value>,
    ) -> Result<(State, Vec<Event>), DryRunError> {
        let snapshot = self.inner.current.load();
        let loaded = snapshot
            .runbooks
            .get(runbook)
            .ok_or_else(|| DryRunError::NoRunbook(runbook.to_owned()))?;
        let inputs =
            super::matching::given_inputs(&loaded.runbook, &alerts, inputs).map_err(DryRunError::Inputs)?;
        let opened = Opened {
            run: self.inner.ids.next(clock::now()),
            runbook: runbook.to_owned(),
            digest: loaded.runbook.digest,
            generation: snapshot.generation,
            plugins: ToPin::new(&snapshot, loaded).plugins,
            guardrails: snapshot.settings.guardrails.clone(),
            inputs,
            faults: Vec::new(),
            group_key: format!("dry-run:{}", Digest::of_json(&serde_json::json!(alerts)).short()),
            alerts,
            episode: 1,
            by: Some("dry run".to_owned()),
            shadow: true,
        };
        let event = Event {
            at: clock::now(),
            kind: EventKind::RunOpened(Box::new(opened)),
            calls: Value::Null,
        };
        let mut state = State::open(loaded.runbook.clone(), &event)
            .map_err(|error| DryRunError::Open(error.to_string()))?;
        let mut events = vec![event];
        let alerts: Arc<[Alert]> = state.alerts().into();
        let (mail, mut answers) = mpsc::unbounded_channel();
        let mut begun = Vec::new();
        let mut in_flight = 0_u32;
        loop {
            let now = Now {
                at: clock::now(),
                guardrails: &snapshot.settings.guardrails,
            };
            let mut inputs = Vec::new();
            for command in state.commands(now) {
                let id = command.id();
                if begun.contains(&id) {
                    continue;
                }
                begun.push(id);
                match command {
                    Command::Enter => inputs.push(Input::Entered(None)),
                    Command::Consult(key, _) => inputs.push(Input::Consulted { key, blocked: None }),
                    // A shadow run claims nothing and tells nobody; where it asked, it would get nothing.
                    Command::Claim(..) | Command::Notify(_) => {}
                    Command::Call(call) => {
                        in_flight += 1;
                        calls::begin(
                            self,
                            &state,
                            *call,
                            alerts.clone(),
                            mail.clone(),
                            CancellationToken::new(),
                        );
                    }
                }
            }
            if inputs.is_empty() {
                let next = (in_flight > 0).then(|| answers.recv());
                let Some(next) = next else { break };
                let Some(Letter::Happened(input, _)) = next.await else {
                    continue;
                };
                in_flight -= 1;
                inputs.push(*input);
            }
            for input in inputs {
                let now = Now {
                    at: clock::now(),
                    guardrails: &snapshot.settings.guardrails,
                };
                events.extend(state.handle(input, now).unwrap_or_default());
            }
        }
        Ok((state, events))
    }
}
