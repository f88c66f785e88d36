//! Who watches the city: two rules, looked at every half second, told to the engine as Alertmanager tells it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stanch_outside::alertmanager::{notification, now};
use stanch_outside::http::Connection;

/// A rule.
pub(crate) struct Rule {
    pub(crate) alert: &'static str,
    pub(crate) labels: &'static [(&'static str, &'static str)],
    /// Whether it is bad now.
    pub(crate) is_bad: Box<dyn Fn() -> bool + Send>,
}

/// Watches by this rule, for ever; says whether the alert fires.
pub(crate) fn by(rule: Rule, engine: SocketAddr, token: String) -> Arc<AtomicBool> {
    let fires = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&fires);
    std::thread::spawn(move || {
        let mut seen = 0;
        loop {
            let bad = (rule.is_bad)();
            let firing = fires.load(Ordering::SeqCst);
            seen = if bad == firing { 0 } else { seen + 1 };
            // What is so twice is told. What the engine does not take is told again.
            if seen > 1 && told(&rule, bad, engine, &token) {
                fires.store(bad, Ordering::SeqCst);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    shown
}

fn told(rule: &Rule, firing: bool, engine: SocketAddr, token: &str) -> bool {
    let Ok(now) = now() else { return false };
    let body = notification(rule.alert, rule.labels, firing, &now).to_string();
    let answer =
        Connection::open(engine).and_then(|mut engine| engine.post("/alerts/alertmanager", token, &body));
    answer.is_ok_and(|answer| answer.status == 202)
}
