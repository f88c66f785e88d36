//! The pages in a real browser, as who is on call uses them: the real program, a phone and a wide screen, light and dark.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stanch_outside::serve::{Engine, Scratch, program};
use stanch_outside::settings;
use stanch_parts::{Browser, until};
use stanch_tests::{disk, sandbox};

/// What a hostile sender writes into a label.
const EVIL: &str = "<script>window.owned = 1</script><img src=x onerror='window.owned = 2'>";

const RUNBOOK: &str = r#"
name = "disk-full"
title = "A disk is almost full"
owner = "platform-oncall"
links = [{ title = "Disk dashboard", url = "https://grafana.example/d/disk" }]
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
[[diagnosis]]
id = "known"
ask = "Did somebody announce this?"
by_hand = "Look into the announcements of today"
[[mitigation]]
id = "clean"
do = "Remove old scratch files"
when = "diagnosis.scratch_large.yes"
uses = "disk-cleanup"
with = { folder = "scratch", pattern = "*.log", older_than = "1d" }
by_hand = "find /scratch -name '*.log' -mtime +1 -delete"
[mitigation.approval]
ask = "Remove old scratch files for good?"
from = ["group:sre"]
[recovery]
stable_for = "1s"
trust = "alert"
"#;

const PEOPLE: [(&str, &str, &str); 3] = [
    ("dana", "approver", "[\"sre\"]"),
    ("olga", "operator", "[]"),
    ("vera", "viewer", "[]"),
];

fn token(name: &str) -> String {
    format!("{name}'s token")
}

/// An engine with two files to remove, and where it listens.
struct Site {
    engine: Engine,
    scratch: Scratch,
    listens: SocketAddr,
}

impl Site {
    async fn start() -> Self {
        let scratch = Scratch::new("pages").unwrap();
        let folder = scratch.path();
        let listens = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut toml = settings::engine(listens, "platform", "auto");
        toml += &disk::plugins(&scratch, &sandbox()).await;
        for (name, role, groups) in PEOPLE {
            let digest = hex::encode(Sha256::digest(token(name)));
            toml += &format!(
                "[[users]]\nname = \"{name}\"\ntoken_sha256 = \"{digest}\"\nrole = \"{role}\"\ngroups = {groups}\n"
            );
        }
        scratch.write("stanch.toml", toml).unwrap();
        scratch.write("runbooks/disk-full.toml", RUNBOOK).unwrap();
        scratch.write("files/new.log", "new").unwrap();
        let engine = Engine::start(&program("stanch").unwrap(), folder, listens, "unused").unwrap();
        let site = Self {
            engine,
            scratch,
            listens,
        };
        site.litter();
        site
    }

    /// Two files that are old enough to be removed.
    fn litter(&self) {
        for name in ["old-1.log", "old-2.log"] {
            disk::old_file(&self.scratch, name, 100_000);
        }
    }

    fn files(&self) -> usize {
        fs::read_dir(self.scratch.path().join("files")).unwrap().count()
    }

    /// An alert for an instance of this name; the run that it opened.
    fn fire(&self, instance: &str) -> String {
        let alert = json!({
            "name": "DiskFull", "fingerprint": instance.bytes().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "status": "firing", "labels": { "alertname": "DiskFull", "instance": instance },
            "starts_at": "2026-11-24T00:00:00Z",
        });
        self.scratch.write("alert.json", alert.to_string()).unwrap();
        let file = self.scratch.path().join("alert.json");
        self.engine.tell(&["alert", file.to_str().unwrap()]).unwrap();
        // Newest first.
        let runs = self.engine.ask(&["runs", "--open"]).unwrap();
        runs[0]["id"].as_str().unwrap().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listens)
    }

    /// Logs in where somebody who is not is sent to, and comes to the page that was asked for.
    fn open(&self, browser: &Browser, name: &str, path: &str) {
        browser.open(&self.url(path)).unwrap();
        assert_eq!(browser.text("h1").as_deref(), Some("Log in"));
        browser.fill("#token", &token(name)).unwrap();
        browser.click("form button.yes").unwrap();
        shows(browser, "header.bar", name);
        assert_eq!(browser.address().unwrap(), self.url(path));
    }
}

/// Waits until the first element that a selector fits shows this text.
fn shows(browser: &Browser, selector: &str, text: &str) {
    let shown = until(text, || {
        browser.text(selector).filter(|shown| shown.contains(text))
    });
    if let Err(why) = shown {
        let kept = keep(browser, "missing");
        panic!(
            "{why}: `{selector}` shows {:?}; see {}",
            browser.text(selector),
            kept.display()
        );
    }
}

/// Keeps what the page looks like, for who mends what failed.
#[allow(clippy::disallowed_methods, reason = "a picture beside what cargo builds")]
fn keep(browser: &Browser, name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.png"));
    let picture = browser.screenshot().unwrap();
    fs::write(&file, BASE64_STANDARD.decode(picture).unwrap()).unwrap();
    file
}

/// Whether everybody can use the page that is open, on a phone and on a wide screen, in the light and in the dark, and nothing on
/// it runs that is not ours.
fn sound(browser: &Browser, name: &str) {
    for (size, dark, how) in [
        ((390, 844), false, "phone"),
        ((390, 844), true, "phone-dark"),
        ((1_280, 900), false, "wide"),
    ] {
        browser.look(size, dark).unwrap();
        let mut wrong = browser.complaints().unwrap();
        wrong.extend(browser.barriers().unwrap());
        let wide = browser
            .script("return document.documentElement.scrollWidth - innerWidth")
            .unwrap();
        if wide.as_i64().unwrap() > 0 {
            wrong.push(format!("it is {wide} pixels wider than the screen"));
        }
        if browser.script("return window.owned ?? null").unwrap() != Value::Null {
            wrong.push("a script from outside ran".into());
        }
        if !wrong.is_empty() {
            let kept = keep(browser, &format!("{name}-{how}"));
            panic!("{name}, {how}:\n{}\nsee {}", wrong.join("\n"), kept.display());
        }
        if std::env::var_os("STANCH_KEEP_PAGES").is_some() {
            keep(browser, &format!("{name}-{how}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_used_by_everybody_and_text_from_outside_stays_text() {
    let site = Site::start().await;
    let run = site.fire(EVIL);
    let browser = Browser::start(390, 844).unwrap();
    browser.open(&site.url("/login")).unwrap();
    sound(&browser, "login");
    site.open(&browser, "olga", "/");
    shows(&browser, "#others", "Remove old scratch files for good?");
    sound(&browser, "now");
    for (path, name, selector, text) in [
        (
            format!("/runs/{run}"),
            "run",
            "#ask-clean",
            "Remove old scratch files for good?",
        ),
        (format!("/runs/{run}"), "run", "main", EVIL),
        ("/runs".into(), "runs", "main", "A disk is almost full"),
        ("/r".into(), "runbooks", "main", "A disk is almost full"),
        ("/r/disk-full".into(), "runbook", "main", "find /scratch"),
        ("/a".into(), "alerts", "main", "opened a run"),
        ("/plugins".into(), "plugins", "main", "disk-cleanup"),
        ("/report".into(), "report", "main", "1 run: 1 open"),
        ("/audit".into(), "audit", "main", "logged in"),
        ("/runs/nothing".into(), "problem", "main", "No run's id"),
    ] {
        browser.open(&site.url(&path)).unwrap();
        shows(&browser, selector, text);
        if name == "problem" {
            // That the page itself was answered with 404 is what the browser complains of here.
            browser.complaints().unwrap();
        }
        sound(&browser, name);
    }
    browser.open(&site.url("/a")).unwrap();
    browser.click("main .runs .t a").unwrap();
    shows(&browser, "main", "applies");
    sound(&browser, "alert");
    site.engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_decides_with_one_tap_and_an_open_page_follows_without_being_loaded_again() {
    let site = Site::start().await;
    let run = site.fire("node-1");
    let path = format!("/runs/{run}");
    // Two people look: who is asked, and one who only may look.
    let (dana, vera) = (
        Browser::start(390, 844).unwrap(),
        Browser::start(1_280, 900).unwrap(),
    );
    site.open(&vera, "vera", &path);
    shows(&vera, "#ask-clean", "You cannot decide here");
    assert_eq!(vera.text("form.decide"), None);
    vera.script("window.before = 1").unwrap();
    site.open(&dana, "dana", "/");
    shows(&dana, "#mine", "Remove old scratch files for good?");
    dana.click("#mine a").unwrap();
    shows(&dana, "#ask-clean", "2 files");
    assert_eq!(site.files(), 3, "nothing was done yet");

    dana.click("#ask-clean button.yes").unwrap();
    shows(&dana, "#steps-Mitigation", "done");
    shows(&dana, "#steps-Mitigation", "yes by dana");
    assert_eq!(site.files(), 1, "the old files are gone, the new one is not");
    shows(&vera, "#steps-Mitigation", "yes by dana");
    shows(&vera, "main", "Recovery");
    assert_eq!(vera.text("#ask-clean"), None, "the question is answered");
    assert_eq!(
        vera.script("return window.before").unwrap(),
        json!(1),
        "the page was not loaded again"
    );

    // What a person answers by hand, and a no.
    site.litter();
    let second = site.fire("node-2");
    dana.open(&site.url(&format!("/runs/{second}"))).unwrap();
    dana.click("#want-known button[value=no]").unwrap();
    shows(&dana, "#checklist", "answered by dana");
    dana.click("#ask-clean button.no").unwrap();
    shows(&dana, "#steps-Mitigation", "rejected");
    assert_eq!(site.files(), 3, "nothing was done after the no");

    for browser in [&dana, &vera] {
        assert_eq!(browser.complaints().unwrap(), Vec::<String>::new());
    }
    site.engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_is_on_the_first_page_and_what_somebody_types_outlives_a_change_of_the_page() {
    let site = Site::start().await;
    let browser = Browser::start(390, 844).unwrap();
    site.open(&browser, "olga", "/");
    browser.click("#kill summary").unwrap();
    browser.fill("#kill input[name=reason]", "deploy under").unwrap();
    site.fire("node-1");
    shows(&browser, "#others", "Remove old scratch files for good?");
    browser.fill("#kill input[name=reason]", " way").unwrap();
    browser.click("#kill button.danger").unwrap();
    shows(&browser, "#paused", "deploy under way");
    let status = site.engine.ask(&["status"]).unwrap();
    assert_eq!(status["pauses"][0]["reason"], "deploy under way", "{status}");
    assert_eq!(status["pauses"][0]["by"], "olga", "{status}");
    // A runbook is read also while everything is paused.
    browser.open(&site.url("/r/disk-full")).unwrap();
    shows(&browser, "main", "find /scratch");
    browser.open(&site.url("/")).unwrap();
    browser.click("#paused button").unwrap();
    shows(&browser, "#kill", "Pause changes");
    assert_eq!(site.engine.ask(&["status"]).unwrap()["pauses"], json!([]));
    // Who logged in and who paused where is in the audit.
    let audit = site.engine.ask(&["audit", "list"]).unwrap().to_string();
    for text in [r#""by":"olga""#, r#""via":"page""#, r#""from":"127.0.0.1""#] {
        assert!(audit.contains(text), "{text}: {audit}");
    }
    site.engine.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_be_read_and_decided_on_without_script() {
    let site = Site::start().await;
    let run = site.fire("node-1");
    let browser = Browser::start(390, 844).unwrap();
    browser.without_script().unwrap();
    site.open(&browser, "dana", &format!("/runs/{run}"));
    shows(&browser, "#ask-clean", "2 files");
    browser.click("#ask-clean button.yes").unwrap();
    until("the change", || {
        browser.open(&site.url(&format!("/runs/{run}"))).ok()?;
        browser
            .text("#steps-Mitigation")
            .filter(|text| text.contains("done"))
    })
    .unwrap();
    assert_eq!(site.files(), 1);
    site.engine.stop().unwrap();
}
