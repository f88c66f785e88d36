//! What people press in Slack.
//!
//! A click is an answer like any other: who pressed is looked up in `[[users]]`, the plan that they saw is in the button, and
//! the run says whether it counts. Whoever it does not count for is told so, and nobody else. Slack wants its answer within
//! three seconds; a decision takes a few milliseconds, and where the disk is slow it goes on after that.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use stanch_contract::{Digest, RunId, StepId, Verdict, text};
use stanch_run::{Actor, Role};

use super::blocks;
use super::client::{Client, Place};
use super::signature::{Forged, Seen};
use crate::audit::{Entry, Failures};
use crate::clock;
use crate::control::actor::of_user;
use crate::control::types::RunView;
use crate::door;
use crate::executor::Engine;
use crate::report::compose::run_view;
use crate::report::{Detail, run_page};
use crate::secrets::Secrets;

/// Where Slack sends clicks.
pub const PATH: &str = "/slack/interactions";
/// How long Slack is kept waiting; it gives up after three seconds.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// What fits into a page of details.
const WIDTH: usize = 96;

/// What the workspace is served with.
pub struct Workspace {
    pub(in crate::channels) engine: Engine,
    pub(in crate::channels) secrets: Arc<Secrets>,
    pub(in crate::channels) client: Arc<Client>,
    seen: Seen,
    failures: Failures,
}

/// A click, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Click {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    #[serde(default)]
    team: Option<Team>,
    #[serde(default)]
    container: Container,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    team_id: String,
}

#[derive(Debug, Deserialize)]
struct Team {
    id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Container {
    #[serde(default)]
    channel_id: String,
    #[serde(default)]
    message_ts: String,
}

#[derive(Debug, Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

/// What a button is about.
#[derive(Debug, Deserialize)]
struct About {
    run: RunId,
    step: StepId,
    /// The plan that was shown; absent where the button says something else than yes or no to one.
    #[serde(default)]
    plan: Option<Digest>,
}

impl Workspace {
    pub(in crate::channels) fn new(engine: Engine, secrets: Arc<Secrets>, client: Arc<Client>) -> Self {
        Self {
            engine,
            secrets,
            client,
            seen: Seen::default(),
            failures: Failures::default(),
        }
    }

    /// The endpoint.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().route(PATH, post(receive)).with_state(self)
    }

    /// What was pressed is done, or the one who pressed is told why not.
    pub(super) async fn pressed(&self, click: Click) {
        if click.kind != "block_actions" {
            return;
        }
        for action in &click.actions {
            let about: About = match serde_json::from_str(&action.value) {
                Ok(about) => about,
                // A button of another app in the message, or of another version: nothing of ours.
                Err(_) => continue,
            };
            if let Err(why) = self.one(&click, action, &about).await {
                self.whisper(&click, &why, None).await;
            }
        }
    }

    async fn one(&self, click: &Click, action: &Action, about: &About) -> Result<(), String> {
        let decides = match action.action_id.as_str() {
            blocks::APPROVE => Some(true),
            blocks::DENY => Some(false),
            _ => None,
        };
        let by = self.who(click, about, decides).await?;
        match action.action_id.as_str() {
            blocks::DETAILS => {
                let there = self.engine.in_run(&by, &about.run, Role::Viewer, "look").await;
                there.map_err(|why| format!("{why}."))?;
                self.details(click, about).await
            }
            // Yes and no are about a plan that somebody saw.
            word @ (blocks::APPROVE | blocks::DENY) if about.plan.is_some() => {
                let yes = word == blocks::APPROVE;
                let decided = self.engine.decide(
                    by,
                    &about.run,
                    Some(about.step.clone()),
                    about.plan.map(Into::into),
                    yes,
                    String::new(),
                );
                decided.await.map_err(|why| format!("This does not count: {why}"))
            }
            blocks::ANSWER_YES => self.answer(by, about, Verdict::Yes).await,
            blocks::ANSWER_NO => self.answer(by, about, Verdict::No).await,
            blocks::ANSWER_UNKNOWN => self.answer(by, about, Verdict::Unknown).await,
            word @ (blocks::DONE | blocks::NOT_DONE) => {
                let done = word == blocks::DONE;
                let said = self.engine.by_hand(by, &about.run, about.step.clone(), done);
                said.await.map_err(|why| format!("This does not count: {why}"))
            }
            _ => Ok(()),
        }
    }

    async fn answer(&self, by: Actor, about: &About, verdict: Verdict) -> Result<(), String> {
        let said = self.engine.answer(by, &about.run, about.step.clone(), verdict);
        said.await.map_err(|why| format!("This does not count: {why}"))
    }

    /// The person who pressed. A yes or no of who may not say it is audited, as one on the command line is.
    async fn who(&self, click: &Click, about: &About, decides: Option<bool>) -> Result<Actor, String> {
        let slack = super::settings(self.engine.current()).map_err(|failure| failure.message)?;
        let settings = self.engine.current().load().settings.clone();
        let refused = |why: String| {
            if let Some(yes) = decides {
                self.engine.audit().note(Entry::NotTaken {
                    run: about.run.clone(),
                    step: Some(about.step.clone()),
                    yes,
                    by: format!("slack:{}", text::clean_line_to(&click.user.id, 40)),
                    via: via(click),
                    plan: about.plan,
                    why: why.clone(),
                });
            }
            why
        };
        // In a channel that two workspaces share, members of the other have ids that could be anybody's here.
        let team = self
            .client
            .team(&slack)
            .await
            .map_err(|failure| failure.message)?;
        let of_team = match (&click.user.team_id, &click.team) {
            (id, _) if !id.is_empty() => *id == team,
            (_, Some(of)) => of.id == team,
            _ => false,
        };
        if !of_team {
            return Err(refused(
                "This does not count: you are a member of another workspace.".to_owned(),
            ));
        }
        match settings.user_by_slack(&click.user.id) {
            Some(user) => Ok(of_user(user).on(&via(click))),
            None => Err(refused(format!(
                "This does not count: nobody in stanch.toml is {}. Whoever runs the engine adds `slack = \"{}\"` to your [[users]] entry.",
                click.user.id, click.user.id
            ))),
        }
    }

    async fn details(&self, click: &Click, about: &About) -> Result<(), String> {
        let run = self.view(&about.run).await?;
        let page = run_page(&run, run.now, WIDTH, Detail::All).to_plain();
        self.whisper(click, "The run in detail", Some(&page)).await;
        Ok(())
    }

    async fn view(&self, run: &RunId) -> Result<RunView, String> {
        let whole = self.engine.whole(run).await?;
        let (state, events) = whole.ok_or_else(|| format!("there is no run {run}"))?;
        Ok(run_view(&state, &events, clock::now()))
    }

    async fn whisper(&self, click: &Click, text: &str, details: Option<&str>) {
        let at = Place {
            channel: click.container.channel_id.clone(),
            ts: click.container.message_ts.clone(),
        };
        let Ok(slack) = super::settings(self.engine.current()) else {
            return;
        };
        let blocks = details.map(blocks::details);
        let text = match details {
            Some(_) => text.to_owned(),
            None => blocks::escape(text),
        };
        if let Err(failure) = self
            .client
            .whisper(&slack, &at, &click.user.id, &text, blocks)
            .await
        {
            tracing::warn!(%failure, "somebody in Slack could not be answered");
        }
    }
}

fn via(click: &Click) -> String {
    format!("slack:{}", text::clean_line_to(&click.container.channel_id, 40))
}

async fn receive(State(workspace): State<Arc<Workspace>>, request: Request<Body>) -> Response {
    let Some(signing) = workspace
        .engine
        .current()
        .load()
        .settings
        .slack
        .as_ref()
        .and_then(|slack| slack.signing.clone())
    else {
        return (
            StatusCode::NOT_FOUND,
            "stanch.toml has no `[slack]` with `signing`\n",
        )
            .into_response();
    };
    let headers = request.headers().clone();
    let body = match door::read(request.into_body()).await {
        Ok(body) => body,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let key = match workspace.secrets.value(&signing) {
        Ok(key) => key,
        Err(why) => {
            tracing::error!(%why, "it cannot be told whether Slack sends");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    if let Err(forged) = workspace.seen.check(key.expose(), &headers, &body, clock::now()) {
        return refuse(&workspace, forged);
    }
    let Some(click) = read(&headers, &body) else {
        return (StatusCode::BAD_REQUEST, "this is no interaction\n").into_response();
    };
    let pressed = tokio::spawn(async move { workspace.pressed(click).await });
    // It goes on where it takes longer.
    let _ = tokio::time::timeout(PATIENCE, pressed).await;
    StatusCode::OK.into_response()
}

fn refuse(workspace: &Workspace, forged: Forged) -> Response {
    tracing::warn!(why = forged.word(), "what is said to be from Slack was refused");
    if let Some(entry) = workspace.failures.one("slack", clock::now()) {
        workspace.engine.audit().note(entry);
    }
    (StatusCode::UNAUTHORIZED, "not signed by Slack, or not now\n").into_response()
}

/// A form with the JSON in `payload`.
fn read(headers: &HeaderMap, body: &[u8]) -> Option<Click> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let (_, payload) = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    serde_json::from_str(&payload).ok()
}
