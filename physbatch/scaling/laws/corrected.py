r"""Small laws of size with corrections in the model, averaged over what the data leave open.

A limit and a power of the size,

.. math:: y(N) = c + a\, n^{-\phi} (1 + b\, n^{-\omega}), \qquad
          \ln y(N) = \ln A + e \ln N + b\, n^{-\omega}, \qquad n = N/N_{min},

are linear in c, a and d = a b (in ln A, e and b) once the exponents are given. The answer is one
mixture over nodes: phi on a grid that narrows to what the data hold, omega at three values with
ln omega ~ N(., 0.5), b ~ N(0, B^2) with B at three values and half-normal, the scale of a at three
values, a factor g on all errors with ln g ~ N(0, 0.5), and the smallest sizes kept or left out.
Linear parameters are integrated exactly. Each point left out adds -ln(sqrt(2 pi) e_i) - 1 to ln Z,
with e_i its error given the points that stay (Jay and Neil, doi 10.1103/PhysRevD.103.114502). As
this prefers windows that look pure, all points alone have half of the weight (unless no noise
explains them), and what separates the two is part of the error.

The form without a correction is left out of the total on purpose, since data cannot tell an absent
correction from a hidden one; its own error stands beside the total as the statistical one.
"""

import math
from typing import NamedTuple

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    BAD_FIT,
    ERRORS_TOO_LARGE,
    ERRORS_TOO_SMALL,
    SMALL_SIZES_EXCLUDED,
)
from physbatch.typing import BoolArray, FloatArray

#: Expected omega in sizes per volume, of systems of two to four dimensions; 1 in linear sizes.
VOLUME_OMEGA = 0.5

_CORRECTIONS = np.array([0.05, 0.2, 0.8])  # B
_CORRECTION_SCALE = 0.3  # of the half-normal prior of B
_OMEGAS = np.array([0.5, 1.0, 2.0])  # in units of what is expected
_LOG_SPREAD = 0.5  # of ln omega and of ln g
_NOISE = np.exp(_LOG_SPREAD * np.linspace(-3.5, 3.5, 15))  # g
_AVERAGED = (_CORRECTIONS, _NOISE)
_PLAIN = (np.array([1e-9]), np.ones(1))  # no correction, errors as they are
_SHIFTS = np.array([0.1, 0.4, 1.6])  # scale of a, in units of the spread of y
_STEEPEST = np.array([8.0])  # scale of e
_PHI_NODES = 41
_REACH = 3.2  # of ln phi, in units of its spread
_TURNS = 6  # in which the nodes of phi narrow
_EXCLUDED = 1e-9  # weight of a window below which no noise explains its smallest sizes
_NEGLIGIBLE = 1e-5  # weight of a node of phi, beside the largest
_ROUNDS = 4  # in which B is put in units of an a that knows of b
_PRECISION = 1e-4  # of the spread of y: what one correction leaves of higher ones
_RIGHT = (0.6, 1.6)  # factors on the errors that are not worth a word
_CERTAIN = 1.5  # standard deviations of ln g
_WRONG = 5.0  # a factor beyond which it is the law that is wrong


class Expected(NamedTuple):
    """What is expected of exponents: omega, and ln phi ~ N(ln phi, spread^2)."""

    omega: float
    phi: float = 1.0
    spread: float = 0.6


class Corrected(NamedTuple):
    """Parameters of a law, with its corrections averaged over."""

    value: FloatArray  # (phi, c, a) of c + a N^-phi, (b, A) of A N^b: means of the mixture
    total: FloatArray  # its standard deviations
    stderr: FloatArray  # those of the form without corrections
    noise: float  # factor on all errors that the scatter asks for
    noise_spread: float  # of its logarithm
    size_min: float  # below which no noise explains the points; 0: nowhere
    phi_spread: float  # of ln phi
    precise: bool  # some errors are below what one correction can describe

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """The parameters with their total errors."""
        rows = zip(self.value.tolist(), self.total.tolist(), self.stderr.tolist(), strict=True)
        return tuple(Estimate.of_total(v, total, stderr=stderr) for v, total, stderr in rows)

    def flags(self, quantity: str) -> tuple[Flag, ...]:
        """What the scatter about the law says of it, or of the errors."""
        g = self.noise
        if g > _WRONG:
            return (BAD_FIT(f"no law with corrections describes {quantity} within {g:.2g} errors"),)
        flags: tuple[Flag, ...] = ()
        if self.size_min > 0.0:
            words = f"no law with corrections describes {quantity} below {self.size_min:g}"
            flags = (SMALL_SIZES_EXCLUDED(words),)
        certain = abs(math.log(g)) > _CERTAIN * self.noise_spread
        if not certain or _RIGHT[0] <= g <= _RIGHT[1] or self.precise:
            return flags
        kind = ERRORS_TOO_SMALL if g > 1.0 else ERRORS_TOO_LARGE
        return (*flags, kind(f"{quantity} scatters by {g:.2g} of its errors"))


class _Data(NamedTuple):
    """Points in the order of their sizes."""

    size: FloatArray
    value: FloatArray
    covariance: FloatArray
    fewest: int  # sizes of a window
    precise: bool


class _Form(NamedTuple):
    """Columns of a law and its priors; axes are (B, omega, phi, point)."""

    leading: FloatArray  # of a or e, shape (phi, point)
    correction: FloatArray  # shape (omega, phi, point)
    log_prior: FloatArray  # of omega and phi, shape (omega, phi)
    shifts: FloatArray  # scales of a
    relative: bool  # whether B is in units of a
    corrections: FloatArray  # B
    noise: FloatArray  # g


class _Nodes(NamedTuple):
    """Nodes of one window, arrays of shape (g, shift, B, omega, phi)."""

    evidence: FloatArray  # log, with the priors of the node
    left_out: FloatArray  # what Jay and Neil add to it
    mean: FloatArray  # shape (2, ...): c and a at the smallest size, or ln A and e
    variance: FloatArray


class _Products(NamedTuple):
    """Whitened inner products of the columns u (leading), w (correction) and the values y.

    Their means are taken off: with a flat prior the constant has its best value.
    """

    means: tuple[FloatArray, FloatArray, FloatArray]  # of y, u, w
    weight: float  # inverse variance of the mean
    log_errors: float  # half the logarithm of the determinant of the covariance
    points: int
    uu: FloatArray
    uw: FloatArray
    ww: FloatArray
    uy: FloatArray
    wy: FloatArray
    yy: FloatArray


def corrected_limit(
    size: FloatArray, value: FloatArray, covariance: FloatArray, expected: Expected
) -> Corrected:
    """Parameters phi, c and a of c + a N^-phi, from points at three sizes or more.

    >>> n = np.array([8.0, 12.0, 16.0, 24.0, 32.0])
    >>> y = 2.0 + 0.5 * (n / 8.0) ** -1.0 * (1.0 + 0.2 * (n / 8.0) ** -0.8)
    >>> _, c, _ = corrected_limit(n, y, np.diag(np.full(5, 1e-6)), Expected(1.0, 1.4)).estimates
    >>> abs(c.value - 2.0) < 2.0 * c.total, c.total < 0.1
    (True, True)
    """
    middle = float(np.mean(value))
    data = _ordered(size, value - middle, covariance, 4)
    stderr = _limit(data, expected, _PLAIN)[0][1]
    (mean, total), noise, spread = _limit(data, expected, _AVERAGED)
    return Corrected(
        mean + np.array([0.0, middle, 0.0]), total, stderr, *noise, spread, data.precise
    )


def corrected_power(
    size: FloatArray, value: FloatArray, covariance: FloatArray, omega: float
) -> Corrected:
    """Parameters b and A of A N^b, from values above 0 at three sizes or more.

    >>> n = np.array([8.0, 12.0, 16.0, 24.0, 32.0])
    >>> power = corrected_power(n, 3.0 * n**1.75, np.diag((0.01 * n**1.75) ** 2), 1.0)
    >>> b, _ = power.estimates
    >>> abs(b.value - 1.75) < b.total
    True
    """
    data = _ordered(size, np.log(value), covariance / np.outer(value, value), 3)
    column = (data.size / data.size[0]) ** -(omega * _OMEGAS[:, None, None])
    leading, prior = np.log(data.size)[None], _omega_prior()
    moments = []
    for averaged in (_PLAIN, _AVERAGED):
        form = _Form(leading, column, prior, _STEEPEST, False, *averaged)
        nodes = _windows(data, form)
        moments.append(_moments([w.mean[::-1] for w in nodes], [w.variance[::-1] for w in nodes],
                                _weights(nodes)))  # fmt: skip
    (_, stderr), (mean, total) = moments
    amplitude = math.exp(mean[1])
    scale = np.array([1.0, amplitude])  # of errors of ln A
    value = np.array([mean[0], amplitude])
    return Corrected(value, total * scale, stderr * scale, *_noise(nodes, data), 0.0, data.precise)


def _ordered(size: FloatArray, value: FloatArray, covariance: FloatArray, fewest: int) -> _Data:
    order = np.argsort(size, kind="stable")
    least = (_PRECISION * float(np.ptp(value))) ** 2
    matrix = covariance[np.ix_(order, order)] + least * np.eye(len(size))
    precise = bool(np.any(np.diag(covariance) < least))
    return _Data(size[order], value[order], matrix, fewest, precise)


def _omega_prior() -> FloatArray:
    return np.asarray(-0.5 * (np.log(_OMEGAS) / _LOG_SPREAD)[:, None] ** 2)


def _limit(
    data: _Data, expected: Expected, averaged: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, tuple[float, float, float], float]:
    """Means and errors of (phi, c, a), the noise, and the spread of ln phi."""
    centre, spread = math.log(expected.phi), expected.spread
    low, high = centre - _REACH * spread, centre + _REACH * spread
    noise = math.sqrt(float(np.mean(np.diag(data.covariance))))
    shifts = _SHIFTS * (float(np.ptp(data.value)) + noise)
    ratio = data.size / data.size[0]
    damping = ratio ** -(expected.omega * _OMEGAS[:, None, None])
    for _ in range(_TURNS):
        grid = np.linspace(low, high, _PHI_NODES)
        leading = ratio ** -np.exp(grid)[:, None]
        prior = _omega_prior() - 0.5 * ((grid - centre) / spread) ** 2
        form = _Form(leading, damping * leading, prior, shifts, True, *averaged)
        windows = _windows(data, form)
        weights = _weights(windows)
        share = np.sum([np.sum(w, axis=(0, 1, 2, 3)) for w in weights], axis=0)
        weighty = np.flatnonzero(share > _NEGLIGIBLE * np.max(share))
        first, last = weighty[0], weighty[-1]
        if last - first > _PHI_NODES // 3:
            break
        low, high = grid[max(first - 1, 0)], grid[min(last + 1, _PHI_NODES - 1)]
    phi = np.exp(grid)
    scale = data.size[0] ** phi  # of a: from the smallest size to N = 1
    means = [np.stack([0.0 * w.mean[0] + phi, w.mean[0], w.mean[1] * scale]) for w in windows]
    errors = [np.stack([0.0 * w.mean[0], w.variance[0], w.variance[1] * scale**2]) for w in windows]
    log_spread = math.sqrt(max(float(share @ (grid - share @ grid) ** 2), 0.0))
    return _moments(means, errors, weights), _noise(windows, data), log_spread


def _windows(data: _Data, form: _Form) -> list[_Nodes]:
    """From every smallest size on from which enough remain; the plain form takes all points."""
    sizes = np.unique(data.size)
    count = 1 if form.noise.size == 1 else max(1, sizes.size - data.fewest + 1)
    return [_window(data, form, data.size >= cut) for cut in sizes[:count]]


def _window(data: _Data, form: _Form, kept: BoolArray) -> _Nodes:
    """The nodes of a window, with the constant, a and d integrated."""
    order = np.concatenate([np.flatnonzero(kept), np.flatnonzero(~kept)])
    root = np.linalg.cholesky(data.covariance[np.ix_(order, order)])
    count = int(np.sum(kept))
    p = _products(data, form, kept, root[:count, :count])
    ln_g = np.log(form.noise)[:, None, None, None, None]
    left_out = -np.log(math.sqrt(2.0 * math.pi) * np.diag(root)[count:]) - 1.0
    g = np.exp(-2.0 * ln_g)
    of_a = form.shifts[:, None, None, None] ** -2.0  # inverse prior variances
    size_b = form.corrections[:, None, None]
    aa, ad = p.uu * g + of_a, p.uw * g
    a = g * p.uy / aa
    for _ in range(_ROUNDS):
        unit = a**2 + 1.0 / aa if form.relative else np.ones(1)
        of_d = 1.0 / (size_b**2 * unit)
        dd = p.ww * g + of_d
        determinant = aa * dd - ad**2
        a = g * (dd * p.uy - ad * p.wy) / determinant
    d = g * (aa * p.wy - ad * p.uy) / determinant
    chi2 = g * (p.yy - a * p.uy - d * p.wy)
    flat = 0.5 * (math.log(p.weight) + (p.points - 1) * math.log(2.0 * math.pi)) + p.log_errors
    prior = (
        form.log_prior
        - 0.5 * (ln_g / _LOG_SPREAD) ** 2
        - 0.5 * (size_b / _CORRECTION_SCALE) ** 2
        + np.log(size_b)  # its nodes are even in the logarithm
    )
    occam = 0.5 * np.log(of_a * of_d / determinant) - (p.points - 1) * ln_g
    evidence = prior + occam - 0.5 * chi2 - flat
    y, u, w = p.means
    variance = 1.0 / (g * p.weight) + (u**2 * dd - 2.0 * u * w * ad + w**2 * aa) / determinant
    return _Nodes(
        evidence,
        np.sum(left_out) - left_out.size * ln_g,
        np.stack(np.broadcast_arrays(y - u * a - w * d, a)),
        np.stack(np.broadcast_arrays(variance, dd / determinant)),
    )


def _products(data: _Data, form: _Form, kept: BoolArray, root: FloatArray) -> _Products:
    whiten = np.linalg.inv(root).T
    ones = np.ones(len(root)) @ whiten
    weight = float(ones @ ones)
    columns = [column[..., kept] @ whiten for column in (data.value, form.leading, form.correction)]
    of_y, of_u, of_w = (np.asarray(column @ ones / weight) for column in columns)
    means = (of_y, of_u, of_w)
    y, u, w = (v - mean[..., None] * ones for v, mean in zip(columns, means, strict=True))
    pairs = ((u, u), (u, w), (w, w), (u, y), (w, y), (y, y))
    products = (np.sum(left * right, axis=-1) for left, right in pairs)
    log_errors = float(np.sum(np.log(np.diag(root))))
    return _Products(means, weight, log_errors, len(root), *products)


def _weights(windows: list[_Nodes]) -> list[FloatArray]:
    """Half of the weight is that of all points alone, half that of all windows.

    Where all points have next to none of the latter, the widest window that has some stands in.
    """
    weights = [0.5 * w for w in _normalized([w.evidence + w.left_out for w in windows])]
    widest = _widest(windows)
    (whole,) = _normalized([windows[widest].evidence])
    weights[widest] = weights[widest] + 0.5 * whole
    return weights


def _widest(windows: list[_Nodes]) -> int:
    """Number of the widest window whose points some noise explains; the first if none has one."""
    weights = _normalized([window.evidence + window.left_out for window in windows])
    for number, (window, weight) in enumerate(zip(windows, weights, strict=True)):
        if np.sum(weight) > _EXCLUDED and _factor(window)[0] < _WRONG:
            return number
    return 0


def _factor(window: _Nodes) -> tuple[float, float]:
    """The factor g of a window, and the spread of its logarithm."""
    ln_g = np.log(_NOISE if len(window.evidence) > 1 else np.ones(1))
    (weights,) = _normalized([window.evidence])
    share = np.sum(weights, axis=(1, 2, 3, 4))
    mean = float(share @ ln_g)
    return math.exp(mean), math.sqrt(float(share @ (ln_g - mean) ** 2))


def _normalized(evidences: list[FloatArray]) -> list[FloatArray]:
    top = max(float(np.max(evidence)) for evidence in evidences)
    raw = [np.exp(evidence - top) for evidence in evidences]
    return [weight / sum(map(np.sum, raw)) for weight in raw]


def _moments(
    means: list[FloatArray], variances: list[FloatArray], weights: list[FloatArray]
) -> FloatArray:
    """Means and standard deviations of the mixture, shape (2, parameter)."""
    w = np.concatenate([weight.ravel() for weight in weights])
    m, v = (
        np.concatenate([block.reshape(len(block), -1) for block in blocks], axis=1)
        for blocks in (means, variances)
    )
    mean = m @ w
    return np.array([mean, np.sqrt(v @ w + (m - mean[:, None]) ** 2 @ w)])


def _noise(windows: list[_Nodes], data: _Data) -> tuple[float, float, float]:
    """The factor g, the spread of its logarithm, and where the widest window begins (0: first)."""
    widest = _widest(windows)
    return (*_factor(windows[widest]), float(np.unique(data.size)[widest]) if widest else 0.0)
