//! A fake host, for a plugin's own tests.
//!
//! [`Host::new`] becomes the host of the thread. It answers from what the test says, records every call, and has a gate
//! like the engine's: outside of [`Host::apply`] every change is refused, inside it exactly the plan's actions pass, each
//! once. Calls go through the JSON and the words of the contract, as they do in a component. What it does not have: grants of
//! files and HTTP (what no answer or file is given for is refused), limits, controllers of a cluster, and Wasm.
//!
//! ```
//! # use stanch_plugin::prelude::*;
//! use stanch_plugin::testing::{Host, reply};
//!
//! # struct Health;
//! # impl Diagnosis for Health {
//! #     type Params = Nothing;
//! #     type Data = Nothing;
//! #     const ABOUT: About = about!("…");
//! #     fn diagnose(_: &Context, _: Nothing) -> Result<Finding<Nothing>, Failure> {
//! #         let answer = http::get("https://api.example/health").send()?;
//! #         Ok(Finding::new(if answer.status == 200 { Verdict::Yes } else { Verdict::No }, ""))
//! #     }
//! # }
//! let host = Host::new();
//! host.answer("GET", "https://api.example/health", reply(503, "busy"));
//! let finding = host.diagnose::<Health>(json!({})).unwrap();
//! assert_eq!(finding.verdict, Verdict::No);
//! assert_eq!(host.sent().len(), 1);
//! ```

mod cluster;
mod disk;
mod gate;
mod web;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use stanch_contract::plan::{ActionState, ChangePlan};

use crate::context::WireAttempt;
use crate::host::Level;
use crate::http::{Request, Response};
use crate::kubernetes::{Named, Object, Selector};
use crate::{Context, Diagnosis, Failure, Message, Notification, Remediation, call};

pub use web::reply;

/// A finding in the contract's words, as [`Host::diagnose`] and [`Host::verify`] give it.
pub type Found = stanch_contract::Finding;

/// A plan in the contract's words, as [`Host::plan`] and [`Host::plan_undo`] give it.
pub type Planned = ChangePlan;

thread_local! {
    static CURRENT: RefCell<Option<Rc<State>>> = const { RefCell::new(None) };
}

/// What `f` makes of this thread's host, if there is one.
pub(crate) fn with_host<T>(f: impl FnOnce(&State) -> T) -> Option<T> {
    let host = CURRENT.with_borrow(Clone::clone)?;
    Some(f(&host))
}

/// The host of one test. The last one made on a thread is the one that is asked.
#[derive(Debug)]
pub struct Host {
    state: Rc<State>,
    /// What every call is handed.
    pub context: Context,
}

#[derive(Debug)]
pub(crate) struct State {
    now_ms: Cell<i64>,
    remaining_ms: Cell<u32>,
    cancelled: Cell<bool>,
    settings: RefCell<Value>,
    logs: RefCell<Vec<(Level, String)>>,
    web: RefCell<web::Web>,
    disk: RefCell<disk::Disk>,
    cluster: RefCell<cluster::Cluster>,
    gate: RefCell<gate::Gate>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A host at 2026-01-01, with a minute left, no settings, no answers and no files.
    pub fn new() -> Self {
        let state = Rc::new(State {
            now_ms: Cell::new(1_767_225_600_000),
            remaining_ms: Cell::new(60_000),
            cancelled: Cell::new(false),
            settings: RefCell::new(json!({})),
            logs: RefCell::default(),
            web: RefCell::default(),
            disk: RefCell::default(),
            cluster: RefCell::default(),
            gate: RefCell::default(),
        });
        CURRENT.set(Some(Rc::clone(&state)));
        let context = Context {
            run: "testrun000000000".into(),
            step: "step".into(),
            attempt: 1,
            idempotency_key: "key".into(),
            ..Default::default()
        };
        Self { state, context }
    }

    /// Sets the clock, in milliseconds since 1970. Sleeping moves it on.
    pub fn set_now(&self, ms: i64) {
        self.state.now_ms.set(ms);
    }

    /// The clock, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.state.now_ms.get()
    }

    /// Sets how long a call may still take.
    pub fn set_remaining(&self, ms: u32) {
        self.state.remaining_ms.set(ms);
    }

    /// Asks the plugin to end.
    pub fn cancel(&self) {
        self.state.cancelled.set(true);
    }

    /// Sets the operator's settings.
    pub fn set_settings(&self, settings: Value) {
        self.state.settings.replace(settings);
    }

    /// One more answer to a method and URL; a URL that ends in `*` stands for all that begin so. Answers are given in
    /// the order that they were added, the last one for ever. A failure is what the gate or the network says.
    pub fn answer(&self, method: &str, url: &str, answer: impl Into<Result<Response, Failure>>) {
        self.state.web.borrow_mut().add(method, url, answer.into());
    }

    /// How long each answer takes, by the host's clock.
    pub fn set_latency(&self, ms: i64) {
        self.state.web.borrow_mut().latency_ms = ms;
    }

    /// The requests that were sent, refused ones not among them.
    pub fn sent(&self) -> Vec<Request> {
        self.state.web.borrow().sent.clone()
    }

    /// The lines that were logged.
    pub fn logs(&self) -> Vec<String> {
        self.state
            .logs
            .borrow()
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    /// Grants a folder, on a file system of this size.
    pub fn folder(&self, at: &str, total_bytes: u64, free_bytes: u64) {
        self.state.disk.borrow_mut().folder(at, total_bytes, free_bytes);
    }

    /// Puts a file of this size into a granted folder, last changed then; folders on the way are made.
    pub fn file(&self, path: &str, bytes: u64, modified_ms: i64) {
        self.state.disk.borrow_mut().file(path, bytes, modified_ms);
    }

    /// Puts an entry of another kind there.
    pub fn entry(&self, path: &str, kind: crate::files::EntryKind, modified_ms: i64) {
        self.state.disk.borrow_mut().entry(path, kind, modified_ms);
    }

    /// What is in the granted folders, and the paths that were written.
    pub fn paths(&self) -> Vec<String> {
        self.state.disk.borrow().paths()
    }

    /// How many entries a page of a scan has.
    pub fn set_page(&self, entries: usize) {
        self.state.disk.borrow_mut().page = entries;
    }

    /// Grants what a table of stanch.toml's `grant` would, or a manifest's `asks`. Without it every call of a cluster is refused.
    ///
    /// # Panics
    /// Where it is not a grant.
    #[allow(clippy::panic, reason = "a test that grants nothing tests nothing")]
    pub fn grant(&self, grant: &Value) {
        if let Err(failure) = self.state.cluster.borrow_mut().grant(grant) {
            panic!("{failure}");
        }
    }

    /// Puts an object into the cluster, in the place of one of the same name. A uid, a version and a time of creation are added
    /// where they are not said.
    pub fn object(&self, object: Value) -> Object {
        self.state.cluster.borrow_mut().put(object, self.now())
    }

    /// Takes an object out of the cluster.
    pub fn remove_object(&self, what: &Named) {
        self.state.cluster.borrow_mut().remove(what);
    }

    /// The object as it is in the cluster.
    pub fn stored(&self, what: &Named) -> Option<Object> {
        self.state.cluster.borrow().stored(what)
    }

    /// Gives a container of a pod a log.
    pub fn pod_log(&self, pod: &Named, container: &str, previous: bool, text: &str) {
        self.state
            .cluster
            .borrow_mut()
            .log(pod, container, previous, text);
    }

    /// Puts a PodDisruptionBudget over the pods that a selector fits: each of the times (milliseconds since 1970) is when one more
    /// eviction is allowed. None: none ever.
    ///
    /// # Panics
    /// Where it is not a selector.
    #[allow(clippy::panic, reason = "a budget over nothing holds nothing")]
    pub fn budget(&self, namespace: &str, name: &str, selector: &str, free: &[i64]) {
        match Selector::parse(selector) {
            Ok(selector) => self
                .state
                .cluster
                .borrow_mut()
                .budget(namespace, name, selector, free),
            Err(error) => panic!("{error}"),
        }
    }

    /// Lets the next call of this verb (`get`, `list`, `logs`, `evict`, …) fail. `unavailable` and `timeout` of a change are a lost
    /// answer: nobody knows what became of it.
    pub fn fail(&self, verb: &str, failure: Failure) {
        self.state.cluster.borrow_mut().fail(verb, failure);
    }

    /// The calls of the cluster, refused ones among them: `evict kubernetes:inference/_/pods/worker-0`.
    pub fn cluster_calls(&self) -> Vec<String> {
        self.state.cluster.borrow().calls.clone()
    }

    /// Calls a diagnosis, as the engine does.
    pub fn diagnose<T: Diagnosis>(&self, params: Value) -> Result<stanch_contract::Finding, Failure> {
        call::diagnose::<T>(&self.context, &params.to_string())
    }

    /// Asks for a plan; changes are refused meanwhile. A plan on objects that the engine's gate would refuse is a failure.
    pub fn plan<T: Remediation>(&self, params: Value) -> Result<ChangePlan, Failure> {
        let plan = call::plan::<T>(&self.context, &params.to_string())?;
        self.state.check_plan(&plan)?;
        Ok(plan)
    }

    /// Applies a plan: what it names passes, each action once; one that was turned away for now, again.
    pub fn apply<T: Remediation>(
        &self,
        params: Value,
        plan: &ChangePlan,
    ) -> Result<stanch_contract::Outcome, Failure> {
        self.state.check_plan(plan)?;
        self.state.gate.borrow_mut().open(plan);
        let outcome = call::apply::<T>(&self.context, &params.to_string(), plan.clone());
        let mut gate = self.state.gate.borrow_mut();
        gate.close();
        gate.outcome = outcome.as_ref().ok().cloned();
        outcome
    }

    /// Asks whether the last [`Host::apply`] worked.
    pub fn verify<T: Remediation>(&self, params: Value) -> Result<stanch_contract::Finding, Failure> {
        call::verify::<T>(&self.context, &params.to_string(), self.made())
    }

    /// Asks for the way back from the last [`Host::apply`].
    pub fn plan_undo<T: Remediation>(&self, params: Value) -> Result<ChangePlan, Failure> {
        let plan = call::plan_undo::<T>(&self.context, &params.to_string(), self.made())?;
        self.state.check_plan(&plan)?;
        Ok(plan)
    }

    /// Delivers a message, under a grant of its own.
    pub fn notify<T: Notification>(&self, params: Value, message: &Message) -> Result<(), Failure> {
        self.state.gate.borrow_mut().notifying = true;
        let told = call::notify::<T>(&self.context, &params.to_string(), message);
        self.state.gate.borrow_mut().notifying = false;
        told
    }

    /// What became of each action of the last applied plan.
    pub fn progress(&self) -> Vec<ActionState> {
        self.state.gate.borrow().progress.clone()
    }

    /// Says what became of an action, as where the engine died in it.
    pub fn set_progress(&self, action: usize, state: ActionState) {
        if let Some(slot) = self.state.gate.borrow_mut().progress.get_mut(action) {
            *slot = state;
        }
    }

    fn made(&self) -> WireAttempt {
        let gate = self.state.gate.borrow();
        WireAttempt {
            plan: gate.plan.clone(),
            progress: (0_u32..).zip(gate.progress.iter().cloned()).collect(),
            outcome: gate.outcome.clone(),
        }
    }
}

impl State {
    pub(crate) fn log(&self, level: Level, message: &str) {
        self.logs.borrow_mut().push((level, message.to_owned()));
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }

    pub(crate) fn remaining_ms(&self) -> u32 {
        self.remaining_ms.get()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(crate) fn sleep(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.now_ms.set(self.now_ms.get().saturating_add(ms));
        self.remaining_ms.set(
            self.remaining_ms
                .get()
                .saturating_sub(u32::try_from(ms).unwrap_or(u32::MAX)),
        );
    }

    pub(crate) fn settings(&self) -> String {
        self.settings.borrow().to_string()
    }
}
