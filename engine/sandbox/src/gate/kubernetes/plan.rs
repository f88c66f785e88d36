//! From what a plugin offers to do in a cluster to what people decide on: in canonical form, inside the grant, about the live
//! object, with the host's own look at it and the server's own dry run.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::plan::{Action, CanonicalAction, Capability};
use stanch_contract::text;
use tokio::time::Instant;

use super::super::grant::Grant;
use super::super::plan::{Cause, Unfit, stale, unfit};
use super::super::record::{Layer, Refusal};
use super::entry::Verb;
use super::look::is_secret;
use super::{KindError, wanted};
use crate::kubernetes::before;
use crate::kubernetes::cluster::{Cluster, MOST_OBJECT, ReadError};
use crate::kubernetes::content::{self, About, Content, PatchKind};
use crate::kubernetes::differences::differences;
use crate::kubernetes::discovery::Kind;
use crate::kubernetes::object;
use crate::kubernetes::request::{self, Expect};
use crate::kubernetes::status::Refused;
use crate::kubernetes::target::ObjectTarget;

/// A dry run's text beyond this is cut.
const LONGEST: usize = 1000;

/// Where and with what a plan is checked.
pub(in crate::gate) struct Ground<'a> {
    pub(in crate::gate) grant: &'a Grant,
    pub(in crate::gate) cluster: &'a Cluster,
    pub(in crate::gate) until: Instant,
}

/// A checked action with its object, which the population is compared with.
pub(in crate::gate) struct Checked {
    pub(in crate::gate) action: CanonicalAction,
    pub(super) target: ObjectTarget,
}

/// What an action says by itself.
pub(super) struct Words {
    pub(super) verb: Verb,
    pub(super) target: ObjectTarget,
    pub(super) content: Content,
    pub(super) expect: Option<Expect>,
}

impl Words {
    /// Reads them, without asking any cluster. What does not fit is told in a sentence.
    pub(super) fn read(offered: &Action) -> Result<Self, String> {
        let verb = Verb::parse(&offered.verb).filter(|verb| verb.is_change());
        let verb = verb.ok_or_else(|| content::not_a_verb(&offered.verb))?;
        let target = ObjectTarget::parse(&offered.target, verb.as_str())?;
        if !offered.items.is_empty() {
            return Err("an object has no items: what is done to it is in `content`".to_owned());
        }
        let content = Content::of_plan(verb.as_str(), offered.content.as_deref())?;
        let expect = offered.expect.as_deref().map(Expect::parse).transpose()?;
        preconditioned(verb, expect.as_ref())?;
        Ok(Self {
            verb,
            target,
            content,
            expect,
        })
    }
}

/// What is known of an action before its object is looked at.
struct Asked {
    verb: Verb,
    target: ObjectTarget,
    kind: Kind,
    content: Content,
    expect: Option<Expect>,
}

impl Ground<'_> {
    /// The canonical form of an action.
    pub(in crate::gate) async fn canonical(&self, offered: &Action) -> Result<Checked, Unfit> {
        let asked = self.asked(offered).await?;
        let Asked {
            verb,
            target,
            kind,
            content,
            expect,
        } = &asked;
        let what = format!("{verb} {target}");
        let wanted = wanted(self.cluster, *verb, kind, &target.place, Some(&target.name));
        let permit = self.grant.kubernetes(&wanted).map_err(unfit)?;
        let identity = self
            .cluster
            .identity(self.until)
            .await
            .map_err(|error| self.away(&what, &error))?;
        let live = self.live(kind, target, *verb, &what).await?;
        let labels = match (&live, content.labels()) {
            (_, Some(of_body)) => of_body,
            (Some(live), None) => object::labels(live),
            (None, None) => BTreeMap::new(),
        };
        if !permit.covers(&target.name, &labels) {
            return Err(unfit(
                permit.labels_refused(self.grant.plugin(), &target.to_string()),
            ));
        }
        let expect = still_holds(content, expect.clone(), live.as_ref(), &what)?;
        let dry_run = self.dry_run(&asked, expect.as_ref(), live.as_ref()).await?;
        let before = match &live {
            Some(live) => before::told(target, content, live),
            None => "not there".to_owned(),
        };
        let action = CanonicalAction {
            capability: Capability::Kubernetes,
            verb: verb.as_str().to_owned(),
            target: target.to_string(),
            identity: self::identity(&identity, target),
            content: content.to_text(),
            items: Vec::new(),
            bytes: None,
            repeat_safe: is_repeat_safe(content, expect.as_ref()),
            expect: expect.map(|expect| expect.to_string()),
            before: Some(before),
            dry_run: Some(text::clean_line_to(&dry_run, LONGEST)),
            reason: text::clean_line_to(&offered.reason, 300),
        };
        Ok(Checked {
            action,
            target: asked.target,
        })
    }

    async fn asked(&self, offered: &Action) -> Result<Asked, Unfit> {
        let request = |why: String| unfit(Refusal::new(Layer::Request, why));
        let Words {
            verb,
            target,
            content,
            expect,
        } = Words::read(offered).map_err(request)?;
        let kind = kind_of(self.cluster, &target, &content, self.until)
            .await
            .map_err(|error| match error {
                KindError::Unknown(why) => request(why),
                KindError::Read(error) => self.away(&format!("the kinds of {target}"), &error),
            })?;
        kind.place(target.place.namespace.as_deref()).map_err(request)?;
        if verb.is_of_pods() && target.place.granted_as() != "pods" {
            return Err(request(format!(
                "`{verb}` is of pods, and a {} is none",
                kind.kind
            )));
        }
        if verb == Verb::Scale && !kind.scales {
            return Err(request(format!(
                "a {} has no number of replicas to set",
                kind.kind
            )));
        }
        let api_version = kind.api_version();
        let about = About {
            api_version: &api_version,
            kind: &kind.kind,
            namespace: target.place.namespace.as_deref(),
            name: &target.name,
        };
        let content = content.about(&about).map_err(request)?;
        Ok(Asked {
            verb,
            target,
            kind,
            content,
            expect,
        })
    }

    /// The object as it is; none for what is created.
    async fn live(
        &self,
        kind: &Kind,
        target: &ObjectTarget,
        verb: Verb,
        what: &str,
    ) -> Result<Option<Value>, Unfit> {
        let read = self
            .cluster
            .read_json::<Value>(request::get(kind, target), MOST_OBJECT, self.until)
            .await;
        match (verb, read) {
            (Verb::Create, Ok(_)) => Err(stale(format!("{target} is there already"))),
            (Verb::Create, Err(error)) if error.code() == Some(404) => Ok(None),
            (_, Ok(mut live)) => {
                object::tidy(&mut live);
                Ok(Some(live))
            }
            (_, Err(error)) if error.code() == Some(404) => Err(stale(format!("{target} is not there"))),
            (_, Err(error)) => Err(self.away(what, &error)),
        }
    }

    /// What the server says would come of it. What it would never do is refused here; what it would not do just now is said.
    async fn dry_run(
        &self,
        asked: &Asked,
        expect: Option<&Expect>,
        live: Option<&Value>,
    ) -> Result<String, Unfit> {
        let Asked {
            verb,
            target,
            kind,
            content,
            ..
        } = asked;
        let request = request::change(kind, target, content, expect, true);
        let not_made = |why: &str| Ok(format!("could not be made: {why}"));
        let mut after = match self
            .cluster
            .read_json::<Value>(request, MOST_OBJECT, self.until)
            .await
        {
            Ok(after) => after,
            Err(ReadError::Refused(refused)) => {
                return self.dry_run_refused(&format!("{verb} {target}"), &refused);
            }
            Err(error) => return not_made(&error.failure("it", self.cluster).message),
        };
        object::tidy(&mut after);
        Ok(match content {
            Content::Delete { .. } => "the server would delete it".to_owned(),
            Content::Evict { .. } => "the server would evict it now".to_owned(),
            Content::Create { .. } => "the server would create it".to_owned(),
            Content::Scale { .. } => {
                let now = live
                    .and_then(|live| object::number(live, "/spec/replicas"))
                    .unwrap_or(1);
                let then = object::number(&after, "/spec/replicas").unwrap_or(0);
                format!("spec.replicas: {now} → {then}")
            }
            Content::Patch { .. } => {
                let live = live.unwrap_or(&Value::Null);
                let lines = match is_secret(kind) {
                    true => differences(&object::keys_only(live), &object::keys_only(&after)),
                    false => differences(live, &after),
                };
                if lines.is_empty() {
                    "nothing would change".to_owned()
                } else {
                    lines.join("; ")
                }
            }
        })
    }

    fn dry_run_refused(&self, what: &str, refused: &Refused) -> Result<String, Unfit> {
        if let Some(budget) = refused.budget() {
            return Ok(format!("refused now by its disruption budget: {budget}"));
        }
        let failure = refused.failure(what, self.cluster.name());
        match refused.code() {
            _ if refused.is_overtaken() => Err(stale(failure.message)),
            400 if refused.has_no_dry_run() => Ok(format!("could not be made: {}", refused.message())),
            401 | 403 | 405 | 408 | 429 | 501..=599 => {
                Ok(format!("could not be made: {}", refused.message()))
            }
            _ => Err(unfit(Refusal::new(
                Layer::Request,
                format!("the server's dry run refuses it: {}", refused.message()),
            ))),
        }
    }

    pub(super) fn away(&self, what: &str, error: &ReadError) -> Unfit {
        let failure = error.failure(what, self.cluster);
        Unfit {
            refusal: Refusal::new(Layer::Plan, failure.message),
            cause: Cause::Away(failure.code),
        }
    }
}

/// The kind of a change's target, in the version that its body names, else in the one that the cluster prefers: a body means
/// something in one version only, so what is checked and what is sent have to be of the same.
pub(super) async fn kind_of(
    cluster: &Cluster,
    target: &ObjectTarget,
    content: &Content,
    until: Instant,
) -> Result<Kind, KindError> {
    let version = match content.api_version() {
        None => None,
        Some(named) => {
            let (group, version) = named.split_once('/').unwrap_or(("", named));
            if group != target.place.group {
                let named = text::clean_line_to(named, 80);
                return Err(KindError::Unknown(format!(
                    "its body is of `{named}`, and {target} is of another group"
                )));
            }
            Some(version)
        }
    };
    cluster.resource(&target.place, version, until).await
}

/// What locks and counts go by: the same for one object whatever its cluster is called.
pub(super) fn identity(cluster: &str, target: &ObjectTarget) -> String {
    let target = target.to_string();
    format!(
        "{cluster}/{}",
        target.strip_prefix("kubernetes:").unwrap_or(&target)
    )
}

/// The precondition, which holds now. Where a plan names none it is that the object is this very one; of a `scale` also that
/// it is asked for as many replicas as now, because what somebody has set meanwhile is theirs.
fn still_holds(
    content: &Content,
    expect: Option<Expect>,
    live: Option<&Value>,
    what: &str,
) -> Result<Option<Expect>, Unfit> {
    let Some(live) = live else { return Ok(None) };
    let expect = expect.unwrap_or_else(|| Expect::Uid(object::uid(live).to_owned()));
    if expect.uid().is_some_and(|uid| uid != object::uid(live)) {
        return Err(stale(format!(
            "{what}: it is another object of this name than the plugin saw"
        )));
    }
    let now = matches!(content, Content::Scale { .. })
        .then(|| object::replicas(live))
        .flatten();
    match (expect, now) {
        (Expect::Version(version), _) if version != object::version(live) => {
            Err(stale(format!("{what}: it was changed since the plugin looked")))
        }
        (Expect::Replicas { from, .. }, Some(now)) if from != now => Err(stale(format!(
            "{what}: it is asked for {now} replicas, and was for {from} when the plugin looked"
        ))),
        (Expect::Uid(uid), Some(from)) => Ok(Some(Expect::Replicas { uid, from })),
        (expect, _) => Ok(Some(expect)),
    }
}

/// Whether a change says in `expect` what its verb needs said there.
fn preconditioned(verb: Verb, expect: Option<&Expect>) -> Result<(), String> {
    match (verb, expect) {
        (Verb::Delete | Verb::Evict, Some(Expect::Uid(_)))
        | (Verb::Scale, _)
        | (Verb::Patch, None | Some(Expect::Uid(_) | Expect::Version(_)))
        | (Verb::Create, None) => Ok(()),
        (Verb::Patch, Some(Expect::Replicas { .. })) => {
            Err("a number of replicas can be expected of a `scale` only".to_owned())
        }
        (Verb::Create, Some(_)) => Err("what is created cannot be expected to be something yet".to_owned()),
        _ => Err(format!(
            "a `{verb}` says in `expect` which object it means, as `uid:…` of its metadata: another one of the same name may take its place"
        )),
    }
}

/// A delete or eviction of one uid, a write to one version, and a server-side apply have no second effect.
pub(super) fn is_repeat_safe(content: &Content, expect: Option<&Expect>) -> bool {
    match content {
        Content::Delete { .. } | Content::Evict { .. } => matches!(expect, Some(Expect::Uid(_))),
        Content::Patch {
            kind: PatchKind::Apply,
            ..
        } => true,
        Content::Patch { .. } | Content::Scale { .. } => matches!(expect, Some(Expect::Version(_))),
        Content::Create { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_repeat_is_safe_by_construction_or_not_at_all() {
        let (uid, version) = (Expect::Uid("u".into()), Expect::Version("1".into()));
        let from = Expect::Replicas {
            uid: "u".into(),
            from: 1,
        };
        let patch = |kind| Content::Patch {
            kind,
            body: json!({}),
        };
        let table = [
            (Content::Delete { grace: None }, Some(&uid), true),
            (Content::Evict { grace: Some(0) }, Some(&uid), true),
            (Content::Scale { replicas: 3 }, Some(&version), true),
            (Content::Scale { replicas: 3 }, Some(&uid), false),
            // Somebody may put the old number back in between.
            (Content::Scale { replicas: 3 }, Some(&from), false),
            (patch(PatchKind::Merge), Some(&version), true),
            (patch(PatchKind::Merge), Some(&uid), false),
            (patch(PatchKind::Strategic), Some(&uid), false),
            (patch(PatchKind::Json), Some(&uid), false),
            (patch(PatchKind::Json), Some(&version), true),
            (patch(PatchKind::Apply), Some(&uid), true),
            (Content::Create { body: json!({}) }, None, false),
        ];
        for (content, expect, safe) in table {
            assert_eq!(is_repeat_safe(&content, expect), safe, "{content:?} {expect:?}");
        }
    }
}
