//! `webhook`: posts a message as JSON to the operator's URL.
//!
//! Where it goes is the operator's setting and not the runbook's parameter; the gate adds the credentials and the signature.
//! Every try of one message carries the same idempotency key, so that a receiver that got it can drop the second one.

use stanch_plugin::prelude::*;
use stanch_plugin::retry::{Missed, Spent, retry};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Whom it is for, in the receiver's words.
    to: Option<String>,
    /// Whatever else the receiver wants to know.
    #[serde(default)]
    extra: serde_json::Map<String, Value>,
}

/// The operator's settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Where to post.
    url: String,
    /// How often to try.
    #[serde(default = "three")]
    tries: u32,
}

fn three() -> u32 {
    3
}

struct Webhook;

impl Notification for Webhook {
    type Params = Params;
    const ABOUT: About = about!("Posts a message as JSON to a URL");

    fn asks() -> Value {
        json!({ "notify": [{ "url": "https://hooks.example/stanch" }] })
    }

    fn notify(ctx: &Context, params: Params, message: &Message) -> Result<(), Failure> {
        let settings: Settings = host::settings()?;
        let request = http::post(&settings.url)
            .json(&body(ctx, &params, message))?
            .header("idempotency-key", &ctx.idempotency_key);
        let sent = retry(settings.tries, 1_000, || {
            let answer = request.send()?;
            let passes_by = answer.status >= 500 || matches!(answer.status, 408 | 429);
            let missed = if passes_by { Missed::Again } else { Missed::Never };
            answer.ok().map(drop).map_err(missed)
        });
        sent.map_err(|Spent { failure, tries }| {
            let (Missed::Again(failure) | Missed::Never(failure)) = failure;
            failure.context(format!("`{}`, after {tries} tries", settings.url))
        })
    }
}

fn body(ctx: &Context, params: &Params, message: &Message) -> Value {
    json!({
        "version": "1",
        "kind": message.kind,
        "severity": message.severity,
        "title": message.title,
        "text": message.text,
        "link": message.link,
        "thread": message.thread,
        "to": params.to,
        "run": ctx.run,
        "step": ctx.step,
        "extra": params.extra,
        "report": message.report,
    })
}

stanch_plugin::export!(Webhook as notification);

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_plugin::testing::{Host, reply};

    const URL: &str = "https://hooks.example/stanch";

    fn host() -> Host {
        let host = Host::new();
        host.set_settings(json!({ "url": URL }));
        host
    }

    fn tell(host: &Host) -> Result<(), Failure> {
        let message = Message {
            kind: "escalation".into(),
            severity: "high".into(),
            title: "Disk full".into(),
            report: json!({ "run": "r" }),
            ..Default::default()
        };
        host.notify::<Webhook>(json!({ "to": "oncall", "extra": { "team": "x" } }), &message)
    }

    #[test]
    fn a_message_is_posted_once_with_all_that_it_says() {
        let host = host();
        host.answer("POST", URL, reply(202, ""));
        tell(&host).unwrap();
        let [request] = host.sent().try_into().unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(
            (&body["title"], &body["to"], &body["extra"]["team"]),
            (&json!("Disk full"), &json!("oncall"), &json!("x"))
        );
        assert_eq!(body["report"], json!({ "run": "r" }));
        assert_eq!(request.header_value("idempotency-key"), Some("key"));
    }

    #[test]
    fn what_passes_by_is_tried_again_under_the_same_key() {
        let host = host();
        let started = host.now();
        host.answer("POST", URL, Err(Failure::unavailable("connection refused")));
        host.answer("POST", URL, reply(500, ""));
        host.answer("POST", URL, reply(200, ""));
        tell(&host).unwrap();
        assert_eq!(host.now() - started, 3_000);
        let keys: Vec<_> = host
            .sent()
            .iter()
            .map(|r| r.header_value("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys, ["key", "key"]);
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        for (status, code) in [
            (403, FailureCode::Denied),
            (404, FailureCode::NotFound),
            (400, FailureCode::Failed),
        ] {
            let host = host();
            host.answer("POST", URL, reply(status, ""));
            assert_eq!(tell(&host).unwrap_err().code, code);
            assert_eq!(host.sent().len(), 1);
        }
    }

    #[test]
    fn the_last_try_fails_with_what_the_receiver_said() {
        let host = host();
        host.answer("POST", URL, reply(503, "come back later"));
        let failure = tell(&host).unwrap_err();
        assert!(
            failure.message.contains("after 3 tries") && failure.message.contains("come back later"),
            "{failure}"
        );
        assert_eq!(host.sent().len(), 3);
    }

    #[test]
    fn it_does_not_wait_longer_than_the_call_may_take() {
        let host = host();
        host.set_remaining(1_500);
        host.answer("POST", URL, reply(503, ""));
        tell(&host).unwrap_err();
        assert_eq!(host.sent().len(), 1);
    }

    #[test]
    fn an_address_without_a_grant_and_settings_without_a_url_are_failures() {
        assert_eq!(tell(&host()).unwrap_err().code, FailureCode::Denied);
        assert_eq!(tell(&Host::new()).unwrap_err().code, FailureCode::InvalidParams);
    }
}
