//! What a grant says of one call: covered by which entries, or refused by which word of which line.

use std::collections::BTreeMap;

use stanch_contract::PluginKey;

use super::super::record::{Layer, Refusal};
use super::entry::{KubernetesGrant, Scope, Verb, is_named_only, list};
use crate::kubernetes::selector::Selector;
use crate::kubernetes::target::granted_as;

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) verb: Verb,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) scope: Scope<'a>,
    /// `None`: a list.
    pub(crate) name: Option<&'a str>,
}

/// The entries that cover a call; of each grant one has to cover the object's labels too.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    entries: Vec<&'a KubernetesGrant>,
    /// Of the grant that this one is narrowed by.
    then: Option<Box<Permit<'a>>>,
}

impl<'a> Permit<'a> {
    pub(in crate::gate) fn narrowed_by(mut self, then: Option<Permit<'a>>) -> Self {
        self.then = then.map(Box::new);
        self
    }

    /// Whether an object of this name with these labels is covered.
    pub(crate) fn covers(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let covers = |entry: &&KubernetesGrant| entry.covers_name(name) && entry.covers_labels(labels);
        self.entries.iter().any(covers) && self.then.as_ref().is_none_or(|then| then.covers(name, labels))
    }

    /// Whether the values of a Secret of this name with these labels are handed over, and not its keys alone.
    pub(crate) fn gives_values(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let gives = |entry: &&KubernetesGrant| {
            !entry.is_keys_only() && entry.covers_name(name) && entry.covers_labels(labels)
        };
        self.entries.iter().any(gives)
            && self
                .then
                .as_ref()
                .is_none_or(|then| then.gives_values(name, labels))
    }

    /// Whether labels decide: then the live object is looked at.
    pub(crate) fn needs_labels(&self) -> bool {
        self.entries.iter().all(|entry| entry.selector.is_some())
            || self.then.as_ref().is_some_and(|then| then.needs_labels())
    }

    /// What can be asked of the server besides: the selector of the only entry that covers a list. The host looks at each
    /// object all the same.
    pub(crate) fn selector(&self) -> Option<Selector> {
        let own = match self.entries.as_slice() {
            [only] if !only.has_names() => only.selector.clone(),
            _ => None,
        };
        let then = self.then.as_ref().and_then(|then| then.selector());
        match (own, then) {
            (Some(own), Some(then)) => Some(own.and(&then)),
            (own, then) => own.or(then),
        }
    }

    /// The refusal of an object whose labels are not covered.
    pub(crate) fn labels_refused(&self, plugin: &PluginKey, what: &str) -> Refusal {
        let selectors: Vec<String> = self
            .entries
            .iter()
            .filter_map(|entry| entry.selector.as_ref())
            .map(|selector| format!("`{selector}`"))
            .collect();
        let why = match selectors.is_empty() {
            true => format!("the labels of {what} do not fit the grant that the run started with"),
            false => format!(
                "the labels of {what} do not fit {}, which the grant of `{plugin}` asks for",
                selectors.join(" or ")
            ),
        };
        Refusal::new(Layer::Grant, why).hint(format!(
            "a `selector` in `[[plugins.{plugin}.grant.kubernetes]]` that they fit"
        ))
    }
}

/// The entries that cover a call, looked at in this order: cluster, verb, resource, namespace, name. The first that leaves
/// none is what is refused.
pub(in crate::gate) fn permit<'a>(
    plugin: &PluginKey,
    entries: &'a [KubernetesGrant],
    wanted: &Wanted<'_>,
) -> Result<Permit<'a>, Refusal> {
    let Wanted {
        cluster,
        verb,
        group,
        resource,
        scope,
        name,
    } = *wanted;
    let what = granted_as(group, resource);
    let table = format!("`[[plugins.{plugin}.grant.kubernetes]]`");
    let in_scope = match scope {
        Scope::Namespace(namespace) => format!(" in the namespace `{namespace}`"),
        Scope::Everywhere => " in all namespaces".to_owned(),
        Scope::Cluster => String::new(),
    };
    let refusal = |why: String| {
        Refusal::new(
            Layer::Grant,
            format!("`{plugin}` may not {verb} {what}{in_scope} of the cluster `{cluster}`: {why}"),
        )
    };
    let whole = {
        let namespaces = match scope {
            Scope::Namespace(namespace) => format!(", namespaces = [\"{namespace}\"]"),
            Scope::Everywhere => ", namespaces = [\"*\"]".to_owned(),
            Scope::Cluster => String::new(),
        };
        let keys = match name {
            Some(name) if verb == Verb::Patch && what == "secrets" => {
                format!(", names = [\"{name}\"], keys_only = true")
            }
            _ => String::new(),
        };
        format!(
            "{table} with clusters = [\"{cluster}\"], verbs = [\"{verb}\"], resources = [\"{what}\"]{namespaces}{keys}"
        )
    };
    let of_cluster = left(entries.iter(), |entry| {
        entry.clusters.iter().any(|name| name == cluster)
    });
    if of_cluster.is_empty() {
        return Err(refusal("no grant names the cluster".to_owned()).hint(whole));
    }
    let of_verb = left(of_cluster.into_iter(), |entry| entry.verbs.contains(&verb));
    if of_verb.is_empty() {
        return Err(refusal(format!("no grant names `{verb}` there")).hint(whole));
    }
    let of_resource = left(of_verb.into_iter(), |entry| {
        entry.covers_resource(group, resource)
    });
    if of_resource.is_empty() {
        let why = if is_named_only(group, resource) {
            format!("`{what}` is had by its own name only, never through `*`")
        } else {
            format!("no grant names `{what}` with `{verb}` there")
        };
        return Err(refusal(why).hint(whole));
    }
    let of_scope = left(of_resource.clone().into_iter(), |entry| entry.covers_scope(scope));
    if of_scope.is_empty() {
        let named: Vec<String> = of_resource.iter().map(|entry| list(&entry.namespaces)).collect();
        let (why, hint) = match scope {
            Scope::Namespace(namespace) => (
                format!("the grant is for namespaces = {}", named.join(" or ")),
                format!("`namespaces = [\"{namespace}\"]`"),
            ),
            Scope::Everywhere => (
                format!("the grant is for namespaces = {}: name one", named.join(" or ")),
                "`namespaces = [\"*\"]`".to_owned(),
            ),
            Scope::Cluster => (
                format!(
                    "it is in no namespace, and the grant is for namespaces = {}",
                    named.join(" or ")
                ),
                "an entry without `namespaces`".to_owned(),
            ),
        };
        let line = of_resource
            .first()
            .map(|entry| entry.line(plugin))
            .unwrap_or_default();
        return Err(refusal(why).hint(format!("{hint} in {line}")));
    }
    let Some(name) = name else {
        return Ok(Permit {
            entries: of_scope,
            then: None,
        });
    };
    let of_name = left(of_scope.clone().into_iter(), |entry| entry.covers_name(name));
    if of_name.is_empty() {
        let line = of_scope
            .first()
            .map(|entry| entry.line(plugin))
            .unwrap_or_default();
        return Err(refusal(format!("the grant's `names` do not have `{name}`"))
            .hint(format!("`names = [\"{name}\"]` in {line}")));
    }
    Ok(Permit {
        entries: of_name,
        then: None,
    })
}

fn left<'a>(
    entries: impl Iterator<Item = &'a KubernetesGrant>,
    covers: impl Fn(&KubernetesGrant) -> bool,
) -> Vec<&'a KubernetesGrant> {
    entries.filter(|entry| covers(entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::KubernetesGrantSpec;

    fn entry(
        clusters: &[&str],
        verbs: &[&str],
        resources: &[&str],
        namespaces: &[&str],
    ) -> KubernetesGrantSpec {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        KubernetesGrantSpec {
            clusters: owned(clusters),
            verbs: owned(verbs),
            resources: owned(resources),
            namespaces: owned(namespaces),
            ..KubernetesGrantSpec::default()
        }
    }

    fn checked(specs: &[KubernetesGrantSpec]) -> Vec<KubernetesGrant> {
        specs
            .iter()
            .map(|spec| KubernetesGrant::new(spec).unwrap())
            .collect()
    }

    fn evict_pod<'a>(namespace: &'a str, name: &'a str) -> Wanted<'a> {
        Wanted {
            cluster: "eu-b",
            verb: Verb::Evict,
            group: "",
            resource: "pods",
            scope: Scope::Namespace(namespace),
            name: Some(name),
        }
    }

    #[test]
    fn each_word_of_a_call_is_covered_or_is_what_is_refused() {
        let mut named = entry(
            &["eu-b"],
            &["get", "evict"],
            &["pods", "deployments.apps"],
            &["inference"],
        );
        named.names = vec!["worker-*".into()];
        let entries = checked(&[named]);
        let plugin = PluginKey::from("recycle");
        let good = evict_pod("inference", "worker-0");
        assert!(permit(&plugin, &entries, &good).is_ok());
        let table = [
            (
                Wanted {
                    cluster: "us-a",
                    ..good
                },
                "no grant names the cluster",
                "clusters = [\"us-a\"]",
            ),
            (
                Wanted {
                    verb: Verb::Delete,
                    ..good
                },
                "no grant names `delete`",
                "verbs = [\"delete\"]",
            ),
            (
                Wanted {
                    resource: "secrets",
                    ..good
                },
                "never through `*`",
                "resources = [\"secrets\"]",
            ),
            (
                Wanted {
                    resource: "configmaps",
                    ..good
                },
                "no grant names `configmaps`",
                "resources = [\"configmaps\"]",
            ),
            (
                Wanted {
                    group: "apps",
                    resource: "pods",
                    ..good
                },
                "no grant names `pods.apps`",
                "resources = [\"pods.apps\"]",
            ),
            (
                Wanted {
                    scope: Scope::Namespace("shop"),
                    ..good
                },
                "for namespaces = [\"inference\"]",
                "`namespaces = [\"shop\"]` in",
            ),
            (
                Wanted {
                    scope: Scope::Everywhere,
                    name: None,
                    ..good
                },
                "name one",
                "`namespaces = [\"*\"]` in",
            ),
            (
                Wanted {
                    scope: Scope::Cluster,
                    ..good
                },
                "in no namespace",
                "without `namespaces` in",
            ),
            (
                Wanted {
                    name: Some("web-0"),
                    ..good
                },
                "do not have `web-0`",
                "`names = [\"web-0\"]` in",
            ),
        ];
        for (wanted, why, hint) in table {
            let refusal = permit(&plugin, &entries, &wanted).unwrap_err();
            assert_eq!(refusal.layer, Layer::Grant);
            assert!(refusal.why.contains(why), "{wanted:?}: {refusal}");
            assert!(
                refusal.allow_hint.clone().unwrap().contains(hint),
                "{:?}",
                refusal.allow_hint
            );
        }
    }

    #[test]
    fn one_entry_has_to_cover_the_whole_call() {
        let entries = checked(&[
            entry(&["eu-b"], &["get", "evict"], &["pods"], &["inference"]),
            entry(&["eu-b"], &["get"], &["pods", "deployments.apps"], &["shop"]),
            entry(&["us-a"], &["evict"], &["pods"], &["shop"]),
        ]);
        let plugin = PluginKey::from("recycle");
        let good = evict_pod("inference", "x");
        assert!(permit(&plugin, &entries, &good).is_ok());
        for wanted in [
            Wanted {
                scope: Scope::Namespace("shop"),
                ..good
            },
            Wanted {
                cluster: "us-a",
                ..good
            },
            Wanted {
                verb: Verb::Get,
                group: "apps",
                resource: "deployments",
                ..good
            },
        ] {
            assert!(permit(&plugin, &entries, &wanted).is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn values_are_seen_where_an_entry_that_gives_them_covers_the_secret_in_both_grants() {
        let keys = KubernetesGrantSpec {
            names: vec!["keys".into()],
            keys_only: true,
            ..entry(&["eu-b"], &["get", "patch"], &["secrets"], &["inference"])
        };
        let values = KubernetesGrantSpec {
            names: vec!["db".into()],
            ..entry(&["eu-b"], &["get"], &["secrets"], &["inference"])
        };
        let (both, one) = (checked(&[keys.clone(), values]), checked(&[keys]));
        let plugin = PluginKey::from("revoke");
        let get = |name| Wanted {
            verb: Verb::Get,
            resource: "secrets",
            ..evict_pod("inference", name)
        };
        let labels = BTreeMap::new();
        let gives = |name| {
            permit(&plugin, &both, &get(name))
                .unwrap()
                .gives_values(name, &labels)
        };
        assert!(!gives("keys") && gives("db"));
        let whole = checked(&[entry(&["eu-b"], &["get"], &["secrets"], &["inference"])]);
        let then = permit(&plugin, &one, &get("keys")).unwrap();
        let narrowed = permit(&plugin, &whole, &get("keys")).unwrap();
        assert!(narrowed.gives_values("keys", &labels));
        assert!(!narrowed.narrowed_by(Some(then)).gives_values("keys", &labels));
        let patch = Wanted {
            verb: Verb::Patch,
            ..get("other")
        };
        let refusal = permit(&plugin, &[], &patch).unwrap_err();
        let hint = refusal.allow_hint.unwrap();
        assert!(hint.ends_with("names = [\"other\"], keys_only = true"), "{hint}");
    }

    #[test]
    fn labels_decide_where_every_entry_has_a_selector() {
        let with = |selector: Option<&str>| KubernetesGrantSpec {
            selector: selector.map(str::to_owned),
            ..entry(&["eu-b"], &["evict"], &["pods"], &["inference"])
        };
        let plugin = PluginKey::from("recycle");
        let wanted = evict_pod("inference", "x");
        let (web, gpu) = (
            BTreeMap::from([("app".to_owned(), "web".to_owned())]),
            BTreeMap::from([("app".to_owned(), "gpu".to_owned())]),
        );
        let one = checked(&[with(Some("app=web"))]);
        let permit_one = permit(&plugin, &one, &wanted).unwrap();
        assert!(permit_one.needs_labels() && permit_one.covers("x", &web) && !permit_one.covers("x", &gpu));
        assert_eq!(permit_one.selector().unwrap().to_string(), "app=web");
        assert!(permit_one.labels_refused(&plugin, "it").why.contains("`app=web`"));

        let two = checked(&[with(Some("app=web")), with(Some("app=gpu"))]);
        let permit_two = permit(&plugin, &two, &wanted).unwrap();
        assert!(
            permit_two.needs_labels()
                && permit_two.covers("x", &gpu)
                && !permit_two.covers("x", &BTreeMap::new())
        );
        assert!(
            permit_two.selector().is_none(),
            "the server cannot be asked for the one or the other"
        );

        let open = checked(&[with(Some("app=web")), with(None)]);
        let permit_open = permit(&plugin, &open, &wanted).unwrap();
        assert!(!permit_open.needs_labels() && permit_open.covers("x", &gpu));

        let narrowed = permit(&plugin, &open, &wanted)
            .unwrap()
            .narrowed_by(Some(permit(&plugin, &one, &wanted).unwrap()));
        assert!(narrowed.needs_labels() && narrowed.covers("x", &web) && !narrowed.covers("x", &gpu));
        assert_eq!(narrowed.selector().unwrap().to_string(), "app=web");
    }
}
