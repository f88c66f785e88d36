//! `trigger.again`: still firing this long after the run closed, another run of the episode.

use stanch_contract::{Alert, AlertStatus};
use stanch_run::State;
use stanch_run::episode::Episodes;

use super::accept::Opening;
use super::engine::Engine;
use crate::clock;

impl Engine {
    /// Starts another run of this closed run's episode when its time comes, where nothing resolves before.
    pub(super) fn watch_for_again(&self, closed: &State) {
        let Some(again) = closed
            .runbook()
            .trigger
            .as_ref()
            .and_then(|trigger| trigger.again)
        else {
            return;
        };
        let Some(due) = closed.closed_at().map(|at| at.plus(again)) else {
            return;
        };
        if closed
            .alerts()
            .iter()
            .all(|alert| alert.status == AlertStatus::Resolved)
        {
            return;
        }
        let (engine, opened, run) = (self.clone(), closed.opened().clone(), closed.id().clone());
        tokio::spawn(async move {
            tokio::time::sleep(due.since(clock::now()).to_std()).await;
            let now = clock::now();
            let snapshot = engine.inner.current.load();
            // The runbook of now decides: one that was removed, or no longer says `again`, starts nothing.
            let Some(loaded) = snapshot.runbooks.get(&opened.runbook).cloned() else {
                return;
            };
            if loaded
                .runbook
                .trigger
                .as_ref()
                .and_then(|trigger| trigger.again)
                .is_none()
            {
                return;
            }
            let fresh = {
                let mut board = engine.inner.board.lock();
                let Some(episode) = board.episodes.get(&opened.runbook, &opened.group_key) else {
                    return;
                };
                if board.draining || episode.run != run || Episodes::again_due(episode, again).is_none() {
                    return;
                }
                let alerts: Vec<Alert> = episode.firing().cloned().collect();
                let (inputs, faults) = super::matching::inputs(&loaded.runbook, &alerts);
                let (group_key, episode) = (opened.group_key.clone(), opened.episode);
                let opening = Opening {
                    loaded,
                    alerts,
                    inputs,
                    faults,
                    group_key,
                    episode,
                    by: None,
                };
                engine.make_known(&snapshot, &mut board, opening, now)
            };
            if let Err(error) = engine
                .make_durable(fresh.into_iter().collect(), Vec::new(), now)
                .await
            {
                tracing::error!(runbook = %opened.runbook, %error, "another run of the episode could not be started");
            }
        });
    }
}
