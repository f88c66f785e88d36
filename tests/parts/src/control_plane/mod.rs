//! A Kubernetes control plane: etcd, the API server, the controllers, the scheduler, and kwok for the nodes.

mod flags;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};
use stanch_outside::http::free_port;

use crate::api::Api;
use crate::audit::{self, Call};
use crate::door::Door;
use crate::people::{Certificates, User, kubeconfig, tokens};
use crate::place::Place;
use crate::process::Process;
use crate::space::{Space, is_ready};
use crate::wait::until;
use crate::{Part, PartError, program};
use flags::Ports;

const AUDIT: &str = "audit.log";
const STAGES: &str = "stages.yaml";
const NODES: [&str; 2] = ["node-1", "node-2"];

/// A running control plane. Its parts end with this value.
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: who asks before who answers, and what they write at last.
    _kwok: Process,
    _scheduler: Process,
    _controllers: Process,
    api_server: Mutex<Process>,
    _etcd: Process,
    place: Place,
    program: PathBuf,
    address: SocketAddr,
    serves: Vec<String>,
    certificates: Certificates,
}

/// The control plane that the tests of this program share. It is started by the first that asks, and ends with the
/// program.
///
/// # Errors
/// Where it did not start; then it does not for any test.
pub fn shared() -> Result<&'static ControlPlane, PartError> {
    static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    let started = SHARED.get_or_init(|| ControlPlane::start().map_err(|why| why.to_string()));
    started.as_ref().map_err(|why| PartError::from(why.clone()))
}

impl ControlPlane {
    /// Starts one with two nodes, and waits until pods would be placed on them.
    ///
    /// # Errors
    /// Where it is not built, or does not come up; with what the part that is to blame said last.
    pub fn start() -> Result<Self, PartError> {
        let program = program(Part::ControlPlane)?;
        let place = Place::new("control-plane")?;
        let port = || free_port().map_err(|why| PartError::of("a free port", why));
        let ports = Ports {
            etcd: port()?,
            etcd_peer: port()?,
            api_server: port()?,
            kwok: port()?,
        };
        let certificates = Certificates::made(&place)?;
        let tokens = tokens(&place)?;
        for user in User::ALL {
            place.write(user.file(), kubeconfig(user, ports.api_server, &certificates.ca))?;
        }
        place.write("audit.yaml", include_str!("audit.yaml"))?;
        let stages = said(Command::new(&program).arg("node-stages"), "")?;
        place.write(STAGES, format!("{stages}\n---\n{}", include_str!("pods.yaml")))?;

        let started =
            |name: &str, arguments: &[String]| Process::start(place.path(), name, &program, arguments);
        let etcd = started("etcd", &flags::etcd(&ports))?;
        let serves = flags::api_server(&ports, &certificates, &tokens);
        let mut api_server = started("kube-apiserver", &serves)?;
        let admin = Api::new(ports.api_server, &certificates.root, User::Admin.token())?;
        serving(&admin, &mut api_server)?;

        let crds = said(Command::new(&program).arg("kwok-crds"), "")?;
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        admin.send("POST", path, "application/yaml", &crds)?.good()?;
        until("kwok's own resources", || {
            admin.items("/apis/kwok.x-k8s.io/v1alpha1/logs")
        })?;
        for name in NODES {
            admin.create("/api/v1/nodes", &node(name))?.good()?;
        }
        let mut kwok = started("kwok", &flags::kwok(&ports, &certificates))?;
        let mut controllers = started("kube-controller-manager", &flags::controllers(&certificates))?;
        let mut scheduler = started("kube-scheduler", &flags::scheduler())?;
        until("nodes that take pods", || {
            let failed = [&mut kwok, &mut controllers, &mut scheduler]
                .into_iter()
                .find_map(|part| (!part.is_running()).then(|| part.trouble("it ended")));
            let nodes = || admin.items("/api/v1/nodes");
            failed
                .map(Err)
                .or_else(|| nodes()?.iter().all(takes_pods).then_some(Ok(())))
        })
        .map_err(|why| kwok.trouble(&why.to_string()))??;
        Ok(Self {
            _kwok: kwok,
            _scheduler: scheduler,
            _controllers: controllers,
            api_server: Mutex::new(api_server),
            _etcd: etcd,
            program,
            address: ports.api_server,
            serves,
            certificates,
            place,
        })
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder with what the parts say.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The file of the CA that signed what the API server shows.
    pub fn ca(&self) -> &Path {
        &self.certificates.ca
    }

    /// The file of somebody's kubeconfig.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.place.path().join(user.file())
    }

    /// Somebody's way to the API server.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn api(&self, user: User) -> Result<Api, PartError> {
        Api::new(self.address, &self.certificates.root, user.token())
    }

    /// A door before the API server.
    ///
    /// # Errors
    /// Where there is no port.
    pub fn door(&self) -> Result<Door, PartError> {
        let (certificate, key) = &self.certificates.shown;
        Door::open(self.api(User::Stranger)?, certificate.clone(), key.clone_key())
    }

    /// Somebody's way to the API server through a door.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn api_through(&self, door: &Door, user: User) -> Result<Api, PartError> {
        Api::new(door.address, &self.certificates.root, user.token())
    }

    /// The file of somebody's kubeconfig that leads through a door.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn kubeconfig_through(&self, door: &Door, user: User) -> Result<PathBuf, PartError> {
        self.kubeconfig_at(door.address, user)
    }

    /// The file of somebody's kubeconfig that leads to this address, whatever is between there and the API server.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn kubeconfig_at(&self, address: SocketAddr, user: User) -> Result<PathBuf, PartError> {
        let name = format!("door-{}/{}", address.port(), user.file());
        self.place
            .write(&name, kubeconfig(user, address, &self.certificates.ca))
    }

    /// What `kubectl` says to the administrator; `input` is what it reads.
    ///
    /// # Errors
    /// What it says where it fails.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String, PartError> {
        let mut kubectl = Command::new(&self.program);
        kubectl
            .arg("kubectl")
            .arg("--kubeconfig")
            .arg(self.kubeconfig(User::Admin));
        // It keeps what the server has told it in the folder of whoever runs it.
        kubectl.arg("--cache-dir").arg(self.place.path().join("kubectl"));
        said(kubectl.args(arguments), input)
    }

    /// A namespace of a test's own.
    ///
    /// # Errors
    /// Where it is there already, or cannot be made.
    pub fn space(&self, name: &str) -> Result<Space<'_>, PartError> {
        Space::new(self, name)
    }

    /// Kills the API server with SIGKILL: what it was doing is cut off.
    pub fn kill_api_server(&self) {
        self.locked().kill();
    }

    /// Starts the API server again, at the same address, on what etcd has; waits until it serves.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn restart_api_server(&self) -> Result<(), PartError> {
        let mut running = self.locked();
        running.kill();
        *running = Process::start(self.place.path(), "kube-apiserver", &self.program, &self.serves)?;
        serving(&self.api(User::Admin)?, &mut running)
    }

    /// What somebody has asked the API server for until now, and how it answered, in order; as its audit log has it.
    ///
    /// # Errors
    /// Where the log cannot be read, or the API server does not answer.
    pub fn calls(&self, user: User) -> Result<Vec<Call>, PartError> {
        audit::calls(self, &self.place.path().join(AUDIT), user)
    }

    fn locked(&self) -> MutexGuard<'_, Process> {
        self.api_server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the API server is ready.
fn serving(admin: &Api, process: &mut Process) -> Result<(), PartError> {
    let ready = until("an API server that is ready", || {
        if !process.is_running() {
            return Some(Err(process.trouble("it ended")));
        }
        let ready = admin.get("/readyz").is_ok_and(|answer| answer.status == 200);
        ready.then_some(Ok(()))
    });
    ready.map_err(|why| process.trouble(&why.to_string()))?
}

/// As kwok takes it.
fn node(name: &str) -> Value {
    let size = json!({ "cpu": "32", "memory": "256Gi", "pods": "110" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "status": { "allocatable": size, "capacity": size },
    })
}

/// Whether a node is ready and the controllers have seen it.
fn takes_pods(node: &Value) -> bool {
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    is_ready(node) && taints.is_none_or(Vec::is_empty)
}

/// What a program says on its output.
fn said(command: &mut Command, input: &str) -> Result<String, PartError> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    let failed = |why: std::io::Error| PartError::of(&line, why);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(PartError::of(
            &line,
            String::from_utf8_lossy(&output.stderr).trim(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
