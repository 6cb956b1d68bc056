r"""Systems whose order of transition is known: test systems for first order or continuous.

Each function returns a dataset of the schema (`physbatch.dataset`) with independent replicas.
The order parameter is called ``overlap``, the control ``batch_size``, and ``success`` means that
a replica ends in the upper state. The truth is kept in attributes ``planted_*``. `as_table`
turns any of them, and those of `physbatch.exact.planted`, into a table with samples.

===========================  ============  =======================================================
function                     transition    width of success in the control
===========================  ============  =======================================================
`equilibrium_first_order`    first order   1/N
`saddle_node`                first order   N^(-2/3), after a run time that grows as N^(1/3)
`nucleation` (extensive)     first order   1/N, at a distance ln(time)/N from the spinodal
`nucleation` (droplet)       first order   independent of N up to logarithms; m_c falls as 1/ln N
`curie_weiss_dataset`        continuous    N^(-1/2)
===========================  ============  =======================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from physbatch.exact import curie_weiss
from physbatch.exact.escapes import escape, nucleation_rate
from physbatch.exact.replicas import (
    as_table,
    both_starts,
    check_states,
    critical_grid,
    replica_axes,
    replica_dataset,
)
from physbatch.typing import FloatArray

__all__ = [
    "NESTED_SIZES",
    "as_table",
    "both_starts",
    "critical_grid",
    "curie_weiss_dataset",
    "equilibrium_first_order",
    "nucleation",
    "nucleation_rate",
    "saddle_node",
]


#: Four sets of sizes, each with one more than the set before.
NESTED_SIZES: tuple[tuple[int, ...], ...] = (
    (50, 100, 200),
    (50, 100, 200, 400),
    (50, 100, 200, 400, 800),
    (50, 100, 200, 400, 800, 1600),
)

_LOWER, _UPPER, _SPREAD = 0.2, 0.8, 0.6


def equilibrium_first_order(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Sequence[float] | FloatArray | None = None,
    replicas: int = 64,
    *,
    c_c: float = 10.0,
    slope: float = 1.0,
    lower: float = _LOWER,
    upper: float = _UPPER,
    spread: float = _SPREAD,
    seed: int = 0,
) -> xr.Dataset:
    r"""Coexistence of two states in equilibrium: a replica is in the upper one with chance

    .. math:: P = \frac{1}{1 + \exp(-N a (c - c_c))}

    and its overlap is Gaussian around that of its state, with standard deviation
    ``spread / sqrt(N)``. There is no hysteresis. Binder and Landau,
    doi 10.1103/PhysRevB.30.1477.

    Parameters
    ----------
    sizes : sequence of int
        N.
    control : sequence of float, optional
        c; by default the `critical_grid` with :math:`|N a (c - c_c)| \le 6`.
    replicas : int
        Independent replicas of each point.
    c_c, slope : float
        Transition point and a > 0.
    lower, upper, spread : float
        Overlaps of the two states, lower < upper, and their width times sqrt(N).
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time), one time.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a slope or spread that is not positive, lower >= upper, or a bad axis.

    Examples
    --------
    >>> data = equilibrium_first_order(sizes=(50, 100), control=(9.9, 10.0), replicas=4)
    >>> dict(data["overlap"].sizes)
    {'size': 2, 'batch_size': 2, 'replica': 4, 'time': 1}
    """
    check_states(lower, upper, spread, slope)
    if control is None:
        control = critical_grid(sizes, c_c, 1.0, scale=1.0 / slope)
    axes = replica_axes(sizes, control, replicas, (1.0,))
    generator = np.random.default_rng([seed, 41])
    n = axes["size"][:, None, None, None].astype(float)
    shape = (*(axes[name].size for name in ("size", "batch_size")), replicas, 1)
    # A logistic threshold: above it with chance P.
    lead = n * slope * (axes["batch_size"][:, None, None] - c_c)
    up = lead > generator.logistic(size=shape)
    width = spread / np.sqrt(n)
    overlap = np.where(up, upper, lower) + width * generator.standard_normal(shape)
    truth: dict[str, float | str] = {
        "planted_order": "first",
        "planted_m_c": c_c,
        "planted_latent_overlap": upper - lower,
    }
    return replica_dataset(axes, overlap, up, "two states in equilibrium", "1", truth)


def saddle_node(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Sequence[float] | FloatArray | None = None,
    replicas: int = 64,
    times: Sequence[float] = (2.0, 4.0, 8.0),
    *,
    c_s: float = 10.0,
    hysteresis: float = 2.0,
    noise: float = 1.0,
    gain: float = 0.2,
    lower: float = _LOWER,
    upper: float = _UPPER,
    spread: float = _SPREAD,
    time_exponent: float = 1.0 / 3.0,
    planted_start: bool = False,
    step: float = 0.02,
    seed: int = 0,
) -> xr.Dataset:
    r"""A mean-field spinodal: a metastable state vanishes in a saddle-node bifurcation.

    .. math:: dq = (c - c_s + q^2)\,dt + \sqrt{2D/N}\,dW

    Below c_s the state :math:`q = -(c_s - c)^{1/2}` is metastable, above it there is none. With
    :math:`q = N^{-1/3} X`, :math:`t = N^{1/3} s`, :math:`c - c_s = N^{-2/3} E` the equation
    (`physbatch.exact.escapes`) no longer holds N: success after a time s is a function of
    E alone, and the rounding is N^(-2/3). The overlap is ``lower + gain q`` before the escape,
    and Gaussian around `upper` after it.

    Parameters
    ----------
    sizes, control, replicas, lower, upper, spread, seed
        As in `equilibrium_first_order`; by default :math:`|E| \le 6`.
    times : sequence of float
        Measuring times in units of ``N**time_exponent``.
    c_s : float
        Control at which the lower state vanishes.
    hysteresis : float
        The upper state vanishes, in a mirrored saddle node, at ``c_s - hysteresis``.
    noise : float
        D > 0.
    gain : float
        Slope of the overlap in q.
    time_exponent : float
        1/3 keeps s = t N^(-1/3) the same at all sizes; 0 for the same time t at all sizes.
    planted_start : bool
        Start in the upper state and see whether it stays.
    step : float
        Longest time step, in s.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time).

    Raises
    ------
    physbatch.errors.AnalysisError
        For a noise, step or spread that is not positive, lower >= upper, or a bad axis.

    Examples
    --------
    >>> data = saddle_node(sizes=(64,), control=(9.0, 11.0), replicas=20)
    >>> data["success"].mean("replica").values.tolist()
    [[0.0, 1.0]]
    """
    check_states(lower, upper, spread, min(noise, step))
    if control is None:
        middle = c_s - hysteresis if planted_start else c_s
        control = critical_grid(sizes, middle, 2.0 / 3.0)
    axes = replica_axes(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 42, planted_start])
    c, t = axes["batch_size"], axes["time"]
    overlap = np.empty((axes["size"].size, c.size, replicas, t.size))
    escaped = np.empty(overlap.shape, dtype=bool)
    # A planted start leaves the upper state downwards as c falls: the mirror image.
    distance = c_s - hysteresis - c if planted_start else c - c_s
    before, after, sign = (upper, lower, -1.0) if planted_start else (lower, upper, 1.0)
    for i, n in enumerate(axes["size"].astype(float)):
        state, passage = escape(
            distance * n ** (2.0 / 3.0),
            t * n ** (time_exponent - 1.0 / 3.0),
            replicas,
            generator,
            noise=noise,
            step=step,
        )
        escaped[i] = passage[..., None] <= t * n ** (time_exponent - 1.0 / 3.0)
        new = after + spread / np.sqrt(n) * generator.standard_normal(state.shape)
        overlap[i] = np.where(escaped[i], new, before + sign * gain * state * n ** (-1.0 / 3.0))
    truth: dict[str, float | str] = {
        "planted_order": "first",
        "planted_m_c": c_s,
        "planted_hysteresis": hysteresis,
        "planted_latent_overlap": upper - lower,
        "planted_start": "upper" if planted_start else "lower",
    }
    units = f"N^{time_exponent:.4g}" if time_exponent else "1"
    up = ~escaped if planted_start else escaped
    return replica_dataset(axes, overlap, up, "noisy saddle node", units, truth)


def nucleation(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Sequence[float] | FloatArray | None = None,
    replicas: int = 64,
    times: Sequence[float] = (10.0, 100.0, 1000.0),
    *,
    kind: Literal["extensive", "droplet"] = "extensive",
    c_s: float = 10.0,
    hysteresis: float = 2.0,
    barrier: float | None = None,
    barrier_exponent: float = 1.0,
    attempt: float = 1.0,
    lower: float = _LOWER,
    upper: float = _UPPER,
    spread: float = _SPREAD,
    planted_start: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    r"""Nucleation: a replica escapes at an exponential time, once and for all.

    The chance of success by time t is :math:`1 - \exp(-r t)`, r the `nucleation_rate`. So half
    of the runs succeed by t at
    :math:`c_s - [\ln(kt/\ln 2)/(N B)]^{1/\gamma}` (extensive) or at
    :math:`c_s + B/\ln(N k t/\ln 2)` (droplet, c_s being coexistence).

    Parameters
    ----------
    sizes, control, replicas, lower, upper, spread, seed
        As in `equilibrium_first_order`; the default grid covers the last time.
    times : sequence of float
        Measuring times in the unit of 1/attempt.
    kind, barrier, barrier_exponent, attempt
        As in `nucleation_rate`; barrier is 1 (extensive) or 20 (droplet) by default.
    c_s : float
        Where the lower state vanishes (extensive) or coexistence (droplet).
    hysteresis : float
        Extensive: the upper state vanishes, in mirror image, at ``c_s - hysteresis``. Droplet:
        not used, the upper state decays below c_s.
    planted_start : bool
        Start in the upper state and see whether it stays.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time).

    Raises
    ------
    physbatch.errors.AnalysisError
        For parameters that are not positive, lower >= upper, or a bad axis.

    Examples
    --------
    >>> data = nucleation(sizes=(100,), control=(9.5, 10.5), replicas=20)
    >>> data["success"].mean("replica").values.tolist()
    [[0.0, 1.0]]
    """
    check_states(lower, upper, spread, attempt)
    size_of_barrier = barrier if barrier is not None else (1.0 if kind == "extensive" else 20.0)
    turn = c_s - hysteresis if planted_start and kind == "extensive" else c_s
    sign = -1.0 if planted_start else 1.0
    if control is None:
        log = float(np.log(attempt * times[-1] / np.log(2.0)))
        scale = size_of_barrier ** (-1.0 / barrier_exponent)
        if kind == "extensive":
            ends = (-(2.0 * log), 2.0)
            grid = critical_grid(sizes, 0.0, 1.0 / barrier_exponent, ends, 13, scale)
        else:
            far = size_of_barrier / (log + np.log(np.array([min(sizes), max(sizes)], dtype=float)))
            grid = np.linspace(0.6 * far[1], 1.6 * far[0], 25)
        control = np.unique((turn + sign * grid).round(10))
    axes = replica_axes(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 43, planted_start])
    n = axes["size"][:, None, None].astype(float)
    rate = nucleation_rate(
        n,
        sign * (axes["batch_size"][:, None] - turn),
        kind,
        barrier=size_of_barrier,
        barrier_exponent=barrier_exponent,
        attempt=attempt,
    )
    luck = generator.standard_exponential((*rate.shape[:2], replicas))
    escaped = luck[..., None] <= (rate[..., None] * axes["time"])
    up = ~escaped if planted_start else escaped
    width = spread / np.sqrt(n[..., None])
    overlap = np.where(up, upper, lower) + width * generator.standard_normal(up.shape)
    truth: dict[str, float | str] = {
        "planted_order": "first",
        "planted_m_c": c_s,
        "planted_kind": kind,
        "planted_latent_overlap": upper - lower,
        "planted_start": "upper" if planted_start else "lower",
    }
    return replica_dataset(axes, overlap, up, f"nucleation, {kind} barrier", "1", truth)


def curie_weiss_dataset(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Sequence[float] | FloatArray | None = None,
    replicas: int = 64,
    *,
    signed: bool = False,
    threshold: float = 0.5,
    seed: int = 0,
) -> xr.Dataset:
    r"""A continuous transition: magnetisations of `physbatch.exact.curie_weiss`.

    Parameters
    ----------
    sizes, replicas, seed
        As in `equilibrium_first_order`.
    control : sequence of float, optional
        Inverse temperature beta; by default :math:`|\beta - 1| N^{1/2} \le 4`.
    signed : bool
        The overlap is mu, with two peaks of either sign below T_c, instead of abs(mu).
    threshold : float
        Success means abs(mu) >= threshold.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time), one time.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a bad axis.

    Examples
    --------
    >>> data = curie_weiss_dataset(sizes=(400,), control=(0.5, 2.0), replicas=100)
    >>> data["overlap"].mean("replica").values.ravel().round(1).tolist()  # the latter: 0.957
    [0.1, 1.0]
    """
    if control is None:
        control = critical_grid(sizes, 1.0, 0.5, (-4.0, 4.0))
    axes = replica_axes(sizes, control, replicas, (1.0,))
    generator = np.random.default_rng([seed, 44])
    mu = np.array(
        [
            [curie_weiss.sample(int(n), float(b), replicas, generator) for b in axes["batch_size"]]
            for n in axes["size"]
        ]
    )[..., None]
    truth: dict[str, float | str] = {
        "planted_order": "continuous",
        "planted_m_c": 1.0,
        "planted_nu": 2.0,
    }
    overlap = mu if signed else np.abs(mu)
    return replica_dataset(axes, overlap, np.abs(mu) >= threshold, "Curie-Weiss model", "1", truth)
