//! What is in one cluster now, and what happens in it as a test says. What its API server does is in `respond` and `evict`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use stanch_contract::{Timestamp, text as words};
use stanch_runbook::given::{ClusterIs, Kubernetes, moment};

use super::kinds::{Kind, text};

/// Which object. In the order in which a server lists them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl fmt::Display for Key {
    /// As plans and cases name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or("_");
        let group = if self.group.is_empty() { "_" } else { &self.group };
        write!(f, "kubernetes:{namespace}/{group}/{}/{}", self.plural, self.name)
    }
}

/// A call that the server did.
pub(super) struct Effect {
    pub(super) at: Timestamp,
    /// `VERB TARGET`.
    pub(super) call: String,
    pub(super) changed: bool,
}

/// One cluster.
pub(super) struct State {
    objects: BTreeMap<Key, Value>,
    /// The latest resourceVersion.
    version: u64,
    /// Objects that were given a uid.
    made: u64,
    /// Which of what is given happened, and how often each answer was used.
    happened: Vec<bool>,
    used: Vec<u32>,
    /// Pods that are deleted, and when each is gone.
    ending: BTreeMap<Key, Timestamp>,
    effects: Vec<Effect>,
}

/// The kind of an object.
pub(super) fn kind_of<'k>(kinds: &'k [Kind], object: &Value) -> Option<&'k Kind> {
    let (kind, version) = (text(object, "/kind"), text(object, "/apiVersion"));
    kinds
        .iter()
        .find(|one| one.kind == kind && one.api_version() == version)
}

impl State {
    pub(super) fn new(given: usize) -> Self {
        let system = Key {
            group: String::new(),
            plural: "namespaces".to_owned(),
            namespace: None,
            name: "kube-system".to_owned(),
        };
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": "kube-system", "uid": uid(0), "resourceVersion": "1" },
        });
        Self {
            objects: BTreeMap::from([(system, object)]),
            version: 1,
            made: 0,
            happened: vec![false; given],
            used: vec![0; given],
            ending: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// All objects, in the order in which a server lists them.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter()
    }

    /// A pod that is deleted is gone at `at`.
    pub(super) fn ends(&mut self, key: Key, at: Timestamp) {
        self.ending.entry(key).or_insert(at);
    }

    pub(super) fn note(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn changes(&self) -> Vec<String> {
        let changes = self.effects.iter().filter(|effect| effect.changed);
        changes.map(|effect| effect.call.clone()).collect()
    }

    pub(super) fn used(&self) -> Vec<u32> {
        self.used.clone()
    }

    pub(super) fn rewind(&mut self, used: Option<&Vec<u32>>) {
        match used {
            Some(used) => self.used.clone_from(used),
            None => self.used.fill(0),
        }
    }

    /// Whether the answer at `index` may be given once more; then it is used.
    pub(super) fn take(&mut self, index: usize, most: Option<u32>) -> bool {
        let Some(used) = self.used.get_mut(index) else {
            return false;
        };
        let is_left = most.is_none_or(|most| *used < most);
        if is_left {
            *used = used.saturating_add(1);
        }
        is_left
    }

    /// Has everything happen that is due, in the order in which it is.
    pub(super) fn catch_up(
        &mut self,
        kinds: &[Kind],
        given: &[&Kubernetes],
        start: Timestamp,
        now: Timestamp,
    ) {
        loop {
            let due = given.iter().enumerate().filter_map(|(index, one)| {
                let is_new = !self.happened.get(index).copied().unwrap_or(true);
                let at = self.due(one, start).filter(|at| is_new && *at <= now)?;
                Some((at, index))
            });
            let due = due.min();
            let ended = self.ending.iter().map(|(key, at)| (*at, key));
            let ended = ended.filter(|(at, _)| *at <= now).min();
            let ended = ended.map(|(at, key)| (at, key.clone()));
            match (due, ended) {
                (None, None) => return,
                (Some((at, index)), ended) if ended.as_ref().is_none_or(|(before, _)| at <= *before) => {
                    if let Some(happened) = self.happened.get_mut(index) {
                        *happened = true;
                    }
                    if let Some(one) = given.get(index) {
                        self.happen(kinds, &one.what, at);
                    }
                }
                (_, Some((_, key))) => self.remove(&key),
                (Some(_), None) => return,
            }
        }
    }

    /// When it happens; nothing where that is not known yet.
    fn due(&self, one: &Kubernetes, start: Timestamp) -> Option<Timestamp> {
        let at = start.plus(one.at);
        let Some(since) = &one.since else {
            return Some(at);
        };
        let effect = self
            .effects
            .iter()
            .find(|effect| words::fits(since, &effect.call))?;
        Some(at.max(effect.at.plus(one.after)))
    }

    /// When all that follows from the calls until now has happened; nothing where it has.
    pub(super) fn settled(&self, given: &[&Kubernetes], start: Timestamp) -> Option<Timestamp> {
        let follows = given.iter().enumerate().filter_map(|(index, one)| {
            let is_new = !self.happened.get(index).copied().unwrap_or(true);
            one.since.as_ref().filter(|_| is_new)?;
            self.due(one, start)
        });
        follows.chain(self.ending.values().copied()).max()
    }

    fn happen(&mut self, kinds: &[Kind], what: &ClusterIs, at: Timestamp) {
        let ClusterIs::Objects { objects, gone } = what else {
            return;
        };
        let leave: Vec<Key> = self
            .objects
            .keys()
            .filter(|key| gone.iter().any(|pattern| words::fits(pattern, &key.to_string())))
            .cloned()
            .collect();
        for key in leave {
            self.remove(&key);
        }
        for object in objects {
            let object = moment::fill_json(object, at);
            let Some(kind) = kind_of(kinds, &object) else {
                continue;
            };
            let namespace = match text(&object, "/metadata/namespace") {
                _ if !kind.namespaced => None,
                "" => Some("default".to_owned()),
                namespace => Some(namespace.to_owned()),
            };
            let key = Key {
                group: kind.group.clone(),
                plural: kind.plural.clone(),
                namespace,
                name: text(&object, "/metadata/name").to_owned(),
            };
            self.put_given(key, object, at);
        }
    }

    /// Puts what a test gives: what it does not say of an object's identity stays, or is made.
    fn put_given(&mut self, key: Key, mut object: Value, at: Timestamp) {
        let had = self.objects.get(&key).cloned();
        let kept = |pointer: &str| had.as_ref().and_then(|had| had.pointer(pointer)).cloned();
        let given_version = object.pointer("/metadata/resourceVersion").cloned();
        let made = self.next_uid();
        let defaults = [
            ("namespace", key.namespace.clone().map(Value::from)),
            ("uid", Some(kept("/metadata/uid").unwrap_or_else(|| made.into()))),
            (
                "creationTimestamp",
                Some(kept("/metadata/creationTimestamp").unwrap_or_else(|| seconds(at).into())),
            ),
        ];
        for (name, value) in defaults {
            if let Some(value) = value
                && object
                    .pointer("/metadata")
                    .is_some_and(|metadata| metadata.get(name).is_none())
            {
                set(&mut object, name, value);
            }
        }
        self.ending.remove(&key);
        self.put(key.clone(), object);
        // A version that is given is the object's own, and those that come after it are later.
        if let Some(version) = given_version
            && let Some(object) = self.objects.get_mut(&key)
        {
            let number = version.as_str().and_then(|version| version.parse().ok());
            self.version = self.version.max(number.unwrap_or(0));
            set(object, "resourceVersion", version);
        }
    }

    /// Keeps an object in a new version; what it is then.
    pub(super) fn put(&mut self, key: Key, mut object: Value) -> Value {
        self.version += 1;
        set(&mut object, "resourceVersion", self.version.to_string().into());
        self.objects.insert(key, object.clone());
        object
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.ending.remove(key);
        if self.objects.remove(key).is_some() {
            self.version += 1;
        }
    }

    pub(super) fn next_uid(&mut self) -> String {
        self.made += 1;
        uid(self.made)
    }
}

pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(name.to_owned(), value);
    }
}

fn uid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A time as objects have it.
pub(super) fn seconds(at: Timestamp) -> String {
    Timestamp(at.0 - at.0.rem_euclid(1000))
        .to_string()
        .replace(".000Z", "Z")
}
