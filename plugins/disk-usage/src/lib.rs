//! `disk-usage`: is a folder's disk, or the folder itself, over a bound? And what takes the room?
//!
//! The answer rests on the file system's own figures or on the sum of what was seen. Where the sum is incomplete (too many
//! files for the time there is) it can prove a yes, never a no.

use std::cmp::Reverse;

use stanch_plugin::files::{Entry, EntryKind};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder, as the grant calls it, or one below it.
    #[schemars(length(min = 1))]
    folder: String,
    /// Yes where the used share of its file system is above this, between 0 and 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    above: Option<f64>,
    /// Yes where the files in the folder are together larger than this.
    larger_than: Option<Bytes>,
    /// How many of the largest and of the oldest files to list.
    #[serde(default = "five")]
    #[schemars(range(max = 50))]
    list: usize,
}

fn five() -> usize {
    5
}

/// The figures.
#[derive(Default, Serialize, JsonSchema)]
struct Data {
    /// Size of the file system, in bytes.
    total_bytes: u64,
    /// What is free to write, in bytes.
    free_bytes: u64,
    /// The used share of the file system, between 0 and 1.
    used_share: f64,
    /// The files that were seen.
    files: u64,
    /// Their sizes added up, in bytes.
    files_bytes: u64,
    /// Whether all files were seen.
    complete: bool,
    /// The largest files, the largest first.
    largest: Vec<File>,
    /// The oldest files, the oldest first.
    oldest: Vec<File>,
}

/// One file.
#[derive(Serialize, JsonSchema)]
struct File {
    /// Starts with the grant's `at`.
    path: String,
    /// Its size.
    bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    modified_ms: i64,
}

/// What a look through the folder gave.
#[derive(Default)]
struct Seen {
    files: u64,
    bytes: u64,
    complete: bool,
    largest: Vec<Entry>,
    oldest: Vec<Entry>,
}

struct DiskUsage;

impl Diagnosis for DiskUsage {
    type Params = Params;
    type Data = Data;
    const ABOUT: About = about!("Says whether a folder's disk, or the folder itself, is over a bound");

    fn asks() -> Value {
        json!({ "files": [{ "path": "/the/folder", "at": "scratch", "access": "read" }] })
    }

    fn diagnose(_: &Context, params: Params) -> Result<Finding<Data>, Failure> {
        if params.above.is_none() && params.larger_than.is_none() {
            return Err(Failure::invalid_params(
                "Give a bound: `above` (a share of the disk) or `larger_than` (a size)",
            ));
        }
        let space =
            files::usage(&params.folder).context(format!("how full the disk of `{}` is", params.folder))?;
        let seen = match look(&params.folder, params.list) {
            Ok(seen) => seen,
            // The list is a help; the share of the disk stands without it.
            Err(failure) if params.larger_than.is_none() => {
                warn!("the files of `{}` could not be listed: {failure}", params.folder);
                Seen::default()
            }
            Err(failure) => return Err(failure.context(format!("listing `{}`", params.folder))),
        };
        let share = space.used_share();
        let disk = params
            .above
            .map(|above| if share > above { Verdict::Yes } else { Verdict::No });
        let folder = params
            .larger_than
            .map(|bound| match (seen.bytes > bound.get(), seen.complete) {
                (true, _) => Verdict::Yes,
                (false, true) => Verdict::No,
                (false, false) => Verdict::Unknown,
            });
        let verdict = match [disk, folder] {
            verdicts if verdicts.contains(&Some(Verdict::Yes)) => Verdict::Yes,
            verdicts if verdicts.contains(&Some(Verdict::Unknown)) => Verdict::Unknown,
            _ => Verdict::No,
        };
        Ok(
            Finding::new(verdict, summary(&params, share, space.free_bytes, &seen))
                .evidence(Evidence::value("Used share of the disk", percent(share)))
                .evidence(Evidence::value("Free", Bytes::from(space.free_bytes)))
                .evidence(Evidence::value("Files in the folder", counted(&seen)))
                .evidences(
                    seen.largest
                        .iter()
                        .map(|file| Evidence::value(format!("Large: {}", file.path), size(file))),
                )
                .evidences(seen.oldest.iter().map(|file| {
                    Evidence::value(
                        format!("Old: {}", file.path),
                        format!("{}, {}", Timestamp(file.modified_ms), size(file)),
                    )
                }))
                .data(Data {
                    total_bytes: space.total_bytes,
                    free_bytes: space.free_bytes,
                    used_share: share,
                    files: seen.files,
                    files_bytes: seen.bytes,
                    complete: seen.complete,
                    largest: seen.largest.into_iter().map(File::from).collect(),
                    oldest: seen.oldest.into_iter().map(File::from).collect(),
                }),
        )
    }
}

fn summary(params: &Params, share: f64, free: u64, seen: &Seen) -> String {
    let mut summary = format!(
        "The disk of `{}` is {} full, {} free",
        params.folder,
        percent(share),
        Bytes::from(free)
    );
    if let Some(above) = params.above {
        summary.push_str(&format!(" (bound {})", percent(above)));
    }
    if let Some(bound) = params.larger_than {
        summary.push_str(&format!("; the folder holds {} (bound {bound})", counted(seen)));
    }
    summary
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn size(file: &Entry) -> String {
    Bytes::from(file.bytes).to_string()
}

fn counted(seen: &Seen) -> String {
    let least = if seen.complete { "" } else { "at least " };
    format!("{least}{} in {} files", Bytes::from(seen.bytes), seen.files)
}

/// Goes through the folder page by page, until two seconds of the call are left.
fn look(folder: &str, list: usize) -> Result<Seen, Failure> {
    let mut seen = Seen {
        complete: true,
        ..Seen::default()
    };
    let mut from = None;
    loop {
        let page = files::scan_page(folder, true, from.as_deref())?;
        for entry in page
            .items
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File)
        {
            seen.files += 1;
            seen.bytes = seen.bytes.saturating_add(entry.bytes);
            keep(&mut seen.largest, list, &entry, |file| Reverse(file.bytes));
            keep(&mut seen.oldest, list, &entry, |file| file.modified_ms);
        }
        from = page.next;
        if from.is_none() {
            return Ok(seen);
        }
        if host::is_cancelled() || host::remaining().as_millis() < 2_000 {
            seen.complete = false;
            return Ok(seen);
        }
    }
}

/// Keeps the `most` entries with the smallest key, in order.
fn keep<K: Ord>(kept: &mut Vec<Entry>, most: usize, entry: &Entry, key: impl Fn(&Entry) -> K) {
    let at = kept.partition_point(|other| key(other) <= key(entry));
    if at < most {
        kept.insert(at, entry.clone());
        kept.truncate(most);
    }
}

impl From<Entry> for File {
    fn from(entry: Entry) -> Self {
        Self {
            path: entry.path,
            bytes: entry.bytes,
            modified_ms: entry.modified_ms,
        }
    }
}

stanch_plugin::export!(DiskUsage as diagnosis);

#[cfg(test)]
mod tests;
