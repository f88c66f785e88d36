//! Serves the routes on the socket until it is told to end.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Control;
use super::account;
use super::extract::Peer;
use super::once::Answers;
use super::routes::{Door, Shared, router};
use super::socket::{Bound, SocketError, listen_at, path_in};
use crate::door;

/// How many may be connected at the same time; who follows a run stays connected.
const CONNECTIONS: usize = 128;

/// The control socket, made and not yet served.
#[derive(Debug)]
pub struct Server {
    bound: Bound,
}

impl Server {
    /// Makes the socket in the data folder.
    ///
    /// # Errors
    /// Where an engine listens there already, or the operating system refuses.
    pub fn bind(data: &Path) -> Result<Self, SocketError> {
        Ok(Self {
            bound: listen_at(&path_in(data))?,
        })
    }

    /// Serves until `ending` is cancelled; then ends streams, lets requests under way end for a
    /// while and removes the file.
    ///
    /// # Errors
    /// Where the socket's owner cannot be found out.
    pub async fn serve(self, control: Arc<dyn Control>, ending: CancellationToken) -> io::Result<()> {
        let Bound { listener, file } = self.bound;
        let owner = Arc::new(account::owner(file.path())?);
        let router = router(Shared {
            control,
            door: Door::Socket(owner),
            ending: ending.clone(),
            answers: Answers::default(),
        });
        door::serve(
            listener,
            router,
            Peer::of,
            door::Limits::of(CONNECTIONS),
            None,
            ending,
        )
        .await;
        Ok(())
    }
}
