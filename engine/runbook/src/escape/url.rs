//! URLs. A value from outside is percent-encoded where it is a part of the path, the query or the fragment; it never chooses
//! the scheme, the host or the port, and never stands as a whole for a part of the path that is empty, `.` or `..`.

use std::fmt::Write as _;

use crate::escape::{Refused, Way};
use crate::expr::Trust;

#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    slashes: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Scheme, host, port, or a value of the author's that has them.
    #[default]
    Base,
    Path,
    Query,
}

impl Scanner {
    pub(crate) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            match (self.state, c) {
                // `https://`: two slashes belong to the base, the third begins the path.
                (State::Base, '/' | '\\') if self.slashes < 2 => self.slashes += 1,
                (State::Base, '/' | '\\') => self.state = State::Path,
                (State::Base | State::Path, '?' | '#') => self.state = State::Query,
                _ => {}
            }
        }
    }

    pub(crate) fn value(&mut self, trust: Trust) -> Result<Way, Refused> {
        match (self.state, trust) {
            (State::Base, Trust::Ours) => {
                // `${vars.grafana}/d/x`: it has the scheme and the host.
                if self.slashes == 0 {
                    self.slashes = 2;
                }
                Ok(Way::AsIs)
            }
            (State::Path, Trust::Ours) => Ok(Way::AsIs),
            (State::Base, _) => Err(Refused::new(
                "a value from outside cannot choose where a URL leads",
                "write scheme, host and port out, or take them from `vars`",
            )),
            (State::Path, _) => Ok(Way::UrlPath),
            (State::Query, _) => Ok(Way::UrlQuery),
        }
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986, 2.3).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

pub(crate) fn put_path(text: &str, out: &mut String) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty, which would name something else than one part of the path".to_owned());
    }
    if text.chars().all(|c| c == '.') {
        return Err(format!(
            "it is `{text}`, which would lead to another part of the path"
        ));
    }
    encode(text, out);
    Ok(())
}

pub(crate) fn put_query(text: &str, out: &mut String) {
    encode(text, out);
}

/// A finished URL: `http` or `https`, with a host and without `.` and `..` in its path.
pub(crate) fn check_whole(text: &str) -> Result<(), String> {
    let url = ::url::Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("it is not an `http` or `https` URL".to_owned());
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path
        .split(['/', '\\'])
        .skip(3)
        .any(|part| part == "." || part == "..")
    {
        return Err("its path has `.` or `..`".to_owned());
    }
    Ok(())
}
