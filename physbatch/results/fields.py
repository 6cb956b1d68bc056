"""What the fields of a result hold, read from the types of its dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag

_SIMPLE = {
    **dict.fromkeys((float, int, bool, str), "scalar"),
    Estimate: "estimate",
    xr.Dataset: "dataset",
}
_LISTS: dict[Any, str] = {
    Flag: "flags",
    str: "texts",
    float: "numbers",
    Estimate: "estimates",
    tuple[str, float]: "pairs",
}


_KNOWN: dict[type, tuple[Field, ...]] = {}


class Field(NamedTuple):
    """A field, and the way in which its values are stored."""

    name: str
    way: str
    inner: Any  # class of the number, or of the parts
    optional: bool
    dims: tuple[str, ...]  # along which an array lies


def fields_of(cls: Any) -> tuple[Field, ...]:
    """The fields of a dataclass or a named tuple; TypeError for what no file of results holds."""
    if cls not in _KNOWN:
        _KNOWN[cls] = _fields(cls)
    return _KNOWN[cls]


def _fields(cls: type) -> tuple[Field, ...]:
    hints = get_type_hints(cls)
    stated: Mapping[str, tuple[str, ...]] = getattr(cls, "dims", {})
    main = getattr(cls, "main_dim", "")
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        names = list(getattr(cls, "_fields", ()))
    return tuple(_field(cls, name, hints[name], stated.get(name, ()), main) for name in names)


def _field(cls: type, name: str, hint: Any, dims: tuple[str, ...], main: str) -> Field:
    optional = get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    way, inner = _way(hint)
    if way == "array" and not dims and main:
        dims = (main,)
    if not way or (way == "array" and not dims):
        raise TypeError(f"{cls.__name__}.{name}: {hint} is nothing that a file of results holds")
    return Field(name, way, inner, optional, dims)


def _way(hint: Any) -> tuple[str, Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint], hint
    if origin is Literal:
        return "scalar", type(parts[0])
    if origin is np.ndarray:
        return "array", hint
    if origin is tuple and len(parts) == 2 and parts[1] is ...:
        return _LISTS.get(parts[0], "parts"), parts[0]
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping", parts[1]
    if isinstance(hint, type) and issubclass(hint, tuple):
        return "named", hint
    return ("part", hint) if dataclasses.is_dataclass(hint) else ("", hint)


def main_dims(cls: type) -> tuple[str, ...]:
    """The dimension of the arrays that share a table with the numbers."""
    stated = getattr(cls, "main_dim", "")
    dims = [f.dims for f in fields_of(cls) if len(f.dims) == 1 and f.way != "mapping"]
    return (stated,) if stated else dims[0] if dims else ()


def labels_of(cls: type) -> dict[str, str]:
    """Dimension -> the field that labels it: an array of the same name, texts or keys along it."""
    return {
        field.dims[0]: field.name
        for field in fields_of(cls)
        if len(field.dims) == 1
        and (field.way in ("texts", "mapping") or field.name == field.dims[0])
    }
