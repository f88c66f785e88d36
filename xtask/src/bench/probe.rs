//! How fast the disk is now: 4 KiB written and flushed, in a file whose blocks are there already.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::figure::quantile;
use crate::shell::TaskError;

const LENGTH: u64 = 4 << 20;
const TIMES: u64 = 400;

/// Does the work between two probes; gives the median of both with what the work gave.
pub(super) fn beside<T>(
    folder: &Path,
    work: impl FnOnce() -> Result<T, TaskError>,
) -> Result<(T, Duration), TaskError> {
    let failed = |why: std::io::Error| TaskError::Other(format!("the disk cannot be probed: {why}"));
    let mut took = probe(folder).map_err(failed)?;
    let result = work()?;
    took.extend(probe(folder).map_err(failed)?);
    Ok((result, quantile(&mut took, 0.5)))
}

fn probe(folder: &Path) -> std::io::Result<Vec<Duration>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(folder.join("probe"))?;
    file.write_all_at(&vec![0; LENGTH as usize], 0)?;
    file.sync_all()?;
    (0..TIMES)
        .map(|turn| {
            let began = Instant::now();
            file.write_all_at(&[1; 4_096], turn * 4_096 % LENGTH)?;
            file.sync_data()?;
            Ok(began.elapsed())
        })
        .collect()
}
