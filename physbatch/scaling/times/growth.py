r"""Growth rates of small deviations, and the control at which they change sign.

A state that is left unchanged once it is reached (a perfect student, an absorbing phase) is
stable where deviations v from it shrink. With multiplicative noise there are two rates,

.. math:: \lambda = \frac{\langle \ln v(t_2)/v(t_1) \rangle}{t_2 - t_1}, \qquad
    \lambda_2 = \frac{\ln \langle v(t_2)/v(t_1) \rangle}{t_2 - t_1} \ge \lambda :

the *typical* rate (a Lyapunov exponent) says what single replicas do, the *mean-square* rate what
their average does, which rare large deviations rule. Each has its own threshold.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import BAD_FIT, LEFT_OUT, NO_THRESHOLD, TOO_FEW_POINTS
from physbatch.results.record import Record, result
from physbatch.scaling.laws.single_fits import average
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import Dims, FloatArray

_DEGREES = (1, 2)


def growth_rates(
    data: xr.Dataset,
    variable: str = "weight_error",
    *,
    kind: Literal["typical", "mean-square"] = "typical",
    start: float = 0.0,
) -> xr.Dataset:
    r"""Growth rate per unit of time of a positive deviation, at every point of the grid.

    ``typical``: the mean over replicas of :math:`\ln [v(t_2)/v(t_1)]/(t_2 - t_1)` between the
    first and the last time. ``mean-square``: :math:`\ln r/\Delta t` with r the mean over
    replicas and times of :math:`v(t + \Delta t)/v(t)`; that is the rate of the mean
    :math:`\langle v \rangle` if the ratios of successive steps are independent of v and of each
    other, as those of an isotropic linear system are.

    Parameters
    ----------
    data : xarray.Dataset
        Holds `variable` with dimensions ``replica`` and ``time`` among others.
    variable : str
        The deviation: a squared distance, so that rates are those of squares.
    kind : {"typical", "mean-square"}
        Which rate.
    start : float
        Times before are left out (the direction of the deviation must forget its start).

    Returns
    -------
    xarray.Dataset
        ``rate`` and ``stderr`` (over replicas), with the other dimensions of `variable`; nan where
        a replica's deviation is not a positive number at a time that is used.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such variable, fewer than two times or replicas are left, or the times of
        ``mean-square`` are not evenly spaced.

    Examples
    --------
    >>> v = np.exp(-0.5 * np.arange(4.0)) * np.ones((2, 1))
    >>> data = xr.Dataset({"weight_error": (("replica", "time"), v)}, {"time": np.arange(4.0)})
    >>> round(float(growth_rates(data)["rate"]), 12)
    -0.5
    """
    if kind not in ("typical", "mean-square"):
        raise AnalysisError(f"kind {kind!r}", remedy="'typical' or 'mean-square'")
    if variable not in data or not {"replica", "time"} <= set(data[variable].dims):
        raise AnalysisError(f"no variable {variable!r} over replica and time", where="growth_rates")
    values = data[variable].sel(time=data["time"] >= start)
    if values.sizes["time"] < 2 or values.sizes["replica"] < 2:
        raise AnalysisError(
            f"{values.sizes['time']} times and {values.sizes['replica']} replicas",
            where="growth_rates",
            remedy="a rate with an error needs two of each",
        )
    time = np.asarray(values["time"].values, dtype=np.float64)
    kernel = _typical if kind == "typical" else _mean_square
    rate, stderr = xr.apply_ufunc(
        lambda v: kernel(v, time),
        values,
        input_core_dims=[["replica", "time"]],
        output_core_dims=[[], []],
    )
    return xr.Dataset({"rate": rate, "stderr": stderr}).assign_attrs(kind=kind, variable=variable)


def _typical(v: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean log rate and its error of values (..., replica, time)."""
    first, last = v[..., 0], v[..., -1]
    known = (first > 0) & (last > 0) & np.isfinite(first) & np.isfinite(last)
    ratio = np.divide(last, first, out=np.full(last.shape, np.nan), where=known)
    return _mean_with_error(np.log(ratio) / (time[-1] - time[0]))


def _mean_square(v: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log of the mean ratio of successive values and its error."""
    steps = np.diff(time)
    if np.ptp(steps) > 1e-9 * steps.max():
        raise AnalysisError(
            "the times are not evenly spaced",
            where="growth_rates, mean-square",
            remedy="measure at equal intervals, or use kind='typical'",
        )
    before, after = v[..., :-1], v[..., 1:]
    known = (before > 0) & np.isfinite(before) & np.isfinite(after)
    ratio = np.divide(after, before, out=np.full(after.shape, np.nan), where=known)
    mean, error = _mean_with_error(ratio.mean(axis=-1))
    return np.asarray(np.log(mean) / steps[0]), np.asarray(error / mean / steps[0])


def _mean_with_error(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over the last axis, the replicas, and its standard error."""
    count = samples.shape[-1]
    return (
        np.asarray(samples.mean(axis=-1)),
        np.asarray(samples.std(axis=-1, ddof=1) / math.sqrt(count)),
    )


@result("growth threshold")
@dataclass(frozen=True, eq=False, repr=False)
class GrowthThreshold(Record):
    """The control at which a growth rate changes sign."""

    main_dim: ClassVar[str] = "point"
    dims: ClassVar[Dims] = dict.fromkeys(("curve_x", "curve_y"), ("curve",))

    control: FloatArray  # the points that were fitted
    rate: FloatArray
    stderr: FloatArray
    threshold: Estimate  # systematic: spread over the degrees of the polynomial
    slope: Estimate  # d(rate)/d(control) there
    degree: int  # of the polynomial with the larger weight
    chi2: float
    dof: int
    p_value: float
    curve_x: FloatArray  # that polynomial
    curve_y: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        names = bracketed(self.flags)
        return (
            f"GrowthThreshold({self.threshold}; degree {self.degree}, "
            f"chi2/dof = {self.chi2:.3g}/{self.dof}){names}"
        )


class _Fit(NamedTuple):
    """A polynomial through the rates, in the scaled control."""

    degree: int
    coefficients: FloatArray  # highest power first
    covariance: FloatArray
    root: float
    root_stderr: float
    slope: float
    slope_stderr: float
    chi2: float
    dof: int
    p_value: float
    problem: Flag | None

    @property
    def weight(self) -> float:
        """Akaike weight, not normalised; 0 if the fit cannot be used."""
        if self.problem or not self.p_value > ACCEPTABLE:
            return 0.0
        return math.exp(-0.5 * (self.chi2 + 2 * self.degree))


def growth_threshold(
    control: npt.ArrayLike, rate: npt.ArrayLike, stderr: npt.ArrayLike
) -> GrowthThreshold:
    r"""Where a growth rate passes through zero.

    A line and a parabola are fitted to the rates by weighted least squares. The threshold is the
    average of their zeros with the weights :math:`\exp(-\mathrm{AIC}/2)`, the systematic error
    the weighted spread. A rate that is linear in some function of the control (1/m, say) is best
    given with that function as the control.

    Parameters
    ----------
    control, rate, stderr : array_like, shape (n_point,)
        Controls around the threshold, and the rates with independent errors; points that are not
        finite are left out and flagged.

    Returns
    -------
    GrowthThreshold
        The threshold is nan, with a flag, for fewer than three points (``too_few_points``), if no
        polynomial describes them with a probability above 1e-3 (``bad_fit``), or where none of
        those has exactly one zero between the first and the last control (``no_threshold``).

    Raises
    ------
    physbatch.errors.AnalysisError
        If the arrays do not fit together.

    References
    ----------
    Jay and Neil, Phys. Rev. D 103 (2021) 114502, doi 10.1103/PhysRevD.103.114502.

    Examples
    --------
    >>> growth_threshold([0.8, 0.9, 1.0, 1.1], [-0.25, -0.15, -0.05, 0.05], [0.01] * 4).threshold
    1.050(7)
    """
    x, y, error = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (control, rate, stderr))
    if not x.shape == y.shape == error.shape or x.ndim != 1:
        raise AnalysisError("controls, rates and errors do not fit together", where="growth rates")
    used = np.isfinite(x) & np.isfinite(y) & np.isfinite(error) & (error > 0)
    flags: tuple[Flag, ...] = ()
    if not used.all():
        listed = ", ".join(f"{c:.4g}" for c in x[~used])
        flags = (LEFT_OUT(f"no rate or no error at {listed}"),)
    order = np.argsort(x[used])
    x, y, error = (v[used][order] for v in (x, y, error))
    if np.unique(x).size < 3:
        words = TOO_FEW_POINTS(f"rates at {np.unique(x).size} controls, three are needed")
        return _unknown(x, y, error, (*flags, words))
    middle, unit = 0.5 * (x[0] + x[-1]), 0.5 * (x[-1] - x[0])
    fits = [
        _polynomial((x - middle) / unit, y, error, degree)
        for degree in _DEGREES
        if np.unique(x).size > degree + 1
    ]
    weights = np.array([fit.weight for fit in fits])
    if not weights.any():
        problems = dict.fromkeys(fit.problem or _bad(fit) for fit in fits)
        return _unknown(x, y, error, (*flags, *problems))
    weights /= weights.sum()
    best = fits[int(np.argmax(weights))]
    roots = np.array([(middle + unit * fit.root, unit * fit.root_stderr) for fit in fits]).T
    slopes = np.array([(fit.slope / unit, fit.slope_stderr / unit) for fit in fits]).T
    curve = np.linspace(-1.0, 1.0, 101)
    return GrowthThreshold(
        control=x,
        rate=y,
        stderr=error,
        threshold=replace(average(roots, weights), flags=flags),
        slope=replace(average(slopes, weights), flags=flags),
        degree=best.degree,
        chi2=best.chi2,
        dof=best.dof,
        p_value=best.p_value,
        curve_x=middle + unit * curve,
        curve_y=np.asarray(np.polyval(best.coefficients, curve), dtype=np.float64),
        flags=flags,
    )


def _polynomial(x: FloatArray, y: FloatArray, error: FloatArray, degree: int) -> _Fit:
    """Weighted least squares on -1 <= x <= 1, and the zero in that range."""
    design = np.vander(x, degree + 1) / error[:, None]
    covariance = np.asarray(np.linalg.inv(design.T @ design), dtype=np.float64)
    coefficients = np.asarray(covariance @ design.T @ (y / error), dtype=np.float64)
    chi2 = float(np.sum((y / error - design @ coefficients) ** 2))
    dof = x.size - degree - 1
    p_value = float(scipy.stats.chi2.sf(chi2, dof))
    roots = np.roots(coefficients)
    inside = np.real(roots[(np.imag(roots) == 0) & (np.abs(np.real(roots)) <= 1)])
    if inside.size != 1:
        problem = NO_THRESHOLD(f"{inside.size} zeros of the rate within the controls")
        nothing = (math.nan,) * 4
        return _Fit(degree, coefficients, covariance, *nothing, chi2, dof, p_value, problem)
    root = float(inside[0])
    powers = np.vander([root], degree + 1)[0]
    derivative = np.polyder(coefficients)
    slope = float(np.polyval(derivative, root))
    # The slope at the zero moves with the zero, too.
    bend = float(np.polyval(np.polyder(derivative), root))
    by_root = np.append(np.arange(degree, 0, -1) * np.vander([root], degree)[0], 0.0)
    by_slope = by_root - bend / slope * powers
    root_stderr = math.sqrt(float(powers @ covariance @ powers)) / abs(slope)
    slope_stderr = math.sqrt(float(by_slope @ covariance @ by_slope))
    return _Fit(
        degree,
        coefficients,
        covariance,
        root,
        root_stderr,
        slope,
        slope_stderr,
        chi2,
        dof,
        p_value,
        None,
    )


def _bad(fit: _Fit) -> Flag:
    return BAD_FIT(f"a polynomial of degree {fit.degree} has chi2/dof {fit.chi2:.1f}/{fit.dof}")


def _unknown(
    x: FloatArray, y: FloatArray, error: FloatArray, flags: tuple[Flag, ...]
) -> GrowthThreshold:
    blank, nothing = Estimate(math.nan, flags=flags), np.empty(0)
    return GrowthThreshold(
        x, y, error, blank, blank, 0, math.nan, 0, math.nan, nothing, nothing, flags
    )
