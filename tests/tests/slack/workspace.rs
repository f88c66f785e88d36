//! A workspace of Slack: the Web API's methods as its documentation has them, the messages that are in it, and members
//! who press buttons. What they press is signed by Slack's own SDK.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use stanch_parts_build::Part;
use tokio::sync::mpsc;

/// The secret that the app signs with, and the bot's token.
pub(crate) const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const TOKEN: &str = "xoxb-0-test";
/// The app's, for Socket Mode.
pub(crate) const APP_TOKEN: &str = "xapp-1-test";
/// The id of the channel `#incidents`.
const CHANNEL: &str = "C024BE91L";
/// The app's other channel, and its id.
const OTHER: (&str, &str) = ("#storage", "C0STORAGE");

/// The id of a channel, by its name or itself.
fn channel(named: &str) -> Option<&'static str> {
    match named {
        "#incidents" | CHANNEL => Some(CHANNEL),
        other if [OTHER.0, OTHER.1].contains(&other) => Some(OTHER.1),
        _ => None,
    }
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) ts: String,
    /// The id of its channel.
    pub(crate) channel: String,
    /// The one that it answers.
    pub(crate) thread: Option<String>,
    pub(crate) text: String,
    pub(crate) blocks: Value,
    /// How often it was changed.
    pub(crate) changes: usize,
}

/// An image in a message's thread.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) thread: String,
    pub(crate) title: String,
    pub(crate) bytes: Vec<u8>,
}

/// What only one member saw.
#[derive(Debug, Clone)]
pub(crate) struct Whisper {
    pub(crate) user: String,
    pub(crate) text: String,
}

#[derive(Debug, Default)]
struct Inside {
    messages: Vec<Message>,
    whispers: Vec<Whisper>,
    /// What answers come before the usual ones: a status, what Retry-After says, an error.
    next: Vec<(u16, Option<u32>, &'static str)>,
    /// How often each method was asked.
    asked: Vec<String>,
    posts: u32,
    /// Files that were announced: their names and lengths, and what was uploaded of them.
    files: Vec<(String, u64, Vec<u8>)>,
    /// Those that are in a thread.
    images: Vec<Image>,
    /// Uploads are refused.
    full: bool,
    /// The connection of Socket Mode, where there is one: what is sent over it; nothing cuts it.
    link: Option<mpsc::UnboundedSender<Option<String>>>,
    /// What came over such connections.
    confirmed: Vec<String>,
}

/// A workspace that answers on loopback until it is dropped.
pub(crate) struct Workspace {
    pub(crate) api: String,
    inside: Arc<Mutex<Inside>>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Workspace {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let api = format!("http://{}/api/", listener.local_addr().unwrap());
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let links = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let link = format!("ws://{}/link/?ticket=once", links.local_addr().unwrap());
        let app = Router::new()
            .route("/api/{method}", post(answer))
            .route("/upload/{file}", post(upload))
            .with_state((inside.clone(), link));
        let tasks = [
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }),
            tokio::spawn(linked(links, inside.clone())),
        ];
        Self { api, inside, tasks }
    }

    /// Sends an envelope over the connection of Socket Mode, as soon as there is one.
    pub(crate) fn send(&self, envelope: &Value) {
        super::until("a connection of Socket Mode", || {
            let link = self.inside.lock().unwrap().link.clone()?;
            link.send(Some(envelope.to_string())).ok()
        });
    }

    /// Cuts that connection.
    pub(crate) fn cut(&self) {
        let link = self.inside.lock().unwrap().link.take().unwrap();
        link.send(None).unwrap();
    }

    /// How often an envelope was confirmed.
    pub(crate) fn confirmed(&self, id: &str) -> usize {
        let inside = self.inside.lock().unwrap();
        inside.confirmed.iter().filter(|said| said.contains(id)).count()
    }

    /// The next requests are answered so.
    pub(crate) fn trouble(&self, answers: &[(u16, Option<u32>, &'static str)]) {
        self.inside.lock().unwrap().next = answers.to_vec();
    }

    /// The questions: messages that answer no other.
    pub(crate) fn questions(&self) -> Vec<Message> {
        let inside = self.inside.lock().unwrap();
        inside
            .messages
            .iter()
            .filter(|message| message.thread.is_none())
            .cloned()
            .collect()
    }

    /// What was said below a question.
    pub(crate) fn thread(&self, ts: &str) -> Vec<String> {
        let inside = self.inside.lock().unwrap();
        let answers = inside
            .messages
            .iter()
            .filter(|message| message.thread.as_deref() == Some(ts));
        answers
            .map(|message| format!("{} {}", message.text, message.blocks))
            .collect()
    }

    /// The images below a question.
    pub(crate) fn images(&self, ts: &str) -> Vec<Image> {
        let inside = self.inside.lock().unwrap();
        let below = inside.images.iter().filter(|image| image.thread == ts);
        below.cloned().collect()
    }

    /// Where files go says no from now on.
    pub(crate) fn fill(&self) {
        self.inside.lock().unwrap().full = true;
    }

    pub(crate) fn whispers(&self) -> Vec<Whisper> {
        self.inside.lock().unwrap().whispers.clone()
    }

    /// How often a method was asked.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.inside
            .lock()
            .unwrap()
            .asked
            .iter()
            .filter(|asked| *asked == method)
            .count()
    }
}

/// Socket Mode's side: says hello, sends what it is told to, remembers what comes.
async fn linked(listener: tokio::net::TcpListener, inside: Arc<Mutex<Inside>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
            continue;
        };
        let hello = json!({ "type": "hello", "num_connections": 1, "connection_info": { "app_id": "A02" } });
        socket.send(hello.to_string().into()).await.unwrap();
        let (link, mut told) = mpsc::unbounded_channel();
        inside.lock().unwrap().link = Some(link);
        loop {
            tokio::select! {
                told = told.recv() => match told {
                    Some(Some(envelope)) => socket.send(envelope.into()).await.unwrap(),
                    // Cut without a word, as a network does.
                    _ => break,
                },
                said = socket.next() => match said {
                    Some(Ok(said)) => inside.lock().unwrap().confirmed.push(said.to_string()),
                    _ => break,
                },
            }
        }
    }
}

/// Where a file goes, by its place among those announced.
async fn upload(
    State((inside, _)): State<(Arc<Mutex<Inside>>, String)>,
    Path(file): Path<usize>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> StatusCode {
    let mut inside = inside.lock().unwrap();
    assert!(
        !headers.contains_key("authorization"),
        "the bot's token is for the Web API alone"
    );
    if inside.full {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    let (_, length, bytes) = &mut inside.files[file];
    assert_eq!(*length, body.len() as u64, "as long as was announced");
    *bytes = body.to_vec();
    StatusCode::OK
}

async fn answer(
    State((inside, link)): State<(Arc<Mutex<Inside>>, String)>,
    Path(method): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut inside = inside.lock().unwrap();
    inside.asked.push(method.clone());
    let token = if method == "apps.connections.open" {
        APP_TOKEN
    } else {
        TOKEN
    };
    if headers
        .get("authorization")
        .is_none_or(|sent| sent != format!("Bearer {token}").as_str())
    {
        return Json(json!({ "ok": false, "error": "invalid_auth" })).into_response();
    }
    if !inside.next.is_empty() {
        let (status, retry, error) = inside.next.remove(0);
        let body = Json(json!({ "ok": false, "error": error }));
        let status = StatusCode::from_u16(status).unwrap();
        return match retry {
            Some(seconds) => (status, [("retry-after", seconds.to_string())], body).into_response(),
            None => (status, body).into_response(),
        };
    }
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    Json(match method.as_str() {
        "apps.connections.open" => json!({ "ok": true, "url": link }),
        "auth.test" => json!({ "ok": true, "team_id": "T0001", "user_id": "U0BOT", "bot_id": "B0" }),
        "chat.postMessage" => {
            let to = body["channel"].as_str().unwrap();
            let Some(to) = channel(to) else {
                return Json(json!({ "ok": false, "error": "channel_not_found" })).into_response();
            };
            inside.posts += 1;
            let ts = format!("1700000000.{:06}", inside.posts);
            inside.messages.push(Message {
                ts: ts.clone(),
                channel: to.to_owned(),
                thread: body["thread_ts"].as_str().map(str::to_owned),
                text,
                blocks: body["blocks"].clone(),
                changes: 0,
            });
            json!({ "ok": true, "channel": to, "ts": ts })
        }
        "chat.update" => {
            // A channel's name will not do here.
            let mine =
                |message: &&mut Message| body["channel"] == message.channel.as_str() && body["ts"] == message.ts.as_str();
            match inside.messages.iter_mut().find(mine) {
                Some(message) => {
                    message.text = text;
                    message.blocks = body["blocks"].clone();
                    message.changes += 1;
                    json!({ "ok": true, "channel": message.channel, "ts": message.ts })
                }
                None => json!({ "ok": false, "error": "message_not_found" }),
            }
        }
        "files.getUploadURLExternal" => {
            let (name, length) = (body["filename"].as_str(), body["length"].as_u64());
            let (Some(name), Some(length)) = (name, length) else {
                return Json(json!({ "ok": false, "error": "invalid_arguments" })).into_response();
            };
            let file = inside.files.len();
            inside.files.push((name.to_owned(), length, Vec::new()));
            let host = headers["host"].to_str().unwrap();
            json!({ "ok": true, "upload_url": format!("http://{host}/upload/{file}"), "file_id": format!("F{file}") })
        }
        "files.completeUploadExternal" => {
            // A channel's name will not do here, and a thread is named by its first message.
            let thread = body["thread_ts"].as_str().unwrap().to_owned();
            let mine = |message: &Message| message.ts == thread && message.thread.is_none();
            let named = body["channel_id"].as_str().unwrap();
            if channel(named) != Some(named) || !inside.messages.iter().any(mine) {
                return Json(json!({ "ok": false, "error": "channel_not_found" })).into_response();
            }
            for file in body["files"].as_array().unwrap() {
                let id: usize = file["id"].as_str().unwrap().trim_start_matches('F').parse().unwrap();
                let image = Image {
                    thread: thread.clone(),
                    title: file["title"].as_str().unwrap().to_owned(),
                    bytes: inside.files[id].2.clone(),
                };
                inside.images.push(image);
            }
            json!({ "ok": true, "files": body["files"] })
        }
        "chat.postEphemeral" => {
            let user = body["user"].as_str().unwrap().to_owned();
            let text = format!("{text} {}", body["blocks"]);
            inside.whispers.push(Whisper { user, text });
            json!({ "ok": true, "message_ts": "1700000000.999999" })
        }
        _ => json!({ "ok": false, "error": "unknown_method" }),
    })
    .into_response()
}

/// A button of a message, by what it says.
pub(crate) fn button(message: &Message, says: &str) -> Value {
    let blocks = message.blocks.as_array().unwrap().iter();
    let buttons = blocks
        .filter(|block| block["type"] == "actions")
        .flat_map(|block| block["elements"].as_array().unwrap());
    let mut found = buttons.filter(|button| button["text"]["text"] == says);
    found
        .next()
        .unwrap_or_else(|| panic!("no button `{says}` in {}", message.blocks))
        .clone()
}

/// How a request is sent: how often, with which clock, by whose hand.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct How {
    pub(crate) skew: i64,
    pub(crate) forge: bool,
    pub(crate) times: Option<u32>,
    pub(crate) secret: Option<&'static str>,
    pub(crate) team: Option<&'static str>,
}

/// What Slack sends when a member presses a button.
pub(crate) fn pressed(member: &str, message: &Message, button: &Value, team: &str) -> Value {
    // Each click has its own: two within a second are two requests.
    static CLICKS: AtomicU32 = AtomicU32::new(0);
    let trigger = format!(
        "12321423423.333649436676.{}",
        CLICKS.fetch_add(1, Ordering::Relaxed)
    );
    json!({
        "type": "block_actions",
        "user": { "id": member, "username": "somebody", "name": "somebody", "team_id": team },
        "api_app_id": "A02", "token": "deprecated", "trigger_id": trigger,
        "container": { "type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": false },
        "team": { "id": team, "domain": "example" },
        "channel": { "id": message.channel, "name": "incidents" },
        "message": { "type": "message", "ts": message.ts, "text": message.text, "blocks": message.blocks },
        "response_url": "https://hooks.slack.com/actions/T0001/1/x",
        "actions": [{
            "action_id": button["action_id"], "block_id": "b1", "value": button["value"],
            "text": button["text"], "type": "button", "action_ts": "1548426417.840180",
        }],
    })
}

/// A member presses a button; gives the statuses that Slack is answered.
pub(crate) fn press(url: &str, member: &str, message: &Message, button: &Value, how: How) -> Vec<u16> {
    let said = clicked(url, member, message, button, how);
    serde_json::from_value(said["statuses"].clone()).unwrap()
}

/// The same, and what Slack's own framework for apps makes of the same bytes: the status that it answers, and the values of
/// the buttons that it hands to an app.
pub(crate) fn judged(
    url: &str,
    member: &str,
    message: &Message,
    button: &Value,
    how: How,
) -> (Vec<u16>, u16, Vec<Value>) {
    let said = clicked(url, member, message, button, how);
    (
        serde_json::from_value(said["statuses"].clone()).unwrap(),
        serde_json::from_value(said["bolt"].clone()).unwrap(),
        serde_json::from_value(said["handed"].clone()).unwrap(),
    )
}

fn clicked(url: &str, member: &str, message: &Message, button: &Value, how: How) -> Value {
    let payload = pressed(member, message, button, how.team.unwrap_or("T0001"));
    let asked = json!({
        "url": format!("{url}/slack/interactions"), "payload": payload, "secret": how.secret.unwrap_or(SIGNING),
        "known": SIGNING, "action": button["action_id"],
        "skew": how.skew, "forge": how.forge, "times": how.times.unwrap_or(1),
    });
    let packages = Part::SlackSdk
        .program()
        .expect("Slack's SDK is missing: `cargo xtask test --install` gets it");
    let script = stanch_test_support::root().join("tests/tests/slack/click.py");
    let mut python = Command::new("python3")
        .arg(script)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    python
        .stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .unwrap();
    let said = python.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}
