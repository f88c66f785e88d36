//! What only a few may see: inputs with `visible_to`.
//!
//! A run's state never holds such a value, and so nothing that is made of the state does: journal, questions, messages, views,
//! logs. In its place stands a mark, `hidden:sha256:…`, the digest of the value as it is sealed. A seal is opened in two places: for
//! a plugin's call, while it runs ([`Veil`]), and in the view of a run for who is named. That way a new surface shows marks unless
//! somebody does something for it, and not the other way round.
//!
//! What a plugin makes of such a value would show it again. So the contents of the actions that it plans with one, and what it sends
//! and gets, are sealed whole; every other text that comes out of a call of such a run is looked through, and sealed where it says
//! the value, an encoding of it, or three of its words in a row.
//!
//! Sealed with ChaCha20-Poly1305 under a key of the engine's own, in a file apart from the journal, and bound to the run: the mark
//! of another run opens nothing. The nonce is made of the value (HMAC-SHA256), so that the same value is the same mark, as a fresh plan
//! has to be compared with the one decided on. What that tells is that two values of a run are the same, and no more.
//!
//! Not protected against: who reads the whole data folder, which has the key too; what a plugin says of the value in other words.

mod mark;
mod seals;
mod veil;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stanch_contract::{Digest, RunId, canonical};
use stanch_journal::Write;
use stanch_run::{Actor, State};
use stanch_runbook::Runbook;
use stanch_runbook::model::Input;

pub(super) use self::mark::Mark;
pub(super) use self::seals::{SealError, Seals};
use self::veil::Lifted;
pub(crate) use self::veil::Veil;
use super::engine::Engine;
use super::rows;
use crate::control::types::RunView;

/// Fewer letters and digits cannot be told from ordinary text, and so not be kept out of it.
const SHORTEST: usize = 12;

/// The hidden inputs of a run: their names, and the marks that stand for them; a dry run, which keeps nothing, has no marks.
pub(super) struct Hidden {
    run: RunId,
    inputs: Vec<(String, Option<Mark>)>,
}

impl Hidden {
    /// Those of this run; nothing where it has none.
    pub(super) fn of(state: &State) -> Option<Self> {
        let given = &state.opened().inputs;
        let inputs = hidden(state.runbook()).map(|(input, _)| {
            let mark = given.get(&input.name).and_then(Value::as_str);
            (input.name.clone(), mark.and_then(Mark::of))
        });
        let inputs: Vec<_> = inputs.collect();
        (!inputs.is_empty()).then(|| Self {
            run: state.id().clone(),
            inputs,
        })
    }
}

/// The inputs that only a few may see, with who they are.
fn hidden(runbook: &Runbook) -> impl Iterator<Item = (&Input, &[String])> + Clone {
    runbook
        .inputs
        .iter()
        .filter_map(|input| Some((input, input.visible_to.as_deref()?)))
}

/// Whether what is hidden is long enough to be found again.
///
/// # Errors
/// What a person has to give instead.
pub(super) fn long_enough(runbook: &Runbook, inputs: &BTreeMap<String, Value>) -> Result<(), String> {
    for (input, _) in hidden(runbook) {
        let value = inputs
            .get(&input.name)
            .and_then(Value::as_str)
            .unwrap_or_default();
        if value.chars().filter(|c| c.is_alphanumeric()).count() < SHORTEST {
            return Err(format!(
                "the input `{}` is visible to a few only, and fewer than {SHORTEST} letters and digits could not be told from \
                 ordinary text and kept out of it: give more of it",
                input.name
            ));
        }
    }
    Ok(())
}

impl Engine {
    /// Inputs as a run holds them: with marks in the place of what is hidden, and what has to be kept for those.
    pub(super) fn sealed(
        &self,
        runbook: &Runbook,
        run: &RunId,
        mut inputs: BTreeMap<String, Value>,
    ) -> Result<(BTreeMap<String, Value>, Vec<Write>), SealError> {
        let mut kept = Vec::new();
        for (input, _) in hidden(runbook) {
            if let Some(value) = inputs.get_mut(&input.name) {
                let text = value.as_str().unwrap_or_default();
                let (mark, content) = self.inner.seals.seal(run, text.as_bytes())?;
                *value = Value::String(mark.to_string());
                kept.push(content);
            }
        }
        Ok((inputs, rows::contents(run, kept)))
    }

    /// What tells a run that a person starts from others of the runbook: what it was given, and nothing by which that could be guessed.
    pub(super) fn key_by_hand(
        &self,
        runbook: &Runbook,
        inputs: &BTreeMap<String, Value>,
    ) -> Result<String, String> {
        let digest = if hidden(runbook).next().is_some() {
            let text = canonical::to_string(&json!(inputs));
            let name = self.inner.seals.name(text.as_bytes());
            name.map_err(|why| why.to_string())?
        } else {
            Digest::of_json(&json!(inputs))
        };
        Ok(format!("by-hand:{}", digest.short()))
    }

    /// A view of a run as this person may see it: with what is hidden from others, where the person is one of those who may.
    ///
    /// # Errors
    /// Where what is sealed cannot be read.
    pub(crate) async fn shown_to(&self, who: &Actor, run: &RunId, view: RunView) -> Result<RunView, String> {
        if !view
            .inputs
            .values()
            .any(|value| value.as_str().is_some_and(|text| Mark::of(text).is_some()))
        {
            return Ok(view);
        }
        let Some(state) = self.state(run).await? else {
            return Ok(view);
        };
        let marks = |(input, _): (&Input, _)| Mark::of(state.opened().inputs.get(&input.name)?.as_str()?);
        let own = hidden(state.runbook()).filter(|(_, few)| who.is_named(few));
        let own: Vec<Mark> = own.filter_map(marks).collect();
        if own.is_empty() {
            return Ok(view);
        }
        // What came of several values together is for who may see all of them.
        let only = (own.len() < hidden(state.runbook()).count()).then_some(own.as_slice());
        let text = |why: serde_json::Error| why.to_string();
        let value = serde_json::to_value(view).map_err(text)?;
        let lifted = Lifted::of(self, run, &value, only).await?;
        serde_json::from_value(lifted.from(value)).map_err(text)
    }
}

#[cfg(test)]
mod tests;
