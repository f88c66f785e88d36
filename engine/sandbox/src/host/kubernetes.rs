//! The interface `kubernetes`.

use super::State;
use crate::bindings::common::Failure;
use crate::bindings::kubernetes::{Host, Object, Page, Query};
use crate::convert;
use crate::kubernetes as gate;

/// The gate for one more call, or the refusal as the call's answer.
macro_rules! gate {
    ($state:ident) => {
        match $state.gate()? {
            Ok(gate) => gate,
            Err(failure) => return Ok(Err(failure)),
        }
    };
}

impl Host for State {
    async fn get(&mut self, what: Object) -> wasmtime::Result<Result<String, Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_get(object(what))).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn find(&mut self, what: Query) -> wasmtime::Result<Result<Page, Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_find(query(what))).await;
        Ok(answer
            .map(|gate::Page { items, next }| Page { items, next })
            .map_err(convert::to_guest_failure))
    }

    async fn logs(
        &mut self,
        pod: Object,
        container: Option<String>,
        previous: bool,
        tail_lines: u32,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let gate = gate!(self);
        let answer =
            Box::pin(gate.kubernetes_logs(object(pod), container.as_deref(), previous, tail_lines)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn delete(
        &mut self,
        what: Object,
        grace_seconds: Option<u32>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_delete(object(what), grace_seconds)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn evict(
        &mut self,
        pod: Object,
        grace_seconds: Option<u32>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_evict(object(pod), grace_seconds)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn patch(
        &mut self,
        what: Object,
        kind: String,
        body: String,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_patch(object(what), &kind, &body)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn create(&mut self, what: Object, body: String) -> wasmtime::Result<Result<String, Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_create(object(what), &body)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }

    async fn scale(&mut self, what: Object, replicas: u32) -> wasmtime::Result<Result<(), Failure>> {
        let answer = Box::pin(gate!(self).kubernetes_scale(object(what), replicas)).await;
        Ok(answer.map_err(convert::to_guest_failure))
    }
}

fn object(what: Object) -> gate::Object {
    let Object {
        api_version,
        kind,
        namespace,
        name,
    } = what;
    gate::Object {
        api_version,
        kind,
        namespace,
        name,
    }
}

fn query(what: Query) -> gate::Query {
    let Query {
        api_version,
        kind,
        namespace,
        label_selector,
        field_selector,
        limit,
        continue_from,
    } = what;
    gate::Query {
        api_version,
        kind,
        namespace,
        label_selector,
        field_selector,
        limit,
        continue_from,
    }
}
