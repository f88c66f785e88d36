//! The host's functions where there is no host: those of the [`Host`](crate::testing::Host) of this thread's test.

use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::files::{Entry, Page, Removed, Space};
use crate::host::Level;
use crate::http::{Request, Response};
use crate::kubernetes::{Change, Named, Query};
use crate::testing::with_host;

pub(crate) fn log(level: Level, message: &str) {
    with_host(|host| host.log(level, message));
}

pub(crate) fn now_ms() -> f64 {
    with_host(|host| host.now_ms() as f64).unwrap_or(0.0)
}

pub(crate) fn remaining_ms() -> u32 {
    with_host(|host| host.remaining_ms()).unwrap_or(0)
}

pub(crate) fn is_cancelled() -> bool {
    with_host(|host| host.is_cancelled()).unwrap_or(false)
}

pub(crate) fn sleep(time: Duration) {
    with_host(|host| host.sleep(time));
}

pub(crate) fn settings() -> String {
    with_host(|host| host.settings()).unwrap_or_else(|| "{}".to_owned())
}

pub(crate) fn send(request: &Request) -> Result<Response, Failure> {
    with_host(|host| host.send(request)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn usage(folder: &str) -> Result<Space, Failure> {
    with_host(|host| host.usage(folder)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn scan(folder: &str, recursive: bool, continue_from: Option<&str>) -> Result<Page, Failure> {
    with_host(|host| host.scan(folder, recursive, continue_from)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn read(path: &str, limit: u32) -> Result<Vec<u8>, Failure> {
    with_host(|host| host.read(path, limit)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn write(path: &str, content: &[u8]) -> Result<(), Failure> {
    with_host(|host| host.write(path, content)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn remove(folder: &str, files: &[Entry]) -> Result<Removed, Failure> {
    with_host(|host| host.remove(folder, files)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn cluster_get(what: &Named) -> Result<Value, Failure> {
    with_host(|host| host.cluster_get(what)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn cluster_find(
    what: &Query,
    continue_from: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), Failure> {
    with_host(|host| host.cluster_find(what, continue_from)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn cluster_logs(
    pod: &Named,
    container: Option<&str>,
    previous: bool,
    tail: u32,
) -> Result<String, Failure> {
    with_host(|host| host.cluster_logs(pod, container, previous, tail)).unwrap_or_else(|| Err(no_host()))
}

pub(crate) fn cluster_change(what: &Named, change: &Change) -> Result<Option<Value>, Failure> {
    with_host(|host| host.cluster_change(what, change)).unwrap_or_else(|| Err(no_host()))
}

fn no_host() -> Failure {
    Failure::denied("There is no host: a test makes one with `stanch_plugin::testing::Host::new()`")
}
