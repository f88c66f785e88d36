//! Cases of plugins, played: what they show, what differs, and what is looked at whatever a case says.
//!
//! The plugins are the scripted guests of tests/guests, which do what their parameters say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

use stanch_contract::PluginKind;
use stanch_recorded::case::{Case, Played, Unplayable, play};
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_test_support::guest;
use tokio::sync::OnceCell;

async fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceCell<Sandbox> = OnceCell::const_new();
    let options = SandboxOptions {
        cache: None,
        calls: 16,
        ..SandboxOptions::default()
    };
    SANDBOX
        .get_or_init(async || Sandbox::new(&options).unwrap())
        .await
}

async fn try_play(name: &str, text: &str) -> Result<Played, Unplayable> {
    let sandbox = sandbox().await;
    let plugin = sandbox.install(guest(&format!("scripted-{name}"))).await.unwrap();
    let case = Case::read("it.case.toml", text, plugin.kind()).unwrap_or_else(|errors| panic!("{errors}"));
    play(sandbox, &plugin, &case).await
}

/// What is wrong, as it is shown.
async fn wrong(name: &str, text: &str) -> String {
    let played = try_play(name, text).await.unwrap();
    let lines: Vec<String> = played.wrong.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

const GRANT: &str = r#"
[[grant.http]]
url = "https://api.example/**"
read = ["GET"]
change = ["POST", "PUT", "DELETE"]
[[grant.files]]
path = "/var/tmp/app"
at = "scratch"
access = "change"
"#;

const LOOK: &str = r#"
name = "a busy page"
params = { verdict = "no", summary = "it is busy", evidence = [{ label = "Status", value = "503" }], do = [
    { http = { url = "https://api.example/health" } }, { http = { url = "https://other.example/" } },
] }
[[http]]
url = "https://api.example/health"
status = 503
"#;

#[tokio::test]
async fn a_finding_is_what_the_case_says_or_each_place_where_it_differs_is_shown() {
    let right = format!(
        "{LOOK}{GRANT}{}",
        r#"
[expect]
calls = ["GET https://api.example/health", "refused GET https://other.example/"]
[expect.finding]
verdict = "no"
summary = "it is *"
evidence = [{ label = "Status", value = "503" }]
data = { calls = [{ ok = { status = 503 } }, { err = { code = "denied" } }] }
"#
    );
    assert_eq!(wrong("diagnosis", &right).await, "");
    let other = format!(
        "{LOOK}{GRANT}{}",
        r#"
[expect]
calls = ["GET https://api.example/health"]
[expect.finding]
verdict = "yes"
evidence = [{ label = "Status", value = "200" }]
data = { calls = [{ ok = { status = 200 } }, { err = { code = "denied", retry = 1 } }] }
"#
    );
    insta::assert_snapshot!(wrong("diagnosis", &other).await);
}

#[tokio::test]
async fn a_failure_is_expected_or_a_mistake() {
    let fails = |expect: &str| {
        format!(
            "name = \"it\"\nparams = {{ fail = {{ code = \"unavailable\", message = \"not now\" }} }}\n{expect}"
        )
    };
    let expected = fails("[expect.failure]\ncode = \"unavailable\"\nmessage = \"not *\"");
    assert_eq!(wrong("diagnosis", &expected).await, "");
    let other = fails("[expect.failure]\ncode = \"denied\"");
    assert_eq!(
        wrong("diagnosis", &other).await,
        "failure.code\n- \"denied\"\n+ \"unavailable\""
    );
    let unexpected = fails("[expect.finding]\nverdict = \"yes\"");
    assert_eq!(
        wrong("diagnosis", &unexpected).await,
        "`diagnose` fails: not now (unavailable)"
    );
    let well = "name = \"it\"\n[expect.failure]\ncode = \"denied\"";
    let said = wrong("diagnosis", well).await;
    assert!(
        said.starts_with("failure of diagnose\n- {\"code\":\"denied\"}\n+ none: {"),
        "{said}"
    );
}

/// Puts an entry, sees that it is there, and takes it away again.
const SWITCH: &str = r#"
name = "an entry is put and taken away again"
[params.plan]
do = [{ http = { url = "https://api.example/entry" } }]
summary = "Put the entry"
actions = [{ verb = "PUT", target = "https://api.example/entry", content = '{"contentType":"application/json","body":{"on":true}}' }]
[params.apply]
do = [
    { http = { method = "PUT", url = "https://api.example/entry", headers = { content-type = "application/json" }, body = '{"on":true}' } },
    { http = { method = "DELETE", url = "https://api.example/entry" } },
]
[params.verify]
do = [{ http = { url = "https://api.example/entry" } }]
[params.undo]
actions = [{ verb = "DELETE", target = "https://api.example/entry" }]
[[http]]
url = "https://api.example/entry"
status = 404
[[http]]
method = "PUT"
url = "https://api.example/entry"
sent = { on = true }
status = 201
[[http]]
method = "DELETE"
url = "https://api.example/entry"
status = 204
[[http]]
since = "PUT https://api.example/entry"
url = "https://api.example/entry"
json = { on = true }
"#;

#[tokio::test]
async fn a_change_is_planned_applied_verified_and_put_back_and_the_world_sees_it() {
    let case = format!(
        "{SWITCH}{GRANT}{}",
        r#"
[expect]
sent = ["PUT https://api.example/entry", "DELETE https://api.example/entry"]
[expect.calls]
plan = ["GET https://api.example/entry"]
apply = ["PUT https://api.example/entry", "refused DELETE https://api.example/entry"]
[expect.plan]
summary = "Put *"
actions = [{ verb = "PUT", target = "https://api.example/entry", content = { contentType = "application/json", body = { on = true } } }]
data = { calls = [{ ok = { status = 404 } }] }
[expect.outcome]
data = { calls = [{ ok = { status = 201 } }, { err = { code = "denied" } }] }
[expect.verify]
verdict = "yes"
data = { calls = [{ ok = { status = 200 } }] }
[expect.undo]
actions = [{ verb = "DELETE", target = "https://api.example/entry" }]
"#
    );
    assert_eq!(wrong("remediation", &case).await, "");
    let not_verified = case.replace("since = \"PUT https", "since = \"POST https");
    assert_eq!(
        wrong("remediation", &not_verified).await,
        "verify.data.calls[0].ok.status\n- 200\n+ 404"
    );
}

#[tokio::test]
async fn a_plan_that_the_gate_refuses_and_one_that_is_never_the_same_are_told() {
    let beyond = format!(
        "name = \"it\"\nparams = {{ plan = {{ actions = [{{ verb = \"DELETE\", target = \"https://other.example/\" }}] }} }}\n{GRANT}\
         [expect.failure]\nof = \"plan\"\ncode = \"denied\"\nmessage = \"*no grant of `scripted-remediation` names https://other.example/*to allow it: *\""
    );
    assert_eq!(wrong("remediation", &beyond).await, "");
    let case = |target: &str| {
        format!(
            "name = \"it\"\nparams = {{ plan = {{ actions = [{{ verb = \"DELETE\", target = \"{target}\" }}] }} }}\n{GRANT}\
             [expect.plan]\nactions = [{{ verb = \"DELETE\" }}]"
        )
    };
    assert_eq!(wrong("remediation", &case("https://api.example/a")).await, "");
    let said = wrong("remediation", &case("https://api.example/{chance}")).await;
    assert!(
        said.starts_with(
            "planned again in the same world, it is another plan, and people would be asked again\n"
        ) && said.contains("\nplan.actions[0].target\n- "),
        "{said}"
    );
}

/// Applies with one request of this method and these headers, of a plugin that says that it is idempotent.
fn repeated(method: &str, headers: &str) -> String {
    let content = r#"'{"contentType":"application/json","body":{"on":true}}'"#;
    format!(
        r#"
name = "it"
[params.plan]
actions = [{{ verb = "{method}", target = "https://api.example/entry", content = {content} }}]
[params.apply]
do = [{{ http = {{ method = "{method}", url = "https://api.example/entry", headers = {{ content-type = "application/json"{headers} }}, body = '{{"on":true}}' }} }}]
[[http]]
method = "{method}"
url = "https://api.example/entry"
times = 1
status = 201
{GRANT}
[expect]
sent = ["{method} https://api.example/entry"]
"#
    )
}

#[tokio::test]
async fn a_plugin_that_says_it_is_idempotent_is_applied_twice_and_may_have_no_second_effect() {
    let second = "the manifest says `idempotent`, and applied again under the same key, it has a second effect: POST https://api.example/entry is sent again without the same `idempotency-key`, so the server cannot know that it is the same";
    assert_eq!(wrong("idempotent", &repeated("POST", "")).await, second);
    assert_eq!(
        wrong("idempotent", &repeated("POST", ", idempotency-key = \"k\"")).await,
        ""
    );
    assert_eq!(wrong("idempotent", &repeated("PUT", "")).await, "");
    assert_eq!(
        wrong("remediation", &repeated("POST", "")).await,
        "",
        "it does not say so"
    );

    let digest = stanch_contract::Digest::of(b"done");
    let write = format!(
        r#"
name = "it"
[params.plan]
actions = [{{ verb = "write", target = "file:scratch/log", content = "sha256:{digest}" }}]
[params.apply]
do = [{{ sleep_ms = 1000 }}, {{ write = {{ path = "scratch/log", content = "done" }} }}]
[[file]]
path = "scratch/other"
{GRANT}
[expect]
left = ["scratch/log", "scratch/other"]
"#
    );
    let said = wrong("idempotent", &write).await;
    assert_eq!(
        said,
        "the manifest says `idempotent`, and applied again under the same key, it has a second effect: `scratch/log` changes once more"
    );
}

#[tokio::test]
async fn what_the_world_lacks_and_what_cannot_be_granted_is_told() {
    let lacks = format!(
        "name = \"it\"\nparams = {{ do = [{{ http = {{ url = \"https://api.example/\" }} }}] }}\n{GRANT}[expect.finding]\nverdict = \"yes\""
    );
    let said = wrong("diagnosis", &lacks).await;
    assert_eq!(
        said,
        "`diagnose` asked for `GET https://api.example/`, and the test gives no answer to it; write into the test:\n\
         [[http]]\nurl = \"https://api.example/\"\nstatus = 200\nbody = \"\""
    );
    let grant = "name = \"it\"\n[[grant.http]]\nurl = \"https://*.example/\"\nread = [\"GET\"]\n[expect.finding]\nverdict = \"yes\"";
    let error = try_play("diagnosis", grant).await.unwrap_err().to_string();
    assert!(
        error.starts_with("the grant is wrong: `url` of grant.http[0]: "),
        "{error}"
    );
    let folder = "name = \"it\"\n[[file]]\npath = \"scratch/a\"\n[expect.finding]\nverdict = \"yes\"";
    let error = try_play("diagnosis", folder).await.unwrap_err().to_string();
    assert!(
        error.contains("no plugin is granted a folder `scratch`"),
        "{error}"
    );
}

#[test]
fn every_mistake_of_a_case_is_told_at_its_place() {
    let text = r#"
nmae = "it"
now = "yesterday"
params = 1
limits = { memory = "1TiB" }
grant = { http = [{ url = "https://a.example", reed = [] }] }
[message]
title = "x"
[[alert]]
at = "5m"
labels = { alertname = "A" }
[expect]
calls = { diagnose = ["GET https://a.example"] }
[expect.plan]
sumary = "x"
[expect.failure]
of = "diagnose"
"#;
    let errors = Case::read("broken.case.toml", text, PluginKind::Remediation).unwrap_err();
    insta::assert_snapshot!(errors.render(false, 110));
    let nothing = Case::read("a.case.toml", "name = \"it\"\n[expect]", PluginKind::Diagnosis).unwrap_err();
    assert!(
        nothing
            .to_string()
            .contains("a case that expects nothing proves nothing"),
        "{nothing}"
    );
}

const CLUSTER: &str = r#"
on = "eu"
[[grant.kubernetes]]
clusters = ["eu"]
verbs = ["get", "list", "logs", "evict", "patch", "scale"]
resources = ["pods", "configmaps", "deployments.apps"]
namespaces = ["shop"]
[[kubernetes]]
objects = '''
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, uid: uid-of-a, labels: {app: x}}
spec: {nodeName: node-1, containers: [{name: main}, {name: side}]}
status: {phase: Running}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: mode, namespace: shop}
data: {level: fast, since: "${now_rfc3339-1h}"}
'''
"#;

fn steps(steps: &str) -> String {
    format!("name = \"it\"\nparams = {{ verdict = \"yes\", do = [{steps}] }}\n{CLUSTER}")
}

#[tokio::test]
async fn a_cluster_has_what_the_case_gives_and_no_more() {
    let text = steps(
        r#"{ kubernetes = { namespace = "shop", name = "a" } },
           { kubernetes = { namespace = "shop", name = "none" } },
           { kubernetes = { verb = "list", namespace = "shop", labels = "app=x" } },
           { kubernetes = { kind = "ConfigMap", namespace = "shop", name = "mode" } },
           { kubernetes = { verb = "logs", namespace = "shop", name = "a", container = "main", tail = 1 } },
           { kubernetes = { verb = "logs", namespace = "shop", name = "a" } },
           { kubernetes = { kind = "Secret", namespace = "shop", name = "key" } },
           { kubernetes = { kind = "Tank", namespace = "shop", name = "t" } },"#,
    );
    let expect = r#"
[[kubernetes]]
log = "kubernetes:shop/_/pods/a"
container = "main"
text = "one\ntwo\n"
[expect]
calls = ["get kubernetes:shop/_/pods/a", "get kubernetes:shop/_/pods/none", "list kubernetes:shop/_/pods",
    "get kubernetes:shop/_/configmaps/mode", "logs kubernetes:shop/_/pods/a", "logs kubernetes:shop/_/pods/a",
    "refused get kubernetes:shop/_/secrets/key", "get kubernetes:shop/_/Tank/t"]
[expect.finding]
data = { calls = [
    { ok = { metadata = { uid = "uid-of-a", creationTimestamp = "2026-01-01T00:00:00Z" } } },
    { err = { code = "not-found", message = "*pods \"none\" not found" } },
    { ok = { items = [{ metadata = { name = "a" } }] } },
    { ok = { data = { since = "2025-12-31T23:00:00.000Z" } } },
    { ok = "two\n" },
    { err = { message = "*choose one of: [main side]" } },
    { err = { code = "denied" } },
    { err = { code = "not-found", message = "*has no kind `Tank`" } },
] }
"#;
    assert_eq!(wrong("diagnosis", &format!("{text}{expect}")).await, "");

    // Of another cluster nothing is given, and of a log of which nothing is given nothing is guessed.
    let other = format!("{text}{expect}")
        .replace(
            "[[kubernetes]]\nobjects",
            "[[kubernetes]]\ncluster = \"us\"\nobjects",
        )
        .replace("[[kubernetes]]\nlog", "[[kubernetes]]\ncluster = \"us\"\nlog");
    let other = wrong("diagnosis", &other).await;
    assert!(
        other.contains("asked the cluster \"eu\", and the test gives nothing of it; write into the test:\n[[kubernetes]]\ncluster = \"eu\"\n"),
        "{other}"
    );
    let unsaid =
        format!("{text}{expect}").replace("container = \"main\"\ntext", "container = \"other\"\ntext");
    let unsaid = wrong("diagnosis", &unsaid).await;
    assert!(
        unsaid.contains("log = \"kubernetes:shop/_/pods/a\"\ntext = \"\""),
        "{unsaid}"
    );
}

#[tokio::test]
async fn what_follows_from_a_call_follows_in_its_time_and_an_answer_can_be_another() {
    let evict = r#"{ kubernetes = { verb = "evict", namespace = "shop", name = "a" } }"#;
    let list = r#"{ kubernetes = { verb = "list", namespace = "shop", labels = "app=x" } }"#;
    let text = format!(
        "name = \"it\"\nparams = {{ plan = {{ actions = [{{ verb = \"evict\", target = \"kubernetes:shop/_/pods/a\", expect = \"uid:uid-of-a\" }}] }}, \
         apply = {{ do = [{evict}, {evict}, {list}, {{ rest_ms = 1000 }}, {list}, {{ rest_ms = 2000 }}, {list}] }} }}\n{CLUSTER}"
    );
    let expect = r#"
[[kubernetes]]
call = "evict kubernetes:shop/_/pods/*"
times = 1
status = 429
message = "too many at a time"
[[kubernetes]]
since = "evict kubernetes:shop/_/pods/a"
after = "3s"
objects = '''
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: x}}
'''
[expect]
sent = ["evict kubernetes:shop/_/pods/a"]
[expect.outcome]
data = { calls = [
    { err = { code = "unavailable", message = "*too many at a time" } },
    { ok = {} },
    { ok = { items = [{ metadata = { name = "a", deletionTimestamp = "2026-01-01T00:00:30Z" } }] } },
    { ok = { items = [] } },
    { ok = { items = [{ metadata = { name = "b", creationTimestamp = "2026-01-01T00:00:03Z" } }] } },
] }
"#;
    let wrong_then = wrong(
        "remediation",
        &format!("{text}{expect}").replace("{ ok = {} }", "{}"),
    )
    .await;
    assert_eq!(wrong_then, "");

    // Refused before anything was sent, and lost after it was done, are two things.
    for (error, left) in [("refused", "name = \"a\""), ("lost", "deletionTimestamp = \"*\"")] {
        let case = format!(
            "name = \"it\"\nparams = {{ plan = {{ actions = [{{ verb = \"evict\", target = \"kubernetes:shop/_/pods/a\", expect = \"uid:uid-of-a\" }}] }}, \
             apply = {{ do = [{evict}, {list}] }} }}\n{CLUSTER}[[kubernetes]]\ncall = \"evict *\"\nerror = \"{error}\"\n\
             [expect.outcome]\ndata = {{ calls = [{{ err = {{ code = \"unavailable\" }} }}, {{ ok = {{ items = [{{ metadata = {{ {left} }} }}] }} }}] }}\n"
        );
        assert_eq!(wrong("remediation", &case).await, "", "{error}");
    }
}

#[test]
fn what_cannot_be_of_a_cluster_is_told_at_its_place() {
    let text = r#"
name = "it"
[[kubernetes]]
objects = "kind: [Pod"
[[kubernetes]]
objects = "{kind: Pod, metadata: {name: a}}"
[[kubernetes]]
objects = ""
log = "kubernetes:shop/_/pods/a"
[[kubernetes]]
call = "evict"
status = 429
[[kubernetes]]
call = "get kubernetes:shop/_/pods/a"
[[kubernetes]]
after = "3s"
gone = ["kubernetes:shop/_/pods/a"]
[expect.finding]
verdict = "yes"
"#;
    let errors = Case::read("broken.case.toml", text, PluginKind::Diagnosis).unwrap_err();
    let errors = errors.render(false, 110);
    for says in [
        "`objects` is not YAML",
        "`a` has no `apiVersion`",
        "a table says one thing of a cluster",
        "`evict` is not a call",
        "an answer is an `error`, or has a `status`",
        "`after` counts from a call that `since` names",
    ] {
        assert!(errors.contains(says), "{says}: {errors}");
    }
}
