r"""Escape from a metastable state: through a noisy saddle node, or by nucleation.

The saddle node stands in the variables in which no size is left:

.. math:: dX = (E + X^2)\,ds + \sqrt{2D}\,dW

For E < 0 the state :math:`-(-E)^{1/2}` is metastable, with barrier
:math:`\frac{4}{3}(-E)^{3/2}`; for E > 0 there is none. X runs away in finite time, which is the
escape. Sigeti and Horsthemke, doi 10.1007/BF01044713.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.typing import FloatArray

#: Where X starts.
START = -3.0
#: X beyond this, and beyond twice the unstable state, has escaped.
EDGE = 4.0


def escape(
    control: npt.ArrayLike,
    times: npt.ArrayLike,
    replicas: int,
    generator: np.random.Generator,
    *,
    noise: float = 1.0,
    step: float = 0.02,
) -> tuple[FloatArray, FloatArray]:
    """Simulate independent escapes by the stochastic Heun method.

    E is `control`, shape (n_control,), `times` increase, D is `noise`, and `step` the longest time
    step, shorter where E is large. Returns X, shape (n_control, n_replica, n_time), the last one
    before the edge for those that have escaped, and the time of escape, shape (n_control,
    n_replica), infinite if later than the last time. AnalysisError for a noise or step <= 0.
    """
    if not noise > 0.0 or not step > 0.0:
        raise AnalysisError(f"noise = {noise:g}, step = {step:g}", remedy="take both > 0")
    values = np.asarray(control, dtype=np.float64)
    moments = np.asarray(times, dtype=np.float64)
    # The relaxation rate 2 |E|^(1/2) times the step stays well below 1.
    longest = min(step, 0.4 / math.sqrt(max(float(np.abs(values).max()), 1.0)))
    drive = np.repeat(values, replicas)
    edge = np.maximum(EDGE, 2.0 * np.sqrt(np.maximum(-drive, 0.0)))
    x = np.full(drive.size, START)
    passage = np.full(drive.size, np.inf)
    state = np.empty((drive.size, moments.size))
    active = np.arange(drive.size)
    now = 0.0
    for column, moment in enumerate(moments):
        steps = max(math.ceil((moment - now) / longest), 1)
        h = (moment - now) / steps
        for index in range(steps):
            old = x[active]
            new = _heun(old, drive[active], h, noise, generator)
            out = new >= edge[active]
            gone = active[out]
            # The overshoot over the drift at the edge is, in the mean, the time since the passage:
            # interpolating instead would forget paths that cross and return within a step.
            since = (new[out] - edge[gone]) / (drive[gone] + edge[gone] ** 2)
            passage[gone] = now + h * (index + 1) - np.minimum(since, h)
            active = active[~out]
            x[active] = new[~out]
        now = float(moment)
        state[:, column] = x
    return state.reshape(values.size, replicas, moments.size), passage.reshape(-1, replicas)


def _heun(
    x: FloatArray, drive: FloatArray, h: float, noise: float, generator: np.random.Generator
) -> FloatArray:
    kick = math.sqrt(2.0 * noise * h) * generator.standard_normal(x.size)
    slope = drive + x * x
    ahead = x + h * slope + kick
    return np.asarray(x + 0.5 * h * (slope + drive + ahead * ahead) + kick)


def mean_passage_time(
    control: float, *, noise: float = 1.0, start: float = START, end: float = EDGE
) -> float:
    r"""Exact mean time from `start` to `end` at E = `control`, D = `noise`.

    .. math:: T = \frac1D \int_\text{start}^\text{end} dx \int_0^\infty du\,
                  \exp\left(-\frac{E u + x^2 u - x u^2 + u^3/3}{D}\right)

    From :math:`-\infty` to :math:`\infty` it is :math:`(2\pi/D)^{1/2} \int_0^\infty h^{-1/2}
    \exp(-(2h^3/3 + 2Eh)/D)\,dh`. E must not be so negative that the barrier exceeds some hundred D.
    AnalysisError if start is not below end or the noise is not positive.
    """
    if not start < end or not noise > 0.0:
        raise AnalysisError(f"start = {start:g}, end = {end:g}, noise = {noise:g}")
    node, weight = np.polynomial.legendre.leggauss(400)
    x = start + 0.5 * (end - start) * (node + 1.0)
    # Gauss-Legendre in u = w^2: the integrand is narrow, about D/x^2, far from the saddle.
    reach = math.sqrt(3.0 * max(abs(start), abs(end)) + 12.0 * max(noise, 1.0) ** (1.0 / 3.0))
    w = 0.5 * reach * (node + 1.0)
    u = w**2
    cost = control * u + x[:, None] ** 2 * u - x[:, None] * u**2 + u**3 / 3.0
    inner = np.exp(-cost / noise) @ (2.0 * w * weight * 0.5 * reach)
    return float(0.5 * (end - start) * (weight @ inner) / noise)


def nucleation_rate(
    size: npt.ArrayLike,
    distance: npt.ArrayLike,
    kind: Literal["extensive", "droplet"] = "extensive",
    *,
    barrier: float = 1.0,
    barrier_exponent: float = 1.0,
    attempt: float = 1.0,
) -> FloatArray:
    r"""Escape rate of a metastable state; `size` N and `distance` delta are broadcast together.

    With the distance :math:`\delta = c - c_s` from the point where the state vanishes,
    ``extensive``: :math:`k \exp(-N B (-\delta)^\gamma)` for delta < 0 and k beyond. With the
    distance :math:`\delta = c - c_x` from coexistence, ``droplet``: :math:`N k \exp(-B/\delta)` for
    delta > 0 and 0 before, as for a droplet that may form anywhere. B, gamma and k are `barrier`,
    `barrier_exponent` and `attempt`, all positive.

    >>> nucleation_rate(100, [-0.1, 0.0]).round(8).tolist()
    [4.54e-05, 1.0]
    """
    n, delta = np.asarray(size, dtype=np.float64), np.asarray(distance, dtype=np.float64)
    if not min(barrier, barrier_exponent, attempt) > 0.0:
        raise AnalysisError("barrier, its exponent and the attempt rate must be positive")
    if kind == "extensive":
        return np.asarray(
            attempt * np.exp(-n * barrier * np.maximum(-delta, 0.0) ** barrier_exponent)
        )
    if kind == "droplet":
        inverse = 1.0 / np.where(delta > 0.0, delta, 1.0)
        return np.where(delta > 0.0, n * attempt * np.exp(-barrier * inverse), 0.0)
    raise AnalysisError(f"kind {kind!r}", remedy="take extensive or droplet")
