//! Events as the journal keeps them: one row, one JSON document with a version. What a newer engine wrote is an error that
//! says so, never skipped: a run that is folded without one of its events is another run.

use serde::{Deserialize, Serialize};

use crate::event::Event;

/// The version that this engine writes and reads.
pub const VERSION: u32 = 1;

#[derive(Serialize)]
struct RowOut<'a> {
    v: u32,
    events: &'a [Event],
}

#[derive(Deserialize)]
struct RowIn {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// Why a row of the journal cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A newer engine wrote it.
    #[error(
        "these events are version {found}, and this engine reads version {VERSION}: start the engine that wrote them"
    )]
    Version {
        /// The row's version.
        found: u32,
    },
    /// An event that this engine does not know, or a damaged row.
    #[error("an event cannot be read: {reason}")]
    Event {
        /// What is wrong with it.
        reason: String,
    },
}

/// The row of these events.
pub fn encode(events: &[Event]) -> Vec<u8> {
    // Serialising a value tree that has only string keys into memory cannot fail.
    serde_json::to_vec(&RowOut { v: VERSION, events }).unwrap_or_default()
}

/// The events of a row.
///
/// # Errors
/// Where it is of another version, or has an event that this engine does not know.
pub fn decode(row: &[u8]) -> Result<Vec<Event>, DecodeError> {
    let broken = |error: serde_json::Error| DecodeError::Event {
        reason: error.to_string(),
    };
    let version: Version = serde_json::from_slice(row).map_err(broken)?;
    if version.v != VERSION {
        return Err(DecodeError::Version { found: version.v });
    }
    serde_json::from_slice::<RowIn>(row)
        .map(|row| row.events)
        .map_err(broken)
}

/// Bytes in an event: base64.
pub(crate) mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => to.serialize_some(&STANDARD.encode(bytes)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| STANDARD.decode(text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use stanch_contract::{ActionState, Timestamp};

    use super::*;
    use crate::event::EventKind;
    use crate::words::Side;

    #[test]
    fn events_are_read_back_as_they_were_written() {
        let events = vec![Event {
            at: Timestamp(7),
            kind: EventKind::ActionEnded {
                step: "free".into(),
                side: Side::Do,
                attempt: 1,
                action: 0,
                state: ActionState::Done {
                    detail: "removed 3 files".into(),
                },
                answer: Some(vec![0, 159, 146, 150]),
            },
            calls: serde_json::json!([{"verb": "remove"}]),
        }];
        assert_eq!(decode(&encode(&events)).unwrap(), events);
    }

    #[test]
    fn an_event_that_is_not_known_is_an_error_that_names_it() {
        let error = decode(br#"{"v":1,"events":[{"at":1,"is":{"RunTeleported":{}}}]}"#).unwrap_err();
        assert!(error.to_string().contains("RunTeleported"), "{error}");
    }

    #[test]
    fn a_row_of_a_newer_engine_is_an_error_that_says_so() {
        assert_eq!(
            decode(br#"{"v":2,"events":"other"}"#),
            Err(DecodeError::Version { found: 2 })
        );
    }
}
