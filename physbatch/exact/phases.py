r"""Systems whose order of transition is known: test systems for first order or continuous.

Each function returns a dataset of the schema (`physbatch.dataset`) with independent replicas.
The order parameter is called ``overlap``, the control ``batch_size``, and ``success`` means that
a replica ends in the upper state. The truth is kept in attributes ``planted_*``.
`physbatch.exact.replicas.as_table` turns any of them, and those of `physbatch.exact.planted`, into
a table with samples.

===========================  ============  =======================================================
function                     transition    width of success in the control
===========================  ============  =======================================================
`equilibrium_first_order`    first order   1/N
`saddle_node`                first order   N^(-2/3), after a run time that grows as N^(1/3)
`nucleation` (extensive)     first order   1/N, at a distance ln(time)/N from the spinodal
`nucleation` (droplet)       first order   independent of N up to logarithms; m_c falls as 1/ln N
===========================  ============  =======================================================

The continuous one beside them is `physbatch.exact.curie_weiss.sample_dataset`, whose width is
N^(-1/2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.escapes import escape, nucleation_rate
from physbatch.exact.replicas import Labels, critical_grid, replica_coords, replica_dataset
from physbatch.typing import BoolArray, FloatArray

__all__ = [
    "NESTED_SIZES",
    "Equilibrium",
    "Nucleation",
    "SaddleNode",
    "TwoStates",
    "equilibrium_first_order",
    "nucleation",
    "saddle_node",
]


#: Four sets of sizes, each with one more than the set before.
NESTED_SIZES: tuple[tuple[int, ...], ...] = (
    (50, 100, 200),
    (50, 100, 200, 400),
    (50, 100, 200, 400, 800),
    (50, 100, 200, 400, 800, 1600),
)

Controls = Sequence[float] | FloatArray


@dataclass(frozen=True)
class TwoStates:
    """Two states: their overlaps, lower < upper, and the width of both times sqrt(N)."""

    lower: float = 0.2
    upper: float = 0.8
    spread: float = 0.6

    def __post_init__(self) -> None:
        if not self.lower < self.upper or not self.spread > 0.0:
            raise AnalysisError(
                f"lower = {self.lower:g}, upper = {self.upper:g}, spread = {self.spread:g}",
                remedy="take lower < upper and spread > 0",
            )

    def overlaps(self, up: BoolArray, n: FloatArray, generator: np.random.Generator) -> FloatArray:
        """Gaussian overlaps around those of the states."""
        width = self.spread / np.sqrt(n)
        noise = generator.standard_normal(up.shape)
        return np.asarray(np.where(up, self.upper, self.lower) + width * noise)

    def truth(self, m_c: float, **more: float | str) -> dict[str, float | str]:
        """The attributes ``planted_*``."""
        return {
            "planted_order": "first",
            "planted_m_c": m_c,
            **{f"planted_{name}": value for name, value in more.items()},
            "planted_latent_overlap": self.upper - self.lower,
        }


@dataclass(frozen=True)
class Equilibrium(TwoStates):
    """Parameters of `equilibrium_first_order`: c_c, and the slope a > 0."""

    c_c: float = 10.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive(slope=self.slope)


def equilibrium_first_order(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    *,
    seed: int = 0,
    **parameters: float,
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
    seed : int
        The same seed gives the same bits.
    **parameters
        Those of `Equilibrium` and `TwoStates`.

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
    system = Equilibrium(**parameters)
    if control is None:
        control = critical_grid(sizes, system.c_c, 1.0, scale=1.0 / system.slope)
    coords = replica_coords(sizes, control, replicas, (1.0,))
    generator = np.random.default_rng([seed, 41])
    n = coords["size"][:, None, None, None].astype(float)
    # A logistic threshold: above it with chance P.
    lead = n * system.slope * (coords["batch_size"][:, None, None] - system.c_c)
    up = lead > generator.logistic(size=(n.size, coords["batch_size"].size, replicas, 1))
    overlap = system.overlaps(up, n, generator)
    labels = Labels("two states in equilibrium")
    return replica_dataset(coords, overlap, up, labels, system.truth(system.c_c))


@dataclass(frozen=True)
class SaddleNode(TwoStates):
    """Parameters of `saddle_node`.

    Attributes
    ----------
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
    step : float
        Longest time step, in s.
    """

    c_s: float = 10.0
    hysteresis: float = 2.0
    noise: float = 1.0
    gain: float = 0.2
    time_exponent: float = 1.0 / 3.0
    step: float = 0.02


def saddle_node(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    times: Sequence[float] = (2.0, 4.0, 8.0),
    *,
    planted_start: bool = False,
    seed: int = 0,
    **parameters: float,
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
    sizes, control, replicas, seed
        As in `equilibrium_first_order`; by default :math:`|E| \le 6`.
    times : sequence of float
        Measuring times in units of ``N**time_exponent``.
    planted_start : bool
        Start in the upper state and see whether it stays.
    **parameters
        Those of `SaddleNode` and `TwoStates`.

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
    system = SaddleNode(**parameters)
    middle = system.c_s - system.hysteresis if planted_start else system.c_s
    if control is None:
        control = critical_grid(sizes, middle, 2.0 / 3.0)
    coords = replica_coords(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 42, planted_start])
    c, t = coords["batch_size"], coords["time"]
    overlap = np.empty((coords["size"].size, c.size, replicas, t.size))
    escaped = np.empty(overlap.shape, dtype=bool)
    # A planted start leaves the upper state downwards as c falls: the mirror image.
    distance = middle - c if planted_start else c - middle
    before, after, sign = system.lower, system.upper, 1.0
    if planted_start:
        before, after, sign = after, before, -1.0
    for i, n in enumerate(coords["size"].astype(float)):
        scaled_times = t * n ** (system.time_exponent - 1.0 / 3.0)
        state, passage = escape(
            distance * n ** (2.0 / 3.0),
            scaled_times,
            replicas,
            generator,
            noise=system.noise,
            step=system.step,
        )
        escaped[i] = passage[..., None] <= scaled_times
        new = after + system.spread / np.sqrt(n) * generator.standard_normal(state.shape)
        old = before + sign * system.gain * state * n ** (-1.0 / 3.0)
        overlap[i] = np.where(escaped[i], new, old)
    exponent = system.time_exponent
    truth = system.truth(system.c_s, hysteresis=system.hysteresis) | _start(planted_start)
    return replica_dataset(
        coords,
        overlap,
        ~escaped if planted_start else escaped,
        Labels("noisy saddle node", f"N^{exponent:.4g}" if exponent else "1"),
        truth | ({"time_exponent": exponent} if exponent else {}),
    )


@dataclass(frozen=True)
class Nucleation(TwoStates):
    """Parameters of `nucleation`.

    Attributes
    ----------
    c_s : float
        Where the lower state vanishes (extensive) or coexistence (droplet).
    hysteresis : float
        Extensive: the upper state vanishes, in mirror image, at ``c_s - hysteresis``. Droplet:
        not used, the upper state decays below c_s.
    barrier, barrier_exponent, attempt : float
        As in `nucleation_rate`; by default the barrier is 1 (extensive) or 20 (droplet).
    """

    c_s: float = 10.0
    hysteresis: float = 2.0
    barrier: float | None = None
    barrier_exponent: float = 1.0
    attempt: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive(attempt=self.attempt)


def nucleation(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    times: Sequence[float] = (10.0, 100.0, 1000.0),
    *,
    kind: Literal["extensive", "droplet"] = "extensive",
    planted_start: bool = False,
    seed: int = 0,
    **parameters: float,
) -> xr.Dataset:
    r"""Nucleation: a replica escapes at an exponential time, once and for all.

    The chance of success by time t is :math:`1 - \exp(-r t)`, r the `nucleation_rate`. So half
    of the runs succeed by t at
    :math:`c_s - [\ln(kt/\ln 2)/(N B)]^{1/\gamma}` (extensive) or at
    :math:`c_s + B/\ln(N k t/\ln 2)` (droplet, c_s being coexistence).

    Parameters
    ----------
    sizes, control, replicas, seed
        As in `equilibrium_first_order`; the default grid covers the last time.
    times : sequence of float
        Measuring times in the unit of 1/attempt.
    kind : {"extensive", "droplet"}
        Whether the barrier grows with N.
    planted_start : bool
        Start in the upper state and see whether it stays.
    **parameters
        Those of `Nucleation` and `TwoStates`.

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
    system = Nucleation(**parameters)
    turn = system.c_s - system.hysteresis if planted_start and kind == "extensive" else system.c_s
    sign = -1.0 if planted_start else 1.0
    barrier = system.barrier
    if barrier is None:
        barrier = 1.0 if kind == "extensive" else 20.0
    if control is None:
        log = float(np.log(system.attempt * times[-1] / np.log(2.0)))
        if kind == "extensive":
            ends, exponent = (-(2.0 * log), 2.0), 1.0 / system.barrier_exponent
            grid = critical_grid(sizes, 0.0, exponent, ends, 13, barrier**-exponent)
        else:
            far = barrier / (log + np.log(np.array([min(sizes), max(sizes)], dtype=float)))
            grid = np.linspace(0.6 * far[1], 1.6 * far[0], 25)
        control = np.unique((turn + sign * grid).round(10))
    coords = replica_coords(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 43, planted_start])
    n = coords["size"][:, None, None].astype(float)
    rate = nucleation_rate(
        n,
        sign * (coords["batch_size"][:, None] - turn),
        kind,
        barrier=barrier,
        barrier_exponent=system.barrier_exponent,
        attempt=system.attempt,
    )
    luck = generator.standard_exponential((*rate.shape[:2], replicas))
    escaped = luck[..., None] <= (rate[..., None] * coords["time"])
    up = ~escaped if planted_start else escaped
    return replica_dataset(
        coords,
        system.overlaps(up, n[..., None], generator),
        up,
        Labels(f"nucleation, {kind} barrier"),
        system.truth(system.c_s, kind=kind) | _start(planted_start),
    )


def _require_positive(**parameters: float) -> None:
    for name, value in parameters.items():
        if not value > 0.0:
            raise AnalysisError(f"{name} = {value:g}", remedy=f"take {name} > 0")


def _start(planted: bool) -> dict[str, float | str]:
    return {"planted_start": "upper" if planted else "lower"}
