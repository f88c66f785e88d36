//! What each part is told. What is not here is as Kubernetes has it.

use std::net::SocketAddr;
use std::path::Path;

use crate::people::{Certificates, User};

/// The controllers that the workloads of tests need.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,statefulset-controller,job-controller,disruption-controller,\
                           endpointslice-controller,namespace-controller,garbage-collector-controller,\
                           node-lifecycle-controller,taint-eviction-controller,pod-garbage-collector-controller";

/// Where the parts listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd: SocketAddr,
    pub(super) etcd_peer: SocketAddr,
    pub(super) api_server: SocketAddr,
    pub(super) kwok: SocketAddr,
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

fn kubeconfig(user: User) -> String {
    flag("kubeconfig", user.file())
}

pub(super) fn etcd(ports: &Ports) -> Vec<String> {
    let (client, peer) = (
        format!("http://{}", ports.etcd),
        format!("http://{}", ports.etcd_peer),
    );
    vec![
        "etcd".to_owned(),
        flag("data-dir", "etcd"),
        flag("listen-client-urls", &client),
        flag("advertise-client-urls", &client),
        flag("listen-peer-urls", &peer),
        flag("initial-advertise-peer-urls", &peer),
        flag("initial-cluster", format!("default={peer}")),
        // Its data is worth nothing when the machine goes down.
        "--unsafe-no-fsync".to_owned(),
        flag("log-level", "warn"),
    ]
}

pub(super) fn api_server(ports: &Ports, certificates: &Certificates, tokens: &Path) -> Vec<String> {
    let issuer = "https://kubernetes.default.svc";
    vec![
        "kube-apiserver".to_owned(),
        flag("etcd-servers", format!("http://{}", ports.etcd)),
        flag("bind-address", ports.api_server.ip()),
        flag("secure-port", ports.api_server.port()),
        flag("advertise-address", ports.api_server.ip()),
        // It does not take a loopback address for the service `kubernetes`, which nobody here asks for.
        flag("endpoint-reconciler-type", "none"),
        flag("service-cluster-ip-range", "10.0.0.0/24"),
        flag("tls-cert-file", certificates.leaf.display()),
        flag("tls-private-key-file", certificates.key.display()),
        flag("service-account-issuer", issuer),
        flag("service-account-key-file", certificates.accounts_public.display()),
        flag(
            "service-account-signing-key-file",
            certificates.accounts.display(),
        ),
        flag("token-auth-file", tokens.display()),
        flag("authorization-mode", "RBAC"),
        // Pods that run nothing need no account.
        flag("disable-admission-plugins", "ServiceAccount"),
        flag("audit-policy-file", "audit.yaml"),
        flag("audit-log-path", super::AUDIT),
        // kwok stands in for each node's kubelet when logs are asked for.
        flag("kubelet-certificate-authority", certificates.ca.display()),
        flag("kubelet-preferred-address-types", "InternalIP"),
    ]
}

pub(super) fn controllers(certificates: &Certificates) -> Vec<String> {
    vec![
        "kube-controller-manager".to_owned(),
        kubeconfig(User::Controllers),
        flag("controllers", CONTROLLERS),
        // Each acts as its own account: else RBAC refuses them what they are for.
        flag("use-service-account-credentials", true),
        flag(
            "service-account-private-key-file",
            certificates.accounts.display(),
        ),
        flag("root-ca-file", certificates.ca.display()),
        flag("leader-elect", false),
        flag("secure-port", 0),
        flag("kube-api-qps", 200),
        flag("kube-api-burst", 400),
    ]
}

pub(super) fn scheduler() -> Vec<String> {
    vec![
        "kube-scheduler".to_owned(),
        kubeconfig(User::Scheduler),
        flag("leader-elect", false),
        flag("secure-port", 0),
        flag("kube-api-qps", 200),
        flag("kube-api-burst", 400),
    ]
}

pub(super) fn kwok(ports: &Ports, certificates: &Certificates) -> Vec<String> {
    vec![
        "kwok".to_owned(),
        kubeconfig(User::Admin),
        flag("config", super::STAGES),
        flag("manage-all-nodes", true),
        flag("node-lease-duration-seconds", 40),
        flag("node-ip", ports.kwok.ip()),
        flag("node-port", ports.kwok.port()),
        flag("server-address", ports.kwok),
        flag("tls-cert-file", certificates.leaf.display()),
        flag("tls-private-key-file", certificates.key.display()),
        flag("enable-crds", "Logs"),
    ]
}
