"""Neighbouring points of a size averaged into few: tables of any length for any estimator."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.flags import BINNED
from physbatch.tables.scatter import roughness, too_smooth
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

#: Neighbouring bins from which the curve under a bin is known, and fewer to see if they suffice.
_STENCILS = (7, 5)
#: A bin is left out if its correction would multiply its variance by more: points lie in clusters.
_INFLATION = 25.0
#: Points of a bin weigh alike up to this ratio of their errors to the lower quartile.
_UNEQUAL = 3.0
#: Deviations from which the last step of the correction is no noise.
_SEEN = 3.0


def binned(table: ScalingTable, most: int) -> ScalingTable:
    r"""The table with at most `most` points: neighbours of a size are averaged.

    Every size gets the same number of points; those with fewer keep theirs as they are. The bins
    of a size hold equally many points, and so lie densely where the points do. The mean of a bin
    is that of the curve over the bin, not its value at the mean control: the polynomial of degree
    6 whose means over seven neighbouring bins are those measured makes up for the difference. What
    the last two degrees have changed, where it is more than noise, is added to the error.

    Parameters
    ----------
    table : ScalingTable
        Observables at points (size, control).
    most : int
        Number of points over all sizes, at least one for each.

    Returns
    -------
    ScalingTable
        `table` itself if it is short enough. Else flagged ``binned``, with the covariance of the
        bins: from the stated one, or from that of independent points. Where points visibly move
        together and no covariance is stated, averaging makes errors no smaller, and none is given.
        The samples of a bin are those of its points, about the value of the bin and spread by its
        error.

    Raises
    ------
    physbatch.errors.AnalysisError
        If `most` is less than the number of sizes.

    Notes
    -----
    What is lost is structure narrower than a bin, and what the points inside of a bin say of its
    slope: of the information on c_c and nu about (D/W)^2/12 for bins of width D and a transition
    of width W. Only errors beyond three times the usual ones of a bin lower the weight of a point:
    an estimated error that varies with its value, as that of counts does, would pull the mean.

    Examples
    --------
    >>> from physbatch.tables import make_table
    >>> c = np.linspace(-1.0, 1.0, 101)
    >>> table = make_table([8] * 101, c, {"m": c**2}, {"m": [0.1] * 101}, minimum_sizes=1)
    >>> few = binned(table, 10)
    >>> few.control.size, bool(np.allclose(few.values["m"], few.control**2))
    (10, True)
    """
    count = table.size.size
    if count <= most:
        return table
    if most < table.sizes.size:
        raise AnalysisError(
            f"{table.sizes.size} sizes in {most} points",
            where=table.source or "binned",
            remedy="ask for at least one point for each size",
        )
    table = table.take(np.lexsort((table.control, table.size)))
    bins = _Bins.of(table, most)
    control = bins.mean(table.control)
    last, before = (_straightened(table, bins, control, length) for length in _STENCILS)
    calm = np.ones(control.size, dtype=bool)
    values: dict[str, FloatArray] = {}
    errors: dict[str, FloatArray] = {}
    covariance: dict[str, FloatArray] = {}
    for name, column in table.values.items():
        means = bins.mean(column)
        noise = _covariance_of_means(table, name, bins)
        matrix = last.covariance(noise)
        calm &= np.diag(matrix) < _INFLATION * np.diag(noise)
        values[name] = last.of(means)
        if name not in table.covariance and too_smooth(*roughness(table, name)):
            errors[name] = bins.mean(table.errors[name])
            continue
        single = bins.counts == 1
        left = np.where(single, 0.0, _truncation(means, noise, last, before))
        matrix[np.diag_indices_from(matrix)] += left
        covariance[name], errors[name] = matrix, np.sqrt(np.diag(matrix))
    samples = {
        name: _pooled(points, bins, values[name], errors[name])
        for name, points in table.samples.items()
    }
    few = replace(
        table,
        size=table.size[bins.starts],
        control=control,
        values=values,
        errors=errors,
        covariance=covariance,
        samples=samples,
    ).select(calm)
    words = f"{count} points became {few.size.size}, by at most {bins.counts.max()} at a time"
    return replace(few, flags=(*table.flags, BINNED(words)))


class _Bins(NamedTuple):
    """Which rows make a bin, and with what weight."""

    starts: IntArray
    counts: IntArray
    weights: FloatArray  # of the rows; those of a bin sum to 1

    @classmethod
    def of(cls, table: ScalingTable, most: int) -> _Bins:
        """Bins of a sorted table."""
        _, first, counts = np.unique(table.size, return_index=True, return_counts=True)
        starts = np.concatenate(
            [
                begin + np.linspace(0, count, share, endpoint=False).round().astype(np.intp)
                for begin, count, share in zip(
                    first, counts, _shared_out(counts, most), strict=True
                )
            ]
        )
        lengths = np.diff(np.append(starts, table.size.size))
        weights = np.ones(table.size.size)
        of_bin = np.repeat(np.arange(starts.size), lengths)
        for errors in table.errors.values():
            low = errors[np.lexsort((errors, of_bin))][starts + lengths // 4]
            weights *= np.minimum(1.0, _UNEQUAL * low[of_bin] / errors) ** (2 / len(table.errors))
        return cls(starts, lengths, weights / np.add.reduceat(weights, starts)[of_bin])

    def mean(self, column: FloatArray) -> FloatArray:
        """Weighted means of a column, shape (n_bin,)."""
        return np.asarray(np.add.reduceat(self.weights * column, self.starts))


def _shared_out(counts: IntArray, most: int) -> IntArray:
    """Bins of every size, `most` together: what short sizes leave over goes to the others."""
    shares, left = np.zeros_like(counts), most
    for done, size in enumerate(np.argsort(counts, kind="stable")):
        shares[size] = min(counts[size], left // (counts.size - done))
        left -= shares[size]
    return shares


def _covariance_of_means(table: ScalingTable, name: str, bins: _Bins) -> FloatArray:
    matrix = table.covariance.get(name)
    if matrix is None:
        square = (bins.weights * table.errors[name]) ** 2
        return np.diag(np.add.reduceat(square, bins.starts))
    half = np.add.reduceat(bins.weights[:, None] * matrix, bins.starts, axis=0)
    return np.asarray(np.add.reduceat(bins.weights * half, bins.starts, axis=1))


# --- the curve under the bins -----------------------------------------------------------


class _Step(NamedTuple):
    """Values of a curve at the mean controls as sums over the means of some bins."""

    columns: IntArray  # which means, shape (n_bin, n_term)
    factors: FloatArray

    def of(self, means: FloatArray) -> FloatArray:
        return np.asarray((self.factors * means[self.columns]).sum(axis=1))

    def half(self, matrix: FloatArray) -> FloatArray:
        """The sums over the rows of a matrix."""
        terms = zip(self.factors.T, self.columns.T, strict=True)
        return np.asarray(sum(factor[:, None] * matrix[column] for factor, column in terms))

    def covariance(self, matrix: FloatArray) -> FloatArray:
        """Of the sums, if that of the means is given."""
        return self.half(self.half(matrix).T)


def _straightened(table: ScalingTable, bins: _Bins, control: FloatArray, length: int) -> _Step:
    """The means, corrected by those of the `length` nearest bins, or as many as a size has."""
    count = control.size
    columns = np.repeat(np.arange(count)[:, None], length, axis=1)
    factors = np.eye(1, length).repeat(count, axis=0)
    offset = table.control - np.repeat(control, bins.counts)
    moments = np.stack([bins.mean(offset**power) for power in range(length)])
    sizes = table.size[bins.starts]
    merged = np.flatnonzero(bins.counts > 1)
    first = np.searchsorted(sizes, sizes[merged])
    after = np.searchsorted(sizes, sizes[merged], side="right")
    widths = np.minimum(length, after - first)
    for width in np.unique(widths):
        of_width = widths == width
        rows = merged[of_width]
        begin = np.clip(rows - width // 2, first[of_width], after[of_width] - width)
        near = begin[:, None] + np.arange(width)
        columns[rows, :width] = near
        factors[rows, 0] = 0.0
        factors[rows, :width] = _exact_factors(moments, control, rows, near)
    return _Step(columns, factors)


def _exact_factors(
    moments: FloatArray, control: FloatArray, rows: IntArray, near: IntArray
) -> FloatArray:
    """Factors for which polynomials of a degree below the number of bins come out exactly.

    Parameters
    ----------
    moments : ndarray, shape (n_power, n_bin)
        Of the controls of each bin about their mean.
    control : ndarray, shape (n_bin,)
        Mean controls.
    rows, near : ndarray, shape (n,) and (n, n_term)
        The bins, and those that are summed over.
    """
    width = near.shape[1]
    away = control[near] - control[rows][:, None]
    unit = np.abs(away).max(axis=1, keepdims=True)
    design = np.zeros((rows.size, width, width))
    for power in range(width):
        for part in range(power + 1):
            inner = comb(power, part) * moments[part][near] / unit**part
            design[:, power] += inner * (away / unit) ** (power - part)
    wanted = np.zeros((rows.size, width, 1))
    wanted[:, 0] = 1.0  # of the powers of c - control[rows] there, all but the lowest vanish
    return np.asarray(np.linalg.solve(design, wanted)[..., 0])


def _truncation(means: FloatArray, noise: FloatArray, last: _Step, before: _Step) -> FloatArray:
    """Variance of what the correction has not reached: what its last step did, if that is no noise.

    The largest of three neighbours: a change may vanish where its sign does.
    """
    change = last.of(means) - before.of(means)
    both = np.hstack([last.columns, before.columns])
    step = _Step(both, np.hstack([last.factors, -before.factors]))
    variance = (step.factors * np.take_along_axis(step.half(noise), both, axis=1)).sum(axis=1)
    seen = np.pad(np.where(change**2 > _SEEN**2 * variance, change**2, 0.0), 1)
    return np.asarray(np.maximum(np.maximum(seen[:-2], seen[2:]), seen[1:-1]))


def _pooled(
    points: tuple[FloatArray, ...], bins: _Bins, values: FloatArray, errors: FloatArray
) -> tuple[FloatArray, ...]:
    """Samples of the bins; those of bins of one point as they are."""
    pooled = []
    for row, (start, count) in enumerate(zip(bins.starts, bins.counts, strict=True)):
        together = points[start : start + count]
        if count == 1:
            pooled.append(together[0])
            continue
        total = sum(sample.size for sample in together)
        weights = bins.weights[start : start + count]
        deviation = np.concatenate(
            [
                weight * total / sample.size * (sample - sample.mean())
                for weight, sample in zip(weights, together, strict=True)
            ]
        )
        spread = float(np.sqrt((deviation**2).sum() / (total - 1.0) / total))
        pooled.append(values[row] + deviation * (errors[row] / spread if spread > 0 else 0.0))
    return tuple(pooled)
