r"""The control at which curves of all sizes meet but for corrections to scaling (kernel).

A ratio such as Binder's obeys :math:`y_L(c) = y_c + a_1 L^{1/\nu} (c - c_c) + b L^{-\omega} + ...`,
so that at c_c

.. math:: y_L = y_c + \sum_{k=1}^4 b_k q^k, \qquad
          y_L' = a_1 L^{1/\nu} \Bigl(1 + \sum_{k=1}^3 e_k q^k\Bigr), \qquad
          q = (L/L_{min})^{-\omega}.

For a given c_c the left sides are the values and slopes of the curves there, known with their
covariance and independent from size to size; the right sides are linear in y_c, b_k, a_1 and e_k
once 1/nu and omega are given. So c_c, y_c and the exponents are one posterior, in which no pair of
sizes counts twice: b_k and e_k are normal, with a scale B that is summed over and falls with k,
omega and 1/nu lie on grids with a log-normal prior, as in `physbatch.scaling.laws.corrected`. What
the scatter of the points says of their errors is in the covariance of the curves already, and not
asked for again. The grids narrow to where the weight is; where errors are tiny they are led there
by larger ones. Where curves level off they meet as well, and there their values are known best: the
density that counts is that of differences along the control, so that each difference of values
brings a slope as its Jacobian (Kac and Rice), and one more where slopes are far below the usual
ones, since they come with smaller errors there, too. Without it c_c lies where curves are flatter
than at the meeting point, by one total error in set after set of small Ising and Potts models.
Crossings of pairs are shadows of this: for two sizes c_c is the crossing, moved and widened by
corrections of the usual size.

Another observable O ~ L^(zeta/nu) at the same c_c gives zeta/nu, averaged over the posterior of
c_c and omega: the quotient method of Ballesteros et al., doi 10.1016/0370-2693(96)00358-9.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from physbatch.scaling.laws.corrected import VOLUME_OMEGA
from physbatch.typing import FloatArray

_CORRECTIONS = np.array([0.006, 0.02, 0.07, 0.25])  # B, of the range of the observable
_CORRECTION_SCALE = 0.15  # of the half-normal prior of B
_ORDERS = np.array([1.0, 0.5, 0.1, 0.03])  # scales of b_k, in units of B
_HIGHER = 0.02  # of what the orders beyond leave, in units of B q^5
_SLOPE = 2.0  # e_k of slopes, in units of b_k
_LEAST_SLOPE = 0.05  # of e: slopes have analytic corrections besides
_LOG_SPREAD = 0.5  # of ln omega and ln 1/nu
_OMEGA_REACH, _OMEGA_NODES = 1.6, 7  # of ln omega, in units of its spread
_CONTROLS = 31  # nodes of c_c
_EXPONENTS = 13  # nodes of 1/nu
_REACH = 2.4  # of ln(1/nu), in units of its spread
_TURNS = 12  # in which the nodes narrow
_BLUR = 0.01  # of the range: error that is added at first, so that coarse nodes lead to the best,
_CLEARER = 6.0  # by which it falls from turn to turn,
_CLEAR = 0.1  # and what it is beside the errors when it is dropped
_NEGLIGIBLE = 1e-5
_FLAT = 0.3  # slope, in units of the usual one, below which curves have levelled off
_DIFFERENCES = 3  # of sizes that bring a slope each: corrections take up those of more sizes
_EDGE = 1e-2  # weight of a border of the region, beside the largest, at which c_c is not held


class Moments(NamedTuple):
    """Of value and slope of the curves at some controls; huge variances where a size has none."""

    mean: FloatArray  # shape (control, size, 2)
    covariance: FloatArray  # shape (control, size, 2, 2)


class CommonPoint(NamedTuple):
    """Means and standard deviations of the posterior."""

    c_c: tuple[float, float]
    level: tuple[float, float]
    inverse_nu: tuple[float, float]
    log_omega: tuple[float, float]
    omega_spread: float  # of ln omega before the data
    chi2: float  # at the best node
    bounded: bool  # the posterior of c_c ends within the region
    nodes: FloatArray  # shape (n_node, 3): c_c, omega and weight, for quotients


class _Nodes(NamedTuple):
    """Arrays of shape (control, exponent, omega, B)."""

    log_weight: FloatArray
    level: FloatArray
    level_variance: FloatArray
    chi2: FloatArray


def common_point(
    size: FloatArray,
    moments: Callable[[FloatArray], Moments],
    region: tuple[float, float],
    scale: float,
    *,
    volume: bool,
    plain: bool = False,
) -> CommonPoint:
    """The posterior of c_c within a region; `plain`: without corrections.

    Parameters
    ----------
    size : ndarray, shape (n_size,)
        Sizes, ascending.
    moments : callable
        Moments of the curves at given controls.
    region : tuple of float
        Where c_c is sought.
    scale : float
        Range of the observable.
    volume : bool
        Whether sizes are volumes, whose exponents are smaller.
    plain : bool
        Without corrections.
    """
    centre = math.log(VOLUME_OMEGA if volume else 1.0)
    strengths = np.array([1e-9]) if plain else _CORRECTIONS
    spans = [
        region,
        (centre - _REACH * _LOG_SPREAD, centre + _REACH * _LOG_SPREAD),
        (centre - _OMEGA_REACH * _LOG_SPREAD, centre + _OMEGA_REACH * _LOG_SPREAD),
    ]
    bounded, usual_steepness, blur = True, 1.0, _BLUR
    for turn in range(_TURNS):
        grids = [
            np.linspace(*span, count)
            for span, count in zip(spans, (_CONTROLS, _EXPONENTS, _OMEGA_NODES), strict=True)
        ]
        controls, exponents, omegas = grids[0], np.exp(grids[1]), np.exp(grids[2])
        known = moments(controls)
        steep = _steepness(known)
        if turn == 0:
            usual_steepness = float(np.median(steep))
        known, blurred = _blurred(known, blur, scale)
        nodes = _evaluate(size, known, exponents, omegas, strengths, scale)
        prior = -0.5 * ((grids[1] - centre) / _LOG_SPREAD)[:, None] ** 2
        prior = prior - 0.5 * ((grids[2] - centre) / _LOG_SPREAD) ** 2
        slopes = _log_jacobian(steep / usual_steepness, size.size)
        logs = nodes.log_weight + prior[..., None] + slopes[:, None, None, None]
        weights = np.exp(logs - logs.max())
        shares = [weights.sum(axis=tuple({0, 1, 2, 3} - {axis})) for axis in range(4)]
        if turn == 0:
            bounded = max(shares[0][0], shares[0][-1]) < _EDGE * shares[0].max()
        narrow = [_narrowed(share, grid) for share, grid in zip(shares[:3], grids, strict=True)]
        if not blurred and all(span is None for span in narrow):
            break
        spans = [new or span for new, span in zip(narrow, spans, strict=True)]
        if not blurred:  # what has no weight costs time
            strengths = strengths[shares[3] > _NEGLIGIBLE * shares[3].max()]
        blur /= _CLEARER
    weights /= weights.sum()
    return _summary(nodes, weights, (controls, exponents, omegas), bounded)


def _log_jacobian(steep: FloatArray, sizes: int) -> FloatArray:
    """Logarithm of what differences of values weigh where slopes are `steep` times the usual."""
    each = np.log(steep) - 0.5 * np.log1p((_FLAT / steep) ** 2)
    return np.asarray(min(sizes - 1, _DIFFERENCES) * each)


def _steepness(moments: Moments) -> FloatArray:
    """Geometric mean over sizes of the slope at every control."""
    square = moments.mean[..., 1] ** 2 + moments.covariance[..., 1, 1]
    return np.asarray(np.exp(0.5 * np.mean(np.log(square), axis=1)))


def _blurred(moments: Moments, part: float, scale: float) -> tuple[Moments, bool]:
    """Moments with errors of a part of range and slopes, where theirs are far below that."""
    if (part * scale) ** 2 * _CLEAR**2 < np.median(moments.covariance[..., 0, 0]):
        return moments, False
    covariance = moments.covariance.copy()
    covariance[..., 0, 0] += (part * scale) ** 2
    covariance[..., 1, 1] += (part * moments.mean[..., 1]) ** 2
    return Moments(moments.mean, covariance), True


def _narrowed(share: FloatArray, nodes: FloatArray) -> tuple[float, float] | None:
    """The nodes worth keeping, with their neighbours; None if they are most of all."""
    known = np.flatnonzero(share > _NEGLIGIBLE * share.max())
    first, last = max(int(known[0]) - 1, 0), min(int(known[-1]) + 1, share.size - 1)
    return None if last - first > share.size // 2 else (float(nodes[first]), float(nodes[last]))


def _evaluate(
    size: FloatArray,
    moments: Moments,
    exponents: FloatArray,
    omegas: FloatArray,
    strengths: FloatArray,
    scale: float,
) -> _Nodes:
    """Evidence and level of every node, with y_c, b, b_2, a_1 and e integrated."""
    values, slopes = moments.mean[..., 0], moments.mean[..., 1]  # (control, size)
    q = (size / size[0]) ** -omegas[:, None]  # (omega, size)
    power = (size / np.exp(np.mean(np.log(size)))) ** exponents[:, None]  # (exponent, size)
    weight = 1.0 / moments.covariance[..., 1, 1]
    steepness = np.einsum("cl,yl,cl->cy", slopes, power, weight)
    steepness = steepness / np.einsum("yl,yl,cl->cy", power, power, weight)
    # columns: y_c, b_1, ..., b_n | a_1, a_1 e_1, ...; axes (exponent, omega, size, row, column)
    orders, slope_orders = _ORDERS.size, _ORDERS.size - 1
    design = np.zeros((exponents.size, omegas.size, size.size, 2, orders + slope_orders + 2))
    powers = q[..., None] ** np.arange(orders + 1)  # (omega, size, order)
    design[..., 0, : orders + 1] = powers
    design[..., 1, orders + 1 :] = power[:, None, :, None] * powers[..., : slope_orders + 1]
    shape = (len(values), exponents.size, omegas.size, strengths.size)
    b = strengths
    higher = (_HIGHER * b[:, None] * q[:, None] ** (orders + 1)) ** 2  # (omega, B, size)
    covariance = np.empty((*shape, size.size, 2, 2))
    covariance[:] = moments.covariance[:, None, None, None]
    covariance[..., 0, 0] += scale**2 * higher
    slope_scale = steepness[:, :, None] * power  # (control, exponent, size)
    covariance[..., 1, 1] += slope_scale[:, :, None, None, :] ** 2 * higher
    inverse, log_determinant = _inverted(covariance)
    data = np.stack([values, slopes], axis=-1)
    pulled = np.einsum("cyoblij,clj->cyobli", inverse, data)
    normal = np.einsum("yolik,cyoblij,yoljm->cyobkm", design, inverse, design, optimize=True)
    target = np.einsum("yolik,cyobli->cyobk", design, pulled, optimize=True)
    prior = np.zeros((*shape, design.shape[-1]))
    prior[..., 1 : orders + 1] = (scale * b[:, None] * _ORDERS) ** -2.0
    of_slope = _SLOPE * b + np.where(b > _NEGLIGIBLE, _LEAST_SLOPE, 0.0)
    slope_unit = steepness[:, :, None, None, None] * of_slope[:, None]
    prior[..., orders + 2 :] = (slope_unit * _ORDERS[:slope_orders]) ** -2.0
    columns = range(design.shape[-1])
    given = [k for k in columns if k not in (0, orders + 1)]
    normal[..., columns, columns] += prior
    inverted = np.linalg.inv(normal)
    best = np.einsum("...km,...m->...k", inverted, target)
    chi2 = np.einsum("cyobli,cli->cyob", pulled, data) - np.einsum("...k,...k", target, best)
    log = (
        -0.5 * chi2
        - 0.5 * log_determinant.sum(axis=-1)
        - 0.5 * np.linalg.slogdet(normal)[1]
        + 0.5 * np.log(prior[..., given]).sum(axis=-1)
        - 0.5 * (b / _CORRECTION_SCALE) ** 2
    )
    return _Nodes(log, best[..., 0], inverted[..., 0, 0], chi2)


def _inverted(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Inverses and logarithms of the determinants of 2 by 2 matrices."""
    a, b, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    determinant = a * d - b**2
    inverse = np.empty_like(matrix)
    inverse[..., 0, 0], inverse[..., 1, 1] = d / determinant, a / determinant
    inverse[..., 0, 1] = inverse[..., 1, 0] = -b / determinant
    return inverse, np.log(determinant)


def _summary(
    nodes: _Nodes,
    weights: FloatArray,
    grids: tuple[FloatArray, FloatArray, FloatArray],
    bounded: bool,
) -> CommonPoint:
    controls, exponents, omegas = grids
    level = float(np.sum(weights * nodes.level))
    variance = float(np.sum(weights * (nodes.level_variance + (nodes.level - level) ** 2)))
    over = weights.sum(axis=(1, 3))
    pairs = np.array(np.meshgrid(controls, omegas, indexing="ij")).reshape(2, -1)
    best = np.unravel_index(int(np.argmax(weights)), weights.shape)
    reach = np.linspace(-_OMEGA_REACH, _OMEGA_REACH, _OMEGA_NODES)
    prior = np.exp(-0.5 * reach**2)
    return CommonPoint(
        _spread(controls, weights.sum(axis=(1, 2, 3))),
        (level, math.sqrt(variance)),
        _spread(exponents, weights.sum(axis=(0, 2, 3))),
        _spread(np.log(omegas), weights.sum(axis=(0, 1, 3))),
        _spread(np.log(omegas), prior / prior.sum())[1],
        float(nodes.chi2[best]),
        bounded,
        np.vstack([pairs, over.ravel()]).T,
    )


def _spread(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    mean = float(weights @ values)
    return mean, math.sqrt(max(float(weights @ (values - mean) ** 2), 0.0))


def quotient(
    size: FloatArray,
    moments: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    point: CommonPoint,
    *,
    plain: bool = False,
) -> tuple[float, float]:
    """Mean and standard deviation of zeta/nu from ln O and its variance, each (control, size)."""
    strengths = np.array([1e-9]) if plain else _CORRECTIONS
    kept = point.nodes[:, 2] > _NEGLIGIBLE
    control, omega, share = point.nodes[kept].T
    value, variance = moments(control)  # (node, size)
    q = (size / size[0]) ** -omega[:, None]
    design = np.empty((len(q), size.size, 3))
    design[..., 0], design[..., 1], design[..., 2] = 1.0, np.log(size), q
    b = strengths[:, None]
    total = variance[:, None] + (_HIGHER * b * q[:, None] ** 2) ** 2  # (node, B, size)
    normal = np.einsum("nlk,nbl,nlm->nbkm", design, 1.0 / total, design)
    normal[..., 2, 2] += strengths**-2.0
    inverted = np.linalg.inv(normal)
    target = np.einsum("nlk,nbl,nl->nbk", design, 1.0 / total, value)
    best = np.einsum("...km,...m->...k", inverted, target)
    chi2 = np.einsum("nbl,nl,nl->nb", 1.0 / total, value, value)
    chi2 = chi2 - np.einsum("...k,...k", target, best)
    log = (
        -0.5 * chi2
        - 0.5 * np.log(total).sum(axis=-1)
        - 0.5 * np.linalg.slogdet(normal)[1]
        - np.log(strengths)
        - 0.5 * (strengths / _CORRECTION_SCALE) ** 2
    )
    inner = np.exp(log - log.max(axis=1, keepdims=True))
    weights = share[:, None] * inner / inner.sum(axis=1, keepdims=True)
    weights /= weights.sum()
    mean = float(np.sum(weights * best[..., 1]))
    spread = np.sum(weights * (inverted[..., 1, 1] + (best[..., 1] - mean) ** 2))
    return mean, math.sqrt(float(spread))
