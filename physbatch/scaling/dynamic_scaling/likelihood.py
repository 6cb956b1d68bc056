r"""Likelihood of one observable, whose scaling function is a Gaussian process.

.. math:: y = t^{\kappa}\,[f_0(x, v) + q f_1(x, v) + \tau f_2(x, v)] + \mathrm{noise}, \qquad
          q = (t/t_{min})^{-\omega}

with tau = (c - c_c) over half of the range of the controls: q f_1 are corrections to scaling,
tau f_2 the part of the fields that is not linear in c. Points of one control and size may come
from the same runs, whose correlation falls with the ratio of the times:

.. math:: C_{ij} = g^2 e_i e_j\, |t_i/t_j|^{-1/\ell}, \quad t_i > t_j

Where no errors are stated they are :math:`e_i = y_i^p\,t_i^k L_i^l`, with p, k and l fitted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy
from scipy import linalg

from physbatch.scaling.dynamic_scaling.coordinates import Points, Scaled
from physbatch.typing import FloatArray

#: Prior mean and width of each logarithm (p, k and l as they are), and its bounds.
PRIORS = {
    "amplitude": (0.0, 1.5, -5.0, 5.0),
    "reach_x": (-0.5, 1.0, -4.0, 3.0),
    "length_x": (0.0, 0.7, -2.5, 3.5),
    "reach_v": (-0.5, 1.0, -4.0, 3.0),
    "length_v": (0.0, 0.7, -2.5, 3.5),
    "field": (-2.5, 1.0, -7.0, 2.0),
    "noise": (0.0, 0.5, -4.0, 4.0),
    "memory": (0.0, 1.2, -3.0, 2.5),
    "p": (0.7, 0.3, -1.0, 2.0),
    "k": (0.0, 0.3, -2.0, 2.0),
    "l": (0.0, 0.3, -2.0, 2.0),
}
#: Level of an unknown noise relative to the values.
_UNKNOWN = (-4.0, 2.0, -12.0, 2.0)
#: Standard deviation of the constant part of the curve.
_WIDE = 3.0
#: Least noise, relative to the values.
_LEAST = 1e-5


class Strength(NamedTuple):
    """Corrections to scaling of a given size: B and omega, from the earliest time on."""

    correction: float
    omega: float
    first: float  # ln t, about the mean


def hyper_names(points: Points, scaled: Scaled) -> tuple[str, ...]:
    """Hyperparameters that an observable has."""
    names = ["amplitude"] if scaled.x.any() or scaled.v.any() else []
    names += ["reach_x", "length_x", "field"] if scaled.x.any() else []
    names += ["reach_v", "length_v"] if scaled.v.any() else []
    names += ["noise", "memory"]
    if np.isnan(points.error).any():
        names += ["p", "k", *(["l"] if points.log_size.any() else [])]
    return tuple(names)


def prior_of(name: str, unknown: bool) -> tuple[float, float, float, float]:
    """Mean, width and bounds of a hyperparameter; `unknown` where no errors are stated."""
    return _UNKNOWN if name == "noise" and unknown else PRIORS[name]


class _Axis(NamedTuple):
    """A coordinate as the kernel takes it: u = asinh(x/reach)/length, and derivatives of u."""

    u: FloatArray
    by_x: FloatArray
    by_reach: FloatArray
    names: tuple[str, str]


def _axis(x: FloatArray, logs: dict[str, float], letter: str) -> _Axis | None:
    names = f"reach_{letter}", f"length_{letter}"
    if names[0] not in logs:
        return None
    reach, length = (math.exp(logs[name]) for name in names)
    relative = x / reach
    slope = 1.0 / (np.sqrt(1.0 + relative**2) * length)
    # Lengths are in units of the reach: asinh(x/reach) reach is x near 0.
    return _Axis(np.arcsinh(relative) / length, slope / reach, -relative * slope, names)


class _Parts(NamedTuple):
    """The covariance and what its derivatives need."""

    smooth: FloatArray  # of f_0, f_1 and f_2, scaled
    base: FloatArray  # of f_0 alone
    signal: FloatArray  # with the constant
    noise: FloatArray
    fall: FloatArray  # |ln t_i - ln t_j| of one run
    axes: list[_Axis]
    weights: FloatArray  # ln e of unknown errors, by (p, k, l)


def _parts(points: Points, scaled: Scaled, logs: dict[str, float], strength: Strength) -> _Parts:
    axes = [a for a in (_axis(scaled.x, logs, "x"), _axis(scaled.v, logs, "v")) if a is not None]
    scale = np.exp(scaled.log_scale)
    power = math.exp(2.0 * logs.get("amplitude", 0.0))
    exponent = np.zeros((scale.size, scale.size))
    for axis in axes:
        exponent -= 0.5 * (axis.u[:, None] - axis.u) ** 2
    outer = np.multiply.outer(scale, scale)
    base = power * np.exp(exponent) * outer if axes else np.zeros_like(outer)
    q = strength.correction * np.exp(-strength.omega * (points.log_time - strength.first))
    bend = np.multiply.outer(q, q)
    signal = outer * (_WIDE**2 + bend)
    if "field" in logs:
        tau = math.exp(logs["field"]) * scaled.distance
        bend = bend + np.multiply.outer(tau, tau)
    smooth = base * (1.0 + bend)
    error, weights = points.error, np.empty((0, scale.size))
    if "p" in logs:
        size = np.maximum(np.abs(points.value), 1e-6)
        weights = np.array([np.log(size), points.log_time, points.log_size])
        error = np.exp(
            logs["p"] * weights[0] + logs["k"] * weights[1] + logs.get("l", 0.0) * weights[2]
        )
    error = math.exp(logs["noise"]) * error
    same = points.run[:, None] == points.run
    fall = np.where(same, np.abs(points.log_time[:, None] - points.log_time), np.inf)
    noise = np.multiply.outer(error, error) * np.exp(-fall / math.exp(logs["memory"]))
    noise[np.diag_indices_from(noise)] += (_LEAST * scale) ** 2
    return _Parts(smooth, base, signal + smooth, noise, fall, axes, weights)


def log_likelihood(
    points: Points,
    scaled: Scaled,
    names: tuple[str, ...],
    hyper: FloatArray,
    strength: Strength,
    *,
    gradient: bool = True,
) -> tuple[float, FloatArray, FloatArray]:
    """ln p(y | parameters, hyperparameters), and its gradient by both.

    Returns
    -------
    value : float
        -inf where the covariance is not positive definite.
    by_parameter : ndarray, shape (n_parameter,)
    by_hyper : ndarray, shape (n_hyper,)
    """
    logs = dict(zip(names, map(float, hyper), strict=True))
    blank = np.zeros(len(scaled.dx)), np.zeros(len(names))
    with np.errstate(over="ignore", invalid="ignore"):
        parts = _parts(points, scaled, logs, strength)
        total = parts.signal + parts.noise
    if not np.isfinite(total).all():
        return -math.inf, *blank
    factor, info = linalg.lapack.dpotrf(total, lower=1, clean=1)
    if info != 0:
        return -math.inf, *blank
    alpha = linalg.cho_solve((factor, True), points.value)
    value = -0.5 * float(points.value @ alpha) - float(np.log(np.diag(factor)).sum())
    value -= 0.5 * len(alpha) * math.log(2.0 * math.pi)
    if not gradient:
        return value, *blank
    inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = inverse + inverse.T
    inverse[np.diag_indices_from(inverse)] *= 0.5
    weight = np.multiply.outer(alpha, alpha) - inverse
    return value, *_slopes(points, scaled, names, logs, parts, weight)


def _slopes(
    points: Points,
    scaled: Scaled,
    names: tuple[str, ...],
    logs: dict[str, float],
    parts: _Parts,
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Derivatives by parameters and hyperparameters; weight is alpha alpha' - S^-1."""
    by_parameter = scaled.dscale @ np.einsum("ij,ij->i", weight, parts.signal)
    by_name: dict[str, float] = {}
    pull = weight * parts.smooth
    if "amplitude" in logs:
        by_name["amplitude"] = float(pull.sum())
    for axis, moved in zip(parts.axes, _moved(scaled, parts.axes), strict=True):
        by_u = -(pull.sum(axis=1) * axis.u - pull @ axis.u)
        by_parameter += moved @ (by_u * axis.by_x)
        by_name[axis.names[0]] = float(by_u @ axis.by_reach)
        by_name[axis.names[1]] = -float(by_u @ axis.u)
    if "field" in logs:
        strength = math.exp(2.0 * logs["field"])
        by_tau = strength * (weight * parts.base) @ scaled.distance
        by_parameter += scaled.ddistance @ by_tau
        by_name["field"] = float(by_tau @ scaled.distance)
    shaken = weight * parts.noise
    by_name["noise"] = float(shaken.sum())
    finite = np.where(np.isfinite(parts.fall), parts.fall, 0.0)
    by_name["memory"] = 0.5 * float(np.vdot(shaken, finite)) / math.exp(logs["memory"])
    if "p" in logs:
        for name, row in zip(("p", "k", "l"), parts.weights, strict=True):
            by_name[name] = float(shaken.sum(axis=1) @ row)
    return by_parameter, np.array([by_name[name] for name in names])


def _moved(scaled: Scaled, axes: list[_Axis]) -> list[FloatArray]:
    return [scaled.dx if axis.names[0] == "reach_x" else scaled.dv for axis in axes]


class Prediction(NamedTuple):
    """The smoothed values at the points, and the goodness of fit."""

    fitted: FloatArray
    chi2: float  # with the noise as it is stated, or fitted where none is
    dof: float


def predict(
    points: Points,
    scaled: Scaled,
    names: tuple[str, ...],
    hyper: FloatArray,
    strength: Strength,
) -> Prediction:
    """Posterior mean at the points, and chi^2 of the residuals as in the collapse in size.

    The smoother H = K S^-1 leaves residuals (1 - H) y, of which noise of covariance C alone would
    give chi^2 = tr[(1 - H)' C^-1 (1 - H) C].
    """
    logs = dict(zip(names, map(float, hyper), strict=True))
    parts = _parts(points, scaled, logs, strength)
    noise = parts.noise
    if "p" not in logs:
        noise = noise * math.exp(-2.0 * logs["noise"])
    total = linalg.cho_factor(parts.signal + parts.noise, lower=True)
    rest = np.eye(len(points.value)) - linalg.cho_solve(total, parts.signal).T
    residual = rest @ points.value
    known = linalg.cho_factor(noise, lower=True)
    chi2 = float(residual @ linalg.cho_solve(known, residual))
    dof = float(np.trace(rest.T @ linalg.cho_solve(known, rest @ noise)))
    return Prediction(points.value - residual, chi2, dof)


def p_value(chi2: float, dof: float) -> float:
    """Chance of a larger chi^2; nan without degrees of freedom."""
    return float(scipy.stats.chi2.sf(chi2, dof)) if dof > 0.0 else math.nan
