//! A run that is closed: it is still told of the alerts of its episode, keeps no more than those, and then goes.

use std::sync::Arc;

use stanch_contract::AlertStatus;
use stanch_journal::{Append, Write};

use super::Task;
use super::commands::Begun;
use super::reply::refuse;
use crate::clock;
use crate::executor::mail::Refusal;
use crate::executor::recover;

impl Task {
    /// Closed and its episode over; or the engine stops and nothing is in flight.
    pub(super) fn is_over(&self) -> bool {
        let settled = self.closed && self.begun.is_empty() && self.is_settled();
        settled || (self.draining && !self.begun.values().any(|begun| matches!(begun, Begun::Call(_))))
    }

    /// Closed, with no alert that could still repeat or resolve.
    pub(super) fn ended_for_good(&self) -> bool {
        let fires = self
            .state
            .alerts()
            .iter()
            .any(|alert| alert.status == AlertStatus::Firing);
        self.state.ending().is_some() && (!fires || self.is_settled())
    }

    fn is_settled(&self) -> bool {
        self.engine
            .inner
            .board
            .lock()
            .episodes
            .is_settled(self.state.id())
    }

    /// A closed run is only told of its alerts; what is large goes.
    pub(super) fn retire(&mut self) {
        if self.closed && !self.retired && self.begun.is_empty() && self.cork.is_empty() {
            self.state.retire();
            self.alerts = Arc::new([]);
            self.retired = true;
        }
    }

    /// The whole of a closed run again, which a person wants something of. Where it cannot be read, there is nothing in it.
    pub(super) async fn read_again(&mut self) {
        match recover::state_of(&self.engine, self.state.id()).await {
            Ok(Some((state, _, record))) => {
                self.state = state;
                self.retired = false;
                self.listed = Some(record);
                self.alerts = self.state.alerts().into();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(run = %self.state.id(), %error, "the closed run cannot be read back")
            }
        }
    }

    pub(super) async fn leave(&mut self) {
        let run = self.state.id().clone();
        if self.flush(false).await.is_err() {
            tracing::warn!(%run, "the last events of the run were not kept; they are found again at the next start");
        }
        if self.ended_for_good()
            && let Some(listed) = self.listed.take().filter(|listed| !listed.settled)
        {
            // Another run took the episode over.
            let writes = vec![Write::Run(stanch_journal::RunRecord {
                settled: true,
                ..listed
            })];
            if let Err(error) = self
                .engine
                .inner
                .store
                .append(Append::lazy(clock::now(), writes))
                .await
            {
                tracing::warn!(%run, %error, "the run's listing stays open; it is closed at the next start");
            }
        }
        self.engine.inner.board.lock().remove(&run, self.state.alerts());
        // An alert may have come in between the last look and now; its sender is told to send it again.
        self.mail.close();
        while let Ok(letter) = self.mail.try_recv() {
            refuse(
                letter,
                &if self.draining {
                    Refusal::Stopping
                } else {
                    Refusal::NoRun(run.to_string())
                },
            );
        }
    }
}
