"""A dynamical spinodal: the control at which runs of a length t escape, for N -> infinity first.

Near a saddle-node at m_s a system needs a time of the order of (m - m_s)^(-1/2) to pass, whatever
its size, so that the control at which half of the runs pass within t falls as m_s + C t^-2.
Escapes by nucleation at any distance give a + b ln t, without a limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import FEW_TIMES, LIMIT_NOT_PROVEN, NO_FINITE_LIMIT
from physbatch.results.record import Record, result
from physbatch.scaling.laws.extrapolation import extrapolate
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import FloatArray

#: The order of limits, as results say it.
ORDER_OF_LIMITS = "N -> infinity, then t -> infinity"
_LEAST_TIMES, _LEAST_SIZES = 4, 3
#: Weight of the logarithm above which a limit in time is not proven, and from which there is none.
_POSSIBLE, _CERTAIN = 0.05, 0.95


@result("dynamical spinodal")
@dataclass(frozen=True, eq=False, repr=False)
class DynamicalSpinodal(Record):
    """m_c(t) for N -> infinity at each run time, and its limit for t -> infinity.

    Attributes
    ----------
    time, m_c, stderr : ndarray, shape (n_time,)
        Run times, and the critical control of the infinite system there with its total error.
    m_s : Estimate
        The limit of m_s + C t^-2; nan where a + b ln t describes the values and that does not.
    fit : ScalingFit
        Both laws of time, and their weights.
    limits : str
        The order of limits.
    flags : tuple of Flag
        ``limit_not_proven``: the logarithm is not excluded; ``no_finite_limit``; ``few_times``.
    """

    main_dim: ClassVar[str] = "time"

    time: FloatArray
    m_c: FloatArray
    stderr: FloatArray
    m_s: Estimate
    fit: ScalingFit
    limits: str
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return (
            f"DynamicalSpinodal(m_s = {self.m_s}, {self.limits}, from {self.time.size} times)"
            f"{bracketed(self.flags)}"
        )


def dynamical_spinodal(
    critical: Mapping[float, tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]],
) -> DynamicalSpinodal:
    r"""Extrapolate m_c(N, t) to N -> infinity at each time, and then to t -> infinity.

    .. math:: m_c(t) = m_s + C\,t^{-2} \qquad\text{beside}\qquad m_c(t) = a + b \ln t

    Parameters
    ----------
    critical : mapping of float to (size, m_c, stderr)
        At each run time, m_c of each size and its error. Times with fewer than three sizes give no
        limit and are left out.

    Returns
    -------
    DynamicalSpinodal
        The error of m_s is no smaller than that of the best single time, as all times come from
        the same runs; the spread over the forms of the approach in N is common to all of them.

    References
    ----------
    Strogatz, *Nonlinear Dynamics and Chaos* (1994), section 4.3: the bottleneck of a saddle-node.

    Examples
    --------
    >>> n = np.array([100.0, 200.0, 400.0, 800.0])
    >>> times = (10.0, 20.0, 40.0, 80.0, 160.0)
    >>> data = {t: (n, 2.8 + 30.0 / t**2 + 2.0 / n, 0.001 * n**0) for t in times}
    >>> spinodal = dynamical_spinodal(data)
    >>> abs(spinodal.m_s.value - 2.8) < 0.005, spinodal.limits
    (True, 'N -> infinity, then t -> infinity')
    """
    rows = []
    for length, (size, m_c, stderr) in sorted(critical.items()):
        sizes, values, errors = (np.asarray(x, dtype=np.float64) for x in (size, m_c, stderr))
        if np.isfinite(values).sum() < _LEAST_SIZES:
            continue
        limit = extrapolate("m_c", sizes, values, errors).limit
        if math.isfinite(limit.value) and limit.stderr > 0.0:
            rows.append((length, limit.value, limit.stderr, limit.systematic))
    time, value, error, shared = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    fit = fit_spinodal(time, value, error) if len(rows) else _nothing()
    m_s, flags = _limit(fit, time.size)
    if math.isfinite(m_s.value):
        # Times share their runs, and the form of the approach in N: many do not help.
        stderr = max(m_s.stderr, float(error.min()))
        systematic = math.hypot(m_s.systematic, float(np.median(shared)))
        ends = (m_s.value - stderr, m_s.value + stderr)
        m_s = Estimate(m_s.value, stderr, systematic, ends, flags)
    total = np.hypot(error, shared)
    return DynamicalSpinodal(time, value, total, m_s, fit, ORDER_OF_LIMITS, flags)


def fit_spinodal(time: npt.ArrayLike, m_c: npt.ArrayLike, stderr: npt.ArrayLike) -> ScalingFit:
    """Fit c + a t^-2 beside a + b ln t, from every earliest time on; weights tell them apart.

    Parameters
    ----------
    time, m_c, stderr : array_like, shape (n_time,)
        Run times, the critical control within them, and its error.

    Returns
    -------
    ScalingFit
        ``c`` is m_s where the former has the larger weight; ``fit_weight`` lists all.

    Examples
    --------
    >>> t = np.array([10.0, 20.0, 40.0, 80.0, 160.0])
    >>> round(fit_spinodal(t, 13.1 + 40.0 / t**2, 0.002 * t**0)["c"].value, 2)
    13.1
    """
    laws = [law("shifted", phi=2.0), law("drift")]
    return fit_law(time, m_c, stderr, laws, quantity="m_c", variables=("t",))


def _nothing() -> ScalingFit:
    return fit_law(np.empty(0), np.empty(0), np.empty(0), [law("constant")], scan=False)


def _limit(fit: ScalingFit, times: int) -> tuple[Estimate, tuple[Flag, ...]]:
    """m_s with its flags, from the weights of both laws."""
    if times < _LEAST_TIMES or not fit.fit_weight.any():
        words = f"m_c for N -> infinity is known at {times} times, {_LEAST_TIMES} are needed"
        flags = (FEW_TIMES(words),) if times < _LEAST_TIMES else fit.flags
        return Estimate(math.nan, flags=flags), flags
    logarithm = float(fit.fit_weight[fit.fit_law == 1].sum())
    if logarithm > _CERTAIN:
        slope = fit["b"]
        flag = NO_FINITE_LIMIT(f"m_c goes as {slope} ln t (weight {logarithm:.2g}), not as t^-2")
        return Estimate(math.nan, flags=(flag, *fit.flags)), (flag, *fit.flags)
    flags = fit.flags
    rows = fit.fit_law == 0
    m_s = fit["c"]
    if logarithm > 0.5:  # the parameters of the fit are those of the logarithm
        best = int(np.flatnonzero(rows)[np.argmax(fit.fit_weight[rows])])
        admitted = fit_law(
            fit.x[fit.x[:, 0] >= fit.fit_size_min[best]], *_late(fit, best), [fit.laws[0]],
            quantity="m_c", variables=("t",),
        )  # fmt: skip
        m_s = admitted["c"]
    if logarithm > _POSSIBLE:
        words = f"a + b ln t has the weight {logarithm:.2g} beside m_s + C t^-2"
        flags = (*flags, LIMIT_NOT_PROVEN(words))
    return m_s, flags


def _late(fit: ScalingFit, row: int) -> tuple[FloatArray, FloatArray]:
    keep = fit.x[:, 0] >= fit.fit_size_min[row]
    return fit.value[keep], fit.stderr[keep]
