//! `kubernetes.delete`, `.evict`, `.patch`, `.create` and `.scale`: sent as planned, with the precondition of the plan.
//!
//! The host looks at the object just before where the grant has a selector, and once more where an action was sent before
//! and had no answer: what the server then refuses may be the action's own effect.

use serde_json::Value;
use stanch_contract::plan::Capability;
use stanch_contract::{ActionState, Failure, FailureCode};

use super::super::actions::ChangingCall;
use super::super::answer::{Effect, Reply};
use super::super::change::{Perform, Performed, Turn};
use super::super::session::{LINGER, Session, timed_out};
use super::super::{Layer, Refusal};
use super::entry::Verb;
use super::{Denied, Located};
use crate::http::client::{Answer, NotSent, SendError};
use crate::kubernetes::Object;
use crate::kubernetes::cluster::{MOST_OBJECT, ReadError, of_send, success};
use crate::kubernetes::content::{About, Content, PatchKind};
use crate::kubernetes::differences::differences;
use crate::kubernetes::object;
use crate::kubernetes::request::{self, Expect};
use crate::kubernetes::status::Refused;

impl Session {
    /// `kubernetes.delete`.
    ///
    /// # Errors
    /// `denied`, `not-found`, `conflict`, `budget`, `timeout`, `unavailable` or `failed`, in the contract's sense.
    pub async fn kubernetes_delete(&self, what: Object, grace: Option<u32>) -> Result<(), Failure> {
        self.change_object(Verb::Delete, what, Ok(Content::Delete { grace }))
            .await
            .map(drop)
    }

    /// `kubernetes.evict`. Where a disruption budget refuses it, the same call may be made again later.
    ///
    /// # Errors
    /// As [`Session::kubernetes_delete`].
    pub async fn kubernetes_evict(&self, pod: Object, grace: Option<u32>) -> Result<(), Failure> {
        self.change_object(Verb::Evict, pod, Ok(Content::Evict { grace }))
            .await
            .map(drop)
    }

    /// `kubernetes.patch`: the object as it is after it, as JSON.
    ///
    /// # Errors
    /// As [`Session::kubernetes_delete`].
    pub async fn kubernetes_patch(&self, what: Object, kind: &str, body: &str) -> Result<String, Failure> {
        let content = PatchKind::parse(kind).and_then(|kind| {
            Ok(Content::Patch {
                kind,
                body: parsed(body)?,
            })
        });
        self.change_object(Verb::Patch, what, content).await
    }

    /// `kubernetes.create`: the object as it is after it, as JSON.
    ///
    /// # Errors
    /// As [`Session::kubernetes_delete`].
    pub async fn kubernetes_create(&self, what: Object, body: &str) -> Result<String, Failure> {
        let content = parsed(body).map(|body| Content::Create { body });
        self.change_object(Verb::Create, what, content).await
    }

    /// `kubernetes.scale`.
    ///
    /// # Errors
    /// As [`Session::kubernetes_delete`].
    pub async fn kubernetes_scale(&self, what: Object, replicas: u32) -> Result<(), Failure> {
        self.change_object(Verb::Scale, what, Ok(Content::Scale { replicas }))
            .await
            .map(drop)
    }

    async fn change_object(
        &self,
        verb: Verb,
        what: Object,
        content: Result<Content, String>,
    ) -> Result<String, Failure> {
        let ticket = self.begin_on(verb, &what)?;
        let located = self.locate(ticket, verb, &what).await?;
        self.check_phase(&located.what, None)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        let content = self
            .fitting(&located, content)
            .await
            .map_err(|denied| self.denied(ticket, denied))?;
        let text = content.to_text();
        if let Some(text) = &text {
            let digest = self.keep(text.as_bytes());
            self.note(ticket, |call| call.request = Some(digest));
        }
        let call = ChangingCall {
            capability: Capability::Kubernetes,
            verb: verb.as_str().to_owned(),
            target: located.target.to_string(),
            content: text,
            items: Vec::new(),
        };
        let session = self.clone();
        let perform: Perform = Box::new(move |turn| {
            Box::pin(async move { Box::pin(session.send_object(verb, &located, &content, turn)).await })
        });
        let until = self.inner.parts.time.until(None);
        Box::pin(self.change(ticket, call, until, perform))
            .await?
            .into_object()
    }

    /// The content of a call, in the version of the kind that its plan was checked in.
    async fn fitting(&self, located: &Located, content: Result<Content, String>) -> Result<Content, Denied> {
        let unfit = |why: String| Denied::Refused(Refusal::new(Layer::Request, why));
        let Located {
            cluster,
            kind,
            target,
            ..
        } = located;
        let content = content.map_err(unfit)?;
        if matches!(content, Content::Scale { .. }) && !kind.scales {
            return Err(unfit(format!("a {} has no number of replicas to set", kind.kind)));
        }
        if let Content::Patch { .. } | Content::Create { .. } = content {
            let planned = super::plan::kind_of(cluster, target, &content, self.until()).await;
            let planned = planned.map_err(|error| match error {
                super::KindError::Unknown(why) => unfit(why),
                super::KindError::Read(error) => Denied::Failed(error.failure(&located.what, cluster)),
            })?;
            if planned.version != kind.version {
                let why = format!(
                    "{} is called as `{}`, and a plan without `apiVersion` in its body is checked as `{}`",
                    located.what,
                    kind.api_version(),
                    planned.api_version()
                );
                return Err(unfit(why));
            }
        }
        content.about(&about(located)).map_err(unfit)
    }

    async fn send_object(&self, verb: Verb, located: &Located, content: &Content, turn: Turn) -> Performed {
        let Located {
            cluster,
            kind,
            target,
            what,
            ..
        } = located;
        let not_sent = |failure| Performed::failed(ActionState::NotSent, failure);
        let ready = self.ready(verb, located, content, &turn).await;
        let expect = match ready {
            Ok(Ready::Send(expect)) => expect,
            Ok(Ready::Gone) => return done("it is gone".to_owned(), None),
            Err(failure) => return not_sent(failure),
        };
        let request = request::change(kind, target, content, expect.as_ref(), false);
        let sent = cluster.change(request, self.until(), LINGER).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => return self.no_answer(what, cluster.name(), &error),
        };
        if answer.status.is_success() {
            return self.took_effect(verb, located, content, answer);
        }
        let refused = Refused::new(answer.status.as_u16(), &answer.body);
        let rescaled = match &expect {
            Some(Expect::Replicas { from, .. }) if refused.is_invalid() => {
                self.rescaled(located, *from).await
            }
            _ => None,
        };
        if turn.again
            && (rescaled.is_some() || refused.is_overtaken())
            && let Some(how) = self.is_in_effect(located, content).await
        {
            return done(how, None);
        }
        let mut failure = refused.failure(what, cluster.name());
        if let Some(why) = rescaled {
            (failure.code, failure.message) = (FailureCode::Conflict, why);
        }
        failure.message = self.redactor().text(failure.message);
        let detail = failure.message.clone();
        let state = match refused.effect() {
            Effect::NotNow => ActionState::Refused {
                detail,
                for_now: true,
            },
            Effect::Unknown => ActionState::Unknown { detail },
            Effect::Refused | Effect::Done => ActionState::refused(detail),
        };
        Performed::failed(state, failure)
    }

    /// Whether it may be sent now: it is the cluster of the plan, and where labels decide, the live object fits and is the one
    /// that was meant.
    async fn ready(
        &self,
        verb: Verb,
        located: &Located,
        content: &Content,
        turn: &Turn,
    ) -> Result<Ready, Failure> {
        let Located {
            cluster,
            kind,
            target,
            what,
            ..
        } = located;
        let failed = |error: ReadError| error.failure(what, cluster);
        let identity = cluster.identity(self.until()).await.map_err(failed)?;
        if turn.action.identity != super::plan::identity(&identity, target) {
            let message = format!(
                "{what}: the cluster `{}` is another one than when the plan was made",
                cluster.name()
            );
            return Err(Failure::new(FailureCode::Conflict, message));
        }
        let expect = turn.action.expect.as_deref().map(Expect::parse).transpose();
        let expect = expect.map_err(|why| Failure::new(FailureCode::Denied, format!("{what}: {why}")))?;
        let permit = self
            .permit(located, verb)
            .map_err(|refusal| refusal.to_failure())?;
        let plugin = self.inner.parts.grant.plugin();
        let unfit = || permit.labels_refused(plugin, &target.to_string()).to_failure();
        if let Some(labels) = content.labels() {
            return if permit.covers(&target.name, &labels) {
                Ok(Ready::Send(expect))
            } else {
                Err(unfit())
            };
        }
        if !permit.needs_labels() {
            return Ok(Ready::Send(expect));
        }
        let read = cluster
            .read_json::<Value>(request::get(kind, target), MOST_OBJECT, self.until())
            .await;
        let live = match read {
            Ok(live) => live,
            Err(error) if error.code() == Some(404) && turn.again && removes(content) => {
                return Ok(Ready::Gone);
            }
            Err(error) => return Err(failed(error)),
        };
        if let Some(uid) = expect.as_ref().and_then(Expect::uid)
            && object::uid(&live) != uid
        {
            if turn.again && removes(content) {
                return Ok(Ready::Gone);
            }
            let message = format!("{what}: it is another object of this name than when the plan was made");
            return Err(Failure::new(FailureCode::Conflict, message));
        }
        if permit.covers(&target.name, &object::labels(&live)) {
            Ok(Ready::Send(expect))
        } else {
            Err(unfit())
        }
    }

    fn took_effect(&self, verb: Verb, located: &Located, content: &Content, answer: Answer) -> Performed {
        let detail = answer.status.as_u16().to_string();
        let hands_over = matches!(content, Content::Patch { .. } | Content::Create { .. });
        let after = success(answer)
            .ok()
            .and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        // A grant that was taken away meanwhile hands nothing over.
        let permit = self.permit(located, verb).ok();
        let json = after
            .filter(|_| hands_over)
            .zip(permit)
            .map(|(after, permit)| self.hand_over(&located.kind, after, &permit));
        done(detail, json)
    }

    fn no_answer(&self, what: &str, cluster: &str, error: &SendError) -> Performed {
        let mut failure = match error {
            SendError::NotSent(NotSent::TooLate) => timed_out(&format!("{what} was not sent")),
            error => of_send(error, what, cluster),
        };
        failure.message = stanch_contract::text::clean_line_to(&self.redactor().text(failure.message), 500);
        let state = match error {
            SendError::NotSent(_) => ActionState::NotSent,
            SendError::Lost { .. } => ActionState::Unknown {
                detail: format!("{} (it was sent)", failure.message),
            },
        };
        Performed::failed(state, failure)
    }

    /// That it is asked for another number of replicas than was expected, in a sentence. A server does not say which part of a
    /// JSON patch it refused, so the number is read where it refused one.
    async fn rescaled(&self, located: &Located, from: u32) -> Option<String> {
        let get = request::get(&located.kind, &located.target);
        let live = located
            .cluster
            .read_json::<Value>(get, MOST_OBJECT, self.until())
            .await;
        let now = object::replicas(&live.ok()?).filter(|now| *now != from)?;
        let what = &located.what;
        Some(format!(
            "{what}: it is asked for {now} replicas, and was for {from} when the plan was made"
        ))
    }

    /// Of an action that was sent before and had no answer, and that the server now says is overtaken: whether what it was to
    /// bring about is there, and how that shows.
    async fn is_in_effect(&self, located: &Located, content: &Content) -> Option<String> {
        let Located {
            cluster,
            kind,
            target,
            ..
        } = located;
        if removes(content) {
            return Some("it is gone".to_owned());
        }
        let read = cluster
            .read_json::<Value>(request::get(kind, target), MOST_OBJECT, self.until())
            .await;
        let live = read.ok()?;
        match content {
            Content::Scale { replicas } => (object::replicas(&live) == Some(*replicas))
                .then(|| format!("it has {replicas} replicas already")),
            Content::Patch { .. } => {
                let dry = request::change(kind, target, content, None, true);
                let after = cluster
                    .read_json::<Value>(dry, MOST_OBJECT, self.until())
                    .await
                    .ok()?;
                let same = object::uid(&after) == object::uid(&live) && differences(&live, &after).is_empty();
                same.then(|| "it has this content already".to_owned())
            }
            Content::Create { .. } | Content::Delete { .. } | Content::Evict { .. } => None,
        }
    }
}

/// What follows from a last look.
enum Ready {
    /// Send it, with this precondition.
    Send(Option<Expect>),
    /// It was sent before, and its object is gone.
    Gone,
}

fn removes(content: &Content) -> bool {
    matches!(content, Content::Delete { .. } | Content::Evict { .. })
}

fn done(detail: String, json: Option<String>) -> Performed {
    Performed {
        summary: detail.clone(),
        content: json.as_ref().map(|json| json.clone().into_bytes()),
        state: ActionState::Done { detail },
        reply: Reply::Object { json },
    }
}

fn about(located: &Located) -> About<'_> {
    About {
        api_version: &located.api_version,
        kind: &located.kind.kind,
        namespace: located.target.place.namespace.as_deref(),
        name: &located.target.name,
    }
}

fn parsed(body: &str) -> Result<Value, String> {
    serde_json::from_str(body).map_err(|error| format!("its body is not JSON: {error}"))
}
