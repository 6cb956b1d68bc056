r"""The curve of each size as a Gaussian process, drawn from its posterior.

The curve of a size is a Gaussian process in u = r asinh((x - x_0)/r), with x the control in units
of half its range and x_0 where the points change fastest; the data are

.. math:: y_i = f(x_i) + g\, e_i, \qquad
          \mathrm{cov} f = A^2 [100 + e^{-(u - u')^2/2\ell^2}],

with e of the stated covariance. A, the length and the reach r of each size, and one factor g of all
sizes, lie on grids and are summed over with their evidence, so that no smoothness is assumed and
no degree is chosen. A draw takes a node and a curve from its posterior; draws are polynomials in
Chebyshev's basis, which give values, slopes and roots to rounding.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from physbatch.scaling.curves.local_fits import SizeCurve
from physbatch.scaling.statistics.bent_axis import bent
from physbatch.scaling.statistics.point_noise import share_runs
from physbatch.typing import FloatArray, IntArray

_WIDE = 10.0  # of the constant, in units of A
_AMPLITUDES = np.geomspace(0.2, 50.0, 8)  # A, in units of the spread of the points
_REACHES = np.array([0.15, 0.5, 20.0])  # in units of half the range
_LENGTHS = 12
_LONGEST = 6.0
_SHORTEST = 1.2  # in units of the distance of neighbouring points
_LEAST = 0.1
_PRIOR = {"amplitude": (0.0, 2.0), "length": (math.log(0.7), 1.2), "noise": (0.0, 0.5)}
#: Factors g on the errors.
NOISE = np.exp(0.25 * np.arange(-7.0, 8.0))
_NEGLIGIBLE = 1e-2  # weight of a node beside the largest


class SmoothCurve(NamedTuple):
    """Draws of the curve of a size, as series in Chebyshev polynomials of x."""

    size: float
    low: float  # ends of its controls
    high: float
    series: FloatArray  # shape (n_order, n_draw)
    slope: FloatArray  # series of the derivative by the control

    def at(self, control: FloatArray) -> FloatArray:
        """Values of all draws, shape (n_control, n_draw)."""
        return np.asarray(self._basis(control) @ self.series)

    def slope_at(self, control: FloatArray) -> FloatArray:
        """Slopes of all draws, shape (n_control, n_draw)."""
        return np.asarray(self._basis(control)[:, :-1] @ self.slope)

    def of_draws(self, control: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values and slopes of the draws, each at a control of its own, shape (n_draw,)."""
        x = self._x(control)
        both = (chebyshev.chebval(x, series, tensor=False) for series in (self.series, self.slope))
        value, slope = both
        return np.asarray(value), np.asarray(slope)

    def _basis(self, control: FloatArray) -> FloatArray:
        return np.asarray(chebyshev.chebvander(self._x(control), len(self.series) - 1))

    def _x(self, control: FloatArray) -> FloatArray:
        return np.asarray((2.0 * control - self.low - self.high) / (self.high - self.low))


class SmoothCurves(NamedTuple):
    """Curves of all sizes, and what their scatter says of the errors."""

    curves: dict[float, SmoothCurve]
    noise: float  # factor g on the errors
    noise_spread: float  # of its logarithm


class _Grid(NamedTuple):
    """Nodes of one curve: kernels of length and reach, and the evidence."""

    x: FloatArray
    kernels: list[tuple[FloatArray, FloatArray, float, float]]  # whitened; length, reach
    centre: float
    middle: float  # of the values
    spread: float
    whiten: FloatArray
    evidence: FloatArray  # log, shape (kernel, amplitude, noise)


def draw_curves(
    curves: dict[float, SizeCurve], draws: int, generator: np.random.Generator
) -> SmoothCurves:
    """Draw curves of all sizes from their posterior (kernel)."""
    grids = {size: _grid(curve) for size, curve in curves.items()}
    together = {
        size for size, curve in curves.items() if curve.correlated or share_runs(curve.covariance)
    }
    free = [grid for size, grid in grids.items() if size not in together]
    logs = np.log(NOISE)
    mean, width = _PRIOR["noise"]
    share = -0.5 * ((logs - mean) / width) ** 2
    for grid in free:
        share = share + _log_sum(grid.evidence)
    weights = _normalized(share)
    g = generator.choice(logs.size, draws, p=weights)
    exact = np.full(draws, int(np.argmin(np.abs(logs))))
    drawn = {
        size: _draw(curves[size], grid, exact if size in together else g, generator)
        for size, grid in grids.items()
    }
    centre = float(weights @ logs)
    spread = math.sqrt(float(weights @ (logs - centre) ** 2))
    return SmoothCurves(drawn, math.exp(centre), spread)


def _grid(curve: SizeCurve) -> _Grid:
    low, high = curve.control.min(), curve.control.max()
    x = (2.0 * curve.control - low - high) / (high - low)
    centre, middle = _steepest(x, curve.y), float(np.mean(curve.y))
    spread = float(np.std(curve.y)) or float(np.sqrt(np.mean(np.diag(curve.covariance))))
    whiten = np.linalg.inv(np.linalg.cholesky(curve.covariance))
    y = whiten @ (curve.y - middle)
    shortest = max(_LEAST, min(0.5, 2.0 * _SHORTEST / max(x.size - 1, 1)))
    kernels, evidence = [], []
    amplitude = (_AMPLITUDES * spread)[:, None, None]
    logs = np.log(_AMPLITUDES)[:, None]
    for length in np.geomspace(shortest, _LONGEST, _LENGTHS):
        for reach in _REACHES:
            kernel = whiten @ _kernel(x, x, centre, length, reach) @ whiten.T
            values, vectors = np.linalg.eigh(kernel)
            values = np.maximum(values, 0.0)
            turned = vectors.T @ y
            total = amplitude**2 * values + NOISE[:, None] ** 2
            log = -0.5 * np.sum(turned**2 / total + np.log(total), axis=-1)
            log = log + _log_prior("amplitude", logs) + _log_prior("length", math.log(length))
            kernels.append((values, vectors, float(length), float(reach)))
            evidence.append(log)
    return _Grid(x, kernels, centre, middle, spread, whiten, np.array(evidence))


def _steepest(x: FloatArray, y: FloatArray) -> float:
    """Where the points change fastest, by the slopes over three neighbours."""
    if x.size < 4:
        return float(np.mean(x))
    at = 0.5 * (x[2:] + x[:-2])
    slope = np.abs(y[2:] - y[:-2]) / np.maximum(x[2:] - x[:-2], 1e-9)
    return float(at[np.argmax(slope)])


def _kernel(
    x: FloatArray, other: FloatArray, centre: float, length: float, reach: float
) -> FloatArray:
    u, v = bent(x - centre, reach).u, bent(other - centre, reach).u
    return np.asarray(_WIDE**2 + np.exp(-0.5 * (np.subtract.outer(u, v) / length) ** 2))


def _log_prior(name: str, value: float | FloatArray) -> float | FloatArray:
    mean, width = _PRIOR[name]
    return -0.5 * ((value - mean) / width) ** 2


def _log_sum(evidence: FloatArray) -> FloatArray:
    """ln of the sum over all nodes of each noise."""
    flat = evidence.reshape(-1, evidence.shape[-1])
    top = flat.max()
    return np.asarray(top + np.log(np.exp(flat - top).sum(axis=0) + 1e-300))


def _normalized(logs: FloatArray) -> FloatArray:
    raw = np.exp(logs - logs.max())
    raw[raw < _NEGLIGIBLE] = 0.0
    return np.asarray(raw / raw.sum())


def _draw(
    curve: SizeCurve, grid: _Grid, noise: IntArray, generator: np.random.Generator
) -> SmoothCurve:
    """As many draws as there are noises, each from a node of its noise."""
    order = int(np.clip(10.0 / grid.kernels[0][2] + 17, 33, 129))
    nodes = np.cos(np.pi * (np.arange(order) + 0.5) / order)
    values = np.empty((order, noise.size))
    shape = grid.evidence.shape[:2]
    for number in np.unique(noise):
        mine = np.flatnonzero(noise == number)
        weights = _normalized(grid.evidence[..., number].ravel())
        chosen = generator.choice(weights.size, mine.size, p=weights)
        for node in np.unique(chosen):
            kernel, amplitude = np.unravel_index(node, shape)
            columns = mine[chosen == node]
            scale = float(_AMPLITUDES[amplitude]) * grid.spread
            values[:, columns] = _posterior(
                curve, grid, int(kernel), scale, float(NOISE[number]), nodes,
                generator.standard_normal((order, columns.size)),
            )  # fmt: skip
    if curve.correlated:  # the whole curve may move
        errors = np.interp(nodes, grid.x, np.sqrt(np.diag(curve.covariance)))
        values = values + np.outer(errors, generator.standard_normal(noise.size))
    low, high = float(curve.control.min()), float(curve.control.max())
    angles = np.pi * np.outer(np.arange(order), np.arange(order) + 0.5) / order
    series = 2.0 / order * np.cos(angles) @ values
    series[0] *= 0.5
    return SmoothCurve(
        curve.size, low, high, series, np.asarray(chebyshev.chebder(series, scl=2.0 / (high - low)))
    )


def _posterior(
    curve: SizeCurve,
    grid: _Grid,
    kernel: int,
    scale: float,
    noise: float,
    nodes: FloatArray,
    normal: FloatArray,
) -> FloatArray:
    """Draws at the nodes, shape (n_node, n_draw)."""
    values, vectors, length, reach = grid.kernels[kernel]
    total = scale**2 * values + noise**2
    cross = scale**2 * _kernel(nodes, grid.x, grid.centre, length, reach) @ grid.whiten.T @ vectors
    mean = cross @ (vectors.T @ (grid.whiten @ (curve.y - grid.middle)) / total)
    prior = scale**2 * _kernel(nodes, nodes, grid.centre, length, reach)
    spread = prior - (cross / total) @ cross.T
    root, basis = np.linalg.eigh(spread)
    return np.asarray(
        grid.middle + mean[:, None] + (basis * np.sqrt(np.maximum(root, 0.0))) @ normal
    )
