//! Plugins in a recorded world: the real sandbox and gate, with what a test gives beyond.
//!
//! The plugins are the scripted guests of tests/guests, which do what their parameters say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as tests do"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::{
    ActionState, AttemptMade, CheckedPlan, Finding, IdempotencyKey, PluginKey, RunId, Span, StepId, Timestamp,
};
use stanch_recorded::{Sending, World, WorldError};
use stanch_runbook::given::{self, Given};
use stanch_runbook::reading::{At, Fields, Problems, parse};
use stanch_sandbox::gate::{ActionLog, Apply, Decision, Grant, Stop, check_plan};
use stanch_sandbox::{
    CallContext, CallFault, CallReport, Installation, InstallationParts, Limit, Limits, Sandbox,
    SandboxOptions,
};
use stanch_test_support::guest;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

const START: Timestamp = Timestamp(1_767_225_600_000);

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

fn given(text: &str) -> Given {
    let mut problems = Problems::new("a.case.toml", text);
    let table = parse(text, &mut problems);
    let mut fields = Fields::new(&table, &At::start(), "a test");
    let given = given::read(&mut fields, "", &mut problems);
    fields.finish(&mut problems);
    problems.finish().unwrap_or_else(|errors| panic!("{errors}"));
    given
}

/// A scripted plugin with a grant, in a world.
struct Stage {
    world: World,
    installation: Installation,
}

impl Stage {
    async fn new(kind: &str, grant: Value, world: &str) -> Self {
        Self::try_new(kind, grant, world, Limits::default())
            .await
            .unwrap()
    }

    async fn try_new(kind: &str, grant: Value, world: &str, limits: Limits) -> Result<Self, WorldError> {
        let key = PluginKey::from("scripted");
        let grant = Grant::new(key.clone(), serde_json::from_value(grant).unwrap()).unwrap();
        let world = World::new(&given(world), START, [&grant], "")?;
        let sandbox = sandbox().await;
        let parts = InstallationParts {
            key,
            plugin: sandbox.install(guest(&format!("scripted-{kind}"))).await.unwrap(),
            grant: Arc::new(grant),
            limits,
            settings: json!({}),
            facilities: world.visit("`nobody`").facilities,
        };
        let installation = Installation::new(sandbox, parts);
        Ok(Self { world, installation })
    }

    async fn report(&self, script: Value) -> CallReport<Finding> {
        let plugin = self.installation.before(self.world.visit("`look`").facilities);
        self.world
            .alone(Box::pin(plugin.diagnose(&context(), &script)))
            .await
    }

    /// The answers of the script's calls.
    async fn calls(&self, script: Value) -> Vec<Value> {
        let finding = self.report(script).await.result.unwrap();
        finding.data["calls"].as_array().unwrap().clone()
    }

    async fn get(&self, url: &str) -> Value {
        self.calls(json!({ "do": [{ "http": { "url": url } }] }))
            .await
            .remove(0)
    }

    async fn plan(&self, script: &Value) -> CheckedPlan {
        let visit = self.world.visit("`plan`");
        let plugin = self.installation.before(visit.facilities.clone());
        let plan = self
            .world
            .alone(Box::pin(plugin.plan(&context(), script)))
            .await
            .result
            .unwrap();
        check_plan(plan, plugin.grant(), &visit.facilities, None, false)
            .await
            .unwrap()
    }

    async fn apply(&self, script: &Value, plan: CheckedPlan) -> AttemptMade {
        let plugin = self.installation.before(self.world.visit("`apply`").facilities);
        let log = Arc::new(Log::default());
        let apply = Apply {
            plan: plan.clone(),
            earlier: BTreeMap::new(),
            log: log.clone(),
        };
        let report = self
            .world
            .alone(Box::pin(plugin.apply(&context(), script, apply)))
            .await;
        AttemptMade {
            plan,
            progress: report.ledger.progress.clone(),
            outcome: Some(report.result.unwrap()),
        }
    }

    fn now(&self) -> Span {
        self.world.clock().now().since(START)
    }

    fn missing(&self) -> String {
        let missing = self.world.missing();
        missing
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

fn context() -> CallContext {
    CallContext {
        run: RunId::from("run1"),
        step: StepId::from("look"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("run1.look.do"),
        alerts: Arc::new([]),
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<u32>>);

#[async_trait]
impl ActionLog for Log {
    async fn started(&self, action: u32) -> Result<(), Stop> {
        self.0.lock().unwrap().push(action);
        Ok(())
    }

    async fn ended(&self, _: u32, _: ActionState, _: Option<Vec<u8>>) {}
}

fn api() -> Value {
    json!({ "http": [{ "url": "https://api.example/**", "read": ["GET"], "change": ["POST", "PUT"] }] })
}

fn scratch(access: &str) -> Value {
    json!({ "files": [{ "path": "/var/tmp/app", "at": "scratch", "access": access }] })
}

#[tokio::test]
async fn servers_answer_what_the_test_says_and_the_latest_that_applies_counts() {
    let stage = Stage::new(
        "diagnosis",
        api(),
        r#"
[[http]]
url = "https://api.example/health"
times = 1
status = 503
headers = { retry-after = "7" }
[[http]]
url = "https://api.example/health"
json = { ok = true, at = "${now}" }
[[http]]
at = "1h"
url = "https://api.example/*"
body = "later, at ${now_rfc3339}"
"#,
    )
    .await;
    let busy = stage.get("https://api.example/health").await;
    assert_eq!(
        (&busy["ok"]["status"], &busy["ok"]["headers"]["retry-after"]),
        (&json!(503), &json!("7"))
    );
    for _ in 0..2 {
        let well = stage.get("https://api.example/health").await;
        assert_eq!(
            (&well["ok"]["body"], &well["ok"]["headers"]["content-type"]),
            (
                &json!("{\"at\":1767225600,\"ok\":true}"),
                &json!("application/json")
            )
        );
    }
    stage.world.clock().advance(START.plus(Span::from_secs(3_600)));
    let later = stage.get("https://API.example:443/health").await;
    assert_eq!(later["ok"]["body"], "later, at 2026-01-01T01:00:00.000Z");
    assert_eq!(stage.missing(), "");
}

#[tokio::test]
async fn what_is_not_given_is_refused_and_told_with_how_to_write_it() {
    let stage = Stage::new(
        "diagnosis",
        json!({ "http": [{ "url": "https://api.example/**", "read": ["GET", "POST", "PUT"] }] }),
        r#"
[[http]]
method = "POST"
url = "https://api.example/search"
sent = { query = "up" }
[[http]]
url = "https://api.example/once"
times = 1
[[http]]
at = "5m"
url = "https://api.example/soon"
"#,
    )
    .await;
    let post = |body: &str| json!({ "http": { "method": "POST", "url": "https://api.example/search", "body": body } });
    let calls = stage
        .calls(json!({ "do": [
            { "http": { "url": "https://api.example/nowhere?a=b" } },
            { "http": { "url": format!("https://api.example/query?q={}", "x".repeat(60)) } },
            { "http": { "url": "https://api.example/search" } },
            post("{\"query\": \"up\", \"more\": 1}"),
            post("{\"query\": \"down\"}"),
            { "http": { "url": "https://api.example/once" } },
            { "http": { "url": "https://api.example/once" } },
            { "http": { "url": "https://api.example/soon" } },
            { "http": { "method": "PUT", "url": "https://api.example/soon" } },
        ] }))
        .await;
    let outcomes: Vec<&str> = calls
        .iter()
        .map(|call| call["err"]["code"].as_str().unwrap_or("ok"))
        .collect();
    assert_eq!(
        outcomes,
        [
            "unavailable",
            "unavailable",
            "unavailable",
            "ok",
            "unavailable",
            "ok",
            "unavailable",
            "unavailable",
            "unavailable"
        ]
    );
    insta::assert_snapshot!(stage.missing());
}

#[tokio::test]
async fn the_gate_is_the_real_one_grant_phase_address_size_and_secrets() {
    let grant = json!({ "http": [{
        "url": "https://api.example/**", "read": ["GET"], "change": ["POST"], "max_response": "1KiB",
        "headers": { "authorization": "Bearer ${secret:token}" },
    }, { "url": "http://10.0.0.7/**", "read": ["GET"] }, { "url": "https://inside.example/**", "read": ["GET"] }] });
    let stage = Stage::new(
        "diagnosis",
        grant,
        &format!(
            r#"
[[http]]
url = "https://api.example/large"
body = "{}"
[[http]]
url = "https://api.example/echo"
body = "you sent the-secret-token-of-a-test"
[[http]]
url = "http://10.0.0.7/*"
[[http]]
url = "https://inside.example/*"
address = "10.1.2.3"
[[http]]
method = "POST"
url = "https://*"
"#,
            "x".repeat(2000)
        ),
    )
    .await;
    let report = stage
        .report(json!({ "do": [
            { "http": { "url": "https://elsewhere.example/" } },
            { "http": { "method": "POST", "url": "https://api.example/" } },
            { "http": { "url": "https://api.example/large" } },
            { "http": { "url": "https://api.example/echo" } },
            { "http": { "url": "http://10.0.0.7/" } },
            { "http": { "url": "https://inside.example/" } },
        ] }))
        .await;
    let layers: Vec<String> = report
        .ledger
        .calls
        .iter()
        .map(|call| match &call.decision {
            Decision::Refused(refusal) => refusal.layer.as_str().to_owned(),
            _ => call.answer.as_ref().unwrap().summary.clone(),
        })
        .collect();
    assert_eq!(layers[..2], ["grant", "phase"]);
    assert!(layers[2].contains("larger than 1.0 KiB"), "{layers:?}");
    assert_eq!(layers[3..], ["200", "address", "address"]);
    let data = report.result.unwrap().data;
    assert_eq!(data["calls"][3]["ok"]["body"], "you sent [secret]");
    let passed = stage.world.passed();
    let urls: Vec<&str> = passed.iter().map(|one| one.url.as_str()).collect();
    assert_eq!(urls, ["https://api.example/large", "https://api.example/echo"]);
    assert_eq!(
        stage.missing(),
        "",
        "what the gate refuses is not asked of the world"
    );
}

#[tokio::test]
async fn servers_that_do_not_answer_fail_as_real_ones_and_take_no_real_time() {
    let world = r#"
[[http]]
url = "https://api.example/refused"
error = "refused"
[[http]]
url = "https://api.example/unknown"
error = "unknown-host"
[[http]]
url = "https://api.example/lost"
error = "lost"
after = "2s"
[[http]]
url = "https://api.example/slow"
after = "10s"
[[http]]
url = "https://api.example/never"
error = "timeout"
"#;
    let stage = Stage::new("diagnosis", api(), world).await;
    let get = |path: &str, ms: u32| json!({ "http": { "url": format!("https://api.example/{path}"), "timeout_ms": ms } });
    let calls = stage
        .calls(json!({ "do": [
            get("refused", 1000), get("unknown", 1000), get("lost", 5000),
            get("slow", 11_000), get("slow", 3000), get("never", 4000), { "remaining": {} },
        ] }))
        .await;
    let message = |index: usize| calls[index]["err"]["message"].as_str().unwrap();
    let code = |index: usize| calls[index]["err"]["code"].as_str().unwrap();
    assert!(
        message(0).contains("cannot be connected to: connection refused"),
        "{}",
        message(0)
    );
    assert!(message(1).contains("cannot be resolved"), "{}", message(1));
    assert!(
        message(2).contains("closed before an answer came"),
        "{}",
        message(2)
    );
    assert_eq!([code(0), code(1), code(2)], ["unavailable"; 3]);
    assert_eq!(calls[3]["ok"]["status"], 200);
    assert_eq!([code(4), code(5)], ["timeout"; 2]);
    // 2 s, 10 s, 3 s and 4 s of the 30 that a call has.
    assert_eq!(calls[6]["ok"], 11_000);
    assert_eq!(stage.now(), Span::from_secs(19));
    let sendings: Vec<Sending> = stage.world.passed().iter().map(|one| one.sending).collect();
    assert_eq!(
        sendings,
        [
            Sending::NotSent,
            Sending::NotSent,
            Sending::Lost,
            Sending::Answered(200),
            Sending::Lost,
            Sending::Lost
        ]
    );
}

#[tokio::test]
async fn all_clocks_of_a_plugin_are_the_worlds_and_its_time_is_up_on_it() {
    let stage = Stage::new("diagnosis", json!({}), "").await;
    let calls = stage
        .calls(json!({ "do": [
            { "now": {} }, { "sleep_ms": 20_000 }, { "now": {} }, { "wall": {} }, { "monotonic": {} }, { "remaining": {} },
        ] }))
        .await;
    let ok: Vec<i64> = calls
        .iter()
        .map(|call| call["ok"].as_f64().unwrap() as i64)
        .collect();
    assert_eq!(ok, [START.0, START.0 + 20_000, START.0 + 20_000, 0, 10_000]);
    let twice = [stage.report(json!({})).await, stage.report(json!({})).await];
    assert_ne!(
        twice[0].readings.seed, twice[1].readings.seed,
        "each call has its own chance"
    );

    let late = stage
        .report(json!({ "do": [{ "sleep_ms": 31_000 }, { "trap": "too late" }] }))
        .await;
    let fault = late.result.unwrap_err();
    assert!(
        matches!(&fault, CallFault::Limit(hit) if hit.limit == Limit::Wall),
        "{fault}"
    );
    assert_eq!(stage.now(), Span::from_secs(50), "it ended when its time was up");
}

#[tokio::test]
async fn the_same_test_plays_the_same_way_each_time() {
    let play = async || {
        let stage = Stage::new("diagnosis", json!({}), "").await;
        let calls = stage
            .calls(json!({ "do": [{ "random": {} }, { "sleep_ms": 1234 }, { "now": {} }] }))
            .await;
        (calls, stage.now())
    };
    assert_eq!(play().await, play().await);
}

#[tokio::test]
async fn a_folder_has_the_files_of_the_test_with_their_ages_and_other_hands_are_in_it() {
    let stage = Stage::new(
        "diagnosis",
        scratch("read"),
        r#"
[[file]]
path = "scratch/big.tmp"
bytes = "14GiB"
age = "2d"
[[file]]
path = "scratch/deep/er/note.txt"
content = "hello"
age = "1h"
[[file]]
at = "10m"
path = "scratch/big.tmp"
gone = true
[[file]]
at = "10m"
path = "scratch/new.tmp"
bytes = "1MiB"
[[space]]
folder = "scratch"
total = "100GiB"
free = "5GiB"
"#,
    )
    .await;
    let look = json!({ "do": [
        { "usage": "scratch" }, { "scan": { "folder": "scratch", "recursive": true } },
        { "read": { "path": "scratch/deep/er/note.txt" } }, { "read": { "path": "scratch/nothing" } },
    ] });
    let gib = |count: u64| json!((count << 30) as f64);
    let at = |before: i64| json!((START.0 - before) as f64);
    let calls = stage.calls(look.clone()).await;
    assert_eq!(calls[0]["ok"], json!({ "total": gib(100), "free": gib(5) }));
    let mut items = calls[1]["ok"]["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["path"].as_str().unwrap().to_owned());
    assert_eq!(
        items,
        [
            json!({ "path": "scratch/big.tmp", "kind": "file", "bytes": gib(14), "modified_ms": at(172_800_000) }),
            json!({ "path": "scratch/deep", "kind": "directory", "bytes": items[1]["bytes"], "modified_ms": at(3_600_000) }),
            json!({ "path": "scratch/deep/er", "kind": "directory", "bytes": items[2]["bytes"], "modified_ms": at(3_600_000) }),
            json!({ "path": "scratch/deep/er/note.txt", "kind": "file", "bytes": 5.0, "modified_ms": at(3_600_000) }),
        ]
    );
    assert_eq!(calls[2]["ok"], "hello");
    assert_eq!(calls[3]["err"]["code"], "not-found");

    stage.world.clock().advance(START.plus(Span::from_secs(600)));
    let calls = stage.calls(look).await;
    let free = calls[0]["ok"]["free"].as_f64().unwrap();
    assert_eq!(
        free,
        ((19_u64 << 30) - (1 << 20)) as f64,
        "what others remove is free, too"
    );
    assert_eq!(
        stage.world.files().unwrap(),
        ["scratch/deep/er/note.txt", "scratch/new.tmp"]
    );
    assert_eq!(stage.missing(), "");
}

#[tokio::test]
async fn what_a_plugin_removes_is_gone_and_what_it_writes_is_there() {
    let stage = Stage::new(
        "remediation",
        scratch("change"),
        r#"
[[file]]
path = "scratch/a.tmp"
bytes = "2GiB"
age = "2d"
[[file]]
path = "scratch/b.tmp"
bytes = "1GiB"
age = "3d"
[[file]]
at = "1m"
path = "scratch/b.tmp"
bytes = "1GiB"
[[space]]
folder = "scratch"
total = "10GiB"
free = "1GiB"
"#,
    )
    .await;
    let (a, b) = (START.0 - 172_800_000, START.0 - 259_200_000);
    let content = stanch_contract::Digest::of(b"done");
    let files = json!([
        { "path": "scratch/a.tmp", "bytes": 2_147_483_648_u64, "modified_ms": a },
        { "path": "scratch/b.tmp", "bytes": 1_073_741_824, "modified_ms": b },
    ]);
    let script = json!({
        "plan": { "actions": [
            { "verb": "remove", "target": "file:scratch", "items": [format!("scratch/a.tmp@{a}"), format!("scratch/b.tmp@{b}")] },
            { "verb": "write", "target": "file:scratch/log", "content": format!("sha256:{content}") },
        ] },
        "apply": { "do": [
            { "sleep_ms": 5000 },
            { "remove": { "folder": "scratch", "files": files } },
            { "write": { "path": "scratch/log", "content": "done" } },
            { "write": { "path": "scratch/other", "content": "done" } },
            { "usage": "scratch" }, { "scan": { "folder": "scratch" } },
        ] },
    });
    let plan = stage.plan(&script).await;
    assert_eq!(
        plan.actions[0].identity, "/var/tmp/app",
        "the operator's folder, for locks and for people"
    );
    stage.world.clock().advance(START.plus(Span::from_secs(60)));
    let made = stage.apply(&script, plan).await;

    let calls = &made.outcome.as_ref().unwrap().data["calls"];
    assert_eq!(
        calls[0]["ok"]["paths"],
        json!(["scratch/a.tmp"]),
        "b is another file by now"
    );
    assert!(calls[1].get("ok").is_some(), "{calls}");
    assert!(
        calls[2]["err"]["message"]
            .as_str()
            .unwrap()
            .contains("refused by the plan"),
        "{calls}"
    );
    assert_eq!(
        calls[3]["ok"]["free"].as_f64().unwrap() as u64,
        (3 << 30) - 4,
        "{calls}"
    );
    let items = calls[4]["ok"]["items"].as_array().unwrap();
    let log = items.iter().find(|item| item["path"] == "scratch/log").unwrap();
    assert_eq!(
        log["modified_ms"].as_f64().unwrap() as i64,
        START.0 + 65_000,
        "on the world's clock"
    );
    assert_eq!(stage.world.files().unwrap(), ["scratch/b.tmp", "scratch/log"]);
    assert!(matches!(made.progress[&0], ActionState::Done { .. }));
}

#[tokio::test]
async fn folders_and_disks_that_are_not_given_are_told_with_how_to_write_them() {
    let stage = Stage::new("diagnosis", scratch("read"), "").await;
    let calls = stage
        .calls(json!({ "do": [{ "scan": { "folder": "scratch" } }] }))
        .await;
    assert!(calls[0].get("err").is_some());
    let missing = stage.missing();
    assert!(
        missing.contains("`look` looked into the folder `scratch`"),
        "{missing}"
    );
    given(&stage.world.missing()[0].write);

    let stage = Stage::new("diagnosis", scratch("read"), "[[file]]\npath = \"scratch/a\"").await;
    stage
        .calls(json!({ "do": [{ "usage": "scratch" }, { "usage": "scratch" }] }))
        .await;
    let [missing] = stage.world.missing().try_into().unwrap();
    assert!(
        missing.what.contains("how full the disk of `scratch` is"),
        "{missing}"
    );
    assert_eq!(given(&missing.write).spaces[0].folder, "scratch");

    let unknown = Stage::try_new(
        "diagnosis",
        scratch("read"),
        "[[file]]\npath = \"scrach/a\"",
        Limits::default(),
    )
    .await;
    let error = unknown.err().unwrap().to_string();
    assert!(
        error.contains("no plugin is granted a folder `scrach`; did you mean `scratch`?"),
        "{error}"
    );
    let outside = Stage::try_new(
        "diagnosis",
        scratch("read"),
        "[[file]]\npath = \"scratch/../a\"",
        Limits::default(),
    );
    assert!(
        outside
            .await
            .err()
            .unwrap()
            .to_string()
            .contains("has a `.` or `..`")
    );
}
