//! `disk-usage`: is a folder's disk, or the folder itself, over a bound? And what takes the room?
//!
//! The answer rests on the file system's own figures and on the sum of what was seen. A sum that is incomplete (too many
//! files for the time or the calls there are) proves that a folder is larger than a bound, and never that it is smaller.

use std::cmp::Reverse;

use stanch_plugin::files::{Entry, EntryKind};
use stanch_plugin::prelude::*;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The folder, as the grant calls it, or one below it.
    #[schemars(length(min = 1))]
    folder: String,
    /// The used share of its file system is above this, between 0 and 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    above: Option<f64>,
    /// The used share of its file system is below this, between 0 and 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    below: Option<f64>,
    /// The files in the folder are together larger than this.
    larger_than: Option<Bytes>,
    /// The files in the folder are together smaller than this.
    smaller_than: Option<Bytes>,
    /// How many of the largest and of the oldest files to list.
    #[serde(default = "five")]
    #[schemars(range(max = 40))]
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
        let of_disk = params.above.is_some() || params.below.is_some();
        let of_folder = params.larger_than.is_some() || params.smaller_than.is_some();
        if !of_disk && !of_folder {
            return Err(Failure::invalid_params(
                "Give a bound: `above` or `below` (a share of the disk), `larger_than` or `smaller_than` (a size)",
            ));
        }
        let space =
            files::usage(&params.folder).context(format!("how full the disk of `{}` is", params.folder))?;
        let seen = match look(&params.folder, params.list) {
            Ok(seen) => seen,
            // The list is a help; the share of the disk stands without it.
            Err(failure) if !of_folder => {
                warn!("the files of `{}` could not be listed: {failure}", params.folder);
                Seen::default()
            }
            Err(failure) => return Err(failure.context(format!("listing `{}`", params.folder))),
        };
        let share = space.used_share();
        let verdict = judge(&params, share, &seen);
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

/// Every bound that is given has to hold. One that does not is a no, whatever the others are.
fn judge(params: &Params, share: f64, seen: &Seen) -> Verdict {
    let sure = |holds: bool| if holds { Verdict::Yes } else { Verdict::No };
    let larger = |bound: Bytes| match (seen.bytes > bound.get(), seen.complete) {
        (false, false) => Verdict::Unknown,
        (is, _) => sure(is),
    };
    let smaller = |bound: Bytes| match (seen.bytes < bound.get(), seen.complete) {
        (true, false) => Verdict::Unknown,
        (is, _) => sure(is),
    };
    let verdicts = [
        params.above.map(|bound| sure(share > bound)),
        params.below.map(|bound| sure(share < bound)),
        params.larger_than.map(larger),
        params.smaller_than.map(smaller),
    ];
    let has = |verdict| verdicts.contains(&Some(verdict));
    if has(Verdict::No) {
        Verdict::No
    } else if has(Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Yes
    }
}

fn summary(params: &Params, share: f64, free: u64, seen: &Seen) -> String {
    let mut asked = Vec::new();
    asked.extend(params.above.map(|bound| format!("above {}", percent(bound))));
    asked.extend(params.below.map(|bound| format!("below {}", percent(bound))));
    asked.extend(params.larger_than.map(|bound| format!("larger than {bound}")));
    asked.extend(params.smaller_than.map(|bound| format!("smaller than {bound}")));
    format!(
        "The disk of `{}` is {} full, {} free; the folder holds {}; asked for {}",
        params.folder,
        percent(share),
        Bytes::from(free),
        counted(seen),
        asked.join(" and ")
    )
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
        let page = match files::scan_page(folder, true, from.as_deref()) {
            Ok(page) => page,
            Err(failure) if failure.code == FailureCode::Budget && from.is_some() => {
                seen.complete = false;
                return Ok(seen);
            }
            Err(failure) => return Err(failure),
        };
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
