//! The smallest grant for what a plugin was seen to ask of the gate: what was let through, what was refused, and what it
//! plans to change.
//!
//! It is a proposal for a person to read and narrow or widen, so it is exact: one host and path, one object, one verb. What
//! the operator has to know besides (which folder is meant by a name, what a plural is in a cluster that may not be asked yet)
//! is filled in as well as can be, and said.

use std::collections::{BTreeMap, BTreeSet};

use stanch_contract::PluginKind;
use stanch_contract::plan::{Action, Capability};
use url::Url;

use super::record::{Decision, Layer, RecordedCall};
use super::spec::{Access, FilesGrantSpec, GrantSpec, HttpGrantSpec, KubernetesGrantSpec, NotifyGrantSpec};

/// What is known of the plugin and its calls.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Of which kind it is: what a notification plugin sends is granted under `notify`.
    pub kind: PluginKind,
    /// What it asked of the gate.
    pub calls: &'a [RecordedCall],
    /// What it would do, also where the gate refused that plan.
    pub actions: &'a [Action],
    /// The cluster that the step is bound to.
    pub on: Option<&'a str>,
    /// What it is granted now: where folders and networks are read from.
    pub now: &'a GrantSpec,
}

/// A grant, and what a person has to fill in or know about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suggestion {
    /// The grant.
    pub grant: GrantSpec,
    /// What is not known for certain, one sentence each.
    pub notes: BTreeSet<String>,
}

/// The smallest grant that covers all of it.
pub fn suggest(seen: &Seen<'_>) -> Suggestion {
    let mut told = Told::default();
    for call in seen.calls {
        if let Decision::Refused(refusal) = &call.decision {
            match refusal.layer {
                Layer::Grant => {}
                Layer::Address => drop(told.notes.insert(format!(
                    "`{}` is at no address of the public internet: add its network to `addresses`, where that is meant",
                    call.target
                ))),
                // What no grant would have let through needs none.
                Layer::Request | Layer::Phase | Layer::Plan | Layer::Action | Layer::Limit => continue,
            }
        }
        told.take(
            seen,
            call.capability,
            &call.verb,
            &call.target,
            call.action.is_some(),
        );
    }
    for action in seen.actions {
        let capability = match action.target.split(':').next() {
            Some("kubernetes") => Capability::Kubernetes,
            Some("file") => Capability::Files,
            _ => Capability::Http,
        };
        told.take(seen, capability, &action.verb, &action.target, true);
    }
    told.suggestion(seen)
}

/// What an entry of Kubernetes is about; entries that differ in their verbs only are one.
type Objects = (String, Option<String>, Option<String>);

#[derive(Default)]
struct Told {
    /// By URL: what reads, what changes.
    http: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>,
    kubernetes: BTreeMap<Objects, BTreeSet<String>>,
    files: BTreeMap<String, Access>,
    notes: BTreeSet<String>,
}

impl Told {
    fn take(&mut self, seen: &Seen<'_>, capability: Capability, verb: &str, target: &str, changes: bool) {
        match capability {
            Capability::Http => self.http(verb, target, changes),
            Capability::Kubernetes => self.kubernetes(seen, verb, target),
            Capability::Files => self.files(verb, target, changes),
        }
    }

    fn http(&mut self, method: &str, target: &str, changes: bool) {
        let Ok(mut url) = Url::parse(target) else {
            return;
        };
        url.set_query(None);
        url.set_fragment(None);
        if !changes && !matches!(method, "GET" | "HEAD" | "OPTIONS") {
            self.notes.insert(format!(
                "`{method} {url}` was sent outside of `apply`: grant it as `read` only if it changes nothing there"
            ));
        }
        let (read, change) = self.http.entry(url.to_string()).or_default();
        if changes { change } else { read }.insert(method.to_owned());
    }

    /// `kubernetes:NAMESPACE/GROUP/RESOURCE[/NAME]`. Of a call that was refused before its cluster was asked for its kinds the
    /// third part is a kind.
    fn kubernetes(&mut self, seen: &Seen<'_>, verb: &str, target: &str) {
        let Some(on) = seen.on else {
            self.notes
                .insert("it asks for objects of a cluster: say which with --on".to_owned());
            return;
        };
        let mut parts = target.strip_prefix("kubernetes:").unwrap_or(target).split('/');
        let (Some(namespace), Some(group), Some(resource)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let name = parts.next().filter(|name| !name.is_empty());
        let resource = if resource.chars().any(char::is_uppercase) {
            let plural = usual_plural(&resource.to_lowercase());
            self.notes.insert(format!(
                "`{plural}` is what objects of kind {resource} are usually called; the cluster `{on}` may not be asked yet"
            ));
            plural
        } else {
            resource.to_owned()
        };
        let resource = if matches!(group, "_" | "") {
            resource
        } else {
            format!("{resource}.{group}")
        };
        let namespace = (namespace != "_").then(|| namespace.to_owned());
        // What is created is not there yet, and a list is of all.
        let name = name.filter(|_| verb != "list").map(str::to_owned);
        self.kubernetes
            .entry((resource, namespace, name))
            .or_default()
            .insert(verb.to_owned());
    }

    fn files(&mut self, verb: &str, target: &str, changes: bool) {
        let path = target.strip_prefix("file:").unwrap_or(target);
        let at = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        if at.is_empty() {
            return;
        }
        let access = if changes || matches!(verb, "write" | "remove") {
            Access::Change
        } else {
            Access::Read
        };
        let entry = self.files.entry(at.to_owned()).or_insert(access);
        *entry = access.max(*entry);
    }

    fn suggestion(self, seen: &Seen<'_>) -> Suggestion {
        let mut notes = self.notes;
        let mut grant = GrantSpec::default();
        for (url, (read, change)) in self.http {
            let now = seen.now.http.iter().find(|entry| same_server(&entry.url, &url));
            let (headers, addresses) = now.map_or_else(Default::default, |entry| {
                (entry.headers.clone(), entry.addresses.clone())
            });
            if seen.kind == PluginKind::Notification {
                grant.notify.push(NotifyGrantSpec {
                    url,
                    headers,
                    addresses,
                    ..NotifyGrantSpec::default()
                });
            } else {
                grant.http.push(HttpGrantSpec {
                    url,
                    read: read.into_iter().collect(),
                    change: change.into_iter().collect(),
                    headers,
                    addresses,
                    max_response: None,
                });
            }
        }
        for (at, access) in self.files {
            let path = seen.now.files.iter().find(|entry| entry.at == at);
            let path = path.map(|entry| entry.path.clone()).unwrap_or_else(|| {
                notes.insert(format!("which folder `{at}` is, only you know: put its path in"));
                format!("/path/of/{at}")
            });
            grant.files.push(FilesGrantSpec { path, at, access });
        }
        for ((resource, namespace, name), verbs) in self.kubernetes {
            grant.kubernetes.push(KubernetesGrantSpec {
                keys_only: resource == "secrets" && verbs.contains("patch"),
                clusters: seen.on.map(str::to_owned).into_iter().collect(),
                verbs: verbs.into_iter().collect(),
                resources: vec![resource],
                namespaces: namespace.into_iter().collect(),
                names: name.into_iter().collect(),
                selector: None,
            });
        }
        Suggestion { grant, notes }
    }
}

fn same_server(granted: &str, url: &str) -> bool {
    let origin = |text: &str| Url::parse(text).map(|url| url.origin());
    matches!((origin(granted), origin(url)), (Ok(granted), Ok(url)) if granted == url)
}

/// As kubectl guesses it.
fn usual_plural(kind: &str) -> String {
    match kind.chars().last() {
        Some('s') => format!("{kind}es"),
        Some('y') => format!("{}ies", kind.strip_suffix('y').unwrap_or(kind)),
        _ => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use stanch_contract::Timestamp;

    use super::super::record::Refusal;
    use super::*;

    fn call(capability: Capability, verb: &str, target: &str, decision: Decision) -> RecordedCall {
        RecordedCall {
            at: Timestamp::parse_rfc3339("2026-11-26T03:00:00Z").unwrap(),
            capability,
            verb: verb.to_owned(),
            target: target.to_owned(),
            request: None,
            decision,
            answer: None,
            took_ms: 0,
            action: None,
        }
    }

    fn action(verb: &str, target: &str) -> Action {
        Action {
            verb: verb.to_owned(),
            target: target.to_owned(),
            expect: None,
            content: None,
            items: Vec::new(),
            reason: String::new(),
            extra: Value::Null,
        }
    }

    fn suggested(
        kind: PluginKind,
        calls: &[RecordedCall],
        actions: &[Action],
        now: Value,
    ) -> (Value, Vec<String>) {
        let now: GrantSpec = serde_json::from_value(now).unwrap();
        let found = suggest(&Seen {
            kind,
            calls,
            actions,
            on: Some("eu-b"),
            now: &now,
        });
        (
            serde_json::to_value(found.grant).unwrap(),
            found.notes.into_iter().collect(),
        )
    }

    fn denied() -> Decision {
        Decision::Refused(Refusal::new(Layer::Grant, "no grant"))
    }

    #[test]
    fn what_was_asked_and_what_is_planned_is_granted_and_nothing_beside_it() {
        let calls = [
            call(
                Capability::Http,
                "GET",
                "https://lb.internal/config?full=1",
                Decision::Allowed,
            ),
            call(Capability::Http, "GET", "https://lb.internal/health", denied()),
            call(
                Capability::Kubernetes,
                "get",
                "kubernetes:inference/apps/deployments/web",
                Decision::Allowed,
            ),
            call(
                Capability::Kubernetes,
                "list",
                "kubernetes:inference/_/pods",
                Decision::Allowed,
            ),
        ];
        let actions = [
            action("PATCH", "https://lb.internal/config"),
            action("scale", "kubernetes:inference/apps/deployments/web"),
        ];
        let now = json!({ "http": [{ "url": "https://lb.internal/**", "read": ["GET"], "addresses": ["10.0.0.0/8"] }] });
        let (grant, notes) = suggested(PluginKind::Remediation, &calls, &actions, now);
        let http = |url: &str, read: Value, change: Value| json!({ "url": url, "read": read, "change": change, "headers": {}, "addresses": ["10.0.0.0/8"], "max_response": null });
        assert_eq!(
            grant,
            json!({
                "http": [
                    http("https://lb.internal/config", json!(["GET"]), json!(["PATCH"])),
                    http("https://lb.internal/health", json!(["GET"]), json!([])),
                ],
                "kubernetes": [
                    { "clusters": ["eu-b"], "verbs": ["get", "scale"], "resources": ["deployments.apps"], "namespaces": ["inference"], "names": ["web"] },
                    { "clusters": ["eu-b"], "verbs": ["list"], "resources": ["pods"], "namespaces": ["inference"] },
                ],
            })
        );
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let calls = [
            call(
                Capability::Kubernetes,
                "get",
                "kubernetes:_/networking.k8s.io/IngressClass/nginx",
                denied(),
            ),
            call(Capability::Files, "scan", "/tmp/cache", denied()),
            call(
                Capability::Http,
                "POST",
                "https://search.internal/query",
                denied(),
            ),
        ];
        let (grant, notes) = suggested(PluginKind::Diagnosis, &calls, &[], json!({}));
        assert_eq!(
            grant["kubernetes"][0]["resources"],
            json!(["ingressclasses.networking.k8s.io"])
        );
        assert_eq!(grant["kubernetes"][0].get("namespaces"), None);
        assert_eq!(
            grant["files"],
            json!([{ "path": "/path/of/tmp", "at": "tmp", "access": "read" }])
        );
        assert_eq!(grant["http"][0]["read"], json!(["POST"]));
        let [post, plural, folder] = notes.as_slice() else {
            panic!("{notes:?}")
        };
        assert!(folder.contains("which folder `tmp` is"), "{notes:?}");
        assert!(post.contains("POST https://search.internal/query"), "{notes:?}");
        assert!(plural.contains("IngressClass"), "{notes:?}");
    }

    #[test]
    fn what_no_grant_would_let_through_is_not_suggested() {
        let refused = |layer| Decision::Refused(Refusal::new(layer, "no"));
        let calls = [Layer::Request, Layer::Phase, Layer::Plan, Layer::Limit]
            .map(|layer| call(Capability::Http, "DELETE", "https://x.example/", refused(layer)));
        let (grant, _) = suggested(PluginKind::Remediation, &calls, &[], json!({}));
        assert_eq!(grant, json!({}));
    }

    #[test]
    fn what_a_notification_sends_is_granted_as_one() {
        let calls = [call(
            Capability::Http,
            "POST",
            "https://chat.example/hook",
            denied(),
        )];
        let (grant, _) = suggested(PluginKind::Notification, &calls, &[], json!({}));
        assert_eq!(grant["notify"][0]["url"], json!("https://chat.example/hook"));
        assert_eq!(grant.get("http"), None);
    }
}
