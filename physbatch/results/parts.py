"""Results from their tables: the inverse of `physbatch.results.tables`."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.fields import Field, fields_of, labels_of, main_dims
from physbatch.results.flag import Flag
from physbatch.results.tables import ENDS, named, words_of

Result = TypeVar("Result")
_Array = np.ndarray[Any, Any]
_MISSING = object()


def from_tables(cls: type[Result], tables: Mapping[str, xr.Dataset]) -> Result:
    """The result that `to_tables` took apart; KeyError, TypeError ... if they are damaged."""
    result: Result = _Reader(tables).single("", cls)
    return result


class _Reader:
    def __init__(self, tables: Mapping[str, xr.Dataset]) -> None:
        self.tables = tables
        self.flags: dict[str, list[Flag]] = {}
        listed = tables.get("flags", xr.Dataset())
        if listed.sizes:
            columns = (listed[name].values.tolist() for name in ("of", "name", "text"))
            for of, name, text in zip(*columns, strict=True):
                self.flags.setdefault(of, []).append(Flag.read(words_of(name, text)))

    def flags_of(self, *path: str) -> tuple[Flag, ...]:
        return tuple(self.flags.get("/".join(part for part in path if part), ()))

    def column(self, table: str, name: str) -> _Array:
        """A variable or label of a table, also under the name that avoids one of the root."""
        data = self.tables[table]
        for known in (f"at_{name}", f"{table}_{name}", name):
            if known in data.variables:
                return np.asarray(data[known].values)
        raise KeyError(f"{table}/{name}")

    def holds(self, table: str, name: str) -> bool:
        data = self.tables.get(table, xr.Dataset())
        return any(key in data.variables for key in (f"at_{name}", f"{table}_{name}", name))

    def estimates(self, table: str, name: str, of: Sequence[tuple[str, ...]]) -> list[Estimate]:
        known = [end for end in ENDS if end != "_stated" or self.holds(table, f"{name}{end}")]
        columns = [self.column(table, f"{name}{end}").astype(np.float64) for end in known]
        rows = zip(*(np.atleast_1d(column).tolist() for column in columns), strict=True)
        return [
            Estimate(value, stderr, systematic, (low, high), self.flags_of(*path), *stated)
            for (value, stderr, systematic, low, high, *stated), path in zip(rows, of, strict=True)
        ]

    # --- one result ---------------------------------------------------------------------

    def single(self, path: str, cls: type[Any]) -> Any:
        values = {field.name: self.field(path, cls, field) for field in fields_of(cls)}
        return cls(**{name: value for name, value in values.items() if value is not _MISSING})

    def field(self, path: str, cls: type, field: Field) -> Any:
        table = named(path, field.name)
        if field.dims and field.way != "mapping":
            return self.gridded(path, cls, field)
        if field.way == "flags":
            return self.flags_of(path)
        if field.way == "part":
            return self.single(table, field.inner) if table in self.tables else None
        if field.way == "dataset":
            return self.tables[table]
        if field.way in ("parts", "texts", "numbers", "estimates", "pairs", "mapping"):
            if table not in self.tables:
                return _absent(cls, field)
            if field.way == "parts":
                return tuple(self.many(table, field.inner))
            return self.listed(table, field, slice(None))
        name = getattr(cls, "stored_names", {}).get(field.name, field.name)
        if field.way == "scalar" and field.inner is str:
            attrs = self.tables[path].attrs
            return str(attrs[name]) if name in attrs else _absent(cls, field)
        if field.way == "named":
            parts = fields_of(field.inner)
            return field.inner(*(self.column(path, f"{name}_{p.name}").item() for p in parts))
        if not self.holds(path, name):
            return _absent(cls, field)
        if field.way == "estimate":
            return self.estimates(path, name, [(path, field.name)])[0]
        return field.inner(self.column(path, name).item())

    def gridded(self, path: str, cls: type, field: Field) -> Any:
        table = path if field.dims == main_dims(cls) else named(path, *field.dims)
        name = field.name
        if labels_of(cls).get(field.dims[0]) == name and len(field.dims) == 1:
            name = field.dims[0]
        if field.way == "estimates":
            rows = self.column(table, name).size
            of = [(f"{named(path, name)}/{row}",) for row in range(rows)]
            return tuple(self.estimates(table, name, of))
        if not self.holds(table, name):
            return _absent(cls, field)
        values = self.column(table, name)
        return tuple(map(str, values.tolist())) if field.way == "texts" else values

    # --- many results -------------------------------------------------------------------

    def many(self, path: str, cls: type[Any]) -> Iterator[Any]:
        rows = self.rows(path)
        fields = fields_of(cls)
        columns = [list(self.values(path, cls, field, rows)) for field in fields]
        for values in zip(*columns, strict=True):
            pairs = zip((field.name for field in fields), values, strict=True)
            yield cls(**{name: value for name, value in pairs if value is not _MISSING})

    def rows(self, path: str) -> int:
        sizes = self.tables[path].sizes
        return int(next(iter(sizes.values()))) if sizes else 0

    def values(self, path: str, cls: type, field: Field, rows: int) -> Iterator[Any]:
        """The values of a field in every row."""
        table = named(path, field.name)
        if field.way == "flags":
            yield from (self.flags_of(f"{path}/{row}") for row in range(rows))
        elif field.way == "array":
            yield from self.ragged(path, field, rows)
        elif field.way in ("part", "parts"):
            yield from self.owned(table, field, rows)
        elif field.way == "estimate":
            of = [(path, f"{row}/{field.name}") for row in range(rows)]
            yield from self.estimates(path, field.name, of)
        elif field.way == "named":
            parts = [self.column(path, f"{field.name}_{p.name}") for p in fields_of(field.inner)]
            yield from (field.inner(*row) for row in zip(*(p.tolist() for p in parts), strict=True))
        elif field.way == "scalar":
            if not self.holds(path, field.name):
                yield from [_absent(cls, field)] * rows
            else:
                yield from map(field.inner, self.column(path, field.name).tolist())
        else:
            ends = np.cumsum(self.column(path, f"{field.name}_count"), dtype=int).tolist()
            for start, end in zip([0, *ends], ends, strict=False):
                yield self.listed(table, field, slice(start, end))

    def ragged(self, path: str, field: Field, rows: int) -> Iterator[_Array]:
        shapes = np.array([self.column(path, f"{dim}_count") for dim in field.dims], dtype=int).T
        values = self.column(named(path, *field.dims), field.name)
        ends = np.cumsum(shapes.prod(axis=1)).tolist()
        for shape, start, end in zip(shapes.tolist(), [0, *ends], ends, strict=False):
            yield np.array(values[start:end]).reshape(shape)

    def owned(self, table: str, field: Field, rows: int) -> Iterator[Any]:
        parts = list(self.many(table, field.inner))
        owners = (
            self.column(table, "owner").tolist() if self.holds(table, "owner") else [0] * len(parts)
        )
        for row in range(rows):
            mine = tuple(part for part, owner in zip(parts, owners, strict=True) if owner == row)
            yield mine if field.way == "parts" else next(iter(mine), None)

    def listed(self, table: str, field: Field, part: slice) -> Any:
        if field.way == "estimates" or (field.way == "mapping" and field.inner is Estimate):
            rows = range(*part.indices(self.column(table, "value").size))
            every = self.estimates(
                table, "value", [(f"{table}/{i}",) for i in range(self.column(table, "value").size)]
            )
            values: list[Any] = [every[row] for row in rows]
        else:
            inner = float if field.way == "pairs" else field.inner
            column = self.column(table, "text" if inner is str else "value")
            values = list(map(inner, column[part].tolist()))
        if field.way not in ("mapping", "pairs"):
            return tuple(values)
        label = field.dims[0] if field.dims and not self.holds(table, "name") else "name"
        names = map(str, self.column(table, label)[part].tolist())
        pairs = zip(names, values, strict=True)
        return dict(pairs) if field.way == "mapping" else tuple(pairs)


def _absent(cls: type, field: Field) -> Any:
    """None or the default of a field that a file does not hold."""
    defaults = {f.name: f for f in dataclasses.fields(cls)}
    stated = defaults[field.name]
    if stated.default is dataclasses.MISSING and stated.default_factory is dataclasses.MISSING:
        if field.optional:
            return None
        raise KeyError(field.name)
    return None if field.optional else _MISSING
