//! Roles that are bounded to the runbooks of some teams and owners, at the real program: what each may see and do, beside what they may not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stanch_outside::http::Connection;
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_outside::settings;
use stanch_parts::until;
use stanch_tests::{disk, sandbox};

/// The team `platform`'s: it asks before it removes files.
const DISK: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
[trigger]
alert = "DiskFull"
group_by = ["instance"]
[impact]
severity = "high"
summary = "Writes fail next."
[[diagnosis]]
id = "scratch_large"
ask = "Do scratch files take much of it?"
uses = "disk-usage"
with = { folder = "scratch", larger_than = "100KiB" }
[[mitigation]]
id = "clean"
do = "Remove old scratch files"
when = "diagnosis.scratch_large.yes"
uses = "disk-cleanup"
with = { folder = "scratch", pattern = "*.log", older_than = "1d" }
[mitigation.approval]
ask = "Remove old scratch files for good?"
[recovery]
stable_for = "1s"
trust = "alert"
"#;

/// The team `inference`'s: people look.
const GPU: &str = r#"
name = "hanged-gpu"
title = "A GPU hangs"
owner = "inference-oncall"
[trigger]
alert = "GpuHangs"
[impact]
severity = "high"
summary = "Answers wait."
[[diagnosis]]
id = "seen"
ask = "Does it hang?"
by_hand = "nvidia-smi"
[[mitigation]]
id = "reset"
do = "Reset the GPU"
when = "diagnosis.seen.yes"
by_hand = "nvidia-smi -r"
[recovery]
stable_for = "1s"
trust = "alert"
"#;

const PEOPLE: [(&str, &str); 8] = [
    ("ada", "role = \"admin\""),
    ("ina", "role = \"operator\"\nteams = [\"inference\"]"),
    ("pat", "role = \"approver\"\nteams = [\"platform\"]"),
    (
        "pia",
        "role = \"operator\"\nteams = [\"platform\"]\nelsewhere = \"viewer\"",
    ),
    ("vic", "role = \"viewer\""),
    ("olu", "role = \"operator\"\nowners = [\"platform-oncall\"]"),
    // Nothing is both.
    (
        "oki",
        "role = \"operator\"\nteams = [\"platform\"]\nowners = [\"inference-oncall\"]",
    ),
    ("bo", "role = \"operator\"\nteams = [\"inference\", \"platform\"]"),
];

struct Site {
    engine: Engine,
    scratch: Scratch,
    listens: SocketAddr,
}

impl Site {
    async fn start() -> Self {
        let scratch = Scratch::new("teams").unwrap();
        let folder = scratch.path();
        let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut toml = settings::engine(listens, "platform", "auto");
        toml += "[[runbooks]]\npath = \"inference\"\nteam = \"inference\"\nplugins = [\"gpu-*\"]\n";
        toml += &disk::plugins(&scratch, &sandbox()).await;
        for (name, rest) in PEOPLE {
            let digest = hex::encode(Sha256::digest(name));
            toml += &format!("[[users]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\n{rest}\n");
        }
        scratch.write("stanch.toml", toml).unwrap();
        scratch.write("runbooks/disk-full.toml", DISK).unwrap();
        scratch.write("runbooks/broken.toml", "name = 7\n").unwrap();
        scratch.write("inference/hanged-gpu.toml", GPU).unwrap();
        disk::old_file(&scratch, "old.log", 200_000);
        let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
        Self {
            engine,
            scratch,
            listens,
        }
    }

    fn api(&self, who: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut engine = Connection::open(self.listens).unwrap();
        let answer = engine.api(method, path, who, body).unwrap();
        (answer.status, answer.json())
    }

    /// The run that an alert of this name opened.
    fn fire(&self, name: &str) -> String {
        let alert = json!([{
            "name": name, "fingerprint": name, "status": "firing", "labels": { "alertname": name, "instance": "node-1" },
            "starts_at": "2026-11-24T00:00:00Z",
        }]);
        let (status, accepted) = self.api("ada", "POST", "/alerts", &alert);
        assert_eq!(status, 202, "{accepted}");
        let (_, runs) = self.api("ada", "GET", "/runs?open=true", &Value::Null);
        runs[0]["id"].as_str().unwrap().to_owned()
    }

    /// The names in what a list shows to somebody.
    fn names(&self, who: &str, path: &str, field: &str) -> Vec<String> {
        let (status, list) = self.api(who, "GET", path, &Value::Null);
        assert_eq!(status, 200, "{who} {path}: {list}");
        let list = list
            .get("runbooks")
            .filter(|list| list.is_array())
            .unwrap_or(&list);
        let names = list.as_array().unwrap().iter();
        let mut names: Vec<String> = names
            .map(|line| line[field].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_some_teams_or_owners_sees_and_does_what_is_theirs_and_is_told_whose_the_rest_is() {
    let site = Site::start().await;
    let disk = site.fire("DiskFull");
    let gpu = site.fire("GpuHangs");
    site.fire("Unknown");
    let asked = until("the question", || {
        let (_, view) = site.api("ada", "GET", &format!("/runs/{disk}"), &Value::Null);
        let steps = view["steps"].as_array()?.clone();
        let question = steps
            .iter()
            .find_map(|step| step["question"].as_object().cloned())?;
        question["digest"].as_str().map(str::to_owned)
    })
    .unwrap();

    // What lists show.
    for (who, runbooks) in [
        ("ada", vec!["disk-full", "hanged-gpu"]),
        ("bo", vec!["disk-full", "hanged-gpu"]),
        ("pia", vec!["disk-full", "hanged-gpu"]),
        ("pat", vec!["disk-full"]),
        ("olu", vec!["disk-full"]),
        ("ina", vec!["hanged-gpu"]),
        ("oki", vec![]),
    ] {
        let platforms = runbooks.contains(&"disk-full");
        assert_eq!(site.names(who, "/runbooks", "name"), runbooks, "{who}");
        assert_eq!(site.names(who, "/runs", "runbook"), runbooks, "{who}");
        assert_eq!(site.names(who, "/report", "runbook"), runbooks, "{who}");
        let alerts = site.names(who, "/alerts", "name");
        // What fits no runbook is of no team.
        assert_eq!(
            alerts.contains(&"Unknown".into()),
            matches!(who, "ada" | "pia"),
            "{who}: {alerts:?}"
        );
        assert_eq!(
            alerts.contains(&"DiskFull".into()),
            platforms,
            "{who}: {alerts:?}"
        );
        let (_, explained) = site.api(who, "POST", "/explain", &json!({ "fingerprint": "GpuHangs" }));
        let met = explained["runbooks"].as_array().unwrap().len();
        assert_eq!(met, runbooks.len(), "{who}: {explained}");
        let (_, status) = site.api(who, "GET", "/status", &Value::Null);
        assert_eq!(status["runbooks"], json!(runbooks.len()), "{who}");
        assert_eq!(
            status["problems"].as_array().unwrap().len(),
            usize::from(platforms),
            "{who}: {status}"
        );
        let plugins = site.names(who, "/plugins", "key");
        assert_eq!(plugins.is_empty(), !platforms, "{who}: {plugins:?}");
    }

    // What each may do: who, how, where, what, and the status.
    let none = Value::Null;
    let (yes, pause) = (
        json!({ "yes": true, "digest": asked }),
        |scope: &str| json!({ "scope": scope, "reason": "x" }),
    );
    let run = |run: &str, rest: &str| format!("/runs/{run}{rest}");
    let table = [
        ("ina", "GET", run(&disk, ""), none.clone(), 403),
        ("ina", "GET", run(&disk, "/events"), none.clone(), 403),
        ("ina", "GET", "/runbooks/disk-full".into(), none.clone(), 403),
        ("ina", "GET", run(&gpu, ""), none.clone(), 200),
        ("pia", "GET", run(&gpu, ""), none.clone(), 200),
        ("pat", "GET", run(&gpu, ""), none.clone(), 403),
        ("olu", "GET", run(&gpu, ""), none.clone(), 403),
        ("olu", "GET", run(&disk, ""), none.clone(), 200),
        ("oki", "GET", run(&gpu, ""), none.clone(), 403),
        ("oki", "GET", run(&disk, ""), none.clone(), 403),
        ("olu", "POST", "/pauses".into(), pause("runbook:hanged-gpu"), 403),
        ("olu", "POST", "/pauses".into(), pause("all"), 403),
        ("oki", "POST", run(&disk, "/cancel"), json!({}), 403),
        (
            "ina",
            "POST",
            run(&disk, "/steps/clean/decision"),
            yes.clone(),
            403,
        ),
        ("ina", "POST", run(&disk, "/cancel"), json!({}), 403),
        ("ina", "POST", run(&disk, "/undo"), none.clone(), 403),
        ("pia", "POST", run(&gpu, "/cancel"), json!({}), 403),
        (
            "pia",
            "POST",
            run(&gpu, "/steps/seen/answer"),
            json!({ "verdict": "yes" }),
            403,
        ),
        (
            "pat",
            "POST",
            run(&gpu, "/steps/seen/answer"),
            json!({ "verdict": "yes" }),
            403,
        ),
        (
            "ina",
            "POST",
            run(&gpu, "/steps/seen/answer"),
            json!({ "verdict": "yes" }),
            204,
        ),
        (
            "ina",
            "POST",
            "/runs".into(),
            json!({ "runbook": "disk-full" }),
            403,
        ),
        (
            "ina",
            "POST",
            "/plan".into(),
            json!({ "runbook": "disk-full" }),
            403,
        ),
        ("ina", "POST", "/pauses".into(), pause("all"), 403),
        ("ina", "POST", "/pauses".into(), pause("plugin:disk-cleanup"), 403),
        ("ina", "POST", "/pauses".into(), pause("runbook:disk-full"), 403),
        ("ina", "POST", "/pauses".into(), pause("runbook:hanged-gpu"), 204),
        (
            "pia",
            "DELETE",
            "/pauses/runbook:hanged-gpu".into(),
            none.clone(),
            403,
        ),
        (
            "ina",
            "DELETE",
            "/pauses/runbook:hanged-gpu".into(),
            none.clone(),
            204,
        ),
        (
            "vic",
            "POST",
            run(&disk, "/steps/clean/decision"),
            yes.clone(),
            403,
        ),
        // What is of the engine as a whole.
        ("bo", "POST", "/reload".into(), none.clone(), 403),
        ("bo", "POST", "/rollback".into(), json!({}), 403),
        ("bo", "GET", "/audit".into(), none.clone(), 403),
        ("bo", "POST", "/alerts".into(), json!([]), 403),
        ("bo", "POST", "/pauses".into(), pause("all"), 403),
        ("ada", "GET", "/audit".into(), none.clone(), 200),
        ("ada", "POST", "/reload".into(), none.clone(), 200),
        (
            "pia",
            "POST",
            run(&gpu, "/steps/reset/decision"),
            yes.clone(),
            403,
        ),
        // The one whose it is says yes.
        ("pat", "POST", run(&disk, "/steps/clean/decision"), yes, 204),
    ];
    for (who, method, path, body, expected) in table {
        // A stream that is opened does not end: it is only looked at whether it is refused.
        let (status, answer) = site.api(who, method, &path, &body);
        assert_eq!(status, expected, "{who} {method} {path}: {answer}");
        if status == 403 {
            let hint = answer["hint"].as_str().unwrap_or_default();
            assert!(hint.starts_with("ask "), "{who} {method} {path}: {answer}");
        }
    }
    let (_, refused) = site.api("ina", "GET", &run(&disk, ""), &none);
    assert_eq!(
        (refused["detail"].as_str(), refused["hint"].as_str()),
        (
            Some("the runbook `disk-full` is the team `platform`'s, which the role of `ina` does not reach"),
            Some(
                "ask its owner, `platform-oncall`, or have `teams` of your entry or rule in stanch.toml name the team `platform`"
            )
        )
    );
    let (_, refused) = site.api("oki", "GET", &run(&disk, ""), &none);
    assert_eq!(
        (refused["detail"].as_str(), refused["hint"].as_str()),
        (
            Some("the runbook `disk-full` is `platform-oncall`'s, which the role of `oki` does not reach"),
            Some("ask it, or have `owners` of your entry or rule in stanch.toml name `platform-oncall`")
        )
    );
    until("the file to be gone", || {
        (!site.scratch.path().join("files/old.log").exists()).then_some(())
    })
    .unwrap();
    let alone =
        json!({ "yes": true, "digest": asked, "break_glass": true, "reason": "nobody else is awake" });
    let (status, refused) = site.api("olu", "POST", &run(&disk, "/steps/clean/decision"), &alone);
    assert_eq!(status, 403, "{refused}");
    // What did not count is in the audit, with why; it is written a moment after the answer.
    for why in [
        "`pia` has role viewer; to decide takes role approver",
        "`vic` has role viewer; to decide takes role approver",
        "the runbook `disk-full` is the team `platform`'s, which the role of `ina` does not reach",
        "nobody may decide alone here: the operator did not allow it",
    ] {
        until(why, || {
            let audit = site.engine.ask(&["audit", "list"]).unwrap().to_string();
            audit.contains(why).then_some(())
        })
        .unwrap();
    }
    site.engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_and_offer_what_the_role_reaches_and_nothing_else() {
    let site = Site::start().await;
    let disk = site.fire("DiskFull");
    let gpu = site.fire("GpuHangs");
    let page = |who: &str, path: &str| {
        let login = Connection::open(site.listens)
            .and_then(|mut engine| engine.send("POST", "/login", &[], &format!("token={who}")))
            .unwrap();
        let cookie = login
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let answer = Connection::open(site.listens)
            .and_then(|mut engine| engine.send("GET", path, &[("cookie", &cookie)], ""))
            .unwrap();
        (answer.status, answer.body)
    };
    let run = |id: &str| format!("/runs/{id}");
    let (status, body) = page("ina", &run(&disk));
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("platform-oncall"), "{body}");
    assert_eq!(page("ina", &format!("{}/live", run(&disk))).0, 403);
    assert_eq!(page("ina", &format!("{}/export.md", run(&disk))).0, 403);
    assert_eq!(page("ina", "/r/disk-full").0, 403);
    for (who, path, shows, hides) in [
        ("ina", "/", "A GPU hangs", "A disk is almost full"),
        ("pat", "/", "A disk is almost full", "A GPU hangs"),
        ("ina", "/runs", "A GPU hangs", "A disk is almost full"),
        ("ina", "/r", "A GPU hangs", "A disk is almost full"),
        ("ina", "/a", "GpuHangs", "DiskFull"),
        // Whose role is lower there is offered nothing.
        ("pia", run(&gpu).as_str(), "A GPU hangs", "value=\"yes\""),
        (
            "ina",
            run(&gpu).as_str(),
            "value=\"yes\"",
            "nothing that is hidden",
        ),
        ("ina", "/", "value=\"runbook:\"", "value=\"all\""),
        ("ada", "/", "value=\"all\"", "value=\"runbook:\""),
    ] {
        let (status, body) = page(who, path);
        assert_eq!(status, 200, "{who} {path}: {body}");
        assert!(
            body.contains(shows) && !body.contains(hides),
            "{who} {path}: {body}"
        );
    }
    site.engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_nobody_any_more_is_told_nothing_more_of_a_run_that_they_follow() {
    let site = Site::start().await;
    let gpu = site.fire("GpuHangs");
    let events = |who: &str| {
        let path = format!("/api/v1/runs/{gpu}/events");
        let authorization = format!("Bearer {who}");
        let (mut seen, mut changed) = (Vec::new(), false);
        let told = Connection::open(site.listens).unwrap().follow(
            &path,
            &[("authorization", authorization.as_str())],
            |line| {
                let word = line
                    .trim()
                    .strip_prefix("event: ")
                    .or(line.trim().strip_prefix("event:"));
                let word = word.map(str::trim).map(str::to_owned)?;
                seen.push(word.clone());
                if !std::mem::replace(&mut changed, true) {
                    // Once it is followed, `ina` is taken out of stanch.toml, and the run changes.
                    let toml = fs::read_to_string(site.scratch.path().join("stanch.toml")).unwrap();
                    let without = toml.replace(
                        &hex::encode(Sha256::digest("ina")),
                        &hex::encode(Sha256::digest("other")),
                    );
                    site.scratch.write("stanch.toml", without).unwrap();
                    assert_eq!(site.api("ada", "POST", "/reload", &Value::Null).0, 200);
                    let answer = json!({ "verdict": "yes" });
                    let path = format!("/runs/{gpu}/steps/seen/answer");
                    assert_eq!(site.api("ada", "POST", &path, &answer).0, 204);
                }
                (seen.len() == 9 || word == "problem").then(|| seen.clone())
            },
        );
        told.unwrap()
    };
    // Changes of before may be told first.
    let told = events("ina").unwrap();
    let (last, before) = told.split_last().unwrap();
    assert!(
        last == "problem" && before.iter().all(|word| word == "run") && !before.is_empty(),
        "{told:?}"
    );
    site.engine.stop().unwrap();
}
