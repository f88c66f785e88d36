//! What stanch.toml says, checked: the operator's settings as the rest of the engine reads them.
//!
//! Nothing here is read from a file at use: paths are already relative to the working folder rather than to the file,
//! units are parsed, names are resolved. Secrets are the exception: they are kept by name and have the value of now.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stanch_contract::{ByteSize, Digest, PluginKey, RunId, Span, text};
use stanch_run::Scope;
pub use stanch_runbook::Channel;
use stanch_runbook::EngineGuardrails;
use stanch_runbook::model::Mode;
use stanch_sandbox::Limits;
use stanch_sandbox::gate::Grant;
use stanch_sandbox::kubernetes::ClusterSpec;

mod intake;

pub use intake::{
    Encoding, Expects, Intake, IntakeAuth, IntakeKind, Mapping, Reconcile, SignedHeader, SignedTime,
};

/// All of stanch.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The file, as the operator named it.
    pub path: PathBuf,
    /// Of the file's text.
    pub digest: Digest,
    /// `[server]`.
    pub server: Server,
    /// `[store]`.
    pub store: Store,
    /// `[[runbooks]]`, in the file's order.
    pub folders: Vec<Folder>,
    /// `[vars]`, a JSON object.
    pub vars: Value,
    /// `[secrets]`, by name: where the values are.
    pub secrets: BTreeMap<String, SecretPlace>,
    /// `[clusters]`, by name: how each is reached.
    pub clusters: BTreeMap<String, ClusterSpec>,
    /// `[[intake]]`.
    pub intakes: Vec<Arc<Intake>>,
    /// `[[users]]`.
    pub users: Vec<Arc<User>>,
    /// `[oidc]`: the provider that says who people are; absent: nobody does but their tokens.
    pub oidc: Option<Oidc>,
    /// `[approvals]`: where questions are put.
    pub approvals: Approvals,
    /// `[slack]`.
    pub slack: Option<Slack>,
    /// `[approvals] break_glass`; absent: nobody decides alone where a runbook asks for others.
    pub break_glass: Option<BreakGlass>,
    /// `[guardrails]`, with every `plugins.KEY.targets`.
    pub guardrails: EngineGuardrails,
    /// `[plugins.KEY]`.
    pub plugins: BTreeMap<PluginKey, PluginSettings>,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this variable of the engine's environment.
    Env(String),
    /// In this file, without the line feed at its end.
    File(PathBuf),
}

/// One `[plugins.KEY]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginSettings {
    /// What a runbook's `uses` says.
    pub key: PluginKey,
    /// The component, for opening.
    pub path: PathBuf,
    /// `source` as the operator wrote it, for messages.
    pub written: String,
    /// What the component must be.
    pub sha256: Option<Digest>,
    /// What one call may use.
    pub limits: Limits,
    /// What `host.settings` hands to the plugin: a JSON object without secrets.
    pub settings: Value,
    /// The ceiling of targets of this installation; already in [`Settings::guardrails`].
    pub targets: Option<u32>,
    /// What the plugin may ever touch.
    pub grant: Arc<Grant>,
}

/// `[server]`. Cannot change while running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where alerts come in. `127.0.0.1:9440` unless set.
    pub listen: SocketAddr,
    /// Whether a proxy in front speaks TLS.
    pub tls_upstream: bool,
    /// What the engine speaks TLS with itself. One of the two is required where `listen` is beyond loopback.
    pub tls: Option<TlsFiles>,
    /// Where people's browsers reach the engine, without a slash at the end; absent: messages lead to no page.
    pub public: Option<String>,
    /// Pages elsewhere that may show the engine's own in a frame: origins, as `https://desk.example`. None unless set.
    pub frame_ancestors: Vec<String>,
}

impl Server {
    /// Whether browsers and tools reach the engine by TLS.
    pub fn is_secure(&self) -> bool {
        self.tls_upstream || self.tls.is_some()
    }

    /// The page of a run, for messages.
    pub fn page_of(&self, run: &RunId) -> Option<String> {
        let public = self.public.as_ref()?;
        Some(format!("{public}/runs/{run}"))
    }
}

/// A certificate with its chain, and its key: both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, the server's own first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[store]`. Cannot change while running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The data folder: SQLite, compiled plugins, content by digest, the control socket. `data` unless set.
    pub path: PathBuf,
    /// How long closed runs are kept. 90 days unless set.
    pub keep: Span,
    /// Set aside at start, given back when the disk is full. 64 MiB unless set.
    pub reserve: ByteSize,
}

/// One of `[[runbooks]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// The folder, for opening.
    pub path: PathBuf,
    /// The folder as the operator wrote it, for messages and for the runbooks' sources.
    pub written: String,
    /// The team; empty where none is named.
    pub team: String,
    /// Which plugins its runbooks may use.
    pub plugins: PluginFilter,
    /// The most autonomy its runbooks may give themselves.
    pub max_mode: Mode,
    /// `[runbooks.defaults]`, a JSON object.
    pub defaults: Value,
}

/// Which plugins the runbooks of a folder may use: keys, where `*` stands for any part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginFilter(pub Vec<String>);

impl PluginFilter {
    /// Whether this installation may be used.
    pub fn allows(&self, key: &PluginKey) -> bool {
        self.0.iter().any(|pattern| text::fits(pattern, key.as_str()))
    }
}

/// What somebody may do; each includes those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Decide on what is asked.
    Approver,
    /// Start, cancel and undo runs, pause and resume.
    Operator,
    /// Everything, breaking the glass included.
    Admin,
}

/// One of `[[users]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Unique.
    pub name: String,
    /// Of the token that the user presents.
    pub token: Option<Digest>,
    /// The operating system's user that this is on the control socket.
    pub os_user: Option<String>,
    /// The member's id in Slack; without it no decision comes from there.
    pub slack: Option<String>,
    /// What the claim `oidc.person` says of this user.
    pub oidc: Option<String>,
    /// `group:NAME` in a runbook's `from`.
    pub groups: Vec<String>,
    /// What the user may do.
    pub role: Role,
    /// In which runbooks.
    pub scope: Scope,
    /// What they may do in all others, and with the engine as a whole; absent: nothing.
    pub elsewhere: Option<Role>,
}

/// `[oidc]`: a provider of OpenID Connect that says who people are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The provider, letter by letter as its tokens name it.
    pub issuer: String,
    /// What people call it on the log-in page. The issuer's host unless set.
    pub name: String,
    /// What the provider calls the engine.
    pub client_id: String,
    /// The secret that the engine proves itself with; absent: by PKCE alone, as a public client.
    pub client_secret: Option<String>,
    /// Where the provider sends people back to: the whole address, registered there like this.
    pub redirect: String,
    /// Asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that says who somebody is.
    pub person: String,
    /// The claim that says in which groups they are; absent: groups are nothing.
    pub groups: Option<String>,
    /// Whom tokens for the API are made for; absent: the API takes none of the provider's.
    pub audience: Option<String>,
    /// How long somebody stays logged in. Half a day unless set, and at most.
    pub session: Span,
    /// Networks that the provider may be in, beyond the public internet.
    pub addresses: Vec<IpNet>,
    /// What its groups are worth.
    pub rules: Vec<OidcRule>,
}

/// One of `[[oidc.rules]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcRule {
    /// A group of the provider, letter by letter.
    pub group: String,
    /// What who is in it may do.
    pub role: Role,
    /// In which runbooks.
    pub scope: Scope,
    /// In which groups they are here. That of the provider unless set.
    pub groups: Vec<String>,
}

/// `[approvals]`: where questions are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// The channels, the first first.
    pub channels: Vec<Channel>,
    /// How long nobody reacts before the next one is asked too. Three minutes unless set.
    pub next_after: Span,
}

/// `[slack]`. Secrets by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// The bot's token.
    pub token: String,
    /// What Slack signs clicks with; absent: none come over HTTP.
    pub signing: Option<String>,
    /// The app's token; absent: no Socket Mode.
    pub app_token: Option<String>,
    /// The Web API, with a slash at its end.
    pub api: String,
    /// Networks that it may be in, beyond the public internet.
    pub addresses: Vec<IpNet>,
}

/// `[approvals] break_glass`: deciding alone, audited, told to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakGlass {
    /// Who may, at least.
    pub role: Role,
    /// Whether a reason must be given.
    pub reason: bool,
}

impl Settings {
    /// The user whose token this is. Every user is compared, each in constant time.
    pub fn user_by_token(&self, token: &str) -> Option<&Arc<User>> {
        use subtle::ConstantTimeEq;
        let presented = Digest::of(token.as_bytes());
        self.users.iter().fold(None, |found, user| {
            let same = user
                .token
                .is_some_and(|token| token.as_bytes().ct_eq(presented.as_bytes()).into());
            if same { Some(user) } else { found }
        })
    }

    /// The user that this member of Slack is.
    pub fn user_by_slack(&self, member: &str) -> Option<&Arc<User>> {
        self.users
            .iter()
            .find(|user| user.slack.as_deref() == Some(member))
    }

    /// The user that the provider calls so.
    pub fn user_by_oidc(&self, claim: &str) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.oidc.as_deref() == Some(claim))
    }

    /// The user that this user of the operating system is on the control socket.
    pub fn user_by_os_user(&self, os_user: &str) -> Option<&Arc<User>> {
        self.users
            .iter()
            .find(|user| user.os_user.as_deref() == Some(os_user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_filter_stands_for_any_part_of_a_key_and_for_nothing_else() {
        let filter = PluginFilter(vec!["prometheus-*".into(), "page".into()]);
        for (key, allowed) in [
            ("prometheus-eu", true),
            ("prometheus-", true),
            ("prometheus", false),
            ("page", true),
            ("pager", false),
        ] {
            assert_eq!(filter.allows(&key.into()), allowed, "{key}");
        }
        assert!(PluginFilter(vec!["*".into()]).allows(&"anything".into()));
        assert!(!PluginFilter(vec![]).allows(&"anything".into()));
    }
}
