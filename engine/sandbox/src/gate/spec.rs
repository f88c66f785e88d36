//! A grant in stanch.toml's words, read by serde and not checked yet. The same notation is a manifest's `asks`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{ByteSize, Manifest};

/// `[[plugins.NAME.grant.*]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrantSpec {
    /// `[[plugins.NAME.grant.http]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrantSpec>,
    /// `[[plugins.NAME.grant.files]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FilesGrantSpec>,
    /// `[[plugins.NAME.grant.notify]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyGrantSpec>,
    /// `[[plugins.NAME.grant.kubernetes]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<KubernetesGrantSpec>,
}

impl GrantSpec {
    /// What a manifest asks for, as the grant that would give all of it.
    ///
    /// # Errors
    /// Where it is not written as a grant is.
    pub fn asked(manifest: &Manifest) -> Result<Self, serde_json::Error> {
        match &manifest.asks {
            Value::Null => Ok(Self::default()),
            asks => Self::deserialize(asks),
        }
    }
}

/// One `[[plugins.NAME.grant.kubernetes]]`. In names `*` stands for any part of one, and never for what must be named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesGrantSpec {
    /// Names of `[clusters]`.
    pub clusters: Vec<String>,
    /// get, list, logs, delete, evict, patch, create, scale.
    pub verbs: Vec<String>,
    /// `pods`, `deployments.apps`.
    pub resources: Vec<String>,
    /// None: objects that are in no namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// None: whatever the object is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// A label selector that the live object must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Of Secrets: their keys are handed over and no value, and a patch takes keys away and writes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keys_only: bool,
}

impl std::fmt::Display for KubernetesGrantSpec {
    /// In words: `get, evict pods named worker-* where app=worker in inference of eu-b`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verbs.join(", "), self.resources.join(", "))?;
        if self.keys_only {
            f.write_str(" (keys only)")?;
        }
        if !self.names.is_empty() {
            write!(f, " named {}", self.names.join(", "))?;
        }
        if let Some(selector) = &self.selector {
            write!(f, " where {selector}")?;
        }
        if !self.namespaces.is_empty() {
            write!(f, " in {}", self.namespaces.join(", "))?;
        }
        write!(f, " of {}", self.clusters.join(", "))
    }
}

/// One `[[plugins.NAME.grant.http]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrantSpec {
    /// Scheme, host and port exact; in the path `*` is one segment and `**`, at the end, the rest.
    pub url: String,
    /// Methods that change nothing, as the operator vouches: any phase.
    #[serde(default)]
    pub read: Vec<String>,
    /// Methods that change something: apply only, only as planned.
    #[serde(default)]
    pub change: Vec<String>,
    /// Headers that the gate adds; `${secret:NAME}` in a value is the secret's value of now.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Networks (CIDR) that may be reached besides the public internet.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The largest answer that is handed over; 1 MiB where it is not given.
    #[serde(default)]
    pub max_response: Option<ByteSize>,
}

/// One `[[plugins.NAME.grant.files]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesGrantSpec {
    /// The folder, absolute.
    pub path: String,
    /// What the plugin calls it: one name.
    pub at: String,
    /// `read` or `change`.
    pub access: Access,
}

/// What may be done in a granted folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look: usage, scan, read.
    Read,
    /// Look, and as planned: write, remove.
    Change,
}

/// One `[[plugins.NAME.grant.notify]]`: always POST.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifyGrantSpec {
    /// As [`HttpGrantSpec::url`].
    pub url: String,
    /// As [`HttpGrantSpec::headers`].
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// As [`HttpGrantSpec::addresses`].
    #[serde(default)]
    pub addresses: Vec<String>,
    /// As [`HttpGrantSpec::max_response`].
    #[serde(default)]
    pub max_response: Option<ByteSize>,
    /// Members that the gate puts into the JSON object that is sent, beside those of the plugin: for receivers that want their
    /// credential in the body. With `${secret:NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
    /// How the gate signs what is sent.
    #[serde(default)]
    pub sign: Option<SignSpec>,
}

/// `sign = { header = "…", hmac_sha256 = "${secret:NAME}" }`. The header's form is that of [`crate::http::sign`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignSpec {
    /// The header that carries the signature.
    pub header: String,
    /// The key: exactly one `${secret:NAME}`.
    pub hmac_sha256: String,
}
