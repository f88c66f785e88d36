//! What stands for the executor: it does what a run wants, one command at a time, and never looks into the state.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::plan::Capability;
use stanch_contract::{
    ActionState, Alert, AlertStatus, CanonicalAction, ChangePlan, CheckedPlan, Digest, Failure, FailureCode,
    Finding, Manifest, Outcome, PluginKey, PluginKind, Population, Span, StepId, Timestamp, Verdict,
};
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, EngineGuardrails, PluginFacts, Runbook, RunbookSource};

use crate::*;

pub(crate) const START: i64 = 1_000_000;

fn facts(kind: PluginKind, reversible: bool, verifies: bool) -> PluginFacts {
    let manifest = Manifest {
        name: "test".into(),
        version: "1.0.0".into(),
        summary: "For tests".into(),
        params: json!({"type": "object"}),
        data: Value::Null,
        idempotent: false,
        reversible,
        verifies,
        verifies_undo: false,
        asks: Value::Null,
    };
    PluginFacts {
        kind,
        manifest: Arc::new(manifest),
        may_notify: kind == PluginKind::Notification,
        off_cluster: false,
    }
}

fn catalogue() -> Catalogue {
    let plugins = BTreeMap::from([
        (
            PluginKey::from("look"),
            facts(PluginKind::Diagnosis, false, false),
        ),
        (
            PluginKey::from("change"),
            facts(PluginKind::Remediation, true, true),
        ),
        (
            PluginKey::from("blind"),
            facts(PluginKind::Remediation, true, false),
        ),
        (
            PluginKey::from("careful"),
            facts(PluginKind::Remediation, true, true),
        ),
        (
            PluginKey::from("page"),
            facts(PluginKind::Notification, false, false),
        ),
        (
            PluginKey::from("mail"),
            facts(PluginKind::Notification, false, false),
        ),
    ]);
    Catalogue {
        plugins,
        withheld: Vec::new(),
        slack: None,
        clusters: None,
    }
}

/// A runbook from what follows its head.
pub(crate) fn book(mode: &str, body: &str) -> Arc<Runbook> {
    let text = format!(
        "name = \"test\"\ntitle = \"A test\"\nowner = \"team\"\nmode = \"{mode}\"\n\
         [impact]\nseverity = \"high\"\nsummary = \"It is slow.\"\n{body}\n"
    );
    let source = RunbookSource {
        path: "runbooks/test.toml".into(),
        stem: "test".into(),
        text,
        team: "team".into(),
        max_mode: Mode::Auto,
        defaults: json!({}),
        vars: json!({}),
    };
    match stanch_runbook::load(&source, &catalogue()) {
        Ok(book) => Arc::new(book),
        Err(errors) => panic!("{errors:?}\n{}", source.text),
    }
}

pub(crate) fn alert(fingerprint: &str, status: AlertStatus) -> Alert {
    Alert {
        name: "Slow".into(),
        fingerprint: fingerprint.into(),
        status,
        labels: BTreeMap::from([("alertname".into(), "Slow".into())]),
        annotations: BTreeMap::new(),
        starts_at: "2026-11-24T00:12:19.568Z".into(),
        payload: Value::Null,
    }
}

pub(crate) fn person(name: &str) -> Actor {
    Actor {
        name: name.into(),
        groups: Vec::new(),
        role: Role::Admin,
        bounds: Vec::new(),
        via: String::new(),
    }
}

/// How one application goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum How {
    /// Every action is done.
    Works,
    /// That many are done, then the plugin fails with this.
    Fails(u32, FailureCode),
    /// That many are done, then somebody pauses everything.
    Pauses(u32),
    /// That many are done, then somebody pauses this namespace.
    PausesNamespace(u32, &'static str),
    /// That many are done, the next is sent and no answer comes.
    Loses(u32),
    /// That many are done, the next is sent, and the engine dies.
    Dies(u32),
    /// That many are done, the next is refused by the target, and the plugin fails with this.
    Refused(u32, FailureCode),
    /// Each is turned away for now that many times, and then works.
    TurnedAway(u32),
}

/// What the world does for one step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// Answers of the check, look, verify.
    pub(crate) looks: VecDeque<Result<Verdict, FailureCode>>,
    pub(crate) verify: VecDeque<Result<Verdict, FailureCode>>,
    pub(crate) also: VecDeque<Result<Verdict, FailureCode>>,
    /// Targets of each plan; the last stays.
    pub(crate) plans: VecDeque<Result<Vec<&'static str>, FailureCode>>,
    pub(crate) undo_plans: VecDeque<Result<Vec<&'static str>, FailureCode>>,
    /// Whether all is as before, where the plugin can tell.
    pub(crate) looks_back: VecDeque<Result<Verdict, FailureCode>>,
    pub(crate) applies: VecDeque<How>,
    pub(crate) undo_applies: VecDeque<How>,
    pub(crate) repeat_safe: bool,
    /// What the host counts.
    pub(crate) population: Option<Population>,
    pub(crate) idle: bool,
}

fn next<T: Clone>(queue: &mut VecDeque<T>, default: T) -> T {
    if queue.len() > 1 {
        queue.pop_front().unwrap_or(default)
    } else {
        queue.front().cloned().unwrap_or(default)
    }
}

pub(crate) struct Sim {
    pub(crate) book: Arc<Runbook>,
    pub(crate) state: State,
    pub(crate) ledger: Ledger,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Timestamp,
    pub(crate) guardrails: EngineGuardrails,
    pub(crate) scripts: BTreeMap<StepId, Script>,
    /// Every action that was really sent: step, side, target.
    pub(crate) sent: Vec<(String, Side, String)>,
    /// Every plugin call that was begun: step and what for.
    pub(crate) calls: Vec<(String, Slot)>,
    /// What each of them was handed.
    pub(crate) handed: Vec<(String, Slot, Value)>,
    pub(crate) told: Vec<(String, String)>,
    /// Notification plugins that do not answer.
    pub(crate) deaf: Vec<PluginKey>,
    done: Vec<CommandId>,
}

pub(crate) fn opened(book: &Runbook) -> Opened {
    let pin = |key: &str, verifies, idempotent| {
        let pin = Pin {
            grant: Digest::of(b"grant"),
            component: Digest::of(key.as_bytes()),
            settings: Digest::of(b"{}"),
            idempotent,
            reversible: true,
            verifies,
            verifies_undo: key == "careful",
        };
        (PluginKey::from(key), pin)
    };
    Opened {
        run: "run1".into(),
        runbook: book.name.clone(),
        digest: book.digest,
        generation: 1,
        plugins: BTreeMap::from([
            pin("look", false, false),
            pin("change", true, false),
            pin("blind", false, false),
            pin("careful", true, false),
        ]),
        guardrails: EngineGuardrails::default(),
        inputs: BTreeMap::new(),
        faults: Vec::new(),
        alerts: vec![alert("a1", AlertStatus::Firing)],
        group_key: "a1".into(),
        episode: 1,
        by: None,
        shadow: book.mode == Mode::Shadow,
    }
}

impl Sim {
    pub(crate) fn new(mode: &str, body: &str) -> Self {
        let book = book(mode, body);
        let opened = opened(&book);
        Self::with(book, opened)
    }

    pub(crate) fn with(book: Arc<Runbook>, opened: Opened) -> Self {
        let first = Event {
            at: Timestamp(START),
            kind: EventKind::RunOpened(Box::new(opened)),
            calls: Value::Null,
        };
        let state = State::open(book.clone(), &first).expect("opens");
        let EventKind::RunOpened(opened) = &first.kind else {
            unreachable!()
        };
        let guardrails = opened.guardrails.clone();
        let mut ledger = Ledger::default();
        ledger.apply(state.id(), &first);
        Self {
            book,
            state,
            ledger,
            events: vec![first],
            now: Timestamp(START),
            guardrails,
            scripts: BTreeMap::new(),
            sent: Vec::new(),
            calls: Vec::new(),
            handed: Vec::new(),
            told: Vec::new(),
            deaf: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(crate) fn script(&mut self, step: &str) -> &mut Script {
        self.scripts.entry(step.into()).or_default()
    }

    /// An input, as the executor hands it over: what comes of it is journalled and folded by everybody.
    pub(crate) fn input(&mut self, input: Input) -> Result<usize, Refused> {
        let guardrails = self.guardrails.clone();
        let events = self.state.handle(
            input,
            Now {
                at: self.now,
                guardrails: &guardrails,
            },
        )?;
        for event in &events {
            self.ledger.apply(self.state.id(), event);
        }
        let count = events.len();
        self.events.extend(events);
        self.check();
        Ok(count)
    }

    /// The state is the fold of its events, and only of them.
    fn check(&self) {
        let folded = State::fold(self.book.clone(), &self.events).expect("folds");
        assert_eq!(folded.steps, self.state.steps);
        assert_eq!(folded.checks, self.state.checks);
        assert_eq!(folded.telling, self.state.telling);
        assert_eq!(folded.view(), self.state.view());
        assert_eq!(folded.seq(), self.state.seq());
        assert_eq!(decode(&encode(&self.events)).expect("decodes"), self.events);
    }

    pub(crate) fn now(&self) -> Now<'_> {
        Now {
            at: self.now,
            guardrails: &self.guardrails,
        }
    }

    /// Kills the engine and starts it again.
    pub(crate) fn crash(&mut self) {
        let (state, follows) = State::recover(self.book.clone(), &self.events, self.now()).expect("recovers");
        self.state = state;
        self.ledger = Ledger::default();
        self.events.extend(follows);
        for event in &self.events {
            self.ledger.apply(self.state.id(), event);
        }
        self.done.clear();
        self.check();
    }

    /// Does what the run wants until it wants nothing new. Time stands still.
    pub(crate) fn settle(&mut self) {
        self.tick();
        for _ in 0..10_000 {
            let commands = self.state.commands(self.now());
            self.done
                .retain(|id| commands.iter().any(|command| command.id() == *id));
            let Some(command) = commands
                .into_iter()
                .find(|command| !self.done.contains(&command.id()))
            else {
                return;
            };
            self.done.push(command.id());
            self.obey(command);
        }
        panic!(
            "the run never settles: {:#?}",
            &self.events[self.events.len() - 20..]
        );
    }

    /// What the time makes follow, which the run has to say beforehand: the engine looks when it is said to.
    fn tick(&mut self) {
        let (due, before) = (self.state.due(self.now()), self.events.len());
        self.input(Input::Tick).expect("a tick is taken");
        let followed = &self.events[before..];
        assert!(
            followed.is_empty() || due.is_some_and(|due| due <= self.now),
            "nobody would look, and {followed:#?} follows"
        );
    }

    /// Does one thing that the run wants. `false`: it wants nothing new.
    pub(crate) fn step_once(&mut self) -> bool {
        self.tick();
        let commands = self.state.commands(self.now());
        self.done
            .retain(|id| commands.iter().any(|command| command.id() == *id));
        let new = |command: &Command| !self.done.contains(&command.id());
        let Some(command) = commands.into_iter().find(new) else {
            return false;
        };
        self.done.push(command.id());
        self.obey(command);
        true
    }

    /// Lets that much time pass, stopping where something is due.
    pub(crate) fn pass(&mut self, span: Span) {
        let end = self.now.plus(span);
        self.settle();
        for _ in 0..100_000 {
            let due = self
                .state
                .due(self.now())
                .map(|due| due.max(self.now.plus(Span::from_millis(1))));
            match due.filter(|due| *due <= end) {
                Some(due) => self.now = due,
                None => {
                    self.now = end;
                    // Reads that are repeated, and the ledger's claims, are wanted again.
                    self.done.clear();
                    return self.settle();
                }
            }
            self.done.clear();
            self.settle();
        }
        panic!("time stands still");
    }

    pub(crate) fn pass_secs(&mut self, secs: i64) {
        self.pass(Span::from_secs(secs));
    }

    fn obey(&mut self, command: Command) {
        let guardrails = self.guardrails.clone();
        match command {
            Command::Enter => {
                let (runbook, run) = (self.book.name.clone(), self.state.id().clone());
                let blocked = self.ledger.enter(&runbook, &run, guardrails.max_open);
                let _ = self.input(Input::Entered(blocked));
            }
            Command::Consult(key, claim) => {
                let blocked = self.ledger.consult(&claim, self.now, &guardrails);
                let _ = self.input(Input::Consulted { key, blocked });
            }
            Command::Claim(key, claim) => {
                let blocked = self.ledger.claim(&claim, self.now, &guardrails);
                let _ = self.input(Input::Claimed { key, blocked });
            }
            Command::Notify(notify) => {
                let deaf = self.deaf.contains(&notify.plugin);
                if !deaf {
                    self.told.push((notify.plugin.0.clone(), notify.text.clone()));
                }
                let result = if deaf {
                    Err(Failure::new(FailureCode::Unavailable, "deaf"))
                } else {
                    Ok(())
                };
                let _ = self.input(Input::Told {
                    notice: notify.notice,
                    reasons: notify.reasons,
                    result,
                });
            }
            Command::Call(call) => self.call(*call),
        }
    }

    fn call(&mut self, call: PluginCall) {
        self.calls.push((call.key.step.0.clone(), call.key.slot));
        self.handed
            .push((call.key.step.0.clone(), call.key.slot, call.params.clone()));
        let key = call.key.clone();
        let script = self.scripts.entry(key.step.clone()).or_default();
        if script.idle {
            return;
        }
        let repeat_safe = script.repeat_safe;
        let result = match &call.call {
            Call::Diagnose if key.slot == Slot::Also => {
                CallResult::Finding(finding(next(&mut script.also, Ok(Verdict::Yes))))
            }
            Call::Diagnose => CallResult::Finding(finding(next(&mut script.looks, Ok(Verdict::Yes)))),
            Call::Verify(_) => CallResult::Finding(finding(next(&mut script.verify, Ok(Verdict::Yes)))),
            Call::Plan => {
                let mut made = plan(next(&mut script.plans, Ok(vec!["t1"])), repeat_safe, "do");
                if let Ok(made) = &mut made {
                    made.population.clone_from(&script.population);
                }
                CallResult::Plan(made)
            }
            Call::PlanUndo(_) if key.slot == Slot::Own => {
                let left = match next(&mut script.looks_back, Ok(Verdict::Yes)) {
                    Ok(Verdict::Yes) => Ok(vec![]),
                    Ok(_) => Ok(vec!["t1"]),
                    Err(code) => Err(code),
                };
                CallResult::Plan(plan(left, repeat_safe, "undo"))
            }
            Call::PlanUndo(made) => {
                assert!(!made.progress.is_empty(), "an undo of nothing");
                CallResult::Plan(plan(
                    next(&mut script.undo_plans, Ok(vec!["t1"])),
                    repeat_safe,
                    "undo",
                ))
            }
            Call::Apply(apply) => {
                let queue = if key.side == Side::Do {
                    &mut script.applies
                } else {
                    &mut script.undo_applies
                };
                // How an apply goes is said once; after that it works.
                let how = queue.pop_front().unwrap_or(How::Works);
                return self.apply(&key, apply, how);
            }
        };
        let _ = self.input(Input::Called {
            key,
            result,
            calls: Value::Null,
        });
    }

    /// The plugin runs from the start: what has an answer gets it from the journal.
    fn apply(&mut self, key: &Key, apply: &ApplyCall, how: How) {
        let earlier: BTreeMap<u32, ActionState> = apply
            .earlier
            .iter()
            .map(|(n, state, _)| (*n, state.clone()))
            .collect();
        let most = match &how {
            How::Works | How::Pauses(_) | How::PausesNamespace(..) | How::TurnedAway(_) => u32::MAX,
            How::Fails(n, _) | How::Loses(n) | How::Dies(n) | How::Refused(n, _) => *n,
        };
        for (n, action) in (0_u32..).zip(&apply.plan.actions) {
            match earlier.get(&n) {
                Some(ActionState::Done { .. } | ActionState::Refused { .. }) => continue,
                Some(ActionState::Unknown { .. }) if !action.repeat_safe => continue,
                _ => {}
            }
            if n >= most && matches!(how, How::Fails(..)) {
                break;
            }
            let paused = match &how {
                How::Pauses(after) if *after == n => Some(crate::ledger::PauseScope::All),
                How::PausesNamespace(after, name) if *after == n => {
                    Some(crate::ledger::PauseScope::Namespace((*name).to_owned()))
                }
                _ => None,
            };
            if let Some(scope) = paused {
                self.pause_in(scope);
            }
            let starting = Input::ActionStarting {
                key: key.clone(),
                action: n,
                withhold: self.withhold(action),
            };
            let away = if let How::TurnedAway(times) = how {
                times
            } else {
                0
            };
            for _ in 0..away {
                self.input(starting.clone()).expect("it may be tried again");
                let state = ActionState::Refused {
                    detail: "429".into(),
                    for_now: true,
                };
                let (key, action, answer) = (key.clone(), n, None);
                let _ = self.input(Input::ActionEnded {
                    key,
                    action,
                    state,
                    answer,
                });
            }
            if let Err(refused) = self.input(starting) {
                let withheld = match refused {
                    Refused::Withheld { why, .. } => Some(why),
                    other => panic!("{other}"),
                };
                let result = Err(Failure::new(FailureCode::Denied, "withheld"));
                let result = CallResult::Applied { result, withheld };
                let _ = self.input(Input::Called {
                    key: key.clone(),
                    result,
                    calls: Value::Null,
                });
                return;
            }
            self.sent
                .push((key.step.0.clone(), key.side, action.target.clone()));
            let state = match &how {
                How::Dies(_) if n >= most => return self.crash(),
                How::Loses(_) if n >= most => ActionState::Unknown {
                    detail: "no answer".into(),
                },
                How::Refused(..) if n >= most => ActionState::refused("409"),
                _ => ActionState::Done { detail: "200".into() },
            };
            let stop = n >= most;
            let ended = Input::ActionEnded {
                key: key.clone(),
                action: n,
                state,
                answer: Some(b"{}".to_vec()),
            };
            let _ = self.input(ended);
            if stop {
                break;
            }
        }
        let result = match how {
            How::Works | How::Pauses(_) | How::PausesNamespace(..) | How::TurnedAway(_) => Ok(Outcome {
                summary: "did it".into(),
                evidence: vec![],
                data: json!({}),
                extra: Value::Null,
            }),
            How::Fails(_, code) | How::Refused(_, code) => Err(Failure::new(code, "the apply failed")),
            How::Loses(_) | How::Dies(_) => Err(Failure::new(FailureCode::Timeout, "no answer in time")),
        };
        let result = CallResult::Applied {
            result,
            withheld: None,
        };
        let _ = self.input(Input::Called {
            key: key.clone(),
            result,
            calls: Value::Null,
        });
    }

    fn withhold(&self, action: &CanonicalAction) -> Option<Withheld> {
        let acted_in: Vec<String> = action.namespace().map(str::to_owned).into_iter().collect();
        self.ledger
            .paused(&self.book.name, &"change".into(), &acted_in)
            .map(|_| Withheld::Paused)
    }

    pub(crate) fn resolve(&mut self) {
        self.input(Input::Alerts(vec![alert("a1", AlertStatus::Resolved)]))
            .expect("an alert is taken");
        self.settle();
    }

    pub(crate) fn fire(&mut self) {
        self.input(Input::Alerts(vec![alert("a1", AlertStatus::Firing)]))
            .expect("an alert is taken");
        self.settle();
    }

    pub(crate) fn decide(&mut self, name: &str, yes: bool) -> Result<usize, Refused> {
        let taken = self.input(Input::Decide {
            by: person(name),
            step: None,
            digest: None,
            yes,
            reason: String::new(),
        });
        self.settle();
        taken
    }

    pub(crate) fn person(&mut self, input: Input) -> Result<usize, Refused> {
        let taken = self.input(input);
        self.settle();
        taken
    }

    /// The names of the events from the nth on.
    /// Somebody pauses everything.
    pub(crate) fn pause(&mut self) {
        self.pause_in(ledger::PauseScope::All);
    }

    /// Somebody pauses that much.
    pub(crate) fn pause_in(&mut self, scope: ledger::PauseScope) {
        let (by, reason, at) = ("eli".into(), "investigating".into(), self.now);
        self.ledger.pause(ledger::Pause {
            scope,
            by,
            reason,
            at,
        });
    }

    /// The pause of everything is over.
    pub(crate) fn resume(&mut self) {
        assert!(self.ledger.resume(&ledger::PauseScope::All));
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.events.iter().map(name).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().iter().any(|n| n == name)
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.names().iter().filter(|n| *n == name).count()
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state.ending()
    }

    pub(crate) fn escalated(&self) -> bool {
        !self.state.escalated().is_empty()
    }

    pub(crate) fn step(&self, id: &str) -> StepView {
        self.state
            .view()
            .steps
            .into_iter()
            .find(|step| step.id.as_str() == id)
            .expect("there is such a step")
    }

    pub(crate) fn standing(&self, id: &str) -> &'static str {
        self.step(id).state.as_str()
    }

    pub(crate) fn targets(&self) -> Vec<&str> {
        self.sent.iter().map(|(_, _, target)| target.as_str()).collect()
    }

    /// Lets it recover: resolved, and long enough.
    pub(crate) fn recover(&mut self) {
        self.resolve();
        self.pass_secs(3_600);
    }
}

pub(crate) fn name(event: &Event) -> String {
    let json = serde_json::to_value(&event.kind).expect("is JSON");
    json.as_object()
        .and_then(|object| object.keys().next().cloned())
        .unwrap_or_default()
}

fn finding(result: Result<Verdict, FailureCode>) -> Result<Finding, Failure> {
    match result {
        Ok(verdict) => Ok(Finding {
            verdict,
            summary: format!("it is {}", verdict.as_str()),
            evidence: vec![],
            data: json!({}),
            extra: Value::Null,
        }),
        Err(code) => Err(Failure::new(code, "could not look")),
    }
}

fn plan(
    result: Result<Vec<&'static str>, FailureCode>,
    repeat_safe: bool,
    verb: &str,
) -> Result<CheckedPlan, Failure> {
    let targets = result.map_err(|code| Failure::new(code, "could not plan"))?;
    let actions = targets.iter().map(|target| CanonicalAction {
        dry_run: None,
        capability: if target.starts_with("kubernetes:") {
            Capability::Kubernetes
        } else {
            Capability::Http
        },
        verb: verb.into(),
        target: (*target).into(),
        identity: (*target).into(),
        expect: None,
        content: None,
        items: vec![],
        bytes: None,
        repeat_safe,
        before: None,
        reason: String::new(),
    });
    let offered = targets.iter().map(|target| stanch_contract::Action {
        verb: verb.into(),
        target: (*target).into(),
        expect: None,
        content: None,
        items: vec![],
        reason: String::new(),
        extra: Value::Null,
    });
    let offered = ChangePlan {
        summary: verb.into(),
        actions: offered.collect(),
        population: None,
        data: Value::Null,
        extra: Value::Null,
    };
    Ok(CheckedPlan {
        population: None,
        summary: verb.into(),
        actions: actions.collect(),
        offered,
    })
}
