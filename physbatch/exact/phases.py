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

from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.escapes import escape, nucleation_rate
from physbatch.exact.replicas import Labels, critical_grid, replica_coords, replica_dataset
from physbatch.typing import BoolArray, FloatArray

#: Four sets of sizes, each with one more than the set before.
NESTED_SIZES: tuple[tuple[int, ...], ...] = (
    (50, 100, 200),
    (50, 100, 200, 400),
    (50, 100, 200, 400, 800),
    (50, 100, 200, 400, 800, 1600),
)

#: Overlaps of the two states, and the width of both times sqrt(N).
_LOWER, _UPPER, _SPREAD = 0.2, 0.8, 0.6
#: Control of the transition, or at which the lower state vanishes; the upper one vanishes, in
#: mirror image, at the control that is lower by the hysteresis.
_CRITICAL, _HYSTERESIS = 10.0, 2.0
#: Times of the saddle node are in units of N to this power, so that s is the same at all sizes.
_TIME_EXPONENT = 1.0 / 3.0

Controls = Sequence[float] | FloatArray


def equilibrium_first_order(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    *,
    slope: float = 1.0,
    seed: int = 0,
) -> xr.Dataset:
    r"""Coexistence of two states in equilibrium: a replica is in the upper one with chance

    .. math:: P = \frac{1}{1 + \exp(-N a (c - 10))}

    and its overlap is Gaussian around 0.2 or 0.8, with standard deviation 0.6/sqrt(N). There is no
    hysteresis. Binder and Landau, doi 10.1103/PhysRevB.30.1477. a is `slope`; by default the
    controls c are the `critical_grid` with :math:`|N a (c - 10)| \le 6`.
    """
    if not slope > 0.0:
        raise AnalysisError(f"slope = {slope:g}", remedy="take slope > 0")
    if control is None:
        control = critical_grid(sizes, _CRITICAL, 1.0, scale=1.0 / slope)
    coords = replica_coords(sizes, control, replicas, (1.0,))
    generator = np.random.default_rng([seed, 41])
    n = coords["size"][:, None, None, None].astype(float)
    # A logistic threshold: above it with chance P.
    lead = n * slope * (coords["batch_size"][:, None, None] - _CRITICAL)
    up = lead > generator.logistic(size=(n.size, coords["batch_size"].size, replicas, 1))
    overlap = _overlaps(up, n, generator)
    return replica_dataset(coords, overlap, up, Labels("two states in equilibrium"), _truth())


def saddle_node(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    times: Sequence[float] = (2.0, 4.0, 8.0),
    *,
    planted_start: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    r"""A mean-field spinodal: a metastable state vanishes in a saddle-node bifurcation.

    .. math:: dq = (c - c_s + q^2)\,dt + \sqrt{2D/N}\,dW

    Below c_s the state :math:`q = -(c_s - c)^{1/2}` is metastable, above it there is none. With
    :math:`q = N^{-1/3} X`, :math:`t = N^{1/3} s`, :math:`c - c_s = N^{-2/3} E` the equation
    (`physbatch.exact.escapes`) no longer holds N: success after a time s is a function of E alone,
    and the rounding is N^(-2/3). Here c_s = 10 and D = 1; the overlap is 0.2 + 0.2 q before the
    escape, and Gaussian around 0.8 after it. The upper state vanishes, in a mirrored saddle node,
    at c = 8. By default :math:`|E| \le 6`; `times` are in units of N^(1/3); a `planted_start` is in
    the upper state, to see whether it stays.
    """
    turn = _CRITICAL - _HYSTERESIS if planted_start else _CRITICAL
    if control is None:
        control = critical_grid(sizes, turn, 2.0 / 3.0)
    coords = replica_coords(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 42, planted_start])
    c, t = coords["batch_size"], coords["time"]
    overlap = np.empty((coords["size"].size, c.size, replicas, t.size))
    escaped = np.empty(overlap.shape, dtype=bool)
    # A planted start leaves the upper state downwards as c falls: the mirror image.
    distance = turn - c if planted_start else c - turn
    before, after, gain = (_UPPER, _LOWER, -0.2) if planted_start else (_LOWER, _UPPER, 0.2)
    for i, n in enumerate(coords["size"].astype(float)):
        state, passage = escape(distance * n ** (2.0 / 3.0), t, replicas, generator)
        escaped[i] = passage[..., None] <= t
        new = after + _SPREAD / np.sqrt(n) * generator.standard_normal(state.shape)
        overlap[i] = np.where(escaped[i], new, before + gain * state * n ** (-1.0 / 3.0))
    return replica_dataset(
        coords,
        overlap,
        ~escaped if planted_start else escaped,
        Labels("noisy saddle node", f"N^{_TIME_EXPONENT:.4g}"),
        _truth(hysteresis=_HYSTERESIS) | _start(planted_start) | {"time_exponent": _TIME_EXPONENT},
    )


def nucleation(
    sizes: Sequence[int] = NESTED_SIZES[1],
    control: Controls | None = None,
    replicas: int = 64,
    times: Sequence[float] = (10.0, 100.0, 1000.0),
    *,
    kind: Literal["extensive", "droplet"] = "extensive",
    planted_start: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    r"""Nucleation: a replica escapes at an exponential time, once and for all.

    The chance of success by time t is :math:`1 - \exp(-r t)`, r the `nucleation_rate` with barrier
    1 (extensive) or 20 (droplet). So half of the runs succeed by t at :math:`10 - \ln(t/\ln 2)/N`
    (extensive; the upper state vanishes, in mirror image, at 8) or at :math:`10 + 20/\ln(N t/\ln
    2)` (droplet; 10 is coexistence, below it the upper state decays). The default grid covers the
    last time; `planted_start` is that of `saddle_node`.
    """
    extensive = kind == "extensive"
    turn = _CRITICAL - _HYSTERESIS if planted_start and extensive else _CRITICAL
    sign, barrier = -1.0 if planted_start else 1.0, 1.0 if extensive else 20.0
    if control is None:
        log = float(np.log(times[-1] / np.log(2.0)))
        if extensive:
            grid = critical_grid(sizes, 0.0, 1.0, (-(2.0 * log), 2.0), 13)
        else:
            far = barrier / (log + np.log(np.array([min(sizes), max(sizes)], dtype=float)))
            grid = np.linspace(0.6 * far[1], 1.6 * far[0], 25)
        control = np.unique((turn + sign * grid).round(10))
    coords = replica_coords(sizes, control, replicas, times)
    generator = np.random.default_rng([seed, 43, planted_start])
    n = coords["size"][:, None, None].astype(float)
    distance = sign * (coords["batch_size"][:, None] - turn)
    rate = nucleation_rate(n, distance, kind, barrier=barrier)
    luck = generator.standard_exponential((*rate.shape[:2], replicas))
    escaped = luck[..., None] <= (rate[..., None] * coords["time"])
    up = ~escaped if planted_start else escaped
    overlap = _overlaps(up, n[..., None], generator)
    truth = _truth(kind=kind) | _start(planted_start)
    return replica_dataset(coords, overlap, up, Labels(f"nucleation, {kind} barrier"), truth)


def _overlaps(up: BoolArray, n: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Gaussian overlaps around those of the states."""
    noise = _SPREAD / np.sqrt(n) * generator.standard_normal(up.shape)
    return np.asarray(np.where(up, _UPPER, _LOWER) + noise)


def _truth(**more: float | str) -> dict[str, float | str]:
    """The attributes ``planted_*``."""
    known = {"order": "first", "m_c": _CRITICAL, **more, "latent_overlap": _UPPER - _LOWER}
    return {f"planted_{name}": value for name, value in known.items()}


def _start(planted: bool) -> dict[str, float | str]:
    return {"planted_start": "upper" if planted else "lower"}
