//! The folder that is full, and the operator's file that lets the plugins at it.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::quoted;

/// Old scratch files, in MiB each.
const OLD: [usize; 12] = [4, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8, 16];

/// Fills it: old scratch files, a new one, and something that is not scratch.
pub(super) fn filled(folder: &Path) -> std::io::Result<()> {
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
pub(super) fn held(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|known| known.len())
        .sum()
}

/// The operator's file.
pub(super) fn settings(plugins: &Path, full: &Path, listens: SocketAddr, pages: SocketAddr) -> String {
    let plugin = |name: &str| quoted(&plugins.join(format!("{name}.wasm")));
    format!(
        r#"[server]
listen = "{listens}"

[store]
path = "data"
reserve = "1MiB"

[[runbooks]]
path = "runbooks"
team = "platform"
plugins = ["*"]
max_mode = "ask"

[vars]
disk_full_above = 0.95
scratch_larger_than = "32MiB"
scratch_older_than = "1d"

[secrets]
alertmanager = {{ env = "ALERTMANAGER_TOKEN" }}
webhook = {{ env = "WEBHOOK_SECRET" }}

[[intake]]
kind = "alertmanager"
path = "/alerts/alertmanager"
auth = {{ bearer = "${{secret:alertmanager}}" }}

[plugins.disk-usage]
source = {usage}
[[plugins.disk-usage.grant.files]]
path = {full}
at = "scratch"
access = "read"

[plugins.disk-cleanup]
source = {cleanup}
[[plugins.disk-cleanup.grant.files]]
path = {full}
at = "scratch"
access = "change"

[plugins.page]
source = {webhook}
settings = {{ url = "http://{pages}/page" }}
[[plugins.page.grant.notify]]
url = "http://{pages}/page"
addresses = ["127.0.0.1/32"]
sign = {{ header = "x-stanch-signature", hmac_sha256 = "${{secret:webhook}}" }}
"#,
        usage = plugin("disk-usage"),
        cleanup = plugin("disk-cleanup"),
        webhook = plugin("webhook"),
        full = quoted(full),
    )
}
