//! From `[clusters.NAME]` to how a cluster is reached: its kubeconfig, or the service account of the pod, read with kube and
//! held to this engine's own rules.
//!
//! No program is run to log in, no proxy is used (of the kubeconfig or of the environment), no certificate is taken on trust,
//! and no credential goes over a connection in the clear, but to this machine itself.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use http::Uri;
use kube::Config;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

/// A kubeconfig beyond this is not one.
const MOST: u64 = 4 << 20;
/// Where a kubelet mounts the service account of a pod.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What kube is told of a proxy, so that it does not ask the environment. It is not used.
const NO_PROXY: &str = "http://none.invalid";

/// One `[clusters.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// Where its address and credentials are.
    pub access: Access,
    /// The user that is acted as, by the cluster's own impersonation.
    pub impersonate: Option<String>,
}

/// Where a cluster's address and credentials are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// In a file.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Which context of it; its current one where none is named.
        context: Option<String>,
    },
    /// In the pod that the engine runs in: its service account.
    InCluster,
}

/// What tells a file from what it was: when it was modified, and how long it is. `None`: it is not there.
pub(super) type Stamp = Option<(SystemTime, u64)>;

/// Reads how a cluster is reached. The error is a sentence without what it is about; with it come the files to look at again.
pub(super) async fn resolve(spec: &ClusterSpec) -> (Result<Config, String>, Vec<(PathBuf, Stamp)>) {
    let (read, files) = match &spec.access {
        Access::InCluster => (in_cluster(&Pod::own()), Vec::new()),
        Access::Kubeconfig { path, context } => {
            let mut files = vec![(path.clone(), stamp(path))];
            (kubeconfig(path, context.clone(), &mut files).await, files)
        }
    };
    let held = read.and_then(|config| held_to_rules(config, spec.impersonate.as_deref()));
    (held, files)
}

/// What was read, as this engine uses it.
fn held_to_rules(mut config: Config, impersonate: Option<&str>) -> Result<Config, String> {
    if let Some(user) = impersonate {
        let auth = &mut config.auth_info;
        auth.impersonate = Some(user.to_owned());
        // These were said of somebody else.
        (
            auth.impersonate_uid,
            auth.impersonate_groups,
            auth.impersonate_user_extra,
        ) = (None, None, None);
    }
    check_url(&config.cluster_url)?;
    // Retries are kube's default on 429, 503 and 504, of changes too: a change would be made twice.
    config.default_retry = false;
    config.proxy_url = None;
    Ok(config)
}

/// What a file is known by.
pub(super) fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// What a pod knows of the cluster that it runs in.
struct Pod {
    /// Where its API server is: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    server: Option<(String, String)>,
    /// The folder of its service account: `token`, `ca.crt`, `namespace`.
    account: PathBuf,
}

impl Pod {
    /// The one that this engine runs in, if it runs in one.
    fn own() -> Self {
        let told = |name| std::env::var(name).ok();
        Self {
            server: told("KUBERNETES_SERVICE_HOST").zip(told("KUBERNETES_SERVICE_PORT")),
            account: PathBuf::from(ACCOUNT),
        }
    }
}

/// As kube does it, but from a folder that can be said. The token and the CA are read again by kube once a minute, because the
/// kubelet replaces them.
fn in_cluster(pod: &Pod) -> Result<Config, String> {
    let instead = "`in_cluster` works in a pod that mounts its service account";
    let (host, port) = pod.server.as_ref().ok_or_else(|| {
        format!("the environment has no `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`: {instead}")
    })?;
    let host = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.clone(),
    };
    let url = format!("https://{host}:{port}");
    let url: Uri = url.parse().map_err(|_| {
        format!("`KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` make no URL: `{url}`")
    })?;
    let file = |name: &str| pod.account.join(name);
    let read = |name: &str| {
        std::fs::read(file(name))
            .map_err(|error| format!("`{}` cannot be read: {error}; {instead}", file(name).display()))
    };
    // Only whether it is there: it is kube that reads it, again and again.
    read("token")?;
    let unfit = || format!("`{}` holds no certificate", file("ca.crt").display());
    let roots = CertificateDer::pem_slice_iter(&read("ca.crt")?)
        .map(|root| root.map(|root| root.to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unfit())?;
    if roots.is_empty() {
        return Err(unfit());
    }
    let mut config = Config::new(url);
    config.default_namespace = String::from_utf8_lossy(&read("namespace")?).trim().to_owned();
    config.root_cert = Some(roots);
    config.root_cert_file = Some(file("ca.crt"));
    config.auth_info.token_file = Some(file("token").to_string_lossy().into_owned());
    Ok(config)
}

async fn kubeconfig(
    path: &Path,
    context: Option<String>,
    files: &mut Vec<(PathBuf, Stamp)>,
) -> Result<Config, String> {
    let shown = path.display();
    let length = std::fs::metadata(path)
        .map_err(|error| format!("the kubeconfig `{shown}` cannot be read: {error}"))?
        .len();
    if length > MOST {
        return Err(format!("the kubeconfig `{shown}` is larger than 4 MiB"));
    }
    let mut whole = Kubeconfig::read_from(path)
        .map_err(|error| format!("the kubeconfig `{shown}` {}", unread(&error)))?;
    let names = |whole: &Kubeconfig| {
        let names: Vec<String> = whole
            .contexts
            .iter()
            .map(|one| format!("`{}`", one.name))
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let name = match (&context, &whole.current_context) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) if !name.is_empty() => name.clone(),
        (None, _) => {
            return Err(format!(
                "the kubeconfig `{shown}` has no current context: write `context` with one of {}",
                names(&whole)
            ));
        }
    };
    let chosen = whole
        .contexts
        .iter()
        .find(|one| one.name == name)
        .and_then(|one| one.context.clone());
    let chosen = chosen.ok_or_else(|| {
        format!(
            "the kubeconfig `{shown}` has no context `{name}`; it has {}",
            names(&whole)
        )
    })?;
    if let Some(user) = &chosen.user {
        let auth = whole
            .auth_infos
            .iter()
            .find(|one| one.name == *user)
            .and_then(|one| one.auth_info.as_ref());
        let auth = auth.ok_or_else(|| {
            format!("the kubeconfig `{shown}` has no user `{user}`, which the context `{name}` names")
        })?;
        logs_in(auth).map_err(|why| format!("the user `{user}` of the kubeconfig `{shown}` {why}"))?;
        let of_user = [&auth.client_certificate, &auth.client_key];
        files.extend(
            of_user
                .into_iter()
                .flatten()
                .map(|file| (PathBuf::from(file), stamp(Path::new(file)))),
        );
    }
    let cluster = whole
        .clusters
        .iter_mut()
        .find(|one| one.name == chosen.cluster)
        .and_then(|one| one.cluster.as_mut());
    let cluster = cluster.ok_or_else(|| {
        format!(
            "the kubeconfig `{shown}` has no cluster `{}`, which the context `{name}` names",
            chosen.cluster
        )
    })?;
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(format!(
            "the kubeconfig `{shown}` takes the server's certificate on trust (`insecure-skip-tls-verify`): write `certificate-authority` instead"
        ));
    }
    if cluster.proxy_url.as_deref().is_some_and(|url| !url.is_empty()) {
        return Err(format!(
            "the kubeconfig `{shown}` has a `proxy-url`, and this engine uses no proxy"
        ));
    }
    files.extend(
        cluster
            .certificate_authority
            .iter()
            .map(|file| (PathBuf::from(file), stamp(Path::new(file)))),
    );
    cluster.proxy_url = Some(NO_PROXY.to_owned());
    let options = KubeConfigOptions {
        context: Some(name),
        ..KubeConfigOptions::default()
    };
    Config::from_custom_kubeconfig(whole, &options)
        .await
        .map_err(|error| format!("the kubeconfig `{shown}`: {}", chain(&error)))
}

/// What is wrong with a kubeconfig, without a word of what is in it: what does not parse may be a credential.
fn unread(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("is not a kubeconfig: line {}, column {}", at.line(), at.column()),
            None => "is not a kubeconfig".to_owned(),
        },
        other => format!("cannot be read: {}", chain(other)),
    }
}

/// Whether the user's credentials are such that this engine can use them.
fn logs_in(auth: &AuthInfo) -> Result<(), String> {
    let instead = "give it a token (`tokenFile`) or a client certificate";
    if let Some(exec) = &auth.exec {
        let program = exec.command.as_deref().unwrap_or("a program");
        return Err(format!(
            "logs in by running `{program}`, which this engine does not do: {instead}"
        ));
    }
    if let Some(provider) = &auth.auth_provider {
        return Err(format!(
            "logs in by the provider `{}`, which this engine does not have: {instead}",
            provider.name
        ));
    }
    Ok(())
}

/// https, or this machine itself.
fn check_url(url: &Uri) -> Result<(), String> {
    let host = url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback());
    match url.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if is_here => Ok(()),
        Some("http") => Err(format!(
            "the server `{url}` would be sent credentials in the clear: write `https://`"
        )),
        _ => Err(format!("the server `{url}` is not an https URL")),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Many errors say their cause already.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    stanch_contract::text::clean_line_to(&text, 400)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use stanch_parts::{Place, Space};

    use super::super::cluster::Cluster;
    use super::super::{request, transport};
    use super::*;
    use crate::http::SystemResolver;

    const GOOD: &str = r#"
apiVersion: v1
kind: Config
clusters:
- { name: c, cluster: { server: "https://10.0.0.1:6443" } }
- { name: plain, cluster: { server: "http://10.0.0.1:8080" } }
- { name: here, cluster: { server: "http://127.0.0.1:8001" } }
- { name: trusting, cluster: { server: "https://10.0.0.1", insecure-skip-tls-verify: true } }
- { name: proxied, cluster: { server: "https://10.0.0.1", proxy-url: "http://10.0.0.2:3128" } }
- { name: authority, cluster: { server: "https://10.0.0.1", certificate-authority: missing.pem } }
users:
- { name: u, user: { token: hunter2hunter2, as: somebody, as-groups: [some-group] } }
- { name: runs, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks] } } }
- { name: provided, user: { auth-provider: { name: gcp } } }
contexts:
- { name: good, context: { cluster: c, user: u } }
- { name: plain, context: { cluster: plain, user: u } }
- { name: here, context: { cluster: here, user: u } }
- { name: trusting, context: { cluster: trusting, user: u } }
- { name: proxied, context: { cluster: proxied, user: u } }
- { name: authority, context: { cluster: authority, user: u } }
- { name: runs, context: { cluster: c, user: runs } }
- { name: provided, context: { cluster: c, user: provided } }
- { name: nobody, context: { cluster: c, user: missing } }
- { name: nowhere, context: { cluster: missing, user: u } }
current-context: good
"#;

    async fn resolved(
        text: &str,
        context: Option<&str>,
        impersonate: Option<&str>,
    ) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, text).unwrap();
        let spec = ClusterSpec {
            access: Access::Kubeconfig {
                path,
                context: context.map(str::to_owned),
            },
            impersonate: impersonate.map(str::to_owned),
        };
        resolve(&spec).await.0
    }

    #[tokio::test]
    async fn a_context_is_the_one_that_is_named_or_the_current_one_and_nothing_is_retried() {
        let config = resolved(GOOD, None, None).await.unwrap();
        assert_eq!(config.cluster_url, "https://10.0.0.1:6443");
        assert!(!config.default_retry && config.proxy_url.is_none());
        assert_eq!(config.auth_info.impersonate.as_deref(), Some("somebody"));
        let here = resolved(GOOD, Some("here"), None).await.unwrap();
        assert_eq!(here.cluster_url, "http://127.0.0.1:8001");
    }

    #[tokio::test]
    async fn who_is_acted_as_is_the_operators_word_whole() {
        let config = resolved(GOOD, None, Some("system:serviceaccount:stanch:engine"))
            .await
            .unwrap();
        assert_eq!(
            config.auth_info.impersonate.as_deref(),
            Some("system:serviceaccount:stanch:engine")
        );
        assert_eq!(config.auth_info.impersonate_groups, None);
    }

    #[tokio::test]
    async fn what_this_engine_does_not_do_is_said_with_what_to_do() {
        let table = [
            (Some("plain"), "in the clear"),
            (Some("trusting"), "insecure-skip-tls-verify"),
            (Some("proxied"), "uses no proxy"),
            (Some("authority"), "missing.pem"),
            (Some("runs"), "logs in by running `aws`"),
            (Some("provided"), "logs in by the provider `gcp`"),
            (Some("nobody"), "no user `missing`"),
            (Some("nowhere"), "no cluster `missing`"),
            (Some("other"), "no context `other`; it has `good`,"),
        ];
        for (context, part) in table {
            let why = resolved(GOOD, context, None).await.unwrap_err();
            assert!(why.contains(part), "{context:?}: {why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let why = resolved("apiVersion: v1\nkind: Config\n", None, None)
            .await
            .unwrap_err();
        assert!(why.contains("no current context"), "{why}");
        for broken in [
            "{ nonsense hunter2",
            "users:\n- name: u\n  user: { token: [hunter2] }\n",
        ] {
            let why = resolved(broken, None, None).await.unwrap_err();
            assert!(
                why.contains("is not a kubeconfig: line") && !why.contains("hunter2"),
                "{why}"
            );
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_an_error_that_names_it() {
        let spec = ClusterSpec {
            access: Access::Kubeconfig {
                path: "/nowhere/kubeconfig".into(),
                context: None,
            },
            impersonate: None,
        };
        let (why, files) = resolve(&spec).await;
        assert!(why.unwrap_err().contains("`/nowhere/kubeconfig` cannot be read"));
        assert_eq!(files, [("/nowhere/kubeconfig".into(), None)]);
    }

    /// The folder that a kubelet would mount for this service account of a real cluster: the token is one that its API server
    /// issued.
    fn mounted(space: &Space<'_>, account: &str, ca: &Path) -> Place {
        let place = Place::new("account").unwrap();
        let admin = space.admin();
        let meta = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": account } });
        admin
            .create(&space.path("serviceaccounts"), &meta)
            .unwrap()
            .good()
            .unwrap();
        let asks = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = space.path(&format!("serviceaccounts/{account}/token"));
        let issued = admin.create(&path, &asks).unwrap().good().unwrap();
        place
            .write("token", issued["status"]["token"].as_str().unwrap())
            .unwrap();
        place.write("ca.crt", std::fs::read(ca).unwrap()).unwrap();
        place.write("namespace", space.name()).unwrap();
        place
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn in_a_pod_the_engine_is_its_service_account_and_may_what_that_may() {
        let plane = stanch_parts::shared().unwrap();
        let space = plane.space("in-pod").unwrap();
        space
            .apply(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reads}\n\
                 rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [list]}]\n---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: reads}\n\
                 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reads}\n\
                 subjects: [{kind: ServiceAccount, name: engine, namespace: in-pod}]\n",
            )
            .unwrap();
        let account = mounted(&space, "engine", plane.ca());
        let server = (
            plane.address().ip().to_string(),
            plane.address().port().to_string(),
        );
        let pod = |server: Option<(String, String)>| Pod {
            server,
            account: account.path().to_owned(),
        };
        let config = in_cluster(&pod(Some(server.clone())))
            .and_then(|config| held_to_rules(config, None))
            .unwrap();
        assert!(!config.default_retry && config.default_namespace == "in-pod");
        let asked = async |config: &Config, below: &str| {
            let client = transport::client(config, Arc::new(SystemResolver)).unwrap();
            let cluster = Cluster::new("own", config.cluster_url.to_string(), client);
            let until = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
            let answer = cluster
                .read(request::plain(&space.path(below)), 1 << 20, until)
                .await;
            answer
                .map(|answer| answer.status.as_u16())
                .map_err(|error| error.to_string())
        };
        assert_eq!(asked(&config, "configmaps").await, Ok(200));
        assert_eq!(
            asked(&config, "pods").await,
            Ok(403),
            "its roles do not name these"
        );

        // Another CA is not trusted, whatever the token says.
        let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
        account.write("ca.crt", other.cert.pem()).unwrap();
        let distrusting = in_cluster(&pod(Some(server.clone()))).unwrap();
        let why = asked(&distrusting, "configmaps").await.unwrap_err();
        assert!(why.contains("no TLS connection"), "{why}");

        account.write("ca.crt", "no certificate").unwrap();
        let why = in_cluster(&pod(Some(server.clone()))).unwrap_err();
        assert!(why.contains("ca.crt` holds no certificate"), "{why}");
        let why = in_cluster(&pod(None)).unwrap_err();
        assert!(
            why.contains("KUBERNETES_SERVICE_HOST") && why.contains("in a pod"),
            "{why}"
        );
        std::fs::remove_file(account.path().join("token")).unwrap();
        let why = in_cluster(&pod(Some(server))).unwrap_err();
        assert!(
            why.contains("token` cannot be read") && why.contains("in a pod"),
            "{why}"
        );
    }

    #[tokio::test]
    async fn outside_a_pod_in_cluster_says_what_is_missing() {
        let spec = ClusterSpec {
            access: Access::InCluster,
            impersonate: None,
        };
        let why = resolve(&spec).await.0.unwrap_err();
        assert!(
            why.contains("works in a pod that mounts its service account"),
            "{why}"
        );
    }
}
