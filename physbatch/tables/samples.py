"""A table from samples: their means and standard errors at each point, in one pass.

Samples are given point by point, or as rows of a file of which several have the same point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError, DatasetError
from physbatch.results.flags import (
    ERRORS_UNKNOWN,
    FEW_SAMPLES,
    POINTS_WITHOUT_SPREAD,
    ROWS_CORRELATED,
)
from physbatch.tables.make import Locate, TableOptions, check_finite, make_table
from physbatch.tables.scatter import scatter_errors
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

#: With fewer samples the error of a point is itself uncertain by a third or more.
LEAST_SAMPLES = 6
#: A pooled correlation of neighbouring rows this many standard errors above 0 is not chance.
CORRELATED = 5.0
#: Controls nearer to each other than this share of their value were meant to be the same.
_SAME = 1e-12


def make_sample_table(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    samples: Mapping[str, Iterable[npt.ArrayLike]],
    **options: Unpack[TableOptions],
) -> ScalingTable:
    """A table of the means of samples, with their standard errors.

    Parameters
    ----------
    size, control : array_like, shape (n_point,)
        Coordinates, in any order.
    samples : mapping of name to sequence of array_like
        At each point the values of its independent samples, at least two. Observables of
        one sample stand at the same place.
    **options
        ``size_name``, ``control_name``, ``dimension``, ``source`` of the table, ``flags`` to
        carry on, and ``minimum_sizes``, ``minimum_points`` as in `checked`.

    Returns
    -------
    ScalingTable
        Points whose samples all agree show no error and are left out: flag
        ``points_without_spread``. Other flags: ``few_samples``, ``rows_correlated``
        (neighbouring samples are alike, so that errors are too small).

    Raises
    ------
    physbatch.errors.AnalysisError
        If there are no samples with a spread, or as `checked`.

    Notes
    -----
    The mean of samples that are 0 or 1 has a binomial law: its error is the `binomial_error`.

    Examples
    --------
    >>> table = make_sample_table([4, 8, 8], [1, 1, 2], {"m": [[1, 3], [2, 4], [3, 3.5]]})
    >>> table.values["m"].tolist(), table.errors["m"].tolist()
    ([2.0, 3.0, 3.25], [1.0, 1.0, 0.25])
    """
    rows = {
        name: tuple(np.asarray(point, np.float64) for point in points)
        for name, points in samples.items()
    }
    sizes, controls = np.asarray(size, np.float64), np.asarray(control, np.float64)
    values, errors, flags = {}, {}, list(options.get("flags", ()))
    spread = np.ones(sizes.shape, dtype=bool)
    where = options.get("source") or "samples"
    for name, points in rows.items():
        if len(points) != sizes.size:
            raise AnalysisError(f"{len(points)} samples of {name!r} for {sizes.size} points")
        means = _Means.of(points, where, name)
        values[name], errors[name] = means.value, means.error
        spread &= means.error > 0
        if means.correlation > CORRELATED:
            flags.append(
                ROWS_CORRELATED(
                    f"neighbouring samples of {name} are alike "
                    f"({means.correlation:.0f} standard errors); errors are too small unless the "
                    "rows are taken as a series or in clusters"
                )
            )
    fewest = min(
        (point.size for points in rows.values() for point in points), default=LEAST_SAMPLES
    )
    if fewest < LEAST_SAMPLES:
        flags.append(FEW_SAMPLES(f"a point has {fewest}; its error is itself uncertain"))
    keep = np.flatnonzero(spread)
    if keep.size == 0:
        raise AnalysisError(
            "at every point all samples agree", where=where, remedy="no error can be estimated"
        )
    if keep.size < spread.size:
        first = np.argmin(spread)
        flags.append(
            POINTS_WITHOUT_SPREAD(
                f"{spread.size - keep.size} of {spread.size} points, where all samples agree, are "
                f"left out (first: {sizes[first]:g}, {controls[first]:g})"
            )
        )
    options["flags"] = tuple(flags)
    return make_table(
        sizes[keep],
        controls[keep],
        {name: column[keep] for name, column in values.items()},
        {name: column[keep] for name, column in errors.items()},
        samples={name: [points[row] for row in keep] for name, points in rows.items()},
        **options,
    )


def binomial_error(fraction: FloatArray, count: int | IntArray) -> FloatArray:
    """Standard error of k successes of n: that of the posterior Beta(k + 1/2, n - k + 1/2).

    It is never 0 (doi 10.1214/ss/1009213286).
    """
    smooth = (count * fraction + 0.5) / (count + 1.0)
    return np.asarray(np.sqrt(smooth * (1.0 - smooth) / (count + 2.0)))


@dataclass(frozen=True, eq=False)
class _Means:
    """Means and errors of the samples of one observable; one pass, whatever the points."""

    value: FloatArray
    error: FloatArray
    correlation: float  # of neighbouring samples, in standard errors

    @classmethod
    def of(cls, samples: Sequence[FloatArray], where: str, name: str) -> _Means:
        counts = np.array([point.size for point in samples])
        if counts.size == 0 or counts.min() < 2:
            raise AnalysisError(
                f"a point has fewer than two samples of {name!r}",
                where=where,
                remedy="give several samples for each point, or values with errors",
            )
        flat = np.concatenate(samples)
        check_finite(flat, repr(name), lambda row: f"{where}, sample {row + 1}")
        starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
        value = np.add.reduceat(flat, starts) / counts
        deviation = flat - np.repeat(value, counts)
        # Equal samples agree exactly; the rounding of their mean is no spread.
        same = np.maximum.reduceat(flat, starts) == np.minimum.reduceat(flat, starts)
        square = np.where(same, 0.0, np.add.reduceat(deviation**2, starts))
        if np.isin(flat, (0.0, 1.0)).all():
            error = binomial_error(value, counts)
        else:
            error = np.sqrt(square / (counts - 1.0) / counts)
        unit = deviation / np.repeat(np.where(square > 0, np.sqrt(square / counts), np.inf), counts)
        pair = np.ones(flat.size - 1, dtype=bool)
        pair[starts[1:] - 1] = False  # the last of one point and the first of the next
        products = (unit[1:] * unit[:-1])[pair]
        return cls(value, error, float(products.sum() / np.sqrt(max(products.size, 1))))


@dataclass(frozen=True)
class Rows:
    """Columns of numbers; without errors the rows are replicas."""

    size: FloatArray
    control: FloatArray
    values: Mapping[str, FloatArray]
    errors: Mapping[str, FloatArray]


def table_of(rows: Rows, locate: Locate, **options: Unpack[TableOptions]) -> ScalingTable:
    """A checked table of values with errors, of samples at each point, or of values alone."""
    if rows.errors:
        return make_table(
            rows.size, rows.control, rows.values, rows.errors, locate=locate, **options
        )
    for name, values in {
        options["size_name"]: rows.size,
        options["control_name"]: rows.control,
        **rows.values,
    }.items():
        check_finite(values, repr(name), locate)
    order = np.lexsort((rows.control, rows.size))  # stable: rows of a point stay in their order
    size, control = rows.size[order], rows.control[order]
    new = (np.diff(size) != 0) | (np.diff(control) != 0)
    starts = np.concatenate(([0], np.flatnonzero(new) + 1))
    lengths = np.diff(np.append(starts, size.size))
    single = np.flatnonzero(lengths == 1)
    if single.size:
        close = (np.diff(size) == 0) & (np.diff(control) != 0)
        close &= np.diff(control) < _SAME * np.abs(control[1:])
        columns = {name: values[order] for name, values in rows.values.items()}
        if single.size == lengths.size and not close.any():
            estimated = _without_errors(size, control, columns, **options)
            if estimated is not None:
                return estimated
        many = "every point has" if single.size == lengths.size else "a point has"
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
    return make_sample_table(size[starts], control[starts], samples, **options)


def _without_errors(
    size: FloatArray,
    control: FloatArray,
    values: Mapping[str, FloatArray],
    **options: Unpack[TableOptions],
) -> ScalingTable | None:
    """A table whose errors are estimated from the scatter; None if too few points show one."""
    errors, words = {}, []
    for name, column in values.items():
        level = scatter_errors(size, control, column)
        if level is None:
            return None
        errors[name] = level.errors
        words.append(f"{name} {level.text}")
    options["flags"] = (*options.get("flags", ()), ERRORS_UNKNOWN("; ".join(words)))
    return make_table(size, control, values, errors, **options)
