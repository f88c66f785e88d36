//! The fake host's cluster: objects by name, a grant in the notation of stanch.toml, and budgets that let go later.
//!
//! It does what an API server does with one object (uids, versions, preconditions, selectors, pages) and nothing that
//! controllers do: a test puts the pod that takes an evicted one's place there itself.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stanch_contract::plan::{ActionState, ChangePlan};
use stanch_contract::{FailureCode, Timestamp};

use super::State;
use crate::kubernetes::{Change, Kind, Named, Object, Patch, PatchKind, Query, Selector};
use crate::plan::{ClusterWork, Work};
use crate::{Action, Failure, FailureContext};

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    grants: Vec<Grant>,
    /// By target.
    objects: BTreeMap<String, Object>,
    logs: BTreeMap<(String, String, bool), String>,
    budgets: Vec<Budget>,
    failures: VecDeque<(String, Failure)>,
    pub(super) calls: Vec<String>,
    made: u64,
}

/// `[[plugins.NAME.grant.kubernetes]]`, as far as it can be held against objects.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    #[expect(dead_code, reason = "a test has one cluster")]
    clusters: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<String>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    selector: Option<Selector>,
    #[serde(default)]
    keys_only: bool,
}

#[derive(Debug)]
struct Budget {
    namespace: String,
    name: String,
    selector: Selector,
    /// From when on one more eviction is allowed, each for one.
    free: VecDeque<i64>,
}

impl Grant {
    fn names(&self, verb: &str, kind: &Kind, namespace: Option<&str>, name: Option<&str>) -> bool {
        self.verbs.iter().any(|granted| granted == verb)
            && self.resources.contains(&kind.grant_name())
            && namespace.is_none_or(|namespace| fits_any(&self.namespaces, namespace))
            && name.is_none_or(|name| self.names.is_empty() || fits_any(&self.names, name))
    }
}

/// `*` stands for any part of a name.
fn fits_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    })
}

impl Cluster {
    /// Puts an object there, in the place of one of the same name. What an API server would add is added.
    pub(super) fn put(&mut self, mut value: Value, now: i64) -> Object {
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, name) = (text("apiVersion"), text("kind"));
        let kind = Kind::known(&api_version, &name)
            .unwrap_or_else(|| Kind::of(api_version, &name, format!("{}s", name.to_lowercase())));
        self.made += 1;
        let made = self.made;
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            let added = [
                ("uid", json!(format!("uid-{made}"))),
                ("resourceVersion", json!(made.to_string())),
                ("creationTimestamp", json!(Timestamp(now).to_string())),
            ];
            for (name, value) in added {
                metadata.entry(name).or_insert(value);
            }
        }
        let object = Object::new(kind, value);
        self.objects.insert(object.named().target(), object.clone());
        object
    }

    pub(super) fn remove(&mut self, what: &Named) {
        self.objects.remove(&what.target());
    }

    pub(super) fn stored(&self, what: &Named) -> Option<Object> {
        self.objects.get(&what.target()).cloned()
    }

    pub(super) fn log(&mut self, pod: &Named, container: &str, previous: bool, text: &str) {
        let key = (pod.target(), container.to_owned(), previous);
        self.logs.insert(key, text.to_owned());
    }

    pub(super) fn budget(&mut self, namespace: &str, name: &str, selector: Selector, free: &[i64]) {
        self.budgets
            .retain(|budget| (budget.namespace.as_str(), budget.name.as_str()) != (namespace, name));
        self.budgets.push(Budget {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            selector,
            free: free.iter().copied().collect(),
        });
    }

    pub(super) fn fail(&mut self, verb: &str, failure: Failure) {
        self.failures.push_back((verb.to_owned(), failure));
    }

    /// The failure that a test ordered for the next call of this verb.
    fn ordered(&mut self, verb: &str) -> Option<Failure> {
        let at = self.failures.iter().position(|(of, _)| of == verb)?;
        self.failures.remove(at).map(|(_, failure)| failure)
    }

    pub(super) fn grant(&mut self, grant: &Value) -> Result<(), Failure> {
        let grants = grant.get("kubernetes").cloned().unwrap_or_else(|| json!([]));
        self.grants
            .extend(serde_json::from_value::<Vec<Grant>>(grants).context("the grant")?);
        Ok(())
    }

    fn may(&self, verb: &str, what: &Named, labels: Option<&Object>) -> Result<(), Failure> {
        let namespace = what.namespace.as_deref();
        let mut named = self
            .grants
            .iter()
            .filter(|grant| grant.names(verb, &what.kind, namespace, Some(&what.name)))
            .peekable();
        if named.peek().is_none() {
            let what = format!("`{verb}` of {} `{}`", what.kind.grant_name(), what.name);
            let place = namespace.unwrap_or("no namespace");
            return Err(Failure::denied(format!("No grant names {what} in `{place}`")));
        }
        let fits = |grant: &Grant| match (&grant.selector, labels) {
            (Some(selector), Some(object)) => selector.fits(|label| object.label(label)),
            _ => true,
        };
        if named.any(fits) {
            return Ok(());
        }
        Err(Failure::denied(format!(
            "{what} does not have the labels that the grant asks for"
        )))
    }

    fn read(&mut self, what: &Named) -> Result<Object, Failure> {
        let object = self.stored(what);
        self.may("get", what, object.as_ref())?;
        let object = object.ok_or_else(|| Failure::not_found(format!("{what} is not there")))?;
        let mut granted = self
            .grants
            .iter()
            .filter(|grant| grant.names("get", &what.kind, what.namespace.as_deref(), Some(&what.name)));
        if !granted.all(|grant| grant.keys_only) {
            return Ok(object);
        }
        let mut value = object.value().clone();
        let data = value.get_mut("data").and_then(Value::as_object_mut);
        data.into_iter()
            .flat_map(|data| data.values_mut())
            .for_each(|value| *value = json!("[withheld]"));
        Ok(Object::new(what.kind.clone(), value))
    }

    fn list(&self, what: &Query, from: Option<&str>) -> Result<(Vec<Value>, Option<String>), Failure> {
        let granted = self
            .grants
            .iter()
            .find(|grant| {
                // Without a namespace it is a list of all of them, which a grant of some does not cover.
                let all = what.namespace.is_some() || grant.namespaces.iter().any(|name| name == "*");
                all && grant.names("list", &what.kind, what.namespace.as_deref(), None)
            })
            .ok_or_else(|| Failure::denied(format!("No grant names `list` of {what}")))?;
        let labels = what.labels.as_deref().map(Selector::parse).transpose()?;
        let fields = what.fields.as_deref().unwrap_or_default();
        let fields: Vec<(String, &str)> = fields
            .split(',')
            .filter_map(|field| field.split_once('='))
            .map(|(path, value)| (format!("/{}", path.replace('.', "/")), value))
            .collect();
        let page = what.page.unwrap_or(100).min(500) as usize;
        let mut fits = self.objects.iter().filter(|(target, object)| {
            object.kind() == &what.kind
                && (what.namespace.is_none() || object.namespace() == what.namespace.as_deref())
                && [labels.as_ref(), granted.selector.as_ref()]
                    .into_iter()
                    .flatten()
                    .all(|selector| selector.fits(|label| object.label(label)))
                && fields
                    .iter()
                    .all(|(pointer, value)| object.text(pointer) == *value)
                && from.is_none_or(|from| target.as_str() >= from)
        });
        let items: Vec<Value> = fits
            .by_ref()
            .take(page)
            .map(|(_, object)| {
                // The items of a list do not say their kind.
                let mut value = object.value().clone();
                if let Some(object) = value.as_object_mut() {
                    object.retain(|name, _| name != "apiVersion" && name != "kind");
                }
                value
            })
            .collect();
        Ok((items, fits.next().map(|(target, _)| target.clone())))
    }

    /// The budget that does not let this pod go now.
    fn held(&mut self, pod: &Object, now: i64) -> Option<Failure> {
        let over = self.budgets.iter_mut().filter(|budget| {
            Some(budget.namespace.as_str()) == pod.namespace()
                && budget.selector.fits(|label| pod.label(label))
        });
        let mut holds = None;
        for budget in over {
            match budget.free.front() {
                Some(from) if *from <= now => drop(budget.free.pop_front()),
                _ => holds = Some(budget),
            }
        }
        let holds = holds?;
        let name = &holds.name;
        let message = format!(
            "evict {}: refused for now by its disruption budget: {name}",
            pod.named().target()
        );
        Some(Failure::denied(message))
    }

    /// Makes the change, or says why not and whether it took effect.
    fn make(
        &mut self,
        what: &Named,
        change: &Change,
        expect: Option<&str>,
        now: i64,
    ) -> Result<Option<Value>, Failure> {
        if let Change::Create(body) = change {
            if self.stored(what).is_some() {
                return Err(Failure::conflict(format!("{what} is there already")));
            }
            return Ok(Some(self.put(body.clone(), now).value().clone()));
        }
        let object = self.read_for_change(what)?;
        let holds = match expect.and_then(|expect| expect.split_once(':')) {
            None => true,
            Some(("uid", expected)) => match expected.split_once(",replicas:") {
                None => object.uid() == expected,
                Some((uid, from)) => {
                    let replicas = object.at("/spec/replicas").as_i64();
                    object.uid() == uid && from.parse().is_ok_and(|from: i64| replicas == Some(from))
                }
            },
            Some(("version", version)) => object.version() == version,
            Some(_) => false,
        };
        if !holds {
            let expect = expect.unwrap_or_default();
            return Err(Failure::conflict(format!("{what} is not `{expect}` any more")));
        }
        let mut value = object.value().clone();
        if matches!(change, Change::Evict { .. })
            && let Some(failure) = self.held(&object, now)
        {
            return Err(failure);
        }
        let answer = match change {
            Change::Evict { .. } | Change::Delete { .. } => {
                if object
                    .at("/metadata/finalizers")
                    .as_array()
                    .is_none_or(Vec::is_empty)
                {
                    self.remove(what);
                    return Ok(None);
                }
                set(
                    &mut value,
                    &["metadata", "deletionTimestamp"],
                    json!(Timestamp(now).to_string()),
                );
                None
            }
            Change::Scale { replicas } => {
                set(&mut value, &["spec", "replicas"], json!(replicas));
                None
            }
            Change::Patch(patch) => {
                apply_patch(&mut value, patch)?;
                Some(())
            }
            Change::Create(_) => None,
        };
        set(
            &mut value,
            &["metadata", "resourceVersion"],
            json!((self.made + 1).to_string()),
        );
        let changed = self.put(value, now);
        Ok(answer.map(|()| changed.value().clone()))
    }

    fn read_for_change(&self, what: &Named) -> Result<Object, Failure> {
        self.stored(what)
            .ok_or_else(|| Failure::not_found(format!("{what} is not there")))
    }
}

fn set(value: &mut Value, path: &[&str], to: Value) {
    match path {
        [] => *value = to,
        [first, rest @ ..] => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            if let Some(object) = value.as_object_mut() {
                set(object.entry(*first).or_insert(Value::Null), rest, to);
            }
        }
    }
}

fn apply_patch(value: &mut Value, patch: &Patch) -> Result<(), Failure> {
    match patch.kind {
        PatchKind::Merge => merge(value, &patch.body),
        _ => return Err(Failure::failed("The fake cluster knows merge patches only")),
    }
    Ok(())
}

/// RFC 7386.
fn merge(value: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(object) = value.as_object_mut() else {
        return;
    };
    for (name, patch) in members {
        if patch.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), patch);
        }
    }
}

impl State {
    pub(crate) fn cluster_get(&self, what: &Named) -> Result<Value, Failure> {
        let mut cluster = self.cluster.borrow_mut();
        cluster.calls.push(format!("get {}", what.target()));
        if let Some(failure) = cluster.ordered("get") {
            return Err(failure);
        }
        Ok(cluster.read(what)?.value().clone())
    }

    pub(crate) fn cluster_find(
        &self,
        what: &Query,
        continue_from: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let mut cluster = self.cluster.borrow_mut();
        cluster.calls.push(format!("list {what}"));
        if let Some(failure) = cluster.ordered("list") {
            return Err(failure);
        }
        cluster.list(what, continue_from)
    }

    pub(crate) fn cluster_logs(
        &self,
        pod: &Named,
        container: Option<&str>,
        previous: bool,
        tail: u32,
    ) -> Result<String, Failure> {
        let mut cluster = self.cluster.borrow_mut();
        cluster.calls.push(format!("logs {}", pod.target()));
        if let Some(failure) = cluster.ordered("logs") {
            return Err(failure);
        }
        let object = cluster.stored(pod);
        cluster.may("logs", pod, object.as_ref())?;
        object.ok_or_else(|| Failure::not_found(format!("{pod} is not there")))?;
        let key = (pod.target(), container.unwrap_or_default().to_owned(), previous);
        let text = cluster.logs.get(&key).ok_or_else(|| {
            let which = if previous { "previous " } else { "" };
            let container = container.unwrap_or("its container");
            Failure::not_found(format!(
                "{which}terminated container `{container}` in {pod} not found"
            ))
        })?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let from = lines.len().saturating_sub(tail as usize);
        Ok(lines.into_iter().skip(from).collect())
    }

    pub(crate) fn cluster_change(&self, what: &Named, change: &Change) -> Result<Option<Value>, Failure> {
        let work = Work::Cluster(ClusterWork {
            object: what.clone(),
            change: change.clone(),
        });
        let call = Action::new(work).to_wire();
        let index = self.gate.borrow_mut().pass(&call)?;
        let expect = index.and_then(|index| self.gate.borrow().expected(index));
        let mut cluster = self.cluster.borrow_mut();
        cluster.calls.push(format!("{} {}", call.verb, call.target));
        let answer = match cluster.ordered(change.verb()) {
            Some(failure) => Err(failure),
            None => cluster.make(what, change, expect.as_deref(), self.now_ms()),
        };
        if let Some(index) = index {
            let mut gate = self.gate.borrow_mut();
            match &answer {
                Ok(_) => gate.done(Some(index)),
                Err(failure) if crate::kubernetes::is_budget(failure) => gate.not_now(index, failure),
                Err(failure) => gate.ended(index, state_of(failure)),
            }
        }
        answer
    }

    /// What the engine's gate would refuse of a plan that is about objects: what no grant names, a deletion that does not say
    /// which object of that name, a target that is none of its population.
    pub(super) fn check_plan(&self, plan: &ChangePlan) -> Result<(), Failure> {
        let cluster = self.cluster.borrow();
        let on_objects = plan
            .actions
            .iter()
            .filter(|action| action.target.starts_with("kubernetes:"));
        for wire in on_objects {
            let action = Action::from_wire(wire.clone())?;
            let Some(what) = action.object() else { continue };
            let object = cluster.stored(what);
            let labels = match action.change() {
                Some(Change::Create(body)) => Some(Object::new(what.kind.clone(), body.clone())),
                _ => object,
            };
            cluster.may(&wire.verb, what, labels.as_ref())?;
            let removes = matches!(wire.verb.as_str(), "delete" | "evict");
            if removes && action.uid().is_none_or(str::is_empty) {
                let which = format!("`{}` of {what} does not say which: expect its uid", wire.verb);
                return Err(Failure::denied(which));
            }
            let Some((of, selector)) = plan.population.as_deref().and_then(|all| all.split_once('?')) else {
                continue;
            };
            let selector = Selector::parse(selector)?;
            let member = what.target().starts_with(&format!("{of}/"))
                && labels.is_none_or(|object| selector.fits(|label| object.label(label)));
            if !member {
                return Err(Failure::denied(format!(
                    "{what} is not one of the plan's population"
                )));
            }
        }
        Ok(())
    }
}

/// What a failure says of a change: refused where the server said no, else nobody knows.
fn state_of(failure: &Failure) -> ActionState {
    let detail = failure.to_string();
    match failure.code {
        FailureCode::Denied | FailureCode::NotFound | FailureCode::Conflict | FailureCode::InvalidParams => {
            ActionState::refused(detail)
        }
        _ => ActionState::Unknown { detail },
    }
}
