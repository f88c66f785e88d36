//! `[clusters.NAME]`: which clusters there are. What a kubeconfig says is read when it is loaded, not here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stanch_sandbox::kubernetes::{Access, ClusterSpec};

use super::values;
use stanch_runbook::reading::{Data, Fields, Got, Problems, did_you_mean, is_key, wrong_type};

/// The names of `[clusters]`.
pub(super) struct Known(BTreeSet<String>);

pub(super) fn clusters(
    top: &mut Fields<'_, '_>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> (BTreeMap<String, ClusterSpec>, Known) {
    let (mut clusters, mut known) = (BTreeMap::new(), BTreeSet::new());
    let Some(node) = top.node("clusters") else {
        return (clusters, Known(known));
    };
    let Data::Table(table) = &node.data else {
        wrong_type::<()>(
            node,
            "`clusters`",
            "a table for each cluster: `[clusters.NAME]`",
            problems,
        );
        return (clusters, Known(known));
    };
    for entry in &table.entries {
        let name = entry.key.as_ref();
        known.insert(name.to_owned());
        if !is_key(name, '-') {
            let help = "write lower-case letters, digits and `-`, a letter first".to_owned();
            problems.add(
                &entry.key_at,
                format!("a cluster cannot be called `{name}`"),
                "not a name",
                help,
            );
        }
        let Some(mut fields) = Fields::of(&entry.node, format!("`[clusters.{name}]`"), problems) else {
            continue;
        };
        let cluster = cluster(&mut fields, base, problems);
        fields.finish(problems);
        if let Some(cluster) = cluster {
            clusters.insert(name.to_owned(), cluster);
        }
    }
    (clusters, Known(known))
}

fn cluster(fields: &mut Fields<'_, '_>, base: &Path, problems: &mut Problems<'_>) -> Option<ClusterSpec> {
    let at = fields.at().clone();
    let kubeconfig = fields.text("kubeconfig", problems);
    let in_cluster = fields.truth("in_cluster", problems);
    let context = fields.text("context", problems);
    let impersonate = fields.text("impersonate", problems);
    if let Some(user) = &impersonate
        && !user.value.bytes().all(|b| b.is_ascii_graphic())
    {
        let help =
            "write a user as the cluster knows it, as in `system:serviceaccount:stanch:engine`".to_owned();
        problems.add(&user.at, "`impersonate` cannot be sent", "not a user", help);
    }
    let one = "write one of `kubeconfig = \"PATH\"` and `in_cluster = true`".to_owned();
    let access = match (kubeconfig, in_cluster) {
        (Some(path), None | Some(Got { value: false, .. })) => Access::Kubeconfig {
            path: values::path(base, path.value),
            context: context.map(|context| context.value.to_owned()),
        },
        (None, Some(Got { value: true, .. })) => {
            if let Some(context) = context {
                let help = "take it away, or name a kubeconfig".to_owned();
                problems.add(&context.at, "`context` is of a kubeconfig", "without one", help);
            }
            Access::InCluster
        }
        (Some(_), Some(_)) => {
            problems.add(&at, "a cluster is reached in one way", "here are two", one);
            return None;
        }
        (None, _) => {
            problems.add(&at, "it is not said how the cluster is reached", "here", one);
            return None;
        }
    };
    Some(ClusterSpec {
        access,
        impersonate: impersonate.map(|user| user.value.to_owned()),
    })
}

impl Known {
    /// Tells a name that `[clusters]` does not have.
    pub(super) fn check(&self, name: &Got<&str>, problems: &mut Problems<'_>) {
        // What is a pattern the gate has a word for.
        if self.0.contains(name.value) || name.value.contains('*') {
            return;
        }
        let help = did_you_mean(name.value, self.0.iter().map(String::as_str))
            .unwrap_or_else(|| format!("add `[clusters.{}]`", name.value));
        let message = format!("there is no cluster `{}`", name.value);
        problems.add(&name.at, message, "not in [clusters]", help);
    }
}
