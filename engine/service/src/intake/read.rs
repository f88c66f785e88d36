//! What a request says, by the kind of its intake.

use http::HeaderMap;
use stanch_contract::{Alert, Timestamp};

use super::alertmanager::{self, Notification};
use super::form::{self, Malformed, Unreadable};
use super::{cloudevents, mapped, pagerduty};
use crate::config::settings::{Intake, IntakeKind, Mapping};

/// The alerts of a request.
pub(super) fn of_request(
    intake: &Intake,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Notification, Unreadable> {
    match intake.kind {
        IntakeKind::Cloudevents => {
            let events = cloudevents::of_request(headers, body)?;
            Ok(mapped::of_events(mapping(intake)?, &events, now)?)
        }
        IntakeKind::Generic => {
            let kind = form::content_type(headers)?;
            if !kind.as_deref().is_some_and(form::is_json) {
                return Err(Unreadable::kind(
                    "send JSON, with `Content-Type: application/json`",
                ));
            }
            Ok(of_text(intake, body, now)?)
        }
        IntakeKind::Alertmanager | IntakeKind::Grafana | IntakeKind::Pagerduty => {
            Ok(of_text(intake, body, now)?)
        }
    }
}

/// The alerts of a body alone. Of a CloudEvent this is the structured or the batched one.
fn of_text(intake: &Intake, body: &[u8], now: Timestamp) -> Result<Notification, Malformed> {
    match intake.kind {
        IntakeKind::Alertmanager => alertmanager::parse(body),
        IntakeKind::Grafana => alertmanager::parse_grafana(body),
        IntakeKind::Pagerduty => pagerduty::parse(body),
        IntakeKind::Cloudevents => mapped::of_events(mapping(intake)?, &cloudevents::of_text(body)?, now),
        IntakeKind::Generic => {
            let mut body = form::json(body)?;
            form::clean_value(&mut body);
            mapped::of_body(mapping(intake)?, &body, now)
        }
    }
}

/// The alerts that this intake would make of a body, for somebody who wants to see them.
///
/// # Errors
/// Where it would refuse the body, with what is wrong and where.
pub(crate) fn alerts_of(intake: &Intake, body: &[u8], now: Timestamp) -> Result<Vec<Alert>, Malformed> {
    of_text(intake, body, now).map(|notification| notification.alerts)
}

fn mapping(intake: &Intake) -> Result<&Mapping, Malformed> {
    // stanch.toml does not load without one.
    let mapping = intake.mapping.as_ref();
    mapping.ok_or_else(|| Malformed::new("", "the intake has no mapping"))
}
