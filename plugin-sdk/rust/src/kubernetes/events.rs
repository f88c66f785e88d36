//! Events: what the cluster noted about an object, which is the first thing that a person would look at.

use stanch_contract::Timestamp;

use super::{EVENT, Object, find};
use crate::Failure;

/// Events of one object that are read.
const MOST: usize = 200;

/// What was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The name of the object that it is about.
    pub about: String,
    /// When it happened last.
    pub at: Option<Timestamp>,
    /// Whether it is a warning.
    pub warning: bool,
    /// `BackOff`, `Unhealthy`, `FailedScheduling`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// How often it happened.
    pub count: i64,
}

/// What was noted about these objects, the newest first.
pub fn events_of<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Result<Vec<Event>, Failure> {
    let mut events = Vec::new();
    for object in objects {
        let query = EVENT
            .within(object.namespace().unwrap_or("default"))
            .fields(format!("involvedObject.uid={}", object.uid()))
            .page(100);
        for event in find(query).take(MOST) {
            events.push(Event::from(&event?));
        }
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    Ok(events)
}

impl From<&Object> for Event {
    fn from(event: &Object) -> Self {
        // Which of these is set depends on who wrote it.
        let times = [
            "/series/lastObservedTime",
            "/lastTimestamp",
            "/eventTime",
            "/metadata/creationTimestamp",
        ];
        let counts = ["/series/count", "/count"];
        Self {
            about: event.text("/involvedObject/name").to_owned(),
            at: times.iter().find_map(|pointer| event.time(pointer)),
            warning: event.text("/type") == "Warning",
            reason: event.text("/reason").to_owned(),
            message: event.text("/message").to_owned(),
            count: counts
                .iter()
                .find_map(|pointer| event.number(pointer))
                .unwrap_or(1),
        }
    }
}
