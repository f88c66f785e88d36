//! The folder of scratch files, which fills up.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Old scratch files, in MiB each.
const OLD: [usize; 12] = [4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 16];

/// Fills it: old scratch files, a new one, and something that is not scratch.
pub(crate) fn filled(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for (index, size) in OLD.iter().enumerate() {
        let file = written(&folder.join(format!("upload-{index:02}.tmp")), *size)?;
        let changed = file.metadata()?.modified()?;
        file.set_modified(changed - Duration::from_secs(3 * 86_400 + 60 * index as u64))?;
    }
    written(&folder.join("upload-in-progress.tmp"), 2)?;
    written(&folder.join("customers.db"), 4)?;
    Ok(())
}

fn written(path: &Path, mib: usize) -> std::io::Result<File> {
    let mut file = File::create(path)?;
    for _ in 0..mib {
        file.write_all(&vec![b'#'; 1 << 20])?;
    }
    Ok(file)
}

/// How many bytes are in it.
pub(crate) fn held(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|known| known.len())
        .sum()
}
