//! How a cluster is reached, as whom, and what is said where it is not.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use stanch_contract::{FailureCode, Span};
use stanch_parts::{Place, User};
use stanch_sandbox::gate::Cause;
use stanch_sandbox::kubernetes::{Access, ClusterSpec, Clusters};
use tokio::time::Instant;

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_sees_who_is_acted_as() {
    let world = World::new("acts-as");
    world.space.apply(&config_map("mode", "{}", "{}")).unwrap();
    world
        .space
        .allow(
            User::Stranger,
            "[{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}]",
        )
        .unwrap();
    let entries = vec![granted(world.space.name(), &["get", "list"], &["configmaps"])];
    let gate = Gate::with(world.plane.kubeconfig(User::Admin), Some("stranger"), entries).await;
    gate.reading()
        .kubernetes_get(world.object("v1", "ConfigMap", "mode"))
        .await
        .unwrap();
    let query = stanch_sandbox::kubernetes::Query {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(world.space.name().to_owned()),
        ..Default::default()
    };
    let failure = gate.reading().kubernetes_find(query).await.unwrap_err();
    assert!(
        failure.message.contains(r#"User "stranger" cannot list"#),
        "{failure}"
    );
}

/// A kubeconfig with this server and CA.
fn kubeconfig(place: &Place, server: &str, ca: &str) -> std::path::PathBuf {
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": server, "certificate-authority": ca } }],
        "users": [{ "name": "x", "user": { "token": "hunter2hunter2" } }],
        "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
    });
    place.write("kubeconfig", text.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_answer_is_unavailable_and_tls_errors_are_named() {
    let plane = stanch_parts::shared().unwrap();
    let place = Place::new("reach").unwrap();
    let ca = plane.ca().display().to_string();
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let other = place
        .write("other.pem", other.cert.pem())
        .unwrap()
        .display()
        .to_string();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let table = [
        (
            format!("https://{closed}"),
            ca.clone(),
            FailureCode::Unavailable,
            "Connection refused",
        ),
        (
            format!("https://{}", plane.address()),
            other,
            FailureCode::Failed,
            "no TLS connection",
        ),
        (
            format!("https://{}", plane.address()),
            ca.clone(),
            FailureCode::Denied,
            "does not accept the engine's credentials",
        ),
        (
            "https://no-such-host.invalid".to_owned(),
            ca,
            FailureCode::Unavailable,
            "cannot be resolved",
        ),
    ];
    for (server, ca, code, words) in table {
        let file = kubeconfig(&place, &server, &ca);
        let mut gate = Gate::with(file, None, vec![granted("default", &["get", "patch"], &["pods"])]).await;
        gate.wall = Span::from_secs(20);
        let pod = stanch_sandbox::kubernetes::Object {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: Some("default".into()),
            name: "a".into(),
        };
        let failure = gate.reading().kubernetes_get(pod).await.unwrap_err();
        assert_eq!(failure.code, code, "{server}: {failure}");
        assert!(
            failure.message.contains(words) && failure.message.contains("`here`"),
            "{server}: {failure}"
        );
        assert!(!failure.message.contains("hunter2"), "{failure}");
        let planned = with(action("patch", "kubernetes:default/_/pods/a"), merge(json!({})));
        let refused = gate.try_plan(vec![planned], None).await.unwrap_err();
        assert_eq!(refused.cause, Cause::Away(code), "{refused}");
        let state = gate.facilities.clusters.states().remove(0);
        assert_eq!(state.problem.is_some(), code != FailureCode::Denied, "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_ends_with_the_plugins_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::new("silent").unwrap();
    let server = format!("http://{}", silent.local_addr().unwrap());
    let ca = stanch_parts::shared().unwrap().ca().display().to_string();
    let mut gate = Gate::with(
        kubeconfig(&place, &server, &ca),
        None,
        vec![granted("default", &["get"], &["pods"])],
    )
    .await;
    gate.wall = Span::from_millis(300);
    let pod = stanch_sandbox::kubernetes::Object {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("default".into()),
        name: "a".into(),
    };
    let failure = gate.reading().kubernetes_get(pod).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_changes_is_read_again_and_a_broken_one_takes_no_good_one_down() {
    let plane = stanch_parts::shared().unwrap();
    let place = Place::new("rotated").unwrap();
    let good = std::fs::read_to_string(plane.kubeconfig(User::Engine)).unwrap();
    let path = place.write("kubeconfig", &good).unwrap();
    let clusters = Clusters::default();
    let spec = |context: Option<&str>| ClusterSpec {
        access: Access::Kubeconfig {
            path: path.clone(),
            context: context.map(str::to_owned),
        },
        impersonate: None,
    };
    let specs = |context| BTreeMap::from([("here".to_owned(), spec(context))]);
    let soon = || Instant::now() + Duration::from_secs(30);
    let problem = || clusters.states().remove(0).problem;
    clusters.refresh(&specs(None)).await;
    clusters.probe(soon()).await;
    assert_eq!((clusters.problems(), problem()), (vec![], None));

    place.write("kubeconfig", "{ broken: hunter2").unwrap();
    clusters.refresh(&specs(None)).await;
    let wrong = clusters.problems().remove(0);
    assert!(
        wrong.kept && wrong.why.contains("is not a kubeconfig") && !wrong.why.contains("hunter2"),
        "{wrong:?}"
    );
    assert_eq!(
        clusters.states()[0].server.as_deref(),
        Some(format!("https://{}/", plane.address()).as_str()),
        "what was read before stays"
    );

    // What the operator names instead is what counts, also where it is not there.
    place.write("kubeconfig", &good).unwrap();
    clusters.refresh(&specs(Some("other"))).await;
    let wrong = clusters.problems().remove(0);
    assert!(
        !wrong.kept && wrong.why.contains("no context `other`; it has `test`"),
        "{wrong:?}"
    );

    place
        .write(
            "kubeconfig",
            good.replace(&plane.address().to_string(), "127.0.0.1:9"),
        )
        .unwrap();
    clusters.refresh(&specs(None)).await;
    clusters.probe(soon()).await;
    assert!(
        problem().unwrap().contains("cannot be connected to"),
        "{:?}",
        problem()
    );
    clusters.refresh(&BTreeMap::new()).await;
    assert!(clusters.states().is_empty());
}
