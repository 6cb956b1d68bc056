"""From finite sizes to N -> infinity at fixed run time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    BAD_FIT,
    LEFT_OUT,
    LIMIT_NOT_PROVEN,
    NO_FINITE_LIMIT,
    NO_SIZE,
    ONE_SIZE,
    TWO_SIZES,
)
from physbatch.results.record import Record, result
from physbatch.scaling.laws.power_laws import Law, law, law_of_text
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import Dims, FloatArray, IntArray

if TYPE_CHECKING:
    import lmfit


#: The law without a limit.
DRIFT = law("drift")
_LAWS = (law("level"), law("inverse"), law("spinodal"), law("inverse_root"), DRIFT)
#: Difference of AIC at which one form is decisively preferred: odds of e^5 = 150.
DECISIVE = 10.0


def _empty() -> FloatArray:
    return np.empty(0)


@result("extrapolation")
@dataclass(frozen=True, eq=False, repr=False)
class Extrapolation(Record):
    """A quantity against 1/N, extrapolated to N -> infinity.

    The line of form i is ``form_intercept[i] + form_slope[i] g(N)`` with g the function in
    its name; ``form_limit`` is nan where g has no limit.
    """

    dims: ClassVar[Dims] = {
        **dict.fromkeys(("size", "value", "stderr"), ("size",)),
        "forms": ("form",),
        **{
            f"form_{name}": ("form",)
            for name in ("limit", "stderr", "slope", "chi2", "dof", "intercept", "weight")
        },
    }

    quantity: str
    size: FloatArray
    value: FloatArray
    stderr: FloatArray
    limit: Estimate  # systematic: spread over the fit forms
    forms: tuple[str, ...]  # e.g. ("a + b / N", "a + b / sqrt(N)", "a")
    form_limit: FloatArray  # shape (n_form,)
    form_stderr: FloatArray
    form_slope: FloatArray  # shape (n_form,): b, 0 where the form has none
    form_chi2: FloatArray
    form_dof: IntArray
    flags: tuple[Flag, ...] = ()
    form_intercept: FloatArray = field(default_factory=_empty)  # a, also where there is no limit
    form_weight: FloatArray = field(default_factory=_empty)  # in the average; 0: not used

    def __post_init__(self) -> None:
        for name in ("form_intercept", "form_weight"):
            if getattr(self, name).shape != self.form_limit.shape:
                blank = self.form_limit if name == "form_intercept" else self.form_limit * np.nan
                object.__setattr__(self, name, np.array(blank))

    @property
    def laws(self) -> tuple[Law, ...]:
        """The law of every form."""
        return tuple(map(law_of_text, self.forms))

    def curve(self, size: npt.ArrayLike) -> FloatArray:
        """Every fitted form at some sizes, shape (n_form, n_size); nan where its fit failed."""
        n = np.asarray(size, dtype=np.float64)
        parameters = zip(self.laws, self.form_intercept, self.form_slope, strict=True)
        rows = [form(n, (a, b)[: len(form.parameters)]) for form, a, b in parameters]
        return np.array(rows).reshape(len(rows), n.size)

    def __repr__(self) -> str:
        return (
            f"Extrapolation({self.quantity} = {self.limit} at N -> infinity from "
            f"{self.size.size} sizes){bracketed(self.flags)}"
        )


class _Fit(NamedTuple):
    law: Law
    intercept: float
    slope: float
    stderr: float
    slope_stderr: float
    chi2: float
    dof: int
    aic: float
    p_value: float

    @property
    def limit(self) -> float:
        return math.nan if self.law == DRIFT else self.intercept


def extrapolate(
    quantity: str, size: npt.ArrayLike, value: npt.ArrayLike, stderr: npt.ArrayLike
) -> Extrapolation:
    r"""Extrapolate a quantity y(N) to N -> infinity.

    Fits a, a + b/N, a + b/N^(2/3) (the rounding of a mean-field spinodal), a + b/sqrt(N) and, as
    the alternative without a limit, a + b ln N, by weighted least squares. Values at one run time
    give the limit N -> infinity at that time; t -> infinity comes after it. The limit is the
    average of a over the finite-limit forms that describe the data (chi-squared probability above
    1e-3), with Akaike weights
    :math:`\propto \exp(-\mathrm{AIC}/2)`, AIC = chi2 + 2 (number of parameters); its
    systematic error is the weighted standard deviation of a over these forms.

    Parameters
    ----------
    quantity : str
        What is extrapolated, e.g. ``"m_c"``.
    size, value, stderr : array_like, shape (n_size,)
        N, y and its standard error. Points whose value is nan, or whose error is not a
        positive number, are left out and flagged.

    Returns
    -------
    Extrapolation
        The limit is nan, with a flag, where the data do not determine it:

        ``no_size``, ``one_size``, ``two_sizes``
            A limit with a test of its form needs three sizes; with two the fitted forms are
            listed, but none is chosen.
        ``no_finite_limit``
            a + b ln N describes the data (probability above 1e-3) and its AIC is lower by
            more than 10 (odds of 150 to 1) than that of every finite-limit form, or no
            finite-limit form describes them.
        ``bad_fit``
            No form at all describes the data.

        ``limit_not_proven`` leaves the value standing: the quantity moves with N (b of
        a + b ln N is beyond 3 standard errors) and that form describes the data and is not
        decisively worse (AIC higher by less than 10) than the best form with a limit.
        ``left_out`` names points that were not used.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays of different lengths, or sizes that are not positive.

    References
    ----------
    Burnham and Anderson, *Model Selection and Multimodel Inference* (2002),
    doi 10.1007/b97636.

    Examples
    --------
    >>> extrapolate("m_c", [50, 100, 200, 400], [13.4, 13.2, 13.1, 13.05], [0.01] * 4).limit
    12.995(9)(20)
    """
    n, y, error = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (size, value, stderr))
    if not n.shape == y.shape == error.shape or np.any(~(n > 0)):
        raise AnalysisError(
            f"{quantity}: sizes, values and errors do not fit together",
            remedy="give one positive size, one value and one error each",
        )
    used = np.isfinite(y) & np.isfinite(error) & (error > 0.0)
    flags: tuple[Flag, ...] = ()
    if not used.all():
        missing = ", ".join(f"{x:g}" for x in n[~used])
        flags = (LEFT_OUT(f"{quantity} has no value or no error at N = {missing}"),)
    n, y, error = n[used], y[used], error[used]
    sizes = np.unique(n).size
    fits = [_fit(form, n, y, error) for form in _LAWS if len(form.parameters) <= sizes]
    limit, weights = _average(quantity, fits, n.size)
    flags = (*flags, *limit.flags)
    return Extrapolation(
        quantity,
        n,
        y,
        error,
        replace(limit, flags=flags),
        tuple(fit.law.text() for fit in fits),
        np.array([fit.limit for fit in fits]),
        np.array([fit.stderr for fit in fits]),
        np.array([fit.slope for fit in fits]),
        np.array([fit.chi2 for fit in fits]),
        np.array([fit.dof for fit in fits], dtype=np.int64),
        flags,
        np.array([fit.intercept for fit in fits]),
        weights,
    )


def _fit(form: Law, n: FloatArray, y: FloatArray, error: FloatArray) -> _Fit:
    import lmfit  # it imports matplotlib, which reading results must not cost

    count = len(form.parameters)
    g = form.terms(n[:, None])[-1] if count == 2 else np.zeros_like(n)
    parameters = lmfit.Parameters()
    parameters.add("a", value=float(np.average(y, weights=error**-2.0)))
    parameters.add("b", value=0.0, vary=count == 2)

    def residual(tried: lmfit.Parameters) -> FloatArray:
        return np.asarray((tried["a"].value + tried["b"].value * g - y) / error)

    fit = lmfit.minimize(residual, parameters, scale_covar=False)
    chi2, dof = float(np.sum(fit.residual**2)), n.size - count
    unknown = np.full((count, count), math.nan)
    covariance = unknown if getattr(fit, "covar", None) is None else np.asarray(fit.covar)
    solved = bool(fit.success) and bool(np.all(np.isfinite(covariance)))
    errors = np.sqrt(np.diag(covariance))
    return _Fit(
        form,
        float(fit.params["a"].value) if solved else math.nan,
        float(fit.params["b"].value) if solved else math.nan,
        float(errors[0]),
        float(errors[-1]) if count == 2 else 0.0,
        chi2 if solved else math.nan,
        dof,
        chi2 + 2.0 * count if solved else math.inf,
        float(scipy.stats.chi2.sf(chi2, dof)) if solved and dof > 0 else math.nan,
    )


def _average(quantity: str, fits: list[_Fit], sizes: int) -> tuple[Estimate, FloatArray]:
    """The limit and the weight of every form."""
    weights = np.zeros(len(fits))
    if sizes < 3:
        kind = (NO_SIZE, ONE_SIZE, TWO_SIZES)[sizes]
        flag = kind(f"{quantity} is known at {sizes} sizes, a tested limit needs three")
        return Estimate(math.nan, flags=(flag,)), weights
    best = min(fit.aic for fit in fits if fit.law != DRIFT)
    drift = next(fit for fit in fits if fit.law == DRIFT)
    good = np.array([fit.law != DRIFT and fit.p_value > ACCEPTABLE for fit in fits])
    drifts = drift.p_value > ACCEPTABLE
    if drifts and (drift.aic < best - DECISIVE or not good.any()):
        flag = NO_FINITE_LIMIT(
            f"{quantity} goes as {drift.slope:.3g} ln N, AIC lower by "
            f"{best - drift.aic:.1f} than that of the best form with a limit"
        )
        return Estimate(math.nan, flags=(flag,)), weights
    if not good.any():
        listed = ", ".join(f"{fit.law.text()}: {fit.chi2:.1f}/{fit.dof}" for fit in fits)
        flag = BAD_FIT(f"no form describes {quantity}, chi2/dof {listed}")
        return Estimate(math.nan, flags=(flag,)), weights
    aic = np.array([fit.aic for fit in fits])
    weights[good] = np.exp(-0.5 * (aic[good] - aic[good].min()))
    weights /= weights.sum()
    limits = np.array([fit.limit for fit in fits])
    value = float(weights[good] @ limits[good])
    variance = float(weights[good] @ np.array([fit.stderr for fit in fits])[good] ** 2)
    systematic = math.sqrt(float(weights[good] @ (limits[good] - value) ** 2))
    flags: tuple[Flag, ...] = ()
    moves = abs(drift.slope) > 3.0 * drift.slope_stderr
    if drifts and moves and drift.aic < best + DECISIVE:
        flags = (
            LIMIT_NOT_PROVEN(
                f"{quantity} = {drift.intercept:.4g} "
                f"{drift.slope:+.3g} ln N is not excluded (AIC {drift.aic - best:+.1f} "
                "against the best form with a limit)"
            ),
        )
    stderr = math.sqrt(variance)
    return Estimate(value, stderr, systematic, (value - stderr, value + stderr), flags), weights
