//! The gate as a real component meets it: scripted plugins that try, in the sandbox, what they must not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use stanch_contract::{ActionState, CheckedPlan, Digest, Finding, Outcome, PluginKey};
use stanch_sandbox::gate::{
    Access, Apply, EarlierAction, FilesGrantSpec, GrantSpec, NotifyGrantSpec, check_plan,
};
use stanch_sandbox::{CallReport, Installation, InstallationParts, Limits, Message};
use stanch_test_support::guest;

use crate::common::{context, sandbox};
use crate::world::{Server, TOKEN, World, http, only_http};

async fn installed(kind: &str, world: &World) -> Installation {
    let sandbox = sandbox();
    let plugin = sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap();
    let parts = InstallationParts {
        key: PluginKey::from("waf"),
        plugin,
        grant: world.grant.clone(),
        limits: Limits::default(),
        settings: Value::Null,
        facilities: world.facilities.clone(),
    };
    Installation::new(&sandbox, parts)
}

/// The answers of the script's calls.
fn calls(data: &Value) -> Vec<Value> {
    data["calls"].as_array().unwrap().clone()
}

async fn diagnose(world: &World, steps: Value) -> CallReport<Finding> {
    let plugin = installed("diagnosis", world).await;
    plugin
        .diagnose(&context(), &json!({ "do": steps, "verdict": "yes" }))
        .await
}

/// The call was refused: with this code, and these words in its message.
fn is_refused(call: &Value, code: &str, words: &str) {
    assert_eq!(call["err"]["code"], code, "{call}");
    assert!(call["err"]["message"].as_str().unwrap().contains(words), "{call}");
}

struct Remedy {
    plugin: Installation,
    world: World,
}

impl Remedy {
    async fn new(world: World) -> Self {
        Self {
            plugin: installed("remediation", &world).await,
            world,
        }
    }

    async fn plan(&self, actions: Value) -> CheckedPlan {
        let report = self
            .plugin
            .plan(&context(), &json!({ "plan": { "actions": actions } }))
            .await;
        check_plan(
            report.result.unwrap(),
            &self.world.grant,
            &self.world.facilities,
            None,
            false,
        )
        .await
        .unwrap()
    }

    async fn apply(&self, plan: CheckedPlan, steps: Value) -> CallReport<Outcome> {
        self.again(plan, steps, BTreeMap::new()).await
    }

    async fn again(
        &self,
        plan: CheckedPlan,
        steps: Value,
        earlier: BTreeMap<u32, EarlierAction>,
    ) -> CallReport<Outcome> {
        let apply = Apply {
            plan,
            earlier,
            log: self.world.log.clone(),
        };
        self.plugin
            .apply(&context(), &json!({ "apply": { "do": steps } }), apply)
            .await
    }
}

fn post(url: &str, ip: u32) -> Value {
    json!({ "http": { "method": "POST", "url": url, "headers": { "content-type": "application/json" },
                      "body": json!({ "ip": ip }).to_string() } })
}

fn planned(url: &str, ip: u32) -> Value {
    json!({ "verb": "POST", "target": url, "content": json!({ "contentType": "application/json", "body": { "ip": ip } }).to_string() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_reads_what_it_is_granted_and_changes_nothing() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/api/**"))));
    let steps = json!([
        { "http": { "url": server.url("/api/a") } },
        { "http": { "url": server.url("/other") } },
        post(&server.url("/api/a"), 1),
        { "http": { "url": "http://169.254.169.254/latest" } },
        { "http": { "url": server.url("/api/%2e%2e/other") } },
        { "http": { "url": server.url("/api/a"), "headers": { "Host": "evil" } } },
        { "kubernetes": { "verb": "get", "kind": "Secret", "name": "a" } },
        { "read": { "path": "/etc/passwd" } },
        { "usage": "scratch" },
    ]);
    let report = diagnose(&world, steps).await;
    let calls = calls(&report.result.unwrap().data);
    assert_eq!(calls[0]["ok"]["body"], "fine");
    is_refused(&calls[1], "denied", "no grant of `waf` names");
    is_refused(&calls[2], "denied", "this call is read-only");
    is_refused(&calls[3], "denied", "no grant of `waf` names");
    is_refused(&calls[4], "denied", "encoded dot");
    is_refused(&calls[5], "denied", "the gate's");
    is_refused(&calls[6], "denied", "kubernetes");
    is_refused(&calls[7], "denied", "is absolute");
    is_refused(&calls[8], "denied", "names a folder `scratch`");
    assert_eq!(server.count(), 1);
    assert_eq!(report.ledger.calls.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changes_something_is_refused() {
    let server = Server::ok().await;
    let remedy = Remedy::new(World::new(only_http(http(&server.url("/**"))))).await;
    let script = json!({ "plan": { "do": [post(&server.url("/a"), 1)], "strict": true } });
    let report = remedy.plugin.plan(&context(), &script).await;
    let failure = report.result.unwrap_err().to_string();
    assert!(failure.contains("this call is read-only"), "{failure}");
    assert_eq!((server.count(), report.ledger.calls.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_sends_what_is_planned_once_and_nothing_beyond() {
    let server = Server::ok().await;
    let remedy = Remedy::new(World::new(only_http(http(&server.url("/**"))))).await;
    let url = server.url("/block");
    let plan = remedy.plan(json!([planned(&url, 1)])).await;
    let steps = json!([
        post(&url, 2),
        post(&server.url("/other"), 1),
        { "http": { "method": "DELETE", "url": url } },
        post(&url, 1),
        post(&url, 1),
    ]);
    let report = remedy.apply(plan, steps).await;
    let calls = calls(&report.result.unwrap().data);
    is_refused(&calls[0], "denied", "its content is");
    is_refused(&calls[1], "denied", "is not in the plan");
    is_refused(&calls[2], "denied", "names POST on this target");
    assert_eq!(calls[3]["ok"]["status"], 200);
    is_refused(&calls[4], "denied", "was used already");
    assert_eq!(server.count(), 1);
    assert_eq!(remedy.world.log.events(), ["started 0", "ended 0 done"]);
    assert_eq!(report.ledger.progress[&0].as_str(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_traps_or_runs_out_of_time_after_sending_takes_no_answer_with_it() {
    let slow = Server::start(|_| {
        std::thread::sleep(Duration::from_millis(300));
        StatusCode::NO_CONTENT.into_response()
    })
    .await;
    let url = slow.url("/a");
    let remedy = Remedy::new(World::new(only_http(http(&slow.url("/**"))))).await;
    let plan = remedy.plan(json!([planned(&url, 1)])).await;
    let report = remedy
        .apply(plan.clone(), json!([post(&url, 1), { "trap": "after" }]))
        .await;
    assert!(report.result.is_err());
    assert_eq!(report.ledger.progress[&0].as_str(), "done");

    let mut impatient = post(&url, 1);
    impatient["http"]["timeout_ms"] = json!(50);
    let report = remedy.apply(plan, json!([impatient])).await;
    assert_eq!(calls(&report.result.unwrap().data)[0]["err"]["code"], "timeout");
    assert_eq!(report.ledger.progress[&0].as_str(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_crash_in_the_middle_sends_only_what_was_not_answered() {
    let server = Server::ok().await;
    let remedy = Remedy::new(World::new(only_http(http(&server.url("/**"))))).await;
    let urls = ["/a", "/b", "/c"].map(|path| server.url(path));
    let plan = remedy
        .plan(json!(urls.each_ref().map(|url| planned(url, 1))))
        .await;
    let steps = json!(urls.each_ref().map(|url| post(url, 1)));
    remedy
        .apply(plan.clone(), json!([post(&urls[0], 1), { "trap": "here" }]))
        .await;
    let mut earlier = remedy.world.log.earlier();
    earlier.insert(
        1,
        EarlierAction {
            state: ActionState::Unknown {
                detail: "killed".into(),
            },
            answer: None,
        },
    );
    let report = remedy.again(plan, steps, earlier).await;
    let calls = calls(&report.result.unwrap().data);
    assert_eq!(calls[0]["ok"]["body"], "fine");
    is_refused(&calls[1], "denied", "in doubt (killed)");
    assert_eq!(calls[2]["ok"]["body"], "fine");
    let sent: Vec<String> = server
        .got
        .lock()
        .unwrap()
        .iter()
        .map(|got| got.uri.path().to_owned())
        .collect();
    assert_eq!(sent, ["/a", "/c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_echoed_back_reaches_neither_the_plugin_nor_the_journal() {
    let server = Server::start(|got| {
        let sent = got.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
        ([("x-echo", sent.clone())], json!({ "you": sent }).to_string()).into_response()
    })
    .await;
    let mut entry = http(&server.url("/**"));
    entry
        .headers
        .insert("authorization".into(), "Bearer ${secret:token}".into());
    let world = World::new(only_http(entry));
    let report = diagnose(&world, json!([{ "http": { "url": server.url("/a") } }])).await;
    let everything = format!("{:?} {:?} {:?}", report.result, report.ledger.calls, report.logs);
    assert!(everything.contains("Bearer [secret]"), "{everything}");
    assert!(!everything.contains(TOKEN), "{everything}");
    let kept = report
        .ledger
        .contents
        .values()
        .map(|content| String::from_utf8_lossy(content).into_owned());
    assert!(kept.collect::<String>().contains("Bearer [secret]"));
}

#[allow(clippy::disallowed_methods, reason = "a test makes its own files")]
fn put(path: &Path, content: &str) -> u64 {
    std::fs::write(path, content).unwrap();
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    u64::try_from(
        modified
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_removed_and_written_as_planned_and_what_changed_stays() {
    let folder = tempfile::TempDir::new().unwrap();
    let (old, changed) = (
        put(&folder.path().join("old"), "1"),
        put(&folder.path().join("changed"), "22"),
    );
    std::os::unix::fs::symlink("/etc", folder.path().join("out")).unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let files = vec![FilesGrantSpec {
        path,
        at: "scratch".into(),
        access: Access::Change,
    }];
    let remedy = Remedy::new(World::new(GrantSpec {
        files,
        ..Default::default()
    }))
    .await;
    let plan = remedy.plan(json!([
        { "verb": "remove", "target": "file:scratch",
          "items": [format!("scratch/old@{old}"), format!("scratch/changed@{changed}")] },
        { "verb": "write", "target": "file:scratch/new", "content": format!("sha256:{}", Digest::of(b"new")) },
    ]));
    let plan = plan.await;
    put(&folder.path().join("changed"), "333");
    let entry = |name: &str, bytes: u32, at: u64| json!({ "path": format!("scratch/{name}"), "bytes": bytes, "modified_ms": at });
    let steps = json!([
        { "read": { "path": "scratch/out/passwd" } },
        { "write": { "path": "scratch/new", "content": "other" } },
        { "write": { "path": "scratch/new", "content": "new" } },
        { "remove": { "folder": "scratch", "files": [entry("old", 1, old), entry("changed", 2, changed)] } },
        { "remove": { "folder": "scratch", "files": [entry("old", 1, old), entry("changed", 2, changed)] } },
    ]);
    let report = remedy.apply(plan, steps).await;
    let calls = calls(&report.result.unwrap().data);
    is_refused(&calls[0], "denied", "link");
    is_refused(&calls[1], "denied", "differs from the plan");
    assert_eq!(calls[2]["ok"], Value::Null);
    assert!(calls[2].get("err").is_none());
    assert_eq!(calls[3]["ok"]["paths"], json!(["scratch/old"]), "{}", calls[3]);
    is_refused(&calls[4], "denied", "was used already");
    let mut left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["changed", "new", "out"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_reaches_its_hook_and_nothing_else() {
    let server = Server::ok().await;
    let entry = NotifyGrantSpec {
        url: server.url("/hook"),
        addresses: vec!["127.0.0.1".into()],
        ..Default::default()
    };
    let world = World::new(GrantSpec {
        notify: vec![entry],
        ..Default::default()
    });
    let plugin = installed("notification", &world).await;
    let message = Message {
        kind: "report".into(),
        severity: "low".into(),
        title: "t".into(),
        text: "t".into(),
        link: None,
        report: Value::Null,
        thread: "run1".into(),
        extra: Value::Null,
    };
    let steps = json!([post(&server.url("/hook"), 1), { "http": { "url": server.url("/hook") } }, post(&server.url("/other"), 1)]);
    let report = plugin.notify(&context(), &json!({ "do": steps }), &message).await;
    assert!(report.result.is_ok());
    assert_eq!(server.count(), 1);
    assert_eq!(report.ledger.calls.len(), 3);
}
