//! Socket Mode: clicks over a connection that the engine opens, where Slack cannot reach it.
//!
//! <https://docs.slack.dev/apis/events-api/using-socket-mode>: `apps.connections.open` gives a URL that is good once; what comes
//! over it is an envelope that is confirmed by its id, and sent again where it was not. An envelope is confirmed as soon as
//! it is read: what it says is done in a task of its own, and a second envelope with the same id is not. A connection that
//! ends, or over which nothing came for a while (Slack pings every few seconds), is opened anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use stanch_contract::text;
use stanch_sandbox::http::OwnStream;
use stanch_sandbox::http::address::AddressPolicy;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::clicks::{Click, Workspace};
use crate::config::settings::Slack;

/// How long opening may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection over which nothing came for so long is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// The waits between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked whether there is an app token by now.
const LOOK: Duration = Duration::from_secs(5);
/// Envelopes that are known again.
const KNOWN: usize = 1_000;

/// What comes over the connection.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    envelope_id: String,
    #[serde(default)]
    payload: serde_json::Value,
    #[serde(default)]
    reason: String,
}

/// Listens for as long as stanch.toml has an app token.
pub(in crate::channels) async fn run(workspace: Arc<Workspace>, ending: CancellationToken) {
    let mut known = VecDeque::new();
    let mut wait = FIRST_WAIT;
    loop {
        let slack = super::settings(workspace.engine.current()).ok();
        let token = slack.as_ref().and_then(|slack| slack.app_token.clone());
        let rest = match (slack, token) {
            (Some(slack), Some(token)) => {
                let listened = tokio::select! {
                    listened = once(&workspace, &slack, &token, &mut known) => listened,
                    () = ending.cancelled() => return,
                };
                match listened {
                    Ok(why) => {
                        tracing::debug!(why, "the connection to Slack is opened anew");
                        wait = FIRST_WAIT;
                    }
                    Err(why) => {
                        tracing::warn!(%why, "Slack's clicks cannot be listened for; it is tried again");
                        wait = (wait * 2).min(LONGEST_WAIT);
                    }
                }
                wait
            }
            _ => LOOK,
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = ending.cancelled() => return,
        }
    }
}

/// Listens until the connection ends; why it did, where it was there at all.
async fn once(
    workspace: &Arc<Workspace>,
    slack: &Slack,
    token: &str,
    known: &mut VecDeque<String>,
) -> Result<String, String> {
    let mut socket = open(workspace, slack, token).await?;
    loop {
        let came = match tokio::time::timeout(SILENCE, socket.next()).await {
            Ok(Some(Ok(came))) => came,
            Ok(Some(Err(error))) => return Ok(error.to_string()),
            Ok(None) => return Ok("it was closed".to_owned()),
            Err(_) => return Ok("nothing came".to_owned()),
        };
        // Pings are answered by the library, with the next read.
        let Message::Text(said) = came else { continue };
        let Ok(envelope) = serde_json::from_str::<Envelope>(&said) else {
            continue;
        };
        if envelope.kind == "disconnect" {
            return Ok(text::clean_line_to(&envelope.reason, 80));
        }
        if envelope.envelope_id.is_empty() {
            continue;
        }
        let confirmed = json!({ "envelope_id": envelope.envelope_id }).to_string();
        socket
            .send(Message::text(confirmed))
            .await
            .map_err(|error| error.to_string())?;
        if envelope.kind != "interactive" || known.contains(&envelope.envelope_id) {
            continue;
        }
        known.push_back(envelope.envelope_id);
        if known.len() > KNOWN {
            known.pop_front();
        }
        if let Ok(click) = serde_json::from_value::<Click>(envelope.payload) {
            let workspace = workspace.clone();
            tokio::spawn(async move { workspace.pressed(click).await });
        }
    }
}

async fn open(
    workspace: &Workspace,
    slack: &Slack,
    token: &str,
) -> Result<WebSocketStream<Box<dyn OwnStream>>, String> {
    let url = workspace
        .client
        .socket(slack, token)
        .await
        .map_err(|failure| failure.message)?;
    // The ticket in it is a credential: TLS, unless the Web API itself is on this machine without it.
    let plain = slack.api.starts_with("http://");
    let reached = match (url.strip_prefix("wss://"), url.strip_prefix("ws://")) {
        (Some(rest), _) => format!("https://{rest}"),
        (_, Some(rest)) if plain => format!("http://{rest}"),
        _ => return Err("the Web API gave no `wss:` URL".to_owned()),
    };
    let addresses = AddressPolicy::new(slack.addresses.clone());
    let stream = workspace.client.open(&reached, &addresses, PATIENCE).await?;
    let upgraded = tokio::time::timeout(PATIENCE, tokio_tungstenite::client_async(url, stream)).await;
    match upgraded {
        Ok(Ok((socket, _))) => Ok(socket),
        // What went wrong may quote the URL.
        Ok(Err(_)) => Err("Slack did not take the connection".to_owned()),
        Err(_) => Err("no WebSocket in time".to_owned()),
    }
}
