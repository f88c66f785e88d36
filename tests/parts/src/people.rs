//! Who may talk to the API server: certificates, tokens and kubeconfigs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::PartError;
use crate::place::Place;

/// Somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// The user `engine`: may do what a test's roles allow, and nothing without them.
    Engine,
    /// The user `stranger`: as [`User::Engine`], for tests of two.
    Stranger,
    /// The controllers; each then acts as its own service account.
    Controllers,
    /// The scheduler.
    Scheduler,
}

impl User {
    pub(crate) const ALL: [Self; 5] = [
        Self::Admin,
        Self::Engine,
        Self::Stranger,
        Self::Controllers,
        Self::Scheduler,
    ];

    /// The name by which roles are bound to it and which the audit log has.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Engine => "engine",
            Self::Stranger => "stranger",
            Self::Controllers => "system:kube-controller-manager",
            Self::Scheduler => "system:kube-scheduler",
        }
    }

    /// The file with its kubeconfig, in the control plane's folder.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Admin => "admin.kubeconfig",
            Self::Engine => "engine.kubeconfig",
            Self::Stranger => "stranger.kubeconfig",
            Self::Controllers => "controllers.kubeconfig",
            Self::Scheduler => "scheduler.kubeconfig",
        }
    }

    /// Good on loopback only, for as long as the control plane runs.
    pub(crate) fn token(self) -> String {
        format!("{}-token-of-a-test", self.name().replace(':', "-"))
    }
}

/// What the API server shows and trusts.
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    /// The CA, as the tests' own client trusts it.
    pub(crate) root: CertificateDer<'static>,
    pub(crate) leaf: PathBuf,
    pub(crate) key: PathBuf,
    /// What the API server shows, for who stands before it.
    pub(crate) shown: (CertificateDer<'static>, PrivateKeyDer<'static>),
    /// Signs the tokens of service accounts.
    pub(crate) accounts: PathBuf,
    /// What those are checked with.
    pub(crate) accounts_public: PathBuf,
}

impl Certificates {
    /// A CA and a certificate that it signed: rustls takes no CA for a server.
    pub(crate) fn made(place: &Place) -> Result<Self, PartError> {
        let failed = |why: rcgen::Error| PartError::of("the certificates", why);
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "a CA of a test");
        let ca =
            CertifiedIssuer::self_signed(params, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).map_err(failed)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        let leaf = params.signed_by(&key, &ca).map_err(failed)?;
        let accounts = KeyPair::generate().map_err(failed)?;
        Ok(Self {
            ca: place.write("ca.crt", ca.pem())?,
            root: ca.der().clone(),
            leaf: place.write("server.crt", leaf.pem())?,
            key: place.write("server.key", key.serialize_pem())?,
            shown: (
                leaf.der().clone(),
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            ),
            accounts: place.write("accounts.key", accounts.serialize_pem())?,
            accounts_public: place.write("accounts.pub", accounts.public_key_pem())?,
        })
    }
}

/// Writes the tokens that the API server knows, and says where.
pub(crate) fn tokens(place: &Place) -> Result<PathBuf, PartError> {
    let lines = User::ALL.map(|user| {
        let groups = if user == User::Admin {
            ",\"system:masters\""
        } else {
            ""
        };
        format!("{},{},{}{groups}\n", user.token(), user.name(), user.name())
    });
    place.write("tokens.csv", lines.concat())
}

/// The kubeconfig of somebody for the server at this address, which shows a certificate of this CA.
pub(crate) fn kubeconfig(user: User, server: SocketAddr, ca: &Path) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: \"https://{server}\", certificate-authority: {ca}}}}}]\n\
         users: [{{name: {name}, user: {{token: {token}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]\n",
        ca = text(&ca.to_string_lossy()),
        name = text(user.name()),
        token = text(&user.token()),
    )
}
