//! What Alertmanager posts.

use std::process::Command;

use serde_json::{Value, json};

/// One notification (version 4) about one alert; `labels` besides its name.
pub fn notification(name: &str, labels: &[(&str, &str)], firing: bool, now: &str) -> Value {
    let status = if firing { "firing" } else { "resolved" };
    let mut all = serde_json::Map::from_iter([("alertname".to_owned(), json!(name))]);
    all.extend(
        labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    let annotations = json!({ "summary": format!("{name} is {status}") });
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "stanch",
        "groupLabels": { "alertname": name },
        "commonLabels": all,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example:9093",
        "alerts": [{
            "status": status,
            "labels": all,
            "annotations": annotations,
            "startsAt": now,
            "endsAt": if firing { "0001-01-01T00:00:00Z" } else { now },
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": fingerprint(name, labels),
        }],
    })
}

/// This moment as Alertmanager writes it.
///
/// # Errors
/// Where `date` is not there.
pub fn now() -> std::io::Result<String> {
    later(0)
}

/// So many seconds from now, in the same form.
///
/// # Errors
/// As [`now`].
pub fn later(seconds: u64) -> std::io::Result<String> {
    let mut date = Command::new("date");
    let from_now = format!("--date=+{seconds} seconds");
    let said = date
        .args(["--utc", &from_now, "+%Y-%m-%dT%H:%M:%S.%3NZ"])
        .output()?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// Sixteen hexadecimal digits, other ones for other labels: FNV-1a, which is what Prometheus takes too.
fn fingerprint(name: &str, labels: &[(&str, &str)]) -> String {
    let text = std::iter::once(name).chain(labels.iter().flat_map(|(name, value)| [*name, *value]));
    let hash = text
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{hash:016x}")
}
