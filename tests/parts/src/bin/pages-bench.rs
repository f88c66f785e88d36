//! How soon a person sees something of each page: from the address to the first paint with content, as Chromium itself takes
//! the time. `cargo xtask bench` calls it with the engine's URL, somebody's token and the pages' paths.
//!
//! Each line of its output is a figure: its name, its value, its unit, with tabs between.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot measure must stop there"
)]

use stanch_parts::{Browser, until};

/// How often each page is opened; the first time is not counted.
const TURNS: usize = 12;
/// When the browser first had something to show, in milliseconds after it was sent there.
const PAINTED: &str = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(engine), Some(token)) = (arguments.next(), arguments.next()) else {
        panic!("usage: pages-bench URL TOKEN PATH…");
    };
    let browser = Browser::start(390, 844).unwrap_or_else(|why| panic!("{why}"));
    browser.open(&engine).expect("the log-in page");
    browser.fill("#token", &token).expect("a field for the token");
    browser.click("form button.yes").expect("a way in");
    for path in arguments {
        let mut taken: Vec<f64> = (0..TURNS)
            .map(|_| painted(&browser, &format!("{engine}{path}")))
            .collect();
        taken.remove(0);
        taken.sort_by(f64::total_cmp);
        let middle = taken.get(taken.len() / 2).expect("times");
        println!("first paint of {path}, p50 of {}\t{middle}\tms", taken.len());
    }
}

fn painted(browser: &Browser, url: &str) -> f64 {
    // From nowhere, as one comes from a message.
    browser.open("about:blank").expect("an empty page");
    browser.open(url).expect("the page");
    let painted = until("a paint", || browser.script(PAINTED).ok()?.as_f64());
    painted.unwrap_or_else(|why| panic!("{url}: {why}"))
}
