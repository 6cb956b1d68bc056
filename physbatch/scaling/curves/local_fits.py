"""The noisy curve of each size, its bootstrap replicates, and local polynomials (kernels)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.scaling.statistics.resampling import bootstrap_means
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray

#: Points of a size, on the average over sizes; more are to be averaged (`tables.binned`).
MOST_POINTS = 200
_LOST = 0.02  # of the resamples


class LocalFit(NamedTuple):
    """A polynomial in u = (c - centre)/half fitted to the points with abs(u) <= 1.

    Its coefficients are linear in the data: ``projector @ y[rows]``, lowest power first.
    """

    rows: IntArray
    projector: FloatArray  # shape (degree + 1, n_row)
    centre: float
    half: float
    chi2: float
    dof: int
    aic: float  # chi2 + 2 (degree + 1) + 2 (points outside)
    p_value: float

    def coefficients(self, y: FloatArray, length: int) -> FloatArray:
        """Coefficients for data of shape (..., n_point), padded: shape (..., length)."""
        known = y[..., self.rows] @ self.projector.T
        pad = [(0, 0)] * (known.ndim - 1) + [(0, length - known.shape[-1])]
        return np.pad(known, pad)


def local_fit(
    control: FloatArray,
    y: FloatArray,
    covariance: FloatArray,
    centre: float,
    half: float,
    degree: int,
) -> LocalFit | None:
    """Fit a polynomial in a window by generalised least squares (kernel).

    None where the window does not reach to both sides of the centre, or leaves no degree of
    freedom: the fit could then not be tested.

    >>> c = np.linspace(-1, 1, 9)
    >>> fit = local_fit(c, c**2, np.eye(9), 0.0, 1.0, 2)
    >>> fit.coefficients(c**2, 3).round(9).tolist()
    [0.0, 0.0, 1.0]
    """
    rows = np.flatnonzero(np.abs(control - centre) <= half * (1.0 + 1e-9))
    u = (control[rows] - centre) / half
    dof = np.unique(u).size - degree - 1
    if dof < 1 or not u.min() < 0.0 < u.max():
        return None
    whiten = np.linalg.inv(np.linalg.cholesky(covariance[np.ix_(rows, rows)]))
    design = np.vander(u, degree + 1, increasing=True)
    projector = np.asarray(np.linalg.pinv(whiten @ design) @ whiten, dtype=np.float64)
    residual = whiten @ (y[rows] - design @ (projector @ y[rows]))
    chi2 = float(residual @ residual)
    aic = chi2 + 2.0 * (degree + 1) + 2.0 * (len(y) - len(rows))
    p_value = float(scipy.stats.chi2.sf(chi2, len(rows) - degree - 1))
    return LocalFit(rows, projector, centre, half, chi2, dof, aic, p_value)


def half_widths(control: FloatArray, centre: float, count: int = 10) -> FloatArray:
    """Half widths of nested windows, from 3 points to all, about geometric."""
    distance = np.unique(np.abs(control - centre))
    distance = distance[distance > 0.0]
    if distance.size < 2:
        return np.empty(0)
    chosen = np.unique(np.geomspace(2, distance.size, count).round().astype(int)) - 1
    return np.asarray(distance[chosen], dtype=np.float64)


class SizeCurve(NamedTuple):
    """The points of one size."""

    size: float
    rows: IntArray  # places in the table
    control: FloatArray
    y: FloatArray
    covariance: FloatArray
    resampled: FloatArray  # shape (resamples, n_point)
    correlated: bool  # smoother than independent points can be


def curves_of_sizes(
    table: ScalingTable, name: str, resamples: int, generator: np.random.Generator
) -> dict[float, SizeCurve]:
    """The points of each size, with bootstrap replicates of the whole table."""
    values, errors = table.values[name], table.errors[name]
    covariance, samples = table.covariance.get(name), table.samples.get(name)
    blocks = {
        size: (rows, _covariance_block(errors, covariance, rows))
        for size in table.sizes
        for rows in (np.flatnonzero(table.size == size),)
    }
    drawn = _resampled_values(values, errors, covariance, samples, resamples, generator)
    curves = {}
    for size, (rows, block) in blocks.items():
        smooth = covariance is None and _looks_correlated(
            table.control[rows], values[rows], errors[rows]
        )
        if smooth:  # the whole curve may move
            drawn[:, rows] += np.outer(generator.standard_normal(resamples), errors[rows])
        curves[float(size)] = SizeCurve(
            float(size), rows, table.control[rows], values[rows], block, drawn[:, rows], smooth
        )
    return curves


def _resampled_values(
    values: FloatArray,
    errors: FloatArray,
    covariance: FloatArray | None,
    samples: Sequence[FloatArray] | None,
    resamples: int,
    generator: np.random.Generator,
) -> FloatArray:
    """Bootstrap replicates of the values, shape (resamples, n_point).

    Of the replicas where there are any, each point on its own and widened by
    sqrt(n/(n - 1)), as the replicas spread too little by that; Gaussian otherwise.
    """
    if samples is None or min(map(len, samples)) < 2:
        noise = generator.standard_normal((resamples, len(values)))
        if covariance is None:
            return np.asarray(values + noise * errors)
        return np.asarray(values + noise @ np.linalg.cholesky(covariance).T)
    drawn = np.empty((resamples, len(values)))
    for column, (value, sample) in enumerate(zip(values, samples, strict=True)):
        n = len(sample)
        means = bootstrap_means(generator, sample[None], resamples)[0]
        drawn[:, column] = value + math.sqrt(n / (n - 1.0)) * (means - np.mean(sample))
    return drawn


def nearest_roots(coefficients: FloatArray, start: float) -> FloatArray:
    """The root of each polynomial next to a start, shape (n,); nan outside [-1, 1]."""
    u = np.full(len(coefficients), start)
    columns = np.ascontiguousarray(coefficients.T[::-1])
    with np.errstate(all="ignore"):  # a resample without a root runs away, and is counted
        for _ in range(12):
            value, slope = np.zeros_like(u), np.zeros_like(u)
            for column in columns:  # Horner's scheme, and its derivative
                slope = slope * u + value
                value = value * u + column
            move = value / slope
            u = u - np.clip(move, -0.5, 0.5)
        settled = (np.abs(move) < 1e-6) & (np.abs(u) <= 1.0)
    return np.where(settled, u, math.nan)


def _covariance_block(
    errors: FloatArray, covariance: FloatArray | None, rows: IntArray
) -> FloatArray:
    if covariance is None:
        return np.diag(errors[rows] ** 2)
    return np.asarray(covariance[np.ix_(rows, rows)])


def _looks_correlated(control: FloatArray, y: FloatArray, errors: FloatArray) -> bool:
    """Whether a curve is far smoother than its errors allow for independent points.

    So it is if points share runs (histogram reweighting, common random numbers). Cubics are
    fitted to blocks of about ten points: a chi2 that small has a probability below 1e-4.
    """
    chi2, dof = 0.0, 0
    for rows in np.array_split(np.arange(len(y)), max(len(y) // 10, 1)):
        if len(rows) > 4:
            u = control[rows] - control[rows].mean()
            design = np.vander(u / np.abs(u).max(), 4) / errors[rows, None]
            target = y[rows] / errors[rows]
            residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
            chi2, dof = chi2 + float(residual @ residual), dof + len(rows) - 4
    return dof > 0 and float(scipy.stats.chi2.cdf(chi2, dof)) < 1e-4


def average_resampled(drawn: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Average over fits, shape (n_fit, resamples) -> (resamples,), and the weights that count.

    A fit that more than 2 % of the resamples do not solve counts for nothing; where one of the
    others is not solved, the rest stands in for it.
    """
    solved = np.isfinite(drawn)
    kept = np.where(np.mean(~solved, axis=1) > _LOST, 0.0, weights)
    share = kept @ solved
    total = kept @ np.where(solved, drawn, 0.0)
    return np.divide(total, share, out=np.full(share.shape, math.nan), where=share > 0.0), kept
