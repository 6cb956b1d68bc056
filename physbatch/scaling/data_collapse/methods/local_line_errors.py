"""Errors of exponents from the smallest S: linear response, refits, and S_min + 1."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import optimize, sparse

from physbatch.results.flags import FLAT
from physbatch.scaling.data_collapse.intervals import (
    Uncertainties,
    between_ends,
    from_refits,
    resampled_observables,
)
from physbatch.scaling.data_collapse.optimum import Optimum
from physbatch.scaling.data_collapse.quality import LocalLines, local_curve
from physbatch.scaling.data_collapse.quality_kernel import NOWHERE, Quality, minimise
from physbatch.scaling.statistics.point_noise import correlated_covariance
from physbatch.typing import BoolArray, FloatArray

#: Starts of every refit.
_STARTS = 4
#: How far S_min + 1 is looked for, in units of where it is expected.
_FARTHEST = 30.0


class Goodness(NamedTuple):
    """Linear response of the smallest S to the noise of the data."""

    covariance: FloatArray  # of the fit vector
    chi2: float  # S times the number of independent terms
    dof: float  # so many terms are independent


def _rescaled(
    quality: Quality, vector: FloatArray, name: str
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """x, y and error of an observable on the scaling plot, and its scale, in units of the fit."""
    where = quality.form.rescale(vector, quality.table, name)
    scale = np.exp(where.log_scale)
    table = quality.table
    return where.x, table.values[name] / scale, table.errors[name] / scale, scale


def _lines(quality: Quality, vector: FloatArray, name: str) -> tuple[LocalLines, FloatArray]:
    """Local lines at the points, and the residuals in units of their errors."""
    x, y, error, _ = _rescaled(quality, vector, name)
    lines = local_curve(quality.table.size, x, y, error, x, quality.table.size)
    return lines, (y - lines.value) / np.sqrt(error**2 + lines.variance)


def sandwich(quality: Quality, vector: FloatArray) -> Goodness:
    r"""Covariance of the exponents, and how large S may be.

    The residuals :math:`r = W^{1/2} (y - Y)` are linear in the noise; with their slopes J by the
    exponents the minimum moves by :math:`-(J^T J)^{-1} J^T r`, and S is the mean of the squares
    of what is left. Mean and variance of a sum of squares follow from the covariance of r.

    Parameters
    ----------
    quality : Quality
        S of a window.
    vector : ndarray
        Its minimum.
    """
    slopes, noise, total, used = [], [], 0.0, 0
    for name in quality.form.observables:
        lines, residual = _lines(quality, vector, name)
        known = lines.known
        slopes.append(_slopes(quality, vector, name, known))
        noise.append(_residual_covariance(quality, vector, name, lines)[known][:, known])
        total += float((residual[known] ** 2).sum())
        used += int(known.sum())
    jacobian = np.vstack(slopes)
    count = jacobian.shape[1]
    covariance = sparse.block_diag(noise, format="csr")
    inverse = np.linalg.pinv(jacobian.T @ jacobian) if count else np.empty((0, 0))
    basis = np.linalg.qr(jacobian)[0]
    moved = covariance @ basis
    inner = basis.T @ moved
    mean = float(covariance.trace()) - float(np.trace(inner))
    square = float((covariance.power(2)).sum()) - 2 * float((moved**2).sum())
    variance = 2 * (square + float((inner**2).sum()))
    dof = 2 * mean**2 / variance if mean > 0 and variance > 0 else 0.0
    response = inverse @ jacobian.T
    return Goodness(
        response @ (covariance @ response.T),
        dof * total / mean if mean > 0 else math.inf,
        dof,
    )


def _slopes(quality: Quality, vector: FloatArray, name: str, known: BoolArray) -> FloatArray:
    """Derivatives of the residuals by the fit vector, shape (n_known, n_parameter).

    Central differences; where a step gives a point another neighbour the residual jumps, and
    the one-sided difference that does not is taken.
    """
    middle = _lines(quality, vector, name)[1][known]
    out = np.empty((int(known.sum()), len(vector)))
    for column in range(len(vector)):
        step = np.zeros(len(vector))
        step[column] = 1e-6
        sides = [
            sign * (_lines(quality, vector + sign * step, name)[1][known] - middle) / 1e-6
            for sign in (1.0, -1.0)
        ]
        smaller = np.where(np.abs(sides[0]) < np.abs(sides[1]), *sides)
        smooth = np.abs(sides[0] - sides[1]) < 1e-2 * (1 + np.abs(smaller))
        out[:, column] = np.where(smooth, (sides[0] + sides[1]) / 2, smaller)
    return np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0)


def _residual_covariance(
    quality: Quality, vector: FloatArray, name: str, lines: LocalLines
) -> sparse.csr_array:
    """Covariance of the residuals in units of their errors."""
    _, _, error, scale = _rescaled(quality, vector, name)
    table = quality.table
    noise = table.covariance.get(name)
    if noise is None:
        noise = correlated_covariance(table, name)[0]
    data = (
        sparse.diags_array(error**2)
        if noise is None
        else sparse.csr_array(noise / scale[:, None] / scale[None, :])
    )
    root = 1 / np.sqrt(error**2 + np.nan_to_num(lines.variance))
    left = sparse.diags_array(root) @ (sparse.eye_array(len(error)) - lines.operator)
    return sparse.csr_array(left @ data @ left.T)


# --- intervals --------------------------------------------------------------------------


def refits(
    quality: Quality,
    optimum: Optimum,
    covariance: FloatArray,
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Uncertainties:
    """Minimise S of resampled data, each from the optimum and from points around it.

    S has many small valleys; refits from the optimum alone would stay in its own, and where c_c
    and zeta lean on each other the errors would be less than half of the scatter.

    Parameters
    ----------
    quality, optimum : Quality, Optimum
        The fit.
    covariance : ndarray
        Of the fit vector by linear response: the scale of the starts and of the simplices.
    resamples, seed : int
        Number of refits, and seed of the resamples.

    Returns
    -------
    Uncertainties
        With the flag ``resamples_failed`` if more than 5 % of the refits ran to a bound or lost
        the overlap.
    """
    form = quality.form
    generator = np.random.default_rng([seed, 17])
    strength, vectors = np.linalg.eigh(covariance)
    sides = (vectors * np.sqrt(np.maximum(strength, 1e-20))).T
    shifts = 2.0 * generator.normal(size=(resamples, _STARTS, len(form.names))) @ sides
    shifts[:, 0] = 0.0
    done = []
    drawn = resampled_observables(quality.table, form.observables, generator, resamples)
    for values, shift in zip(drawn, shifts, strict=True):
        moved = Quality(form, replace(quality.table, values=values))
        starts = optimum.vector + shift
        tried = [minimise(moved, start, rounds=2, steps=2.0 * sides) for start in starts]
        again = max(tried, key=lambda minimum: minimum.value)
        if -again.value < NOWHERE and not quality.objective.at_bound(again.vector):
            done.append(again.vector)
    return from_refits(form, done, resamples)


def rise_by_one(quality: Quality, optimum: Optimum, covariance: FloatArray) -> Uncertainties:
    """Where S, minimised over the other exponents, has risen by 1 on either side.

    This is the custom of the field. S is a mean over points, so it rises by 1 only where their
    chi^2 has risen by their number: the interval is several standard errors wide.

    Parameters
    ----------
    quality, optimum : Quality, Optimum
        The fit.
    covariance : ndarray
        Of the fit vector, which sets the first steps.

    Returns
    -------
    Uncertainties
        The standard error is half of the interval. With the flag ``flat`` where S does not rise
        by 1.
    """
    form = quality.form
    values = form.exponents(optimum.vector)
    jacobian = form.jacobian(optimum.vector)
    errors = np.sqrt(np.maximum(np.diag(jacobian @ covariance @ jacobian.T), 0.0))
    # n S rises by n at about sqrt(n) standard errors.
    guess = math.sqrt(len(quality.table.size) * len(form.observables))
    steps = dict(zip(form.names, map(float, errors), strict=True))
    intervals, flat = between_ends(
        lambda name, sign: _end(quality, optimum, name, values[name], sign * steps[name], guess),
        form.names,
    )
    flags = (FLAT(f"S does not rise by 1 along {', '.join(flat)}"),) if flat else ()
    return Uncertainties(intervals, flags)


def _end(
    quality: Quality, optimum: Optimum, name: str, best: float, step: float, guess: float
) -> float:
    """One end of the interval; nan if S stays low."""
    if step == 0.0:
        return math.nan

    def rise(distance: float) -> float:
        value = best + step * distance
        if name == "nu" and value <= 0:
            return math.inf
        form = quality.form.holding(name, value)
        begin = form.vector({**quality.form.exponents(optimum.vector), name: value})
        lowest = minimise(Quality(form, quality.table), begin, rounds=2)
        return -lowest.value + optimum.value - 1.0

    outer = guess
    while outer < _FARTHEST * guess and rise(outer) < 0:
        outer *= 2.0
    if outer >= _FARTHEST * guess:
        return math.nan
    inner = outer / 2 if outer > guess else 0.0
    return best + step * float(optimize.brentq(rise, inner, outer, xtol=1e-2 * outer, rtol=1e-2))
