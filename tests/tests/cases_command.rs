//! `stanch plugin test` and `suggest` as an author uses them: cases that pass and fail, cases made of live calls, and the grants that
//! those take.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops there")]

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use stanch_outside::serve::{Scratch, command, program};
use stanch_tests::{Server, packed, sandbox};

const WELL: &str = r#"
name = "a page that answers is a yes"
params = { url = "https://shop.example/health", tries = 1 }
[[grant.http]]
url = "https://shop.example/**"
read = ["GET"]
[[http]]
url = "https://shop.example/health"
[expect.finding]
verdict = "yes"
data = { passed = 1, status = 200 }
"#;

/// A folder with these plugins as they are shipped.
async fn folder(plugins: &[&str]) -> Scratch {
    let scratch = Scratch::new("cases").unwrap();
    for name in plugins {
        let component = packed(&sandbox(), name).await;
        scratch.write(&format!("plugins/{name}.wasm"), component).unwrap();
    }
    scratch
}

fn stanch(folder: &Path, words: &[&str]) -> Output {
    command(&program("stanch").unwrap(), folder, words)
        .output()
        .unwrap()
}

/// The exit code, the standard output and the standard error stream.
fn said(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_passes_is_a_line_and_one_that_fails_is_shown_as_a_diff() {
    let scratch = folder(&["http-probe"]).await;
    let test = |words: &[&str]| {
        let words = [&["plugin", "test", "plugins/http-probe.wasm"], words].concat();
        stanch(scratch.path(), &words)
    };
    let (code, out, err) = said(test(&[]));
    assert_eq!((code, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("`cases`: No such file or directory"), "{err}");

    scratch.write("cases/well.case.toml", WELL).unwrap();
    scratch.write("cases/notes.txt", "no case").unwrap();
    let (code, out, err) = said(test(&[]));
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (
            0,
            "ok     a page that answers is a yes\n\n1 passed, 0 failed\n",
            ""
        )
    );

    let other = WELL.replace("status = 200", "status = 204");
    scratch.write("cases/other.case.toml", other).unwrap();
    scratch
        .write("cases/broken.case.toml", WELL.replace("params", "parms"))
        .unwrap();
    let (code, out, err) = said(test(&[]));
    assert_eq!(code, 4, "{err}");
    assert!(
        err.contains("did you mean `params`?") && err.contains("cases/broken.case.toml:3:1"),
        "{err}"
    );
    for says in [
        "failed broken.case.toml",
        "failed a page that answers is a yes\n       cases/other.case.toml\n         finding.data.status\n         - 204\n         + 200\n",
        "ok     a page that answers is a yes",
        "1 passed, 2 failed",
    ] {
        assert!(out.contains(says), "{says}: {out}");
    }

    let (code, out, err) = said(test(&["--json", "cases/other.case.toml", "cases/well.case.toml"]));
    assert_eq!(code, 4, "{err}");
    let all: Value = serde_json::from_str(&out).unwrap();
    let wrong = serde_json::json!({ "at": "finding.data.status", "expected": "204", "found": "200" });
    assert_eq!(all[0]["wrong"], serde_json::json!([wrong]));
    assert_eq!(all[1]["wrong"], serde_json::json!([]));

    let (code, _, err) = said(stanch(
        scratch.path(),
        &["plugin", "test", "plugins/of-nobody.wasm"],
    ));
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("plugins/of-nobody.wasm"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_call_becomes_a_case_without_its_secrets_and_changes_nothing() {
    let scratch = folder(&["http-probe", "disk-cleanup", "webhook"]).await;
    let at = scratch.path();
    // It echoes what it was sent, as badly written servers do.
    let server = Server::start(|request| {
        let key = request.headers.get("authorization").cloned().unwrap_or_default();
        (
            503,
            format!("{{\"busy\":true,\"you-sent\":{key:?},\"cost\":\"${{5}}\"}}"),
        )
    })
    .await;
    scratch.write("the-key", "hunter2hunter2").unwrap();
    scratch.write("scratch/old.tmp", vec![0; 1000]).unwrap();
    let grant = format!(
        r#"
[secrets]
api = {{ file = "the-key" }}
[[runbooks]]
path = "runbooks"
[plugins.probe]
source = "plugins/http-probe.wasm"
[[plugins.probe.grant.http]]
url = "{}/**"
read = ["GET"]
addresses = ["127.0.0.0/8"]
headers = {{ authorization = "Bearer ${{secret:api}}" }}
[plugins.clean]
source = "plugins/disk-cleanup.wasm"
[[plugins.clean.grant.files]]
path = {:?}
at = "scratch"
access = "change"
[plugins.tell]
source = "plugins/webhook.wasm"
settings = {{ url = "{}/hook" }}
[[plugins.tell.grant.notify]]
url = "{}/hook"
addresses = ["127.0.0.0/8"]
"#,
        server.url,
        at.join("scratch"),
        server.url,
        server.url
    );
    scratch.write("stanch.toml", grant).unwrap();
    std::fs::create_dir(at.join("runbooks")).unwrap();
    let record = |plugin: &str, file: &str, with: &str| {
        let words = ["plugin", "test", plugin, "--record", file, "--with", with];
        said(stanch(at, &words))
    };

    let asked = format!(r#"{{"url":"{}/health","tries":2,"every":"1s"}}"#, server.url);
    let (code, out, err) = record("probe", "busy.case.toml", &asked);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("wrote busy.case.toml\n"), "{out}");
    let case = std::fs::read_to_string(at.join("busy.case.toml")).unwrap();
    assert!(!case.contains("hunter2"), "{case}");
    for says in [
        "name = \"busy\"",
        "headers = { authorization = \"Bearer ${secret:api}\" }",
        "status = 503",
        "busy = true",
        "cost = \"$${5}\"",
        "[expect.finding]\n",
        "verdict = \"no\"",
    ] {
        assert!(case.contains(says), "{says}: {case}");
    }
    assert_eq!(
        server.received().len(),
        1,
        "once it is clear, nothing more is asked"
    );
    assert_eq!(
        server.received()[0].headers["authorization"],
        "Bearer hunter2hunter2"
    );

    let (code, out, err) = record(
        "clean",
        "old.case.toml",
        r#"{"folder":"scratch","pattern":"*.tmp","older_than":"0s"}"#,
    );
    assert_eq!(code, 0, "{out}{err}");
    let case = std::fs::read_to_string(at.join("old.case.toml")).unwrap();
    assert!(
        case.contains("path = \"scratch/old.tmp\"\nbytes = \"1000B\"") && case.contains("verb = \"remove\""),
        "{case}"
    );
    assert!(at.join("scratch/old.tmp").exists(), "a plan removes nothing");

    let (code, _, err) = record("tell", "told.case.toml", "{}");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("a live call of it would tell people"), "{err}");
    let (code, _, err) = record("probe", "busy.case.toml", &asked);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("it is there already"), "{err}");
    let (code, _, err) = record("probe", "new.case.toml", r#"{"uri":"https://a.example/"}"#);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("the parameters do not fit `probe`"), "{err}");
    assert!(!at.join("told.case.toml").exists() && !at.join("new.case.toml").exists());

    // What was recorded needs neither the server nor the folder.
    drop(server);
    std::fs::rename(at.join("scratch/old.tmp"), at.join("elsewhere")).unwrap();
    for (plugin, file) in [("http-probe", "busy"), ("disk-cleanup", "old")] {
        let (plugin, file) = (format!("plugins/{plugin}.wasm"), format!("{file}.case.toml"));
        let (code, out, err) = said(stanch(at, &["plugin", "test", &plugin, &file]));
        assert_eq!(code, 0, "{file}: {out}{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_may_do_nothing_is_suggested_what_it_needs_until_it_gets_to_its_end() {
    let scratch = folder(&["http-probe", "disk-cleanup"]).await;
    let at = scratch.path();
    let server = Server::start(|_| (200, "{}".to_owned())).await;
    scratch.write("scratch/old.tmp", vec![0; 1000]).unwrap();
    std::fs::create_dir(at.join("runbooks")).unwrap();
    let start = "[[runbooks]]\npath = \"runbooks\"\n[plugins.http-probe]\nsource = \"plugins/http-probe.wasm\"\n\
                 [plugins.disk-cleanup]\nsource = \"plugins/disk-cleanup.wasm\"\n";
    let suggest = |plugin: &str, with: &str, granted: &str| {
        scratch.write("stanch.toml", format!("{start}{granted}")).unwrap();
        let (code, out, err) = said(stanch(at, &["plugin", "suggest", plugin, "--with", with]));
        assert_eq!(code, 0, "{out}{err}");
        out
    };

    let asked = format!(r#"{{"url":"{}/health?deep=1","tries":1}}"#, server.url);
    let first = suggest("http-probe", &asked, "");
    let wanted = format!(
        "[[plugins.http-probe.grant.http]]\nread = [\"GET\"]\nurl = \"{}/health\"\n",
        server.url
    );
    assert!(first.contains(&wanted), "{first}");
    assert_eq!(server.received().len(), 0, "what is not granted is not sent");
    // A private address is the operator's to name, and is never filled in.
    let second = suggest("http-probe", &asked, &first);
    assert!(second.contains("add its network to `addresses`"), "{second}");
    assert!(!second.contains("addresses ="), "{second}");
    let whole = format!("{first}addresses = [\"127.0.0.0/8\"]\n");
    let third = suggest("http-probe", &asked, &whole);
    assert!(third.contains("addresses = [\"127.0.0.0/8\"]"), "{third}");
    assert!(
        !third.contains("Look at this") && !third.contains("did not get"),
        "{third}"
    );
    assert_eq!(server.received().len(), 1);

    // Looking first; once it may look, what it plans to change.
    let with = r#"{"folder":"scratch","pattern":"*.tmp","older_than":"0s"}"#;
    let first = suggest("disk-cleanup", with, "");
    for says in [
        "which folder `scratch` is",
        "suggest again",
        "access = \"read\"",
        "path = \"/path/of/scratch\"",
    ] {
        assert!(first.contains(says), "{says}: {first}");
    }
    let folder = at.join("scratch").display().to_string();
    let reads = first.replace("/path/of/scratch", &folder);
    let second = suggest("disk-cleanup", with, &reads);
    assert!(
        second.contains("access = \"change\"") && second.contains(&folder),
        "{second}"
    );
    assert!(
        at.join("scratch/old.tmp").exists(),
        "a suggestion removes nothing"
    );
    let third = suggest("disk-cleanup", with, &second);
    assert!(!third.contains("did not get"), "{third}");
}
