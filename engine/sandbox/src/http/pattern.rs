//! The `url` of a grant, and what is inside it.

use url::Host;

use super::target::HttpTarget;

/// A grant's `url`: scheme, host and port exact; in the path `*` is one segment and `**`, at the end, the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlPattern {
    text: String,
    origin: (bool, Host<String>, u16),
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exactly(String),
    Any,
    Rest,
}

impl UrlPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('?') {
            return Err("a grant's url has no query: it is for any query of its path".to_owned());
        }
        let target = HttpTarget::parse(text).map_err(|error| error.to_string())?;
        let host = target.host().to_owned();
        if let Host::Domain(name) = &host {
            if name.contains('*') {
                return Err(format!(
                    "`{name}`: scheme, host and port are exact; write one grant for each host"
                ));
            }
            if name.split('.').any(str::is_empty) {
                return Err(format!("`{name}` is not a host name: it has an empty part"));
            }
        }
        if target.port() == 0 {
            return Err("port 0 cannot be connected to".to_owned());
        }
        let parts = target.segments();
        let mut segments = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            segments.push(match *part {
                "*" => Segment::Any,
                "**" if index + 1 == parts.len() => Segment::Rest,
                "**" => return Err("`**` is the rest of the path and stands at its end".to_owned()),
                part if part.contains('*') => {
                    return Err(format!(
                        "`{part}`: `*` is one whole segment, `**` the rest; write `%2A` for a literal `*`"
                    ));
                }
                part => Segment::Exactly(part.replace("%2A", "*")),
            });
        }
        let origin = (target.is_https(), host, target.port());
        Ok(Self {
            text: text.to_owned(),
            origin,
            segments,
        })
    }

    /// As the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as a URL.
    pub fn server(&self) -> String {
        let (https, host, port) = &self.origin;
        let scheme = if *https { "https" } else { "http" };
        format!("{scheme}://{host}:{port}")
    }

    /// Whether scheme, host and port are those of `target`.
    pub fn same_origin(&self, target: &HttpTarget) -> bool {
        self.origin == (target.is_https(), target.host().to_owned(), target.port())
    }

    /// Whether `target` is inside. `*` matches one segment that is not empty; `**` what comes after its slash, at any depth,
    /// also nothing.
    pub fn matches(&self, target: &HttpTarget) -> bool {
        if !self.same_origin(target) {
            return false;
        }
        let mut parts = target.segments().into_iter();
        for segment in &self.segments {
            let fits = match (segment, parts.next()) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::Any, Some(part)) => !part.is_empty(),
                (Segment::Exactly(text), Some(part)) => text == &part.replace("%2A", "*"),
                (_, None) => false,
            };
            if !fits {
                return false;
            }
        }
        parts.next().is_none()
    }
}
