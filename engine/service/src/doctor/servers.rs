//! Servers that grants name: whether a connection can be opened to each. No request is sent to any.

use std::time::Duration;

use futures_util::future::join_all;
use stanch_sandbox::gate::{Reached, reach};
use stanch_sandbox::http::HttpClients;
use tokio::time::Instant;

use super::{Area, Finding, Health};
use crate::snapshot::Snapshot;

/// How long all of them have.
const TIME: Duration = Duration::from_secs(15);

pub(super) async fn examine(snapshot: &Snapshot, clients: &HttpClients) -> Vec<Finding> {
    let until = Instant::now() + TIME;
    let plugins = snapshot.settings.plugins.values();
    let all = join_all(plugins.map(async |plugin| {
        let reached = reach(&plugin.grant, clients, until).await;
        reached.into_iter().map(move |one| finding(&plugin.key, one))
    }));
    all.await.into_iter().flatten().collect()
}

fn finding(plugin: &stanch_contract::PluginKey, reached: Reached) -> Finding {
    let Reached { server, line, why } = reached;
    let about = format!("{server} of `{plugin}`");
    match why {
        None => Finding::new(
            Area::Servers,
            about,
            Health::Good,
            "can be connected to (no request was sent)",
        ),
        Some(why) => Finding::new(Area::Servers, about, Health::Bad, why).todo(format!(
            "look at `url` and `addresses` of {line}, and whether the server is there for this machine"
        )),
    }
}
