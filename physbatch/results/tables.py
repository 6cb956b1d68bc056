"""Results as small labelled tables.

In the table of a result stand its numbers, and the arrays along its main dimension. Arrays along
other dimensions, mappings and lists have tables of their own, ``FIELD`` or the dimensions. The
results in a tuple are the rows of one table; their arrays lie one after the other in long tables,
with the number of the row in ``item``. The table ``flags`` holds those of all parts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.fields import Field, fields_of, labels_of, main_dims
from physbatch.results.flag import Flag

#: Ends of the columns of an estimate, after that of its value.
ENDS = ("", "_stderr", "_systematic", "_low68", "_high68", "_stated")
_Array = np.ndarray[Any, Any]


def named(*parts: str) -> str:
    """The name of a table below another."""
    return "_".join(part for part in parts if part)


def words_of(name: str, text: str) -> str:
    """A flag from the columns of the table: ``name: text``, or a place between the two."""
    return f"{name}{'' if not name or text[:1] in ('', ' ', ':') else ': '}{text}"


def to_tables(result: Any, summary: xr.Dataset) -> dict[str, xr.Dataset]:
    """The tables of a result by their names; the first, that of the root, is named ``""``.

    The columns of `summary` are added to the root.
    """
    writer = _Writer()
    writer.single("", result)
    top = writer.tables[""]
    top.variables |= {str(n): summary[n].variable for n in summary.data_vars}
    top.labels |= {str(n): summary[n].values for n in summary.coords}
    root = top.labels
    if writer.flags:
        columns = zip(("of", "name", "text"), zip(*writer.flags, strict=True), strict=True)
        writer.add("flags", {name: (("row",), _texts(column)) for name, column in columns})
    return {name: table.dataset(name, root) for name, table in writer.tables.items()}


def _texts(values: Iterable[str]) -> _Array:
    return np.array([str(value) for value in values], dtype=object)


def estimate_columns(name: str, estimates: Iterable[Estimate]) -> dict[str, _Array]:
    """A column for the values and each of the errors of estimates."""
    rows = [(e.value, e.stderr, e.systematic, *e.interval68, e.stated) for e in estimates]
    block = np.array(rows, dtype=np.float64).reshape(-1, len(ENDS))
    return {f"{name}{end}": np.ascontiguousarray(block[:, i]) for i, end in enumerate(ENDS)}


def _column(inner: Any, values: Sequence[Any]) -> _Array:
    return _texts(values) if inner is str else np.array(values, dtype=inner)


class _Table:
    """The variables of a table while it is made, and the labels of its dimensions."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.labels: dict[str, Any] = {}
        self.attrs: dict[str, Any] = {}
        self.whole: xr.Dataset | None = None

    def dataset(self, name: str, root: Mapping[str, Any]) -> xr.Dataset:
        """The table; dimensions without labels are numbered from 0.

        All tables of a tree see the labels of its root, so other ones are named otherwise.
        """
        if self.whole is not None:
            return self.whole
        data = xr.Dataset(self.variables, attrs=self.attrs)
        if not data.sizes and not self.labels:  # numbers alone are one row, which makes a frame
            data = data.expand_dims(result=1).assign_coords(result=[0])
        labels = {str(dim): np.arange(length) for dim, length in data.sizes.items()} | self.labels
        changed = {dim: f"{name}_{dim}" for dim, x in labels.items() if _clash(root, dim, x)}
        moved = {key: f"at_{key}" for key in self.variables if key in root and key not in labels}
        data = data.rename_dims({k: v for k, v in changed.items() if k in data.dims})
        data = data.rename_vars(moved)
        return data.assign_coords(
            {changed.get(dim, dim): (changed.get(dim, dim), x) for dim, x in labels.items()}
        )


def _clash(root: Mapping[str, Any], dim: str, labels: Any) -> bool:
    return dim in root and not np.array_equal(root[dim], labels)


class _Writer:
    """Collects the tables of a result and all its parts."""

    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {"": _Table()}
        self.flags: list[tuple[str, str, str]] = []

    def add(self, table: str, variables: Mapping[str, tuple[tuple[str, ...], Any]]) -> _Table:
        target = self.tables.setdefault(table, _Table())
        target.variables |= variables
        return target

    def flagged(self, of: str, flags: Iterable[Flag]) -> None:
        for flag in flags:
            name, text = flag.name, flag[len(flag.name) :].removeprefix(": ")
            if not name or words_of(name, text) != flag:
                name, text = "", str(flag)
            self.flags.append((of, name, text))

    # --- one result ---------------------------------------------------------------------

    def single(self, path: str, part: Any) -> None:
        """A result with its numbers as they are and its arrays along their dimensions."""
        cls = type(part)
        labels = {dim: getattr(part, name) for dim, name in labels_of(cls).items()}
        labels = {
            dim: values if isinstance(values, np.ndarray) else _texts(values)
            for dim, values in labels.items()
        }
        for dim, name in getattr(cls, "labelled_by", {}).items():
            labels[dim] = _texts(getattr(part, name))
        self.add(path, {})
        for field in fields_of(cls):
            value = getattr(part, field.name)
            if value is None:
                continue
            if field.dims and field.way != "mapping":
                self.gridded(path, main_dims(cls), field, value, labels)
            elif field.way == "part":
                self.single(named(path, field.name), value)
            elif field.way == "dataset":
                self.add(named(path, field.name), {}).whole = value
            elif field.way in ("parts", "texts", "numbers", "estimates", "pairs", "mapping"):
                self.listed(path, field, [value], None)
            else:
                self.number(path, getattr(cls, "stored_names", {}).get(field.name), field, value)

    def number(self, path: str, name: str | None, field: Field, value: Any) -> None:
        """What stands in the table of the result without a dimension."""
        name = name or field.name
        if field.way == "flags":
            self.flagged(path, value)
        elif field.way == "scalar" and field.inner is str:
            self.tables[path].attrs[name] = value
        else:
            columns = self.columns(path, field._replace(name=name), [value], [field.name])
            self.add(path, {key: ((), column[0]) for key, column in columns.items()})

    def gridded(
        self,
        path: str,
        main: tuple[str, ...],
        field: Field,
        value: Any,
        labels: Mapping[str, Any],
    ) -> None:
        """An array, or estimates, along dimensions: in the main table or in one of its own."""
        table = path if field.dims == main else named(path, *field.dims)
        target = self.add(table, {})
        shape = (len(value),) if field.way != "array" else value.shape
        target.labels |= {
            dim: labels[dim]
            for dim, length in zip(field.dims, shape, strict=True)
            if dim in labels and len(labels[dim]) == length
        }
        if field.way == "estimates":
            for key, column in estimate_columns(field.name, value).items():
                target.variables[key] = (field.dims, column)
            for row, estimate in enumerate(value):
                self.flagged(f"{named(path, field.name)}/{row}", estimate.flags)
        elif field.way == "array" and labels.get(field.dims[0]) is not value:
            target.variables[field.name] = (field.dims, value)

    # --- many results -------------------------------------------------------------------

    def many(self, path: str, cls: type, parts: Sequence[Any], owners: Sequence[int]) -> None:
        """Results as the rows of one table; `owners` are the rows to which they belong."""
        key = getattr(cls, "key", "")
        keys = [getattr(part, key) for part in parts] if key else []
        dim = key if key and len(set(keys)) == len(keys) else "item"
        target = self.add(path, {})
        if any(owners):
            target.variables["owner"] = ((dim,), np.array(owners, dtype=np.int64))
        for field in fields_of(cls):
            values = [getattr(part, field.name) for part in parts]
            if field.name == dim:
                target.labels[dim] = _column(field.inner, values)
            elif field.way == "flags":
                for row, flags in enumerate(values):
                    self.flagged(f"{path}/{row}", flags)
            elif field.way == "array":
                self.ragged(path, dim, field, values, key, keys)
            elif field.way == "part":
                rows = [row for row, value in enumerate(values) if value is not None]
                self.many(named(path, field.name), field.inner, [values[i] for i in rows], rows)
            elif field.way in ("scalar", "estimate", "named"):
                of = [f"{row}/{field.name}" for row in range(len(parts))]
                columns = self.columns(path, field, values, of)
                target.variables |= {name: ((dim,), column) for name, column in columns.items()}
            else:
                self.listed(path, field, values, dim, key, keys)

    def columns(
        self, path: str, field: Field, values: Sequence[Any], of: Sequence[str]
    ) -> dict[str, _Array]:
        """Columns of a field with one value in each row, and the flags of its estimates."""
        if field.way == "named":
            return {
                f"{field.name}_{part.name}": _column(
                    part.inner, [getattr(value, part.name) for value in values]
                )
                for part in fields_of(field.inner)
            }
        if field.way == "scalar":
            return {field.name: _column(field.inner, values)}
        for value, what in zip(values, of, strict=True):
            self.flagged("/".join(filter(None, (path, what))), value.flags)
        return estimate_columns(field.name, values)

    def ragged(
        self,
        path: str,
        dim: str,
        field: Field,
        values: Sequence[_Array],
        key: str,
        keys: Sequence[Any],
    ) -> None:
        """Arrays of different lengths one after the other, and their lengths."""
        for axis, name in enumerate(field.dims):
            lengths = np.array([value.shape[axis] for value in values], dtype=np.int64)
            self.tables[path].variables[f"{name}_count"] = ((dim,), lengths)
        table = named(path, *field.dims)
        indices = [np.indices(value.shape).reshape(value.ndim, -1) for value in values]
        self.long(table, [value.size for value in values], key, keys)
        for axis, name in enumerate(field.dims if len(field.dims) > 1 else ()):
            column = np.concatenate([index[axis] for index in indices]) if values else np.empty(0)
            self.add(table, {name: (("row",), column)})
        column = np.concatenate([v.ravel() for v in values]) if values else np.empty(0)
        self.add(table, {field.name: (("row",), column)})

    def long(self, table: str, lengths: Sequence[int], key: str, keys: Sequence[Any]) -> None:
        """The columns of a long table that say to which row of the other its rows belong."""
        item = np.repeat(np.arange(len(lengths)), lengths)
        variables: dict[str, tuple[tuple[str, ...], Any]] = {"item": (("row",), item)}
        if key:
            values = _texts(keys) if any(isinstance(k, str) for k in keys) else np.array(keys)
            variables[key] = (("row",), values[item] if len(keys) else np.empty(0))
        self.add(table, variables)

    def listed(
        self,
        path: str,
        field: Field,
        values: Sequence[Any],
        dim: str | None,
        key: str = "",
        keys: Sequence[Any] = (),
    ) -> None:
        """Lists and mappings, or those of many results, one entry in each row."""
        table, lengths = named(path, field.name), [len(value) for value in values]
        if dim is not None:
            counts = np.array(lengths, dtype=np.int64)
            self.tables[path].variables[f"{field.name}_count"] = ((dim,), counts)
        if field.way == "parts":
            owners = np.repeat(np.arange(len(values)), lengths).tolist()
            self.many(table, field.inner, [part for value in values for part in value], owners)
            return
        if dim is not None:
            self.long(table, lengths, key, keys)
        entries = [
            entry
            for value in values
            for entry in (value.items() if field.way == "mapping" else value)
        ]
        row = "row"
        if field.way in ("mapping", "pairs"):
            names, entries = _texts(name for name, _ in entries), [entry for _, entry in entries]
            if dim is None:
                (row,) = field.dims or ("name",)
                self.add(table, {}).labels[row] = names
            else:
                self.add(table, {"name": ((row,), names)})
        inner = float if field.way == "pairs" else field.inner
        if inner is Estimate:
            for number, estimate in enumerate(entries):
                self.flagged(f"{table}/{number}", estimate.flags)
            columns = estimate_columns("value", entries)
        else:
            columns = {"text" if inner is str else "value": _column(inner, entries)}
        self.add(table, {name: ((row,), column) for name, column in columns.items()})
