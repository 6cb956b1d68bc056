"""One law fitted to points by generalised least squares, without a guess.

As every law is linear in its amplitudes, the exponents are scanned over their whole range with
the amplitudes solved for; the deepest minima of the scan start fits of all parameters with lmfit.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import AT_BOUND, NOT_CONVERGED, TOO_FEW_POINTS, UNDETERMINED
from physbatch.scaling.laws.power_laws import POSITIVE, Law
from physbatch.typing import FloatArray

_GRID = {0: 1, 1: 97, 2: 33}  # points per exponent of the scan
_STARTS = 4
_MOST_CALLS = 600  # of a law in one fit; those that converge need about 50


class LawFit(NamedTuple):
    """The best fit of one law to the points from one smallest size on."""

    law: Law
    size_min: float
    values: FloatArray  # in the order of `law.parameters`
    covariance: FloatArray
    chi2: float
    dof: int
    aic: float  # chi2 + 2 (parameters); `fit_law` adds 2 for every point left out
    p_value: float
    tried: int
    agreed: int
    problem: Flag | None  # None if the fit can be used

    @property
    def stderr(self) -> FloatArray:
        """Standard errors of the parameters."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def least_squares(
    law: Law,
    x: FloatArray,
    y: FloatArray,
    covariance: FloatArray,
    size_min: float = 0.0,
    variables: tuple[str, ...] = (),
) -> LawFit:
    """Fit one law by generalised least squares from every minimum of a scan (kernel).

    Shapes: x (n_point, n_variable), y (n_point,), covariance (n_point, n_point). ``problem`` of
    the fit is ``too_few_points``, ``at_bound``, ``undetermined`` (an exponent is not known within
    a quarter of its range, or a positive one within half of itself) or ``not_converged``.
    """
    count, points, written = len(law.parameters), len(y), law.text(variables)
    if points <= count:  # a fit through all points tests nothing
        return _failed(law, size_min, TOO_FEW_POINTS(f"{points} for {count} parameters"))
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    target = whiten @ y
    starts = _starts(law, x, whiten, target)
    fits = [fit for fit in (_polish(law, x, whiten, target, s) for s in starts) if fit is not None]
    if not fits:
        return _failed(law, size_min, NOT_CONVERGED(written))
    best = min(fits, key=lambda fit: fit[2])
    values, errors, chi2 = best
    agreed = sum(fit[2] < chi2 + 0.01 + 1e-6 * chi2 for fit in fits)
    problem = None
    for i, (exponent, (low, high)) in enumerate(zip(law.exponents, law.bounds, strict=True)):
        if min(values[i] - low, high - values[i]) < 1e-3 * (high - low):
            problem = AT_BOUND(f"{exponent} = {values[i]:.3g} in {written}")
        elif not math.sqrt(errors[i, i]) < min(0.25 * (high - low), _known(low, values[i])):
            problem = UNDETERMINED(f"{exponent} in {written}")
    dof = points - count
    p_value = float(scipy.stats.chi2.sf(chi2, dof))
    aic = chi2 + 2.0 * count
    return LawFit(
        law, size_min, values, errors, chi2, dof, aic, p_value, len(starts), agreed, problem
    )


def _known(low: float, value: float) -> float:
    """Largest error of an exponent that is known; a positive one must not be within 2 of 0."""
    return 0.5 * value if low == POSITIVE[0] else math.inf


def _failed(law: Law, size_min: float, problem: Flag) -> LawFit:
    count, nan = len(law.parameters), math.nan
    blank = np.full((count, count), nan)
    return LawFit(law, size_min, blank[0], blank, nan, 0, math.inf, nan, 0, 0, problem)


def _starts(law: Law, x: FloatArray, whiten: FloatArray, target: FloatArray) -> list[FloatArray]:
    """Parameters at the deepest minima of chi2 over a grid of the exponents."""
    grid = [np.linspace(low, high, _GRID[len(law.bounds)] + 2)[1:-1] for low, high in law.bounds]
    mesh = np.meshgrid(*grid, indexing="ij")
    shape = mesh[0].shape if mesh else (1,)
    terms = law.terms(x, *(exponent[..., None] for exponent in mesh))
    design = np.stack([np.broadcast_to(t, (*shape, len(target))) for t in terms], axis=-1)
    design = whiten @ design
    scale = np.linalg.norm(design, axis=-2, keepdims=True)
    q, r = np.linalg.qr(design / scale)
    projected = np.einsum("...pk,p->...k", q, target)
    chi2 = np.sum((target - np.einsum("...pk,...k->...p", q, projected)) ** 2, axis=-1)
    minima = np.flatnonzero(chi2 == scipy.ndimage.minimum_filter(chi2, size=3, mode="nearest"))
    deepest = minima[np.argsort(chi2.ravel()[minima])][:_STARTS]
    starts = []
    for minimum in deepest:
        where = np.unravel_index(minimum, shape)
        # Least squares, as two terms can coincide on the grid.
        amplitudes = np.linalg.lstsq(r[where], projected[where], rcond=None)[0] / scale[where][0]
        starts.append(np.array([*(exponent[where] for exponent in mesh), *amplitudes]))
    return starts


def _polish(
    law: Law, x: FloatArray, whiten: FloatArray, target: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray, float] | None:
    """Values, covariance and chi2 of a fit of all parameters; None if it fails."""
    import lmfit  # it imports matplotlib, which reading results must not cost

    parameters = lmfit.Parameters()
    bounds = [*law.bounds, *[(-math.inf, math.inf)] * len(law.amplitudes)]
    for name, value, (low, high) in zip(law.parameters, start, bounds, strict=True):
        parameters.add(name, value=float(value), min=low, max=high)

    def residual(tried: lmfit.Parameters) -> FloatArray:
        return np.asarray(whiten @ law(x, [tried[n].value for n in law.parameters]) - target)

    fit = lmfit.minimize(residual, parameters, scale_covar=False, max_nfev=_MOST_CALLS)
    covariance = getattr(fit, "covar", None)
    if not fit.success or covariance is None or not np.all(np.isfinite(covariance)):
        return None
    values = np.array([fit.params[name].value for name in law.parameters])
    return values, np.asarray(covariance), float(np.sum(fit.residual**2))


def average(columns: FloatArray, weights: FloatArray) -> Estimate:
    """Weighted mean of values and errors, shape (2, n_fit), with their spread."""
    used = weights > 0.0
    values, errors = columns[:, used]
    w = weights[used]
    value = float(w @ values)
    stderr = math.sqrt(float(w @ errors**2))
    systematic = math.sqrt(max(float(w @ (values - value) ** 2), 0.0))
    return Estimate(value, stderr, systematic, (value - stderr, value + stderr))
