"""Objects of the Kubernetes cluster that the step is bound to (`on` in the runbook).

Looking passes in every phase, as far as the grant goes. Changing passes only in `apply` and only as planned; plan it with
`Action`, which pins the very object that was looked at. An object is the JSON that the API server gave, with small views of
what most plugins read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import _wire
from .failure import Failure


@dataclass(frozen=True)
class Kind:
    """A kind of object: what a call names it by, and its plural, which plans and grants name it by."""

    #: `v1`, `apps/v1`.
    api_version: str
    #: `Pod`, `Deployment`.
    name: str
    #: `pods`, `deployments`.
    resource: str

    @property
    def group(self) -> str:
        """`apps`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def named(self, namespace: str | None, name: str) -> Named:
        """One object, by name; without a namespace where the kind is in none."""
        return Named(self, namespace, name)

    def collection(self, namespace: str | None) -> str:
        return f"kubernetes:{namespace or '_'}/{self.group or '_'}/{self.resource}"


POD = Kind("v1", "Pod", "pods")
NODE = Kind("v1", "Node", "nodes")
EVENT = Kind("v1", "Event", "events")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SET = Kind("apps/v1", "DaemonSet", "daemonsets")
JOB = Kind("batch/v1", "Job", "jobs")
CRON_JOB = Kind("batch/v1", "CronJob", "cronjobs")


@dataclass(frozen=True)
class Named:
    """What one object is called."""

    kind: Kind
    namespace: str | None
    name: str

    @property
    def target(self) -> str:
        """How a plan names it: `kubernetes:NAMESPACE/GROUP/RESOURCE/NAME`, with `_` where there is none."""
        return f"{self.kind.collection(self.namespace)}/{self.name}"

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.name} `{where}`"

    def wire(self) -> Any:
        calls = _wire.cluster_calls
        return calls.Object(self.kind.api_version, self.kind.name, self.namespace, self.name)


@dataclass(frozen=True)
class Object:
    """An object as the API server gave it."""

    kind: Kind
    value: dict[str, Any]

    def at(self, *names: str | int, default: Any = None) -> Any:
        """What is at this path: ``pod.at("spec", "nodeName")``. The default where nothing is."""
        value: Any = self.value
        for name in names:
            try:
                value = value[name]
            except (KeyError, IndexError, TypeError):
                return default
        return value

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.at("metadata", "name", default=""))

    @property
    def namespace(self) -> str | None:
        """Its namespace."""
        return self.at("metadata", "namespace")

    @property
    def uid(self) -> str:
        """Which one it is: another object of the same name has another."""
        return str(self.at("metadata", "uid", default=""))

    @property
    def version(self) -> str:
        """Which state of it this is."""
        return str(self.at("metadata", "resourceVersion", default=""))

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.at("metadata", "labels", default={}))

    @property
    def named(self) -> Named:
        """What it is called."""
        return Named(self.kind, self.namespace, self.name)


def get(what: Named) -> Object:
    """One object, as it is now."""
    try:
        return _object(what.kind, _wire.ask(lambda: _wire.cluster_calls.get(what.wire())))
    except Failure as failure:
        raise failure.context(f"reading {what}") from None


def look(what: Named) -> Object | None:
    """The object where it is there; None where it is not."""
    try:
        return get(what)
    except Failure as failure:
        if failure.code == "not-found":
            return None
        raise


def find(
    kind: Kind, namespace: str | None = None, *, labels: str | None = None, fields: str | None = None
) -> Iterator[Object]:
    """The objects of a kind, page after page as they are needed: of one namespace, or of all."""
    start: str | None = None
    while True:

        def call():  # noqa: ANN202 - the bindings' own type
            calls = _wire.cluster_calls
            return calls.find(
                calls.Query(kind.api_version, kind.name, namespace, labels, fields, None, start)
            )

        try:
            page = _wire.ask(call)
        except Failure as failure:
            raise failure.context(f"listing {kind.resource}") from None
        for item in page.items:
            yield _object(kind, item)
        start = page.next
        if start is None:
            return


def logs(pod: Named, container: str | None = None, *, previous: bool = False, tail: int = 1000) -> str:
    """The end of a pod's log; of the instance before the last restart where `previous` is said."""
    try:
        return str(_wire.ask(lambda: _wire.cluster_calls.logs(pod.wire(), container, previous, tail)))
    except Failure as failure:
        raise failure.context(f"reading the log of {pod}") from None


def change(what: Named, verb: str, content: dict[str, Any]) -> Object | None:
    """Makes a planned change. Only in `apply`; `carry_out` calls it with exactly what the plan says."""

    def call() -> str | None:
        calls, target, grace = _wire.cluster_calls, what.wire(), content.get("graceSeconds")
        match verb:
            case "delete":
                calls.delete(target, grace)
            case "evict":
                calls.evict(target, grace)
            case "scale":
                calls.scale(target, content["replicas"])
            case "create":
                return calls.create(target, _wire.canonical(content["body"]))
            case "patch":
                return calls.patch(target, content["kind"], _wire.canonical(content["body"]))
            case _:
                raise Failure.failed(f"The kit does not know how to `{verb}` an object")
        return None

    try:
        answer = _wire.ask(call)
    except Failure as failure:
        raise failure.context(f"`{verb}` on {what}") from None
    return None if answer is None else _object(what.kind, answer)


def _object(kind: Kind, text: str) -> Object:
    value = _wire.from_json(text)
    if not isinstance(value, dict):
        raise Failure.failed(f"the cluster answered something that is not a {kind.name}")
    return Object(kind, value)
