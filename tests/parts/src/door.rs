//! A door before the API server, at which a test can stop a request at any moment of it.
//!
//! Who has a kubeconfig through the door speaks TLS with it, and it with the API server; both believe to speak with the
//! other. With it a test kills the API server after it acted and before its answer has arrived, which else only chance does.
//! A door that is shut is like a server that is gone: connections end, and new ones are refused.

use std::io::{BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stanch_outside::counter::Moment;
use stanch_outside::http::{Message, free_port, message};

use crate::PartError;
use crate::api::Api;
use crate::wait::PATIENCE;

type Wanted = Box<dyn Fn(&Message) -> bool + Send>;

/// What an API server answers that fails.
const FAILED: &str =
    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":500,"message":"etcdserver: no leader"}"#;

/// What comes of a request that is wanted.
enum Strike {
    /// It stops at this moment, until the release.
    Stop(Moment),
    /// Its connection ends at this moment.
    Cut(Moment),
    /// It is answered with 500 here, and goes no further.
    Fail,
}

/// The door. It is shut for good with this value.
#[derive(Debug)]
pub struct Door {
    /// Where it is.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    shows: Arc<ServerConfig>,
    behind: Api,
    armed: Mutex<Option<(Wanted, Strike)>>,
    struck: AtomicBool,
    open: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("behind", &self.behind)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// Opens it before an API server; it shows this certificate.
    pub(crate) fn open(
        behind: Api,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, PartError> {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let shows = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map(|config| config.with_no_client_auth())
            .and_then(|config| config.with_single_cert(vec![certificate], key))
            .map_err(|why| PartError::of("TLS", why))?;
        let address = free_port().map_err(|why| PartError::of("a free port", why))?;
        let door = Self {
            address,
            inner: Arc::new(Inner {
                shows: Arc::new(shows),
                behind,
                armed: Mutex::new(None),
                struck: AtomicBool::new(false),
                open: AtomicBool::new(false),
                streams: Mutex::default(),
            }),
        };
        door.unshut()?;
        Ok(door)
    }

    /// Stops at this moment of the first request that is wanted, until [`Door::release`].
    pub fn arm(&self, moment: Moment, wanted: impl Fn(&Message) -> bool + Send + 'static) {
        *locked(&self.inner.armed) = Some((Box::new(wanted), Strike::Stop(moment)));
    }

    /// Ends the connection at this moment of the first request that is wanted.
    pub fn cut(&self, moment: Moment, wanted: impl Fn(&Message) -> bool + Send + 'static) {
        *locked(&self.inner.armed) = Some((Box::new(wanted), Strike::Cut(moment)));
    }

    /// Answers the first request that is wanted with 500, as an API server that fails; it goes no further.
    pub fn fail(&self, wanted: impl Fn(&Message) -> bool + Send + 'static) {
        *locked(&self.inner.armed) = Some((Box::new(wanted), Strike::Fail));
    }

    /// Whether it stopped.
    pub fn is_struck(&self) -> bool {
        self.inner.struck.load(Ordering::SeqCst)
    }

    /// Goes on; the stopped request has no answer, if it was stopped before.
    pub fn release(&self) {
        *locked(&self.inner.armed) = None;
        self.inner.struck.store(false, Ordering::SeqCst);
    }

    /// Ends every connection and takes no new one.
    pub fn shut(&self) {
        self.inner.open.store(false, Ordering::SeqCst);
        for stream in locked(&self.inner.streams).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // The listener ends when it sees that the door is shut.
        let began = Instant::now();
        while TcpListener::bind(self.address).is_err() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// Where its port was taken meanwhile.
    pub fn unshut(&self) -> Result<(), PartError> {
        let failed = |why| PartError::of(&format!("the door at {}", self.address), why);
        let listener = TcpListener::bind(self.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        self.inner.open.store(true, Ordering::SeqCst);
        let inner = Arc::clone(&self.inner);
        std::thread::spawn(move || {
            while inner.open.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let inner = Arc::clone(&inner);
                        std::thread::spawn(move || inner.serve(stream));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Ok(())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.release();
        self.shut();
    }
}

impl Inner {
    /// Passes on what comes over a connection until something ends it.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nonblocking(false).ok()?;
        stream.set_nodelay(true).ok()?;
        locked(&self.streams).push(stream.try_clone().ok()?);
        let tls = ServerConnection::new(Arc::clone(&self.shows)).ok()?;
        let mut asks = BufReader::new(StreamOwned::new(tls, stream));
        loop {
            let request = message(&mut asks).ok()?;
            if self.fails(&request) {
                let answer = format!(
                    "HTTP/1.1 500 -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{FAILED}",
                    FAILED.len()
                );
                asks.get_mut().write_all(answer.as_bytes()).ok()?;
                asks.get_mut().flush().ok()?;
                continue;
            }
            if self.strikes(&request, Moment::Arrived) {
                return None;
            }
            // A connection for each, so that none is left of a server that was killed.
            let answer = self.behind.passed_on(&request).ok()?;
            if self.strikes(&request, Moment::Made) {
                return None;
            }
            asks.get_mut().write_all(&answer).ok()?;
            asks.get_mut().flush().ok()?;
            self.strikes(&request, Moment::Answered);
        }
    }

    fn fails(&self, request: &Message) -> bool {
        let is_it = |armed: &mut (Wanted, Strike)| matches!(armed.1, Strike::Fail) && (armed.0)(request);
        locked(&self.armed).take_if(is_it).is_some()
    }

    /// Whether this is the moment; if so, only after the release, where there is to be one.
    fn strikes(&self, request: &Message, moment: Moment) -> bool {
        let is_it = |armed: &mut (Wanted, Strike)| {
            matches!(armed.1, Strike::Stop(at) | Strike::Cut(at) if at == moment) && (armed.0)(request)
        };
        let struck = locked(&self.armed).take_if(is_it);
        match struck {
            None => return false,
            Some((_, Strike::Cut(_) | Strike::Fail)) => return true,
            Some((_, Strike::Stop(_))) => {}
        }
        self.struck.store(true, Ordering::SeqCst);
        let began = Instant::now();
        while self.struck.load(Ordering::SeqCst) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
