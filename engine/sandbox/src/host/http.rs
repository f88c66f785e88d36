//! The interface `http`.

use super::State;
use crate::bindings::{common::Failure, http::Host, http::Request, http::Response};
use crate::convert;

impl Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, Failure>> {
        let gate = match self.gate()? {
            Ok(gate) => gate,
            Err(failure) => return Ok(Err(failure)),
        };
        let answer = gate.http_send(convert::from_guest_request(request)).await;
        Ok(answer
            .map(convert::to_guest_response)
            .map_err(convert::to_guest_failure))
    }
}
