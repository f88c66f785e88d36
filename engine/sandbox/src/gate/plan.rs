//! From what a plugin offers to a plan that people decide on: each action in canonical form, inside the grant, with the host's
//! own identity of its target and the host's own look at it.
//!
//! A plan that breaks a rule is refused whole, never trimmed.

use std::sync::Arc;
use std::time::Duration;

use stanch_contract::plan::{Action, CanonicalAction, Capability, ChangePlan, CheckedPlan};
use stanch_contract::{ByteSize, Digest, Failure, FailureCode, Population, Timestamp, text};
use tokio::time::Instant;

use super::entry::method;
use super::facilities::Facilities;
use super::grant::{Grant, Use};
use super::kubernetes::plan::{Checked, Ground};
use super::record::{Layer, Refusal};
use crate::files::Folders;
use crate::files::folder::{Folder, reason};
use crate::files::path::{FilePath, Item};
use crate::http::content;
use crate::http::target::HttpTarget;
use crate::kubernetes::cluster::Cluster;
use crate::secret::Redactor;

/// A plan with more actions is refused; the operator's guardrails are far below.
const MOST_ACTIONS: usize = 256;
/// All members of all actions together.
const MOST_ITEMS: usize = 100_000;
/// The content of one action, in bytes.
const MOST_CONTENT: usize = 1 << 20;
/// A plan that cannot be checked in this time is not one that can be applied.
const LONGEST: Duration = Duration::from_secs(60);

/// Why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRefusal {
    /// Which action, from 0; `None` where it is the plan as a whole.
    pub action: Option<u32>,
    /// What that action is, for messages.
    pub what: String,
    /// Which layer refused, why, and what would allow it.
    pub refusal: Refusal,
    /// What it rests on.
    pub cause: Cause,
}

/// What a refusal of a plan rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A rule: the same plan is refused again.
    Rule,
    /// The plan was overtaken by the world (a file or an object is gone or changed): planning again may give one that is not
    /// refused.
    Stale,
    /// What it is about could not be looked at: so it failed.
    Away(FailureCode),
}

/// Why an action does not fit.
pub(super) struct Unfit {
    pub(super) refusal: Refusal,
    pub(super) cause: Cause,
}

/// By a rule.
pub(super) fn unfit(refusal: Refusal) -> Unfit {
    Unfit {
        refusal,
        cause: Cause::Rule,
    }
}

/// Overtaken by the world.
pub(super) fn stale(why: String) -> Unfit {
    Unfit {
        refusal: Refusal::new(Layer::Plan, why).hint("a new plan"),
        cause: Cause::Stale,
    }
}

impl PlanRefusal {
    /// In a run's words: one that was overtaken by the world is `conflict`, so that it is made again.
    pub fn to_failure(&self) -> Failure {
        let mut failure = self.refusal.to_failure();
        match self.cause {
            Cause::Rule => {}
            Cause::Stale => failure.code = FailureCode::Conflict,
            Cause::Away(code) => failure.code = code,
        }
        failure.message = self.to_string();
        if let Some(hint) = &self.refusal.allow_hint {
            failure.message = format!("{}; to allow it: {hint}", failure.message);
        }
        failure
    }
}

impl std::fmt::Display for PlanRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.action {
            Some(index) => write!(
                f,
                "action {} of the plan ({}): {}",
                index + 1,
                self.what,
                self.refusal.why
            ),
            None => write!(f, "the plan: {}", self.refusal.why),
        }
    }
}

impl std::error::Error for PlanRefusal {}

/// Checks a plan against the grant and puts it into canonical form.
///
/// `on` is the cluster of stanch.toml that the step is bound to; `idempotent` is the manifest's promise that a repeat under one
/// idempotency key has no second effect.
///
/// # Errors
/// The first rule that the plan breaks.
pub async fn check_plan(
    plan: ChangePlan,
    grant: &Arc<Grant>,
    facilities: &Arc<Facilities>,
    on: Option<&str>,
    idempotent: bool,
) -> Result<CheckedPlan, PlanRefusal> {
    let whole = |unfit: Unfit| PlanRefusal {
        action: None,
        what: String::new(),
        refusal: unfit.refusal,
        cause: unfit.cause,
    };
    let limit = |why: String| whole(unfit(Refusal::new(Layer::Limit, why)));
    if plan.actions.len() > MOST_ACTIONS {
        return Err(limit(format!(
            "it has {} actions, and at most {MOST_ACTIONS} are looked at",
            plan.actions.len()
        )));
    }
    let items: usize = plan.actions.iter().map(|action| action.items.len()).sum();
    if items > MOST_ITEMS {
        return Err(limit(format!(
            "it names {items} files, and at most {MOST_ITEMS} are looked at"
        )));
    }
    let until = Instant::now() + LONGEST;
    let cluster = cluster_of(&plan, facilities, on)?;
    let ground = cluster.as_deref().map(|cluster| Ground {
        grant,
        cluster,
        until,
    });
    let (mut actions, mut objects): (Vec<CanonicalAction>, Vec<Checked>) = (Vec::new(), Vec::new());
    for (index, offered) in plan.actions.iter().enumerate() {
        let refuse = |unfit: Unfit| PlanRefusal {
            action: u32::try_from(index).ok(),
            what: named(offered),
            refusal: unfit.refusal,
            cause: unfit.cause,
        };
        if offered
            .content
            .as_ref()
            .is_some_and(|content| content.len() > MOST_CONTENT)
        {
            let why = "its content is larger than 1 MiB";
            return Err(refuse(unfit(Refusal::new(Layer::Limit, why))));
        }
        let action = match &ground {
            Some(ground) if is_of_a_cluster(offered) => {
                let checked = Box::pin(ground.canonical(offered)).await.map_err(refuse)?;
                let action = checked.action.clone();
                objects.push(checked);
                action
            }
            _ => {
                let mut action = canonical(offered, grant, facilities).await.map_err(refuse)?;
                // The promise is about idempotency keys, which an API server of a cluster does not take.
                action.repeat_safe |= idempotent;
                action
            }
        };
        // The gate finds the action that a call is by these; two that are alike in them could not be told apart.
        let alike = |other: &&CanonicalAction| {
            other.verb == action.verb
                && other.target == action.target
                && other.content == action.content
                && other.items == action.items
        };
        if let Some(first) = actions.iter().position(|other| alike(&other)) {
            let why = format!("it is the same as action {}: each is sent once", first + 1);
            return Err(refuse(unfit(Refusal::new(Layer::Plan, why))));
        }
        actions.push(action);
    }
    let population = match (&plan.population, &ground) {
        (Some(named), Some(ground)) if !objects.is_empty() => {
            counted(ground, named, &objects).await.map_err(whole)?
        }
        _ => None,
    };
    let redactor = secrets_of(grant, facilities);
    for action in &mut actions {
        action.before = action.before.take().map(|before| redactor.text(before));
        action.dry_run = action.dry_run.take().map(|dry_run| redactor.text(dry_run));
    }
    Ok(CheckedPlan {
        population,
        summary: text::clean_to(&plan.summary, 500),
        actions,
        offered: plan,
    })
}

/// The action, for messages.
fn named(offered: &Action) -> String {
    text::clean_line_to(&format!("{} {}", offered.verb, offered.target), 200)
}

fn is_of_a_cluster(offered: &Action) -> bool {
    offered.target.starts_with("kubernetes:")
}

/// The cluster that the plan's objects are in; `None` where it has none.
fn cluster_of(
    plan: &ChangePlan,
    facilities: &Facilities,
    on: Option<&str>,
) -> Result<Option<Arc<Cluster>>, PlanRefusal> {
    let mut numbered = (0_u32..).zip(&plan.actions);
    let Some((at, first)) = numbered.find(|(_, action)| is_of_a_cluster(action)) else {
        return Ok(None);
    };
    let refuse = |refusal: Refusal, cause| PlanRefusal {
        action: Some(at),
        what: named(first),
        refusal,
        cause,
    };
    let Some(on) = on else {
        let refusal = Refusal::new(Layer::Grant, "the step is bound to no cluster");
        return Err(refuse(
            refusal.hint("`on = \"CLUSTER\"` in the step"),
            Cause::Rule,
        ));
    };
    match facilities.clusters.get(on) {
        Ok(cluster) => Ok(Some(cluster)),
        Err(why) => Err(refuse(
            Refusal::new(Layer::Plan, why),
            Cause::Away(FailureCode::Unavailable),
        )),
    }
}

/// The population. Of a plan with one target no share is taken, so it may do without where it cannot be counted now.
async fn counted(ground: &Ground<'_>, named: &str, objects: &[Checked]) -> Result<Option<Population>, Unfit> {
    let one =
        |checked: &Checked| checked.action.identity == objects.first().map_or("", |one| &one.action.identity);
    match Box::pin(ground.population(named, objects)).await {
        Ok(population) => Ok(Some(population)),
        Err(Unfit {
            cause: Cause::Away(_),
            ..
        }) if objects.iter().all(one) => Ok(None),
        Err(unfit) => Err(unfit),
    }
}

fn secrets_of(grant: &Grant, facilities: &Facilities) -> Redactor {
    let names = grant.secret_names();
    let secrets: Vec<_> = names
        .into_iter()
        .filter_map(|name| facilities.secrets.get(name))
        .collect();
    Redactor::new(secrets.iter().map(AsRef::as_ref))
}

fn request(why: impl Into<String>) -> Unfit {
    unfit(Refusal::new(Layer::Request, why))
}

async fn canonical(
    offered: &Action,
    grant: &Arc<Grant>,
    facilities: &Facilities,
) -> Result<CanonicalAction, Unfit> {
    if !offered.target.starts_with("file:") {
        return http(offered, grant, facilities);
    }
    let look: fn(&Action, &Grant, &Folders) -> Result<CanonicalAction, Unfit> = match offered.verb.as_str() {
        "remove" => remove,
        "write" => write,
        _ => return Err(request("the verb for a file is `write` or `remove`")),
    };
    // Files are looked at, which blocks.
    let (offered, grant, folders) = (offered.clone(), grant.clone(), facilities.folders.clone());
    let checked = tokio::task::spawn_blocking(move || look(&offered, &grant, &folders)).await;
    checked.unwrap_or_else(|error| {
        Err(unfit(Refusal::new(
            Layer::Limit,
            format!("it could not be checked: {error}"),
        )))
    })
}

fn http(offered: &Action, grant: &Grant, facilities: &Facilities) -> Result<CanonicalAction, Unfit> {
    let method = method(&offered.verb).map_err(request)?;
    let target = HttpTarget::parse(&offered.target).map_err(|error| request(error.to_string()))?;
    let permit = grant.http(false, &method, &target).map_err(unfit)?;
    if permit.usage == Use::Read {
        let why = "the grant has it under `read`: it is sent without being planned";
        let hint = format!("`change` in {}", permit.entry.line(grant.plugin()));
        return Err(unfit(Refusal::new(Layer::Grant, why).hint(hint)));
    }
    for name in permit
        .entry
        .headers
        .iter()
        .flat_map(|(_, template)| template.names())
    {
        if facilities.secrets.get(name).is_none() {
            let why = crate::secret::MissingSecret(name.to_owned()).to_string();
            return Err(unfit(
                Refusal::new(Layer::Grant, why).hint(format!("`{name}` in [secrets]")),
            ));
        }
    }
    if !offered.items.is_empty() {
        return Err(request("a request has no items"));
    }
    if let Some(expect) = &offered.expect {
        etag(expect).map_err(request)?;
    }
    let content = content::of_plan(&method, offered.content.as_deref()).map_err(request)?;
    Ok(CanonicalAction {
        dry_run: None,
        capability: Capability::Http,
        verb: method.as_str().to_owned(),
        target: target.as_str().to_owned(),
        identity: target.as_str().to_owned(),
        content,
        items: Vec::new(),
        bytes: None,
        // The server applies it to the one version it was made for. Without an ETag even a PUT may undo somebody's later one.
        repeat_safe: offered.expect.is_some(),
        expect: offered.expect.clone(),
        before: None,
        reason: text::clean_line_to(&offered.reason, 300),
    })
}

/// The entity tag of `etag:"…"`: a strong one, because `If-Match` never matches a weak one (RFC 9110 §13.1.1). A space in it is
/// not of that grammar, and Caddy's admin API has one in each.
pub(crate) fn etag(expect: &str) -> Result<&str, String> {
    let shown = || text::clean_line_to(expect, 80);
    let tag = expect.strip_prefix("etag:").ok_or_else(|| {
        format!(
            "`{}` is not what a request can expect: write `etag:\"…\"`",
            shown()
        )
    })?;
    let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    match inner {
        Some(inner)
            if inner
                .bytes()
                .all(|b| matches!(b, 0x20 | 0x21) || (0x23..=0x7e).contains(&b)) =>
        {
            Ok(tag)
        }
        _ => Err(format!(
            "`{}` is not a strong entity tag: write `etag:\"…\"` with the server's own quotes",
            shown()
        )),
    }
}

/// The time of `modified-ms:…`.
pub(crate) fn modified_ms(expect: &str) -> Result<i64, String> {
    let shown = || text::clean_line_to(expect, 80);
    let number = expect
        .strip_prefix("modified-ms:")
        .and_then(|ms| ms.parse::<i64>().ok());
    let number = number.filter(|ms| format!("modified-ms:{ms}") == expect);
    number.ok_or_else(|| {
        format!(
            "`{}` is not what a file can expect: write `modified-ms:` and a whole number",
            shown()
        )
    })
}

fn open(offered: &Action, grant: &Grant, folders: &Folders) -> Result<(FilePath, Folder, String), Unfit> {
    let path = FilePath::of_target(&offered.target).map_err(|error| request(error.to_string()))?;
    let entry = grant.files(path.at(), Use::Change).map_err(unfit)?;
    let folder = folders.open(&entry.path).map_err(|error| {
        let why = format!(
            "the granted folder `{}` cannot be opened: {}",
            path.at(),
            reason(&error)
        );
        unfit(Refusal::new(Layer::Grant, why))
    })?;
    let identity = folder.real.to_string_lossy().into_owned();
    Ok((path, folder, identity))
}

fn remove(offered: &Action, grant: &Grant, folders: &Folders) -> Result<CanonicalAction, Unfit> {
    let (target, folder, identity) = open(offered, grant, folders)?;
    if offered.content.is_some() || offered.expect.is_some() {
        return Err(request(
            "a removal has neither content nor expect: its items say what is expected",
        ));
    }
    if offered.items.is_empty() {
        return Err(request(
            "it names no items, and nothing is never everything: name each file as `PATH@MODIFIED-MS`",
        ));
    }
    let mut items = Vec::with_capacity(offered.items.len());
    let (mut bytes, mut oldest, mut newest) = (0_u64, i64::MAX, i64::MIN);
    for text in &offered.items {
        let item = Item::parse(text).map_err(request)?;
        if !item.path.is_below(&target) {
            return Err(request(format!("`{}` is not in `{target}`", item.path)));
        }
        let Some((parts, name)) = item.path.split_last() else {
            return Err(request(format!("`{}` is the folder itself", item.path)));
        };
        let seen = folder
            .seen(parts, name)
            .map_err(|error| request(format!("`{}`: {}", item.path, reason(&error))))?;
        let seen = seen.ok_or_else(|| stale(format!("`{}` is not there", item.path)))?;
        if !seen.is_file {
            return Err(request(format!("`{}` is not a regular file", item.path)));
        }
        if seen.modified_ms != item.modified_ms {
            return Err(stale(format!(
                "`{}` was modified since the plugin looked",
                item.path
            )));
        }
        bytes = bytes.saturating_add(seen.bytes);
        oldest = oldest.min(seen.modified_ms);
        newest = newest.max(seen.modified_ms);
        items.push(item.to_string());
    }
    items.sort_unstable();
    if let Some(twice) = items.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one.clone()),
        _ => None,
    }) {
        return Err(request(format!("`{twice}` is named twice")));
    }
    let before = format!(
        "{} file{} of {} in `{}`, last modified between {} and {}",
        items.len(),
        if items.len() == 1 { "" } else { "s" },
        ByteSize(bytes),
        text::clean_line(&identity),
        Timestamp(oldest),
        Timestamp(newest),
    );
    Ok(CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: "remove".to_owned(),
        target: target.to_target(),
        identity,
        expect: None,
        content: None,
        items,
        bytes: Some(bytes),
        // Each file is removed only if it is the one that was seen; one that is gone stays gone.
        repeat_safe: true,
        before: Some(before),
        reason: text::clean_line_to(&offered.reason, 300),
    })
}

fn write(offered: &Action, grant: &Grant, folders: &Folders) -> Result<CanonicalAction, Unfit> {
    let (target, folder, identity) = open(offered, grant, folders)?;
    if !offered.items.is_empty() {
        return Err(request("a write has no items"));
    }
    let Some((parts, name)) = target.split_last() else {
        return Err(request(format!("`{target}` is the folder itself")));
    };
    let digest = offered
        .content
        .as_deref()
        .and_then(|content| content.strip_prefix("sha256:"));
    let digest = digest.and_then(|hex| hex.parse::<Digest>().ok());
    let digest = digest
        .ok_or_else(|| request("a write needs its content in the plan: write \"sha256:…\" of the bytes"))?;
    let expect = offered
        .expect
        .as_deref()
        .map(modified_ms)
        .transpose()
        .map_err(request)?;
    let seen = folder
        .seen(parts, name)
        .map_err(|error| request(format!("`{target}`: {}", reason(&error))))?;
    let before = match seen {
        None if expect.is_some() => return Err(stale(format!("`{target}` is not there"))),
        None => "no file".to_owned(),
        Some(seen) if !seen.is_file => return Err(request(format!("`{target}` is not a regular file"))),
        Some(seen) if expect.is_some_and(|expected| expected != seen.modified_ms) => {
            return Err(stale(format!("`{target}` was modified since the plugin looked")));
        }
        Some(seen) => format!(
            "a file of {}, last modified {}",
            ByteSize(seen.bytes),
            Timestamp(seen.modified_ms)
        ),
    };
    Ok(CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: "write".to_owned(),
        target: target.to_target(),
        identity,
        expect: offered.expect.clone(),
        content: Some(format!("sha256:{digest}")),
        items: Vec::new(),
        bytes: None,
        // Only where it names the version that it replaces: else it may undo somebody's later write.
        repeat_safe: expect.is_some(),
        before: Some(before),
        reason: text::clean_line_to(&offered.reason, 300),
    })
}
