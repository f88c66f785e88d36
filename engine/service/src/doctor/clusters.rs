//! Clusters: whether they answer, as whom, whether they let that one do what grants say, and what time it is there.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use stanch_contract::PluginKey;
use stanch_sandbox::gate::Needs;
use stanch_sandbox::kubernetes::{Clusters, Examined, Right};
use tokio::time::Instant;

use super::{Area, Finding, Health};
use crate::report::words;
use crate::snapshot::Snapshot;

/// How long a cluster has for all that it is asked.
const TIME: Duration = Duration::from_secs(20);
/// How far two clocks may be apart: leases, tokens and the ages of pods are judged by both.
const MOST_APART_MS: i64 = 2_000;
/// Rights of one plugin that are told one by one.
const MOST_TOLD: usize = 5;

pub(super) async fn examine(snapshot: &Snapshot, clusters: &Clusters) -> Vec<Finding> {
    let names = snapshot.settings.clusters.keys();
    let all = join_all(names.map(|name| one(snapshot, clusters, name))).await;
    let (clocks, rest): (Vec<_>, Vec<_>) = all
        .into_iter()
        .flatten()
        .partition(|finding| finding.area == Area::Clock);
    rest.into_iter().chain(clocks).collect()
}

async fn one(snapshot: &Snapshot, clusters: &Clusters, name: &str) -> Vec<Finding> {
    let plugins = snapshot.settings.plugins.values();
    let needs: Vec<(&PluginKey, Needs)> = plugins
        .map(|plugin| (&plugin.key, plugin.grant.needs(name)))
        .filter(|(_, needs)| !needs.rights.is_empty())
        .collect();
    let rights: BTreeSet<Right> = needs
        .iter()
        .flat_map(|(_, needs)| needs.rights.iter().cloned())
        .collect();
    let examined = match clusters.examine(name, &rights, Instant::now() + TIME).await {
        Ok(examined) => examined,
        Err(why) => {
            let todo = format!(
                "look at `[clusters.{name}]`: whether its server can be reached from here, and whether its credentials are still good"
            );
            return vec![Finding::new(Area::Clusters, name, Health::Bad, why).todo(todo)];
        }
    };
    let mut found = vec![answers(name, &examined)];
    if needs.is_empty() {
        found.push(Finding::new(
            Area::Clusters,
            name,
            Health::Attention,
            "no grant names it, so no plugin can do anything there",
        ));
    }
    for (plugin, needs) in &needs {
        found.push(granted(name, plugin, needs, &examined));
    }
    let is_identity = |(right, _): &&(Right, String)| *right == Needs::identity();
    if examined.refused.iter().any(|refused| is_identity(&refused)) {
        let why = "the uid of `kube-system` may not be read: should stanch.toml name this cluster twice, an object would have two locks";
        found.push(Finding::new(Area::Clusters, name, Health::Attention, why).todo(mended(name)));
    }
    found.extend(clock(name, examined.ahead_ms));
    found
}

fn answers(name: &str, examined: &Examined) -> Finding {
    let user = match &examined.user {
        Some(user) => format!(" as `{user}`"),
        None => String::new(),
    };
    let (took, version) = (examined.took.as_millis(), &examined.version);
    let found = format!("answers{user} in {took} ms ({version})");
    Finding::new(Area::Clusters, name, Health::Good, found)
}

/// Whether the cluster lets the engine do what the grants of a plugin say.
fn granted(cluster: &str, plugin: &PluginKey, needs: &Needs, examined: &Examined) -> Finding {
    let about = format!("{cluster}, for `{plugin}`");
    let unknown: Vec<&str> = examined
        .unknown
        .iter()
        .filter(|(right, _)| needs.rights.contains(right))
        .map(|(_, why)| why.as_str())
        .collect();
    if !unknown.is_empty() {
        let unknown: BTreeSet<&str> = unknown.into_iter().collect();
        let why = unknown.into_iter().collect::<Vec<_>>().join("; ");
        return Finding::new(Area::Clusters, about, Health::Bad, why).todo(format!(
            "name what the cluster has in `resources` of `[[plugins.{plugin}.grant.kubernetes]]`, or install it there"
        ));
    }
    let missing: Vec<&(Right, String)> = examined
        .refused
        .iter()
        .filter(|(right, _)| needs.rights.contains(right) && *right != Needs::identity())
        .collect();
    if missing.is_empty() {
        return Finding::new(
            Area::Clusters,
            about,
            Health::Good,
            "the cluster allows what its grants say",
        );
    }
    let told: Vec<String> = missing
        .iter()
        .take(MOST_TOLD)
        .map(|(right, why)| match why.is_empty() {
            true => right.to_string(),
            false => format!("{right} ({why})"),
        })
        .collect();
    let more = match missing.len().saturating_sub(MOST_TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let why = format!("the cluster does not allow: {}{more}", told.join("; "));
    Finding::new(Area::Clusters, about, Health::Bad, why).todo(mended(cluster))
}

fn mended(cluster: &str) -> String {
    format!("`stanch plugin rbac --cluster {cluster}` prints the roles for an administrator to apply")
}

fn clock(cluster: &str, ahead_ms: Option<i64>) -> Option<Finding> {
    let ahead = ahead_ms?;
    if ahead.abs() <= MOST_APART_MS {
        return Some(Finding::new(
            Area::Clock,
            cluster,
            Health::Good,
            "this machine and the cluster agree what time it is",
        ));
    }
    let apart = words::length(ahead.abs());
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    let found = format!("this machine's clock is at least {apart} {side} that of the cluster");
    Some(
        Finding::new(Area::Clock, cluster, Health::Bad, found)
            .todo("set the clocks of both by NTP: ages, waits and tokens are judged by them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use stanch_contract::Span;

    fn right(resource: &str) -> Right {
        Right {
            namespace: Some("shop".into()),
            group: String::new(),
            resource: resource.into(),
            verb: "get",
            name: None,
        }
    }

    fn examined(refused: &[&str]) -> Examined {
        Examined {
            version: "v1.37.0".into(),
            user: Some("engine".into()),
            took: Span::from_millis(12),
            ahead_ms: Some(0),
            refused: refused.iter().map(|one| (right(one), String::new())).collect(),
            unknown: Vec::new(),
        }
    }

    fn needs(resources: &[&str]) -> Needs {
        Needs {
            rights: resources.iter().map(|one| right(one)).collect(),
            ..Needs::default()
        }
    }

    #[test]
    fn a_plugin_is_told_of_what_it_lacks_and_of_nothing_else() {
        let plugin = PluginKey::from("recycle");
        let needs = needs(&["pods", "pods/log"]);
        let good = granted("eu", &plugin, &needs, &examined(&["secrets"]));
        assert_eq!(good.health, Health::Good, "{good:?}");
        let bad = granted("eu", &plugin, &needs, &examined(&["pods/log", "secrets"]));
        assert_eq!(bad.health, Health::Bad);
        assert_eq!(bad.found, "the cluster does not allow: get pods/log in shop");
        assert!(bad.todo.unwrap().contains("--cluster eu"));
    }

    #[test]
    fn a_long_list_of_rights_is_cut_and_counted() {
        let all: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let bad = granted("eu", &"p".into(), &needs(&all), &examined(&all));
        assert!(bad.found.ends_with("; and 3 more"), "{}", bad.found);
    }

    #[test]
    fn clocks_that_are_apart_are_told_with_the_side() {
        let told = |ahead| clock("eu", ahead).map(|one| (one.health, one.found));
        assert_eq!(told(None), None);
        assert_eq!(told(Some(2_000)).unwrap().0, Health::Good);
        let (health, found) = told(Some(-60_000)).unwrap();
        assert_eq!(health, Health::Bad);
        assert!(found.contains("1m behind"), "{found}");
        assert!(told(Some(3_000)).unwrap().1.contains("ahead of"));
    }
}
