//! Whether fresh pods have taken the place of those that are gone.

use std::collections::BTreeSet;

use stanch_plugin::kubernetes::{Looping, POD, Pod, Selector, Trouble, find};
use stanch_plugin::prelude::*;

use crate::choose::Taken;
use crate::{Data, Params, PodData};

/// The uids of the owners' pods as they are now.
pub(crate) fn known(
    params: &Params,
    found_by: Option<&Selector>,
    taken: &[Taken],
) -> Result<Vec<String>, Failure> {
    let of_owner = |pod: &Pod| {
        pod.controller()
            .is_some_and(|owner| taken.iter().any(|taken| taken.owner.uid == owner.uid))
    };
    let pods = list(params, found_by)?;
    let known = pods
        .iter()
        .filter(|pod| of_owner(pod))
        .map(|pod| pod.uid().to_owned());
    Ok(known.collect())
}

fn list(params: &Params, found_by: Option<&Selector>) -> Result<Vec<Pod>, Failure> {
    let all = POD.within(&params.namespace);
    let query = match found_by {
        Some(labels) => all.labels(labels),
        None => all,
    };
    find(query).map(|pod| Ok(Pod::from(pod?).lean())).collect()
}

/// Yes: each planned pod is gone, and for each a pod of the same owner, which was not there before, is Ready.
pub(crate) fn verify(params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
    let data = made.plan.data.clone().unwrap_or_default();
    let planned: BTreeSet<&str> = made.plan.actions.iter().filter_map(Action::uid).collect();
    let now = host::now();
    let pods = list(params, data.found_by.as_ref())?;
    let mut fresh: Vec<&Pod> = pods
        .iter()
        .filter(|pod| !data.known.iter().any(|uid| uid == pod.uid()))
        .collect();

    let mut finding = Finding::yes("");
    let (mut well, mut worst, mut recycled) = (0, String::new(), Vec::new());
    // A batch has some of the plan's pods only.
    let mine = data.pods.iter().filter(|pod| planned.contains(pod.uid.as_str()));
    for old in mine {
        let still = pods.iter().find(|pod| pod.uid() == old.uid);
        let mut next = None;
        let said = match still {
            Some(pod) => still_there(pod, now),
            None => match take(old, &mut fresh) {
                Some(pod) if pod.ready().is => {
                    next = Some(pod.name().to_owned());
                    well += 1;
                    format!(
                        "gone; {} on {} is Ready in its place",
                        pod.name(),
                        pod.node().unwrap_or("?")
                    )
                }
                Some(pod) => format!(
                    "gone; {} is there and not Ready yet: {}",
                    pod.name(),
                    pod.ready().why
                ),
                None => format!("gone; {} has made no fresh one yet", old.owner),
            },
        };
        if next.is_none() && worst.is_empty() {
            worst = format!("{}: {said}", old.name);
        }
        finding = finding.evidence(Evidence::value(&old.name, said));
        recycled.push(PodData {
            fresh: next,
            ..old.clone()
        });
    }
    let all = recycled.len();
    finding.summary = match worst.is_empty() {
        true => format!("{well} of {all} pods are gone, and a fresh one is Ready for each"),
        false => format!("{well} of {all} pods are replaced by a Ready one. {worst}"),
    };
    finding.verdict = if all == planned.len() && all > 0 && well == all {
        Verdict::Yes
    } else {
        Verdict::No
    };
    Ok(finding.data(Data {
        pods: recycled,
        ..data
    }))
}

fn still_there(pod: &Pod, now: Timestamp) -> String {
    match (
        pod.gone_by(),
        pod.sick(Trouble::Terminating, now, Looping::default()),
    ) {
        (None, _) => "still there, and not being deleted".to_owned(),
        (Some(_), None) => "still shutting down".to_owned(),
        (Some(_), Some(stuck)) => format!("stuck in Terminating: {}", stuck.why),
    }
}

/// The fresh pod that is for this one, which is for no other then; a Ready one where there is one.
fn take<'a>(old: &PodData, fresh: &mut Vec<&'a Pod>) -> Option<&'a Pod> {
    let is_for = |pod: &Pod| {
        let same_owner = pod.controller().is_some_and(|owner| owner.uid == old.owner_uid);
        let same_place = match old.owner.split('/').next() {
            Some("StatefulSet") => pod.name() == old.name,
            Some("DaemonSet") => pod.node() == old.node.as_deref(),
            _ => true,
        };
        same_owner && same_place
    };
    let ready = fresh.iter().position(|pod| is_for(pod) && pod.ready().is);
    let at = ready.or_else(|| fresh.iter().position(|pod| is_for(pod)))?;
    Some(fresh.swap_remove(at))
}
