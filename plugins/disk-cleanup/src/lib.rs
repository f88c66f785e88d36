//! `disk-cleanup`: removes old files of a folder, by age and pattern, the oldest first.
//!
//! Irreversible, and says so. Safe to repeat: each file is planned with the time that it was last changed and is removed only
//! while it still has it, so neither a file that changed since the plan nor a new one of the same name is ever taken.
//!
//! What is old is counted from a step of the clock and not from now: the plan that is made afresh before apply would else
//! differ from the one that was decided on by every file that came of age in between, and be asked about again.

mod glob;

use stanch_plugin::files::{Entry, EntryKind};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder, as the grant calls it, or one below it.
    #[schemars(length(min = 1))]
    folder: String,
    /// Which files: `*.log` is about names at any depth, `cache/**` about paths below the folder.
    #[schemars(length(min = 1))]
    pattern: String,
    /// Only files last changed longer ago than this.
    older_than: Span,
    /// Also in folders below.
    #[serde(default)]
    recursive: bool,
    /// At most so many files, the oldest.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000))]
    max_items: usize,
    /// At most so much, the oldest.
    max_bytes: Option<Bytes>,
}

fn thousand() -> usize {
    1000
}

/// What is removed, and what is left for another time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
struct Data {
    /// Files removed, or planned to be.
    files: u64,
    /// Their sizes added up, in bytes.
    bytes: u64,
    /// Files that fit, too, and are over the limits.
    left_files: u64,
    /// Their sizes added up, in bytes.
    left_bytes: u64,
    /// What was free on the disk then, in bytes.
    free_bytes: u64,
}

struct DiskCleanup;

impl Remediation for DiskCleanup {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Removes old files of a folder by age and pattern; cannot be undone")
        .idempotent(true)
        .verifies();

    fn asks() -> Value {
        json!({ "files": [{ "path": "/the/folder", "at": "scratch", "access": "change" }] })
    }

    fn plan(_: &Context, params: &Params) -> Result<Plan<Data>, Failure> {
        let free_bytes = files::usage(&params.folder)?.free_bytes;
        let mut old = old_files(params)?;
        old.sort_by(|a, b| (a.modified_ms, &a.path).cmp(&(b.modified_ms, &b.path)));
        let (taken, left) = within(params, old);
        let data = Data {
            files: taken.len() as u64,
            bytes: sum(&taken),
            left_files: left.len() as u64,
            left_bytes: sum(&left),
            free_bytes,
        };
        if taken.is_empty() {
            let summary = format!(
                "No file of `{}` fits `{}` and is older than {}",
                params.folder, params.pattern, params.older_than
            );
            let summary = if left.is_empty() {
                summary
            } else {
                format!("Every file of `{}` that fits is over `max_bytes`", params.folder)
            };
            return Ok(Plan::new(summary).data(data));
        }
        let mut summary = format!(
            "Remove {} files, {}, from `{}` for good",
            data.files,
            Bytes::from(data.bytes),
            params.folder
        );
        if data.left_files > 0 {
            summary.push_str(&format!(
                "; {} more, {}, are left",
                data.left_files,
                Bytes::from(data.left_bytes)
            ));
        }
        let reason = format!(
            "They fit `{}` and are older than {}",
            params.pattern, params.older_than
        );
        Ok(Plan::new(summary)
            .action(Action::remove(&params.folder, taken).because(reason))
            .data(data))
    }

    fn apply(ctx: &Context, params: &Params, plan: &Plan<Data>) -> Result<Outcome<Data>, Failure> {
        let answers = carry_out(ctx, plan)?;
        let planned = plan.data.clone().unwrap_or_default();
        let Some(Answer::Removed(removed)) = answers.into_iter().next() else {
            return Ok(Outcome::new("Nothing to remove").data(planned));
        };
        let data = Data {
            files: removed.paths.len() as u64,
            bytes: removed.bytes,
            ..planned
        };
        let summary = format!(
            "Removed {} files, {}, from `{}`",
            data.files,
            Bytes::from(data.bytes),
            params.folder
        );
        let refused = removed
            .refused
            .iter()
            .map(|why| Evidence::value("Left", why))
            .take(20);
        Ok(Outcome::new(summary).evidences(refused).data(data))
    }

    fn verify(_: &Context, params: &Params, made: &Attempt<Data>) -> Result<Finding<Data>, Failure> {
        let planned: Vec<&Entry> = made
            .plan
            .actions
            .iter()
            .flat_map(|action| action.removes())
            .collect();
        let mut there = std::collections::HashMap::new();
        for entry in files::scan(&params.folder, true) {
            let entry = entry?;
            there.insert(entry.path, entry.modified_ms);
        }
        let still: Vec<&&Entry> = planned
            .iter()
            .filter(|file| there.get(&file.path) == Some(&file.modified_ms))
            .collect();
        let gone = planned.iter().filter(|file| !there.contains_key(&file.path));
        let (files, bytes) = gone.fold((0, 0), |(files, bytes), file| (files + 1, bytes + file.bytes));
        let changed = planned.len() as u64 - files - still.len() as u64;
        let free_bytes = files::usage(&params.folder)?.free_bytes;
        let before = made.plan.data.clone().unwrap_or_default();
        let data = Data {
            files,
            bytes,
            free_bytes,
            ..before.clone()
        };

        let verdict = if still.is_empty() && files > 0 {
            Verdict::Yes
        } else {
            Verdict::No
        };
        let mut summary = format!(
            "{files} of {} files are gone, {}",
            planned.len(),
            Bytes::from(bytes)
        );
        if changed > 0 {
            summary.push_str(&format!("; {changed} changed meanwhile and are left"));
        }
        if let Some(first) = still.first() {
            summary.push_str(&format!(
                "; {} are still there, the first `{}`",
                still.len(),
                first.path
            ));
        }
        Ok(Finding::new(verdict, summary)
            .evidence(Evidence::value("Free before", Bytes::from(before.free_bytes)))
            .evidence(Evidence::value("Free now", Bytes::from(free_bytes)))
            .data(data))
    }
}

/// The files that fit pattern and age.
fn old_files(params: &Params) -> Result<Vec<Entry>, Failure> {
    let folder = params.folder.trim_end_matches('/');
    let before = cutoff(host::now(), params.older_than);
    let mut old = Vec::new();
    for entry in files::scan(folder, params.recursive) {
        let entry = entry.context(format!("listing `{folder}`"))?;
        let Some(below) = entry
            .path
            .strip_prefix(folder)
            .and_then(|path| path.strip_prefix('/'))
        else {
            continue;
        };
        if entry.kind == EntryKind::File
            && entry.modified_ms < before
            && glob::matches(&params.pattern, below)
        {
            old.push(entry);
        }
    }
    Ok(old)
}

/// Files last changed before this are old: now, rounded down to a twenty-fourth of the age but at most to the hour, minus
/// the age.
fn cutoff(now: Timestamp, older_than: Span) -> i64 {
    let step = (older_than.as_millis() / 24).clamp(1, 3_600_000);
    now.0 - now.0.rem_euclid(step) - older_than.as_millis()
}

/// The oldest within the limits, and the others. The first one that does not fit ends it: «the oldest first» is a promise.
fn within(params: &Params, old: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
    let most = params.max_bytes.map_or(u64::MAX, Bytes::get);
    let mut bytes: u64 = 0;
    let fits = old
        .iter()
        .take(params.max_items)
        .take_while(|file| {
            bytes = bytes.saturating_add(file.bytes);
            bytes <= most
        })
        .count();
    let mut taken = old;
    let left = taken.split_off(fits);
    (taken, left)
}

fn sum(files: &[Entry]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

stanch_plugin::export!(DiskCleanup as remediation);

#[cfg(test)]
mod tests;
