//! `disk-cleanup`: removes old files of a folder, by age and pattern, the oldest first.
//!
//! Irreversible, and says so. Safe to repeat: each file is planned with the time that it was last changed and is removed only
//! while it still has it, so neither a file that changed since the plan nor a new one of the same name is ever taken.
//!
//! What is old is counted from a step of the clock and not from now: the plan that is made afresh before apply would else
//! differ from the one that was decided on by every file that came of age in between, and be asked about again.

mod glob;

use std::collections::{BinaryHeap, HashMap};

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
        let old = Old::find(params)?;
        let (all_files, all_bytes) = (old.files, old.bytes);
        let taken = old.within(params);
        let (files, bytes) = (taken.len() as u64, taken.iter().map(|file| file.bytes).sum());
        let data = Data {
            files,
            bytes,
            left_files: all_files - files,
            left_bytes: all_bytes - bytes,
            free_bytes,
        };
        let Params {
            folder,
            pattern,
            older_than,
            ..
        } = params;
        if taken.is_empty() {
            let summary = match data.left_files {
                0 => format!("No file of `{folder}` fits `{pattern}` and is older than {older_than}"),
                _ => format!("The oldest file of `{folder}` that fits is larger than `max_bytes`"),
            };
            return Ok(Plan::new(summary).data(data));
        }
        let mut summary = format!(
            "Remove {files} files, {}, from `{folder}` for good",
            Bytes::from(bytes)
        );
        if data.left_files > 0 {
            summary.push_str(&format!(
                "; {} more, {}, are left",
                data.left_files,
                Bytes::from(data.left_bytes)
            ));
        }
        let reason = format!("They fit `{pattern}` and are older than {older_than}");
        Ok(Plan::new(summary)
            .action(Action::remove(folder, taken).because(reason))
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
        let mut gone: HashMap<&str, &Entry> =
            planned.iter().map(|file| (file.path.as_str(), *file)).collect();
        let (mut still, mut changed) = (Vec::new(), 0);
        for entry in files::scan(&params.folder, params.recursive) {
            let entry = entry?;
            match gone.remove(entry.path.as_str()) {
                Some(file) if file.modified_ms == entry.modified_ms => still.push(entry.path),
                Some(_) => changed += 1,
                None => {}
            }
        }
        let (files, bytes) = (gone.len() as u64, gone.values().map(|file| file.bytes).sum());
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
            summary.push_str(&format!("; {} are still there, the first `{first}`", still.len()));
        }
        Ok(Finding::new(verdict, summary)
            .evidence(Evidence::value("Free before", Bytes::from(before.free_bytes)))
            .evidence(Evidence::value("Free now", Bytes::from(free_bytes)))
            .data(data))
    }
}

/// The files that fit pattern and age: how many there are, and the oldest of them. Only as many are held as can be
/// planned, because a folder that has to be cleaned may have more files than fit a plugin's memory.
#[derive(Default)]
struct Old {
    files: u64,
    bytes: u64,
    /// The newest of the oldest on top.
    oldest: BinaryHeap<(i64, String, u64)>,
}

impl Old {
    fn find(params: &Params) -> Result<Self, Failure> {
        let folder = params.folder.trim_end_matches('/');
        let before = cutoff(host::now(), params.older_than);
        let mut old = Self::default();
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
                old.files += 1;
                old.bytes = old.bytes.saturating_add(entry.bytes);
                old.oldest.push((entry.modified_ms, entry.path, entry.bytes));
                if old.oldest.len() > params.max_items {
                    old.oldest.pop();
                }
            }
        }
        Ok(old)
    }

    /// The oldest within the limits. The first one that does not fit ends it: «the oldest first» is a promise.
    fn within(self, params: &Params) -> Vec<Entry> {
        let most = params.max_bytes.map_or(u64::MAX, Bytes::get);
        let mut sum: u64 = 0;
        let oldest = self.oldest.into_sorted_vec().into_iter();
        let fits = oldest.take_while(|(_, _, bytes)| {
            sum = sum.saturating_add(*bytes);
            sum <= most
        });
        fits.map(|(modified_ms, path, bytes)| Entry {
            path,
            kind: EntryKind::File,
            bytes,
            modified_ms,
        })
        .collect()
    }
}

/// Files last changed before this are old: now, rounded down to a twenty-fourth of the age but at most to the hour, minus
/// the age.
fn cutoff(now: Timestamp, older_than: Span) -> i64 {
    let step = (older_than.as_millis() / 24).clamp(1, 3_600_000);
    now.0 - now.0.rem_euclid(step) - older_than.as_millis()
}

stanch_plugin::export!(DiskCleanup as remediation);

#[cfg(test)]
mod tests;
