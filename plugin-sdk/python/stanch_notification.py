"""The entry of a component that is a notification plugin."""

import plugin  # noqa: F401 - the author's module; it has to be there before the kit looks for its class
from stanch import kinds
from stanch._component import Notification, Manifest, the_plugin

the_plugin(kinds.Notification)

__all__ = ["Notification", "Manifest"]
