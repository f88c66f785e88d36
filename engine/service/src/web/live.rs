//! Keeps an open page up to date: each event is the page's whole changing part as it is then, so a browser that missed one has
//! missed nothing, and one that comes back after a break is right at once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use maud::Markup;
use stanch_run::{Phase, Role};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::visitor::{Visitor, status};
use super::{Web, frame, now, run};
use crate::control::actor::must_be;
use crate::control::types::{Code, Problem};
use crate::control::{Answer, FOLLOWERS};

/// Changes that follow closely are shown once: nobody reads faster, and a list changes with every run.
const CLOSELY: Duration = Duration::from_millis(400);
/// With each so many who follow it is as long again: what is shown is made for each of them, and alerts come first.
const MANY: usize = 50;
/// What nobody tells of, such as a cluster that stopped answering, is looked at this often.
const ANYHOW: Duration = Duration::from_secs(15);

/// *Now*, for as long as it is open.
pub(super) async fn now(State(web): State<Web>, who: Visitor) -> Response {
    follow(
        web.clone(),
        web.control.any_change(),
        move |web, who, since| Box::pin(async move { Ok((now::parts(&web, &who, since).await?, false)) }),
        who,
    )
    .await
}

/// A run, until it is closed.
pub(super) async fn run(State(web): State<Web>, Path(id): Path<String>, who: Visitor) -> Response {
    let changes = async {
        let id = web.control.find_run(&who, &id).await?;
        let changes = web.control.changes(&id).await?;
        Ok((id, changes))
    };
    let (id, changes) = match changes.await {
        Ok(found) => found,
        Err(problem) => return refused(&problem),
    };
    // What is told last is that nothing more is: then the run is as the journal has it.
    let changes = changes.chain(stream::once(async {})).boxed();
    follow(
        web,
        changes,
        move |web, who, _| {
            let id = id.clone();
            Box::pin(async move {
                let view = web.control.run(&who, &id).await?;
                let there = who.within(&web, &view.summary.runbook);
                Ok((
                    run::parts(&view, &there, &web.control.settings()),
                    view.summary.phase == Phase::Closed,
                ))
            })
        },
        who,
    )
    .await
}

type Look = futures_util::future::BoxFuture<'static, Answer<(Markup, bool)>>;

/// The page as `look` finds it, at first and after each of `changes`; over once `look` says that it is the last. `look` is
/// told since when something may have changed.
async fn follow(
    web: Web,
    changes: BoxStream<'static, ()>,
    look: impl Fn(Web, Arc<Visitor>, Instant) -> Look + Send + Sync + 'static,
    who: Visitor,
) -> Response {
    if let Err(problem) = must_be(&who, Role::Viewer, "read") {
        return refused(&problem);
    }
    let Ok(place) = web.viewers.clone().try_acquire_owned() else {
        return refused(&Problem::new(Code::Unavailable, "as many keep pages open as may"));
    };
    let ending = web.ending.clone();
    let state = Following {
        _place: place,
        changes,
        look,
        who: Arc::new(who),
        web,
        last: None,
        over: false,
    };
    let events = stream::unfold(state, Following::next).take_until(ending.cancelled_owned());
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)))
        .into_response()
}

struct Following<L> {
    _place: OwnedSemaphorePermit,
    changes: BoxStream<'static, ()>,
    look: L,
    who: Arc<Visitor>,
    web: Web,
    /// What was shown last; a change that shows nothing is not sent.
    last: Option<String>,
    over: bool,
}

impl<L: Fn(Web, Arc<Visitor>, Instant) -> Look> Following<L> {
    fn closely(&self) -> Duration {
        let follow = FOLLOWERS.saturating_sub(self.web.viewers.available_permits());
        CLOSELY * u32::try_from(1 + follow / MANY).unwrap_or(1)
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        while !self.over {
            let mut since = Instant::now();
            if self.last.is_some() {
                match tokio::time::timeout(ANYHOW, self.changes.next()).await {
                    Ok(None) => return None,
                    Ok(Some(())) => {
                        since = Instant::now();
                        tokio::time::sleep(self.closely()).await;
                    }
                    // What another saw while this one waited is new enough.
                    Err(_) => {}
                }
            }
            // Whose session has ended sees nothing more, and whose role changed what that role sees.
            let who = Arc::new(self.who.again(&self.web)?);
            self.who = who.clone();
            let event = match (self.look)(self.web.clone(), who, since).await {
                Ok((parts, over)) => {
                    self.over = over;
                    let shown = parts.into_string();
                    if self.last.as_ref() == Some(&shown) {
                        continue;
                    }
                    // JSON, because a line of an event cannot hold every character that a page can.
                    let data =
                        serde_json::to_string(&frame::main(&maud::PreEscaped(shown.clone())).into_string());
                    self.last = Some(shown);
                    Event::default()
                        .event(if over { "last" } else { "page" })
                        .data(data.unwrap_or_default())
                }
                Err(problem) => {
                    self.over = true;
                    Event::default().event("gone").data(problem.detail)
                }
            };
            return Some((Ok(event), self));
        }
        None
    }
}

fn refused(problem: &Problem) -> Response {
    (status(problem), problem.detail.clone()).into_response()
}
