//! Where a run's task is reached, and how it is started.

use stanch_contract::RunId;
use stanch_run::{Event, State};
use tokio::sync::{mpsc, watch};

use super::{NewTask, Task};
use crate::executor::board;
use crate::executor::engine::Engine;
use crate::executor::mail::{Letter, Mailbox};

/// Where a run will be reached, before its task is there: what comes in meanwhile waits.
pub(in crate::executor) struct Home {
    own: Mailbox,
    mail: mpsc::UnboundedReceiver<Letter>,
    changes: watch::Sender<u64>,
}

impl Home {
    /// Makes the run known.
    pub(in crate::executor) fn new(engine: &Engine, run: RunId, runbook: &str) -> Self {
        let mut board = engine.inner.board.lock();
        Self::on(&mut board, run, runbook)
    }

    /// Makes the run known, under the board's lock.
    pub(in crate::executor) fn on(board: &mut board::Inner, run: RunId, runbook: &str) -> Self {
        let (own, mail) = mpsc::unbounded_channel();
        let (changes, watched) = watch::channel(0);
        let member = board::Member {
            mail: own.clone(),
            runbook: runbook.to_owned(),
            changes: watched,
        };
        board.members.insert(run, member);
        Self { own, mail, changes }
    }

    /// Sends it a letter, before its task is there.
    pub(in crate::executor) fn send(&self, letter: Letter) {
        let _ = self.own.send(letter);
    }

    /// Starts its task.
    pub(in crate::executor) fn settle(
        self,
        engine: &Engine,
        state: State,
        listed: Option<stanch_journal::RunRecord>,
        first: Vec<Event>,
    ) {
        let Self { own, mail, changes } = self;
        let task = Task::new(
            engine,
            NewTask {
                state,
                mail,
                own,
                changes,
                listed,
            },
        );
        engine.inner.tasks.spawn(task.run(first));
    }
}
