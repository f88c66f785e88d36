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
    let models = [city.place("provider"), city.place("local")];
    let search = format!("http://{}/v1/search", city.place("assistant"));
    let flag = format!("http://{}/flags/local-model-only", city.place("flag"));
    let flags = format!("settings = {{ flags = {{ local-model-only = \"{flag}\" }} }}");
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
        settings::probe(&source("http-probe"), &[regions, models].concat()),
        settings::http("http-probe", &search, "read = [\"GET\"]"),
        settings::plugin("capability-flag", &source("capability-flag"), &flags),
        settings::http("capability-flag", &flag, "read = [\"GET\"]\nchange = [\"PUT\"]"),
        settings::banner(&source("status-banner"), city.place("page")),
        settings::reroute(&source("traffic-reroute"), city.place("admin"), regions),
        settings::page(&source("webhook"), pages, signed),
    ]
    .concat()
}
