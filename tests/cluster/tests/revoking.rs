//! `key-revoke` on a Secret of a real control plane, with the whole engine around it: the gateway that reads the Secret turns the key away
//! once a person said yes, and the key itself is in nothing that the engine keeps, says or shows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use serde_json::{Value, json};
use stanch_cluster_tests::{Around, Scenery, Stage, packed};
use stanch_outside::run::asked;
use stanch_outside::settings;
use stanch_parts::{ControlPlane, Space, User, until};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: api-keys, annotations: {note: of-zorblax}}\nstringData:\n  \
                      mallory.k1: sk-zorblax-0123456789\n  dana.k2: sk-quuxley-9876543210\n";
/// What would tell of the keys, in lower case: what they are, and their base64.
const TELLS: [&str; 4] = ["zorblax", "quuxley", "c2stem9yymxhe", "c2stcxv1egxles"];
/// RBAC knows no keys of a Secret: this is what `stanch plugin rbac` prints for the grant.
const MAY: &str = "[{apiGroups: [''], resources: [secrets], verbs: [get, patch], resourceNames: [api-keys]}]";
const RUNBOOK: &str = r#"
name = "leaked-key"
title = "A key was leaked"
owner = "tests"
mode = "ask"

[trigger]
match = ['alertname="KeyLeaked"']

[impact]
severity = "high"
summary = "Whoever has the key can use it until it is revoked."

[[mitigation]]
id = "revoke"
do = "Revoke the key"
on = "eu"
uses = "key-revoke"
with = { user = "mallory", key = "k1" }
by_hand = "kubectl -n gateway patch secret api-keys --type merge -p '{\"data\":{\"mallory.k1\":null}}'"

[recovery]
stable_for = "1s"
trust = "alert"
"#;

fn tells(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    TELLS.into_iter().find(|tell| text.contains(tell))
}

fn stage<'a>(plane: &ControlPlane, space: &'a Space<'a>, keys_only: &str) -> Stage<'a> {
    space.apply(SECRET).unwrap();
    space.allow(User::Engine, MAY).unwrap();
    let scenery = Scenery {
        runbook: &("leaked-key".to_owned(), RUNBOOK.to_owned()),
        rules: "groups: []\n",
        groups: &["alertname"],
        scraped: &[],
    };
    Stage::set(space, &scenery, |around: &Around<'_>| {
        let secret = format!(
            "settings = {{ secret = {{ namespace = \"{}\", name = \"api-keys\", entry = \"{{user}}.{{key}}\" }} }}",
            around.namespace
        );
        [
            settings::engine(around.listens, "tests", "ask"),
            "[runbooks.defaults]\nescalation = [{ uses = \"page\" }]\n".to_owned(),
            format!(
                "[clusters.eu]\nkubeconfig = {}\n",
                settings::quoted(&plane.kubeconfig(User::Engine))
            ),
            settings::plugin("key-revoke", &packed("key-revoke"), &secret),
            settings::kubernetes(
                "key-revoke",
                ("eu", around.namespace),
                &["get", "patch"],
                &["secrets"],
            ),
            format!("names = [\"api-keys\"]\n{keys_only}\n"),
            settings::page(&packed("webhook"), around.pages, ""),
        ]
        .concat()
    })
}

fn data(space: &Space<'_>) -> Value {
    space.admin().object(&space.path("secrets/api-keys")).unwrap()["data"].clone()
}

/// Nothing that people see, and nothing that is kept, says a key.
fn nobody_is_told(stage: &Stage<'_>, run: &str) {
    let view = stage.view(run).unwrap().to_string();
    for said in [
        view,
        stage.tell(&["runs", "show", run]),
        stage.tell(&["export", run]),
        stage.tell(&["export", run, "--format", "json"]),
        json!(stage.pages()).to_string(),
    ] {
        assert_eq!(tells(said.as_bytes()), None, "{said}");
    }
    for (file, bytes) in stage.kept() {
        assert_eq!(tells(&bytes), None, "{file}");
    }
}

#[test]
fn a_key_in_a_secret_is_revoked_for_good_and_its_value_is_seen_by_nobody() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("gateway").unwrap();
    let stage = stage(&plane, &space, "keys_only = true");
    stage.post("KeyLeaked", "edge", true);
    let run = stage.run();
    let asked = stage.becomes(&run, "the question", asked);
    assert_eq!(data(&space).as_object().unwrap().len(), 2, "nothing before a yes");
    let shown = stage.tell(&["runs", "show", &run]);
    for part in [
        "THIS CANNOT BE UNDONE",
        "data.mallory.k1: \"[withheld]\" goes",
        "kubernetes:gateway/_/secrets/api-keys",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    nobody_is_told(&stage, &run);
    stage.approve(&run, &asked);
    until("the key to be gone", || {
        data(&space).get("mallory.k1").is_none().then_some(())
    })
    .unwrap();
    assert_eq!(data(&space), json!({ "dana.k2": "c2stcXV1eGxleS05ODc2NTQzMjEw" }));
    stage.post("KeyLeaked", "edge", false);
    let (ending, view) = stage.ended(&run);
    assert_eq!(ending, "healed", "{view:#}");
    nobody_is_told(&stage, &run);
    let calls = plane.calls(User::Engine).unwrap();
    let patches: Vec<_> = calls
        .iter()
        .filter(|call| call.is_change() && !call.dry_run)
        .collect();
    assert_eq!(patches.len(), 1, "{patches:?}");
}

#[test]
fn with_a_no_the_key_stays() {
    let plane = ControlPlane::start().unwrap();
    let space = plane.space("gateway").unwrap();
    let stage = stage(&plane, &space, "keys_only = true");
    stage.post("KeyLeaked", "edge", true);
    let run = stage.run();
    let question = stage.becomes(&run, "the question", asked);
    let digest = question.digest.unwrap();
    stage.tell(&["deny", &run, "revoke", "--digest", &digest]);
    until("the page", || (!stage.pages().is_empty()).then_some(())).unwrap();
    assert_eq!(data(&space).as_object().unwrap().len(), 2);
    nobody_is_told(&stage, &run);
}
