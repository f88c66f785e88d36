"""Plans, in the contract's words.

The host compares each changing call with the plan, so a plan names target and content exactly as the call will have them.
An `Action` is made of the very request, files or object that `carry_out` acts on. What the words cannot hold (bytes that are
not JSON, sizes of files, the kind of an object) travels in `extra`, which the engine hands back untouched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from . import _wire
from .failure import Failure
from .files import Entry
from .http import Request, request
from .kubernetes import Kind, Named, Object


@dataclass(frozen=True)
class Action:
    """One change."""

    #: The method, or `write`, `remove`, `delete`, `evict`, `patch`, `create`, `scale`.
    verb: str
    target: str
    #: What must still hold.
    expect: str | None = None
    #: The exact content, as canonical JSON.
    content: str | None = None
    items: list[str] = field(default_factory=list)
    #: Why, for the person who decides.
    reason: str = ""
    extra: Any = None

    # HTTP

    @classmethod
    def send(cls, what: Request) -> Action:
        """Sends this request. Of its headers only the content type is part of the plan."""
        action = cls(what.method, what.url)
        if not what.body:
            return replace(action, content="{}") if what.method in ("POST", "PUT", "PATCH") else action
        kind = what.headers.get("content-type")
        content: dict[str, Any] = {} if kind is None else {"contentType": kind}
        body = _wire.from_json(what.body.decode("utf-8", "replace")) if _is_json(kind) else None
        if body is None:
            content["body"] = _digest(what.body)
            return replace(action, content=_wire.canonical(content), extra=_keep(what.body))
        content["body"] = body
        return replace(action, content=_wire.canonical(content))

    @classmethod
    def post(cls, url: str, body: Any) -> Action:
        """`POST` with this value as JSON."""
        return cls.send(request("POST", url).json(body))

    @classmethod
    def put(cls, url: str, body: Any) -> Action:
        """`PUT` with this value as JSON."""
        return cls.send(request("PUT", url).json(body))

    @classmethod
    def patch(cls, url: str, body: Any) -> Action:
        """`PATCH` with this value as JSON."""
        return cls.send(request("PATCH", url).json(body))

    @classmethod
    def delete(cls, url: str) -> Action:
        """`DELETE`."""
        return cls.send(request("DELETE", url))

    # Files

    @classmethod
    def remove(cls, folder: str, entries: Iterable[Entry]) -> Action:
        """Removes these files of a folder (at any depth below it), each only if it is still the one that was seen."""
        seen = list(entries)
        items = [entry.item for entry in seen]
        return cls(
            "remove", f"file:{folder.rstrip('/')}", items=items, extra={"bytes": [e.bytes for e in seen]}
        )

    @classmethod
    def write(cls, path: str, content: bytes) -> Action:
        """Writes a file."""
        return cls(
            "write", f"file:{path.rstrip('/')}", content=_digest(content), extra=_keep(content)
        )

    # Kubernetes

    @classmethod
    def evict(cls, pod: Object, *, grace_seconds: int | None = None) -> Action:
        """Evicts this pod, and no other of its name, as far as its PodDisruptionBudgets allow."""
        return cls._on(pod.named, "evict", _grace(grace_seconds)).expect_uid(pod)

    @classmethod
    def delete_object(cls, what: Object, *, grace_seconds: int | None = None) -> Action:
        """Deletes this object, and no other of its name."""
        return cls._on(what.named, "delete", _grace(grace_seconds)).expect_uid(what)

    @classmethod
    def scale(cls, what: Object, replicas: int) -> Action:
        """Sets the number of replicas of this object."""
        return cls._on(what.named, "scale", {"replicas": replicas}).expect_uid(what)

    @classmethod
    def patch_object(cls, what: Object, body: Any, kind: str = "merge") -> Action:
        """Patches this object, in the state that it was read in: `merge`, `strategic`, `json` or `apply`."""
        return cls._on(what.named, "patch", {"kind": kind, "body": body}).expect_version(what)

    @classmethod
    def create_object(cls, kind: Kind, body: dict[str, Any]) -> Action:
        """Creates an object; its name and namespace are in the body's `metadata`."""
        meta = body.get("metadata", {})
        return cls._on(kind.named(meta.get("namespace"), meta["name"]), "create", {"body": body})

    @classmethod
    def _on(cls, what: Named, verb: str, content: dict[str, Any] | None) -> Action:
        extra = {"apiVersion": what.kind.api_version, "kind": what.kind.name}
        text = None if content is None else _wire.canonical(content)
        return cls(verb, what.target, content=text, extra=extra)

    # What must still hold

    def expect_etag(self, etag: str) -> Action:
        """Only if the target's entity tag is still this one; the host sends it as `If-Match`."""
        return replace(self, expect=f"etag:{etag}")

    def expect_modified_ms(self, ms: int) -> Action:
        """Only if the file was last changed then."""
        return replace(self, expect=f"modified-ms:{ms}")

    def expect_uid(self, what: Object) -> Action:
        """Only if it is still this object."""
        return replace(self, expect=f"uid:{what.uid}")

    def expect_version(self, what: Object) -> Action:
        """Only if nothing of the object has changed since."""
        return replace(self, expect=f"version:{what.version}")

    def because(self, reason: str) -> Action:
        """Why, for the person who decides."""
        return replace(self, reason=reason)

    # What it is about

    @property
    def url(self) -> str | None:
        """The URL, where the action is a request."""
        return self.target if "://" in self.target else None

    @property
    def object(self) -> Named | None:
        """The object, where the action is on one."""
        if not self.target.startswith("kubernetes:") or not isinstance(self.extra, dict):
            return None
        namespace, _, resource, name = self.target.removeprefix("kubernetes:").split("/", 3)
        kind = Kind(self.extra["apiVersion"], self.extra["kind"], resource)
        return Named(kind, None if namespace == "_" else namespace, name)

    def body(self) -> bytes:
        """The bytes that the action sends or writes."""
        kept = self.extra if isinstance(self.extra, dict) else {}
        if "text" in kept:
            return str(kept["text"]).encode()
        if "hex" in kept:
            return bytes.fromhex(kept["hex"])
        content = _wire.from_json(self.content or "{}")
        if not isinstance(content, dict) or "body" not in content:
            return b""
        return _wire.canonical(content["body"]).encode()

    def removes(self) -> list[Entry]:
        """The files that would be removed; empty where the action is another."""
        sizes = self.extra.get("bytes", []) if isinstance(self.extra, dict) else []
        entries = []
        for index, item in enumerate(self.items):
            path, _, modified = item.rpartition("@")
            if not path or not modified.isdecimal():
                raise Failure.failed(f"an item of the plan is no `PATH@MODIFIED-MS`: {item}")
            size = sizes[index] if index < len(sizes) else 0
            entries.append(Entry(path, "file", int(size), int(modified)))
        return entries


@dataclass
class Plan:
    """What would be changed. Without actions there is nothing to do."""

    #: One sentence.
    summary: str
    #: What would be done, in order.
    actions: list[Action] = field(default_factory=list)
    #: What `apply`, `verify` and later steps can read. Not part of what is decided on.
    data: Any = None
    #: The things like those acted on, for limits given as a share (`population_of`). The host counts them.
    population: str | None = None

    def population_of(self, kind: Kind, namespace: str, labels: str) -> Plan:
        """With the things like those acted on: every target of the plan has to be one of them."""
        return replace(self, population=f"{kind.collection(namespace)}?{labels}")


def _grace(seconds: int | None) -> dict[str, int] | None:
    return None if seconds is None else {"graceSeconds": seconds}


def _is_json(content_type: str | None) -> bool:
    essence = (content_type or "").split(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _keep(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"hex": content.hex()}
