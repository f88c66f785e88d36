"""Outgoing HTTP. Redirects are not followed; credentials that the grant names are added by the host, out of sight.

A method that the grant lists under `read` passes in every phase. One under `change` passes only in `apply` and only as
planned; plan it with `Action`.
"""

from __future__ import annotations

import json as _json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from . import _wire
from .failure import Failure


@dataclass(frozen=True)
class Response:
    """One answer."""

    status: int
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        try:
            return _json.loads(self.body)
        except ValueError as error:
            raise Failure.failed(f"the answer is not the JSON that was expected: {error}") from None

    def ok(self) -> Response:
        """The answer where it is 2xx, else the failure that its status means.

        401 and 403 `denied`, 404 and 410 `not-found`, 409 and 412 `conflict`, 408 `timeout`, 429, 502, 503 and 504
        `unavailable`, others `failed`. `Retry-After` in seconds is kept.
        """
        if self.is_success:
            return self
        codes = {401: "denied", 403: "denied", 404: "not-found", 410: "not-found"}
        codes |= {409: "conflict", 412: "conflict", 408: "timeout"}
        codes |= {status: "unavailable" for status in (429, 502, 503, 504)}
        wait = self.headers.get("retry-after", "").strip()
        said = self._said()
        raise Failure(
            codes.get(self.status, "failed"),
            f"The server answered {self.status}" + (f": {said}" if said else ""),
            retry_after_ms=min(int(wait) * 1000, 2**32 - 1) if wait.isdecimal() else None,
        )

    def _said(self) -> str:
        said = self.text
        body = _wire.from_json(said)
        if isinstance(body, dict):
            words = (body.get(name) for name in ("message", "error", "detail"))
            said = next((word for word in words if isinstance(word, str)), said)
        return said.strip()[:200]


@dataclass(frozen=True)
class Request:
    """One request, built and then sent."""

    method: str
    #: The whole URL, with the query.
    url: str
    #: Names in lower case. On a changing call the host takes only accept, content-type and idempotency-key.
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: How long to wait for the whole answer; the host's own limit holds besides.
    timeout_ms: int | None = None

    def query(self, name: str, value: str) -> Request:
        """With one more member of the query, percent-encoded."""
        url = self.url.split("#")[0]
        joint = "&" if "?" in url else "?"
        return replace(self, url=f"{url}{joint}{encode(name)}={encode(value)}")

    def header(self, name: str, value: str) -> Request:
        """With a header; the one of that name before is replaced."""
        return replace(self, headers={**self.headers, name.lower(): value})

    def json(self, value: Any) -> Request:
        """With this value as JSON, in the canonical form that a plan names."""
        return self.content("application/json", _wire.canonical(value).encode())

    def content(self, content_type: str, body: bytes) -> Request:
        """With these bytes as body."""
        return replace(self, body=body).header("content-type", content_type)

    def timeout(self, ms: int) -> Request:
        """With a limit of time for the whole answer."""
        return replace(self, timeout_ms=ms)

    def send(self) -> Response:
        """Sends it. Every answer is one, whatever its status (`Response.ok`).

        Not reaching the server, being refused by the gate and too large an answer are failures.
        """
        answer = _wire.ask(self._send)
        headers = {one.name.lower(): one.value for one in answer.headers}
        return Response(answer.status, headers, answer.body)

    def _send(self) -> Any:
        calls = _wire.http_calls
        headers = [calls.Header(name, value) for name, value in self.headers.items()]
        return calls.send(calls.Request(self.method, self.url, headers, self.body, self.timeout_ms))


def request(method: str, url: str) -> Request:
    """With any method."""
    return Request(method.upper(), str(url).strip())


def get(url: str) -> Request:
    """`GET`."""
    return request("GET", url)


def head(url: str) -> Request:
    """`HEAD`."""
    return request("HEAD", url)


def post(url: str) -> Request:
    """`POST`."""
    return request("POST", url)


def put(url: str) -> Request:
    """`PUT`."""
    return request("PUT", url)


def patch(url: str) -> Request:
    """`PATCH`."""
    return request("PATCH", url)


def delete(url: str) -> Request:
    """`DELETE`."""
    return request("DELETE", url)


def encode(text: str) -> str:
    """Percent-encoded for a member of a query or a segment of a path (RFC 3986: all but the unreserved)."""
    return quote(text, safe="-._~")
