//! Changes that a server turns away with a status at which kube's own client tries again: 429, 503, 504. Each is one request.
//!
//! The real API server says these: an admission webhook of the test tells it to. So the webhook and the audit log both count
//! what arrived, and neither is asked by the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use stanch_contract::{ActionState, FailureCode};
use stanch_parts::until;
use tokio_rustls::TlsAcceptor;

use crate::world::*;

/// Turns away what the engine would change, with one status after the other.
#[derive(Default)]
struct Webhook {
    status: AtomicU64,
    /// It has been asked about anything: the API server knows of it.
    asked: AtomicBool,
    /// Changes of the engine that it turned away.
    turned_away: AtomicU32,
}

async fn review(State(webhook): State<Arc<Webhook>>, Json(review): Json<Value>) -> Json<Value> {
    webhook.asked.store(true, Ordering::SeqCst);
    let request = &review["request"];
    let is_change = request["userInfo"]["username"] == "engine" && request["dryRun"] != true;
    if is_change {
        webhook.turned_away.fetch_add(1, Ordering::SeqCst);
    }
    let status = json!({
        "code": webhook.status.load(Ordering::SeqCst), "message": "not now, says the test",
        "details": { "retryAfterSeconds": 1 },
    });
    Json(json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": { "uid": request["uid"], "allowed": !is_change, "status": status },
    }))
}

impl Webhook {
    /// Serves it with TLS on loopback; what it is told is who trusts it and where it is.
    async fn serve(self: Arc<Self>) -> (String, String) {
        let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key.into())
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/review", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/review", post(review))
            .with_state(self);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let stream = TokioIo::new(acceptor.accept(stream).await?);
                    let _ = http1::Builder::new()
                        .serve_connection(stream, TowerToHyperService::new(router))
                        .await;
                    Ok::<_, std::io::Error>(())
                });
            }
        });
        let trusted = base64::engine::general_purpose::STANDARD.encode(own.cert.pem());
        (url, trusted)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_turned_away_with_429_503_or_504_is_one_request_and_never_sent_again() {
    let world = World::new("turned-away");
    let webhook = Arc::new(Webhook::default());
    let (url, trusted) = webhook.clone().serve().await;
    let name = world.space.name();
    let registered = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "turns-away" },
        "webhooks": [{
            "name": "turns-away.stanch.example", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": { "url": url, "caBundle": trusted },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
        }],
    });
    world.space.apply(&registered.to_string()).unwrap();
    world.space.apply(&config_map("mode", "{}", "{a: old}")).unwrap();
    until("the API server to ask the webhook", || {
        let path = world.space.path("configmaps/mode");
        let touched = json!({ "metadata": { "labels": { "touched": "yes" } } });
        world.space.admin().merge(&path, &touched).ok()?.good().ok()?;
        webhook.asked.load(Ordering::SeqCst).then_some(())
    })
    .unwrap();

    let gate = world.gate(&["patch", "create", "delete"], &["configmaps"]).await;
    let body = json!({ "data": { "a": "new" } });
    let live = world.live("configmaps/mode");
    let mut expected = Vec::new();
    for (status, code) in [
        (429, FailureCode::Unavailable),
        (503, FailureCode::Unavailable),
        (504, FailureCode::Timeout),
    ] {
        webhook.status.store(status, Ordering::SeqCst);
        let plan = gate
            .plan(vec![
                with(
                    action("patch", &world.target("_/configmaps/mode")),
                    merge(body.clone()),
                ),
                with(
                    action("create", &world.target("_/configmaps/new")),
                    json!({ "body": body }),
                ),
                on_uid("delete", &world.target("_/configmaps/mode"), &live),
            ])
            .await;
        let session = gate.applying(plan);
        let (mode, new) = (
            world.object("v1", "ConfigMap", "mode"),
            world.object("v1", "ConfigMap", "new"),
        );
        let refused = [
            session
                .kubernetes_patch(mode.clone(), "merge", &body.to_string())
                .await
                .unwrap_err(),
            session
                .kubernetes_create(new, &body.to_string())
                .await
                .unwrap_err(),
            session.kubernetes_delete(mode, None).await.unwrap_err(),
        ];
        for (action, failure) in (0..).zip(refused) {
            assert_eq!(failure.code, code, "{status}: {failure}");
            assert!(failure.message.contains("not now, says the test"), "{failure}");
            let state = gate.log.state(action);
            let as_said = match status {
                // It says that nothing was done; the others may come after the effect.
                429 => matches!(state, ActionState::Refused { for_now: true, .. }),
                _ => matches!(state, ActionState::Unknown { .. }),
            };
            assert!(as_said, "{status}: {state:?}");
        }
        assert_eq!(
            webhook.turned_away.swap(0, Ordering::SeqCst),
            3,
            "{status}: one request for each of three changes"
        );
        let sent = [
            "patch configmaps/mode",
            "create configmaps/new",
            "delete configmaps/mode",
        ];
        expected.extend(sent.map(|sent| format!("{sent} → {status}")));
        assert_eq!(world.changed(), expected);
    }
    assert_eq!(world.live("configmaps/mode")["data"]["a"], "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_two_budgets_is_not_evicted_which_its_plan_says_already() {
    let world = World::new("two-budgets");
    world.space.apply(&deployment("web", 2)).unwrap();
    for budget in ["first", "second"] {
        world
            .space
            .apply(&format!(
                "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {budget}}}\n\
                 spec: {{minAvailable: 1, selector: {{matchLabels: {{app: web}}}}}}\n"
            ))
            .unwrap();
    }
    let pod = world.space.ready("app=web", 2).unwrap().remove(0);
    let name = pod["metadata"]["name"].as_str().unwrap();
    let gate = world.gate(&["evict"], &["pods"]).await;
    let evict = on_uid("evict", &world.target(&format!("_/pods/{name}")), &pod);
    let refused = gate.try_plan(vec![evict], None).await.unwrap_err().to_string();
    assert!(refused.contains("more than one PodDisruptionBudget"), "{refused}");
    assert_eq!(world.changed(), Vec::<String>::new());
    assert_eq!(
        uid(&world.live(&format!("pods/{name}"))),
        uid(&pod),
        "it is still there"
    );
}
