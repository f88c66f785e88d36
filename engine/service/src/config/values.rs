//! Values that several sections have: paths relative to the file, JSON without secrets, references to secrets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::{Map, Value};
use url::{Host, Url};

use stanch_runbook::reading::{At, Data, Got, Node, Problems, did_you_mean, wrong_type};

/// What introduces a secret in a string.
const SECRET: &str = "${secret:";

/// A path of the file, relative to the file's folder.
pub(super) fn path(base: &Path, written: &str) -> PathBuf {
    base.join(written)
}

/// Whether a URL leads to this machine by its address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Whether nobody on the way hears what goes to a URL: by TLS, or on this machine.
pub(super) fn is_private(url: &Url) -> bool {
    let here = is_loopback(url) || url.host_str() == Some("localhost");
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

/// The networks of `addresses`; a single address is a network of one. What is none is told.
pub(super) fn networks(addresses: &[Got<&str>], problems: &mut Problems<'_>) -> Vec<IpNet> {
    let network = |text: &str| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .ok()
    };
    let networks = addresses.iter().filter_map(|written| {
        let network = network(written.value);
        if network.is_none() {
            let message = format!("`{}` is no network", written.value);
            problems.add(
                &written.at,
                message,
                "not a network",
                "write one such as `10.2.0.0/16`".to_owned(),
            );
        }
        network
    });
    networks.collect()
}

/// The value of `node` as a JSON object without secrets in it.
pub(super) fn plain_object(node: &Node<'_>, what: &str, problems: &mut Problems<'_>) -> Value {
    no_secrets(node, what, problems);
    match node.data {
        Data::Table(_) => node.to_json(problems),
        _ => {
            wrong_type::<()>(node, what, "a table", problems);
            Value::Object(Map::new())
        }
    }
}

/// Tells every `${secret:…}` below `node`: what is read there can be seen by runbooks, plugins and people.
fn no_secrets(node: &Node<'_>, what: &str, problems: &mut Problems<'_>) {
    match &node.data {
        Data::Text(text) if text.contains(SECRET) => problems.add(
            &node.at,
            format!("{what} cannot use a secret"),
            "would be readable",
            "secrets go into `auth` of an intake, into `[slack]` and `[oidc]`, and into `headers` and `sign` of a grant, only".to_owned(),
        ),
        Data::List(items) => items.iter().for_each(|item| no_secrets(item, what, problems)),
        Data::Table(table) => table
            .entries
            .iter()
            .for_each(|entry| no_secrets(&entry.node, what, problems)),
        _ => {}
    }
}

/// The names of `[secrets]`.
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(names.cloned().collect())
    }

    /// The name in a text that is exactly one `${secret:NAME}`. What else is written there may be the secret itself, so
    /// its line is not shown.
    pub(super) fn whole(&self, key: &str, text: &Got<&str>, problems: &mut Problems<'_>) -> Option<String> {
        let name = text
            .value
            .strip_prefix(SECRET)
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if !name.contains(['$', '{', '}']) => {
                self.known(name, &text.at, problems).then(|| name.to_owned())
            }
            _ => {
                let help = "write `\"${secret:NAME}\"` and say in [secrets] where its value is".to_owned();
                problems.add_hidden(&text.at, format!("`{key}` has to be exactly one secret"), help);
                None
            }
        }
    }

    /// Whether every `${secret:NAME}` in `text` is one of `[secrets]`; what is not is told.
    pub(super) fn within(&self, text: &Got<&str>, problems: &mut Problems<'_>) -> bool {
        let mut rest = text.value;
        while let Some((_, after)) = rest.split_once(SECRET) {
            let Some((name, after)) = after.split_once('}') else {
                let help = "write `${secret:NAME}`, with a brace at the end".to_owned();
                problems.add_hidden(&text.at, "a `${secret:` has no end".to_owned(), help);
                return false;
            };
            if !self.known(name, &text.at, problems) {
                return false;
            }
            rest = after;
        }
        true
    }

    fn known(&self, name: &str, at: &At, problems: &mut Problems<'_>) -> bool {
        if self.0.contains(name) {
            return true;
        }
        let help = did_you_mean(name, self.0.iter().map(String::as_str)).unwrap_or_else(|| {
            format!("add `{name} = {{ env = \"…\" }}` or `{name} = {{ file = \"…\" }}` to [secrets]")
        });
        problems.add(
            at,
            format!("there is no secret `{name}`"),
            "not in [secrets]",
            help,
        );
        false
    }
}
