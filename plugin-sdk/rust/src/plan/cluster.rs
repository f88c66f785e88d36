//! Actions on objects of a cluster.
//!
//! Each is built of the object that was looked at and expects that very one: a deletion or eviction by uid, because another
//! object of the same name is another thing; a patch by version, because it was made for what was read. A number of
//! replicas expects the uid: an object's version also changes with its status, and a plan that is another one each time a
//! pod becomes Ready could never be decided on.

use serde_json::{Value, json};
use stanch_contract::plan::Action as WireAction;

use super::{Action, Work, wire};
use crate::kubernetes::{Change, Kind, Named, Object, Patch, Selector};
use crate::{Failure, FailureContext, Plan};

/// A change of one object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClusterWork {
    pub(crate) object: Named,
    pub(crate) change: Change,
}

impl<Data> Plan<Data> {
    /// With the things like those acted on, for limits given as a share: the host counts them, and every target of the plan has
    /// to be one of them.
    pub fn population(mut self, kind: &Kind, namespace: &str, labels: &Selector) -> Self {
        self.population = Some(kind.population(Some(namespace), labels));
        self
    }
}

impl Action {
    fn on(object: &Object, change: Change) -> Self {
        let object = object.named();
        Self::new(Work::Cluster(ClusterWork { object, change }))
    }

    /// Evicts this pod, and no other of its name, as far as its PodDisruptionBudgets allow.
    pub fn evict(pod: &Object) -> Self {
        Self::on(pod, Change::Evict { grace_seconds: None }).expect_uid(pod)
    }

    /// Deletes this object, and no other of its name.
    pub fn delete_object(object: &Object) -> Self {
        Self::on(object, Change::Delete { grace_seconds: None }).expect_uid(object)
    }

    /// Sets the number of replicas of this object.
    pub fn scale(object: &Object, replicas: u32) -> Self {
        let action = Self::on(object, Change::Scale { replicas });
        match object.number("/spec/replicas") {
            Some(from) => action.expect(format!("uid:{},replicas:{from}", object.uid())),
            None => action.expect_uid(object),
        }
    }

    /// Patches this object, in the state that it was read in.
    pub fn patch_object(object: &Object, patch: Patch) -> Self {
        Self::on(object, Change::Patch(patch)).expect_version(object)
    }

    /// Creates an object; its name and namespace are in the body's `metadata`.
    pub fn create_object(kind: &Kind, body: Value) -> Result<Self, Failure> {
        let member = |name: &str| body.pointer("/metadata")?.get(name)?.as_str().map(str::to_owned);
        let object = Named {
            kind: kind.clone(),
            namespace: member("namespace"),
            name: member("name").context("an object to create needs a name of its own: `metadata.name`")?,
        };
        Ok(Self::new(Work::Cluster(ClusterWork {
            object,
            change: Change::Create(body),
        })))
    }

    /// A deletion or eviction that gives it so long to shut down; 0 does not wait for its node.
    pub fn grace_seconds(mut self, seconds: u32) -> Self {
        if let Work::Cluster(ClusterWork {
            change: Change::Evict { grace_seconds } | Change::Delete { grace_seconds },
            ..
        }) = &mut self.work
        {
            *grace_seconds = Some(seconds);
        }
        self
    }

    /// Only if it is still this one.
    pub fn expect_uid(self, object: &Object) -> Self {
        self.expect(format!("uid:{}", object.uid()))
    }

    /// Only if nothing of it has changed since.
    pub fn expect_version(self, object: &Object) -> Self {
        self.expect(format!("version:{}", object.version()))
    }

    /// The object, where the action is on one.
    pub fn object(&self) -> Option<&Named> {
        match &self.work {
            Work::Cluster(work) => Some(&work.object),
            _ => None,
        }
    }

    /// What is changed of the object, where the action is on one.
    pub fn change(&self) -> Option<&Change> {
        match &self.work {
            Work::Cluster(work) => Some(&work.change),
            _ => None,
        }
    }

    /// The uid that is expected.
    pub fn uid(&self) -> Option<&str> {
        self.expect.as_deref()?.strip_prefix("uid:")
    }
}

/// What the words of a plan do not have travels in `extra`: a call names the kind, a plan its plural.
pub(super) fn to_wire(work: &ClusterWork) -> WireAction {
    let mut action = wire(work.change.verb(), work.object.target());
    action.content = work.change.content();
    action.extra = json!({ "apiVersion": work.object.kind.api_version(), "kind": work.object.kind.name() });
    action
}

pub(super) fn from_wire(action: &WireAction) -> Result<ClusterWork, Failure> {
    let text = |name: &str| action.extra.get(name).and_then(Value::as_str);
    let resource = action.target.split('/').nth(2);
    let kind = match (text("apiVersion"), text("kind"), resource) {
        (Some(api_version), Some(kind), Some(resource)) => Kind::of(api_version, kind, resource),
        _ => {
            return Err(Failure::failed(format!(
                "The plan does not say of which kind `{}` is",
                action.target
            )));
        }
    };
    Ok(ClusterWork {
        object: Named::from_target(&action.target, kind)
            .context(format!("`{}` is not an object of that kind", action.target))?,
        change: Change::from_plan(&action.verb, action.content.as_deref())?,
    })
}
