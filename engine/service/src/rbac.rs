//! The Kubernetes objects that let the engine do in a cluster what grants say, and nothing more.
//!
//! The engine asks as one user for all its plugins; so the rules of all grants are bound to that one. What is granted in a
//! namespace becomes a Role there, what is granted in all or in none a ClusterRole. What RBAC cannot say as narrowly as the
//! grants do is told in comments; the gate keeps to the grants all the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stanch_sandbox::gate::Needs;
use stanch_sandbox::kubernetes::Right;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Who the engine is in a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// Who it logs in as.
    pub logs_in: &'a str,
    /// Who it acts as, where that is another.
    pub acts_as: Option<&'a str>,
}

/// The roles and bindings, called `name`, for these needs.
pub fn manifests(name: &str, needs: &Needs, who: Who<'_>) -> Vec<Value> {
    let mut by_namespace: BTreeMap<Option<&str>, Vec<&Right>> = BTreeMap::new();
    for right in &needs.rights {
        by_namespace
            .entry(right.namespace.as_deref())
            .or_default()
            .push(right);
    }
    let mut objects = Vec::new();
    for (namespace, rights) in by_namespace {
        bind(
            &mut objects,
            name,
            namespace,
            rules(&rights),
            who.acts_as.unwrap_or(who.logs_in),
        );
    }
    if let Some(user) = who.acts_as.filter(|_| !objects.is_empty()) {
        let (namespace, resource, user) = match service_account(user) {
            Some((namespace, account)) => (Some(namespace), "serviceaccounts", account),
            None => (None, "users", user),
        };
        let rule = json!({
            "apiGroups": [""], "resources": [resource], "verbs": ["impersonate"], "resourceNames": [user],
        });
        bind(
            &mut objects,
            &format!("{name}-impersonates"),
            namespace,
            vec![rule],
            who.logs_in,
        );
    }
    objects
}

/// A role with these rules, and its binding to a user.
fn bind(objects: &mut Vec<Value>, name: &str, namespace: Option<&str>, rules: Vec<Value>, user: &str) {
    let (role, binding) = match namespace {
        Some(_) => ("Role", "RoleBinding"),
        None => ("ClusterRole", "ClusterRoleBinding"),
    };
    let mut metadata = json!({ "name": name });
    if let (Some(namespace), Some(members)) = (namespace, metadata.as_object_mut()) {
        members.insert("namespace".to_owned(), namespace.into());
    }
    let subject = match service_account(user) {
        Some((namespace, account)) => {
            json!({ "kind": "ServiceAccount", "name": account, "namespace": namespace })
        }
        None => json!({ "kind": "User", "name": user, "apiGroup": RBAC }),
    };
    let version = format!("{RBAC}/v1");
    objects.push(json!({ "apiVersion": version, "kind": role, "metadata": metadata, "rules": rules }));
    objects.push(json!({
        "apiVersion": version, "kind": binding, "metadata": metadata,
        "roleRef": { "apiGroup": RBAC, "kind": role, "name": name }, "subjects": [subject],
    }));
}

/// The namespace and name of `system:serviceaccount:NAMESPACE:NAME`.
fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// A group, a resource of it, and verbs.
type Allowed<'a> = (&'a str, &'a str, Vec<&'a str>);
/// A group, verbs, and names.
type Alike<'a> = (&'a str, Vec<&'a str>, Vec<&'a str>);

/// As few rules as say it: verbs that go together, then names, then resources.
fn rules(rights: &[&Right]) -> Vec<Value> {
    let mut verbs: BTreeMap<(&str, &str, Option<&str>), BTreeSet<&str>> = BTreeMap::new();
    for right in rights {
        let key = (
            right.group.as_str(),
            right.resource.as_str(),
            right.name.as_deref(),
        );
        verbs.entry(key).or_default().insert(right.verb);
    }
    let any_name: BTreeMap<(&str, &str), BTreeSet<&str>> = verbs
        .iter()
        .filter(|((_, _, name), _)| name.is_none())
        .map(|((group, resource, _), verbs)| ((*group, *resource), verbs.clone()))
        .collect();
    // Of any name and of some are two rules: without names a rule is of any.
    let mut names: BTreeMap<(Allowed<'_>, bool), Vec<&str>> = BTreeMap::new();
    for ((group, resource, name), mut verbs) in verbs {
        // What may be done to any of them may be done to this one.
        if let (Some(_), Some(any)) = (name, any_name.get(&(group, resource))) {
            verbs.retain(|verb| !any.contains(verb));
        }
        if !verbs.is_empty() {
            let key = (group, resource, verbs.into_iter().collect());
            names.entry((key, name.is_some())).or_default().extend(name);
        }
    }
    let mut resources: BTreeMap<Alike<'_>, Vec<&str>> = BTreeMap::new();
    for (((group, resource, verbs), _), names) in names {
        resources.entry((group, verbs, names)).or_default().push(resource);
    }
    let rule = |((group, verbs, names), resources)| {
        let mut rule = json!({ "apiGroups": [group], "resources": resources, "verbs": verbs });
        if let (false, Some(members)) = (Vec::is_empty(&names), rule.as_object_mut()) {
            members.insert("resourceNames".to_owned(), json!(names));
        }
        rule
    };
    resources.into_iter().map(rule).collect()
}

/// As YAML documents, which `kubectl apply -f -` takes, with a comment for what is wider than the grants.
pub fn yaml(cluster: &str, needs: &Needs, objects: &[Value]) -> String {
    let mut out =
        format!("# What the engine needs in the cluster `{cluster}`, by the grants of stanch.toml.\n");
    for note in &needs.wider {
        out.push_str(&format!("# Wider than the grants: {note}.\n"));
    }
    for object in objects {
        out.push_str("---\n");
        block(object, 0, &mut out);
    }
    out
}

/// Block style for objects and for lists of objects; the rest is JSON, which YAML is too.
fn block(value: &Value, indent: usize, out: &mut String) {
    let Some(members) = value.as_object() else { return };
    // As people write manifests.
    const ORDER: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];
    let first = ORDER.iter().filter_map(|name| members.get_key_value(*name));
    let rest = members.iter().filter(|(name, _)| !ORDER.contains(&name.as_str()));
    for (name, value) in first.chain(rest) {
        let pad = " ".repeat(indent);
        match value {
            Value::Object(_) => {
                out.push_str(&format!("{pad}{name}:\n"));
                block(value, indent + 2, out);
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                out.push_str(&format!("{pad}{name}:\n"));
                for item in items {
                    let mut inner = String::new();
                    block(item, indent + 4, &mut inner);
                    // The dash stands where the first line's indent ends.
                    out.push_str(&format!("{pad}  - {}", inner.trim_start()));
                }
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Value::to_string).collect();
                out.push_str(&format!("{pad}{name}: [{}]\n", items.join(", ")));
            }
            Value::String(text) => out.push_str(&format!("{pad}{name}: {}\n", scalar(text))),
            other => out.push_str(&format!("{pad}{name}: {other}\n")),
        }
    }
}

/// A text as it is where no reader of YAML could take it for something else, else quoted.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'/')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(
        namespace: Option<&str>,
        group: &str,
        resource: &str,
        verb: &'static str,
        name: Option<&str>,
    ) -> Right {
        Right {
            namespace: namespace.map(str::to_owned),
            group: group.to_owned(),
            resource: resource.to_owned(),
            verb,
            name: name.map(str::to_owned),
        }
    }

    fn needs(rights: impl IntoIterator<Item = Right>) -> Needs {
        Needs {
            rights: rights.into_iter().collect(),
            wider: BTreeSet::new(),
        }
    }

    const ENGINE: Who<'_> = Who {
        logs_in: "system:serviceaccount:stanch:stanch",
        acts_as: None,
    };

    #[test]
    fn rights_become_as_few_rules_as_say_them() {
        let all = [
            right(Some("shop"), "", "pods", "get", None),
            right(Some("shop"), "", "pods", "list", None),
            right(Some("shop"), "", "pods/log", "get", None),
            right(Some("shop"), "", "pods/eviction", "create", None),
            right(Some("shop"), "", "configmaps", "get", Some("a")),
            right(Some("shop"), "", "configmaps", "get", Some("b")),
            right(Some("shop"), "", "configmaps", "patch", Some("a")),
            // Covered by the right to get any.
            right(Some("shop"), "", "pods", "get", Some("web-0")),
            right(None, "", "namespaces", "get", Some("kube-system")),
        ];
        let objects = manifests("stanch", &needs(all), ENGINE);
        let kinds: Vec<&str> = objects.iter().map(|one| one["kind"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
        );
        assert_eq!(
            objects[0]["rules"],
            json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["kube-system"] }])
        );
        assert_eq!(
            objects[2]["rules"],
            json!([
                { "apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"] },
                { "apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"] },
                { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["b"] },
                { "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] },
                { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"], "resourceNames": ["a"] },
            ])
        );
        assert_eq!(objects[3]["metadata"]["namespace"], "shop");
        assert_eq!(
            objects[3]["subjects"],
            json!([{ "kind": "ServiceAccount", "name": "stanch", "namespace": "stanch" }])
        );
    }

    #[test]
    fn who_acts_as_another_may_act_as_that_one_and_no_other() {
        let who = Who {
            logs_in: "engine",
            acts_as: Some("system:serviceaccount:ops:recycler"),
        };
        let objects = manifests(
            "stanch",
            &needs([right(Some("shop"), "", "pods", "get", None)]),
            who,
        );
        assert_eq!(objects[1]["subjects"][0]["name"], "recycler");
        assert_eq!(
            (&objects[2]["metadata"], &objects[2]["rules"]),
            (
                &json!({ "name": "stanch-impersonates", "namespace": "ops" }),
                &json!([{ "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"], "resourceNames": ["recycler"] }])
            )
        );
        assert_eq!(objects[3]["subjects"][0]["name"], "engine");
        assert_eq!(
            manifests("stanch", &Needs::default(), who),
            Vec::<Value>::new(),
            "where nothing is granted, nothing is needed"
        );
    }

    #[test]
    fn it_is_written_as_people_write_manifests() {
        let mut needs = needs([right(Some("shop"), "", "pods", "get", Some("web-*"))]);
        needs.wider.insert("names `w`: any".to_owned());
        let objects = manifests("stanch", &needs, ENGINE);
        assert_eq!(
            yaml("eu-b", &needs, &objects),
            r#"# What the engine needs in the cluster `eu-b`, by the grants of stanch.toml.
# Wider than the grants: names `w`: any.
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: stanch
  namespace: shop
rules:
  - apiGroups: [""]
    resourceNames: ["web-*"]
    resources: ["pods"]
    verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: stanch
  namespace: shop
roleRef:
  kind: Role
  name: stanch
  apiGroup: rbac.authorization.k8s.io
subjects:
  - kind: ServiceAccount
    name: stanch
    namespace: stanch
"#
        );
        for (text, written) in [
            ("true", "\"true\""),
            ("a: b", "\"a: b\""),
            ("12", "\"12\""),
            ("a-b.c", "a-b.c"),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
