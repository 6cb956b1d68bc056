"""Gaussian-process likelihood of a data collapse, with its analytic gradient.

The master curve is a Gaussian process in the scaling variable x (Harada, PRE 84, 056704,
doi 10.1103/PhysRevE.84.056704). The observables themselves, not their rescaled values, get the
covariance

.. math:: S_{ij} = s_i s_j [A_0^2 + A^2 e^{-(u_i - u_j)^2/2\\ell^2}]
          + s_i q_i s_j q_j B^2 [1 + e^{-(u_i - u_j)^2/2\\ell^2}]
          + C_{ij} + \\sigma^2 e_i^2 \\delta_{ij}, \\qquad u = r \\, \\mathrm{asinh}(x/r)

with s = N^(zeta/nu) and q = N^(-omega). So the likelihood carries the Jacobian of the rescaling
by construction. A_0 is wide and fixed (a flat prior on a constant), C the covariance of the
data, sigma a nugget in units of the errors e.

Scaling functions change within some reach r of x = 0; further out they saturate or follow power
laws, which change by the same factor whenever x doubles, not by the same amount everywhere. A
process that is stationary in x expects structure in the tails too: the likelihood then prefers
exponents that bring the points there closer together, and at noise of a few per cent nu is off
by its whole error. In u the tails are as long as their logarithm, and the points far out weigh
accordingly; r is fitted, and a large r is the stationary process in x.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import linalg

from physbatch.scaling.data_collapse.form import Rescaled
from physbatch.scaling.statistics.bent_axis import Bent, bent
from physbatch.typing import FloatArray

#: Logarithms of A, of the length, of the reach, of B and of the nugget. The last two may be absent;
#: a reach that is absent is as large as the length.
HYPERPARAMETERS = ("amplitude", "length", "reach", "correction", "nugget")
_PRIOR_MEAN = {
    "amplitude": 0.0,
    "length": math.log(0.5),
    "reach": math.log(0.5),
    "correction": math.log(0.3),
    "nugget": math.log(0.3),
}
_PRIOR_WIDTH = {"amplitude": 2.0, "length": 1.5, "reach": 1.5, "correction": 2.0, "nugget": 2.0}
_WIDE = 10.0  # A_0 in units of the spread of the values


class Curve(NamedTuple):
    """Data of one observable: values in units of their spread, errors, noise covariance."""

    values: FloatArray
    errors: FloatArray
    noise: FloatArray | None  # covariance if the points are correlated


class _Parts(NamedTuple):
    axis: Bent
    smooth: FloatArray  # s_i s_j A^2 exp(...)
    correction: FloatArray | None  # s q s q B^2 (1 + exp(...))
    correction_smooth: FloatArray | None
    signal: FloatArray
    total: FloatArray
    difference: FloatArray  # of u


def _bent(x: FloatArray, hyper: dict[str, float]) -> Bent:
    return bent(x, math.exp(hyper.get("reach", hyper["length"])))


def hyper_prior(names: tuple[str, ...], hyper: FloatArray) -> tuple[float, FloatArray]:
    """Weak Gaussian prior on the logarithms, which keeps flat directions finite."""
    mean = np.array([_PRIOR_MEAN[name] for name in names])
    width = np.array([_PRIOR_WIDTH[name] for name in names])
    pull = (hyper - mean) / width
    return -0.5 * float(pull @ pull), -pull / width


def _parts(curve: Curve, where: Rescaled, hyper: dict[str, float]) -> _Parts:
    axis = _bent(where.x, hyper)
    length = math.exp(hyper["length"])
    difference = axis.u[:, None] - axis.u[None, :]
    shape = np.exp(-0.5 * (difference / length) ** 2)
    scale = np.exp(where.log_scale)
    outer = scale[:, None] * scale[None, :]
    smooth = math.exp(2 * hyper["amplitude"]) * outer * shape
    signal = smooth + _WIDE**2 * outer
    correction = correction_smooth = None
    if "correction" in hyper:
        factor = np.exp(where.log_correction)
        strength = math.exp(2 * hyper["correction"]) * outer * factor[:, None] * factor[None, :]
        correction_smooth = strength * shape
        correction = strength + correction_smooth
        signal = signal + correction
    noise = np.diag(curve.errors**2) if curve.noise is None else curve.noise
    total = signal + noise
    if "nugget" in hyper:
        extra = math.exp(2 * hyper["nugget"]) * curve.errors**2
        total[np.diag_indices_from(total)] += extra
    return _Parts(axis, smooth, correction, correction_smooth, signal, total, difference)


class NormalDensity(NamedTuple):
    """ln of a normal density, C^-1 y and the Cholesky factor of the covariance C."""

    log: float
    alpha: FloatArray
    factor: FloatArray


def normal_density(covariance: FloatArray, values: FloatArray) -> NormalDensity | None:
    """ln N(y; 0, C), or None where C, which is overwritten, is not positive definite."""
    if not np.isfinite(covariance).all():
        return None
    # The transpose of a symmetric matrix is itself in the order that LAPACK takes in place.
    factor, trouble = linalg.lapack.dpotrf(covariance.T, lower=1, clean=1, overwrite_a=1)
    if trouble:
        return None
    alpha, _ = linalg.lapack.dpotrs(factor, values, lower=1)
    log = (
        -0.5 * float(values @ alpha)
        - float(np.log(np.diag(factor)).sum())
        - 0.5 * len(values) * math.log(2 * math.pi)
    )
    return NormalDensity(log, alpha, factor)


def log_likelihood(
    curve: Curve,
    where: Rescaled,
    names: tuple[str, ...],
    hyper: FloatArray,
    *,
    gradient: bool = True,
) -> tuple[float, FloatArray, FloatArray]:
    """ln p(y | exponents, hyperparameters) and its gradient.

    Parameters
    ----------
    curve : Curve
        The data.
    where : Rescaled
        Rescaled coordinates at these exponents.
    names : tuple of str
        Hyperparameters in use, from `HYPERPARAMETERS`.
    hyper : ndarray
        Their values (logarithms).
    gradient : bool
        Compute the gradient too.

    Returns
    -------
    value : float
        -inf where the covariance is not positive definite.
    by_parameter : ndarray, shape (n_parameter,)
    by_hyper : ndarray, shape (n_hyper,)
    """
    logs = dict(zip(names, map(float, hyper), strict=True))
    length = math.exp(logs["length"])
    blank = np.zeros(where.dx.shape[0]), np.zeros(len(names))
    with np.errstate(over="ignore", invalid="ignore"):
        parts = _parts(curve, where, logs)
    density = normal_density(parts.total, curve.values)
    if density is None:
        return -math.inf, *blank
    value, alpha, factor = density
    if not gradient:
        return value, *blank
    weight = np.outer(alpha, alpha) - inverse_of(factor)
    smooth = parts.smooth
    curved = smooth if parts.correction_smooth is None else smooth + parts.correction_smooth
    # Each sum over pairs is done once; a parameter then costs one sum over points.
    pull = weight * curved
    pull *= parts.difference
    by_u = -pull.sum(axis=1) / length**2
    by_scale = np.einsum("ij,ij->i", weight, parts.signal)
    by_parameter = where.dx @ (by_u * parts.axis.by_x) + where.dlog_scale @ by_scale
    if parts.correction is not None:
        by_parameter += where.dlog_correction @ np.einsum("ij,ij->i", weight, parts.correction)
    by_hyper = np.zeros(len(names))
    for row, name in enumerate(names):
        if name == "amplitude":
            by_hyper[row] = float(np.vdot(weight, smooth))
        elif name == "length":
            by_hyper[row] = 0.5 * float(np.vdot(pull, parts.difference)) / length**2
            if "reach" not in logs:
                by_hyper[row] += float(by_u @ parts.axis.by_reach)
        elif name == "reach":
            by_hyper[row] = float(by_u @ parts.axis.by_reach)
        elif name == "correction" and parts.correction is not None:
            by_hyper[row] = float(np.vdot(weight, parts.correction))
        elif name == "nugget":
            extra = math.exp(2 * logs["nugget"]) * curve.errors**2
            by_hyper[row] = float(np.diag(weight) @ extra)
    return value, by_parameter, by_hyper


def inverse_of(factor: FloatArray) -> FloatArray:
    """Inverse of a matrix from its lower Cholesky factor, which is overwritten."""
    inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = inverse + inverse.T  # the upper triangle of the factor is zero
    inverse[np.diag_indices_from(inverse)] *= 0.5
    return np.asarray(inverse)


class Prediction(NamedTuple):
    """The smoothed data and the goodness of fit."""

    fitted: FloatArray  # at the points
    chi2: float
    dof: float  # points minus the effective number of parameters of the curve


def predict(curve: Curve, where: Rescaled, names: tuple[str, ...], hyper: FloatArray) -> Prediction:
    """Posterior mean at the points, and chi^2 of the residuals against the data's own errors.

    The smoother H = K S^-1 leaves residuals (1 - H) y, of which noise with covariance C
    alone would give chi^2 = tr[(1 - H)' C^-1 (1 - H) C]: that is the number of degrees of
    freedom of the curve.
    """
    logs = dict(zip(names, map(float, hyper), strict=True))
    parts = _parts(curve, where, logs)
    factor = linalg.cho_factor(parts.total, lower=True)
    rest = np.eye(len(curve.values)) - linalg.cho_solve(factor, parts.signal).T
    residual = rest @ curve.values
    if curve.noise is None:
        chi2 = float(((residual / curve.errors) ** 2).sum())
        weighted = rest / curve.errors[:, None] * curve.errors[None, :]
        dof = float((weighted**2).sum())
    else:
        noise = linalg.cho_factor(curve.noise, lower=True)
        chi2 = float(residual @ linalg.cho_solve(noise, residual))
        dof = float(np.trace(rest.T @ linalg.cho_solve(noise, rest @ curve.noise)))
    return Prediction(curve.values - residual, chi2, dof)


def covariance_at(
    curve: Curve, where: Rescaled, names: tuple[str, ...], hyper: FloatArray, grid: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariances for the master curve f0 on a grid of x, all in the unit of the values.

    Returns
    -------
    total : ndarray, shape (n, n)
        Of the data.
    cross : ndarray, shape (n_grid, n)
        Between the curve on the grid and the data.
    prior : ndarray, shape (n_grid,)
        Variance of the curve before the data.
    """
    logs = dict(zip(names, map(float, hyper), strict=True))
    length = math.exp(logs["length"])
    strength = math.exp(2 * logs["amplitude"])
    difference = _bent(grid, logs).u[:, None] - _bent(where.x, logs).u[None, :]
    shape = np.exp(-0.5 * (difference / length) ** 2)
    cross = (strength * shape + _WIDE**2) * np.exp(where.log_scale)[None, :]
    prior = np.full(len(grid), strength + _WIDE**2)
    return _parts(curve, where, logs).total, cross, prior
