//! `pagerduty`: tells PagerDuty by its Events API v2: triggers an incident, acknowledges it, resolves it.
//!
//! All messages of one run have one `dedup_key`, so that they are one incident. The integration key belongs into the body, where no
//! plugin may have it: the gate puts it there (`members` of the grant). What PagerDuty says 400 to is wrong and stays wrong; 429, 5xx and
//! no answer pass by and are tried again, as its documentation says.

use stanch_plugin::prelude::*;
use stanch_plugin::retry::{Missed, Spent, retry};

/// What PagerDuty takes of a summary, in characters.
const SUMMARY: usize = 1024;
/// What it takes of a key.
const KEY: usize = 255;
/// It takes 512 KB of an event; the rest is room for what the gate adds.
const LARGEST: usize = 500_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// What to do with the run's incident; `trigger` where nothing is said.
    event: Option<Event>,
    /// The part that is broken.
    component: Option<String>,
    /// What it belongs to.
    group: Option<String>,
    /// What kind of trouble it is.
    class: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Event {
    Trigger,
    Acknowledge,
    Resolve,
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }
}

/// The operator's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where to send to; that of the EU's service region is `https://events.eu.pagerduty.com/v2/enqueue`.
    #[serde(default = "enqueue")]
    url: String,
    /// What is said to be affected, where the alert has no `instance` and no `service`.
    #[serde(default = "stanch")]
    source: String,
    /// How often to try.
    #[serde(default = "four")]
    tries: u32,
}

fn enqueue() -> String {
    "https://events.pagerduty.com/v2/enqueue".to_owned()
}

fn stanch() -> String {
    "stanch".to_owned()
}

fn four() -> u32 {
    4
}

struct PagerDuty;

impl Notification for PagerDuty {
    type Params = Params;
    const ABOUT: About = about!("Triggers, acknowledges and resolves an incident of PagerDuty");

    fn asks() -> Value {
        json!({ "notify": [{ "url": enqueue(), "members": { "routing_key": "${secret:pagerduty}" } }] })
    }

    fn notify(ctx: &Context, params: Params, message: &Message) -> Result<(), Failure> {
        let settings: Settings = host::settings()?;
        let request = http::post(&settings.url).json(&event(ctx, &params, message, &settings.source))?;
        let sent = retry(settings.tries, 2_000, || {
            let answer = request.send()?;
            match answer.status {
                202 => Ok(()),
                429 | 500.. => Err(Missed::Again(said(&answer))),
                _ => Err(Missed::Never(said(&answer).context("PagerDuty"))),
            }
        });
        sent.map_err(|Spent { failure, tries }| match failure {
            Missed::Again(failure) => failure.context(format!("PagerDuty, after {tries} tries")),
            Missed::Never(failure) => failure,
        })
    }
}

/// What an answer that is not 202 means. PagerDuty says in `errors` what is wrong with an event.
fn said(answer: &http::Response) -> Failure {
    let document: Value = answer.json().unwrap_or_default();
    let errors = document.get("errors").and_then(Value::as_array);
    let errors: Vec<&str> = errors.into_iter().flatten().filter_map(Value::as_str).collect();
    let failure = match answer.clone().ok() {
        Err(failure) => failure,
        Ok(answer) => Failure::failed(format!(
            "The server answered {}, and 202 is what was expected",
            answer.status
        )),
    };
    match errors.as_slice() {
        [] => failure,
        errors => failure.context(stanch_plugin::text::clean_line_to(&errors.join("; "), 300)),
    }
}

/// The event, without the integration key.
/// <https://developer.pagerduty.com/docs/send-alert-event>
fn event(ctx: &Context, params: &Params, message: &Message, source: &str) -> Value {
    let action = params.event.unwrap_or(Event::Trigger);
    let key = stanch_plugin::text::cut(&message.thread, KEY);
    if action != Event::Trigger {
        return json!({ "event_action": action.as_str(), "dedup_key": key });
    }
    let label = |names: &[&str]| {
        let labels = &ctx.alerts.first()?.labels;
        names.iter().find_map(|name| labels.get(*name).cloned())
    };
    let details = |text: &str, report: &Value| json!({ "text": text, "kind": message.kind, "run": ctx.run, "step": ctx.step, "report": report });
    let whole = |details: Value| {
        let mut payload = json!({
            "summary": stanch_plugin::text::cut(&message.title, SUMMARY),
            "severity": severity(&message.severity),
            "source": label(&["instance", "service", "cluster"]).unwrap_or_else(|| source.to_owned()),
            "custom_details": details,
        });
        let more = [
            ("component", &params.component),
            ("group", &params.group),
            ("class", &params.class),
        ];
        if let Some(payload) = payload.as_object_mut() {
            let said =
                |(name, value): (&str, &Option<String>)| Some((name.to_owned(), json!(value.as_ref()?)));
            payload.extend(more.into_iter().filter_map(said));
        }
        let mut event = json!({
            "event_action": action.as_str(),
            "dedup_key": key,
            "client": "stanch",
            "payload": payload,
        });
        if let (Some(link), Some(event)) = (&message.link, event.as_object_mut()) {
            event.insert("client_url".to_owned(), json!(link));
            event.insert("links".to_owned(), json!([{ "href": link, "text": "The run" }]));
        }
        event
    };
    let event = whole(details(&message.text, &message.report));
    if event.to_string().len() <= LARGEST {
        return event;
    }
    // What is too large is refused as a whole; who is called needs the rest.
    let report = json!("The report is too large for PagerDuty: see the run.");
    whole(details(&stanch_plugin::text::cut(&message.text, 10_000), &report))
}

/// The language's severities in PagerDuty's.
fn severity(word: &str) -> &'static str {
    match word {
        "low" => "info",
        "medium" => "warning",
        "high" => "error",
        // Also what is not known: better called once too often.
        _ => "critical",
    }
}

stanch_plugin::export!(PagerDuty as notification);

#[cfg(test)]
mod tests;
