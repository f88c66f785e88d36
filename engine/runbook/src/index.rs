//! Which runbooks may apply to an alert, among thousands, without looking at each.
//!
//! Every runbook is filed under the rarest thing that its trigger demands: an alert's name, a label's value, or a pattern
//! that a label has to match. An alert then meets only what is filed under its own name and labels; all patterns on one
//! label are asked at once, as one set. What it meets is held against the whole trigger.
//!
//! A single runbook is replaced in place. Its pattern stays outside of the sets until the next [`Index::rebuild`], since
//! compiling a set of thousands takes a fifth of a second; [`Index::is_worn`] says when that is worth it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};
use stanch_contract::Alert;

use crate::expr::EvalError;
use crate::matcher::{MatchOp, anchored};
use crate::model::Runbook;

/// From this many on, patterns are asked as a set; and a name or value that so many demand is no good place to file under.
const MANY: usize = 16;
/// The most memory that a set may take; beyond it its patterns are asked one by one.
const MOST_SET: usize = 1 << 30;
/// Patterns outside of the sets from which on a rebuild is worth it.
const WORN: usize = 64;

/// Something that a trigger demands of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Demand {
    /// The alert has this name.
    Name(String),
    /// A label has this value.
    Value(String, String),
    /// A label matches this pattern.
    Pattern(String, String),
}

/// Finds runbooks by alert. A clone shares all texts, so that a changed copy can be made for a swap in a few milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Index {
    slots: Vec<Option<Arc<Filed>>>,
    by_name: BTreeMap<Arc<str>, usize>,
    free: Vec<usize>,
    names: HashMap<Arc<str>, Vec<usize>>,
    /// By label, then value.
    values: HashMap<String, HashMap<Arc<str>, Vec<usize>>>,
    /// By label, then pattern.
    patterns: HashMap<String, HashMap<Arc<str>, Vec<usize>>>,
    /// By label: patterns that are in no set, asked one by one.
    loose: HashMap<String, BTreeSet<usize>>,
    /// Runbooks that demand nothing that can be looked up.
    rest: Vec<usize>,
    sets: Arc<HashMap<String, PatternSet>>,
    /// Patterns that came after the sets were made.
    worn: usize,
}

/// A runbook and where it is filed.
#[derive(Debug, Clone)]
struct Filed {
    runbook: Arc<Runbook>,
    under: Vec<Demand>,
}

/// All patterns on one label.
#[derive(Debug)]
struct PatternSet {
    set: RegexSet,
    /// The pattern at each place of the set, in order.
    patterns: Vec<Arc<str>>,
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
            index.file(runbook, |demand| demanded.get(demand).copied().unwrap_or(0));
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
        self.by_name.get(name).and_then(|slot| self.at(*slot))
    }

    /// All runbooks, by name.
    pub fn runbooks(&self) -> impl Iterator<Item = &Arc<Runbook>> {
        self.by_name.values().filter_map(|slot| self.at(*slot))
    }

    /// Puts a runbook in the place of the one with its name, or adds it.
    pub fn replace(&mut self, runbook: Arc<Runbook>) {
        self.remove(&runbook.name);
        let wanted: Vec<Demand> = demands(&runbook).into_iter().flatten().collect();
        let counts: HashMap<Demand, usize> = wanted
            .into_iter()
            .map(|demand| (demand.clone(), self.filed_under(&demand)))
            .collect();
        self.file(runbook, |demand| counts.get(demand).copied().unwrap_or(0));
    }

    /// Takes a runbook out.
    pub fn remove(&mut self, name: &str) -> Option<Arc<Runbook>> {
        let slot = self.by_name.remove(name)?;
        let filed = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.rest.retain(|other| *other != slot);
        for demand in &filed.under {
            let (list, label) = match demand {
                Demand::Name(name) => (self.names.get_mut(name.as_str()), None),
                Demand::Value(label, value) => (two(&mut self.values, label, value), None),
                Demand::Pattern(label, pattern) => (two(&mut self.patterns, label, pattern), Some(label)),
            };
            if let Some(list) = list {
                list.retain(|other| *other != slot);
            }
            if let Some(loose) = label.and_then(|label| self.loose.get_mut(label)) {
                loose.remove(&slot);
            }
        }
        Some(Arc::clone(&filed.runbook))
    }

    /// Whether so many patterns were replaced that a rebuild is worth it.
    pub fn is_worn(&self) -> bool {
        self.worn >= WORN
    }

    /// Compiles the sets of patterns anew and runs each once, so that no alert pays for the first run.
    pub fn rebuild(&mut self) {
        let mut sets = HashMap::new();
        self.loose.clear();
        for (label, filed) in &mut self.patterns {
            filed.retain(|_, slots| !slots.is_empty());
            let mut patterns: Vec<Arc<str>> = filed.keys().cloned().collect();
            patterns.sort();
            let built = RegexSetBuilder::new(patterns.iter().map(|pattern| anchored(pattern)))
                .size_limit(MOST_SET)
                .dfa_size_limit(64 << 20)
                .build();
            match built {
                Ok(set) if patterns.len() >= MANY => {
                    for warm in ["", "a", "prod", "eu-west-1", "instance-0042:9100"] {
                        set.matches(warm);
                    }
                    sets.insert(label.clone(), PatternSet { set, patterns });
                }
                // Few are quicker one by one; and a set that would be too large is done without.
                _ => {
                    self.loose
                        .insert(label.clone(), filed.values().flatten().copied().collect());
                }
            }
        }
        self.sets = Arc::new(sets);
        self.worn = 0;
    }

    /// The runbooks whose names and labels fit, by name. Their `when` is not looked at.
    pub fn candidates(&self, alert: &Alert) -> Vec<&Arc<Runbook>> {
        let mut met: Vec<usize> = Vec::new();
        met.extend(self.names.get(alert.name.as_str()).into_iter().flatten());
        for (label, value) in &alert.labels {
            met.extend(
                self.values
                    .get(label)
                    .and_then(|values| values.get(value.as_str()))
                    .into_iter()
                    .flatten(),
            );
            if let (Some(set), Some(filed)) = (self.sets.get(label), self.patterns.get(label)) {
                for place in &set.set.matches(value) {
                    met.extend(
                        set.patterns
                            .get(place)
                            .and_then(|pattern| filed.get(pattern))
                            .into_iter()
                            .flatten(),
                    );
                }
            }
            met.extend(self.loose.get(label).into_iter().flatten());
        }
        met.extend(&self.rest);
        let mut found: Vec<&Arc<Runbook>> = met
            .into_iter()
            .filter_map(|slot| self.at(slot))
            .filter(|runbook| {
                runbook
                    .trigger
                    .as_ref()
                    .is_some_and(|trigger| trigger.fits(alert))
            })
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

    fn at(&self, slot: usize) -> Option<&Arc<Runbook>> {
        self.slots
            .get(slot)
            .and_then(Option::as_ref)
            .map(|filed| &filed.runbook)
    }

    /// How many are filed under a demand.
    fn filed_under(&self, demand: &Demand) -> usize {
        let list = match demand {
            Demand::Name(name) => self.names.get(name.as_str()),
            Demand::Value(label, value) => self
                .values
                .get(label)
                .and_then(|values| values.get(value.as_str())),
            Demand::Pattern(label, pattern) => self
                .patterns
                .get(label)
                .and_then(|patterns| patterns.get(pattern.as_str())),
        };
        list.map_or(0, Vec::len)
    }

    /// Files a runbook under its rarest demand; `count` says how many demand the same.
    fn file(&mut self, runbook: Arc<Runbook>, count: impl Fn(&Demand) -> usize) {
        let cost = |choice: &Vec<Demand>| {
            // A pattern is asked together with all others, which costs as much as meeting a few runbooks.
            let extra = if matches!(choice.as_slice(), [Demand::Pattern(..)]) {
                MANY
            } else {
                0
            };
            choice.iter().map(&count).sum::<usize>() + extra
        };
        let has_trigger = runbook.trigger.is_some();
        let under = demands(&runbook).into_iter().min_by_key(cost).unwrap_or_default();
        let name: Arc<str> = runbook.name.as_str().into();
        let filed = Some(Arc::new(Filed {
            runbook,
            under: under.clone(),
        }));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot) {
                    *place = filed;
                }
                slot
            }
            None => {
                self.slots.push(filed);
                self.slots.len() - 1
            }
        };
        self.by_name.insert(name, slot);
        if under.is_empty() && has_trigger {
            self.rest.push(slot);
        }
        for demand in under {
            match demand {
                Demand::Name(name) => self.names.entry(name.into()).or_default().push(slot),
                Demand::Value(label, value) => {
                    self.values
                        .entry(label)
                        .or_default()
                        .entry(value.into())
                        .or_default()
                        .push(slot);
                }
                Demand::Pattern(label, pattern) => {
                    let in_set = self.sets.get(&label).is_some_and(|set| {
                        set.patterns
                            .binary_search_by(|known| (**known).cmp(pattern.as_str()))
                            .is_ok()
                    });
                    if !in_set {
                        self.loose.entry(label.clone()).or_default().insert(slot);
                        self.worn += 1;
                    }
                    self.patterns
                        .entry(label)
                        .or_default()
                        .entry(pattern.into())
                        .or_default()
                        .push(slot);
                }
            }
        }
    }
}

fn two<'m>(
    map: &'m mut HashMap<String, HashMap<Arc<str>, Vec<usize>>>,
    label: &str,
    inner: &str,
) -> Option<&'m mut Vec<usize>> {
    map.get_mut(label).and_then(|inners| inners.get_mut(inner))
}

/// What a trigger demands, as choices: any one of them can be filed under. The names of alerts are one choice together.
fn demands(runbook: &Runbook) -> Vec<Vec<Demand>> {
    let Some(trigger) = &runbook.trigger else {
        return Vec::new();
    };
    let names: Vec<Demand> = trigger.alerts.iter().cloned().map(Demand::Name).collect();
    let labels = trigger.matchers.iter().filter_map(|matcher| {
        let label = matcher.label.clone();
        // What also fits a label that is not there is nothing that an alert can be looked up by.
        match matcher.op {
            MatchOp::Equal if !matcher.value.is_empty() => {
                Some(vec![Demand::Value(label, matcher.value.clone())])
            }
            MatchOp::Regex => matcher
                .demanded_pattern()
                .map(|pattern| vec![Demand::Pattern(label, pattern.to_owned())]),
            _ => None,
        }
    });
    (!names.is_empty())
        .then_some(names)
        .into_iter()
        .chain(labels)
        .collect()
}
