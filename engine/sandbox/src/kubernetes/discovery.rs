//! Which kinds a cluster has: what a plugin calls `apps/v1` `Deployment` is `deployments` in a path and in a grant.
//!
//! Only what is asked for is read: one list for each version of a group, one list of groups. Lists are kept; where a kind is
//! not in one, the list is read again, but not more often than every few seconds, so that a kind that was added later is
//! found and a plugin that asks for nonsense costs the server little.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use stanch_contract::text::{clean_line_to, near};
use tokio::time::Instant;

use super::cluster::{Cluster, ReadError};
use super::request;
use super::target::{self, Place};

/// How soon a list is read again for a kind that is not in it.
const AGAIN: Duration = Duration::from_secs(5);
/// A list of kinds beyond this is not one.
const MOST: u64 = 4 << 20;

/// One kind of object, as a cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    /// Whether it has a number of replicas that can be set.
    pub(crate) scales: bool,
}

impl Kind {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Where its paths begin.
    pub(crate) fn root(&self) -> String {
        root(&self.group, &self.version)
    }

    /// Where objects of it are, in this namespace.
    pub(crate) fn place(&self, namespace: Option<&str>) -> Result<Place, String> {
        let namespace = namespace.map(target::namespace).transpose()?;
        match (self.namespaced, &namespace) {
            (true, None) => return Err(format!("a {} is in a namespace: name it", self.kind)),
            (false, Some(named)) => {
                return Err(format!(
                    "a {} is in no namespace, and `{named}` is named",
                    self.kind
                ));
            }
            _ => {}
        }
        Ok(Place {
            namespace,
            group: self.group.clone(),
            resource: self.plural.clone(),
        })
    }
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

/// Why there is no such kind.
#[derive(Debug)]
pub(crate) enum KindError {
    /// What was asked for is not one, in a sentence that says what is near.
    Unknown(String),
    /// The cluster could not be asked.
    Read(ReadError),
}

/// A list and when it was read.
type Read<T> = (Instant, Arc<Vec<T>>);

/// The lists that were read.
#[derive(Default)]
pub(crate) struct Kinds {
    lists: Mutex<BTreeMap<String, Read<Listed>>>,
    groups: Mutex<Option<Read<Group>>>,
}

/// A kind with the other words that people have for it.
#[derive(Debug, Clone)]
struct Listed {
    kind: Kind,
    singular: String,
    short: Vec<String>,
}

/// A group with its versions, the preferred first.
#[derive(Debug, Clone)]
struct Group {
    name: String,
    versions: Vec<String>,
}

impl Cluster {
    /// The kind that a call names.
    pub(crate) async fn kind(
        &self,
        api_version: &str,
        kind: &str,
        until: Instant,
    ) -> Result<Kind, KindError> {
        let (group, version) = split(api_version).map_err(KindError::Unknown)?;
        let found = |list: &[Listed]| {
            list.iter()
                .find(|one| one.kind.kind == kind)
                .map(|one| one.kind.clone())
        };
        let mut list = self.kinds_of(&group, &version, false, until).await?;
        if found(&list).is_none() {
            list = self.kinds_of(&group, &version, true, until).await?;
        }
        match found(&list) {
            Some(kind) => Ok(kind),
            None if list.is_empty() => Err(self.no_version(api_version, &group, until).await),
            None => Err(KindError::Unknown(no_kind(api_version, kind, &list))),
        }
    }

    /// The kind of a target, which names the plural: in this version, else in the one that the cluster prefers.
    pub(crate) async fn resource(
        &self,
        place: &Place,
        version: Option<&str>,
        until: Instant,
    ) -> Result<Kind, KindError> {
        let group = &place.group;
        let versions = match version {
            Some(version) => vec![version.to_owned()],
            None if group.is_empty() => vec!["v1".to_owned()],
            None => {
                let groups = self
                    .groups(|groups| groups.iter().any(|one| one.name == *group), until)
                    .await?;
                let of = groups.iter().find(|one| one.name == *group);
                of.map(|one| one.versions.clone()).unwrap_or_default()
            }
        };
        let mut near = Vec::new();
        for again in [false, true] {
            for version in &versions {
                let list = self.kinds_of(group, version, again, until).await?;
                if let Some(one) = list.iter().find(|one| one.kind.plural == place.resource) {
                    return Ok(one.kind.clone());
                }
                near.extend(list.iter().map(|one| one.kind.plural.clone()));
            }
        }
        let what = place.granted_as();
        let hint = stanch_contract::text::near(&place.resource, near.iter().map(String::as_str))
            .map(|meant| format!("; did you mean `{meant}`?"))
            .unwrap_or_default();
        Err(KindError::Unknown(format!(
            "the cluster `{}` has no resource `{what}`{hint}",
            self.name()
        )))
    }

    async fn kinds_of(
        &self,
        group: &str,
        version: &str,
        again: bool,
        until: Instant,
    ) -> Result<Arc<Vec<Listed>>, KindError> {
        let key = root(group, version);
        let known = self
            .kinds
            .lists
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some((at, list)) = known
            && (!again || at.elapsed() < AGAIN)
        {
            return Ok(list);
        }
        let list = match self
            .read_json::<ApiResourceList>(request::plain(&key), MOST, until)
            .await
        {
            Ok(list) => list.into_kinds(group, version),
            // A version that is not served has no kinds; that is kept too.
            Err(ReadError::Refused(refused)) if refused.code() == 404 => Vec::new(),
            Err(error) => return Err(KindError::Read(error)),
        };
        let list = Arc::new(list);
        let mut lists = self.kinds.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert(key, (Instant::now(), list.clone()));
        Ok(list)
    }

    async fn groups(
        &self,
        enough: impl Fn(&[Group]) -> bool,
        until: Instant,
    ) -> Result<Arc<Vec<Group>>, KindError> {
        let known = self
            .kinds
            .groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at, groups)) = known
            && (enough(&groups) || at.elapsed() < AGAIN)
        {
            return Ok(groups);
        }
        let read = self
            .read_json::<ApiGroupList>(request::plain("/apis"), MOST, until)
            .await;
        let groups = Arc::new(read.map_err(KindError::Read)?.into_groups());
        *self.kinds.groups.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), groups.clone()));
        Ok(groups)
    }

    /// The version of a group is not served: which are.
    async fn no_version(&self, api_version: &str, group: &str, until: Instant) -> KindError {
        let shown = clean_line_to(api_version, 80);
        let mut why = format!("the cluster `{}` does not serve `{shown}`", self.name());
        if group.is_empty() {
            why.push_str("; the core group is `v1`, and every other is written `GROUP/VERSION`");
            return KindError::Unknown(why);
        }
        match self
            .groups(|groups| groups.iter().any(|one| one.name == group), until)
            .await
        {
            Err(error) => return error,
            Ok(groups) => match groups.iter().find(|one| one.name == group) {
                Some(of) => {
                    let served: Vec<String> = of
                        .versions
                        .iter()
                        .map(|version| format!("`{group}/{version}`"))
                        .collect();
                    why.push_str(&format!("; it serves {}", served.join(", ")));
                }
                None => {
                    if let Some(meant) = near(group, groups.iter().map(|one| one.name.as_str())) {
                        why.push_str(&format!("; did you mean the group `{meant}`?"));
                    }
                }
            },
        }
        KindError::Unknown(why)
    }
}

fn split(api_version: &str) -> Result<(String, String), String> {
    let (group, version) = match api_version.split_once('/') {
        Some((group, version)) => (target::group(group)?, version),
        None => (String::new(), api_version),
    };
    let fits = !version.is_empty()
        && version.len() <= 63
        && version
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits {
        return Ok((group, version.to_owned()));
    }
    Err(format!(
        "`{}` is not an apiVersion: write `v1` or `apps/v1`",
        clean_line_to(api_version, 80)
    ))
}

/// What was meant: the plural, the short name, another case, or a word that is near.
fn no_kind(api_version: &str, kind: &str, list: &[Listed]) -> String {
    let wanted = kind.to_ascii_lowercase();
    let other_word = list.iter().find(|one| {
        one.kind.kind.to_ascii_lowercase() == wanted
            || one.kind.plural == wanted
            || one.singular == wanted
            || one.short.contains(&wanted)
    });
    let meant = other_word
        .map(|one| one.kind.kind.as_str())
        .or_else(|| near(kind, list.iter().map(|one| one.kind.kind.as_str())));
    let hint = meant
        .map(|meant| format!("; did you mean `{meant}`?"))
        .unwrap_or_default();
    format!(
        "`{}` has no kind `{}`{hint}",
        clean_line_to(api_version, 80),
        clean_line_to(kind, 80)
    )
}

#[derive(Deserialize)]
struct ApiResourceList {
    #[serde(default)]
    resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiResource {
    name: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default)]
    short_names: Vec<String>,
}

impl ApiResourceList {
    fn into_kinds(self, group: &str, version: &str) -> Vec<Listed> {
        let scaled: Vec<String> = self
            .resources
            .iter()
            .filter_map(|one| one.name.strip_suffix("/scale").map(str::to_owned))
            .collect();
        let whole = self.resources.into_iter().filter(|one| !one.name.contains('/'));
        whole
            .map(|one| Listed {
                kind: Kind {
                    group: group.to_owned(),
                    version: version.to_owned(),
                    kind: one.kind,
                    scales: scaled.contains(&one.name),
                    plural: one.name,
                    namespaced: one.namespaced,
                },
                singular: one.singular_name,
                short: one.short_names,
            })
            .collect()
    }
}

#[derive(Deserialize)]
struct ApiGroupList {
    #[serde(default)]
    groups: Vec<ApiGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiGroup {
    name: String,
    #[serde(default)]
    versions: Vec<ApiVersion>,
    preferred_version: Option<ApiVersion>,
}

#[derive(Deserialize)]
struct ApiVersion {
    version: String,
}

impl ApiGroupList {
    fn into_groups(self) -> Vec<Group> {
        let group = |one: ApiGroup| {
            let preferred = one.preferred_version.into_iter();
            let mut versions: Vec<String> = preferred
                .chain(one.versions)
                .map(|version| version.version)
                .collect();
            let mut seen = std::collections::BTreeSet::new();
            versions.retain(|version| seen.insert(version.clone()));
            Group {
                name: one.name,
                versions,
            }
        };
        self.groups.into_iter().map(group).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apps() -> Vec<Listed> {
        let list = json!({ "resources": [
            { "name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment", "shortNames": ["deploy"] },
            { "name": "deployments/scale", "singularName": "", "namespaced": true, "kind": "Scale", "group": "autoscaling", "version": "v1" },
            { "name": "deployments/status", "namespaced": true, "kind": "Deployment" },
            { "name": "controllerrevisions", "singularName": "controllerrevision", "namespaced": true, "kind": "ControllerRevision" },
        ] });
        serde_json::from_value::<ApiResourceList>(list)
            .unwrap()
            .into_kinds("apps", "v1")
    }

    #[test]
    fn a_list_gives_kinds_and_says_which_scale() {
        let list = apps();
        let told: Vec<_> = list
            .iter()
            .map(|one| (one.kind.kind.as_str(), one.kind.plural.as_str(), one.kind.scales))
            .collect();
        assert_eq!(
            told,
            [
                ("Deployment", "deployments", true),
                ("ControllerRevision", "controllerrevisions", false)
            ]
        );
        assert_eq!(
            (list[0].kind.api_version().as_str(), list[0].kind.root().as_str()),
            ("apps/v1", "/apis/apps/v1")
        );
    }

    #[test]
    fn a_wrong_kind_is_told_with_what_is_near() {
        for word in ["deployment", "deployments", "deploy", "DEPLOYMENT", "Deploymnet"] {
            let why = no_kind("apps/v1", word, &apps());
            assert!(why.ends_with("did you mean `Deployment`?"), "{why}");
        }
        assert_eq!(
            no_kind("apps/v1", "Tank", &apps()),
            "`apps/v1` has no kind `Tank`"
        );
    }

    #[test]
    fn an_api_version_is_read_in_one_way() {
        assert_eq!(split("v1").unwrap(), (String::new(), "v1".to_owned()));
        assert_eq!(
            split("apps/v1beta1").unwrap(),
            ("apps".to_owned(), "v1beta1".to_owned())
        );
        for text in [
            "",
            "apps/",
            "/v1",
            "apps/v1/x",
            "../v1",
            "v1?x",
            "Apps/v1",
            "apps/V1",
        ] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_kind_is_in_a_namespace_or_in_none_and_never_in_a_default_one() {
        let mut kind = apps()[0].kind.clone();
        assert!(kind.place(None).unwrap_err().contains("name it"));
        assert!(kind.place(Some("../kube-system")).is_err());
        assert_eq!(
            kind.place(Some("shop")).unwrap().to_string(),
            "kubernetes:shop/apps/deployments"
        );
        kind.namespaced = false;
        assert!(kind.place(Some("shop")).unwrap_err().contains("in no namespace"));
        assert_eq!(
            kind.place(None).unwrap().to_string(),
            "kubernetes:_/apps/deployments"
        );
    }

    #[test]
    fn the_version_that_a_group_prefers_comes_first() {
        let list = json!({ "groups": [{ "name": "autoscaling", "versions": [{ "version": "v1" }, { "version": "v2" }],
                                        "preferredVersion": { "version": "v2" } }] });
        let groups = serde_json::from_value::<ApiGroupList>(list)
            .unwrap()
            .into_groups();
        assert_eq!(groups[0].versions, ["v2", "v1"]);
    }
}
