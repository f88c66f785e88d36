//! The real program with a real API server. `stanch plugin rbac` and `stanch doctor`: what the one prints is what the other
//! misses, and with it the engine may do what its grants say, and nothing else. And a run, from the alert to fresh pods.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests, which write the files that are read"
)]

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};
use stanch_outside::alertmanager::{notification, now};
use stanch_outside::http::{Connection, Sink, free_port};
use stanch_outside::run::{appeared, asked, ending};
use stanch_outside::serve::{Engine, command, pack};
use stanch_parts::{ControlPlane, Space, User, shared, until};

/// A folder with a stanch.toml.
struct Place(tempfile::TempDir);

impl Place {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("stanch.toml"), settings).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn stanch(&self, line: &[&str]) -> Output {
        command(env!("CARGO_BIN_EXE_stanch").as_ref(), self.path(), line)
            .output()
            .unwrap()
    }

    /// The exit code of `doctor`, and what it found.
    fn doctor(&self, more: &[&str]) -> (i32, Vec<Value>) {
        let line: Vec<&str> = ["doctor", "--json"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let output = self.stanch(&line);
        let found = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        (output.status.code().unwrap(), found)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What was found of this area about something whose name begins so.
fn about<'a>(found: &'a [Value], area: &str, name: &str) -> Vec<&'a Value> {
    let fits = |one: &&Value| one["area"] == area && one["about"].as_str().unwrap().starts_with(name);
    found.iter().filter(fits).collect()
}

/// A real plugin, packed as it is installed.
fn packed(folder: &Path, name: &str) -> PathBuf {
    let to = folder.join(format!("{name}.wasm"));
    let component = stanch_test_support::component(name);
    pack(Path::new(env!("CARGO_BIN_EXE_stanch")), &component, &to).unwrap();
    to
}

fn quoted(path: &Path) -> String {
    Value::from(path.to_str().unwrap()).to_string()
}

fn space(name: &str) -> (&'static ControlPlane, Space<'static>) {
    let plane = shared().unwrap();
    (plane, plane.space(name).unwrap())
}

fn deployment(name: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: 1\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{containers: [{{name: main, image: x}}]}}\n"
    )
}

#[test]
fn the_roles_that_are_printed_are_what_the_grants_need_and_no_more() {
    let (plane, space) = space("roles");
    let name = space.name();
    space.apply(&deployment("web")).unwrap();
    space.apply(&deployment("db")).unwrap();
    let pod = space.ready("app=web", 1).unwrap().remove(0);
    let pod = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let kubeconfig = plane.kubeconfig(User::Engine);
    let place = Place::new(&format!(
        r#"
[clusters.here]
kubeconfig = {kubeconfig}
[plugins.recycle]
source = "recycle.wasm"
[[plugins.recycle.grant.kubernetes]]
clusters = ["here"]
verbs = ["get", "list", "logs", "evict"]
resources = ["pods"]
namespaces = ["{name}"]
[plugins.scale]
source = "scale.wasm"
[[plugins.scale.grant.kubernetes]]
clusters = ["here"]
verbs = ["scale"]
resources = ["deployments.apps"]
namespaces = ["{name}"]
names = ["web"]
"#,
        kubeconfig = quoted(&kubeconfig)
    ));
    for (from, to) in [("pod-recycle", "recycle"), ("deployment-scale", "scale")] {
        let file = packed(place.path(), from);
        std::fs::rename(file, place.path().join(format!("{to}.wasm"))).unwrap();
    }

    // Nothing is allowed yet: each plugin lacks what its own grant needs, and is told how it is had.
    let (code, found) = place.doctor(&[]);
    assert_eq!(code, 1, "{found:#?}");
    let here = about(&found, "clusters", "here");
    assert!(
        here[0]["health"] == "good" && here[0]["found"].as_str().unwrap().contains("as `engine`"),
        "{here:#?}"
    );
    let of =
        |found: &[Value], plugin: &str| about(found, "clusters", &format!("here, for `{plugin}`"))[0].clone();
    let recycle = of(&found, "recycle");
    assert_eq!(recycle["health"], "bad");
    let missing = recycle["found"].as_str().unwrap();
    for right in ["get pods", "list pods", "get pods/log", "create pods/eviction"] {
        assert!(
            missing.contains(&format!("{right} in {name}")),
            "{right}: {missing}"
        );
    }
    assert!(!missing.contains("deployments"), "{missing}");
    assert!(
        recycle["todo"]
            .as_str()
            .unwrap()
            .contains("stanch plugin rbac --cluster here")
    );
    let scale = of(&found, "scale");
    assert!(
        scale["found"]
            .as_str()
            .unwrap()
            .contains(&format!("patch deployments/scale of apps `web` in {name}")),
        "{scale}"
    );
    assert_eq!(about(&found, "clock", "here")[0]["health"], "good");

    // What is printed is what is missing.
    let printed = place.stanch(&["plugin", "rbac", "--user", "engine", "--name", "stanch-of-a-test"]);
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let printed = text(&printed.stdout);
    plane.kubectl(&["apply", "-f", "-"], &printed).unwrap();
    let found = until("the roles to be known", || {
        let (code, found) = place.doctor(&[]);
        (code == 0).then_some(found)
    })
    .unwrap();
    for plugin in ["recycle", "scale"] {
        assert_eq!(of(&found, plugin)["health"], "good", "{found:#?}");
    }

    // And it is no more than that, as the API server itself sees it.
    let engine = plane.api(User::Engine).unwrap();
    let of_group = |path: &str| format!("/apis/apps/v1/namespaces/{name}/{path}");
    let replicas = json!({ "spec": { "replicas": 2 } });
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": name } });
    let status = |answer: Result<stanch_parts::Answer, stanch_parts::PartError>| answer.unwrap().status;
    assert_eq!(status(engine.get(&space.path("pods"))), 200);
    assert_eq!(status(engine.get(&space.path("secrets"))), 403);
    assert_eq!(status(engine.get(&space.path("configmaps"))), 403);
    assert_eq!(status(engine.get("/api/v1/pods")), 403);
    assert_eq!(status(engine.get(&of_group("deployments/web"))), 200);
    assert_eq!(status(engine.get(&of_group("deployments/db"))), 403);
    assert_eq!(
        status(engine.merge(&of_group("deployments/web/scale"), &replicas)),
        200
    );
    assert_eq!(
        status(engine.merge(&of_group("deployments/db/scale"), &replicas)),
        403
    );
    assert_eq!(status(engine.merge(&of_group("deployments/web"), &replicas)), 403);
    assert_eq!(status(engine.delete(&space.path(&format!("pods/{pod}")))), 403);
    assert_eq!(
        status(engine.create(&space.path(&format!("pods/{pod}/eviction")), &eviction)),
        201
    );

    // One plugin's roles are without the others'.
    let one = place.stanch(&["plugin", "rbac", "scale", "--json"]);
    let one: Value = serde_json::from_slice(&one.stdout).unwrap();
    let one = one.to_string();
    assert!(
        one.contains("deployments/scale") && !one.contains("pods"),
        "{one}"
    );
}

#[test]
fn who_acts_as_another_is_given_that_and_the_rights_go_to_that_one() {
    let (plane, space) = space("acting");
    let name = space.name();
    let kubeconfig = plane.kubeconfig(User::Stranger);
    let place = Place::new(&format!(
        r#"
[clusters.here]
kubeconfig = {kubeconfig}
impersonate = "helper"
[plugins.look]
source = "pod-state.wasm"
[[plugins.look.grant.kubernetes]]
clusters = ["here"]
verbs = ["list"]
resources = ["pods"]
namespaces = ["{name}"]
"#,
        kubeconfig = quoted(&kubeconfig)
    ));
    packed(place.path(), "pod-state");
    let (code, found) = place.doctor(&[]);
    let here = about(&found, "clusters", "here")[0];
    assert!(
        code == 1 && here["found"].as_str().unwrap().contains("cannot impersonate"),
        "{found:#?}"
    );
    let printed = place.stanch(&["plugin", "rbac", "--user", "stranger", "--name", "stanch-acting"]);
    plane
        .kubectl(&["apply", "-f", "-"], &text(&printed.stdout))
        .unwrap();
    let found = until("the roles to be known", || {
        let (code, found) = place.doctor(&[]);
        (code == 0).then_some(found)
    })
    .unwrap();
    let here = about(&found, "clusters", "here")[0];
    assert!(here["found"].as_str().unwrap().contains("as `helper`"), "{here}");
    let stranger = plane.api(User::Stranger).unwrap();
    assert_eq!(
        stranger.get(&space.path("pods")).unwrap().status,
        403,
        "it may act as that one, and itself do nothing"
    );
}

#[test]
fn which_roles_are_meant_is_said_or_asked_for() {
    let entry = |plugin: &str, cluster: &str| {
        format!(
            "[plugins.{plugin}]\nsource = \"x.wasm\"\n[[plugins.{plugin}.grant.kubernetes]]\nclusters = [\"{cluster}\"]\n\
             verbs = [\"get\"]\nresources = [\"*\"]\nnamespaces = [\"team-*\"]\n"
        )
    };
    let place = Place::new(&format!(
        "[clusters.a]\nkubeconfig = \"a\"\n[clusters.b]\nkubeconfig = \"b\"\n[plugins.none]\nsource = \"x.wasm\"\n{}{}",
        entry("one", "a"),
        entry("two", "b")
    ));
    let table: [(&[&str], &str); 4] = [
        (&[], "name one with --cluster: a, b"),
        (&["on"], "one"),
        (&["none"], "none of these plugins is granted anything"),
        (&["one", "--cluster", "b"], "there are grants for: a"),
    ];
    for (more, says) in table {
        let line: Vec<&str> = ["plugin", "rbac"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let output = place.stanch(&line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line:?}: {said}");
        assert!(
            said.contains(says) && output.stdout.is_empty(),
            "{line:?}: {said}"
        );
    }
    // What RBAC cannot say as narrowly is told.
    let wider = text(&place.stanch(&["plugin", "rbac", "one"]).stdout);
    assert!(
        wider.contains("# Wider than the grants: resources `*`") && wider.contains("Secrets among it"),
        "{wider}"
    );
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let (plane, space) = space("missing");
    let name = space.name();
    let kubeconfig = plane.kubeconfig(User::Admin);
    let nobody = free_port().unwrap();
    let pages = Sink::open("{}").unwrap();
    let settings = format!(
        r#"
[secrets]
lost = {{ env = "STANCH_TEST_NOT_SET" }}
kept = {{ file = "kept" }}
[clusters.here]
kubeconfig = {kubeconfig}
[clusters.away]
kubeconfig = "away.kubeconfig"
[clusters.unused]
kubeconfig = {kubeconfig}
[[runbooks]]
path = "runbooks"
[plugins.look]
source = "pod-state.wasm"
[[plugins.look.grant.kubernetes]]
clusters = ["here", "away"]
verbs = ["list"]
resources = ["podz"]
namespaces = ["{name}"]
[[plugins.look.grant.files]]
path = "/nowhere/at/all"
at = "a"
access = "read"
[plugins.page]
source = "webhook.wasm"
settings = {{ url = "http://{pages}/hook", tries = 1 }}
[[plugins.page.grant.notify]]
url = "http://{pages}/hook"
addresses = ["127.0.0.0/8"]
headers = {{ authorization = "Bearer ${{secret:kept}}" }}
"#,
        kubeconfig = quoted(&kubeconfig),
        pages = pages.address
    );
    let place = Place::new(&settings);
    packed(place.path(), "pod-state");
    packed(place.path(), "webhook");
    let write = |file: &str, content: &str| std::fs::write(place.path().join(file), content).unwrap();
    write("kept", "a-secret-of-a-test");
    let away = std::fs::read_to_string(&kubeconfig).unwrap();
    write(
        "away.kubeconfig",
        &away.replace(&plane.address().to_string(), &nobody.to_string()),
    );
    std::fs::create_dir(place.path().join("runbooks")).unwrap();
    let runbook = |name: &str, more: &str| {
        format!(
            "name = \"{name}\"\ntitle = \"T\"\nowner = \"o\"\n[impact]\nseverity = \"low\"\nsummary = \"None.\"\n\
             [[mitigation]]\nid = \"mend\"\ndo = \"Mend it\"\n{more}"
        )
    };
    write(
        "runbooks/calls.toml",
        &runbook(
            "calls",
            "[[escalation]]\nuses = \"page\"\nwith = { to = \"sre\" }\n",
        ),
    );
    write("runbooks/silent.toml", &runbook("silent", ""));

    let (code, found) = place.doctor(&[]);
    assert_eq!(code, 1, "{found:#?}");
    let health = |area: &str, name: &str, health: &str, words: &str| {
        let about = about(&found, area, name);
        assert!(
            about
                .iter()
                .any(|one| one["health"] == health && one["found"].as_str().unwrap().contains(words)),
            "{area} {name} {health} {words}: {about:#?}"
        );
    };
    health("secrets", "lost", "bad", "STANCH_TEST_NOT_SET");
    health("secrets", "kept", "good", "used by the plugin `page`");
    health("folders", "/nowhere/at/all", "bad", "cannot be used");
    health("clusters", "here, for `look`", "bad", "podz");
    health("clusters", "away", "bad", "does not answer");
    health("clusters", "unused", "attention", "no grant names it");
    health("escalation", "silent", "attention", "call nobody");
    health("escalation", "`page`", "attention", "not tried; used by calls");
    let came = || pages.came.changes.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(came(), 0, "nobody is told anything unless it is asked for");

    let (_, found) = place.doctor(&["--send"]);
    let page = about(&found, "escalation", "`page`")[0];
    assert_eq!((&page["health"], came()), (&json!("good"), 1), "{page}");

    // Where nobody takes it, it is told, and no secret with it.
    write(
        "stanch.toml",
        &settings.replace(&pages.address.to_string(), &nobody.to_string()),
    );
    let output = place.stanch(&["doctor", "--send"]);
    // Its lines are as wide as a terminal.
    let said = text(&output.stdout)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("✘ `page`") && said.contains("until then nobody is called this way"),
        "{said}"
    );
    assert!(!said.contains("a-secret-of-a-test"), "{said}");
}

#[test]
fn a_pod_is_recycled_with_one_request_after_a_yes_and_not_while_its_namespace_is_paused() {
    const TOKEN: &str = "a-token-for-the-tests-only";
    let (plane, space) = space("recycled");
    let name = space.name();
    space
        .apply(&deployment("web").replace("replicas: 1", "replicas: 3"))
        .unwrap();
    let before = space.ready("app=web", 3).unwrap();
    let pod = before[0]["metadata"]["name"].as_str().unwrap();
    let listens = free_port().unwrap();
    let place = Place::new(&format!(
        r#"
[server]
listen = "{listens}"
[store]
reserve = "0B"
[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}
[[runbooks]]
path = "runbooks"
[clusters.here]
kubeconfig = {kubeconfig}
[plugins.recycle]
source = "pod-recycle.wasm"
[[plugins.recycle.grant.kubernetes]]
clusters = ["here"]
verbs = ["get", "list", "evict"]
resources = ["pods"]
namespaces = ["{name}"]
selector = "app=web"
[[plugins.recycle.grant.kubernetes]]
clusters = ["here"]
verbs = ["get"]
resources = ["replicasets.apps"]
namespaces = ["{name}"]
"#,
        kubeconfig = quoted(&plane.kubeconfig(User::Stranger))
    ));
    packed(place.path(), "pod-recycle");
    std::fs::create_dir(place.path().join("runbooks")).unwrap();
    let runbook = format!(
        r#"name = "recycle"
title = "A pod hangs"
owner = "tests"
[trigger]
alert = "PodHangs"
[impact]
severity = "high"
summary = "A third of the requests gets no answer."
[[mitigation]]
id = "recycle"
do = "Recycle the pod"
uses = "recycle"
on = "here"
with = {{ namespace = "{name}", pods = ["${{alert.labels.pod}}"] }}
[recovery]
stable_for = "1s"
trust = "alert"
"#
    );
    std::fs::write(place.path().join("runbooks/recycle.toml"), runbook).unwrap();
    let roles = place.stanch(&[
        "plugin",
        "rbac",
        "--user",
        "stranger",
        "--name",
        "stanch-recycles",
    ]);
    plane
        .kubectl(&["apply", "-f", "-"], &text(&roles.stdout))
        .unwrap();

    let engine = Engine::start(
        Path::new(env!("CARGO_BIN_EXE_stanch")),
        place.path(),
        listens,
        TOKEN,
    )
    .unwrap();
    // A pod that is younger than its alert is another one.
    let began = now().unwrap();
    let post = |firing: bool| {
        let alert = notification("PodHangs", &[("pod", pod)], firing, &began);
        let mut connection = Connection::open(listens).unwrap();
        let answer = connection
            .post("/alerts/alertmanager", TOKEN, &alert.to_string())
            .unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
    };
    post(true);
    let run = appeared(&engine, "recycle", Duration::from_secs(60)).unwrap();
    let view = || engine.ask(&["runs", "show", &run]).unwrap();
    let question =
        until("the question", || asked(&view())).unwrap_or_else(|why| panic!("{why}: {:#}", view()));
    let page = engine.tell(&["runs", "show", &run]).unwrap();
    for words in [
        format!("evict kubernetes:{name}/_/pods/{pod}"),
        "Running, Ready since".to_owned(),
        "server's dry run: the server would evict it now".to_owned(),
        "in cluster here".to_owned(),
    ] {
        assert!(page.contains(&words), "{words}: {page}");
    }

    // What is paused is not touched, whoever says yes.
    let scope = format!("namespace:{name}");
    engine
        .tell(&["pause", &scope, "--reason", "investigating"])
        .unwrap();
    question.answer(&engine, &run, true).unwrap();
    let evictions = || -> Vec<String> {
        let calls = plane.calls(User::Stranger).unwrap();
        let changes = calls.iter().filter(|call| call.is_change() && !call.dry_run);
        changes
            .filter(|call| call.path.contains(&format!("/namespaces/{name}/")))
            .map(ToString::to_string)
            .collect()
    };
    until("the run to say that it is paused", || {
        (view()["steps"][0]["state"] == "paused").then_some(())
    })
    .unwrap();
    assert_eq!(evictions(), Vec::<String>::new());
    engine.tell(&["resume", &scope]).unwrap();

    until("the pod to be recycled", || {
        stanch_outside::run::changed(&view()).then_some(())
    })
    .unwrap();
    assert_eq!(evictions(), [format!("create {name}/pods/{pod}/eviction → 201")]);
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
    let after: Vec<String> = space.ready("app=web", 3).unwrap().iter().map(uid).collect();
    assert!(!after.contains(&uid(&before[0])), "{after:?}");
    assert!(
        before[1..].iter().all(|pod| after.contains(&uid(pod))),
        "the others are the same"
    );
    post(false);
    let ended = until("the run to end", || ending(&view()).map(str::to_owned)).unwrap();
    assert_eq!(ended, "healed");
    engine.stop().unwrap();
}
