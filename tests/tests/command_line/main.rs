//! The real program, from the alert to the export: `serve` in a folder of its own, and every command a person would use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod openapi;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use stanch_outside::run::asked;
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_tests::{disk, packed, sandbox};

const TOKEN: &str = "dana's token";

const RUNBOOK: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
[trigger]
alert = "DiskFull"
group_by = ["instance"]
[impact]
severity = "high"
summary = "Writes fail next. What is on the disk is safe."
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
from = ["group:sre"]
[recovery]
stable_for = "1s"
trust = "alert"
"#;

const TEST: &str = r#"
[[test]]
name = "after a yes old files go"
[[test.alert]]
labels = { alertname = "DiskFull", instance = "node-1" }
[[test.alert]]
at = "10m"
status = "resolved"
labels = { alertname = "DiskFull", instance = "node-1" }
[[test.plugin]]
step = "scratch_large"
verdict = "yes"
[[test.plugin]]
step = "clean"
call = "plan"
actions = [{ verb = "remove", target = "file:scratch", items = ["scratch/a.log@1"] }]
[[test.person]]
at = "2m"
by = "dana"
step = "clean"
does = "approve"
[test.expect]
ending = "ENDING"
questions = ["Remove old scratch files for good?"]
plans = { clean = ["remove file:scratch"] }
"#;

fn alert(status: &str) -> String {
    format!(
        r#"{{"name":"DiskFull","fingerprint":"f1","status":"{status}",
            "labels":{{"alertname":"DiskFull","instance":"node-1"}},"starts_at":"2026-11-24T00:00:00Z"}}"#
    )
}

/// A folder with everything that the engine needs, and where it is to listen.
async fn laid_out() -> (Scratch, SocketAddr) {
    let scratch = Scratch::new("command-line").unwrap();
    let folder = scratch.path();
    let sandbox = sandbox();
    for plugin in ["disk-usage", "disk-cleanup"] {
        scratch
            .write(&format!("plugins/{plugin}.wasm"), packed(&sandbox, plugin).await)
            .unwrap();
    }
    for name in ["old-1.log", "old-2.log"] {
        disk::old_file(&scratch, name, 100_000);
    }
    scratch.write("files/new.log", "new").unwrap();
    scratch.write("runbooks/disk-full.toml", RUNBOOK).unwrap();
    scratch.write("firing.json", alert("firing")).unwrap();
    scratch.write("resolved.json", alert("resolved")).unwrap();
    let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    scratch.write("stanch.toml", settings(folder, listens)).unwrap();
    (scratch, listens)
}

fn settings(folder: &Path, listens: SocketAddr) -> String {
    let digest = hex::encode(Sha256::digest(TOKEN));
    let files = folder.join("files");
    let grant = |plugin: &str, access: &str| {
        format!(
            "[plugins.{plugin}]\nsource = \"plugins/{plugin}.wasm\"\n[[plugins.{plugin}.grant.files]]\n\
             path = {files:?}\nat = \"scratch\"\naccess = \"{access}\"\n"
        )
    };
    format!(
        "[server]\nlisten = \"{listens}\"\n[store]\npath = \"data\"\nreserve = \"1MiB\"\n\
         [[runbooks]]\npath = \"runbooks\"\nteam = \"platform\"\nplugins = [\"*\"]\nmax_mode = \"auto\"\n\
         [[intake]]\nkind = \"alertmanager\"\npath = \"/alerts/alertmanager\"\n\
         [[users]]\nname = \"dana\"\ntoken_sha256 = \"{digest}\"\ngroups = [\"sre\"]\nrole = \"approver\"\n{}{}",
        grant("disk-usage", "read"),
        grant("disk-cleanup", "change")
    )
}

fn said(engine: &Engine, folder: &Path, token: Option<&str>, words: &[&str]) -> Output {
    let mut command = engine.command(words);
    command.current_dir(folder);
    if let Some(token) = token {
        command.env("STANCH_TOKEN", token);
    }
    command.output().unwrap()
}

fn done(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: &Output, code: i32, says: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not come")
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_alert_to_the_export() {
    let (scratch, listens) = laid_out().await;
    let folder = scratch.path();
    let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
    let socket = fs::metadata(folder.join("data/control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let ask = |words: &[&str]| done(said(&engine, folder, None, words));
    let json = |words: &[&str]| serde_json::from_str::<Value>(&ask(&[&["--json"], words].concat())).unwrap();

    // A dry run looks and plans and changes nothing, and is no run.
    let dry = json(&["plan", "disk-full", "--alert", "firing.json"]);
    assert_eq!(dry["run"]["steps"][0]["state"], "planned", "{dry}");
    assert_eq!(json(&["runs"]), Value::Array(vec![]));
    assert!(ask(&["explain", "firing.json"]).contains("applies"));

    assert!(ask(&["alert", "firing.json"]).contains("1 alert recorded"));
    let run = json(&["runs"])[0]["id"].as_str().unwrap().to_owned();
    let question = until("the question", || asked(&json(&["runs", "show", &run])));
    let digest = question.digest.clone().unwrap();
    let page = ask(&["runs", "show", run.get(10..).unwrap()]);
    for text in [
        "HIGH  A disk is almost full",
        "remove file:scratch (2 files",
        "group:sre",
        digest.as_str(),
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert!(!page.contains('\u{1b}'), "nobody looks, so nothing is coloured");

    // The owner of the socket is in no group; a wrong token is nobody; another plan is not this one.
    let approve = |token, digest: &str| {
        said(
            &engine,
            folder,
            token,
            &["approve", &run, "clean", "--digest", digest],
        )
    };
    refused(&approve(None, &digest), 1, "it asks group:sre");
    refused(
        &approve(Some("wrong"), &digest),
        1,
        "the token is none of stanch.toml's users'",
    );
    refused(&approve(Some(TOKEN), &"0".repeat(64)), 1, "is another one by now");
    refused(
        &said(&engine, folder, Some(TOKEN), &["approve", &run]),
        2,
        "nobody is here to look at the plan",
    );
    refused(
        &said(&engine, folder, Some(TOKEN), &["pause", "--reason", "x"]),
        1,
        "takes role operator",
    );
    assert_eq!(
        fs::read_dir(folder.join("files")).unwrap().count(),
        3,
        "nothing was done yet"
    );

    // The same over the network, where being the owner's account is nothing.
    let server = format!("http://{listens}");
    let remote =
        |token, words: &[&str]| said(&engine, folder, token, &[&["--server", &server], words].concat());
    let decide = ["approve", &run, "clean", "--digest", &digest];
    refused(
        &remote(None, &decide),
        1,
        "over the network a token says who is asking",
    );
    refused(
        &remote(None, &["status"]),
        1,
        "over the network a token says who is asking",
    );
    refused(
        &remote(Some("wrong"), &decide),
        1,
        "the token is none of stanch.toml's users'",
    );
    refused(
        &remote(Some(TOKEN), &["pause", "--reason", "x"]),
        1,
        "takes role operator",
    );
    assert!(done(remote(Some(TOKEN), &["runs", "show", &run])).contains(&digest));
    assert_eq!(
        fs::read_dir(folder.join("files")).unwrap().count(),
        3,
        "nothing was done yet"
    );

    let follow = |token, server: &[&str]| {
        let mut command = engine.command(&[server, &["runs", "show", &run, "--follow"]].concat());
        if let Some(token) = token {
            command.env("STANCH_TOKEN", token);
        }
        command
            .current_dir(folder)
            .stdout(std::process::Stdio::piped())
            .spawn()
    };
    let following = [follow(None, &[]), follow(Some(TOKEN), &["--server", &server])];
    done(remote(Some(TOKEN), &decide));
    until("the change", || {
        (json(&["runs", "show", &run])["steps"][0]["state"] == "done").then_some(())
    });
    assert_eq!(
        fs::read_dir(folder.join("files")).unwrap().count(),
        1,
        "the old files are gone, the new one is not"
    );
    ask(&["alert", "resolved.json"]);
    until("the ending", || {
        (json(&["runs", "show", &run])["ending"] == "healed").then_some(())
    });
    for follow in following {
        let followed = done(follow.unwrap().wait_with_output().unwrap());
        assert!(
            followed.contains("yes to clean (dana)") && followed.contains("closed as healed"),
            "{followed}"
        );
    }

    let report = ask(&["export", &run]);
    for text in [
        "# A disk is almost full",
        "| Ending | healed |",
        "Yes by dana",
        "apply: `files remove",
    ] {
        assert!(report.contains(text), "{text}\n{report}");
    }
    let whole: Value = serde_json::from_str(&ask(&["export", &run, "--format", "json"])).unwrap();
    assert_eq!(whole["timeline"][0]["event"], "RunOpened");
    let seen = &json(&["report", "--runbook", "disk-full"])["runbooks"][0];
    assert_eq!(seen["acted"]["healed"], 1, "{seen}");
    assert_eq!(seen["answers"]["yes"], 1, "{seen}");
    assert_eq!(seen["ready"], "not-yet", "{seen}");
    let list = ask(&["audit", "list"]);
    assert!(
        list.contains(&format!("yes to clean of run {run}, plan {}", &digest[..12])),
        "{list}"
    );
    assert!(ask(&["report"]).contains("not yet: 1 of 20 answers with yes so far, and none with no"));
    assert!(ask(&["report", "--runbook", "another"]).starts_with("no runs since"));
    refused(
        &said(
            &engine,
            folder,
            Some(TOKEN),
            &["approve", &run, "--digest", &digest],
        ),
        1,
        "asks nothing",
    );
    engine.stop().unwrap();
    assert!(!folder.join("data/control.sock").exists());
}

/// A run says what its plugins need: one that was refused everything, and one that waits for a yes.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_as_the_intake_would_that_it_is_sent_to() {
    const INTAKES: &str = r#"
[[intake]]
kind = "generic"
path = "/alerts/checks"
[intake.map]
each = "body.checks"
name = "item.what"
status = "item.open"
fingerprint = "string(item.id)"
labels = { instance = "item.node" }
[[intake]]
kind = "cloudevents"
path = "/alerts/events"
map = { name = "'DiskFull'", status = "event.type == 'disk.full'", labels = { instance = "event.subject" } }
"#;
    let (scratch, listens) = laid_out().await;
    let folder = scratch.path();
    let text = fs::read_to_string(folder.join("stanch.toml")).unwrap();
    scratch.write("stanch.toml", text + INTAKES).unwrap();
    let checks = r#"{"checks":[{"what":"Other","open":true,"id":1,"node":"n"},{"what":"DiskFull","open":true,"id":2,"node":"node-1"}]}"#;
    let event = r#"{"specversion":"1.0","type":"disk.full","source":"/nodes","subject":"node-2","id":"e1"}"#;
    scratch.write("checks.json", checks).unwrap();
    scratch.write("event.json", event).unwrap();
    scratch
        .write("spoilt.json", checks.replace("\"id\":2,", ""))
        .unwrap();
    let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
    let ask = |words: &[&str]| done(said(&engine, folder, None, words));
    let json = |words: &[&str]| serde_json::from_str::<Value>(&ask(&[&["--json"], words].concat())).unwrap();

    let explained = json(&["explain", "checks.json", "--intake", "/alerts/checks"]);
    let applies = |index: usize| explained[index]["runbooks"][0]["applies"].clone();
    assert_eq!(
        (applies(0), applies(1)),
        (Value::Bool(false), Value::Bool(true)),
        "{explained}"
    );
    let dry = json(&[
        "plan",
        "disk-full",
        "--alert",
        "event.json",
        "--intake",
        "/alerts/events",
    ]);
    assert_eq!(dry["run"]["steps"][0]["state"], "planned", "{dry}");
    assert_eq!(
        json(&["runs"]),
        Value::Array(vec![]),
        "none of that took anything in"
    );

    let taken = ask(&["alert", "event.json", "--intake", "/alerts/events"]);
    assert!(taken.contains("1 alert recorded"), "{taken}");
    let run = &json(&["runs"])[0];
    assert!(run.to_string().contains("node-2"), "{run}");

    for (words, says) in [
        (
            ["alert", "spoilt.json", "--intake", "/alerts/checks"],
            "map.fingerprint of [1]",
        ),
        (
            ["alert", "checks.json", "--intake", "/alerts/events"],
            "this is not a CloudEvent",
        ),
        (
            ["alert", "checks.json", "--intake", "/alerts/none"],
            "there is `/alerts/alertmanager`, `/alerts/checks`",
        ),
        (
            ["alert", "stanch.toml", "--intake", "/alerts/checks"],
            "it is not JSON",
        ),
    ] {
        let output = said(&engine, folder, None, &words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains(says),
            "{words:?}: {stderr}"
        );
    }
    assert_eq!(json(&["runs"]).as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_grant_for_what_plugins_asked_for_in_a_run_is_suggested() {
    let (scratch, listens) = laid_out().await;
    let folder = scratch.path();
    let granted = settings(folder, listens);
    let files = format!("path = {:?}", folder.join("files"));
    let of_a_grant = |line: &&str| {
        line.contains(".grant.")
            || line.starts_with("at = ")
            || line.starts_with("access = ")
            || *line == files
    };
    let nothing: Vec<&str> = granted.lines().filter(|line| !of_a_grant(line)).collect();
    scratch.write("stanch.toml", nothing.join("\n")).unwrap();
    let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
    let ask = |words: &[&str]| done(said(&engine, folder, None, words));
    let json = |words: &[&str]| serde_json::from_str::<Value>(&ask(&[&["--json"], words].concat())).unwrap();
    let suggest = |plugin: &str, run: &str| {
        said(
            &engine,
            folder,
            None,
            &["plugin", "suggest", plugin, "--run", run],
        )
    };
    let suggested = |plugin: &str, run: &str| {
        until("the call in the journal", || {
            let output = suggest(plugin, run);
            output.status.success().then(|| done(output))
        })
    };

    ask(&["alert", "firing.json"]);
    let run = json(&["runs"])[0]["id"].as_str().unwrap().to_owned();
    let grant = suggested("disk-usage", &run);
    for says in [
        "[[plugins.disk-usage.grant.files]]",
        "access = \"read\"",
        "which folder `scratch` is",
        "suggest again",
    ] {
        assert!(grant.contains(says), "{says}: {grant}");
    }
    refused(
        &suggest("disk-cleanup", &run),
        1,
        "nothing that `disk-cleanup` asked of the gate",
    );
    refused(&suggest("nothing", &run), 1, "no plugin `nothing` is installed");

    scratch.write("stanch.toml", &granted).unwrap();
    ask(&["reload"]);
    let other = alert("firing").replace("node-1", "node-2").replace("f1", "f2");
    scratch.write("other.json", other).unwrap();
    ask(&["alert", "other.json"]);
    let run = json(&["runs"])[0]["id"].as_str().unwrap().to_owned();
    until("the question", || asked(&json(&["runs", "show", &run])));
    let grant = suggested("disk-cleanup", &run);
    assert!(
        grant.contains("access = \"change\"") && grant.contains(&files),
        "{grant}"
    );
    assert!(
        !grant.contains("Look at this") && !grant.contains("did not get"),
        "{grant}"
    );
    assert!(!suggested("disk-usage", &run).contains("change"));
    assert_eq!(
        fs::read_dir(folder.join("files")).unwrap().count(),
        3,
        "nobody said yes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_is_paused_reloaded_and_rolled_back() {
    let (scratch, listens) = laid_out().await;
    let folder = scratch.path();
    let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
    let ask = |words: &[&str]| done(said(&engine, folder, None, words));

    ask(&[
        "pause",
        "runbook:disk-full",
        "--reason",
        "the storage team is at it",
    ]);
    assert!(ask(&["status"]).contains("PAUSED  runbook:disk-full: the storage team is at it"));
    ask(&["resume", "runbook:disk-full"]);
    assert!(!ask(&["status"]).contains("PAUSED"));
    refused(
        &said(&engine, folder, None, &["resume", "runbook:disk-full"]),
        1,
        "nothing is paused",
    );
    refused(
        &said(&engine, folder, None, &["rollback"]),
        1,
        "no generation before this one",
    );

    scratch
        .write(
            "runbooks/disk-full.toml",
            RUNBOOK.replace("severity = \"high\"", "severity = \"grave\""),
        )
        .unwrap();
    let broken = said(&engine, folder, None, &["reload"]);
    assert_eq!(broken.status.code(), Some(4), "a file does not load");
    assert!(
        ask(&["status"]).contains("the last good version"),
        "{}",
        ask(&["status"])
    );
    scratch
        .write(
            "runbooks/disk-full.toml",
            RUNBOOK.replace("severity = \"high\"", "severity = \"low\""),
        )
        .unwrap();
    assert!(ask(&["reload"]).contains("generation 2"));
    assert!(ask(&["rollback"]).contains("generation 3"));
    // SIGHUP loads everything again, as `reload` does, and that ends the rollback.
    let hung_up = Command::new("kill")
        .args(["-HUP", &engine.process().to_string()])
        .status();
    assert!(hung_up.unwrap().success());
    until("the files again", || {
        let status: Value = serde_json::from_str(&ask(&["--json", "status"])).unwrap();
        (status["generation"] == 4).then_some(())
    });
    // All of that, and who tried to get in, is in the audit.
    refused(
        &said(&engine, folder, Some("nobody's token"), &["status"]),
        1,
        "none of stanch.toml's users",
    );
    let list = until("the audit of who tried to get in", || {
        let list = ask(&["audit", "list"]);
        list.contains("could not prove who they are").then_some(list)
    });
    for text in [
        "generation 1 was loaded at the start",
        "plugin `disk-cleanup` may touch something else: +[files:",
        "pause runbook:disk-full: the storage team is at it",
        "resume runbook:disk-full",
        "generation 2 was loaded: changed runbook `disk-full`",
        "reload: generation 2",
        "rollback: generation 3",
    ] {
        assert!(list.contains(text), "{text}\n{list}");
    }
    let verified: Value = serde_json::from_str(&ask(&["--json", "audit", "verify"])).unwrap();
    let known = format!(
        "{}:{}",
        verified["last"]["no"],
        verified["last"]["digest"].as_str().unwrap()
    );
    let export = ask(&["audit", "export"]);
    scratch.write("audit.jsonl", &export).unwrap();
    ask(&["audit", "verify", "audit.jsonl", "--known", &known]);
    scratch
        .write("audit.jsonl", export.replacen("the storage team", "nobody", 1))
        .unwrap();
    refused(
        &said(&engine, folder, None, &["audit", "verify", "audit.jsonl"]),
        1,
        "was changed",
    );
    scratch
        .write("audit.jsonl", export.lines().next().unwrap())
        .unwrap();
    refused(
        &said(
            &engine,
            folder,
            None,
            &["audit", "verify", "audit.jsonl", "--known", &known],
        ),
        1,
        "the chain ends with entry 1",
    );
    let other = known
        .replacen(':', ":00", 1)
        .chars()
        .take(known.len())
        .collect::<String>();
    refused(
        &said(&engine, folder, None, &["audit", "verify", "--known", &other]),
        1,
        "made anew",
    );
    refused(
        &said(&engine, folder, Some(TOKEN), &["audit", "list"]),
        1,
        "takes role operator",
    );
    assert!(ask(&["plugin", "list"]).contains("disk-cleanup"));
    assert!(ask(&["plugin", "inspect", "disk-cleanup"]).contains("\"access\":\"change\""));
    engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_shown_and_tested_without_an_engine() {
    let (scratch, _) = laid_out().await;
    let stanch = program("stanch").unwrap();
    let run = |words: &[&str]| {
        Command::new(&stanch)
            .args(words)
            .current_dir(scratch.path())
            .env_remove("STANCH_CONFIG")
            .output()
            .unwrap()
    };
    assert!(done(run(&["check"])).contains("1 runbook, 2 plugins: all well"));
    assert!(done(run(&["show", "disk-full"])).contains("A disk is almost full"));
    assert!(done(run(&["show", "disk-full", "--resolved"])).contains("the engine's default"));
    refused(&run(&["show", "disk-ful"]), 1, "there is no runbook `disk-ful`");
    refused(&run(&["check", "/"]), 0, "");
    refused(&run(&["check", "/etc/hostname"]), 2, "is none of the files");

    scratch
        .write("runbooks/disk-full.test.toml", TEST.replace("ENDING", "healed"))
        .unwrap();
    let passed = done(run(&["test"]));
    assert!(passed.contains("1 passed, 0 failed"), "{passed}");
    scratch
        .write("runbooks/disk-full.test.toml", TEST.replace("ENDING", "rejected"))
        .unwrap();
    let wrong = run(&["test"]);
    assert_eq!(wrong.status.code(), Some(4));
    let told = String::from_utf8(wrong.stdout).unwrap();
    assert!(
        told.contains("`ending` is expected to be rejected, and is healed"),
        "{told}"
    );

    scratch
        .write(
            "runbooks/disk-full.toml",
            RUNBOOK.replace("disk-cleanup", "disk-cleaner"),
        )
        .unwrap();
    let broken = run(&["check"]);
    assert_eq!(broken.status.code(), Some(4));
    let told = String::from_utf8(broken.stdout).unwrap();
    assert!(
        told.contains("there is no plugin `disk-cleaner`") && told.contains("disk-full.toml:20:8"),
        "{told}"
    );
    assert!(
        !scratch.path().join("stanch.lock").exists() && !scratch.path().join("data").exists(),
        "nothing was written"
    );
}

/// Ends with the test.
struct Serving(std::process::Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_with_a_certificate_is_reached_by_tls_by_who_trusts_it_and_not_in_the_clear() {
    let (scratch, listens) = laid_out().await;
    let folder = scratch.path();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    scratch.write("cert.pem", made.cert.pem()).unwrap();
    scratch
        .write("key.pem", made.signing_key.serialize_pem())
        .unwrap();
    let plain = settings(folder, listens);
    let tls = plain.replacen(
        "[store]",
        "tls = { cert = \"cert.pem\", key = \"key.pem\" }\n[store]",
        1,
    );
    scratch.write("stanch.toml", tls).unwrap();
    let stanch = program("stanch").unwrap();
    let config = folder.join("stanch.toml");
    let serving = Command::new(&stanch)
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .current_dir(folder)
        .spawn();
    let _serving = Serving(serving.unwrap());

    let by = |words: &[&str]| {
        let mut command = Command::new(&stanch);
        command
            .args(words)
            .arg("--json")
            .arg("status")
            .env("STANCH_TOKEN", TOKEN)
            .current_dir(folder);
        command.output().unwrap()
    };
    let (secure, clear) = (format!("https://{listens}"), format!("http://{listens}"));
    let status = until("an answer by TLS", || {
        let output = by(&["--server", &secure, "--ca", "cert.pem"]);
        output
            .status
            .success()
            .then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap())
    });
    assert_eq!(status["runbooks"], 1, "{status}");
    refused(&by(&["--server", &secure]), 3, "certificate");
    refused(
        &by(&["--server", &secure, "--ca", "key.pem"]),
        3,
        "no certificate is in it",
    );
    refused(&by(&["--server", &clear]), 3, "no engine");

    // A certificate that came without its key is said where every file that does not load is; the one in use stays.
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    scratch.write("ca.pem", made.cert.pem()).unwrap();
    scratch.write("cert.pem", other.cert.pem()).unwrap();
    let problems = |there: bool| {
        until("what is wrong with the certificate to be said", || {
            let output = by(&["--server", &secure, "--ca", "ca.pem"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            let problems = status["problems"].as_array()?.clone();
            (problems.is_empty() != there).then_some(problems)
        })
    };
    let said = problems(true);
    assert_eq!(said[0]["kind"], "certificate", "{said:?}");
    let message = said[0]["message"].as_str().unwrap();
    assert!(message.contains("cannot be used together"), "{message}");
    scratch.write("cert.pem", made.cert.pem()).unwrap();
    problems(false);
}
