//! What would be changed, and what was.
//!
//! [`ChangePlan`] and [`Action`] are a plugin's words. The gate checks them against the grant and makes a
//! [`CheckedPlan`] of [`CanonicalAction`]s: the host's own identity of each target, the exact content, whether a repeat
//! is safe. Only that is shown, decided on, locked, journalled and sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::finding::Evidence;
use crate::ids::{RunId, StepId};

/// One change that a plugin asks for. The words are those of plugin.wit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// kubernetes: delete, evict, patch, create, scale; http: the method; files: write, remove.
    pub verb: String,
    /// `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME[/SUBRESOURCE]`, `https://HOST/PATH?QUERY`, `file:PATH`.
    pub target: String,
    /// What must still hold: `uid:…`, `version:…`, `etag:…`, `modified-ms:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// The exact content, as canonical JSON or `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Members of the target acted on in one call: files of a folder, as `PATH@MODIFIED-MS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Why, in the plugin's words.
    #[serde(default)]
    pub reason: String,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

/// What a plugin would do. Nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangePlan {
    /// One sentence.
    pub summary: String,
    /// Empty: nothing to do.
    pub actions: Vec<Action>,
    /// The things like those acted on, for limits given as a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<String>,
    /// For the plugin's own use in `apply`, and for later steps.
    #[serde(default)]
    pub data: Value,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

/// Through which capability of the host an action goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// A Kubernetes API server.
    Kubernetes,
    /// An HTTP server.
    Http,
    /// A folder that the operator named.
    Files,
}

impl Capability {
    /// The word that stanch.toml uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Http => "http",
            Self::Files => "files",
        }
    }
}

/// One action as the host holds it: checked against the grant, in canonical form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CanonicalAction {
    /// Through which capability.
    pub capability: Capability,
    /// The verb, in the capability's own case (HTTP methods in upper case).
    pub verb: String,
    /// The target in canonical form: a normalised URL, a path without `.` and `..` under the grant's `at`.
    pub target: String,
    /// The host's own identity of what is acted on, for locks and for counting targets: cluster key and target, URL,
    /// real path of the granted folder.
    pub identity: String,
    /// The precondition that the host sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// The exact content: canonical JSON, or `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Members acted on, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// Sum of the members' sizes where the host knows it, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Sending it again has no second effect: by construction, or because the manifest says idempotent.
    pub repeat_safe: bool,
    /// What the host read of the target before, for the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the target itself says that would come of it, for the question: a Kubernetes API server's own dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<String>,
    /// The plugin's reason, cleaned.
    #[serde(default)]
    pub reason: String,
}

impl CanonicalAction {
    /// The Kubernetes namespace that is acted in; `None` where it is not in one.
    pub fn namespace(&self) -> Option<&str> {
        let (namespace, _) = self.target.strip_prefix("kubernetes:")?.split_once('/')?;
        (namespace != "_").then_some(namespace)
    }

    /// What the decision is about: verb, target, precondition, content and members, nothing that only explains.
    pub fn essence(&self) -> Value {
        json!({
            "verb": self.verb, "target": self.target, "expect": self.expect,
            "content": self.content, "items": self.items,
        })
    }

    /// Whether this is `of` with the same or fewer members: what may be applied under a yes to `of`.
    fn is_within(&self, of: &Self) -> bool {
        self.expect == of.expect && self.is_within_but_for_expect(of)
    }

    fn is_within_but_for_expect(&self, of: &Self) -> bool {
        self.verb == of.verb
            && self.target == of.target
            && self.content == of.content
            && (self.items == of.items
                || (!self.items.is_empty() && self.items.iter().all(|item| of.items.contains(item))))
    }
}

/// The things like those acted on, as the host counted them when it checked the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Population {
    /// What they are: `kubernetes:NAMESPACE/GROUP/RESOURCE?LABEL-SELECTOR`.
    pub what: String,
    /// How many there are.
    pub total: u32,
    /// How many of them are Ready.
    pub ready: u32,
    /// The plan's targets that are Ready members, by the host's own identity.
    #[serde(default)]
    pub ready_targets: Vec<String>,
}

impl Population {
    /// How many Ready ones remain besides what these actions act on.
    pub fn ready_besides(&self, actions: &[CanonicalAction]) -> u32 {
        let acted_on = self
            .ready_targets
            .iter()
            .filter(|target| actions.iter().any(|action| action.identity == **target));
        let acted_on = u32::try_from(acted_on.count()).unwrap_or(u32::MAX);
        self.ready.saturating_sub(acted_on)
    }
}

/// A plan that passed the gate's check. Serialisable, because runs pin it; a plan read back from a journal is checked
/// again before anything of it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckedPlan {
    /// The plugin's sentence, cleaned.
    pub summary: String,
    /// What would be done, in the plugin's order. Empty: nothing to do.
    pub actions: Vec<CanonicalAction>,
    /// The things like those acted on; absent where the plugin names none, or the host could not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    /// The plan as the plugin gave it: what `apply` is handed.
    pub offered: ChangePlan,
}

impl CheckedPlan {
    /// The distinct things acted on, as capability and the host's own identity.
    pub fn targets(&self) -> Vec<(Capability, &str)> {
        let mut targets: Vec<_> = self
            .actions
            .iter()
            .map(|a| (a.capability, a.identity.as_str()))
            .collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// What is done to its first `size` targets, and what remains. The actions on one target stay together.
    pub fn split(&self, size: u32) -> (Self, Self) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut first: Vec<(Capability, &str)> = Vec::new();
        for action in &self.actions {
            let target = (action.capability, action.identity.as_str());
            if first.len() < size && !first.contains(&target) {
                first.push(target);
            }
        }
        let is_first = |action: &CanonicalAction| first.contains(&(action.capability, &action.identity));
        let part = |wanted: bool| {
            let mut part = self.clone();
            // What the plugin offered has the same order as what the gate made of it.
            let mut keep = self.actions.iter().map(|action| is_first(action) == wanted);
            part.offered.actions.retain(|_| keep.next().unwrap_or(wanted));
            part.actions.retain(|action| is_first(action) == wanted);
            part
        };
        (part(true), part(false))
    }

    /// How a fresh plan compares with the one that was decided on.
    pub fn compare(&self, fresh: &Self) -> Comparison {
        self.compare_by(fresh, CanonicalAction::is_within)
    }

    /// As [`CheckedPlan::compare`], of a plan that was made before the stage before it was applied: what must hold for it
    /// (`expect`) is what the host read since.
    pub fn compare_after_a_stage(&self, fresh: &Self) -> Comparison {
        self.compare_by(fresh, CanonicalAction::is_within_but_for_expect)
    }

    fn compare_by(
        &self,
        fresh: &Self,
        is_within: fn(&CanonicalAction, &CanonicalAction) -> bool,
    ) -> Comparison {
        let mut left: Vec<&CanonicalAction> = self.actions.iter().collect();
        let mut smaller = false;
        for action in &fresh.actions {
            let Some(at) = left.iter().position(|of| is_within(action, of)) else {
                return Comparison::Different;
            };
            let of = left.remove(at);
            smaller |= action.items.len() != of.items.len();
        }
        if smaller || !left.is_empty() {
            Comparison::Subset
        } else {
            Comparison::Same
        }
    }
}

/// A fresh plan beside the decided one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// The same actions.
    Same,
    /// Fewer actions, or fewer members of them: covered by the decision.
    Subset,
    /// Something that was not decided on.
    Different,
}

/// What a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct PlanDigest(Digest);

/// What goes into a [`PlanDigest`] besides the actions.
#[derive(Debug, Clone, Copy)]
pub struct DecisionBasis<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepId,
    /// The runbook's text.
    pub runbook: Digest,
    /// The plugin's component.
    pub plugin: Digest,
    /// The operator's settings of this installation.
    pub settings: Digest,
    /// The parameters, evaluated.
    pub params: &'a Value,
}

impl PlanDigest {
    /// SHA-256 of the canonical JSON of {run, step, runbook, plugin, settings, params, actions sorted by verb, target,
    /// expect, content, items}. Summaries, reasons and data are not in it.
    pub fn new(basis: &DecisionBasis<'_>, actions: &[CanonicalAction]) -> Self {
        let mut essences: Vec<Value> = actions.iter().map(CanonicalAction::essence).collect();
        essences.sort_by_key(sort_key);
        Self(Digest::of_json(&json!({
            "run": basis.run, "step": basis.step, "runbook": basis.runbook, "plugin": basis.plugin,
            "settings": basis.settings, "params": basis.params, "actions": essences,
        })))
    }

    /// The digest itself.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl From<Digest> for PlanDigest {
    /// As a person wrote it; it is only ever compared.
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

fn sort_key(essence: &Value) -> Vec<String> {
    ["verb", "target", "expect", "content", "items"]
        .iter()
        .map(|name| {
            essence
                .get(name)
                .map(crate::canonical::to_string)
                .unwrap_or_default()
        })
        .collect()
}

/// What became of one action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ActionState {
    /// It was not sent.
    NotSent,
    /// It was sent and answered: it took effect.
    Done {
        /// What the target answered, in a sentence.
        detail: String,
    },
    /// It was sent and the target refused, or the host refused to send it: it took no effect.
    Refused {
        /// Who refused and why.
        detail: String,
        /// It was turned away for now, as by a disruption budget or a rate limit: it may be sent again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_now: bool,
    },
    /// It was started and has no definite answer.
    Unknown {
        /// What is known.
        detail: String,
    },
}

impl ActionState {
    /// A refusal for good.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::Refused {
            detail: detail.into(),
            for_now: false,
        }
    }

    /// The contract's word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Done { .. } => "done",
            Self::Refused { .. } => "refused",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The sentence that goes with it; empty where there is none.
    pub fn detail(&self) -> &str {
        match self {
            Self::NotSent => "",
            Self::Done { detail } | Self::Refused { detail, .. } | Self::Unknown { detail } => detail,
        }
    }
}

/// What became of each action of a plan, by its place in it.
pub type Progress = BTreeMap<u32, ActionState>;

/// What a plugin says that it did. It cannot end a doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// One sentence.
    pub summary: String,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// What later steps can read.
    #[serde(default)]
    pub data: Value,
    /// What else the plugin said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
}

/// What was tried, also where apply failed, trapped, or the engine died in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptMade {
    /// The plan that was applied.
    pub plan: CheckedPlan,
    /// What the host saw of each action; one that is missing was not sent.
    pub progress: Progress,
    /// What the plugin said, where it came to say something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(target: &str, items: &[&str]) -> CanonicalAction {
        CanonicalAction {
            dry_run: None,
            capability: Capability::Files,
            verb: "remove".into(),
            target: target.into(),
            identity: target.into(),
            expect: None,
            content: None,
            items: items.iter().map(|s| s.to_string()).collect(),
            bytes: None,
            repeat_safe: true,
            before: None,
            reason: String::new(),
        }
    }

    fn plan(actions: Vec<CanonicalAction>) -> CheckedPlan {
        let offered = ChangePlan {
            summary: String::new(),
            actions: vec![],
            population: None,
            data: Value::Null,
            extra: Value::Null,
        };
        CheckedPlan {
            population: None,
            summary: String::new(),
            actions,
            offered,
        }
    }

    #[test]
    fn a_fresh_plan_is_the_same_a_subset_or_different() {
        let decided = plan(vec![action("a", &["1", "2"]), action("b", &[])]);
        let table = [
            (
                plan(vec![action("b", &[]), action("a", &["1", "2"])]),
                Comparison::Same,
            ),
            (
                plan(vec![action("a", &["2"]), action("b", &[])]),
                Comparison::Subset,
            ),
            (plan(vec![action("b", &[])]), Comparison::Subset),
            (plan(vec![]), Comparison::Subset),
            (plan(vec![action("a", &["3"])]), Comparison::Different),
            (plan(vec![action("c", &[])]), Comparison::Different),
            (
                plan(vec![action("b", &[]), action("b", &[])]),
                Comparison::Different,
            ),
            // Without members a call is about the whole target: more than was decided on.
            (plan(vec![action("a", &[])]), Comparison::Different),
        ];
        for (fresh, expected) in table {
            assert_eq!(decided.compare(&fresh), expected, "{fresh:?}");
        }
    }

    #[test]
    fn a_plan_is_split_by_targets_and_not_between_the_actions_on_one() {
        let whole = plan(vec![
            action("a", &["1"]),
            action("b", &[]),
            action("a", &["2"]),
            action("c", &[]),
        ]);
        let names = |plan: &CheckedPlan| -> Vec<String> {
            plan.actions.iter().map(|action| action.target.clone()).collect()
        };
        let table = [
            (1, vec!["a", "a"], vec!["b", "c"]),
            (2, vec!["a", "b", "a"], vec!["c"]),
            (3, vec!["a", "b", "a", "c"], vec![]),
            (9, vec!["a", "b", "a", "c"], vec![]),
        ];
        for (size, first, rest) in table {
            let (now, later) = whole.split(size);
            assert_eq!((names(&now), names(&later)), (own(&first), own(&rest)), "{size}");
        }
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_digest_is_about_what_is_done_and_not_about_how_it_is_told() {
        let (run, step, params) = (RunId::from("r"), StepId::from("s"), json!({"a": 1}));
        let zero = Digest::of(b"");
        let basis = DecisionBasis {
            run: &run,
            step: &step,
            runbook: zero,
            plugin: zero,
            settings: zero,
            params: &params,
        };
        let one = PlanDigest::new(&basis, &[action("a", &["1"]), action("b", &[])]);
        let mut told_otherwise = action("a", &["1"]);
        told_otherwise.reason = "another reason".into();
        assert_eq!(PlanDigest::new(&basis, &[action("b", &[]), told_otherwise]), one);
        assert_ne!(
            PlanDigest::new(&basis, &[action("a", &["2"]), action("b", &[])]),
            one
        );
        let other = json!({"a": 2});
        assert_ne!(
            PlanDigest::new(
                &DecisionBasis {
                    params: &other,
                    ..basis
                },
                &[action("a", &["1"]), action("b", &[])]
            ),
            one
        );
    }
}
