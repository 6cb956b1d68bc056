"""What a table must be: finite, positive where it must be, without duplicates, large enough.

Each check refuses one kind of mistake, saying where it stands and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

if TYPE_CHECKING:
    from physbatch.tables.table import ScalingTable

__all__ = [
    "Locate",
    "check_covariance",
    "check_duplicates",
    "check_extent",
    "check_finite",
    "check_numbers",
    "check_range",
    "check_samples",
    "check_shapes",
]

#: Numbers are raised to the fourth power, and multiplied by as many of them.
_TINY = 1e-60
#: Says where a row came from: "points.csv, line 7".
Locate = Callable[[int], str]


def check_finite(values: FloatArray, name: str, locate: Locate) -> None:
    """Refuse nan and infinity, saying in which row."""
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise AnalysisError(
            f"{name} is {values[bad[0]]}{_and_more(bad)}",
            where=locate(int(bad[0])),
            remedy="leave the row out or repair it",
        )


def _and_more(bad: npt.NDArray[np.intp]) -> str:
    return f" (and {bad.size - 1} more)" if bad.size > 1 else ""


def check_shapes(table: ScalingTable, where: str) -> None:
    """Refuse observables without errors, and columns of different lengths."""
    if set(table.values) != set(table.errors) or not table.values:
        raise AnalysisError(
            f"observables {sorted(table.values)} with errors {sorted(table.errors)}",
            where=where,
            remedy="give every observable its error",
        )
    columns = {
        "control": table.control,
        **{repr(name): values for name, values in table.values.items()},
        **{f"error of {name!r}": errors for name, errors in table.errors.items()},
    }
    for name, column in columns.items():
        if column.shape != table.size.shape or column.ndim != 1:
            raise AnalysisError(
                f"{name} has shape {column.shape} and sizes {table.size.shape}", where=where
            )


def check_numbers(table: ScalingTable, locate: Locate) -> None:
    """Refuse nan and infinity, and sizes or errors that are not above 0."""
    check_finite(table.size, f"size {table.size_name!r}", locate)
    check_finite(table.control, f"control {table.control_name!r}", locate)
    positive = {f"size {table.size_name!r}": table.size}
    for name, values in table.values.items():
        check_finite(values, f"observable {name!r}", locate)
        positive[f"error of {name!r}"] = table.errors[name]
    for name, values in positive.items():
        check_finite(values, name, locate)
        bad = np.flatnonzero(values <= 0)
        if bad.size:
            raise AnalysisError(
                f"{name} is {values[bad[0]]:g}{_and_more(bad)}, it must be above 0",
                where=locate(int(bad[0])),
                remedy="leave the row out or repair it",
            )
        check_range(values, name, locate, least=_TINY)
    for name, values in (("control", table.control), *table.values.items()):
        check_range(values, repr(name), locate)


def check_range(values: FloatArray, name: str, locate: Locate, *, least: float = 0.0) -> None:
    """Refuse numbers whose powers leave the range of floating point."""
    bad = np.flatnonzero((np.abs(values) > 1 / _TINY) | (np.abs(values) < least))
    if bad.size:
        raise AnalysisError(
            f"{name} is {values[bad[0]]:g}{_and_more(bad)}, too near the end of floating point",
            where=locate(int(bad[0])),
            remedy="give it in other units",
        )


def check_duplicates(table: ScalingTable, order: npt.NDArray[np.intp], locate: Locate) -> None:
    """Refuse a point that stands twice; `order` sorts the rows."""
    size, control = table.size[order], table.control[order]
    twice = np.flatnonzero((size[1:] == size[:-1]) & (control[1:] == control[:-1]))
    if twice.size:
        first, second = int(order[twice[0]]), int(order[twice[0] + 1])
        raise AnalysisError(
            f"{table.describe(first)} stands twice{_and_more(twice)}",
            where=" and ".join(dict.fromkeys((locate(first), locate(second)))),
            remedy="keep one row, or give rows of single replicas without an error column",
        )


def check_extent(table: ScalingTable, sizes: int, points: int, where: str) -> None:
    """Refuse too few points or sizes, and observables that are constant."""
    if table.size.size < points:
        raise AnalysisError(
            f"{table.size.size} points", where=where, remedy=f"give at least {points}"
        )
    if table.sizes.size < sizes:
        raise AnalysisError(
            f"one size ({table.size_name} = {table.sizes[0]:g})",
            where=where,
            remedy=f"finite-size scaling compares sizes: give at least {sizes}",
        )
    # A single size is asked for to see its moments, not a transition: there constants may be.
    for name, values in table.values.items() if sizes > 1 else ():
        if np.all(values == values[0]):
            raise AnalysisError(
                f"observable {name!r} is {values[0]:g} at all {values.size} points",
                where=where,
                remedy="a constant says nothing of a transition; name another column",
            )


def check_covariance(table: ScalingTable, where: str) -> None:
    """Refuse a matrix that is no covariance, or not that of the errors."""
    for name, matrix in table.covariance.items():
        variance = table.errors[name] ** 2
        fits = matrix.shape == (variance.size, variance.size) and np.allclose(
            matrix, matrix.T, rtol=1e-6, atol=1e-9 * float(variance.max())
        )
        if not fits or not np.allclose(np.diag(matrix), variance, rtol=1e-6, atol=0.0):
            raise AnalysisError(
                f"covariance of {name!r} is not a symmetric matrix of the points whose diagonal "
                "is the squared errors",
                where=where,
            )
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            raise AnalysisError(
                f"covariance of {name!r} is not positive definite",
                where=where,
                remedy="estimate it from more samples than points, or give errors only",
            ) from None


def check_samples(table: ScalingTable, where: str) -> None:
    """Refuse samples that differ in number between observables, or are not finite."""
    for row in range(table.size.size if table.samples else 0):
        together = [samples[row] for samples in table.samples.values()]
        if any(one.shape != together[0].shape or not np.isfinite(one).all() for one in together):
            raise AnalysisError(
                "samples of the observables differ in number, or are not finite",
                where=f"{where}, {table.describe(row)}",
            )
