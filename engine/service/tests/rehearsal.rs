//! Tests of runbooks, played: those that are shipped, and what a test that is wrong is told.
//!
//! The shipped plugins are installed, because a runbook loads only with its plugins and their parameters; what they would
//! answer is in the test.

#![allow(clippy::disallowed_methods, reason = "tests write the files that are read")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stanch_runbook::testfile::RunbookTest;
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_service::Snapshot;
use stanch_service::rehearsal::{Rehearsed, rehearse};
use stanch_service::reload::{self, Parts};
use stanch_service::secrets::Secrets;
use stanch_service::serve::facilities;
use stanch_service::telemetry::Metrics;
use tokio::sync::OnceCell;

const RETRIED: &str = r#"
name = "retried"
title = "Retried"
owner = "tests"
mode = "auto"
[trigger]
alert = "Full"
[impact]
severity = "low"
summary = "None."
[[mitigation]]
id = "clean"
do = "Clean"
uses = "disk-cleanup"
with = { folder = "scratch", pattern = "*.tmp", older_than = "1d" }
retry = { times = 3, every = "1m" }
[recovery]
stable_for = "5m"
[[escalation]]
uses = "page"
with = { to = "nobody" }
"#;

const PROBED: &str = r#"
name = "probed"
title = "Probed"
owner = "tests"
mode = "auto"
[trigger]
alert = "Probed"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "first"
ask = "Is the first well?"
uses = "http-probe"
with = { url = "https://gateway.example/providers/first", tries = 3, every = "1s" }
[[diagnosis]]
id = "second"
ask = "Is the second well?"
uses = "http-probe"
with = { url = "https://gateway.example/providers/second", tries = 3, every = "1s" }
[[diagnosis]]
id = "third"
ask = "Is the third well, once the second is known?"
uses = "http-probe"
needs = ["second"]
with = { url = "https://gateway.example/providers/third", tries = 2, every = "1s" }
[recovery]
stable_for = "5m"
[[escalation]]
uses = "page"
with = { to = "nobody" }
"#;

const SHORT: &str = r#"
name = "short"
title = "Short of workers"
owner = "tests"
mode = "auto"
[trigger]
alert = "Short"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "hung"
ask = "Does a worker hang?"
uses = "pods"
on = "eu"
with = { namespace = "inference", selector = "app=worker", what = ["hung"] }
[[mitigation]]
id = "more"
do = "More workers"
uses = "scale"
on = "eu"
with = { namespace = "inference", name = "worker", by = 2, floor = 2, ceiling = 6 }
verify = { within = "2m", every = "10s" }
[recovery]
stable_for = "5m"
[[escalation]]
uses = "page"
with = { to = "nobody" }
"#;

/// What an operator says for `short`.
const EU: &str = r#"
[plugins.pods]
source = "plugins/pod-state.wasm"
[[plugins.pods.grant.kubernetes]]
clusters = ["eu"]
verbs = ["list"]
resources = ["pods", "events"]
namespaces = ["inference"]
[plugins.scale]
source = "plugins/deployment-scale.wasm"
[[plugins.scale.grant.kubernetes]]
clusters = ["eu"]
verbs = ["get", "list", "scale"]
resources = ["deployments.apps", "horizontalpodautoscalers.autoscaling"]
namespaces = ["inference"]
"#;

/// What a test of `retried` begins with.
const FULL: &str = r#"
[[test.alert]]
labels = { alertname = "Full" }
[[test.plugin]]
step = "clean"
call = "plan"
actions = [{ verb = "remove", target = "file:scratch", items = ["scratch/a.tmp@1767000000000"] }]
"#;

/// The runbooks that ship, and how many tests each has at least.
const SHIPPED: [(&str, usize); 9] = [
    ("disk-full", 7),
    ("provider-slow", 5),
    ("hanged-gpu", 10),
    ("crash-loop", 9),
    ("high-latency-cluster-b", 11),
    ("queue-backlog", 9),
    ("certificate-expiring", 5),
    ("provider-outage", 13),
    ("toxic-loop", 6),
];

/// The way to a cluster that is nowhere: nothing connects to it.
const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
clusters: [{ name: eu, cluster: { server: "https://127.0.0.1:1" } }]
users: [{ name: engine, user: { token: none } }]
contexts: [{ name: eu, context: { cluster: eu, user: engine } }]
current-context: eu
"#;

/// The example of an operator's file with its runbooks and plugins, and `retried` besides.
async fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceCell<Snapshot> = OnceCell::const_new();
    SNAPSHOT.get_or_init(load).await
}

async fn load() -> Snapshot {
    let sandbox = Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 64,
        ..SandboxOptions::default()
    })
    .unwrap();
    let (site, shipped) = (
        tempfile::tempdir().unwrap(),
        stanch_test_support::root().join("runbooks"),
    );
    let at = |path: &str| site.path().join(path);
    std::fs::create_dir(at("runbooks")).unwrap();
    std::fs::create_dir(at("plugins")).unwrap();
    std::fs::create_dir(at("clusters")).unwrap();
    std::fs::write(at("clusters/eu.yaml"), KUBECONFIG).unwrap();
    let settings = std::fs::read_to_string(stanch_test_support::root().join("stanch.example.toml")).unwrap();
    // `retried` acts without a yes.
    std::fs::write(
        at("stanch.toml"),
        settings.replace("max_mode = \"ask\"", "max_mode = \"auto\"") + EU,
    )
    .unwrap();
    std::fs::write(at("runbooks/short.toml"), SHORT).unwrap();
    for (name, _) in SHIPPED {
        let name = format!("{name}.toml");
        std::fs::copy(shipped.join(&name), at("runbooks").join(&name)).unwrap();
    }
    std::fs::write(at("runbooks/retried.toml"), RETRIED).unwrap();
    std::fs::write(at("runbooks/probed.toml"), PROBED).unwrap();
    for name in installed(&settings) {
        let component = std::fs::read(stanch_test_support::component(&name)).unwrap();
        let manifest = sandbox.describe(component.as_slice().into()).await.unwrap();
        let packed = stanch_plugin_pack::add_manifest_section(&component, &manifest).unwrap();
        std::fs::write(at("plugins").join(format!("{name}.wasm")), packed).unwrap();
    }
    let secrets = Arc::new(Secrets::default());
    let snapshot = reload::aside(Parts {
        path: at("stanch.toml"),
        sandbox,
        facilities: facilities(&secrets, None).unwrap(),
        secrets,
        metrics: Arc::new(Metrics::new()),
    })
    .await
    .unwrap();
    assert_eq!(snapshot.problems, []);
    snapshot
}

/// The plugins that the example of an operator's file installs.
fn installed(settings: &str) -> BTreeSet<String> {
    let sources = settings
        .lines()
        .filter_map(|line| line.strip_prefix("source = \"plugins/")?.strip_suffix(".wasm\""));
    sources.map(str::to_owned).collect()
}

/// Plays the tests of a file of this runbook.
async fn play(runbook: &str, path: &str, text: &str) -> Vec<Rehearsed> {
    let snapshot = snapshot().await;
    let loaded = &snapshot.runbooks[runbook];
    let tests = RunbookTest::read(path, text, &loaded.runbook).unwrap_or_else(|errors| panic!("{errors}"));
    let mut played = Vec::new();
    for test in &tests {
        played.push(rehearse(snapshot, loaded, test).await);
    }
    played
}

/// Plays one test of `retried`, and says what is wrong, a line each.
async fn retried(test: &str) -> String {
    one("retried", test).await
}

async fn one(runbook: &str, test: &str) -> String {
    let text = format!("[[test]]\nname = \"it\"\n{test}");
    let [played] = play(runbook, "a.test.toml", &text).await.try_into().unwrap();
    played.wrong.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_of_the_shipped_runbooks_pass() {
    let folder = stanch_test_support::root().join("runbooks");
    let mut wrong = String::new();
    for (runbook, least) in SHIPPED {
        let path = folder.join(format!("{runbook}.test.toml"));
        let played = play(runbook, name(&path), &std::fs::read_to_string(&path).unwrap()).await;
        assert!(played.len() >= least, "{runbook} has {} tests", played.len());
        for test in played.iter().filter(|test| !test.wrong.is_empty()) {
            writeln!(wrong, "{runbook}: {}: {:#?}", test.test, test.wrong).unwrap();
        }
    }
    assert_eq!(wrong, "");
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_came_out_otherwise_is_told_beside_what_was_expected() {
    let wrong = retried(&format!(
        r#"{FULL}
[[test.plugin]]
step = "clean"
call = "apply"
failure = {{ code = "failed", message = "read-only file system" }}
[test.expect]
runs = false
ending = "healed"
escalated = false
within = "1m"
steps = {{ clean = "yes" }}
plans = {{ clean = ["remove file:other"] }}
questions = ["Clean?"]
told = []
undone = ["clean"]
"#
    ))
    .await;
    insta::assert_snapshot!(wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_needed_and_not_given_fails_the_test() {
    let unsaid =
        retried("[[test.alert]]\nlabels = { alertname = \"Full\" }\n[test.expect]\nending = \"failed\"")
            .await;
    assert_eq!(
        unsaid, "the test does not say what `clean` answers to `plan`",
        "although it ends as expected"
    );
    let too_late = retried(&format!(
        "{FULL}[[test.alert]]\nat = \"1m\"\nstatus = \"resolved\"\nlabels = {{ alertname = \"Full\" }}\n\
         [[test.person]]\nat = \"1h\"\ndoes = \"undo\"\n[test.expect]\nending = \"healed\""
    ))
    .await;
    assert!(
        too_late.contains("at 1h `dana` is refused: nothing to put back"),
        "{too_late}"
    );
}

/// Two old files and a young one, and how full their disk is.
const FILES: &str = r#"
[[test.alert]]
labels = { alertname = "Full" }
[[test.alert]]
at = "1h"
status = "resolved"
labels = { alertname = "Full" }
[[test.file]]
path = "scratch/a.tmp"
bytes = "2GiB"
age = "3d"
[[test.file]]
path = "scratch/b.tmp"
bytes = "1GiB"
age = "2d"
[[test.file]]
path = "scratch/young.tmp"
bytes = "1MiB"
[[test.space]]
folder = "scratch"
total = "10GiB"
free = "1GiB"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn where_a_test_gives_a_world_the_real_plugins_act_in_it() {
    let expected = |sent: &str, left: &str| {
        format!(
            "{FILES}[test.expect]\nending = \"healed\"\nsteps = {{ clean = \"yes\" }}\n\
             plans = {{ clean = [\"remove file:scratch\"] }}\ntold = []\nsent = [{sent}]\nleft = [{left}]\n"
        )
    };
    let right = expected("\"remove file:scratch\"", "\"scratch/young.tmp\"");
    assert_eq!(retried(&right).await, "");
    let wrong = retried(&expected("", "\"scratch/a.tmp\", \"*\"")).await;
    assert_eq!(
        wrong,
        "`sent` is expected to be [], and is [\"remove file:scratch\"]\n\
         `left` is expected to be [\"*\", \"scratch/a.tmp\"], and is [\"scratch/young.tmp\"]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_clusters_act_in_the_cluster_that_the_test_gives() {
    let deployment = |generation: u32, replicas: u32, ready: u32| {
        format!(
            "objects = '''\napiVersion: apps/v1\nkind: Deployment\n\
             metadata: {{name: worker, namespace: inference, generation: {generation}}}\nspec: {{replicas: {replicas}}}\n\
             status: {{replicas: {replicas}, readyReplicas: {ready}, observedGeneration: {generation}}}\n'''\n"
        )
    };
    let test = |after: &str, hung: &str| {
        format!(
            "[[test.alert]]\nlabels = {{ alertname = \"Short\" }}\n\
             [[test.alert]]\nat = \"1h\"\nstatus = \"resolved\"\nlabels = {{ alertname = \"Short\" }}\n\
             [[test.kubernetes]]\n{}[[test.kubernetes]]\nobjects = '''\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: worker-1, namespace: inference, labels: {{app: worker}}}}\nspec: {{containers: [{{name: main}}]}}\n\
             status: {{phase: Running, conditions: [{{type: Ready, status: \"True\"}}]}}\n'''\n\
             [[test.kubernetes]]\nsince = \"scale *\"\nafter = \"{after}\"\n{}\
             [test.expect]\nending = \"healed\"\nsteps = {{ hung = \"{hung}\", more = \"yes\" }}\n\
             plans = {{ more = [\"scale kubernetes:inference/apps/deployments/worker\"] }}\n\
             sent = [\"scale kubernetes:inference/apps/deployments/worker\"]\ntold = []\n",
            deployment(1, 3, 3),
            deployment(2, 5, 5)
        )
    };
    assert_eq!(one("short", &test("30s", "no")).await, "");
    let wrong = one("short", &test("30s", "yes")).await;
    assert!(wrong.contains("`steps.hung`"), "{wrong}");
    let wrong = one("short", &test("10m", "no")).await;
    assert!(wrong.contains("`steps.more`"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_the_test_answers_for_is_not_called_in_its_world() {
    let played = retried(&format!(
        "{FILES}{}[test.expect]\nending = \"healed\"\nsent = [\"remove file:scratch\"]\n\
         left = [\"scratch/a.tmp\", \"scratch/b.tmp\", \"scratch/young.tmp\"]",
        FULL.replacen("[[test.alert]]\nlabels = { alertname = \"Full\" }\n", "", 1)
    ))
    .await;
    assert_eq!(played, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_world_lacks_fails_the_test_although_it_ends_as_expected() {
    let no_space = FILES.split("[[test.space]]").next().unwrap();
    let wrong = retried(&format!("{no_space}[test.expect]\nending = \"failed\"")).await;
    insta::assert_snapshot!(wrong);
    let misspelt = FILES.replacen("path = \"scratch/a.tmp\"", "path = \"scrtch/a.tmp\"", 1);
    let wrong = retried(&format!("{misspelt}[test.expect]\nending = \"healed\"")).await;
    assert!(
        wrong.contains("no plugin is granted a folder `scrtch`; did you mean `scratch`?"),
        "{wrong}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_is_asked_before_each_action_of_a_real_plugin() {
    let wrong = retried(&format!(
        "{}[[test.person]]\ndoes = \"pause\"\n[test.expect]\nending = \"resolved-itself\"\nsent = []\n\
         left = [\"scratch/a.tmp\", \"scratch/b.tmp\", \"scratch/young.tmp\"]",
        FILES.replacen("[[test.alert]]", "[[test.alert]]\nat = \"1s\"", 1)
    ))
    .await;
    assert_eq!(wrong, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_real_plugins_are_asked_at_once_and_each_takes_its_own_time() {
    // The first two ask three times, a second apart, at the same time; the third begins then and asks twice.
    let probed = |within: &str| {
        format!(
            "[[test.alert]]\nlabels = {{ alertname = \"Probed\" }}\n\
             [[test.http]]\nurl = \"https://gateway.example/providers/first\"\n\
             [[test.http]]\nurl = \"https://gateway.example/providers/second\"\n\
             [[test.http]]\nurl = \"https://gateway.example/providers/third\"\nstatus = 503\ntimes = 1\n\
             [[test.http]]\nurl = \"https://gateway.example/providers/third\"\nafter = \"500ms\"\n\
             [[test.plugin]]\nuses = \"page\"\n\
             [test.expect]\nending = \"nothing-to-do\"\nwithin = \"{within}\"\n\
             steps = {{ first = \"yes\", second = \"yes\", third = \"no\" }}\ntold = [\"page\"]"
        )
    };
    assert_eq!(one("probed", &probed("2s")).await, "");
    assert_eq!(
        one("probed", &probed("1999ms")).await,
        "the run is expected to end within 1s999ms, and took 2s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_pass_in_milliseconds_and_to_the_second() {
    snapshot().await;
    let before = Instant::now();
    // Two attempts a minute apart fail, the third is good; five minutes after the alert is resolved it is over.
    let retried_in = |within: &str| {
        format!(
            r#"{FULL}
[[test.plugin]]
step = "clean"
call = "apply"
failure = {{ code = "unavailable", message = "not now" }}
[[test.plugin]]
at = "1m30s"
step = "clean"
call = "apply"
[[test.alert]]
at = "3h"
status = "resolved"
labels = {{ alertname = "Full" }}
[test.expect]
ending = "healed"
within = "{within}"
steps = {{ clean = "yes" }}
told = []
"#
        )
    };
    assert_eq!(retried(&retried_in("3h5m")).await, "");
    assert_eq!(
        retried(&retried_in("3h4m59s")).await,
        "the run is expected to end within 3h4m59s, and took 3h 5m"
    );
    assert!(
        before.elapsed() < Duration::from_secs(5),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_a_change_up_until_it_is_lifted() {
    let lifted_at = |at: &str, expected: &str| {
        format!(
            "{}[[test.person]]\ndoes = \"pause\"\n[[test.person]]\nat = \"{at}\"\ndoes = \"resume\"\n\
             [[test.alert]]\nat = \"20m\"\nstatus = \"resolved\"\nlabels = {{ alertname = \"Full\" }}\n\
             [test.expect]\n{expected}",
            FULL.replacen("[[test.alert]]", "[[test.alert]]\nat = \"1m\"", 1)
        )
    };
    let before = lifted_at("10m", "ending = \"healed\"\nsteps = { clean = \"yes\" }");
    assert_eq!(retried(&before).await, "");
    let after = lifted_at(
        "30m",
        "ending = \"resolved-itself\"\nsteps = { clean = \"skipped\" }",
    );
    assert_eq!(retried(&after).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_beyond_the_grant_is_none() {
    let denied = retried(
        "[[test.alert]]\nlabels = { alertname = \"Full\" }\n[[test.plugin]]\nstep = \"clean\"\ncall = \"plan\"\n\
         actions = [{ verb = \"remove\", target = \"file:elsewhere\", items = [\"elsewhere/a@1\"] }]\n\
         [test.expect]\nending = \"failed\"\nsteps = { clean = \"failed\" }\ntold = [\"page\"]",
    )
    .await;
    assert_eq!(denied, "");
}
