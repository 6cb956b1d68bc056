"""The one way to be a result: a frozen dataclass of numbers that files, tables and pages take.

A result derives from `Record` and has a name in the list of results, by which a file finds its
class again::

    @result("width")
    @dataclass(frozen=True, eq=False, repr=False)
    class Width(Record):
        dims: ClassVar[Dims] = {"size": ("size",), "width": ("size",)}

        size: FloatArray
        width: FloatArray
        limit: Estimate

What it then can:

>>> from physbatch.scaling import fit_law
>>> fit = fit_law([8, 16, 32], [1, 2, 4], [0.1] * 3)
>>> fit["b"], fit.to_dataset()["value"].values.tolist()
(1.00(10), [1.0, 2.0, 4.0])
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd  # which xarray needs
import xarray as xr

import physbatch
from physbatch.files.netcdf import save_tree
from physbatch.results.estimate import Estimate
from physbatch.results.fields import fields_of
from physbatch.results.flag import Flag
from physbatch.results.render import HtmlTable, estimates_html, estimates_latex
from physbatch.results.tables import to_tables
from physbatch.typing import Dims

#: Version of the files of results; older ones are read as well.
RESULTS_VERSION = 2

_LISTED = 12  # names in a message
_REGISTERED: dict[str, type[Record]] = {}
Class = TypeVar("Class", bound="type[Record]")
Value = TypeVar("Value")


def result(name: str) -> Callable[[Class], Class]:
    """Enter a class into the list of results under a name that its files carry.

    Raises
    ------
    ValueError
        If another class has the name.
    """

    def enter(cls: Class) -> Class:
        known = _REGISTERED.setdefault(name, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"two results are named {name!r}: {known} and {cls}")
        _REGISTERED[name] = cls
        cls.kind = name
        return cls

    return enter


def registered() -> Mapping[str, type[Record]]:
    """The classes of results that have been imported, by their names."""
    return dict(_REGISTERED)


def chosen(owner: object, known: Mapping[str, Value], name: str) -> Value:
    """What has a name; the KeyError lists the names that there are, those close to it first."""
    if name not in known:
        close = difflib.get_close_matches(name, known)
        asked = f" (did you mean {' or '.join(close)}?)" if close else ""
        names = list(dict.fromkeys([*close, *known]))
        listed = ", ".join([*names[:_LISTED], *(["..."] if len(names) > _LISTED else [])])
        raise KeyError(f"{type(owner).__name__} has no {name!r}{asked}; it has {listed or 'none'}")
    return known[name]


class Record(HtmlTable):
    """A frozen dataclass of numbers, texts, estimates, arrays, tables and other records."""

    #: Name in the list of results.
    kind: ClassVar[str] = ""
    #: Dimensions of array fields, and of estimates or texts along a dimension.
    dims: ClassVar[Dims] = {}
    #: The dimension of the arrays beside the numbers, which `dims` need not name; by default that
    #: of the first array.
    main_dim: ClassVar[str] = ""
    #: Properties that label a dimension in files.
    labelled_by: ClassVar[dict[str, str]] = {}
    #: The field that labels the rows of a table of such results.
    key: ClassVar[str] = ""
    #: Fields that have another name in the table of the root.
    stored_names: ClassVar[dict[str, str]] = {}

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[float]], **others: Any) -> Self:
        """The result whose arrays are the columns of some rows."""
        columns = np.array(rows, dtype=np.float64).T
        names = (field.name for field in fields_of(cls) if field.way == "array")
        return cls(**dict(zip(names, columns, strict=True)), **others)

    def stated(self) -> dict[str, Estimate]:
        """The estimates of the result by their names, in the order in which they are shown."""
        estimates: dict[str, Estimate] = {}
        for field in fields_of(type(self)):
            value = getattr(self, field.name)
            if isinstance(value, Estimate):
                estimates[field.name] = value
            elif field.way == "mapping" and field.inner is Estimate:
                estimates |= value
        return estimates

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of that name; KeyError with the names that are close to it."""
        return chosen(self, self.stated(), name)

    # --- files --------------------------------------------------------------------------

    def summary(self) -> xr.Dataset:
        """Columns for the root of the tree that are made of the parts, for those who read it."""
        return xr.Dataset()

    def to_tables(self) -> dict[str, xr.Dataset]:
        """The tables of the tree by their names; that of the root is named ``""``."""
        tables = to_tables(self, self.summary())
        root = tables[""]
        tables[""] = root.assign_attrs(
            {
                "Conventions": "CF-1.11",
                "title": f"physbatch {self.kind}",
                "program": f"physbatch {physbatch.__version__}",
                "physbatch_results": RESULTS_VERSION,
                "physbatch_kind": self.kind,
                **root.attrs,
            }
        )
        return tables

    def to_tree(self) -> xr.DataTree:
        """The result as a tree of small labelled tables, as in its file."""
        tables = self.to_tables()
        return xr.DataTree.from_dict({f"/{name}": table for name, table in tables.items()})

    def to_dataset(self) -> xr.Dataset:
        """The table at the root of the tree: the answers."""
        return self.to_tables()[""]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result as NetCDF, whole or not at all; `open_results` gives it back exactly.

        Raises
        ------
        physbatch.errors.OutputError
            If it cannot be written; an existing file stays untouched.
        """
        return save_tree(self.to_tables(), path)

    @classmethod
    def upgraded(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields that a file of version 1 holds, as they are called today."""
        return fields

    def identical(self, other: Self) -> bool:
        """Whether every number, text and array is the same (nan equals nan)."""
        return type(self) is type(other) and _same(self, other)

    def __eq__(self, other: object) -> bool:
        """Whether another result is the same in all, as `identical` says."""
        return isinstance(other, Record) and type(self) is type(other) and self.identical(other)

    def __hash__(self) -> int:
        return hash((type(self), *self.stated()))

    # --- JSON, LaTeX, HTML, pandas ---------------------------------------------------------

    def goodness(self) -> dict[str, float | str]:
        """Form and goodness of fit of results that have them."""
        shown = ("form", "replicas", "passed", "chi2", "dof", "p_value")
        values = {name: getattr(self, name, None) for name in shown}
        return {n: v for n, v in values.items() if isinstance(v, (str, int, float))}

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of every result: docs/results-schema.md."""
        flags: Sequence[Flag] = getattr(self, "flags", ())
        document = result_json(self.kind, self.stated(), self.goodness(), flags)
        if hasattr(self, "starts_tried") and hasattr(self, "starts_agreed"):
            document["starts"] = {"tried": self.starts_tried, "agreed": self.starts_agreed}
        return document

    def to_dataframe(self, table: str | None = None) -> pd.DataFrame:
        """The estimates as a data frame of pandas, or a table of the tree by its name.

        Parameters
        ----------
        table : str, optional
            As in `to_tables`; ``""`` is that of the root. Without it the columns are value, stderr,
            systematic, total, low68, high68 and flags, and the rows the names of the estimates; of
            results that have none, the table of the root.

        Raises
        ------
        KeyError
            If there is no such table.

        Examples
        --------
        >>> from physbatch.scaling import fit_law
        >>> frame = fit_law([8, 16, 32], [1, 2, 4], [0.1] * 3).to_dataframe()
        >>> round(float(frame.loc["b", "value"]), 2)
        1.0
        """
        stated = self.stated()
        if table is None and stated:
            rows = {
                name: estimate_json(e) | {"flags": "; ".join(e.flags)} for name, e in stated.items()
            }
            frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
            ends = pd.DataFrame(frame.pop("interval68").tolist(), frame.index, ["low68", "high68"])
            flags = frame.pop("flags")
            return frame.join(ends).astype(float).assign(flags=flags)
        content = chosen(self, self.to_tables(), table or "")
        return content.to_dataframe() if content.dims else content.expand_dims("row").to_dataframe()

    def to_latex(self) -> str:
        """The estimates as a LaTeX table; it needs the package booktabs."""
        return estimates_latex(self.stated(), self._notes(), getattr(self, "flags", ()))

    def _repr_html_(self) -> str:
        """The estimates as an HTML table, every text escaped; without any, the fields."""
        stated = self.stated()
        if not stated:
            return super()._repr_html_()
        of = getattr(self, "quantity", "") or getattr(self, "observable", "")
        caption = f"{type(self).__name__} of {of}" if of else type(self).__name__
        return estimates_html(caption, stated, self._notes(), getattr(self, "flags", ()))

    def _notes(self) -> list[tuple[str, str]]:
        """Rows below the estimates: form and goodness."""
        return [
            (name, value if isinstance(value, str) else f"{value:.4g}")
            for name, value in self.goodness().items()
        ]


def _same(value: Any, other: Any) -> bool:
    """Whether two values of fields are the same to the last bit; nan equals nan."""
    if isinstance(value, np.ndarray):
        alike = isinstance(other, np.ndarray) and value.dtype.kind == other.dtype.kind
        return alike and np.array_equal(value, other, equal_nan=value.dtype.kind in "fc")
    if isinstance(value, xr.Dataset):
        return value.identical(other)
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return type(value) is type(other) and all(
            _same(getattr(value, name), getattr(other, name)) for name in names
        )
    if isinstance(value, Mapping):
        return list(value) == list(other) and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, tuple):
        return len(value) == len(other) and all(map(_same, value, other))
    return bool(value == other or (value != value and other != other))


def result_json(
    kind: str, stated: Mapping[str, Estimate], goodness: Mapping[str, Any], flags: Sequence[Flag]
) -> dict[str, Any]:
    """What the JSON of every result holds."""
    return {
        "kind": kind,
        "version": RESULTS_VERSION,
        "parameters": {name: estimate_json(estimate) for name, estimate in stated.items()},
        "goodness": strict(goodness),
        "flags": list(dict.fromkeys(flags)),
    }


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate in the shape of every JSON of results."""
    document: dict[str, Any] = strict(
        {
            "value": estimate.value,
            "stderr": estimate.stderr,
            "systematic": estimate.systematic,
            "total": estimate.total,
            "interval68": list(estimate.interval68),
            "flags": list(estimate.flags),
        }
    )
    return document


def strict(value: Any) -> Any:
    """The same document with None for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
