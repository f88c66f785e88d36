//! The operator's file that lets the plugins at the city, and at nothing else.

use std::net::SocketAddr;
use std::path::Path;

use stanch_outside::settings;

use super::city::City;

/// The operator's file.
pub(super) fn operators(
    plugins: &Path,
    city: &City,
    full: &Path,
    listens: SocketAddr,
    pages: SocketAddr,
) -> String {
    let source = |name: &str| plugins.join(format!("{name}.wasm"));
    let folder = |key: &str, access: &str| {
        format!(
            "[[plugins.{key}.grant.files]]\npath = {}\nat = \"scratch\"\naccess = \"{access}\"\n",
            settings::quoted(full)
        )
    };
    let regions = [city.place("eu"), city.place("us_east")];
    let signed = "sign = { header = \"x-stanch-signature\", hmac_sha256 = \"${secret:webhook}\" }";
    [
        settings::engine(listens, "platform", "ask"),
        r#"[secrets.webhook]
env = "WEBHOOK_SECRET"
[vars]
disk_full_above = 0.995
scratch_larger_than = "32MiB"
scratch_older_than = "1d"
"#
        .to_owned(),
        settings::plugin("disk-usage", &source("disk-usage"), ""),
        folder("disk-usage", "read"),
        settings::plugin("disk-cleanup", &source("disk-cleanup"), ""),
        folder("disk-cleanup", "change"),
        settings::probe(&source("http-probe"), &regions),
        settings::reroute(&source("traffic-reroute"), city.place("admin"), regions),
        settings::page(&source("webhook"), pages, signed),
    ]
    .concat()
}
