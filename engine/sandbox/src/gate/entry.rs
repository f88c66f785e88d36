//! One table of a grant, checked line by line: `[[plugins.NAME.grant.http]]`, `.notify` and `.files`. Those of `.kubernetes`
//! are in [`super::kubernetes::entry`].

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use http::Method;
use http::header::HeaderName;
use ipnet::IpNet;
use stanch_contract::{ByteSize, Digest, PluginKey, text};

use super::spec::{Access, FilesGrantSpec, HttpGrantSpec, NotifyGrantSpec, SignSpec};
use crate::http::address::{AddressPolicy, parse_network};
use crate::http::headers;
use crate::http::pattern::UrlPattern;
use crate::secret::SecretTemplate;

/// The largest answer where a grant names none.
const MAX_RESPONSE: u64 = 1 << 20;
/// The largest that a grant can name: a plugin's memory is smaller.
const MOST_RESPONSE: u64 = 64 << 20;

/// One URL pattern with what may be sent there and what the gate adds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HttpGrant {
    pub(crate) pattern: UrlPattern,
    pub(super) read: Vec<Method>,
    pub(super) change: Vec<Method>,
    pub(crate) headers: Vec<(HeaderName, SecretTemplate)>,
    pub(crate) members: Vec<(String, SecretTemplate)>,
    pub(crate) sign: Option<(HeaderName, SecretTemplate)>,
    pub(crate) addresses: AddressPolicy,
    pub(crate) max_response: u64,
    pub(super) digest: Digest,
    table: &'static str,
}

/// One folder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FilesGrant {
    pub(crate) path: PathBuf,
    pub(crate) at: String,
    pub(crate) access: Access,
}

/// The key that is wrong, and what would be right.
pub(in crate::gate) type Wrong = (&'static str, String);

impl HttpGrant {
    pub(super) fn http(spec: &HttpGrantSpec) -> Result<Self, Wrong> {
        let (read, change) = (methods("read", &spec.read)?, methods("change", &spec.change)?);
        if let Some(both) = read.iter().find(|method| change.contains(method)) {
            return Err((
                "change",
                format!("`{both}` is in read too: it either changes something or it does not"),
            ));
        }
        if read.is_empty() && change.is_empty() {
            return Err((
                "read",
                "neither read nor change names a method: write `read = [\"GET\"]`".to_owned(),
            ));
        }
        let common = Common {
            url: &spec.url,
            headers: &spec.headers,
            addresses: &spec.addresses,
            max: spec.max_response,
        };
        let digest = Digest::of_json(&serde_json::to_value(spec).unwrap_or_default());
        Self::new(&common, read, change, None, digest, "http")
    }

    pub(super) fn notify(spec: &NotifyGrantSpec) -> Result<Self, Wrong> {
        let common = Common {
            url: &spec.url,
            headers: &spec.headers,
            addresses: &spec.addresses,
            max: spec.max_response,
        };
        let digest = Digest::of_json(&serde_json::to_value(spec).unwrap_or_default());
        let members = members(&spec.members).map_err(|why| ("members", why))?;
        let entry = Self::new(
            &common,
            Vec::new(),
            vec![Method::POST],
            spec.sign.as_ref(),
            digest,
            "notify",
        )?;
        Ok(Self { members, ..entry })
    }

    fn new(
        common: &Common<'_>,
        read: Vec<Method>,
        change: Vec<Method>,
        sign: Option<&SignSpec>,
        digest: Digest,
        table: &'static str,
    ) -> Result<Self, Wrong> {
        let pattern = UrlPattern::parse(common.url).map_err(|why| ("url", why))?;
        let mut bound: Vec<(HeaderName, SecretTemplate)> = Vec::new();
        for (name, value) in common.headers {
            let name = header(name).map_err(|why| ("headers", why))?;
            if bound.iter().any(|(other, _)| *other == name) {
                return Err(("headers", format!("`{name}` is bound twice")));
            }
            let value =
                SecretTemplate::parse(value).map_err(|error| ("headers", format!("`{name}`: {error}")))?;
            bound.push((name, value));
        }
        let sign = sign
            .map(|sign| signature(sign, &bound))
            .transpose()
            .map_err(|why| ("sign", why))?;
        let networks = common
            .addresses
            .iter()
            .map(|text| parse_network(text))
            .collect::<Result<Vec<IpNet>, _>>();
        let addresses = AddressPolicy::new(networks.map_err(|why| ("addresses", why))?);
        let max_response = common.max.map_or(MAX_RESPONSE, |size| size.0);
        if max_response == 0 || max_response > MOST_RESPONSE {
            return Err(("max_response", "write a size from 1B to 64MiB".to_owned()));
        }
        Ok(Self {
            pattern,
            read,
            change,
            headers: bound,
            members: Vec::new(),
            sign,
            addresses,
            max_response,
            digest,
            table,
        })
    }

    /// The headers that a plugin may not set because the gate does.
    pub(crate) fn bound(&self) -> Vec<HeaderName> {
        self.headers
            .iter()
            .chain(&self.sign)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whatever the gate adds that may have secrets in it.
    pub(super) fn templates(&self) -> impl Iterator<Item = &SecretTemplate> {
        let headers = self
            .headers
            .iter()
            .chain(&self.sign)
            .map(|(_, template)| template);
        headers.chain(self.members.iter().map(|(_, template)| template))
    }

    /// The line of stanch.toml, for messages.
    pub(crate) fn line(&self, plugin: &PluginKey) -> String {
        format!(
            "`[[plugins.{plugin}.grant.{}]]` with url = \"{}\"",
            self.table,
            self.pattern.as_str()
        )
    }
}

struct Common<'a> {
    url: &'a str,
    headers: &'a BTreeMap<String, String>,
    addresses: &'a [String],
    max: Option<ByteSize>,
}

fn methods(key: &'static str, names: &[String]) -> Result<Vec<Method>, Wrong> {
    let mut methods = Vec::with_capacity(names.len());
    for name in names {
        let method = method(name).map_err(|why| (key, why))?;
        if methods.contains(&method) {
            return Err((key, format!("`{name}` is named twice")));
        }
        methods.push(method);
    }
    Ok(methods)
}

/// A method that may be sent: upper-case letters, and neither CONNECT nor TRACE, which make a tunnel or an echo.
pub(crate) fn method(name: &str) -> Result<Method, String> {
    let shown = text::clean_line_to(name, 20);
    if name.is_empty() || name.len() > 20 || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Err(format!(
            "`{shown}` is not a method: write it in capitals, as in `GET`"
        ));
    }
    if name == "CONNECT" || name == "TRACE" {
        return Err(format!("`{shown}` is never sent"));
    }
    Method::from_bytes(name.as_bytes()).map_err(|_| format!("`{shown}` is not a method"))
}

fn header(name: &str) -> Result<HeaderName, String> {
    let parsed: HeaderName = name
        .parse()
        .map_err(|_| format!("`{name}` is not a header name"))?;
    let owned = ["authorization", "cookie", "proxy-authorization"];
    if headers::is_reserved(&parsed) && !owned.contains(&parsed.as_str()) {
        return Err(format!(
            "`{name}` frames or routes the request and is the gate's own"
        ));
    }
    if [
        "content-type",
        "content-length",
        "accept-encoding",
        "idempotency-key",
    ]
    .contains(&parsed.as_str())
    {
        return Err(format!("`{name}` belongs to the request and cannot be bound"));
    }
    Ok(parsed)
}

fn members(spec: &BTreeMap<String, String>) -> Result<Vec<(String, SecretTemplate)>, String> {
    let each = spec.iter().map(|(name, value)| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            let shown = text::clean_line_to(name, 80);
            return Err(format!(
                "`{shown}` is not a member that is added: write letters, digits, `_` and `-`"
            ));
        }
        let value = SecretTemplate::parse(value).map_err(|error| format!("`{name}`: {error}"))?;
        Ok((name.clone(), value))
    });
    each.collect()
}

fn signature(
    sign: &SignSpec,
    bound: &[(HeaderName, SecretTemplate)],
) -> Result<(HeaderName, SecretTemplate), String> {
    const KEY: &str = "the key is one secret and nothing else: write `hmac_sha256 = \"${secret:NAME}\"`";
    // A signature's header is the operator's to name, also with the prefix that plugins may not use.
    let name: HeaderName = sign
        .header
        .parse()
        .map_err(|_| format!("`{}` is not a header name", sign.header))?;
    if headers::is_reserved(&name) && !name.as_str().starts_with("x-stanch-") {
        return Err(format!(
            "`{name}` frames or routes the request and is the gate's own"
        ));
    }
    if bound.iter().any(|(other, _)| *other == name) {
        return Err(format!("`{name}` is bound in headers too"));
    }
    let key = SecretTemplate::parse(&sign.hmac_sha256).map_err(|error| error.to_string())?;
    if key.only_secret().is_none() {
        return Err(KEY.to_owned());
    }
    Ok((name, key))
}

impl FilesGrant {
    pub(super) fn new(spec: &FilesGrantSpec) -> Result<Self, Wrong> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if spec.at.is_empty() || spec.at.len() > 64 || !spec.at.bytes().all(fits) {
            return Err((
                "at",
                format!(
                    "`{}` is not one name: write letters, digits, `-` and `_`",
                    spec.at
                ),
            ));
        }
        let path = PathBuf::from(&spec.path);
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err((
                "path",
                format!("`{}` is not an absolute path without `..`", spec.path),
            ));
        }
        if path.parent().is_none() {
            return Err((
                "path",
                "the root of the file system cannot be granted: name the folder".to_owned(),
            ));
        }
        Ok(Self {
            path,
            at: spec.at.clone(),
            access: spec.access,
        })
    }
}
