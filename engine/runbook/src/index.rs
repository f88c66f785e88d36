//! Which runbooks may apply to an alert, among thousands, without looking at each.
//!
//! Every runbook is filed under the rarest thing that its trigger demands: an alert's name or a label's value. An alert
//! then meets only what is filed under its own name and labels, and the few that demand no value at all. Where many meet
//! it, their patterns are asked all at once, in one set for each label; a few are asked one by one, which is quicker.
//!
//! A single runbook is replaced in place. Its patterns stay outside of the sets until the next [`Index::rebuild`], since
//! compiling a set of thousands takes a fifth of a second; [`Index::is_worn`] says when that is worth it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};
use stanch_contract::Alert;

use crate::expr::EvalError;
use crate::matcher::{MatchOp, Matcher, anchored};
use crate::model::Runbook;

/// From this many on, patterns are asked as a set.
const MANY: usize = 16;
/// The most memory that a set may take; beyond it its patterns are asked one by one.
const MOST_SET: usize = 1 << 30;
/// Patterns outside of the sets from which on a rebuild is worth it.
const WORN: usize = 64;

/// Something that a trigger demands: a label with its value; the alert's name has no label.
type Demand = (Option<String>, String);

/// Finds runbooks by alert.
#[derive(Debug, Clone, Default)]
pub struct Index {
    slots: Vec<Option<Arc<Runbook>>>,
    by_name: BTreeMap<String, usize>,
    free: Vec<usize>,
    /// By alert name.
    names: HashMap<String, Vec<usize>>,
    /// By label, then value.
    labels: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Runbooks that demand no value.
    rest: Vec<usize>,
    sets: Arc<HashMap<String, PatternSet>>,
    /// Patterns that came after the sets were made.
    outside: usize,
}

/// All patterns on one label.
#[derive(Debug)]
struct PatternSet {
    set: RegexSet,
    /// Where in the set a pattern is.
    places: HashMap<String, usize>,
}

/// A runbook that fits an alert by name and labels.
#[derive(Debug, Clone)]
pub struct Match {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// Whether its `when` holds too; an error is not a no.
    pub when: Result<bool, EvalError>,
}

impl Index {
    /// Of these runbooks; of several with one name the last counts.
    pub fn new(runbooks: impl IntoIterator<Item = Arc<Runbook>>) -> Self {
        let runbooks: BTreeMap<String, Arc<Runbook>> = runbooks
            .into_iter()
            .map(|runbook| (runbook.name.clone(), runbook))
            .collect();
        let mut demanded: HashMap<Demand, usize> = HashMap::new();
        for runbook in runbooks.values() {
            for demand in demands(runbook).into_iter().flatten() {
                *demanded.entry(demand).or_default() += 1;
            }
        }
        let mut index = Self::default();
        for runbook in runbooks.into_values() {
            index.insert(runbook, |demand| demanded.get(demand).copied().unwrap_or(0));
        }
        index.rebuild();
        index
    }

    /// How many runbooks there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The runbook of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Runbook>> {
        self.by_name
            .get(name)
            .and_then(|slot| self.slots.get(*slot))
            .and_then(Option::as_ref)
    }

    /// All runbooks, by name.
    pub fn runbooks(&self) -> impl Iterator<Item = &Arc<Runbook>> {
        self.by_name
            .values()
            .filter_map(|slot| self.slots.get(*slot).and_then(Option::as_ref))
    }

    /// Puts a runbook in the place of the one with its name, or adds it.
    pub fn replace(&mut self, runbook: Arc<Runbook>) {
        self.remove(&runbook.name);
        self.outside += patterns(&runbook)
            .filter(|matcher| self.place(matcher).is_none())
            .count();
        let counts = |index: &Self, (label, value): &Demand| match label {
            None => index.names.get(value).map_or(0, Vec::len),
            Some(label) => index
                .labels
                .get(label)
                .and_then(|values| values.get(value))
                .map_or(0, Vec::len),
        };
        let demanded: HashMap<Demand, usize> = demands(&runbook)
            .into_iter()
            .flatten()
            .map(|demand| (demand.clone(), counts(self, &demand)))
            .collect();
        self.insert(runbook, |demand| demanded.get(demand).copied().unwrap_or(0));
    }

    /// Takes a runbook out.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Runbook>> {
        let slot = self.by_name.remove(name)?;
        let runbook = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.rest.retain(|other| *other != slot);
        for demand in demands(&runbook).into_iter().flatten() {
            let filed = match &demand {
                (None, value) => self.names.get_mut(value),
                (Some(label), value) => self
                    .labels
                    .get_mut(label)
                    .and_then(|values| values.get_mut(value)),
            };
            if let Some(filed) = filed {
                filed.retain(|other| *other != slot);
            }
        }
        Some(runbook)
    }

    /// Whether so many patterns were replaced that a rebuild is worth it.
    pub fn is_worn(&self) -> bool {
        self.outside >= WORN
    }

    /// Compiles the sets of patterns anew and runs each once, so that no alert pays for the first run.
    pub fn rebuild(&mut self) {
        let mut by_label: HashMap<String, BTreeMap<String, usize>> = HashMap::new();
        for runbook in self.slots.iter().flatten() {
            for matcher in patterns(runbook) {
                let places = by_label.entry(matcher.label.clone()).or_default();
                places.entry(matcher.value.clone()).or_default();
            }
        }
        let mut sets = HashMap::new();
        for (label, mut places) in by_label {
            if places.len() < MANY {
                continue;
            }
            for (place, (_, at)) in places.iter_mut().enumerate() {
                *at = place;
            }
            let built = RegexSetBuilder::new(places.keys().map(|pattern| anchored(pattern)))
                .size_limit(MOST_SET)
                .dfa_size_limit(64 << 20)
                .build();
            // A set that would be too large is done without: its patterns are asked one by one.
            if let Ok(set) = built {
                for warm in ["", "a", "prod", "eu-west-1", "instance-0042:9100"] {
                    set.matches(warm);
                }
                sets.insert(
                    label,
                    PatternSet {
                        set,
                        places: places.into_iter().collect(),
                    },
                );
            }
        }
        self.sets = Arc::new(sets);
        self.outside = 0;
    }

    /// The runbooks whose names and labels fit, by name. Their `when` is not looked at.
    pub fn candidates(&self, alert: &Alert) -> Vec<&Arc<Runbook>> {
        let mut met: Vec<usize> = Vec::new();
        met.extend(self.names.get(&alert.name).into_iter().flatten());
        for (label, value) in &alert.labels {
            met.extend(
                self.labels
                    .get(label)
                    .and_then(|values| values.get(value))
                    .into_iter()
                    .flatten(),
            );
        }
        met.extend(&self.rest);
        let mut asked = Asked {
            index: self,
            alert,
            many: met.len() >= MANY,
            answers: Vec::new(),
        };
        let mut found: Vec<&Arc<Runbook>> = met
            .into_iter()
            .filter_map(|slot| self.slots.get(slot).and_then(Option::as_ref))
            .filter(|runbook| asked.fits(runbook))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// The runbooks that fit, each with whether its `when` holds.
    pub fn matches(&self, alert: &Alert) -> Vec<Match> {
        self.candidates(alert)
            .into_iter()
            .map(|runbook| Match {
                runbook: Arc::clone(runbook),
                when: runbook.applies(alert),
            })
            .collect()
    }

    fn place(&self, matcher: &Matcher) -> Option<(&PatternSet, usize)> {
        let set = self.sets.get(&matcher.label)?;
        set.places.get(&matcher.value).map(|place| (set, *place))
    }

    fn insert(&mut self, runbook: Arc<Runbook>, count: impl Fn(&Demand) -> usize) {
        let choices = demands(&runbook);
        if runbook.trigger.is_none() {
            // Never found by an alert, but known by name.
            self.store(runbook);
            return;
        }
        let rarest = choices
            .into_iter()
            .min_by_key(|demands| demands.iter().map(&count).sum::<usize>());
        let slot = self.store(runbook);
        match rarest {
            None => self.rest.push(slot),
            Some(demands) => {
                for (label, value) in demands {
                    match label {
                        None => self.names.entry(value).or_default().push(slot),
                        Some(label) => self
                            .labels
                            .entry(label)
                            .or_default()
                            .entry(value)
                            .or_default()
                            .push(slot),
                    }
                }
            }
        }
    }

    fn store(&mut self, runbook: Arc<Runbook>) -> usize {
        let name = runbook.name.clone();
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot) {
                    *place = Some(runbook);
                }
                slot
            }
            None => {
                self.slots.push(Some(runbook));
                self.slots.len() - 1
            }
        };
        self.by_name.insert(name, slot);
        slot
    }
}

/// Holds runbooks against one alert; a set is asked at most once.
struct Asked<'a> {
    index: &'a Index,
    alert: &'a Alert,
    many: bool,
    answers: Vec<(&'a str, regex::SetMatches)>,
}

impl<'a> Asked<'a> {
    fn fits(&mut self, runbook: &'a Runbook) -> bool {
        let Some(trigger) = &runbook.trigger else {
            return false;
        };
        (trigger.alerts.is_empty() || trigger.alerts.contains(&self.alert.name))
            && trigger.matchers.iter().all(|matcher| self.matches(matcher))
    }

    fn matches(&mut self, matcher: &'a Matcher) -> bool {
        let labels = &self.alert.labels;
        if !self.many || matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual) {
            return matcher.matches(labels);
        }
        let Some((set, place)) = self.index.place(matcher) else {
            return matcher.matches(labels);
        };
        let label = matcher.label.as_str();
        let known = self.answers.iter().position(|(asked, _)| *asked == label);
        let at = known.unwrap_or_else(|| {
            let value = labels.get(label).map_or("", String::as_str);
            self.answers.push((label, set.set.matches(value)));
            self.answers.len() - 1
        });
        let hit = self
            .answers
            .get(at)
            .is_some_and(|(_, answers)| answers.matched(place));
        hit == (matcher.op == MatchOp::Regex)
    }
}

/// What a trigger demands, as choices: any one of them can be filed under. The names of alerts are one choice together.
fn demands(runbook: &Runbook) -> Vec<Vec<Demand>> {
    let Some(trigger) = &runbook.trigger else {
        return Vec::new();
    };
    let names: Vec<Demand> = trigger.alerts.iter().map(|name| (None, name.clone())).collect();
    let values = trigger
        .matchers
        .iter()
        // An empty value is also that of a label that is not there, which no alert can be looked up by.
        .filter(|matcher| matcher.op == MatchOp::Equal && !matcher.value.is_empty())
        .map(|matcher| vec![(Some(matcher.label.clone()), matcher.value.clone())]);
    (!names.is_empty())
        .then_some(names)
        .into_iter()
        .chain(values)
        .collect()
}

fn patterns(runbook: &Runbook) -> impl Iterator<Item = &Matcher> {
    let matchers = runbook.trigger.iter().flat_map(|trigger| &trigger.matchers);
    matchers.filter(|matcher| matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex))
}
