//! Whom TLS trusts: the system's roots and what the operator adds. Read once, when the first https request is made, because
//! reading some hundred certificates is a good part of the time in which the engine starts.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

/// The trusted roots.
pub(crate) struct Roots {
    extra: Vec<CertificateDer<'static>>,
    system: bool,
    store: OnceCell<Arc<RootCertStore>>,
}

impl Roots {
    /// The certificates of `extra_pem`, and the system's where `system` says so.
    pub(crate) fn new(extra_pem: &[u8], system: bool) -> Result<Self, String> {
        let extra = CertificateDer::pem_slice_iter(extra_pem).collect::<Result<Vec<_>, _>>();
        let extra = extra.map_err(|error| format!("not a PEM file of certificates: {error}"))?;
        Ok(Self {
            extra,
            system,
            store: OnceCell::new(),
        })
    }

    /// A configuration that trusts them.
    pub(crate) async fn config(&self) -> Result<ClientConfig, String> {
        let store = self.store.get_or_try_init(|| self.load()).await?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        Ok(builder
            .with_root_certificates(store.clone())
            .with_no_client_auth())
    }

    async fn load(&self) -> Result<Arc<RootCertStore>, String> {
        let mut store = RootCertStore::empty();
        for certificate in &self.extra {
            store
                .add(certificate.clone())
                .map_err(|error| format!("a certificate that the operator adds: {error}"))?;
        }
        if self.system {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            let found = found.map_err(|error| error.to_string())?;
            for error in &found.errors {
                tracing::warn!(%error, "a system certificate cannot be read");
            }
            store.add_parsable_certificates(found.certs);
        }
        if store.is_empty() {
            return Err(
                "there is no trusted certificate: install the system's (`ca-certificates`)".to_owned(),
            );
        }
        Ok(Arc::new(store))
    }
}
