//! Objects of the Kubernetes cluster that the step is bound to (`on` in the runbook).
//!
//! Looking ([`get`], [`find`], [`logs`]) passes in every phase, as far as the grant goes. Changing passes only in `apply` and
//! only as planned; plan it with [`Action`](crate::Action), which pins the very object that was looked at by its uid.
//!
//! An object is the JSON that the API server gave, with [small views](Object) of what most plugins read; there is no type
//! for each kind, which would be most of a plugin's size. [`Pod`] knows what is wrong with one, [`Which`] finds those that a
//! runbook means.
//!
//! ```no_run
//! # use stanch_plugin::prelude::*;
//! # fn f(selector: kubernetes::Selector) -> Result<(), Failure> {
//! for pod in kubernetes::find(kubernetes::POD.within("inference").labels(&selector)) {
//!     let pod = kubernetes::Pod::from(pod?);
//!     info!("{} is on {}", pod.name(), pod.node().unwrap_or("no node yet"));
//! }
//! # Ok(()) }
//! ```

mod change;
mod events;
mod kind;
mod object;
mod pod;
mod selector;
mod trouble;
mod which;

use serde_json::Value;

use crate::{Failure, FailureContext, sys};

pub use change::{Change, Patch, PatchKind};
pub use events::{Event, events_of};
pub use kind::*;
pub use object::{Object, Owner};
pub use pod::{Container, Exit, Pod, Ready, Run};
pub use selector::{Selector, SelectorError};
pub use trouble::{Looping, Sick, Trouble, age};
pub use which::{Found, Left, PodName, Which};

/// One object, as it is now.
pub fn get(what: &Named) -> Result<Object, Failure> {
    let value = sys::cluster_get(what).context(format!("reading {what}"))?;
    Ok(Object::new(what.kind.clone(), value))
}

/// A ConfigMap that can be changed.
///
/// # Errors
/// As [`changeable`].
pub fn config_map(namespace: &str, name: &str) -> Result<Object, Failure> {
    changeable(&CONFIG_MAP.named(namespace, name))
}

/// A ConfigMap or a Secret that can be changed.
///
/// # Errors
/// As [`get`]; `failed` where it is being deleted, or is immutable.
pub fn changeable(what: &Named) -> Result<Object, Failure> {
    let object = get(what)?;
    let why = if object.gone_by().is_some() {
        "is being deleted"
    } else if object.at("/immutable").as_bool() == Some(true) {
        "is immutable: nobody can change it, only replace it"
    } else {
        return Ok(object);
    };
    Err(Failure::failed(format!("{what} {why}")))
}

/// The object where it is there; none where it is not.
pub fn look(what: &Named) -> Result<Option<Object>, Failure> {
    match get(what) {
        Ok(object) => Ok(Some(object)),
        Err(failure) if failure.code == crate::FailureCode::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Which objects of one kind to list. Made by [`Kind::within`] and [`Kind::everywhere`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The kind.
    pub kind: Kind,
    /// In one namespace; none: in all of them, or the kind has none.
    pub namespace: Option<String>,
    /// What their labels must be.
    pub labels: Option<String>,
    /// What their fields must be, in the API server's words: `spec.nodeName=node-1`.
    pub fields: Option<String>,
    /// How many a page has; the host's own number where it is not said. The host gives at most 500.
    pub page: Option<u32>,
}

impl Query {
    /// Only those whose labels fit.
    pub fn labels(mut self, selector: &Selector) -> Self {
        self.labels = Some(selector.to_string());
        self
    }

    /// Only those whose fields fit, in the API server's words. Which fields there are is the kind's affair.
    pub fn fields(mut self, selector: impl Into<String>) -> Self {
        self.fields = Some(selector.into());
        self
    }

    /// So many a page.
    pub fn page(mut self, objects: u32) -> Self {
        self.page = Some(objects);
        self
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind.grant_name())?;
        if let Some(namespace) = &self.namespace {
            write!(f, " of `{namespace}`")?;
        }
        if let Some(labels) = &self.labels {
            write!(f, " with `{labels}`")?;
        }
        Ok(())
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// The objects.
    pub items: Vec<Object>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// One page of a list, from where the page before said.
pub fn find_page(what: &Query, continue_from: Option<&str>) -> Result<Page, Failure> {
    let (items, next) = sys::cluster_find(what, continue_from).context(format!("listing {what}"))?;
    let objects = items
        .into_iter()
        .map(|value| Object::new(what.kind.clone(), value));
    Ok(Page {
        items: objects.collect(),
        next,
    })
}

/// The objects, page after page as they are needed. Ends after the first failure.
pub fn find(what: Query) -> Find {
    Find {
        what,
        page: Vec::new().into_iter(),
        next: Some(None),
    }
}

/// What [`find`] gives.
#[derive(Debug)]
pub struct Find {
    what: Query,
    page: std::vec::IntoIter<Object>,
    /// None: the last page is here. Some(None): nothing was asked yet.
    next: Option<Option<String>>,
}

impl Iterator for Find {
    type Item = Result<Object, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.next() {
                return Some(Ok(object));
            }
            let from = self.next.take()?;
            match find_page(&self.what, from.as_deref()) {
                Ok(page) => {
                    self.page = page.items.into_iter();
                    self.next = page.next.map(Some);
                }
                Err(failure) => return Some(Err(failure)),
            }
        }
    }
}

/// The log of a pod: built, then read. The end of it, because that is where the trouble is.
pub fn logs(pod: &Named) -> Logs<'_> {
    Logs {
        pod,
        container: None,
        previous: false,
        tail: 1000,
    }
}

/// What [`logs`] builds.
#[derive(Debug, Clone)]
pub struct Logs<'a> {
    pod: &'a Named,
    container: Option<&'a str>,
    previous: bool,
    tail: u32,
}

impl<'a> Logs<'a> {
    /// Of this container; needed where the pod has several.
    pub fn container(mut self, name: &'a str) -> Self {
        self.container = Some(name);
        self
    }

    /// Of the instance before the last restart.
    pub fn previous(mut self, previous: bool) -> Self {
        self.previous = previous;
        self
    }

    /// So many lines of its end; the host has a bound of its own.
    pub fn tail(mut self, lines: u32) -> Self {
        self.tail = lines;
        self
    }

    /// Reads it.
    pub fn read(&self) -> Result<String, Failure> {
        sys::cluster_logs(self.pod, self.container, self.previous, self.tail)
            .context(format!("reading the log of {}", self.pod))
    }
}

/// Makes a change. What a patch or a creation made of the object comes back. Only in `apply`, and only as planned
/// ([`Action::carry_out`](crate::Action::carry_out) sends exactly that).
pub fn change(what: &Named, change: &Change) -> Result<Option<Object>, Failure> {
    let answer: Option<Value> =
        sys::cluster_change(what, change).context(format!("{} {what}", change.doing()))?;
    Ok(answer.map(|value| Object::new(what.kind.clone(), value)))
}

/// Whether an eviction was refused by a PodDisruptionBudget: not now, and perhaps later.
///
/// The host answers it with `denied`, as it does what no grant or role allows; what tells them apart is the host's words, and
/// where the API server says it the time after which to ask again.
pub fn is_budget(failure: &Failure) -> bool {
    let said = |words: &str| failure.message.contains(words);
    failure.code == crate::FailureCode::Denied
        && (failure.retry_after_ms.is_some() || (said("for now") && said("disruption budget")))
}
