//! What a cluster's own authorization (RBAC) has to allow for grants to be of use, and nothing more.
//!
//! The engine asks as one user for all its plugins, so this is the outer bound and the grants are the inner one. Where RBAC
//! cannot say a thing as narrowly as a grant does (it has no patterns, no labels and no names in lists), the need is wider
//! and a note says so: the gate keeps to the grant all the same.

use std::collections::BTreeSet;

use stanch_contract::text;

use super::entry::{KubernetesGrant, Verb};
use crate::kubernetes::Right;

/// All that some grants need in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What has to be allowed.
    pub rights: BTreeSet<Right>,
    /// Where that is wider than the grants are, in a sentence each.
    pub wider: BTreeSet<String>,
}

impl Needs {
    /// Adds what others need.
    pub fn extend(&mut self, other: Self) {
        self.rights.extend(other.rights);
        self.wider.extend(other.wider);
    }

    /// What the engine itself asks of a cluster that anything is granted in: the uid of `kube-system`, by which it knows the
    /// cluster whatever stanch.toml calls it. Without it the server's URL stands in.
    pub fn identity() -> Right {
        Right {
            namespace: None,
            group: String::new(),
            resource: "namespaces".to_owned(),
            verb: "get",
            name: Some("kube-system".to_owned()),
        }
    }

    pub(in crate::gate) fn of(entries: &[KubernetesGrant], cluster: &str) -> Self {
        let mut all = Self::default();
        for entry in entries {
            if entry.clusters.iter().any(|name| name == cluster) {
                all.add(entry);
            }
        }
        if !all.rights.is_empty() {
            all.rights.insert(Self::identity());
        }
        all
    }

    fn add(&mut self, entry: &KubernetesGrant) {
        if entry.is_keys_only() {
            self.wider.insert(
                "keys_only: RBAC knows no keys of a Secret, so it is its values too; the engine hands none over and writes none"
                    .to_owned(),
            );
        }
        let namespaces = self.namespaces(entry);
        for pattern in &entry.resources {
            let (group, plural) = self.resource(pattern);
            for verb in &entry.verbs {
                let (group, plural) = match verb.is_of_pods() {
                    true if text::fits(pattern, "pods") => ("", "pods"),
                    true => continue,
                    false => (group.as_str(), plural.as_str()),
                };
                for (sub, rbac) in asked(*verb, entry.selector.is_some()) {
                    let resource = match sub {
                        None => plural.to_owned(),
                        Some(sub) => format!("{plural}/{sub}"),
                    };
                    let names = self.names(entry, rbac, sub);
                    for namespace in &namespaces {
                        self.rights.extend(names.iter().map(|name| Right {
                            namespace: namespace.clone(),
                            group: group.to_owned(),
                            resource: resource.clone(),
                            verb: rbac,
                            name: name.clone(),
                        }));
                    }
                }
            }
        }
    }

    fn namespaces(&mut self, entry: &KubernetesGrant) -> Vec<Option<String>> {
        let mut namespaces = BTreeSet::new();
        for namespace in &entry.namespaces {
            if namespace.contains('*') {
                if namespace != "*" {
                    self.wider.insert(format!(
                        "namespaces `{namespace}`: RBAC has no patterns, so it is all namespaces"
                    ));
                }
                namespaces.insert(None);
            } else {
                namespaces.insert(Some(namespace.clone()));
            }
        }
        if namespaces.is_empty() || namespaces.contains(&None) {
            return vec![None];
        }
        namespaces.into_iter().collect()
    }

    fn resource(&mut self, pattern: &str) -> (String, String) {
        let (plural, group) = pattern.split_once('.').unwrap_or((pattern, ""));
        if !pattern.contains('*') {
            return (group.to_owned(), plural.to_owned());
        }
        // A star stands for any part, the dot among it: only where it is the whole plural is the group known.
        let of_group = plural == "*" && !group.is_empty() && !group.contains('*');
        let (group, all) = if of_group {
            (group.to_owned(), format!("all of `{group}`"))
        } else {
            ("*".to_owned(), "everything, Secrets among it".to_owned())
        };
        self.wider.insert(format!(
            "resources `{pattern}`: RBAC cannot leave anything out, so it is {all}; better name what is needed"
        ));
        (group, "*".to_owned())
    }

    fn names(&mut self, entry: &KubernetesGrant, rbac: &str, sub: Option<&str>) -> Vec<Option<String>> {
        let names = entry.names();
        if names.is_empty() {
            return vec![None];
        }
        // The name of a list or of what is created is not in the request's path.
        if rbac == "list" || (rbac == "create" && sub.is_none()) {
            self.wider
                .insert(format!("names: RBAC has none for `{rbac}`, so it is any name"));
            return vec![None];
        }
        if let Some(pattern) = names.iter().find(|name| name.contains('*')) {
            self.wider.insert(format!(
                "names `{pattern}`: RBAC has no patterns, so it is any name"
            ));
            return vec![None];
        }
        names.iter().cloned().map(Some).collect()
    }
}

/// What a verb of a grant asks of a cluster: a subresource and RBAC's verb. Before a change the engine looks at its object.
fn asked(verb: Verb, by_label: bool) -> Vec<(Option<&'static str>, &'static str)> {
    const LOOK: (Option<&str>, &str) = (None, "get");
    match verb {
        Verb::Get => vec![LOOK],
        Verb::List => vec![(None, "list")],
        Verb::Logs if by_label => vec![(Some("log"), "get"), LOOK],
        Verb::Logs => vec![(Some("log"), "get")],
        Verb::Delete => vec![(None, "delete"), LOOK],
        Verb::Evict => vec![(Some("eviction"), "create"), LOOK],
        Verb::Patch => vec![(None, "patch"), LOOK],
        Verb::Create => vec![(None, "create"), LOOK],
        Verb::Scale => vec![(Some("scale"), "patch"), LOOK],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::KubernetesGrantSpec;

    fn entry(verbs: &[&str], resources: &[&str], namespaces: &[&str], names: &[&str]) -> KubernetesGrant {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        KubernetesGrant::new(&KubernetesGrantSpec {
            clusters: vec!["eu-b".to_owned()],
            verbs: owned(verbs),
            resources: owned(resources),
            namespaces: owned(namespaces),
            names: owned(names),
            selector: None,
            keys_only: false,
        })
        .unwrap()
    }

    /// `VERB GROUP/RESOURCE/NAME in NAMESPACE`, without the engine's own.
    fn told(needs: &Needs) -> Vec<String> {
        let one = |need: &Right| {
            let namespace = need.namespace.as_deref().unwrap_or("all");
            let name = need.name.as_deref().unwrap_or("any");
            format!(
                "{} {}:{} {name} in {namespace}",
                need.verb, need.group, need.resource
            )
        };
        let needs = needs.rights.iter().filter(|need| **need != Needs::identity());
        needs.map(one).collect()
    }

    #[test]
    fn every_verb_asks_for_what_it_sends_and_for_a_look_at_what_it_changes() {
        let table: [(&str, &str, &[&str]); 8] = [
            ("get", "pods", &["get :pods any in a"]),
            ("list", "pods", &["list :pods any in a"]),
            ("logs", "pods", &["get :pods/log any in a"]),
            ("delete", "pods", &["delete :pods any in a", "get :pods any in a"]),
            (
                "evict",
                "pods",
                &["get :pods any in a", "create :pods/eviction any in a"],
            ),
            (
                "patch",
                "deployments.apps",
                &["get apps:deployments any in a", "patch apps:deployments any in a"],
            ),
            (
                "create",
                "configmaps",
                &["create :configmaps any in a", "get :configmaps any in a"],
            ),
            (
                "scale",
                "deployments.apps",
                &[
                    "get apps:deployments any in a",
                    "patch apps:deployments/scale any in a",
                ],
            ),
        ];
        for (verb, resource, expected) in table {
            let needs = Needs::of(&[entry(&[verb], &[resource], &["a"], &[])], "eu-b");
            assert_eq!(told(&needs), expected, "{verb}");
            assert!(
                needs.wider.is_empty() && needs.rights.contains(&Needs::identity()),
                "{verb}"
            );
            assert_eq!(
                Needs::of(&[entry(&[verb], &[resource], &["a"], &[])], "us-a"),
                Needs::default(),
                "nothing is needed in another cluster"
            );
        }
    }

    #[test]
    fn names_narrow_what_has_one_in_its_path() {
        let needs = Needs::of(
            &[entry(&["get", "list", "evict"], &["pods"], &["a", "b"], &["w"])],
            "eu-b",
        );
        assert_eq!(
            told(&needs),
            [
                "get :pods w in a",
                "list :pods any in a",
                "create :pods/eviction w in a",
                "get :pods w in b",
                "list :pods any in b",
                "create :pods/eviction w in b",
            ]
        );
        assert_eq!(needs.wider.len(), 1, "{:?}", needs.wider);
    }

    #[test]
    fn what_rbac_cannot_say_is_wider_and_told() {
        let needs = Needs::of(&[entry(&["get"], &["pods"], &["team-*"], &["w-*"])], "eu-b");
        assert_eq!(told(&needs), ["get :pods any in all"]);
        let wider: Vec<&String> = needs.wider.iter().collect();
        assert!(
            matches!(wider[..], [names, namespaces] if names.starts_with("names `w-*`") && namespaces.starts_with("namespaces `team-*`")),
            "{wider:?}"
        );
        let needs = Needs::of(&[entry(&["get", "logs"], &["*"], &["a"], &[])], "eu-b");
        assert_eq!(told(&needs), ["get :pods/log any in a", "get *:* any in a"]);
        assert!(needs.wider.first().unwrap().contains("Secrets among it"));
        let needs = Needs::of(&[entry(&["list"], &["*.apps"], &["*"], &[])], "eu-b");
        assert_eq!(told(&needs), ["list apps:* any in all"]);
    }

    #[test]
    fn what_is_in_no_namespace_is_asked_for_in_none() {
        let needs = Needs::of(&[entry(&["get"], &["nodes"], &[], &["node-1"])], "eu-b");
        assert_eq!(told(&needs), ["get :nodes node-1 in all"]);
    }
}
