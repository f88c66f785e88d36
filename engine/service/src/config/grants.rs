//! `[[plugins.KEY.grant.*]]`: what a plugin may ever touch. What a grant means, and whether it can be given, is the gate's
//! to say; here it is read, and what the gate refuses is told at its line.

use std::collections::BTreeMap;
use std::path::Path;

use stanch_contract::{ByteSize, PluginKey};
use stanch_sandbox::gate::{
    Access, FilesGrantSpec, Grant, GrantError, GrantSpec, HttpGrantSpec, KubernetesGrantSpec,
    NotifyGrantSpec, SignSpec,
};

use super::clusters::Known;
use super::values::{self, Names};
use stanch_runbook::reading::{At, Data, Fields, Got, Node, Problems, wrong_type};

pub(super) fn grant(
    key: &PluginKey,
    fields: &mut Fields<'_, '_>,
    base: &Path,
    (names, known): (&Names, &Known),
    problems: &mut Problems<'_>,
) -> Option<Grant> {
    let before = problems.count();
    let mut whole = GrantSpec::default();
    // Each is checked alone, so that all that are wrong are told, and then all of them together.
    let mut places: BTreeMap<(&'static str, usize), &Node<'_>> = BTreeMap::new();
    for node in fields.tables("http", &format!("plugins.{key}.grant.http"), problems) {
        let Some(spec) = http(key, node, names, problems) else {
            continue;
        };
        check(
            key,
            GrantSpec {
                http: vec![spec.clone()],
                ..GrantSpec::default()
            },
            |_| Some(node),
            problems,
        );
        places.insert(("http", whole.http.len()), node);
        whole.http.push(spec);
    }
    for node in fields.tables("files", &format!("plugins.{key}.grant.files"), problems) {
        let Some(spec) = files(key, node, base, problems) else {
            continue;
        };
        check(
            key,
            GrantSpec {
                files: vec![spec.clone()],
                ..GrantSpec::default()
            },
            |_| Some(node),
            problems,
        );
        places.insert(("files", whole.files.len()), node);
        whole.files.push(spec);
    }
    for node in fields.tables("notify", &format!("plugins.{key}.grant.notify"), problems) {
        let Some(spec) = notify(key, node, names, problems) else {
            continue;
        };
        check(
            key,
            GrantSpec {
                notify: vec![spec.clone()],
                ..GrantSpec::default()
            },
            |_| Some(node),
            problems,
        );
        places.insert(("notify", whole.notify.len()), node);
        whole.notify.push(spec);
    }
    for node in fields.tables("kubernetes", &format!("plugins.{key}.grant.kubernetes"), problems) {
        let Some(spec) = kubernetes(key, node, known, problems) else {
            continue;
        };
        check(
            key,
            GrantSpec {
                kubernetes: vec![spec.clone()],
                ..GrantSpec::default()
            },
            |_| Some(node),
            problems,
        );
        places.insert(("kubernetes", whole.kubernetes.len()), node);
        whole.kubernetes.push(spec);
    }
    if problems.count() > before {
        return None;
    }
    check(
        key,
        whole,
        |error| places.get(&(error.table, error.index)).copied(),
        problems,
    )
}

/// Hands a spec to the gate, and tells what the gate refuses at the key that it names.
fn check<'n, 't: 'n>(
    key: &PluginKey,
    spec: GrantSpec,
    place: impl Fn(&GrantError) -> Option<&'n Node<'t>>,
    problems: &mut Problems<'_>,
) -> Option<Grant> {
    match Grant::new(key.clone(), spec) {
        Ok(grant) => Some(grant),
        Err(error) => {
            let at = place(&error).map_or_else(At::start, |node| match &node.data {
                Data::Table(table) => table
                    .get(error.key)
                    .map_or_else(|| node.at.clone(), |e| e.node.at.clone()),
                _ => node.at.clone(),
            });
            let message = format!(
                "`{}` of a grant of `{key}` is not right: {}",
                error.key, error.why
            );
            problems.add(&at, message, "here", None);
            None
        }
    }
}

fn http(
    key: &PluginKey,
    node: &Node<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<HttpGrantSpec> {
    let mut fields = Fields::of(node, format!("`[[plugins.{key}.grant.http]]`"), problems)?;
    let url = fields.needed_text("url", "url = \"https://api.example/v1/**\"", problems);
    let read = words(&mut fields, "read", problems);
    let change = words(&mut fields, "change", problems);
    let headers = bound(&mut fields, "headers", names, problems);
    let addresses = words(&mut fields, "addresses", problems);
    let max_response = fields
        .parsed::<ByteSize>("max_response", problems)
        .map(|size| size.value);
    fields.finish(problems);
    Some(HttpGrantSpec {
        url: url?.value.to_owned(),
        read,
        change,
        headers,
        addresses,
        max_response,
    })
}

fn files(
    key: &PluginKey,
    node: &Node<'_>,
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<FilesGrantSpec> {
    let mut fields = Fields::of(node, format!("`[[plugins.{key}.grant.files]]`"), problems)?;
    let path = fields.needed_text("path", "path = \"/var/tmp/app\"", problems);
    let name = fields.needed_text("at", "at = \"scratch\"", problems);
    if !fields.has("access") {
        fields.missing("access", "access = \"read\"", problems);
    }
    let access = fields.word(
        "access",
        &[("read", Access::Read), ("change", Access::Change)],
        problems,
    );
    fields.finish(problems);
    let folder = values::path(base, path?.value);
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Some(FilesGrantSpec {
        path: folder.to_string_lossy().into_owned(),
        at: name?.value.to_owned(),
        access: access?.value,
    })
}

fn notify(
    key: &PluginKey,
    node: &Node<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<NotifyGrantSpec> {
    let mut fields = Fields::of(node, format!("`[[plugins.{key}.grant.notify]]`"), problems)?;
    let url = fields.needed_text("url", "url = \"https://events.example/enqueue\"", problems);
    let headers = bound(&mut fields, "headers", names, problems);
    let members = bound(&mut fields, "members", names, problems);
    let addresses = words(&mut fields, "addresses", problems);
    let max_response = fields
        .parsed::<ByteSize>("max_response", problems)
        .map(|size| size.value);
    let sign = fields
        .node("sign")
        .and_then(|node| Fields::of(node, "`sign`", problems))
        .and_then(|mut fields| {
            let header = fields.needed_text("header", "header = \"x-stanch-signature\"", problems);
            let key = fields.needed_text("hmac_sha256", "hmac_sha256 = \"${secret:NAME}\"", problems);
            fields.finish(problems);
            let (header, key) = (header?, key?);
            names.whole("hmac_sha256", &key, problems)?;
            Some(SignSpec {
                header: header.value.to_owned(),
                hmac_sha256: key.value.to_owned(),
            })
        });
    fields.finish(problems);
    Some(NotifyGrantSpec {
        url: url?.value.to_owned(),
        headers,
        addresses,
        max_response,
        members,
        sign,
    })
}

fn kubernetes(
    key: &PluginKey,
    node: &Node<'_>,
    known: &Known,
    problems: &mut Problems<'_>,
) -> Option<KubernetesGrantSpec> {
    let mut fields = Fields::of(node, format!("`[[plugins.{key}.grant.kubernetes]]`"), problems)?;
    for (needed, example) in [
        ("clusters", "clusters = [\"eu-b\"]"),
        ("verbs", "verbs = [\"get\", \"list\"]"),
        ("resources", "resources = [\"pods\"]"),
    ] {
        if !fields.has(needed) {
            fields.missing(needed, example, problems);
        }
    }
    let clusters = fields.texts("clusters", problems).unwrap_or_default();
    clusters.iter().for_each(|name| known.check(name, problems));
    let spec = KubernetesGrantSpec {
        clusters: clusters.iter().map(|name| name.value.to_owned()).collect(),
        verbs: words(&mut fields, "verbs", problems),
        resources: words(&mut fields, "resources", problems),
        namespaces: words(&mut fields, "namespaces", problems),
        names: words(&mut fields, "names", problems),
        selector: fields
            .text("selector", problems)
            .map(|selector| selector.value.to_owned()),
        keys_only: fields
            .truth("keys_only", problems)
            .is_some_and(|keys_only| keys_only.value),
    };
    fields.finish(problems);
    let whole = [&spec.clusters, &spec.verbs, &spec.resources];
    whole.iter().all(|words| !words.is_empty()).then_some(spec)
}

fn words(fields: &mut Fields<'_, '_>, key: &'static str, problems: &mut Problems<'_>) -> Vec<String> {
    fields
        .texts(key, problems)
        .unwrap_or_default()
        .iter()
        .map(|word| word.value.to_owned())
        .collect()
}

/// What the gate adds: names with values in which `${secret:NAME}` is one that there is.
fn bound(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    names: &Names,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, String> {
    let mut bound = BTreeMap::new();
    let what = if key == "headers" { "header" } else { "member" };
    let Some(node) = fields.node(key) else {
        return bound;
    };
    let Data::Table(table) = &node.data else {
        wrong_type::<()>(node, &format!("`{key}`"), "a table of names and values", problems);
        return bound;
    };
    for entry in &table.entries {
        let Data::Text(value) = &entry.node.data else {
            wrong_type::<()>(
                &entry.node,
                &format!("the {what} `{}`", entry.key),
                "text",
                problems,
            );
            continue;
        };
        if names.within(
            &Got {
                value: value.as_ref(),
                at: entry.node.at.clone(),
            },
            problems,
        ) {
            bound.insert(entry.key.clone().into_owned(), value.clone().into_owned());
        }
    }
    bound
}
