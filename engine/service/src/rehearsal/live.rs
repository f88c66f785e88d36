//! The real plugins of a test, in the world that it gives: the calls that are under way there.
//!
//! They are made as the engine makes them, by the same code. At any moment one of them is at work and the others wait on the
//! world's clock, so that a test plays the same way each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{Alert, CheckedPlan, PluginKey, RunId, Timestamp};
use stanch_recorded::World;
use stanch_run::command::Notify;
use stanch_run::{Call, CommandId, Input, Key, PluginCall};
use stanch_sandbox::{CallContext, Installation};
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::executor::mail::{Letter, Mailbox};
use crate::executor::{Silent, calls, notify};

/// What comes back from calls.
pub(super) enum Heard {
    /// An action is about to be sent, or was answered.
    Letter(Letter),
    /// A call is over.
    Over(Box<Input>),
    /// A call broke the engine itself.
    Broken(String),
}

/// A call under way.
struct UnderWay {
    id: CommandId,
    plugin: PluginKey,
    cancel: CancellationToken,
    /// Of an apply: what it may do.
    plan: Option<(Key, CheckedPlan)>,
}

/// A world with the calls in it.
pub(super) struct Live {
    pub(super) world: World,
    mail: Mailbox,
    letters: mpsc::UnboundedReceiver<Letter>,
    /// Given up when the test ends.
    calls: JoinSet<Box<Input>>,
    under_way: BTreeMap<Id, UnderWay>,
}

/// Of what a call is made.
pub(super) struct Whose<'a> {
    pub(super) run: &'a RunId,
    pub(super) alerts: Arc<[Alert]>,
}

impl Live {
    pub(super) fn new(world: World) -> Self {
        let (mail, letters) = mpsc::unbounded_channel();
        Self {
            world,
            mail,
            letters,
            calls: JoinSet::new(),
            under_way: BTreeMap::new(),
        }
    }

    /// Begins a call.
    pub(super) fn begin(
        &mut self,
        id: CommandId,
        installation: &Installation,
        whose: Whose<'_>,
        call: PluginCall,
    ) {
        let visit = self.world.visit(&format!("`{}`", call.key.step));
        let installation = installation.before(visit.facilities);
        let cancel = CancellationToken::new();
        let context = CallContext {
            run: whose.run.clone(),
            step: call.key.step.clone(),
            attempt: call.attempt,
            idempotency_key: call.idempotency.clone(),
            alerts: whose.alerts,
            on: call.on.clone(),
            quiet: false,
            extra: Value::Null,
            cancel: cancel.clone(),
        };
        let plan = match &call.call {
            Call::Apply(apply) => Some((call.key.clone(), apply.plan.clone())),
            _ => None,
        };
        let under_way = UnderWay {
            id,
            plugin: call.plugin.clone(),
            cancel,
            plan,
        };
        let mail = self.mail.clone();
        let task = self.calls.spawn(async move {
            let (result, record) =
                calls::make(&Silent, &installation, &context, &call, (&mail, Arc::default())).await;
            let input = Input::Called {
                key: call.key,
                result,
                calls: record.calls,
            };
            Box::new(input)
        });
        self.under_way.insert(task.id(), under_way);
    }

    /// Begins to tell people.
    pub(super) fn tell(
        &mut self,
        id: CommandId,
        installation: &Installation,
        whose: Whose<'_>,
        notice: Notify,
    ) {
        let visit = self.world.visit(&format!("`{}`", notice.plugin));
        let installation = installation.before(visit.facilities);
        let cancel = CancellationToken::new();
        let context = notify::context(whose.run, &notice, whose.alerts, cancel.clone());
        let under_way = UnderWay {
            id,
            plugin: notice.plugin.clone(),
            cancel,
            plan: None,
        };
        let task = self.calls.spawn(async move {
            let (notice_no, reasons) = (notice.notice, notice.reasons);
            let result = notify::tell(&Silent, &installation, &context, notice, None).await;
            let input = Input::Told {
                notice: notice_no,
                reasons,
                result,
            };
            Box::new(input)
        });
        self.under_way.insert(task.id(), under_way);
    }

    /// The next thing that is heard; nothing where all calls wait on the clock, or there are none.
    pub(super) async fn hear(&mut self) -> Option<Heard> {
        while self.under_way.len() > self.world.clock().waiting() {
            tokio::select! {
                biased;
                Some(letter) = self.letters.recv() => return Some(Heard::Letter(letter)),
                Some(over) = self.calls.join_next_with_id() => return Some(self.over(over)),
                () = self.world.clock().somebody_waits() => {}
            }
        }
        None
    }

    fn over(&mut self, over: Result<(Id, Box<Input>), JoinError>) -> Heard {
        match over {
            Ok((task, input)) => {
                self.under_way.remove(&task);
                Heard::Over(input)
            }
            Err(error) => {
                let call = self.under_way.remove(&error.id());
                let whose = call.map_or(String::new(), |call| format!(" of `{}`", call.plugin));
                Heard::Broken(format!("a call{whose} broke the engine: {error}"))
            }
        }
    }

    /// Whether the call of this command is under way.
    pub(super) fn is_under_way(&self, id: &CommandId) -> bool {
        self.under_way.values().any(|call| call.id == *id)
    }

    /// Tells those calls that nobody wants any more.
    pub(super) fn cancel_all_but(&self, wanted: &[CommandId]) {
        let unwanted = self.under_way.values().filter(|call| !wanted.contains(&call.id));
        unwanted.for_each(|call| call.cancel.cancel());
    }

    /// The plugin that applies under this key, and what it may do.
    pub(super) fn applying(&self, key: &Key) -> Option<(&PluginKey, &CheckedPlan)> {
        self.under_way.values().find_map(|call| match &call.plan {
            Some((of, plan)) if of == key => Some((&call.plugin, plan)),
            _ => None,
        })
    }

    /// The next time that a call waits for.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.world.clock().next()
    }

    /// Goes to this time, and lets the next call go on whose time has come; false where there is none.
    pub(super) fn wake(&self, now: Timestamp) -> bool {
        self.world.clock().advance(now);
        self.world.clock().wake()
    }
}
