//! WASI, linked and empty.
//!
//! Toolchains import more of it than a plugin uses, so it must be there; nothing is in it: no environment, arguments or
//! folders, sockets and look-ups refused, standard input at its end. What is printed becomes log lines. Clocks run and
//! are noted; every random number of a call comes from one seed, which is noted too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};
use wasmtime_wasi::{WasiCtx, async_trait};

use crate::limits::RANDOM;
use crate::notebook::{Lines, LogLevel, Notebook, NotedMonotonicClock, NotedWallClock};
use crate::time::CallTime;

pub(super) struct Empty {
    pub(super) ctx: WasiCtx,
    pub(super) seed: [u8; 32],
    pub(super) printed: [Arc<Lines>; 2],
}

/// WASI for one call.
pub(super) fn empty(notebook: &Arc<Notebook>, time: &CallTime) -> Empty {
    let mut seed = [0; 32];
    match time.given() {
        None => rand::rng().fill_bytes(&mut seed),
        Some(given) => seed = given.seed(),
    }
    let mut chance = StdRng::from_seed(seed);
    let (mut first, mut second) = ([0; 32], [0; 16]);
    chance.fill_bytes(&mut first);
    chance.fill_bytes(&mut second);
    let out = Lines::new(notebook.clone(), LogLevel::Info);
    let err = Lines::new(notebook.clone(), LogLevel::Warn);
    let ctx = WasiCtx::builder()
        .stdout(Printed(out.clone()))
        .stderr(Printed(err.clone()))
        .wall_clock(NotedWallClock(notebook.clone()))
        .monotonic_clock(NotedMonotonicClock(notebook.clone()))
        .insecure_random(StdRng::from_seed(first))
        .insecure_random_seed(u128::from_le_bytes(second))
        .secure_random(chance)
        .max_random_size(RANDOM)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .allow_blocking_current_thread(false)
        .build();
    Empty {
        ctx,
        seed,
        printed: [out, err],
    }
}

/// Standard output or standard error.
#[derive(Clone)]
struct Printed(Arc<Lines>);

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0
            .write(&bytes)
            .map_err(|full| StreamError::Trap(wasmtime::Error::new(full)))
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(4096)
    }
}

impl AsyncWrite for Printed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(
            self.0
                .write(bytes)
                .map(|()| bytes.len())
                .map_err(std::io::Error::other),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
