"""Dataclasses to and from JSON, and the JSON Schema of them.

A type says once what a value is: its schema is made of it for the manifest, and the value is read by it. What a value is
called for people comes from `Annotated`: a string is the description, a `Range`, `Length` or `Pattern` a bound. A member that is
called as a word of Python has `_` at its end there, and not in JSON.
"""

from __future__ import annotations

import dataclasses
import enum
import keyword
import types
import typing
from dataclasses import dataclass
from typing import Any

from .params import Bound, Special


@dataclass
class Nothing:
    """No data, or no parameters. An empty JSON object."""


class Misfit(Exception):
    """A value that does not fit its type: where, and why."""


def read(value: Any, kind: Any, at: str = "") -> Any:
    """The JSON value as this type."""
    kind, _ = _unwrap(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return value
    if origin in (typing.Union, types.UnionType):
        return _read_one_of(value, inner, at)
    if origin is typing.Literal:
        if value in inner:
            return value
        raise Misfit(f"{_place(at)} is {_short(value)}, and may be {', '.join(map(_short, inner))}")
    if origin in (list, tuple) or kind in (list, tuple):
        _must(isinstance(value, list), value, "a list", at)
        item = inner[0] if inner else Any
        return [read(one, item, f"{at}/{index}") for index, one in enumerate(value)]
    if origin is dict or kind is dict:
        _must(isinstance(value, dict), value, "an object", at)
        item = inner[1] if inner else Any
        return {name: read(one, item, f"{at}/{name}") for name, one in value.items()}
    if dataclasses.is_dataclass(kind):
        return _read_object(value, kind, at)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError:
            allowed = ", ".join(_short(one.value) for one in kind)
            raise Misfit(f"{_place(at)} is {_short(value)}, and may be {allowed}") from None
    if isinstance(kind, type) and issubclass(kind, Special):
        _must(isinstance(value, str), value, "a string", at)
        try:
            return kind.parse(value)
        except ValueError as error:
            raise Misfit(f"{_place(at)} {error}") from None
    return _read_plain(value, kind, at)


def _read_plain(value: Any, kind: Any, at: str) -> Any:
    if kind is type(None):
        _must(value is None, value, "null", at)
    elif kind is bool:
        _must(isinstance(value, bool), value, "true or false", at)
    elif kind is int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        _must(whole and not isinstance(value, bool), value, "a whole number", at)
        return int(value)
    elif kind is float:
        _must(isinstance(value, (int, float)) and not isinstance(value, bool), value, "a number", at)
        return float(value)
    elif kind is str:
        _must(isinstance(value, str), value, "a string", at)
    else:
        raise TypeError(f"the kit does not know how to read a `{kind}`: use a dataclass, or a type of `stanch`")
    return value


def _read_one_of(value: Any, kinds: tuple[Any, ...], at: str) -> Any:
    why = []
    for kind in kinds:
        try:
            return read(value, kind, at)
        except Misfit as misfit:
            why.append(str(misfit))
    raise Misfit(", or ".join(dict.fromkeys(why[:3])))


def _read_object(value: Any, kind: Any, at: str) -> Any:
    _must(isinstance(value, dict), value, "an object", at)
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {_name(field): field for field in dataclasses.fields(kind)}
    for name in value:
        if name not in fields:
            raise Misfit(f"{_place(at)} has no member `{name}`; it has {', '.join(fields) or 'none'}")
    given = {}
    for name, field in fields.items():
        if name in value:
            given[field.name] = read(value[name], hints[field.name], f"{at}/{name}")
        elif _must_be_given(field):
            raise Misfit(f"{_place(f'{at}/{name}')} is missing")
    return kind(**given)


def write(value: Any) -> Any:
    """As plain JSON values: dataclasses as objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_name(field): write(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return write(value.value)
    if isinstance(value, Special):
        return str(value)
    if isinstance(value, dict):
        return {str(name): write(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [write(item) for item in value]
    return value


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a type. An object takes no members that it does not name."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(kind, ())}


def _schema(kind: Any, within: tuple[Any, ...]) -> dict[str, Any]:
    kind, notes = _unwrap(kind)
    out = _bare_schema(kind, within)
    for note in notes:
        if isinstance(note, str):
            out["description"] = note
        elif isinstance(note, Bound):
            out.update(note.schema())
    return out


def _bare_schema(kind: Any, within: tuple[Any, ...]) -> dict[str, Any]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    plain = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    if kind is Any or kind is object:
        return {}
    if kind in plain:
        return {"type": plain[kind]}
    if origin in (typing.Union, types.UnionType):
        some = [one for one in inner if one is not type(None)]
        if len(some) == 1:
            return _or_null(_schema(some[0], within))
        return {"anyOf": [_schema(one, within) for one in inner]}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin in (list, tuple) or kind in (list, tuple):
        return {"type": "array", "items": _schema(inner[0], within) if inner else {}}
    if origin is dict or kind is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1], within) if inner else {}}
    if dataclasses.is_dataclass(kind):
        return _object_schema(kind, within)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [one.value for one in kind]}
    if isinstance(kind, type) and issubclass(kind, Special):
        return dict(kind.SCHEMA)
    raise TypeError(f"the kit has no schema for `{kind}`: use a dataclass, or a type of `stanch`")


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def _object_schema(kind: Any, within: tuple[Any, ...]) -> dict[str, Any]:
    if kind in within:
        raise TypeError(f"`{kind.__name__}` holds itself: parameters and data are trees of known depth")
    hints = typing.get_type_hints(kind, include_extras=True)
    members, required = {}, []
    for field in dataclasses.fields(kind):
        member = _schema(hints[field.name], (*within, kind))
        if _must_be_given(field):
            required.append(_name(field))
        elif field.default is not dataclasses.MISSING and field.default is not None:
            member["default"] = write(field.default)
        members[_name(field)] = member
    out: dict[str, Any] = {"type": "object", "properties": members, "additionalProperties": False}
    if required:
        out["required"] = required
    return out


def _name(field: dataclasses.Field[Any]) -> str:
    """What a member is called in JSON: `from_` is `from`, which cannot be a name in Python."""
    return field.name.removesuffix("_") if keyword.iskeyword(field.name.removesuffix("_")) else field.name


def _must_be_given(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _unwrap(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(kind) is typing.Annotated:
        inner, *notes = typing.get_args(kind)
        return inner, tuple(notes)
    return kind, ()


def _must(holds: bool, value: Any, what: str, at: str) -> None:
    if not holds:
        raise Misfit(f"{_place(at)} is {_short(value)}, and must be {what}")


def _place(at: str) -> str:
    return f"`{at[1:]}`" if at else "the whole"


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."
