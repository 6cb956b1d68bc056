"""What makes a table of arrays: they are checked and sorted.

Each check refuses one kind of mistake, saying where it stands and what to do.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.tables.table import Dimension, ScalingTable
from physbatch.typing import FloatArray

#: Numbers are raised to the fourth power, and multiplied by as many of them.
_TINY = 1e-60
#: Says where a row came from: "points.csv, line 7".
Locate = Callable[[int], str]


class Limits(TypedDict, total=False):
    """How many different sizes and points a table must have, as in `checked`."""

    minimum_sizes: int
    minimum_points: int


class TableOptions(Limits, total=False):
    """What else is known of a table, as in `ScalingTable`."""

    size_name: str
    control_name: str
    dimension: Dimension
    source: str
    flags: tuple[Flag, ...]


def make_table(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    values: Mapping[str, npt.ArrayLike],
    errors: Mapping[str, npt.ArrayLike] | None = None,
    *,
    covariance: Mapping[str, npt.ArrayLike] | None = None,
    samples: Mapping[str, Iterable[npt.ArrayLike]] | None = None,
    locate: Locate | None = None,
    **options: Unpack[TableOptions],
) -> ScalingTable:
    """A checked and sorted table from arrays.

    Parameters
    ----------
    size, control : array_like, shape (n_point,)
        Coordinates, in any order.
    values, errors : mapping of name to array_like, shape (n_point,)
        Observables and their standard errors; errors of an observable with a covariance
        may be left out.
    covariance : mapping of name to array_like, shape (n_point, n_point), optional
        Covariance between points of an observable.
    samples : mapping of name to sequence of array_like, optional
        Replica-level values at each point.
    locate, minimum_sizes, minimum_points
        As in `checked`.
    **options
        ``size_name``, ``control_name``, ``dimension``, ``source``, ``flags`` of the table.

    Raises
    ------
    physbatch.errors.AnalysisError
        As `checked`.

    Examples
    --------
    >>> table = make_table([8, 4, 4], [1, 2, 1], {"m": [3, 2, 1]}, {"m": [0.1, 0.1, 0.1]})
    >>> table.values["m"].tolist()
    [1.0, 2.0, 3.0]
    """
    matrices = {name: np.asarray(matrix, np.float64) for name, matrix in (covariance or {}).items()}
    stderr = {name: np.asarray(error, np.float64) for name, error in (errors or {}).items()}
    for name, matrix in matrices.items():
        if name not in stderr and matrix.ndim == 2:
            stderr[name] = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    names: dict[str, Any] = dict(options)
    limits = {key: names.pop(key) for key in Limits.__annotations__ if key in names}
    table = ScalingTable(
        np.asarray(size, np.float64),
        np.asarray(control, np.float64),
        {name: np.asarray(column, np.float64) for name, column in values.items()},
        stderr,
        matrices,
        {n: tuple(np.asarray(x, np.float64) for x in rows) for n, rows in (samples or {}).items()},
        **names,
    )
    return checked(table, locate=locate, **limits)


def checked(
    table: ScalingTable,
    *,
    minimum_sizes: int = 2,
    minimum_points: int = 3,
    where: str = "",
    locate: Locate | None = None,
) -> ScalingTable:
    """The table, sorted, if estimators can use it.

    Parameters
    ----------
    table : ScalingTable
        Rows in any order.
    minimum_sizes, minimum_points : int
        How many different sizes and points there must be; with one size an observable
        may also be constant.
    where : str
        Name of the table in messages, by default its source.
    locate : callable, optional
        Says where a row came from; by default its size and control.

    Raises
    ------
    physbatch.errors.AnalysisError
        For numbers that are not finite, sizes or errors that are not above 0,
        duplicated points, too few sizes or points, a constant observable, a covariance
        that is none, or samples that do not belong to the values.
    """
    where = where or table.source or "table"
    _check_shapes(table, where)
    point = locate or (lambda row: f"{where}, {table.describe(row)}")
    _check_numbers(table, point)
    order = np.lexsort((table.control, table.size))
    _check_duplicates(table, order, point)
    ordered = table if np.all(np.diff(order) == 1) else table.take(order)
    _check_extent(ordered, minimum_sizes, minimum_points, where)
    _check_covariance(ordered, where)
    _check_samples(ordered, where)
    return ordered


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


def _check_shapes(table: ScalingTable, where: str) -> None:
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


def _check_numbers(table: ScalingTable, locate: Locate) -> None:
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
        _check_range(values, name, locate, least=_TINY)
    for name, values in (("control", table.control), *table.values.items()):
        _check_range(values, repr(name), locate)


def _check_range(values: FloatArray, name: str, locate: Locate, *, least: float = 0.0) -> None:
    """Refuse numbers whose powers leave the range of floating point."""
    bad = np.flatnonzero((np.abs(values) > 1 / _TINY) | (np.abs(values) < least))
    if bad.size:
        raise AnalysisError(
            f"{name} is {values[bad[0]]:g}{_and_more(bad)}, too near the end of floating point",
            where=locate(int(bad[0])),
            remedy="give it in other units",
        )


def _check_duplicates(table: ScalingTable, order: npt.NDArray[np.intp], locate: Locate) -> None:
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


def _check_extent(table: ScalingTable, sizes: int, points: int, where: str) -> None:
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


def _check_covariance(table: ScalingTable, where: str) -> None:
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


def _check_samples(table: ScalingTable, where: str) -> None:
    """Refuse samples that differ in number between observables, or are not finite."""
    for row in range(table.size.size if table.samples else 0):
        together = [samples[row] for samples in table.samples.values()]
        if any(x.shape != together[0].shape or not np.isfinite(x).all() for x in together):
            raise AnalysisError(
                "samples of the observables differ in number, or are not finite",
                where=f"{where}, {table.describe(row)}",
            )
