//! Kinds of objects, and what calls and plans name one by.

use std::borrow::Cow;
use std::fmt;

use super::Query;

/// A kind of object: what a call names it by, and its plural, which plans and grants name it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    api_version: Cow<'static, str>,
    kind: Cow<'static, str>,
    resource: Cow<'static, str>,
}

macro_rules! kinds {
    ($($name:ident = $api_version:literal, $kind:literal, $resource:literal;)*) => {
        $(
            #[doc = concat!("`", $resource, "` of `", $api_version, "`.")]
            pub const $name: Kind = Kind::new($api_version, $kind, $resource);
        )*

        /// The kinds that the kit has a name for.
        pub const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    POD = "v1", "Pod", "pods";
    NODE = "v1", "Node", "nodes";
    EVENT = "v1", "Event", "events";
    CONFIG_MAP = "v1", "ConfigMap", "configmaps";
    SECRET = "v1", "Secret", "secrets";
    REPLICATION_CONTROLLER = "v1", "ReplicationController", "replicationcontrollers";
    DEPLOYMENT = "apps/v1", "Deployment", "deployments";
    REPLICA_SET = "apps/v1", "ReplicaSet", "replicasets";
    STATEFUL_SET = "apps/v1", "StatefulSet", "statefulsets";
    DAEMON_SET = "apps/v1", "DaemonSet", "daemonsets";
    JOB = "batch/v1", "Job", "jobs";
    CRON_JOB = "batch/v1", "CronJob", "cronjobs";
    HORIZONTAL_POD_AUTOSCALER = "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers";
    POD_DISRUPTION_BUDGET = "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets";
}

impl Kind {
    /// A kind by its API version (`apps/v1`), its name (`Deployment`) and its plural (`deployments`).
    pub const fn new(api_version: &'static str, kind: &'static str, resource: &'static str) -> Self {
        Self {
            api_version: Cow::Borrowed(api_version),
            kind: Cow::Borrowed(kind),
            resource: Cow::Borrowed(resource),
        }
    }

    /// The same of what is only known at run time.
    pub fn of(api_version: impl Into<String>, kind: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            api_version: Cow::Owned(api_version.into()),
            kind: Cow::Owned(kind.into()),
            resource: Cow::Owned(resource.into()),
        }
    }

    /// The kind that the kit has a name for.
    pub fn known(api_version: &str, kind: &str) -> Option<Self> {
        KINDS
            .iter()
            .find(|known| known.api_version == api_version && known.kind == kind)
            .cloned()
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// `Pod`, `Deployment`.
    pub fn name(&self) -> &str {
        &self.kind
    }

    /// `pods`, `deployments`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// `apps`; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// As a grant names it: `pods`, `deployments.apps`.
    pub fn grant_name(&self) -> String {
        match self.group() {
            "" => self.resource.clone().into_owned(),
            group => format!("{}.{group}", self.resource),
        }
    }

    /// One object, by name.
    pub fn named(&self, namespace: impl Into<String>, name: impl Into<String>) -> Named {
        Named {
            kind: self.clone(),
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// One object of a kind that is in no namespace, by name.
    pub fn named_anywhere(&self, name: impl Into<String>) -> Named {
        Named {
            kind: self.clone(),
            namespace: None,
            name: name.into(),
        }
    }

    /// Those of one namespace.
    pub fn within(&self, namespace: impl Into<String>) -> Query {
        Query {
            kind: self.clone(),
            namespace: Some(namespace.into()),
            labels: None,
            fields: None,
            page: None,
        }
    }

    /// Those of all namespaces, or of a kind that is in none.
    pub fn everywhere(&self) -> Query {
        Query {
            kind: self.clone(),
            namespace: None,
            labels: None,
            fields: None,
            page: None,
        }
    }

    fn collection(&self, namespace: Option<&str>) -> String {
        let group = match self.group() {
            "" => "_",
            group => group,
        };
        format!(
            "kubernetes:{}/{group}/{}",
            namespace.unwrap_or("_"),
            self.resource
        )
    }

    /// How a plan names the things like those acted on: `kubernetes:NAMESPACE/GROUP/RESOURCE?LABEL-SELECTOR`.
    pub(crate) fn population(&self, namespace: Option<&str>, labels: &super::Selector) -> String {
        format!("{}?{labels}", self.collection(namespace))
    }
}

/// What one object is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    /// What it is.
    pub kind: Kind,
    /// Where; none where the kind is in no namespace.
    pub namespace: Option<String>,
    /// Its name there.
    pub name: String,
}

impl Named {
    /// How a plan names it: `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME`, with `_` where there is none.
    pub fn target(&self) -> String {
        format!(
            "{}/{}",
            self.kind.collection(self.namespace.as_deref()),
            self.name
        )
    }

    /// From a plan's words and the kind that they are about.
    pub(crate) fn from_target(target: &str, kind: Kind) -> Option<Self> {
        let mut parts = target.strip_prefix("kubernetes:")?.splitn(4, '/');
        let namespace = parts.next()?;
        let name = parts.nth(2)?;
        let named = Self {
            kind,
            namespace: (namespace != "_").then(|| namespace.to_owned()),
            name: name.to_owned(),
        };
        // One that it would not be called itself is another one.
        (named.target() == target).then_some(named)
    }
}

impl fmt::Display for Named {
    /// For people: `pods inference/worker-0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} `{namespace}/{}`", self.kind.kind, self.name),
            None => write!(f, "{} `{}`", self.kind.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_name_in_plans_whatever_its_group_and_namespace() {
        let table = [
            (
                POD.named("inference", "worker-0"),
                "kubernetes:inference/_/pods/worker-0",
            ),
            (
                DEPLOYMENT.named("web", "front"),
                "kubernetes:web/apps/deployments/front",
            ),
            (NODE.named_anywhere("node-1"), "kubernetes:_/_/nodes/node-1"),
        ];
        for (named, target) in table {
            assert_eq!(named.target(), target);
            assert_eq!(Named::from_target(target, named.kind.clone()), Some(named));
        }
    }

    #[test]
    fn a_target_of_another_kind_is_not_taken_for_this_one() {
        for target in [
            "kubernetes:web/apps/deployments/front",
            "kubernetes:web/_/pods",
            "file:x",
            "",
        ] {
            assert_eq!(Named::from_target(target, POD), None, "{target}");
        }
    }

    #[test]
    fn a_grant_and_a_person_call_it_as_they_are_used_to() {
        assert_eq!(POD.grant_name(), "pods");
        assert_eq!(DEPLOYMENT.grant_name(), "deployments.apps");
        assert_eq!(
            DEPLOYMENT.named("web", "front").to_string(),
            "Deployment `web/front`"
        );
        assert_eq!(Kind::known("apps/v1", "StatefulSet"), Some(STATEFUL_SET));
        assert_eq!(Kind::known("apps/v1", "Pod"), None);
    }
}
