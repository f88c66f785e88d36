//! What a plugin was answered when it looked, for whoever makes a test of it.
//!
//! A tape hears what the plugin heard and nothing more: secrets are out of it already, and what was refused is not on it.

use crate::files::{Entry, Space};
use crate::http::{NoAnswer, Response};

/// A request, as a server was asked: without headers, among which are credentials.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The URL in canonical form, with its query.
    pub url: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// The log of a container, as it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct AskedLog<'a> {
    /// The pod, as plans name it.
    pub pod: &'a str,
    /// None: the only one.
    pub container: Option<&'a str>,
    /// Of the instance before the last restart.
    pub previous: bool,
}

/// Listens to what reads came to.
pub trait Tape: Send + Sync {
    /// A request that was sent, and what came of it.
    fn http(&self, asked: Asked<'_>, came: Result<&Response, NoAnswer>);

    /// How full the file system under a folder is, by the grant's name of the folder.
    fn space(&self, folder: &str, space: Space);

    /// Some of what is in a folder.
    fn entries(&self, entries: &[Entry]);

    /// What is in a file, as far as it was read.
    fn content(&self, path: &str, content: &[u8]);

    /// What is in a cluster, each object as JSON; none where what was asked for is not there.
    fn objects(&self, cluster: &str, objects: &[String]);

    /// The end of a container's log.
    fn log(&self, cluster: &str, asked: AskedLog<'_>, log: &str);

    /// What a cluster did not answer with an object: to which call (`VERB TARGET`), with which status, and what it said. No
    /// status: there was no answer.
    fn withheld(&self, cluster: &str, call: &str, status: Option<u16>, said: &str);
}
