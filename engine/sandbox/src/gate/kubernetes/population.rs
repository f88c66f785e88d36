//! The things like those acted on: counted by the host, all of them, so that a share of them means something.

use std::collections::BTreeSet;

use stanch_contract::Population;

use super::super::plan::{Unfit, unfit};
use super::super::record::{Layer, Refusal};
use super::entry::Verb;
use super::look::List;
use super::plan::{Checked, Ground, identity};
use super::{KindError, wanted};
use crate::kubernetes::object;
use crate::kubernetes::request::{self, ListQuery};
use crate::kubernetes::target::{ObjectTarget, PopulationTarget};

/// Objects of a page, and bytes.
const PAGE: u32 = 500;
const MOST_PAGE_BYTES: u64 = 64 << 20;
/// More than this are not counted; a guess would be worse than an error.
const MOST_COUNTED: u32 = 10_000;

impl Ground<'_> {
    /// Counts the population that a plan names, and finds the plan's targets in it.
    pub(in crate::gate) async fn population(
        &self,
        text: &str,
        checked: &[Checked],
    ) -> Result<Population, Unfit> {
        let request = |why: String| unfit(Refusal::new(Layer::Request, why));
        let PopulationTarget { place, selector } = PopulationTarget::parse(text).map_err(request)?;
        let what = format!("{place}?{selector}");
        let kind = self
            .cluster
            .resource(&place, None, self.until)
            .await
            .map_err(|error| match error {
                KindError::Unknown(why) => request(why),
                KindError::Read(error) => self.away(&format!("the population {what}"), &error),
            })?;
        kind.place(place.namespace.as_deref()).map_err(request)?;
        let permit = self
            .grant
            .kubernetes(&wanted(self.cluster, Verb::List, &kind, &place, None))
            .map_err(unfit)?;
        let labels = match permit.selector() {
            Some(granted) => selector.and(&granted),
            None => selector,
        };
        let cluster = self
            .cluster
            .identity(self.until)
            .await
            .map_err(|error| self.away(&what, &error))?;
        let mut counted = Counted::default();
        let mut continue_from: Option<String> = None;
        loop {
            let query = ListQuery {
                labels: Some(labels.to_string()),
                fields: None,
                limit: PAGE,
                continue_from: continue_from.as_deref(),
            };
            let read = self
                .cluster
                .read_json::<List>(request::list(&kind, &place, &query), MOST_PAGE_BYTES, self.until)
                .await;
            let page = read.map_err(|error| self.away(&format!("the population {what}"), &error))?;
            for item in &page.items {
                let name = object::text(item, "/metadata/name");
                if !permit.covers(name, &object::labels(item)) {
                    continue;
                }
                counted.total += 1;
                let target = ObjectTarget {
                    place: place.clone(),
                    name: name.to_owned(),
                };
                let target = identity(&cluster, &target);
                if object::is_ready(&place.group, &place.resource, item) {
                    counted.ready += 1;
                    counted.ready_ones.insert(target.clone());
                }
                counted.members.insert(target);
            }
            continue_from = page.next();
            if counted.total > MOST_COUNTED {
                return Err(request(format!(
                    "the population {what} has more than {MOST_COUNTED} members: name a narrower one"
                )));
            }
            if continue_from.is_none() {
                break;
            }
        }
        if let Some(outside) = checked
            .iter()
            .find(|one| !counted.members.contains(&one.action.identity))
        {
            let why = format!(
                "{} is not among the population {what}: a share of other things protects nothing",
                outside.target
            );
            return Err(request(why));
        }
        let targets: BTreeSet<&String> = checked.iter().map(|one| &one.action.identity).collect();
        let ready_targets = targets
            .into_iter()
            .filter(|target| counted.ready_ones.contains(*target));
        Ok(Population {
            what,
            total: counted.total,
            ready: counted.ready,
            ready_targets: ready_targets.cloned().collect(),
        })
    }
}

#[derive(Default)]
struct Counted {
    total: u32,
    ready: u32,
    members: BTreeSet<String>,
    ready_ones: BTreeSet<String>,
}
