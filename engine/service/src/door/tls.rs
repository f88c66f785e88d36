//! TLS at the door: a certificate and its key from two files, taken anew where they change.
//!
//! The files are read together and looked at every ten seconds, so that a renewed certificate is used without a restart, also where it
//! is swapped as Kubernetes swaps mounted files. A pair that does not fit leaves the one before in use; the log says so once, and status and
//! metrics for as long as it is there ([`Tls::problem`]), as of every other file that does not load.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use stanch_contract::{Digest, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::settings::TlsFiles;
use crate::snapshot::{Problem, ProblemKind};
use crate::telemetry::Metrics;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(10);

/// Why TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{}` of `server.tls` cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// There is no certificate in it.
    #[error("`{}` holds no certificate; it has to be PEM, the server's own first", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in it.
    #[error("`{}` holds no private key; it has to be PEM, without a password", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// They do not belong together, or cannot be used.
    #[error("`{}` and `{}` cannot be used together: {why}", cert.display(), key.display())]
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        why: rustls::Error,
    },
}

/// What connections are accepted with.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    state: Mutex<State>,
}

/// What is known of the files.
struct State {
    /// Of those that were looked at last; nothing where they could not be read.
    seen: Option<Digest>,
    /// Of the certificate that is in use.
    used: Digest,
    /// Why the pair that is there is not: since when, and what is wrong.
    trouble: Option<(Timestamp, String)>,
}

impl Tls {
    /// With the pair that is in the files now.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = Pair::read(files)?;
        Ok(Self {
            config: ArcSwap::new(read.config(files)?),
            state: Mutex::new(State {
                seen: Some(read.digest()),
                used: Digest::of(&read.cert),
                trouble: None,
            }),
            files: files.clone(),
        })
    }

    /// Takes the pair that is in the files now, where it is another one; a pair that does not fit changes nothing.
    ///
    /// # Errors
    /// Why it does not fit, the first time that it is looked at.
    pub(crate) fn again(&self) -> Result<bool, TlsError> {
        let mut state = self.lock();
        let looked = self.look(&mut state);
        match &looked {
            Ok(true) => state.trouble = None,
            Ok(false) => {}
            Err(error) => {
                let since = state.trouble.take().map_or_else(clock::now, |(since, _)| since);
                state.trouble = Some((since, error.to_string()));
            }
        }
        looked
    }

    fn look(&self, state: &mut State) -> Result<bool, TlsError> {
        let read = match Pair::read(&self.files) {
            Ok(read) => read,
            Err(_) if state.seen.is_none() => return Ok(false),
            Err(error) => {
                state.seen = None;
                return Err(error);
            }
        };
        let digest = read.digest();
        if state.seen == Some(digest) {
            return Ok(false);
        }
        state.seen = Some(digest);
        self.config.store(read.config(&self.files)?);
        state.used = Digest::of(&read.cert);
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with the pair that is in the files, while it is; the one in use is another then.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let state = self.lock();
        let (since, why) = state.trouble.as_ref()?;
        Some(Problem {
            kind: ProblemKind::Certificate,
            path: self.files.cert.clone(),
            name: "server.tls".to_owned(),
            message: why.clone(),
            rendered: format!("{why}\n"),
            kept: Some(state.used),
            since: *since,
        })
    }

    /// The handshake of a connection.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }

    /// Looks at the files until `ending` is cancelled.
    pub(crate) async fn watch(self: Arc<Self>, metrics: Arc<Metrics>, ending: CancellationToken) {
        loop {
            metrics.certificate(self.problem().is_none());
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = ending.cancelled() => return,
            }
            let tls = Arc::clone(&self);
            // Files are read beside what answers requests.
            match tokio::task::spawn_blocking(move || tls.again()).await {
                Ok(Ok(true)) => tracing::info!("another certificate is in use"),
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::error!(%error, "the certificate that is in use stays"),
                Err(error) => tracing::error!(%error, "the certificate could not be looked at"),
            }
        }
    }
}

/// The two files, as they were read.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: bytes_of(&files.cert)?,
            key: bytes_of(&files.key)?,
        })
    }

    fn digest(&self) -> Digest {
        Digest::of(&[self.cert.as_slice(), b"\0", &self.key].concat())
    }

    fn config(&self, files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
        let unfit = |why| TlsError::Unfit {
            cert: files.cert.clone(),
            key: files.key.clone(),
            why,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .filter_map(Result::ok)
            .collect();
        if chain.is_empty() {
            return Err(TlsError::NoCertificate {
                path: files.cert.clone(),
            });
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey {
            path: files.key.clone(),
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|why| TlsError::Unreadable {
        path: path.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// A certificate of its own authority for `stanch.example`, and its key.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["stanch.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[expect(clippy::disallowed_methods, reason = "a folder of the test's own")]
    fn written(folder: &Path, (cert, key): (&str, &str)) -> TlsFiles {
        let files = TlsFiles {
            cert: folder.join("cert.pem"),
            key: folder.join("key.pem"),
        };
        std::fs::write(&files.cert, cert).unwrap();
        std::fs::write(&files.key, key).unwrap();
        files
    }

    /// Whether who trusts this certificate alone is answered.
    async fn trusted(tls: &Tls, cert: &str) -> bool {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(cert.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = duplex(16 << 10);
        let name = ServerName::try_from("stanch.example").unwrap();
        let client = async {
            let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config))
                .connect(name, ours)
                .await?;
            let mut word = [0; 2];
            stream.read_exact(&mut word).await.map(|_| word == *b"ok")
        };
        let server = async {
            let mut stream = tls.accept(theirs).await?;
            stream.write_all(b"ok").await?;
            stream.shutdown().await
        };
        let (answered, _) = tokio::join!(client, server);
        answered.unwrap_or(false)
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_taken_and_a_bad_pair_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (pair(), pair());
        let files = written(folder.path(), (&first.0, &first.1));
        let tls = Tls::load(&files).unwrap();
        assert!(trusted(&tls, &first.0).await);
        assert!(!trusted(&tls, &second.0).await);
        assert!(!tls.again().unwrap(), "nothing changed");

        // The certificate came before its key: what is there does not fit, is told of once, and changes nothing.
        written(folder.path(), (&second.0, &first.1));
        let error = tls.again().unwrap_err().to_string();
        assert!(
            error.contains("cert.pem` and `") && error.contains("cannot be used together"),
            "{error}"
        );
        assert!(!tls.again().unwrap(), "told of once");
        assert!(trusted(&tls, &first.0).await);
        let problem = tls.problem().unwrap();
        assert_eq!(
            (problem.kind, problem.kept),
            (ProblemKind::Certificate, Some(Digest::of(first.0.as_bytes())))
        );
        assert!(problem.message.contains("cannot be used together"), "{problem:?}");
        // Another that does not fit is still the same trouble; the files may also be gone.
        written(folder.path(), (&second.0, "no key"));
        assert!(tls.again().is_err());
        let worse = tls.problem().unwrap();
        assert!(
            worse.message.contains("holds no private key") && worse.since == problem.since,
            "{worse:?}"
        );

        written(folder.path(), (&second.0, &second.1));
        assert!(tls.again().unwrap());
        assert_eq!(tls.problem(), None);
        assert!(trusted(&tls, &second.0).await);
        assert!(!trusted(&tls, &first.0).await);
    }

    #[tokio::test]
    async fn files_that_hold_no_pair_are_refused_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = pair();
        let (_, other) = pair();
        let table = [
            ((cert.as_str(), other.as_str()), "cannot be used together"),
            (("", key.as_str()), "cert.pem` holds no certificate"),
            ((key.as_str(), key.as_str()), "cert.pem` holds no certificate"),
            ((cert.as_str(), cert.as_str()), "key.pem` holds no private key"),
            (
                (cert.as_str(), "-----BEGIN PRIVATE KEY-----\nAAAA\n"),
                "key.pem` holds no private key",
            ),
        ];
        for (pair, says) in table {
            let error = Tls::load(&written(folder.path(), pair))
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("BEGIN"), "what is in a key is not told: {error}");
        }
        let none = TlsFiles {
            cert: folder.path().join("none.pem"),
            key: folder.path().join("key.pem"),
        };
        assert!(
            Tls::load(&none)
                .err()
                .unwrap()
                .to_string()
                .contains("none.pem` of `server.tls` cannot be read")
        );
    }
}
