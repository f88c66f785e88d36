//! Slack's Web API, the methods that are needed.
//!
//! Not a library: all that the engine sends leaves over one connector, which filters addresses, ignores proxy variables,
//! follows no redirect and speaks TLS by one provider; slack-morphism brings a client of its own. What it would save is a few
//! requests with a JSON body.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stanch_contract::{Failure, FailureCode, text};
use stanch_sandbox::gate::Facilities;
use stanch_sandbox::http::address::AddressPolicy;
use stanch_sandbox::http::{OwnRequest, OwnStream};

use crate::config::settings::Slack;
use crate::secrets::Secrets;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest time for which Slack is left alone because it says so.
const MOST_RETRY_MS: u32 = 600_000;

/// Asks the Web API.
pub(in crate::channels) struct Client {
    facilities: Arc<Facilities>,
    secrets: Arc<Secrets>,
    /// The workspace that the bot's token is of, once it was asked.
    team: OnceLock<String>,
}

/// What every answer has.
#[derive(Debug, Default, Deserialize)]
struct Said {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    needed: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    channel: Value,
    #[serde(default)]
    team_id: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    upload_url: String,
    #[serde(default)]
    file_id: String,
}

/// An image, for people.
pub(super) struct Picture {
    /// Its file's name.
    pub(super) name: String,
    /// What it shows, in a sentence.
    pub(super) said: String,
    /// PNG.
    pub(super) bytes: Vec<u8>,
}

/// Where a message is: the channel's id and the message's time, as Slack names messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) channel: String,
    pub(super) ts: String,
}

impl Place {
    /// From what a run remembers.
    pub(super) fn of(reference: &str) -> Option<Self> {
        let (channel, ts) = reference.split_once('/')?;
        Some(Self {
            channel: channel.to_owned(),
            ts: ts.to_owned(),
        })
    }

    /// For a run to remember.
    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.channel, self.ts)
    }
}

impl Client {
    pub(super) fn new(facilities: Arc<Facilities>, secrets: Arc<Secrets>) -> Self {
        Self {
            facilities,
            secrets,
            team: OnceLock::new(),
        }
    }

    /// A new message, in a channel or a thread.
    pub(super) async fn post(
        &self,
        slack: &Slack,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        blocks: Option<Value>,
    ) -> Result<Place, Failure> {
        let mut body = message(channel, text, blocks);
        if let Some(thread) = thread {
            body.insert("thread_ts".to_owned(), json!(thread));
        }
        let said = self.call(slack, "chat.postMessage", Value::Object(body)).await?;
        Ok(Place {
            channel: said.channel.as_str().unwrap_or(channel).to_owned(),
            ts: said.ts,
        })
    }

    /// Another content for a message.
    pub(super) async fn update(
        &self,
        slack: &Slack,
        at: &Place,
        text: &str,
        blocks: Value,
    ) -> Result<(), Failure> {
        let mut body = message(&at.channel, text, Some(blocks));
        body.insert("ts".to_owned(), json!(at.ts));
        self.call(slack, "chat.update", Value::Object(body))
            .await
            .map(drop)
    }

    /// A message that only this member sees.
    pub(super) async fn whisper(
        &self,
        slack: &Slack,
        at: &Place,
        user: &str,
        text: &str,
        blocks: Option<Value>,
    ) -> Result<(), Failure> {
        let mut body = message(&at.channel, text, blocks);
        body.insert("user".to_owned(), json!(user));
        self.call(slack, "chat.postEphemeral", Value::Object(body))
            .await
            .map(drop)
    }

    /// Images in a message's thread: <https://docs.slack.dev/messaging/working-with-files#upload>. Each goes where Slack says, and they
    /// are there when Slack is told of all of them.
    pub(super) async fn pictures(
        &self,
        slack: &Slack,
        at: &Place,
        pictures: Vec<Picture>,
    ) -> Result<(), Failure> {
        let mut files = Vec::new();
        for picture in pictures {
            let Picture { name, said, bytes } = picture;
            let body = json!({ "filename": name, "length": bytes.len(), "alt_txt": said });
            let told = self.call(slack, "files.getUploadURLExternal", body).await?;
            self.upload(slack, &told.upload_url, bytes).await?;
            files.push(json!({ "id": told.file_id, "title": said }));
        }
        let body = json!({ "files": files, "channel_id": at.channel, "thread_ts": at.ts });
        self.call(slack, "files.completeUploadExternal", body)
            .await
            .map(drop)
    }

    async fn upload(&self, slack: &Slack, url: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let failed = |why: &str| Failure::new(FailureCode::Unavailable, format!("an image for Slack: {why}"));
        // What Slack gives is good for one upload, so it is no credential of ours; it goes out by TLS as all else does.
        let plain = slack.api.starts_with("http://");
        if !(url.starts_with("https://") || (plain && url.starts_with("http://"))) {
            return Err(failed("the Web API gave no `https:` URL"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
        let request = OwnRequest {
            client: "slack",
            addresses: AddressPolicy::new(slack.addresses.clone()),
            method: http::Method::POST,
            url: url.to_owned(),
            headers,
            body: bytes,
            patience: PATIENCE,
        };
        // What went wrong may quote the URL.
        let sent = self.facilities.http.send(request).await;
        let answer = sent.map_err(|_| failed("it could not be sent where Slack says"))?;
        match answer.status.is_success() {
            true => Ok(()),
            false => Err(failed(&format!("status {}", answer.status.as_u16()))),
        }
    }

    /// The workspace that the bot is in.
    pub(super) async fn team(&self, slack: &Slack) -> Result<String, Failure> {
        if let Some(team) = self.team.get() {
            return Ok(team.clone());
        }
        let said = self.call(slack, "auth.test", json!({})).await?;
        Ok(self.team.get_or_init(|| said.team_id).clone())
    }

    /// Where a connection of Socket Mode is opened: good once.
    pub(super) async fn socket(&self, slack: &Slack, app_token: &str) -> Result<String, Failure> {
        let said = self
            .call_as(slack, app_token, "apps.connections.open", json!({}))
            .await?;
        Ok(said.url)
    }

    /// A connection for it.
    pub(super) async fn open(
        &self,
        url: &str,
        addresses: &AddressPolicy,
        patience: Duration,
    ) -> Result<Box<dyn OwnStream>, String> {
        self.facilities
            .http
            .open(url, addresses, patience)
            .await
            .map_err(|error| error.why)
    }

    async fn call(&self, slack: &Slack, method: &str, body: Value) -> Result<Said, Failure> {
        self.call_as(slack, &slack.token, method, body).await
    }

    async fn call_as(&self, slack: &Slack, secret: &str, method: &str, body: Value) -> Result<Said, Failure> {
        let failed = |code, why: String| Failure::new(code, format!("Slack's `{method}`: {why}"));
        let token = self
            .secrets
            .value(secret)
            .map_err(|why| failed(FailureCode::Denied, why))?;
        let mut headers = HeaderMap::new();
        let mut bearer =
            HeaderValue::from_bytes(&[b"Bearer ".as_slice(), token.expose()].concat()).map_err(|_| {
                failed(
                    FailureCode::Denied,
                    format!("the secret `{secret}` cannot be a token"),
                )
            })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        let request = OwnRequest {
            client: "slack",
            addresses: AddressPolicy::new(slack.addresses.clone()),
            method: http::Method::POST,
            url: format!("{}{method}", slack.api),
            headers,
            body: body.to_string().into_bytes(),
            patience: PATIENCE,
        };
        let answer = self
            .facilities
            .http
            .send(request)
            .await
            .map_err(|error| failed(FailureCode::Unavailable, error.why))?;
        if answer.status == http::StatusCode::TOO_MANY_REQUESTS {
            let seconds = answer.headers.get(RETRY_AFTER);
            let seconds: u32 = seconds
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .unwrap_or(30);
            let mut failure = failed(
                FailureCode::Unavailable,
                format!("too many requests; again in {seconds} s"),
            );
            failure.retry_after_ms = Some(seconds.saturating_mul(1_000).min(MOST_RETRY_MS));
            return Err(failure);
        }
        if !answer.status.is_success() {
            return Err(failed(
                FailureCode::Unavailable,
                format!("status {}", answer.status.as_u16()),
            ));
        }
        let said: Said = serde_json::from_slice(&answer.body).map_err(|_| {
            failed(
                FailureCode::Failed,
                "the answer is not what the Web API gives".to_owned(),
            )
        })?;
        if said.ok {
            return Ok(said);
        }
        let error = text::clean_line_to(&said.error, 80);
        Err(failed(
            code(&error),
            format!("`{error}`{}", hint(&error, &said.needed)),
        ))
    }
}

fn message(channel: &str, text: &str, blocks: Option<Value>) -> Map<String, Value> {
    let members = [
        ("channel", json!(channel)),
        ("text", json!(text)),
        ("unfurl_links", json!(false)),
        ("unfurl_media", json!(false)),
        ("link_names", json!(false)),
        ("parse", json!("none")),
    ];
    let blocks = blocks.map(|blocks| ("blocks", blocks));
    members
        .into_iter()
        .chain(blocks)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn code(error: &str) -> FailureCode {
    match error {
        "channel_not_found" | "message_not_found" => FailureCode::NotFound,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" | "ratelimited" => {
            FailureCode::Unavailable
        }
        _ => FailureCode::Denied,
    }
}

/// What the operator can do about it.
fn hint(error: &str, needed: &str) -> String {
    match error {
        "not_in_channel" => ": invite the app to the channel with `/invite`".to_owned(),
        "channel_not_found" => ": is the channel's name right, and is the app in it?".to_owned(),
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            ": the token of `[slack]` is not good any more".to_owned()
        }
        "missing_scope" => format!(
            ": the app lacks the scope `{}`; docs/slack.md has its manifest",
            text::clean_line_to(needed, 80)
        ),
        _ => String::new(),
    }
}
