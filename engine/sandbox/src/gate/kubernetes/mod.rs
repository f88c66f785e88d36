//! Clusters at the gate: what a grant covers ([`entry`], [`permit`]), the reads ([`look`]) and changes ([`change`]) of a
//! plugin call, and the check of a plan's actions ([`plan`]; [`named`] where there is no cluster) and of its population
//! ([`population`]).
//!
//! A plugin never holds a credential and never names a path: it names kinds and objects, and the host makes requests of
//! them. Labels are looked at on the live object, by the host, at plan time and again just before a change is sent.

mod change;
pub(in crate::gate) mod entry;
mod look;
pub(in crate::gate) mod named;
pub(in crate::gate) mod needs;
pub(in crate::gate) mod permit;
pub(in crate::gate) mod plan;
mod population;

use std::sync::Arc;

use stanch_contract::plan::Capability;
use stanch_contract::{Failure, FailureCode};
use tokio::time::Instant;

use self::entry::{Scope, Verb};
use self::permit::{Permit, Wanted};
use super::session::{Session, Ticket};
use super::{Layer, Phase, Refusal};
use crate::kubernetes::Object;
use crate::kubernetes::cluster::Cluster;
use crate::kubernetes::discovery::{Kind, KindError};
use crate::kubernetes::target::{ObjectTarget, Place, object_name};

/// Where a place is, of a kind.
fn scope<'a>(kind: &Kind, place: &'a Place) -> Scope<'a> {
    match &place.namespace {
        Some(namespace) => Scope::Namespace(namespace),
        None if kind.namespaced => Scope::Everywhere,
        None => Scope::Cluster,
    }
}

/// What a call wants of a grant.
fn wanted<'a>(
    cluster: &'a Cluster,
    verb: Verb,
    kind: &Kind,
    place: &'a Place,
    name: Option<&'a str>,
) -> Wanted<'a> {
    Wanted {
        cluster: cluster.name(),
        verb,
        group: &place.group,
        resource: &place.resource,
        scope: scope(kind, place),
        name,
    }
}

/// An object that a call names, found to be one that may be asked for.
struct Located {
    cluster: Arc<Cluster>,
    kind: Kind,
    api_version: String,
    target: ObjectTarget,
    /// For messages: `get kubernetes:shop/_/pods/web-0`.
    what: String,
}

impl Session {
    /// The cluster that the step is bound to, where the grant has anything for it.
    fn cluster(&self, verb: Verb) -> Result<Arc<Cluster>, Denied> {
        let parts = &self.inner.parts;
        let plugin = parts.grant.plugin();
        if matches!(parts.phase, Phase::Notify) {
            return Err(Denied::Refused(Refusal::new(
                Layer::Phase,
                "a notification has no cluster",
            )));
        }
        let Some(on) = &parts.on else {
            let why =
                format!("`{plugin}` asked for {verb} of kubernetes, and the step is bound to no cluster");
            return Err(Denied::Refused(
                Refusal::new(Layer::Grant, why).hint("`on = \"CLUSTER\"` in the step"),
            ));
        };
        // Before a word of the plugin's is asked of anybody.
        if !parts.grant.knows_cluster(on) {
            let why = format!("no grant of `{plugin}` names the cluster `{on}`");
            return Err(Denied::Refused(Refusal::new(Layer::Grant, why).hint(format!(
                "`[[plugins.{plugin}.grant.kubernetes]]` with clusters = [\"{on}\"], verbs = [\"{verb}\"]"
            ))));
        }
        parts
            .facilities
            .clusters
            .get(on)
            .map_err(|why| Denied::Failed(Failure::new(FailureCode::Unavailable, why)))
    }

    /// The layers before the plan: the request's own words, the kind, the grant.
    async fn locate(&self, ticket: Ticket, verb: Verb, object: &Object) -> Result<Located, Failure> {
        let located = self.try_locate(verb, object).await;
        let located = located.map_err(|denied| self.denied(ticket, denied))?;
        self.note(ticket, |call| call.target = located.target.to_string());
        self.permit(&located, verb)
            .map(drop)
            .map_err(|refusal| self.refuse(ticket, refusal))?;
        Ok(located)
    }

    async fn try_locate(&self, verb: Verb, object: &Object) -> Result<Located, Denied> {
        let unfit = |why: String| Denied::Refused(Refusal::new(Layer::Request, why));
        let cluster = self.cluster(verb)?;
        let name = object_name(&object.name).map_err(unfit)?;
        let kind = self.kind(&cluster, &object.api_version, &object.kind).await?;
        if verb.is_of_pods() && (kind.group.as_str(), kind.plural.as_str()) != ("", "pods") {
            return Err(unfit(format!("`{verb}` is of pods, and a {} is none", kind.kind)));
        }
        let place = kind.place(object.namespace.as_deref()).map_err(unfit)?;
        let target = ObjectTarget { place, name };
        let what = format!("{verb} {target}");
        let api_version = kind.api_version();
        Ok(Located {
            cluster,
            kind,
            api_version,
            target,
            what,
        })
    }

    async fn kind(&self, cluster: &Cluster, api_version: &str, kind: &str) -> Result<Kind, Denied> {
        let found = cluster.kind(api_version, kind, self.until()).await;
        found.map_err(|error| match error {
            KindError::Unknown(why) => Denied::Failed(Failure::new(FailureCode::NotFound, why)),
            KindError::Read(error) => Denied::Failed(error.failure("the kinds of it", cluster)),
        })
    }

    fn permit(&self, located: &Located, verb: Verb) -> Result<Permit<'_>, Refusal> {
        let Located {
            cluster,
            kind,
            target,
            ..
        } = located;
        let wanted = wanted(cluster, verb, kind, &target.place, Some(&target.name));
        self.inner.parts.grant.kubernetes(&wanted)
    }

    fn denied(&self, ticket: Ticket, denied: Denied) -> Failure {
        match denied {
            Denied::Refused(refusal) => self.refuse(ticket, refusal),
            Denied::Failed(failure) => self.fail(ticket, failure),
        }
    }

    fn begin_on(&self, verb: Verb, object: &Object) -> Result<Ticket, Failure> {
        let group = object.api_version.split_once('/').map_or("_", |(group, _)| group);
        let namespace = object.namespace.as_deref().unwrap_or("_");
        let target = format!("kubernetes:{namespace}/{group}/{}/{}", object.kind, object.name);
        self.begin(Capability::Kubernetes, verb.as_str(), &target)
    }

    fn until(&self) -> Instant {
        self.inner.parts.time.until(None).instant
    }
}

/// Why a call goes no further: the gate's refusal, or something that is not the gate's.
enum Denied {
    Refused(Refusal),
    Failed(Failure),
}
