"""What a plugin says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _wire, values


@dataclass(frozen=True)
class About:
    """A name (kebab-case), a version (semver), one sentence: what the plugin does, on what; and what it promises."""

    name: str
    version: str
    summary: str
    #: Remediation: a repeat of an action under one idempotency key has no second effect, so that the engine may send an
    #: action again whose answer was lost. Say it only where the other side keeps the promise.
    idempotent: bool = False
    #: Remediation: `plan_undo` gives the way back.
    reversible: bool = False
    #: Remediation: `verify` can answer yes and no.
    verifies: bool = False
    #: Remediation: asked again after the way back was applied, `plan_undo` looks at the world and gives an empty plan where all
    #: is as before.
    verifies_undo: bool = False

    def manifest(self, params: Any, data: Any, asks: dict[str, Any]) -> str:
        """The manifest as one JSON document: what `describe` gives and what the component's section holds."""
        return _wire.canonical(
            {
                "name": self.name,
                "version": self.version,
                "summary": self.summary,
                "params": values.schema(params),
                "data": values.schema(data),
                "idempotent": self.idempotent,
                "reversible": self.reversible,
                "verifies": self.verifies,
                "verifies-undo": self.verifies_undo,
                "asks": asks,
            }
        )
