//! Clusters that have the objects that a test says, and do with them what an API server does.
//!
//! An API server does much with one object (uids, versions, preconditions, selectors, pages, patches, budgets of evictions),
//! and that is done here, and held against a real one by tests/cluster.rs. What controllers and kubelets do is for the test to
//! say: that the pod of an evicted one is there again, and when. One thing is done for it: a pod that is deleted is gone a
//! second later, or at once where no grace is given to it.
//!
//! What a real server has and this has not: who may do what (a test says 403 where it is wanted), admission, schemas, and who
//! owns which field. Where an answer would hang on one of these, a test says it with `call`.

mod answer;
mod evict;
mod fields;
mod kinds;
mod patch;
mod request;
mod respond;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;
use stanch_contract::{Timestamp, text};
use stanch_runbook::given::{ClusterIs, Kubernetes, NoAnswer as NotGiven};
use stanch_sandbox::GivenTime;
use stanch_sandbox::http::NoAnswer;
use stanch_sandbox::kubernetes::{ClusterRequest, GivenClusters};

use self::answer::{Reply, bad_request, given, no_path};
use self::kinds::Kind;
use self::request::{Request, Verb};
use self::state::{Effect, State};
use crate::WorldError;
use crate::clock::Visitor;
use crate::missing::{Misses, Missing};
use crate::toml::quoted;

/// All clusters of a world.
pub(crate) struct Clusters {
    start: Timestamp,
    given: Vec<Kubernetes>,
    kinds: Vec<Kind>,
    misses: Arc<Misses>,
    states: Mutex<BTreeMap<String, State>>,
}

impl Clusters {
    pub(crate) fn new(
        given: &[Kubernetes],
        start: Timestamp,
        misses: Arc<Misses>,
    ) -> Result<Self, WorldError> {
        let objects = || {
            given.iter().flat_map(|one| match &one.what {
                ClusterIs::Objects { objects, .. } => objects.as_slice(),
                _ => &[],
            })
        };
        let kinds = kinds::of(objects());
        for object in objects() {
            if state::kind_of(&kinds, object).is_none() {
                let (kind, version) = (kinds::text(object, "/kind"), kinds::text(object, "/apiVersion"));
                return Err(WorldError::Unknown(format!(
                    "the test gives a `{kind}` of `{version}`, which is no kind that a recorded cluster has: give its \
                     CustomResourceDefinition among the objects"
                )));
            }
        }
        Ok(Self {
            start,
            given: given.to_vec(),
            kinds,
            misses,
            states: Mutex::default(),
        })
    }

    /// What the API server of a cluster answers now.
    pub(crate) fn answer(
        &self,
        who: &str,
        asked: ClusterRequest<'_>,
        now: Timestamp,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let of = self.of(asked.cluster);
        if of.is_empty() {
            self.miss(
                who,
                asked.cluster,
                format!(
                    "asked the cluster {}, and the test gives nothing of it",
                    quoted(asked.cluster)
                ),
                "objects = '''\n'''",
            );
            return Err(NoAnswer::Refused(
                "the test gives nothing of this cluster".to_owned(),
            ));
        }
        let mut states = self.states();
        let state = states
            .entry(asked.cluster.to_owned())
            .or_insert_with(|| State::new(of.len()));
        state.catch_up(&self.kinds, &of, self.start, now);
        let request = Request::read(&self.kinds, &asked);
        let shown = request
            .as_ref()
            .map_or_else(|| format!("read {}", asked.path), Request::shown);
        let real = request.as_ref().is_none_or(|request| !request.dry_run);
        match real.then(|| self.taken(state, &of, &shown, now)).flatten() {
            Some((Ok(status), message)) => return Ok(response(given(status, message))),
            Some((Err(NotGiven::Lost), _)) => {
                if let Some(request) = &request {
                    self.respond(who, asked.cluster, state, &of, request, now);
                }
                let why = "the connection was closed before an answer came".to_owned();
                return Err(NoAnswer::Lost(why));
            }
            Some((Err(_), _)) => return Err(NoAnswer::Refused("connection refused".to_owned())),
            None => {}
        }
        let reply = match &request {
            Some(request) => self.respond(who, asked.cluster, state, &of, request, now),
            None => {
                let path = asked.path.split('?').next().unwrap_or_default();
                let path: Vec<&str> = path.trim_matches('/').split('/').collect();
                kinds::discovery(&self.kinds, &path).map_or_else(no_path, |found| Reply::Json(200, found))
            }
        };
        Ok(response(reply))
    }

    /// What is given of a cluster.
    fn of(&self, cluster: &str) -> Vec<&Kubernetes> {
        let is_of = |one: &&Kubernetes| one.cluster.as_deref().is_none_or(|name| name == cluster);
        self.given.iter().filter(is_of).collect()
    }

    /// When all that follows from the calls until now has happened.
    pub(crate) fn settled(&self) -> Option<Timestamp> {
        let states = self.states();
        let latest = states
            .iter()
            .filter_map(|(name, state)| state.settled(&self.of(name), self.start));
        latest.max()
    }

    fn respond(
        &self,
        who: &str,
        cluster: &str,
        state: &mut State,
        of: &[&Kubernetes],
        request: &Request<'_>,
        now: Timestamp,
    ) -> Reply {
        if request.verb == Verb::Logs {
            return self.log(who, cluster, state, of, request, now);
        }
        let before = state.version();
        let reply = state.respond(request, now);
        if !request.dry_run && matches!(&reply, Reply::Json(code, _) if *code < 300) {
            state.note(Effect {
                at: now,
                call: request.shown(),
                changed: state.version() != before,
            });
        }
        reply
    }

    fn log(
        &self,
        who: &str,
        cluster: &str,
        state: &State,
        of: &[&Kubernetes],
        request: &Request<'_>,
        now: Timestamp,
    ) -> Reply {
        let key = request.key();
        let Some(pod) = state.get(&key) else {
            return answer::not_found(request.kind, &key.name);
        };
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        let names: Vec<&str> = containers
            .into_iter()
            .flatten()
            .map(|container| kinds::text(container, "/name"))
            .collect();
        let asked = request.query.get("container").map(String::as_str);
        let container = match (asked, names.as_slice()) {
            (Some(asked), _) if names.contains(&asked) || names.is_empty() => asked,
            (Some(asked), _) => {
                return bad_request(format!("container {asked} is not valid for pod {}", key.name));
            }
            (None, [only]) => *only,
            (None, []) => "",
            (None, several) => {
                return bad_request(format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    key.name,
                    several.join(" ")
                ));
            }
        };
        let is_previous = request.query.get("previous").is_some_and(|asked| asked == "true");
        let (target, mut found) = (key.to_string(), None);
        for one in of.iter().filter(|one| self.start.plus(one.at) <= now) {
            if let ClusterIs::Log {
                pod,
                container: logged,
                previous,
                text,
            } = &one.what
                && *pod == target
                && *previous == is_previous
                && logged.as_deref().is_none_or(|logged| logged == container)
            {
                found = Some(text);
            }
        }
        let Some(log) = found else {
            if is_previous {
                return bad_request(format!(
                    "previous terminated container {container:?} in pod {:?} not found",
                    key.name
                ));
            }
            let why = format!("asked for the log of `{target}`, and the test does not say it");
            self.miss(
                who,
                cluster,
                why,
                &format!("log = {}\ntext = \"\"", quoted(&target)),
            );
            return given(500, "the test does not say the log");
        };
        let most = request.query.get("tailLines").and_then(|most| most.parse().ok());
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        let skipped = lines.len().saturating_sub(most.unwrap_or(usize::MAX));
        Reply::Text(lines.into_iter().skip(skipped).collect())
    }

    /// The answer that a test gives to a call instead of what the server would say, and that it was used.
    fn taken<'g>(
        &self,
        state: &mut State,
        of: &[&'g Kubernetes],
        shown: &str,
        now: Timestamp,
    ) -> Option<(Result<u16, NotGiven>, &'g str)> {
        for (index, one) in of.iter().enumerate() {
            if let ClusterIs::Answer {
                call,
                times,
                answer,
                message,
            } = &one.what
                && self.start.plus(one.at) <= now
                && text::fits(call, shown)
                && state.take(index, *times)
            {
                return Some((*answer, message));
            }
        }
        None
    }

    fn miss(&self, who: &str, cluster: &str, what: String, write: &str) {
        let prefix = self.misses.prefix;
        self.misses.add(Missing {
            what: format!("{who} {what}"),
            write: format!("[[{prefix}kubernetes]]\ncluster = {}\n{write}", quoted(cluster)),
        });
    }

    /// How often each answer was used, by cluster.
    pub(crate) fn used(&self) -> BTreeMap<String, Vec<u32>> {
        let states = self.states();
        states
            .iter()
            .map(|(name, state)| (name.clone(), state.used()))
            .collect()
    }

    /// As if no answer had been used since.
    pub(crate) fn rewind(&self, used: &BTreeMap<String, Vec<u32>>) {
        for (name, state) in self.states().iter_mut() {
            state.rewind(used.get(name));
        }
    }

    /// The calls that changed something, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.states().values().flat_map(State::changes).collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn response(reply: Reply) -> Response<Bytes> {
    let (status, kind, body) = match reply {
        Reply::Json(status, body) => (status, "application/json", body.to_string()),
        Reply::Text(text) => (200, "text/plain", text),
    };
    let mut response = Response::new(Bytes::from(body));
    if let Ok(status) = StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The clusters, as one plugin call reaches them.
pub(crate) struct Reach {
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) visitor: Arc<Visitor>,
}

#[async_trait]
impl GivenClusters for Reach {
    async fn answer(&self, asked: ClusterRequest<'_>) -> Result<Response<Bytes>, NoAnswer> {
        self.clusters
            .answer(self.visitor.who(), asked, self.visitor.now())
    }
}
