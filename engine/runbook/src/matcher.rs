//! Alertmanager's matchers on labels: `name="value"`, `!=`, `=~`, `!~`.

/// One matcher.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label.
    pub label: String,
}
