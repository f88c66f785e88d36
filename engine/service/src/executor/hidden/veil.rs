//! A plugin's call of a run that has hidden inputs: what is lifted for it, and what is veiled of what comes out of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stanch_contract::{ActionState, CheckedPlan, Digest, Failure, FailureCode, RunId};
use stanch_run::command::{Call, PluginCall};
use stanch_sandbox::secret::Redactor;

use super::Hidden;
use super::mark::{Mark, each_text};
use super::seals::Seals;
use crate::executor::engine::Engine;
use crate::executor::mail::Content;

/// So many words in a row are taken for the value.
const IN_A_ROW: usize = 3;
/// What stands for what could not even be sealed.
const NOTHING: &str = "[hidden]";

/// Values that are sealed, by their marks.
pub(crate) struct Lifted(BTreeMap<Mark, Vec<u8>>);

impl Lifted {
    /// Those of the marks in a value that are this run's. `only`: no others than these.
    pub(super) async fn of(
        engine: &Engine,
        run: &RunId,
        value: &Value,
        only: Option<&[Mark]>,
    ) -> Result<Self, String> {
        let mut marks = Vec::new();
        Mark::all_within(value, &mut marks);
        marks.retain(|mark| only.is_none_or(|only| only.contains(mark)));
        let mut values = BTreeMap::new();
        for mark in marks {
            if values.contains_key(&mark) {
                continue;
            }
            let content = engine.inner.store.content(&mark.0).await;
            let Some(sealed) = content.map_err(|why| why.to_string())? else {
                continue;
            };
            let opened = engine.inner.seals.open(run, &sealed);
            if let Some(value) = opened.map_err(|why| why.to_string())? {
                values.insert(mark, value);
            }
        }
        Ok(Self(values))
    }

    /// A value with what was hidden in the place of the marks.
    pub(super) fn from(&self, value: Value) -> Value {
        each_text(value, &|text| {
            Mark::replaced(text, |mark| {
                let value = self.0.get(&mark)?;
                Some(String::from_utf8_lossy(value).into_owned())
            })
        })
    }

    fn typed<T: Serialize + DeserializeOwned>(&self, it: &T) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.from(serde_json::to_value(it)?))
    }

    fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let mark = std::str::from_utf8(&bytes).ok().and_then(Mark::of);
        mark.and_then(|mark| self.0.get(&mark).cloned()).unwrap_or(bytes)
    }
}

/// What hides the values of a run in what comes out of a call. The default hides nothing.
#[derive(Default)]
pub(crate) struct Veil {
    sealing: Option<Sealing>,
    /// Whether the call was given one of the values.
    given: bool,
    left: Mutex<Vec<Content>>,
}

struct Sealing {
    seals: Arc<Seals>,
    run: RunId,
    /// Finds the values, in every form that secrets are looked for in.
    forms: Redactor,
    values: Vec<Sought>,
}

struct Sought {
    value: String,
    mark: Mark,
    words: Vec<String>,
}

impl Veil {
    /// Lifts the marks in a call.
    ///
    /// # Errors
    /// Where what is sealed cannot be read: then the call must not be made.
    pub(in crate::executor) async fn over(
        engine: &Engine,
        hidden: &Hidden,
        call: &mut PluginCall,
    ) -> Result<Self, Failure> {
        let unread = |why: &dyn std::fmt::Display| Failure::new(FailureCode::Unavailable, why.to_string());
        let marks = hidden.inputs.iter().filter_map(|(_, mark)| mark.as_ref());
        let marks: Vec<Value> = marks.map(|mark| json!(mark.to_string())).collect();
        let mut within = vec![json!(marks), call.params.clone()];
        match &call.call {
            Call::Diagnose | Call::Plan => {}
            Call::Verify(made) | Call::PlanUndo(made) => within.push(json!(made)),
            Call::Apply(apply) => {
                within.push(json!(apply.plan));
                let answers = apply.earlier.iter().filter_map(|(.., answer)| answer.as_ref());
                within.extend(answers.map(|answer| Value::from(String::from_utf8_lossy(answer))));
            }
        }
        let lifted = Lifted::of(engine, &hidden.run, &Value::Array(within), None).await;
        let lifted = lifted.map_err(|why| unread(&why))?;
        let mut values = Vec::new();
        for (name, mark) in &hidden.inputs {
            let Some(mark) = *mark else { continue };
            let value = lifted.0.get(&mark);
            let value = value.ok_or_else(|| unread(&format!("the hidden input `{name}` cannot be read")))?;
            values.push((mark, String::from_utf8_lossy(value).into_owned()));
        }
        let mut given = Vec::new();
        Mark::all_within(&call.params, &mut given);
        let given = given.iter().any(|mark| lifted.0.contains_key(mark));
        call.params = lifted.from(std::mem::take(&mut call.params));
        match &mut call.call {
            Call::Diagnose | Call::Plan => {}
            Call::Verify(made) | Call::PlanUndo(made) => {
                **made = lifted.typed(&**made).map_err(|why| unread(&why))?;
            }
            Call::Apply(apply) => {
                apply.plan = lifted.typed(&apply.plan).map_err(|why| unread(&why))?;
                for (.., answer) in &mut apply.earlier {
                    *answer = answer.take().map(|answer| lifted.bytes(answer));
                }
            }
        }
        let seals = Arc::clone(&engine.inner.seals);
        Ok(Self::hiding(seals, &hidden.run, values, given))
    }

    /// Hides these values. `given`: the call was given one of them.
    pub(super) fn hiding(seals: Arc<Seals>, run: &RunId, values: Vec<(Mark, String)>, given: bool) -> Self {
        let sealing = Sealing {
            seals,
            run: run.clone(),
            forms: Redactor::of_values(values.iter().map(|(_, value)| value.clone().into_bytes())),
            values: values
                .into_iter()
                .map(|(mark, value)| Sought {
                    mark,
                    words: words(&value),
                    value,
                })
                .collect(),
        };
        Self {
            sealing: Some(sealing),
            given,
            left: Mutex::default(),
        }
    }

    /// What was sealed since it was asked for last: it has to be kept with what says its marks.
    pub(crate) fn left(&self) -> Vec<Content> {
        std::mem::take(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A text without what is hidden.
    fn text(&self, text: String) -> String {
        let Some(sealing) = self.sealing.as_ref().filter(|sealing| sealing.says(&text)) else {
            return text;
        };
        let mut without = text.clone();
        for sought in &sealing.values {
            without = without.replace(&sought.value, &sought.mark.to_string());
        }
        if sealing.says(&without) {
            return self.seal(sealing, text.as_bytes());
        }
        without
    }

    /// The mark of a value that is sealed whole.
    fn seal(&self, sealing: &Sealing, value: &[u8]) -> String {
        match sealing.seals.seal(&sealing.run, value) {
            Ok((mark, content)) => {
                self.left
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(content);
                mark.to_string()
            }
            Err(_) => NOTHING.to_owned(),
        }
    }

    /// The same, of a failure.
    pub(crate) fn failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.text(failure.message);
        failure
    }

    /// The same, of what a plugin answered.
    pub(crate) fn result<T: Serialize + DeserializeOwned>(
        &self,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let it = result.map_err(|failure| self.failure(failure))?;
        if self.sealing.is_none() {
            return Ok(it);
        }
        let value = serde_json::to_value(it).map(|value| each_text(value, &|text| self.text(text)));
        value.and_then(serde_json::from_value).map_err(|_| {
            let why = "what the plugin answered cannot be told apart from a hidden input";
            Failure::new(FailureCode::Failed, why)
        })
    }

    /// The same, of a plan. Contents that it was given something hidden for are sealed whole. What is acted on is shown to everybody
    /// and compared by everything, so that it must not say the value.
    pub(crate) fn plan(&self, plan: Result<CheckedPlan, Failure>) -> Result<CheckedPlan, Failure> {
        let Some(sealing) = &self.sealing else { return plan };
        let mut plan = plan.map_err(|failure| self.failure(failure))?;
        let seal = |content: &mut Option<String>| {
            *content = content
                .take()
                .map(|content| self.seal(sealing, content.as_bytes()));
        };
        for action in &mut plan.actions {
            let mut names = vec![action.verb.as_str(), &action.target, &action.identity];
            names.extend(action.expect.as_deref());
            names.extend(action.items.iter().map(String::as_str));
            if names.iter().any(|name| sealing.says(name)) {
                let why = "an action's target says the value of a hidden input, and what is acted on is shown to everybody";
                return Err(Failure::new(FailureCode::Denied, why));
            }
            if self.given {
                seal(&mut action.content);
                seal(&mut action.before);
                seal(&mut action.dry_run);
            }
        }
        if self.given {
            let offered = plan.offered.actions.iter_mut();
            offered.for_each(|action| seal(&mut action.content));
        }
        self.result(Ok(plan))
    }

    /// What became of an action.
    pub(crate) fn state(&self, mut state: ActionState) -> ActionState {
        match &mut state {
            ActionState::NotSent => {}
            ActionState::Done { detail }
            | ActionState::Refused { detail, .. }
            | ActionState::Unknown { detail } => *detail = self.text(std::mem::take(detail)),
        }
        state
    }

    /// The gate's form of an answer, as it is kept.
    pub(crate) fn answer(&self, answer: Vec<u8>) -> Vec<u8> {
        match &self.sealing {
            Some(sealing) => self.seal(sealing, &answer).into_bytes(),
            None => answer,
        }
    }

    /// What was sent or got at the gate, as it is kept, under the name that the record has for it.
    pub(crate) fn content(&self, digest: Digest, bytes: Vec<u8>) -> (Digest, Vec<u8>) {
        match &self.sealing {
            Some(sealing) => (sealing.name(digest), self.seal(sealing, &bytes).into_bytes()),
            None => (digest, bytes),
        }
    }

    /// What the gate wrote down of a call.
    pub(crate) fn record(&self, record: Value) -> Value {
        let Some(sealing) = &self.sealing else {
            return record;
        };
        each_text(record, &|text| match text.parse::<Digest>() {
            Ok(digest) => sealing.name(digest).to_string(),
            Err(_) => self.text(text),
        })
    }
}

impl Sealing {
    /// Whether a text says one of the values, or enough of its words.
    fn says(&self, text: &str) -> bool {
        if self.forms.finds(text) {
            return true;
        }
        let said = words(&without_escapes(text));
        self.values.iter().any(|sought| {
            let row = sought.words.len().min(IN_A_ROW);
            row > 0
                && sought
                    .words
                    .windows(row)
                    .any(|wanted| said.windows(row).any(|said| said == wanted))
        })
    }

    /// Another name for a digest: whoever guesses what was sent could tell by the digest of it that he is right.
    fn name(&self, digest: Digest) -> Digest {
        let name = self.seals.name(digest.as_bytes());
        name.unwrap_or_else(|_| Digest::of(NOTHING.as_bytes()))
    }
}

/// Its words in lower case.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// A text with what URLs escape undone, where that is text.
fn without_escapes(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let escaped = (byte == b'%')
            .then(|| {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(ahead.next())?, digit(ahead.next())?);
                u8::try_from(high * 16 + low).ok()
            })
            .flatten();
        match escaped {
            Some(byte) => {
                out.push(byte);
                bytes = ahead;
            }
            None => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
