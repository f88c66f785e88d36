//! The demo's page in a real browser: something is broken with a button, and the engine's own page beside the city's tells it, asks, and
//! has it mended with one tap. Another page does not get the engine's into a frame.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use stanch_outside::http::{Connection, Server};
use stanch_outside::serve::program;
use stanch_parts::{Browser, until};

/// The demo, as `cargo xtask demo` starts it once it has built everything. It ends with this value, and its city and engine with it.
struct Demo {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    page: String,
}

impl Demo {
    fn start() -> Self {
        let mut demo = Command::new(program("xtask").unwrap());
        let demo = demo
            .args(["demo", "--built"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = demo.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let page = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("The city is at ")?;
            Some(rest.split(". ").next()?.to_owned())
        });
        let page = page.unwrap_or_else(|| panic!("the demo says no page: {:?}", child.wait()));
        Self { child, page }
    }

    fn state(&self) -> Value {
        let address = self.page.trim_start_matches("http://").parse().unwrap();
        let answer = Connection::open(address).unwrap().get("/state").unwrap();
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Its standard input ends: it goes as if somebody had pressed Enter.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Waits until the first element that a selector fits shows this text.
fn shows(browser: &Browser, selector: &str, text: &str) {
    let shown = until(text, || {
        browser.text(selector).filter(|shown| shown.contains(text))
    });
    shown.unwrap_or_else(|why| panic!("{why}: `{selector}` shows {:?}", browser.text(selector)));
}

#[test]
fn a_pod_hangs_at_the_press_of_a_button_and_is_recycled_with_a_tap_on_the_engines_page_beside_it() {
    let demo = Demo::start();
    let browser = Browser::start(1_600, 1_000).unwrap();
    browser.open(&demo.page).unwrap();
    shows(&browser, "#pods", "llm-2 answers");
    shows(&browser, "#alerts", "none");
    browser.enter_frame("#engine").unwrap();
    shows(&browser, "header.bar", "robin");
    browser.leave_frames().unwrap();
    assert_eq!(browser.barriers().unwrap(), Vec::<String>::new());

    browser.click("[data-press='break/pod']").unwrap();
    shows(&browser, "#pods", "llm-2 hangs");
    shows(&browser, "#alerts", "GPUWorkerHangs");
    browser.enter_frame("#engine").unwrap();
    shows(
        &browser,
        "#ask-recycle",
        "This worker hangs. Recycle its pod, for good?",
    );
    shows(&browser, "#ask-recycle", "llm-2");
    browser.click("#ask-recycle button.yes").unwrap();
    shows(&browser, "#steps-Mitigation", "yes by robin");
    browser.leave_frames().unwrap();
    shows(&browser, "#pods", "llm-2 answers");
    shows(&browser, "#alerts", "none");
    browser.enter_frame("#engine").unwrap();
    shows(&browser, "main", "healed");
    browser.leave_frames().unwrap();
    // The driver itself posts messages to what a frame had before.
    let complaints = browser.complaints().unwrap().into_iter();
    let complaints: Vec<String> = complaints.filter(|line| !line.contains("postMessage")).collect();
    assert_eq!(complaints, [""; 0]);
    assert_eq!(
        demo.state()["city"]["dropped"],
        json!(0),
        "no user lost an answer"
    );

    // A page that stanch.toml does not name gets nothing into its frame.
    let engine = demo.state()["engine"].as_str().unwrap().to_owned();
    let other = Server::open(move |_| {
        (
            200,
            format!("<!doctype html><iframe id=f src=\"{engine}/\"></iframe>"),
        )
    })
    .unwrap();
    browser.open(&format!("http://{}/", other.address)).unwrap();
    let refused = until("the refusal", || {
        let said = browser.complaints().ok()?;
        said.into_iter().find(|line| line.contains("frame-ancestors"))
    });
    refused.unwrap();
    browser.enter_frame("#f").unwrap();
    assert_eq!(browser.text("header.bar"), None);
}

#[test]
fn a_prompt_that_gets_through_is_reported_and_who_watches_sees_a_mark_and_decides() {
    let demo = Demo::start();
    let browser = Browser::start(1_600, 1_000).unwrap();
    browser.open(&demo.page).unwrap();
    shows(&browser, "#chat", "Mallory has said nothing");
    browser.click("[data-press='break/toxic']").unwrap();
    browser.enter_frame("#engine").unwrap();
    shows(
        &browser,
        "#ask-block",
        "Block the signature of this prompt for a day?",
    );
    let seen = browser.text("main").unwrap();
    assert!(!seen.contains("Zorblax"), "{seen}");
    browser.click("#ask-block button.yes").unwrap();
    shows(&browser, "#ask-revoke_key", "Revoke the user's key, for good?");
    browser.leave_frames().unwrap();
    shows(
        &browser,
        "#chat",
        "Mallory is blocked; his key is valid; 1 on the blocklist",
    );
    browser.enter_frame("#engine").unwrap();
    browser.click("#ask-revoke_key button.no").unwrap();
    browser.leave_frames().unwrap();
    shows(&browser, "#chat", "his key is valid");
}
