"""The contract's imports, and its values to and from JSON.

The generated bindings (`wit_world`) are there only in a component. Outside of one, in an editor or in a unit test of a
plugin's own functions, the kit can be imported and a call of the host says where it can be made.
"""

from __future__ import annotations

import json
import math
from typing import Any, Callable

try:
    from componentize_py_types import Err
    from wit_world.imports import common, host
    from wit_world.imports import http as http_calls

    IN_COMPONENT = True
except ImportError:
    IN_COMPONENT = False

try:
    # A notification plugin has neither.
    from wit_world.imports import files as file_calls
    from wit_world.imports import kubernetes as cluster_calls
except ImportError:
    pass


def ask(call: Callable[[], Any]) -> Any:
    """Makes a call of the host; its failure is raised as ours."""
    from .failure import Failure

    if not IN_COMPONENT:
        raise RuntimeError("the host answers only in a component: run the plugin with `stanch plugin test`")
    try:
        return call()
    except NameError:
        raise Failure.denied("a notification plugin has neither files nor clusters") from None
    except Err as error:
        said = error.value
        raise Failure(
            said.code, said.message, retry_after_ms=said.retry_after_ms, extra=from_json(said.extra)
        ) from None


def log(level: str, message: str) -> None:
    if IN_COMPONENT:
        host.log(host.Level[level.upper()], message)
    else:
        print(f"{level}: {message}")


def to_json(value: Any) -> str:
    """As the contract has it: ``{}`` where there is nothing to say."""
    return "{}" if value is None else canonical(value)


def canonical(value: Any) -> str:
    """One text for one value: no white space, members in order, whole numbers as integers."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be"))
        return {str(name): _plain(value[name]) for name in names}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value
