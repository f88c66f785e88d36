//! What a test says of the world beyond the gate: what servers answer, which files there are, how full disks are.
//!
//! The same tables stand in a runbook's test, as `[[test.http]]`, and in a plugin's case, as `[[http]]`. Times count from the
//! start of the test. This is what is written and nothing else; the world that is made of it is stanch-recorded's.

mod alerts;
mod files;
mod http;
mod kubernetes;
pub mod moment;

use serde_json::Value;
use stanch_contract::Span;

use crate::load::fields::Fields;
use crate::problem::Problems;

/// A world, as a test gives it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Given {
    /// What servers answer.
    pub http: Vec<Exchange>,
    /// Files that are there, come and go.
    pub files: Vec<File>,
    /// How full file systems are.
    pub spaces: Vec<Space>,
    /// What is in clusters.
    pub kubernetes: Vec<Kubernetes>,
}

/// One answer of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// From this time on.
    pub at: Span,
    /// Once such a request was sent, `METHOD URL`, with `*` for any characters; absent: from the beginning.
    pub since: Option<String>,
    /// To this method.
    pub method: String,
    /// To this URL; `*` stands for any characters.
    pub url: String,
    /// To a request with this body; absent: with any. Text, in which `*` stands for any characters, or JSON, of which every
    /// member that is written has to be there.
    pub sent: Option<Value>,
    /// So often at most; absent: always.
    pub times: Option<u32>,
    /// It takes so long.
    pub after: Span,
    /// The address of the host; absent: one on the public internet.
    pub address: Option<std::net::IpAddr>,
    /// The answer.
    pub answer: ServerAnswer,
}

/// What comes back from a server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerAnswer {
    /// An answer. In its texts `${now}` and the like are times ([`moment`]).
    Response {
        /// The status.
        status: u16,
        /// The headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: Body,
    },
    /// There is none.
    Not(NoAnswer),
}

/// Why no answer comes from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// No connection: nothing is sent.
    Refused,
    /// The host's name has no address: nothing is sent.
    UnknownHost,
    /// It is sent, and no answer comes in time.
    Timeout,
    /// It is sent, and the connection breaks before an answer comes.
    Lost,
}

/// A body.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Text as it is.
    Text(String),
    /// JSON.
    Json(Value),
}

/// A file in a granted folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From this time on.
    pub at: Span,
    /// As the plugin names it: the grant's `at`, then the path.
    pub path: String,
    /// What it is from then on.
    pub what: FileIs,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileIs {
    /// A file.
    There {
        /// What is in it; the size alone where that is all that is said.
        content: Content,
        /// How long before [`File::at`] it was changed.
        age: Span,
    },
    /// Nothing: somebody else removed it.
    Gone,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// So many bytes, whatever they are.
    Bytes(u64),
    /// This text.
    Text(String),
}

/// How full the file system under a granted folder is. What the plugins remove from then on is free, and what they write is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// From this time on.
    pub at: Span,
    /// The grant's `at`.
    pub folder: String,
    /// In all, in bytes.
    pub total: u64,
    /// Free, in bytes.
    pub free: u64,
}

/// Something of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Kubernetes {
    /// From this time on.
    pub at: Span,
    /// Of this cluster; absent: of each.
    pub cluster: Option<String>,
    /// Once such a call was done, `VERB TARGET` with `*` for any characters; absent: from [`Kubernetes::at`] on.
    pub since: Option<String>,
    /// So long after that call.
    pub after: Span,
    /// What it is.
    pub what: ClusterIs,
}

/// What is said of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterIs {
    /// Objects that are there from then on, each in the place of one of the same name, and some that are gone.
    Objects {
        /// As `kubectl get -o yaml` shows them. In their texts `${now}` and the like are times ([`moment`]).
        objects: Vec<Value>,
        /// Their targets, with `*` for any characters.
        gone: Vec<String>,
    },
    /// What a container logged.
    Log {
        /// The pod's target.
        pod: String,
        /// Absent: any of its containers.
        container: Option<String>,
        /// Of the container before its last restart.
        previous: bool,
        /// All of it.
        text: String,
    },
    /// A call is answered otherwise than the objects would have it. Dry runs are not.
    Answer {
        /// `VERB TARGET`, with `*` for any characters; `*` alone is whatever is asked, also for its kinds.
        call: String,
        /// So often at most; absent: always.
        times: Option<u32>,
        /// The status, or why there is none. Of a lost answer the call is done.
        answer: Result<u16, NoAnswer>,
        /// What the server says with the status.
        message: String,
    },
}

impl Given {
    /// Whether nothing is said of the world.
    pub fn is_empty(&self) -> bool {
        let Self {
            http,
            files,
            spaces,
            kubernetes,
        } = self;
        http.is_empty() && files.is_empty() && spaces.is_empty() && kubernetes.is_empty()
    }
}

/// Reads the tables of a test. `prefix` is what messages put before their names, as in `test.`.
pub fn read(fields: &mut Fields<'_, '_>, prefix: &str, problems: &mut Problems<'_>) -> Given {
    let mut given = Given::default();
    for node in fields.tables("http", &format!("{prefix}http"), problems) {
        given.http.extend(http::exchange(node, problems));
    }
    for node in fields.tables("file", &format!("{prefix}file"), problems) {
        given.files.extend(files::file(node, problems));
    }
    for node in fields.tables("space", &format!("{prefix}space"), problems) {
        given.spaces.extend(files::space(node, problems));
    }
    for node in fields.tables("kubernetes", &format!("{prefix}kubernetes"), problems) {
        given.kubernetes.extend(kubernetes::kubernetes(node, problems));
    }
    given
}

pub use alerts::alert;

/// `at`, from the start of the test; the beginning where it is not said.
pub(crate) fn at(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Span {
    fields.parsed("at", problems).map_or(Span::ZERO, |got| got.value)
}
