//! Which pods are taken, which are left, and what they are a share of.

use stanch_plugin::kubernetes::{
    Kind, Left, Looping, Named, Owner, Pod, Selector, Sick, Trouble, Which, age,
};
use stanch_plugin::prelude::*;
use stanch_plugin::{Alert, AlertStatus};

use crate::{Data, LeftData, Params, PodData};

/// Labels that a roll-out gives, which its workload's own selector does not have.
const OF_ONE_ROLL_OUT: &[&str] = &["pod-template-hash", "controller-revision-hash"];

/// A pod that is taken.
pub(crate) struct Taken {
    pub(crate) pod: Pod,
    pub(crate) owner: Owner,
    /// The trouble that it is in, where that is why.
    sick: Option<Sick>,
    /// The alert that names it, where that is why.
    alert: Option<String>,
    /// It is past evicting.
    force: bool,
    now: Timestamp,
}

/// All that were meant.
pub(crate) struct Chosen {
    pub(crate) taken: Vec<Taken>,
    /// Those for which there is nothing to do.
    spared: Vec<Left>,
    /// Those for which there would be something to do, and this plugin cannot.
    beyond: Vec<Left>,
    /// What was asked of the cluster, for people.
    asked: String,
}

/// What comes of one pod.
enum Fate {
    Taken {
        sick: Option<Sick>,
        force: bool,
        owner: Owner,
    },
    Spared(&'static str),
    Beyond(String),
    /// It is one of many that are well.
    Well,
}

impl Chosen {
    pub(crate) fn find(ctx: &Context, params: &Params) -> Result<Self, Failure> {
        let by_selector = params.pods.is_empty();
        let lasting = troubles(params).iter().any(|what| *what != Trouble::CrashLooping);
        if by_selector && params.selector.is_some() && lasting && params.hung_for.is_none() {
            let message = "With a selector alone say how long a pod has to hang: give `hung_for`";
            return Err(Failure::invalid_params(message));
        }
        let which = Which {
            namespace: &params.namespace,
            pods: &params.pods,
            selector: params.selector.as_ref(),
            alerts: &ctx.alerts,
        };
        let found = which.find()?;
        if !found.whole {
            let message = "The selector fits more than 1000 pods; give one that means fewer";
            return Err(Failure::invalid_params(message));
        }
        if by_selector && found.pods.is_empty() {
            let message = format!("There are {}: is the selector right?", which.said(0));
            return Err(Failure::not_found(message));
        }
        let mut chosen = Self {
            taken: Vec::new(),
            spared: found.left,
            beyond: Vec::new(),
            asked: which.said(if by_selector {
                found.pods.len()
            } else {
                which.names().len()
            }),
        };
        for pod in found.pods {
            let about: Vec<&Alert> = ctx
                .alerts
                .iter()
                .filter(|alert| which.is_about(alert, pod.name()))
                .collect();
            let left = |why: &str| Left {
                name: pod.name().to_owned(),
                why: why.to_owned(),
            };
            match fate(params, &pod, &about, host::now()) {
                Fate::Taken { sick, force, owner } => chosen.taken.push(Taken {
                    owner,
                    sick,
                    alert: about.first().map(|alert| alert.name.clone()),
                    force,
                    now: host::now(),
                    pod,
                }),
                Fate::Spared(why) => chosen.spared.push(left(why)),
                Fate::Beyond(why) => chosen.beyond.push(left(&why)),
                Fate::Well if by_selector => {}
                Fate::Well => chosen.spared.push(left("it is not in this trouble")),
            }
        }
        Ok(chosen)
    }

    /// The plan where there is nothing to do. Where there would be, it is no plan: somebody has to look.
    pub(crate) fn nothing(self) -> Result<Plan<Data>, Failure> {
        let said = format!("Of {} none is recycled", self.asked);
        if self.beyond.is_empty() {
            let left = self.left();
            let summary = format!("{said}{}", words(&self.spared));
            return Ok(Plan::new(summary).data(Data {
                left,
                ..Data::default()
            }));
        }
        Err(Failure::failed(format!("{said}{}", words(&self.beyond))))
    }

    pub(crate) fn left(&self) -> Vec<LeftData> {
        let all = self.beyond.iter().chain(&self.spared);
        all.map(|left| LeftData {
            name: left.name.clone(),
            why: left.why.clone(),
        })
        .collect()
    }

    pub(crate) fn summary(&self) -> String {
        let names: Vec<&str> = self.taken.iter().map(|taken| taken.pod.name()).collect();
        let forced = self.taken.iter().filter(|taken| taken.force).count();
        let mut said = format!("Of {} evict {}, for good", self.asked, names.join(", "));
        if forced > 0 {
            said.push_str(&format!("; {forced} of them removed by force"));
        }
        let left: Vec<Left> = self.beyond.iter().chain(&self.spared).cloned().collect();
        if !left.is_empty() {
            said.push_str(&format!("; {} left{}", left.len(), words(&left)));
        }
        said
    }

    /// The labels that the pods like these have: what the runbook says, else what their workload says. None where neither does
    /// and there is one pod only.
    pub(crate) fn population(&self, params: &Params) -> Result<Option<Selector>, Failure> {
        if let Some(selector) = &params.selector {
            return Ok(Some(selector.clone()));
        }
        let mut population: Option<Selector> = None;
        for owner in self.owners() {
            let Some(kind) = Kind::known(&owner.api_version, &owner.kind) else {
                if self.taken.len() == 1 {
                    return Ok(None);
                }
                let message = format!(
                    "Whose pods `{owner}` counts cannot be read: give `selector`, which these pods are a share of"
                );
                return Err(Failure::invalid_params(message));
            };
            let named: Named = kind.named(&params.namespace, &owner.name);
            let workload = kubernetes::get(&named).context("for what the pods are a share of")?;
            let labels = Selector::of_workload(workload.at("/spec/selector"), OF_ONE_ROLL_OUT)
                .context(format!("the selector of {named}"))?;
            match &population {
                Some(other) if *other != labels => {
                    let message = format!(
                        "The pods are of several workloads (`{other}`, `{labels}`): recycle them in a step each, or give a `selector` that means all"
                    );
                    return Err(Failure::invalid_params(message));
                }
                _ => population = Some(labels),
            }
        }
        Ok(population)
    }

    fn owners(&self) -> impl Iterator<Item = &Owner> {
        let is_first = |(at, taken): &(usize, &Taken)| {
            self.taken
                .iter()
                .take(*at)
                .all(|earlier| earlier.owner.uid != taken.owner.uid)
        };
        self.taken
            .iter()
            .enumerate()
            .filter(is_first)
            .map(|(_, taken)| &taken.owner)
    }
}

/// `: worker-1 (it is gone), worker-2 (…)`.
fn words(left: &[Left]) -> String {
    let named: Vec<String> = left
        .iter()
        .take(5)
        .map(|left| format!("{} ({})", left.name, left.why))
        .collect();
    let more = left.len().saturating_sub(5);
    match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", named.join(", ")),
        (false, more) => format!(": {} and {more} more", named.join(", ")),
    }
}

fn fate(params: &Params, pod: &Pod, about: &[&Alert], now: Timestamp) -> Fate {
    let what = troubles(params);
    if pod.is_finished() {
        return Fate::Spared("it has run to its end");
    }
    let sick = what.iter().find_map(|what| {
        let sick = pod.sick(*what, now, Looping::default())?;
        let long = params
            .hung_for
            .is_none_or(|least| sick.lasts(now) >= least.as_millis());
        (long || sick.trouble == Trouble::CrashLooping).then_some(sick)
    });
    if !what.is_empty() && sick.is_none() {
        return Fate::Well;
    }
    let resolved = |alert: &&Alert| alert.status == AlertStatus::Resolved;
    if what.is_empty() && !about.is_empty() && about.iter().all(resolved) {
        return Fate::Spared("its alert is resolved");
    }
    if pod.is_static() {
        return Fate::Beyond("its node runs it by itself, whatever is deleted here".to_owned());
    }
    let Some(owner) = pod.controller() else {
        return Fate::Beyond("it has no controller that would make it again".to_owned());
    };
    if owner.kind == "Job" {
        let why = format!("it works for {owner}, which would count it as failed and begin again");
        return Fate::Beyond(why);
    }
    let stuck = pod.sick(Trouble::Terminating, now, Looping::default());
    match (pod.gone_by(), stuck, params.force) {
        (None, _, _) => Fate::Taken {
            sick,
            force: false,
            owner,
        },
        (Some(_), None, _) => Fate::Spared("it is being deleted already"),
        (Some(_), Some(stuck), _) if pod.finalizers().next().is_some() => Fate::Beyond(format!(
            "stuck in Terminating, and force does not help: {}",
            stuck.why
        )),
        (Some(_), Some(stuck), false) => Fate::Beyond(format!(
            "stuck in Terminating, and `force` is not set: {}",
            stuck.why
        )),
        (Some(_), stuck, true) => Fate::Taken {
            sick: stuck,
            force: true,
            owner,
        },
    }
}

/// Which troubles a pod has to be in; none: it is taken as it is named.
fn troubles(params: &Params) -> Vec<Trouble> {
    let by_default = params.pods.is_empty() || params.hung_for.is_some();
    match (params.what.is_empty(), by_default, params.force) {
        (false, _, _) => params.what.clone(),
        (true, false, _) => Vec::new(),
        (true, true, false) => vec![Trouble::Hung],
        (true, true, true) => vec![Trouble::Hung, Trouble::Terminating],
    }
}

impl Taken {
    pub(crate) fn action(&self, params: &Params) -> Action {
        let action = match (self.force, params.grace) {
            (true, _) => Action::delete_object(&self.pod).grace_seconds(0),
            (false, None) => Action::evict(&self.pod),
            (false, Some(grace)) => {
                let seconds = grace.as_millis().div_euclid(1000);
                Action::evict(&self.pod).grace_seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
        };
        action.because(self.reason())
    }

    fn reason(&self) -> String {
        let Self { pod, now, owner, .. } = self;
        let lasts = |sick: &Sick| age(sick.lasts(*now));
        let why = match (&self.sick, &self.alert) {
            (Some(sick), _) if sick.trouble == Trouble::CrashLooping => {
                format!("It crash-loops: {}", sick.why)
            }
            (Some(sick), _) => format!("It {} for {}: {}", sick.trouble.verb(true), lasts(sick), sick.why),
            (None, Some(alert)) => format!("The alert {alert} names it"),
            (None, None) => "The runbook names it".to_owned(),
        };
        let node = pod.node().unwrap_or("no node");
        let old = pod.created().map_or_else(String::new, |created| {
            format!(", {} old", age(now.since(created).as_millis()))
        });
        let then = match (owner.kind.as_str(), self.force) {
            ("StatefulSet", true) => " with the same name, beside the old one where its node still runs that",
            ("StatefulSet", false) => " with the same name",
            (_, true) => "; where its node still runs the old one, that goes on",
            _ => "",
        };
        format!("{why}. It is on {node}{old}; {owner} makes a fresh one{then}")
    }
}

impl From<&Taken> for PodData {
    fn from(taken: &Taken) -> Self {
        Self {
            name: taken.pod.name().to_owned(),
            uid: taken.pod.uid().to_owned(),
            node: taken.pod.node().map(str::to_owned),
            owner: taken.owner.to_string(),
            owner_uid: taken.owner.uid.clone(),
            fresh: None,
        }
    }
}
