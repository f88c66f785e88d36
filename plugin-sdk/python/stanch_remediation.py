"""The entry of a component that is a remediation plugin."""

import plugin  # noqa: F401 - the author's module; it has to be there before the kit looks for its class
from stanch import kinds
from stanch._component import Remediation, Manifest, the_plugin

the_plugin(kinds.Remediation)

__all__ = ["Remediation", "Manifest"]
