//! Follows the runs that ask something: one task for each, from its first question until it is closed.
//!
//! The task looks at the run each time that it changes, asks [`turn`] what is due, and has the channels do it, each post in a
//! task of its own: a channel that is slow holds up neither the run nor another channel. What became of a post goes to the
//! run as an event, and comes back with its next change. What was posted is shown anew where it looks otherwise by now.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stanch_contract::{Digest, Evidence, Failure, RunId, Timestamp, Verdict};
use stanch_run::{Event, Post, Posting, State};
use stanch_sandbox::gate::Facilities;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::matter::{self, About, Matter};
use super::plugin::Told;
use super::slack::{SlackChannel, Workspace};
use super::turn::turn;
use super::{Card, Channel, Details};
use crate::clock;
use crate::config::settings::{Approvals, Channel as Place, Settings};
use crate::control::types::{CheckState, RunView};
use crate::executor::Engine;
use crate::report::compose::run_view;
use crate::report::curve::Curve;
use crate::report::{Detail, run_page};
use crate::secrets::Secrets;
use crate::snapshot::LoadedRunbook;

/// Changes that follow closely are shown together; Slack takes about one change of a message in a second.
const REST: Duration = Duration::from_millis(700);
/// How long a message that could not be changed is left alone.
const AGAIN: Duration = Duration::from_secs(20);
/// How often that is tried for a run that is closed.
const LAST_TRIES: u32 = 6;
/// What fits into a page of details.
const WIDTH: usize = 96;
/// Curves that are shown; the page has the rest.
const CURVES: usize = 3;

/// Where questions are put from.
pub struct Desk {
    engine: Engine,
    slack: Arc<Workspace>,
    ending: CancellationToken,
}

/// A post: of what, since when; what is posted, and where.
type Key = (About, Timestamp, Posting, String);

/// What came of what a channel did.
enum Done {
    Post(About, Post),
    Show(String, Digest, Result<(), Failure>),
}

impl Desk {
    /// For this engine.
    pub fn new(
        engine: Engine,
        facilities: Arc<Facilities>,
        secrets: Arc<Secrets>,
        ending: CancellationToken,
    ) -> Self {
        let client = Arc::new(super::slack::client(facilities, secrets.clone()));
        Self {
            slack: Arc::new(Workspace::new(engine.clone(), secrets, client)),
            engine,
            ending,
        }
    }

    /// What comes in from Slack.
    pub fn slack(&self) -> &Arc<Workspace> {
        &self.slack
    }

    /// Follows the runs that ask already, and each that `asking` tells of, until the engine ends.
    pub async fn run(self: Arc<Self>, mut asking: mpsc::UnboundedReceiver<RunId>) {
        tokio::spawn(super::slack::listen(self.slack.clone(), self.ending.clone()));
        let mut followed: HashMap<RunId, tokio::task::AbortHandle> = HashMap::new();
        let mut tasks = JoinSet::new();
        let mut next: Vec<RunId> = self.engine.runs();
        let mut silent = None;
        loop {
            if self.is_silent(&mut silent) {
                next.clear();
            }
            for run in next.drain(..) {
                if followed.get(&run).is_none_or(|task| task.is_finished()) {
                    let desk = self.clone();
                    let of = run.clone();
                    followed.insert(run, tasks.spawn(async move { desk.follow(of).await }));
                }
            }
            tokio::select! {
                run = asking.recv() => match run {
                    Some(run) => next.push(run),
                    None => return,
                },
                Some(_) = tasks.join_next() => followed.retain(|_, task| !task.is_finished()),
                () = self.ending.cancelled() => return,
            }
        }
    }

    /// Whether there is no channel at all: then no run is read for what it may ask. Looked at once for each generation.
    fn is_silent(&self, known: &mut Option<(u64, bool)>) -> bool {
        let snapshot = self.engine.current().load();
        if let Some((generation, silent)) = *known
            && generation == snapshot.generation
        {
            return silent;
        }
        let own = |loaded: &LoadedRunbook| {
            let runbook = &loaded.runbook;
            let mut steps = runbook.mitigation.iter().chain(&runbook.resolution);
            steps.any(|step| !step.channels.is_empty())
        };
        let silent = snapshot.settings.approvals.channels.is_empty()
            && !snapshot.runbooks.values().any(|loaded| own(loaded));
        *known = Some((snapshot.generation, silent));
        silent
    }

    fn channel(&self, place: &Place, asked: Timestamp, state: &State) -> Arc<dyn Channel> {
        match place {
            Place::Slack { to } => Arc::new(SlackChannel {
                client: self.slack.client.clone(),
                current: self.engine.current().clone(),
                to: to.clone(),
            }),
            Place::Plugin { key, to } => Arc::new(Told {
                engine: self.engine.clone(),
                key: key.clone(),
                to: to.clone(),
                alerts: state.alerts().into(),
                asked,
            }),
        }
    }

    /// Until nothing is to be shown of the run any more.
    async fn follow(&self, run: RunId) {
        let mut changes = self.engine.changes(&run);
        let mut file = File::default();
        loop {
            let (state, events) = match self.engine.whole(&run).await {
                Ok(Some(read)) => read,
                Ok(None) => return,
                Err(why) => {
                    tracing::warn!(%run, %why, "a run that may ask something cannot be read");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            let settings = self.engine.current().load().settings.clone();
            let matters = file.matters(&state, &events);
            let next = self.look(&state, &events, &settings, &matters, &mut file);
            let closed = state.ending().is_some();
            let shown = !file.again || file.tries > LAST_TRIES;
            // A notice that nobody can be told of is nothing to wait for.
            let nothing = matters.iter().all(|matter| {
                let nowhere = places(&state, matter, &settings.approvals).is_empty();
                matches!(matter.about, About::Notice(..)) && matter.posts.is_empty() && nowhere
            });
            if file.tasks.is_empty() && (nothing || (closed && shown)) {
                return;
            }
            if changes.is_none() && !closed {
                changes = self.engine.changes(&run);
            }
            let again = (file.again || changes.is_none()).then_some(AGAIN);
            let wake = [next.map(|at| at.since(clock::now()).to_std()), again];
            let wake = wake.into_iter().flatten().min();
            tokio::select! {
                still = changed(&mut changes) => if !still { changes = None },
                Some(done) = file.tasks.join_next() => {
                    if let Ok(done) = done {
                        self.done(&run, &mut file, done);
                    }
                    continue;
                }
                () = sleep(wake) => {
                    file.again = false;
                }
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// Begins what is due; gives when it is looked again.
    fn look(
        &self,
        state: &State,
        events: &[Event],
        settings: &Settings,
        matters: &[Matter],
        file: &mut File,
    ) -> Option<Timestamp> {
        if matters.is_empty() {
            return None;
        }
        let view = run_view(state, events, clock::now());
        let mut next = None;
        for matter in matters {
            let Some(card) = Card::of(&view, matter, &settings.server) else {
                continue;
            };
            let places = places(state, matter, &settings.approvals);
            let names: Vec<String> = places.iter().map(ToString::to_string).collect();
            let turn = turn(matter, &names, settings.approvals.next_after, clock::now());
            next = [next, turn.next].into_iter().flatten().min();
            for place in turn.ask.into_iter().filter_map(|index| places.get(index)) {
                let details = details(&view, matter);
                self.post(state, place, matter, Posting::Asked, &card, details, file);
            }
            for place in turn.warn.into_iter().filter_map(|index| places.get(index)) {
                let details = Details::default();
                self.post(state, place, matter, Posting::Warned, &card, details, file);
            }
            for (_, post) in &matter.posts {
                if post.what == Posting::Asked && !post.reference.is_empty() {
                    self.show(state, &places, matter, post, &card, file);
                }
            }
        }
        next
    }

    #[expect(clippy::too_many_arguments, reason = "what is posted of what, and where")]
    fn post(
        &self,
        state: &State,
        place: &Place,
        matter: &Matter,
        what: Posting,
        card: &Card,
        details: Details,
        file: &mut File,
    ) {
        let key = (matter.about.clone(), matter.asked, what, place.to_string());
        let of = |(_, post): &&(Timestamp, Post)| post.what == what && post.channel == key.3;
        let known = matter.posts.iter().filter(of).count();
        let tried = file.tried.entry(key).or_insert(known);
        // What became of the last one is not in the run yet.
        if *tried > known {
            return;
        }
        *tried = known + 1;
        let channel = self.channel(place, matter.asked, state);
        let (card, about) = (card.clone(), matter.about.clone());
        let mut post = Post {
            side: matter.side(),
            asked: matter.asked,
            channel: place.to_string(),
            what,
            reference: String::new(),
            failure: None,
        };
        let asked = matter
            .posts
            .iter()
            .find(|(_, of)| of.channel == post.channel && of.failure.is_none());
        let reference = asked.map(|(_, of)| of.reference.clone()).unwrap_or_default();
        if what == Posting::Asked {
            // So it looks when it is there; a change meanwhile is shown afterwards.
            file.asked
                .insert((about.clone(), post.channel.clone(), matter.asked), digest(&card));
        }
        file.tasks.spawn(async move {
            let posted = match what {
                Posting::Asked => channel.ask(&card, &details).await,
                Posting::Warned => channel.warn(&reference, &card).await.map(|()| String::new()),
            };
            match posted {
                Ok(reference) => post.reference = reference,
                Err(failure) => post.failure = Some(failure),
            }
            Done::Post(about, post)
        });
    }

    fn show(
        &self,
        state: &State,
        places: &[Place],
        matter: &Matter,
        post: &Post,
        card: &Card,
        file: &mut File,
    ) {
        // A channel that was taken away is not written to any more.
        let Some(place) = places.iter().find(|place| place.to_string() == post.channel) else {
            return;
        };
        let looks = digest(card);
        let known = (matter.about.clone(), post.channel.clone(), post.asked);
        if let Some(known) = file.asked.remove(&known) {
            file.shown.entry(post.reference.clone()).or_insert(known);
        }
        if file.shown.get(&post.reference) == Some(&looks) || !file.showing.insert(post.reference.clone()) {
            return;
        }
        let channel = self.channel(place, post.asked, state);
        let (reference, card) = (post.reference.clone(), card.clone());
        file.tasks.spawn(async move {
            let shown = channel.show(&reference, &card).await;
            Done::Show(reference, looks, shown)
        });
    }

    fn done(&self, run: &RunId, file: &mut File, done: Done) {
        match done {
            Done::Post(about, post) => {
                file.posts.push((about.clone(), clock::now(), post.clone()));
                if let Some(failure) = &post.failure {
                    tracing::warn!(%run, channel = %post.channel, %failure, "people could not be asked there");
                }
                match (matter::notice(&about, post.asked), about) {
                    (Some(notice), _) => self.engine.noticed(run, notice, post),
                    (None, About::Plan(step, _)) => self.engine.posted(run, step, post),
                    (None, About::Notice(..)) => {}
                }
            }
            Done::Show(reference, looks, shown) => {
                file.showing.remove(&reference);
                match shown {
                    Ok(()) => {
                        file.shown.insert(reference, looks);
                        file.tries = 0;
                    }
                    Err(failure) => {
                        tracing::warn!(%run, %failure, "a message does not show how the run stands");
                        file.again = true;
                        file.tries += 1;
                    }
                }
            }
        }
    }
}

/// What is known of a run's messages.
#[derive(Default)]
struct File {
    tasks: JoinSet<Done>,
    /// What was posted since this began: a run that was closed meanwhile does not remember it.
    posts: Vec<(About, Timestamp, Post)>,
    /// How often each post was tried.
    tried: HashMap<Key, usize>,
    /// The messages that are being changed.
    showing: HashSet<String>,
    /// How each message looks, by its reference.
    shown: HashMap<String, Digest>,
    /// How a question looked when it was put to a channel, until its reference is known.
    asked: HashMap<(About, String, Timestamp), Digest>,
    /// A message could not be changed, and is to be.
    again: bool,
    tries: u32,
}

impl File {
    /// What people are asked and told of in a run, with all that was posted of it.
    fn matters(&self, state: &State, events: &[Event]) -> Vec<Matter> {
        let mut matters = matter::matters(state, events);
        for (about, at, post) in &self.posts {
            let same = |of: &&mut Matter| of.about == *about && of.asked == post.asked;
            if let Some(matter) = matters.iter_mut().find(same) {
                if !matter.posts.iter().any(|(_, known)| known == post) {
                    matter.posts.push((*at, post.clone()));
                }
                continue;
            }
            let later = |of: &Matter| of.about == *about && of.asked > post.asked;
            let last = !matters.iter().any(later);
            matters.push(Matter {
                about: about.clone(),
                asked: post.asked,
                open: None,
                last,
                posts: vec![(*at, post.clone())],
            });
        }
        matters
    }
}

/// Where people hear of it: the step's own channels, then the operator's.
fn places(state: &State, matter: &Matter, approvals: &Approvals) -> Vec<Place> {
    let own = matter.step().map_or(&[][..], |step| state.channels_of(step));
    let mut places = own.to_vec();
    for place in &approvals.channels {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    places
}

/// The whole of the run, and the curves that its checks saw: those of a yes first.
fn details(run: &RunView, matter: &Matter) -> Details {
    // That a run is escalated is told where its questions are, and they have all of this.
    if matter.step().is_none() {
        return Details::default();
    }
    let mut answered: Vec<(bool, &Evidence)> = Vec::new();
    for check in &run.checklist {
        if let CheckState::Answered { finding } = &check.state {
            let other = finding.verdict != Verdict::Yes;
            answered.extend(finding.evidence.iter().map(|evidence| (other, evidence)));
        }
    }
    answered.sort_by_key(|(other, _)| *other);
    let curves = answered
        .into_iter()
        .filter_map(|(_, evidence)| Curve::of(evidence));
    Details {
        text: run_page(run, run.now, WIDTH, Detail::All).to_plain(),
        curves: curves.take(CURVES).collect(),
    }
}

fn digest(card: &Card) -> Digest {
    Digest::of_json(&serde_json::to_value(card).unwrap_or_default())
}

/// Waits for a change; whether there can be another.
async fn changed(changes: &mut Option<tokio::sync::watch::Receiver<u64>>) -> bool {
    match changes {
        Some(changes) => changes.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(wake) => tokio::time::sleep(wake).await,
        None => std::future::pending().await,
    }
}
