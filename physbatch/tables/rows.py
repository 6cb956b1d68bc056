"""Rows of numbers to a table: values with errors, or the replicas of each point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physbatch.errors import DatasetError
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable, make_table
from physbatch.tables.table_checks import Locate, check_finite
from physbatch.typing import FloatArray

__all__ = ["Rows", "table_of"]


#: Controls nearer to each other than this share of their value were meant to be the same.
_SAME = 1e-12


@dataclass(frozen=True)
class Rows:
    """Columns of numbers; without errors the rows are replicas."""

    size: FloatArray
    control: FloatArray
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]


def table_of(rows: Rows, locate: Locate, **names: Any) -> ScalingTable:
    """A checked table of values with errors, or of the samples at each point."""
    if rows.errors:
        return make_table(rows.size, rows.control, rows.values, rows.errors, locate=locate, **names)
    columns = {names["size_name"]: rows.size, names["control_name"]: rows.control, **rows.values}
    for name, values in columns.items():
        check_finite(values, repr(name), locate)
    order = np.lexsort((rows.control, rows.size))  # stable: rows of a point stay in their order
    size, control = rows.size[order], rows.control[order]
    new = (np.diff(size) != 0) | (np.diff(control) != 0)
    starts = np.concatenate(([0], np.flatnonzero(new) + 1))
    lengths = np.diff(np.append(starts, size.size))
    single = np.flatnonzero(lengths == 1)
    if single.size:
        many = "every point has" if single.size == lengths.size else "a point has"
        close = (np.diff(size) == 0) & (np.diff(control) != 0)
        close &= np.diff(control) < _SAME * np.abs(control[1:])
        rounded = "; controls that differ in their last digits are different points: round them"
        raise DatasetError(
            f"{many} a single row and there is no error column",
            where=locate(int(order[starts[single[0]]])),
            remedy="name the error column, or give several rows (replicas) for each point"
            + (rounded if close.any() else ""),
        )
    samples = {
        name: np.split(values[order], starts[1:].tolist()) for name, values in rows.values.items()
    }
    return make_sample_table(size[starts], control[starts], samples, **names)
