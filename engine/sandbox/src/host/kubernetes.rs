//! The interface `kubernetes`: linked, because plugins import it whole, and refused, because this version has no clusters.

use super::State;
use crate::bindings::common::Failure;
use crate::bindings::kubernetes::{Host, Object, Page, Query};
use crate::convert;

impl State {
    fn refuse(
        &mut self,
        verb: &str,
        api: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> wasmtime::Result<Failure> {
        let group = api.split_once('/').map_or("_", |(group, _)| group);
        let target = format!("kubernetes:{}/{group}/{kind}/{name}", namespace.unwrap_or("_"));
        Ok(match self.gate()? {
            Ok(gate) => convert::to_guest_failure(gate.kubernetes(verb, &target)),
            Err(failure) => failure,
        })
    }

    fn refuse_object(&mut self, verb: &str, what: &Object) -> wasmtime::Result<Failure> {
        self.refuse(
            verb,
            &what.api_version,
            &what.kind,
            what.namespace.as_deref(),
            &what.name,
        )
    }
}

impl Host for State {
    async fn get(&mut self, what: Object) -> wasmtime::Result<Result<String, Failure>> {
        self.refuse_object("get", &what).map(Err)
    }

    async fn find(&mut self, what: Query) -> wasmtime::Result<Result<Page, Failure>> {
        self.refuse(
            "list",
            &what.api_version,
            &what.kind,
            what.namespace.as_deref(),
            "*",
        )
        .map(Err)
    }

    async fn logs(
        &mut self,
        pod: Object,
        _container: Option<String>,
        _previous: bool,
        _tail_lines: u32,
    ) -> wasmtime::Result<Result<String, Failure>> {
        self.refuse_object("logs", &pod).map(Err)
    }

    async fn delete(
        &mut self,
        what: Object,
        _grace_seconds: Option<u32>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.refuse_object("delete", &what).map(Err)
    }

    async fn evict(
        &mut self,
        pod: Object,
        _grace_seconds: Option<u32>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        self.refuse_object("evict", &pod).map(Err)
    }

    async fn patch(
        &mut self,
        what: Object,
        _kind: String,
        _body: String,
    ) -> wasmtime::Result<Result<String, Failure>> {
        self.refuse_object("patch", &what).map(Err)
    }

    async fn create(&mut self, what: Object, _body: String) -> wasmtime::Result<Result<String, Failure>> {
        self.refuse_object("create", &what).map(Err)
    }

    async fn scale(&mut self, what: Object, _replicas: u32) -> wasmtime::Result<Result<(), Failure>> {
        self.refuse_object("scale", &what).map(Err)
    }
}
