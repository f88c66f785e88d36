use super::*;

fn spec(verbs: &[&str], resources: &[&str]) -> KubernetesGrantSpec {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    KubernetesGrantSpec {
        clusters: vec!["eu-b".to_owned()],
        verbs: owned(verbs),
        resources: owned(resources),
        namespaces: vec!["inference".to_owned()],
        ..KubernetesGrantSpec::default()
    }
}

fn grant(verbs: &[&str], resources: &[&str]) -> KubernetesGrant {
    KubernetesGrant::new(&spec(verbs, resources)).unwrap()
}

#[test]
fn what_a_grant_says_wrong_is_told_at_its_key() {
    let with = |change: fn(&mut KubernetesGrantSpec)| {
        let mut spec = spec(&["get"], &["pods"]);
        change(&mut spec);
        KubernetesGrant::new(&spec).unwrap_err()
    };
    type Change = fn(&mut KubernetesGrantSpec);
    let table: [(Change, &str, &str); 16] = [
        (|s| s.clusters.clear(), "clusters", "no cluster"),
        (
            |s| s.clusters = vec!["eu-*".into()],
            "clusters",
            "clusters are named",
        ),
        (|s| s.verbs.clear(), "verbs", "no verb"),
        (|s| s.verbs = vec!["*".into()], "verbs", "not a verb"),
        (|s| s.verbs = vec!["exec".into()], "verbs", "not a verb"),
        (|s| s.verbs = vec!["get".into(), "get".into()], "verbs", "twice"),
        (|s| s.resources.clear(), "resources", "no resource"),
        (
            |s| s.resources = vec!["Pod".into()],
            "resources",
            "not a resource",
        ),
        (
            |s| s.resources = vec!["apps/v1".into()],
            "resources",
            "subresource",
        ),
        (
            |s| s.resources = vec![".apps".into()],
            "resources",
            "not a resource",
        ),
        (|s| s.verbs = vec!["evict".into()], "verbs", ""),
        (
            |s| s.namespaces = vec!["a.b".into()],
            "namespaces",
            "not a namespace",
        ),
        (
            |s| s.namespaces = vec![String::new()],
            "namespaces",
            "not a namespace",
        ),
        (|s| s.names = vec!["a/b".into()], "names", "not the name"),
        (|s| s.selector = Some(String::new()), "selector", "is empty"),
        (|s| s.selector = Some("app=".repeat(2)), "selector", "not a label"),
    ];
    for (change, key, part) in table {
        let mut tried = spec(&["get"], &["pods"]);
        change(&mut tried);
        if part.is_empty() {
            tried.resources = vec!["deployments.apps".into()];
            assert_eq!(KubernetesGrant::new(&tried).unwrap_err().0, key);
            continue;
        }
        let (at, why) = with(change);
        assert!(at == key && why.contains(part), "{at}: {why}");
    }
}

#[test]
fn what_gives_power_over_a_cluster_is_never_had_through_a_star() {
    let star = grant(&["get", "list"], &["*"]);
    let of_groups = grant(&["get", "list"], &["*.k8s.io", "*s", "secret*"]);
    for (group, resource) in [
        ("", "secrets"),
        ("", "serviceaccounts"),
        ("rbac.authorization.k8s.io", "roles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("apiregistration.k8s.io", "apiservices"),
        ("certificates.k8s.io", "certificatesigningrequests"),
        ("certificates.k8s.io", "clustertrustbundles"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
    ] {
        assert!(!star.covers_resource(group, resource), "{group} {resource}");
        assert!(!of_groups.covers_resource(group, resource), "{group} {resource}");
        let named = grant(&["get"], &[&granted_as(group, resource)]);
        assert!(
            named.covers_resource(group, resource),
            "{group} {resource} by its name"
        );
    }
    for (group, resource) in [
        ("", "pods"),
        ("", "configmaps"),
        ("apps", "deployments"),
        ("gateway.networking.k8s.io", "httproutes"),
    ] {
        assert!(star.covers_resource(group, resource), "{group} {resource}");
    }
}

#[test]
fn no_star_stands_for_what_changes_something() {
    for verb in ["delete", "evict", "patch", "create", "scale"] {
        for pattern in ["*", "pod*", "*.apps"] {
            let (key, why) = KubernetesGrant::new(&spec(&["get", verb], &["pods", pattern])).unwrap_err();
            assert!(
                key == "resources" && why.contains(&format!("beside `{verb}`")),
                "{why}"
            );
        }
        let resource = if verb == "evict" {
            "pods"
        } else {
            "deployments.apps"
        };
        assert!(
            KubernetesGrant::new(&spec(&[verb], &[resource])).is_ok(),
            "{verb} by name"
        );
    }
    // Creating pods is to run what one likes: `pods` and `create` both stand there.
    assert!(KubernetesGrant::new(&spec(&["create"], &["pods"])).is_ok());
}

#[test]
fn what_runs_or_borrows_something_cannot_be_granted_at_all() {
    for sub in [
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "pods/proxy",
        "services/proxy",
        "nodes/proxy",
        "pods/ephemeralcontainers",
        "serviceaccounts/token",
        "pods/binding",
        "namespaces/finalize",
        "deployments.apps/status",
        "certificatesigningrequests.certificates.k8s.io/approval",
    ] {
        let (key, why) = KubernetesGrant::new(&spec(&["get"], &[sub])).unwrap_err();
        assert!(key == "resources" && why.contains("subresource"), "{sub}: {why}");
    }
}

#[test]
fn secrets_are_read_and_deleted_by_name_and_never_written() {
    for verb in ["get", "list", "delete"] {
        assert!(
            KubernetesGrant::new(&spec(&[verb], &["secrets"])).is_ok(),
            "{verb}"
        );
    }
    for (verb, part) in [
        ("create", "kept in the journal"),
        ("patch", "`keys_only = true` alone"),
    ] {
        let (_, why) = KubernetesGrant::new(&spec(&[verb], &["secrets"])).unwrap_err();
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn keys_of_a_secret_are_taken_away_where_it_is_named_and_its_values_are_not_seen() {
    let keys = |verbs: &[&str], resources: &[&str], names: &[&str]| {
        KubernetesGrant::new(&KubernetesGrantSpec {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            keys_only: true,
            ..spec(verbs, resources)
        })
    };
    assert!(
        keys(&["get", "patch"], &["secrets"], &["keys"])
            .unwrap()
            .is_keys_only()
    );
    assert!(
        keys(&["get", "list"], &["secrets"], &[]).is_ok(),
        "keys may be read of all of them"
    );
    assert!(!grant(&["get"], &["secrets"]).is_keys_only());
    let table = [
        (
            keys(&["get", "create"], &["secrets"], &["keys"]),
            "resources",
            "`create` of secrets",
        ),
        (
            keys(&["get", "patch"], &["secrets", "pods"], &["keys"]),
            "keys_only",
            "Secrets alone",
        ),
        (keys(&["get"], &["pods"], &["keys"]), "keys_only", "Secrets alone"),
        (keys(&["patch"], &["secrets"], &[]), "keys_only", "each by itself"),
        (
            keys(&["patch"], &["secrets"], &["keys", "key*"]),
            "keys_only",
            "each by itself",
        ),
    ];
    for (refused, key, part) in table {
        let (at, why) = refused.unwrap_err();
        assert!(at == key && why.contains(part), "{at}: {why}");
    }
}

#[test]
fn namespaces_names_and_labels_narrow() {
    let mut spec = spec(&["get"], &["pods"]);
    spec.namespaces = vec!["team-*".into(), "shop".into()];
    spec.names = vec!["web-*".into()];
    spec.selector = Some("app=web".into());
    let grant = KubernetesGrant::new(&spec).unwrap();
    let table = [
        (Scope::Namespace("team-a"), true),
        (Scope::Namespace("team-"), true),
        (Scope::Namespace("shop"), true),
        (Scope::Namespace("shop-2"), false),
        (Scope::Everywhere, false),
        (Scope::Cluster, false),
    ];
    for (scope, covered) in table {
        assert_eq!(grant.covers_scope(scope), covered, "{scope:?}");
    }
    assert!(grant.covers_name("web-0") && !grant.covers_name("worker-0"));
    assert!(grant.covers_labels(&BTreeMap::from([("app".into(), "web".into())])));
    assert!(!grant.covers_labels(&BTreeMap::new()));
    spec.namespaces = vec!["*".into()];
    let grant = KubernetesGrant::new(&spec).unwrap();
    assert!(grant.covers_scope(Scope::Everywhere) && grant.covers_scope(Scope::Namespace("kube-system")));
    assert!(
        !grant.covers_scope(Scope::Cluster),
        "what is in no namespace is granted without any"
    );
    spec.namespaces.clear();
    let grant = KubernetesGrant::new(&spec).unwrap();
    assert!(grant.covers_scope(Scope::Cluster) && !grant.covers_scope(Scope::Namespace("shop")));
}
