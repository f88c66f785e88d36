//! A namespace of a test's own, and what a test does in it besides what it tests.

use serde_json::{Value, json};

use crate::PartError;
use crate::api::Api;
use crate::control_plane::ControlPlane;
use crate::people::User;
use crate::wait::until;

/// A namespace. Where its test fails, the folder of the control plane is kept.
#[derive(Debug)]
pub struct Space<'a> {
    plane: &'a ControlPlane,
    admin: Api,
    name: String,
}

impl<'a> Space<'a> {
    pub(crate) fn new(plane: &'a ControlPlane, name: &str) -> Result<Self, PartError> {
        let admin = plane.api(User::Admin)?;
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        admin.create("/api/v1/namespaces", &namespace)?.good()?;
        Ok(Self {
            plane,
            admin,
            name: name.to_owned(),
        })
    }

    /// The namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The administrator's way to the API server.
    pub fn admin(&self) -> &Api {
        &self.admin
    }

    /// Applies manifests, as `kubectl apply` does.
    ///
    /// # Errors
    /// What the API server has against them.
    pub fn apply(&self, manifests: &str) -> Result<(), PartError> {
        let arguments = [
            "--namespace",
            &self.name,
            "apply",
            "--server-side",
            "--filename",
            "-",
        ];
        self.plane.kubectl(&arguments, manifests).map(drop)
    }

    /// Lets somebody do something here: a role with these rules, in YAML's flow style, as a manifest has them.
    ///
    /// # Errors
    /// What the API server has against it.
    pub fn allow(&self, user: User, rules: &str) -> Result<(), PartError> {
        let name = user.name();
        self.apply(&format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\nrules: {rules}\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {name}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {name}}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {name}}}]\n"
        ))
    }

    /// The path of a list of the core group, or of an object or subresource in it: `pods`, `pods/NAME/eviction`.
    pub fn path(&self, below: &str) -> String {
        format!("/api/v1/namespaces/{}/{below}", self.name)
    }

    /// The pods that a selector fits, by name; none where the API server does not answer.
    pub fn pods(&self, selector: &str) -> Option<Vec<Value>> {
        let selector = selector.replace('=', "%3D").replace(',', "%2C");
        self.admin
            .items(&self.path(&format!("pods?labelSelector={selector}")))
    }

    /// A pod; none where there is none, or no answer.
    pub fn pod(&self, name: &str) -> Option<Value> {
        self.admin.object(&self.path(&format!("pods/{name}")))
    }

    /// Waits until so many pods fit a selector and all of them are Ready and none is being deleted.
    ///
    /// # Errors
    /// Where that does not come to be.
    pub fn ready(&self, selector: &str, count: usize) -> Result<Vec<Value>, PartError> {
        until(
            &format!("{count} ready pods of {selector} in {}", self.name),
            || {
                let pods = self.pods(selector)?;
                (pods.len() == count && pods.iter().all(is_ready)).then_some(pods)
            },
        )
    }

    /// Has a pod be in a state: `ready`, `not-ready`, `crash-loop`. Waits until the API server says so.
    ///
    /// # Errors
    /// Where that does not come to be.
    pub fn set(&self, pod: &str, state: &str) -> Result<(), PartError> {
        let annotations = json!({ "metadata": { "annotations": { "stanch.test/state": state } } });
        let path = self.path(&format!("pods/{pod}"));
        self.admin.merge(&path, &annotations)?.good()?;
        until(&format!("{pod} to be {state}"), || {
            let pod = self.pod(pod)?;
            let waits = pod.pointer("/status/containerStatuses/0/state/waiting/reason");
            let is_so = match state {
                "crash-loop" => waits.is_some_and(|reason| reason == "CrashLoopBackOff"),
                "not-ready" => !is_ready(&pod) && waits.is_none(),
                _ => is_ready(&pod),
            };
            is_so.then_some(())
        })
    }

    /// Gives a container of a pod its logs, the current one's and the previous one's; waits until the API server has them.
    ///
    /// # Errors
    /// Where that does not come to be.
    pub fn logs(
        &self,
        pod: &str,
        container: &str,
        current: &[&str],
        previous: &[&str],
    ) -> Result<(), PartError> {
        let place = self.plane.place();
        let written = |what: &str, lines: &[&str]| {
            place.write(
                &format!("logs/{}/{pod}/{container}/{what}.log", self.name),
                of_runtime(lines),
            )
        };
        let files = [written("current", current)?, written("previous", previous)?];
        let files = files.map(|file| file.display().to_string());
        self.apply(
            &json!({
                "apiVersion": "kwok.x-k8s.io/v1alpha1",
                "kind": "Logs",
                "metadata": { "name": pod, "namespace": self.name },
                "spec": { "logs": [{
                    "containers": [container],
                    "logsFile": files.first(),
                    "previousLogsFile": files.last(),
                }] },
            })
            .to_string(),
        )?;
        let path = self.path(&format!("pods/{pod}/log?container={container}"));
        let wanted: String = current.iter().map(|line| format!("{line}\n")).collect();
        until(&format!("the logs of {pod}"), || {
            (self.admin.text(&path).ok()? == wanted).then_some(())
        })
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        self.plane.place().keep_if_failed();
    }
}

/// As a container runtime writes them: time, stream, whole line, text.
fn of_runtime(lines: &[&str]) -> String {
    let dated = lines.iter().enumerate();
    let dated = dated.map(|(second, line)| {
        format!(
            "2026-06-01T12:{:02}:{:02}.5Z stdout F {line}\n",
            second / 60,
            second % 60
        )
    });
    dated.collect()
}

/// Whether a pod, or a node, is Ready, and stays.
pub fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is = |one: &Value, key: &str, value: &str| one.get(key).and_then(Value::as_str) == Some(value);
    let ready = |one: &Value| is(one, "type", "Ready") && is(one, "status", "True");
    conditions.is_some_and(|all| all.iter().any(ready))
        && object.pointer("/metadata/deletionTimestamp").is_none()
}
