//! `[[intake]]`: who sends, how they prove it, and what their words mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stanch_contract::Span;
use stanch_runbook::expr::Mapped;

use super::Channel;

/// One of `[[intake]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// Who sends.
    pub kind: IntakeKind,
    /// The URL's path, beginning with a slash; unique. It is also the intake's name.
    pub path: String,
    /// How the sender proves who it is; absent only where `listen` is on loopback.
    pub auth: Option<IntakeAuth>,
    /// What becomes of what is sent; there exactly where the kind [needs one](IntakeKind::needs_mapping).
    pub mapping: Option<Mapping>,
    /// Where what still fires is read at the start and now and then.
    pub reconcile: Option<Reconcile>,
    /// The alert whose silence escalates.
    pub expects: Option<Expects>,
}

/// An Alertmanager that is asked what fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconcile {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Only what goes to this receiver of its configuration.
    pub receiver: Option<String>,
    /// The secret of a bearer token.
    pub bearer: Option<String>,
}

/// An alert that always fires, so that its silence means that no alert comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expects {
    /// Its name.
    pub alert: String,
    /// It has to come at least so often.
    pub within: Span,
    /// Who is told where it does not: notification plugins, the first first, until one was delivered.
    pub tell: Vec<Channel>,
}

/// The senders that this version understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntakeKind {
    /// Alertmanager's webhook, version 4.
    Alertmanager,
    /// The webhook of Grafana's alerting, version 1.
    Grafana,
    /// PagerDuty's webhooks, version 3.
    Pagerduty,
    /// CloudEvents 1.0 over HTTP: structured, batched and binary.
    Cloudevents,
    /// Any JSON.
    Generic,
}

impl IntakeKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Alertmanager,
        Self::Grafana,
        Self::Pagerduty,
        Self::Cloudevents,
        Self::Generic,
    ];

    /// As stanch.toml writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Pagerduty => "pagerduty",
            Self::Cloudevents => "cloudevents",
            Self::Generic => "generic",
        }
    }

    /// Whether what is sent says nothing of alerts by itself, so that stanch.toml has to.
    pub fn needs_mapping(self) -> bool {
        matches!(self, Self::Cloudevents | Self::Generic)
    }
}

/// What a sender must present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntakeAuth {
    /// `Authorization: Bearer` with the value of this secret.
    Bearer {
        /// The secret's name.
        secret: String,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The user's name, as written.
        user: String,
        /// The secret's name.
        secret: String,
    },
    /// The body is signed with this secret: HMAC with SHA-256.
    Signature {
        /// The secret's name.
        secret: String,
        /// Where the signature is.
        header: SignedHeader,
    },
}

impl IntakeAuth {
    /// The name of the secret that it takes.
    pub fn secret(&self) -> &str {
        match self {
            Self::Bearer { secret } | Self::Basic { secret, .. } | Self::Signature { secret, .. } => secret,
        }
    }
}

/// Where a request has its signature. The header may have several, with commas between: one of them has to be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header's name, in lower case.
    pub name: String,
    /// What a signature begins with, such as `sha256=`.
    pub prefix: String,
    /// How its bytes are written.
    pub encoding: Encoding,
    /// The time that is signed with the body. Without one, a request that somebody recorded can be sent again for ever.
    pub time: Option<SignedTime>,
}

/// How the bytes of a signature are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hex digits, large or small.
    Hex,
    /// Base64 with its padding, as RFC 4648 has it in section 4.
    Base64,
}

/// The time that is signed: seconds since 1970, then a text, then the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTime {
    /// Its header's name, in lower case; absent where it is in the signature's own.
    pub header: Option<String>,
    /// What it begins with, such as `t=`.
    pub prefix: String,
    /// What is between it and the body.
    pub between: String,
}

/// What is sent, as alerts: expressions over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// A list in the body, of which each item is an alert; absent: the body is one.
    pub each: Option<Mapped>,
    /// What is no alert where this is false.
    pub when: Option<Mapped>,
    /// Its name; absent: an event's type.
    pub name: Option<Mapped>,
    /// True or `firing`, false or `resolved`.
    pub status: Mapped,
    /// What tells it from others; absent: an event's source and subject.
    pub fingerprint: Option<Mapped>,
    /// When it began; absent: an event's time, or when it came.
    pub starts_at: Option<Mapped>,
    /// Its labels, besides `alertname`.
    pub labels: BTreeMap<String, Mapped>,
    /// Its annotations.
    pub annotations: BTreeMap<String, Mapped>,
}
