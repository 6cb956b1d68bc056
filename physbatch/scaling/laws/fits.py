"""Exponents: quantities against size, with all fits that can be used averaged."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    BAD_FIT,
    FIXED_EXPONENT,
    LEFT_OUT,
    NO_INVERSE,
    NO_PARAMETER,
    SMALL_SIZES_EXCLUDED,
    TOO_FEW_POINTS,
)
from physbatch.results.record import Record, strict_json
from physbatch.scaling.laws.power_laws import Form, FormFit, fit_form, law
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

__all__ = [
    "ScalingFit",
    "fit_critical_control",
    "fit_law",
    "inverse",
]


@dataclass(frozen=True, eq=False, repr=False)
class ScalingFit(Record):
    """A quantity against size: the parameters averaged over all fits that can be used."""

    axes: ClassVar[dict[str, tuple[str, ...]]] = {
        "x": ("point", "variable"),
        **dict.fromkeys(("value", "stderr", "fitted"), ("point",)),
        **dict.fromkeys(("curve_x", "curve_y"), ("curve",)),
        **{f"fit_{n}": ("fit",) for n in ("size_min", "chi2", "dof", "p_value", "weight")},
        **dict.fromkeys(("fit_values", "fit_stderr"), ("fit", "parameter")),
    }

    quantity: str
    variables: tuple[str, ...]
    x: FloatArray  # shape (n_point, n_variable)
    value: FloatArray  # shape (n_point,)
    stderr: FloatArray
    form: str  # the form with the largest weight
    names: tuple[str, ...]  # its parameters
    estimates: tuple[Estimate, ...]
    chi2: float  # of its best window
    dof: int
    p_value: float
    starts_tried: int
    starts_agreed: int
    flags: tuple[Flag, ...]
    fitted: FloatArray  # the best fit at the points; nan below its smallest size
    curve_x: FloatArray  # the best fit as a curve, in the first variable
    curve_y: FloatArray
    fit_form: tuple[str, ...]  # every fit: form, smallest size, ...
    fit_size_min: FloatArray
    fit_chi2: FloatArray
    fit_dof: FloatArray
    fit_p_value: FloatArray
    fit_weight: FloatArray  # 0: not used
    fit_values: FloatArray  # shape (n_fit, n_parameter), of `names`; nan where a form has none
    fit_stderr: FloatArray

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of a parameter; nan if the form has none of that name."""
        blank = Estimate(math.nan, flags=(NO_PARAMETER(f"{self.form} has no {name}"),))
        return dict(zip(self.names, self.estimates, strict=True)).get(name, blank)

    def __repr__(self) -> str:
        listed = ", ".join(f"{n} = {e}" for n, e in zip(self.names, self.estimates, strict=True))
        flags = bracketed(self.flags)
        return (
            f"ScalingFit({self.quantity} = {self.formula}: {listed}; chi2/dof = "
            f"{self.chi2:.3g}/{self.dof}){flags}"
        )

    @property
    def formula(self) -> str:
        """The form in its own variable: ``A L^b`` for linear sizes."""
        return self.form.replace("N", self.variables[0])

    def stated(self) -> dict[str, Estimate]:
        """The parameters of the form by their names."""
        return dict(zip(self.names, self.estimates, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Parameters, goodness, starts and flags as strict JSON."""
        return strict_json(
            self.stated(),
            {"form": self.form, "chi2": self.chi2, "dof": self.dof, "p_value": self.p_value},
            {"tried": self.starts_tried, "agreed": self.starts_agreed},
            self.flags,
        )


def fit_law(
    size: npt.ArrayLike,
    value: npt.ArrayLike,
    stderr: npt.ArrayLike,
    forms: Sequence[Form] = (law("power"), law("corrected")),
    *,
    quantity: str = "y",
    variables: tuple[str, ...] = ("N",),
    covariance: npt.ArrayLike | None = None,
    scan: bool = True,
) -> ScalingFit:
    r"""Fit some laws from every smallest size on, and average what can be used.

    Each fit has the weight :math:`\exp(-\mathrm{AIC}/2)` with AIC = chi2 + 2 (parameters) + 2
    (points left out), the average over models and data windows of Jay and Neil. The statistical
    error is the weighted mean in quadrature, the systematic one the weighted spread of a
    parameter over forms and windows (amplitudes: over the windows of the best form alone).

    Parameters
    ----------
    size : array_like, shape (n_point,) or (n_point, n_variable)
        N, or N and other variables.
    value, stderr : array_like, shape (n_point,)
        The quantity; points without a value or a positive error are left out and flagged.
    forms : sequence of Form
        The admitted laws.
    quantity : str
        Its name, for the messages.
    variables : tuple of str
        Names of the columns of `size`.
    covariance : array_like, shape (n_point, n_point), optional
        Where the points are correlated; its diagonal is ``stderr**2``.
    scan : bool
        Leave out the smallest sizes one by one; False: fit all points only.

    Returns
    -------
    ScalingFit
        All estimates are nan, with a flag, if no fit can be used: ``too_few_points``,
        ``at_bound``, ``undetermined``, ``not_converged`` or ``bad_fit`` (chi-squared
        probability below 1e-3). ``small_sizes_excluded``: no form describes all points.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    References
    ----------
    Jay and Neil, Phys. Rev. D 103 (2021) 114502, doi 10.1103/PhysRevD.103.114502.

    Examples
    --------
    >>> n = np.array([32, 64, 128, 256, 512])
    >>> fit_law(n, 0.3 * n**1.75, 0.01 * n**1.75, [law("power")])["b"]
    1.750(19)(0)
    """
    x = np.atleast_1d(np.asarray(size, dtype=np.float64))
    x = x[:, None] if x.ndim == 1 else x
    y, error = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (value, stderr))
    held = np.diag(error**2) if covariance is None else np.asarray(covariance, dtype=np.float64)
    if not len(x) == len(y) == len(error) == len(held) or np.any(~(x[:, 0] > 0)):
        raise AnalysisError(
            f"{quantity}: sizes, values and errors do not fit together",
            remedy="give one positive size, one value and one error each",
        )
    used = np.isfinite(y) & np.isfinite(error) & (error > 0.0)
    missing = ", ".join(f"{n:g}" for n in x[~used, 0])
    flags = (LEFT_OUT(f"{quantity} has no value or no error at {missing}"),) if missing else ()
    x, y, error, held = x[used], y[used], error[used], held[np.ix_(used, used)]
    cuts = np.unique(x[:, 0])[: None if scan else 1]
    fits = []
    for form in forms:
        for cut in cuts:
            keep = x[:, 0] >= cut
            fit = fit_form(form, x[keep], y[keep], held[np.ix_(keep, keep)], float(cut))
            fits.append(fit._replace(aic=fit.aic + 2.0 * float(np.sum(~keep))))
    return _summary(quantity, variables, x, y, error, fits, flags)


def _summary(
    quantity: str,
    variables: tuple[str, ...],
    x: FloatArray,
    y: FloatArray,
    error: FloatArray,
    fits: list[FormFit],
    flags: tuple[Flag, ...],
) -> ScalingFit:
    weights = _weights(fits)
    best = (
        fits[int(np.argmax(weights))] if fits else fit_form(law("constant"), x, y, np.eye(len(y)))
    )
    names = best.form.parameters
    table = np.full((2, len(fits), len(names)), math.nan)
    for row, fit in enumerate(fits):
        for column, name in enumerate(names):
            if name in fit.form.parameters:
                place = fit.form.parameters.index(name)
                table[:, row, column] = fit.values[place], fit.stderr[place]
    solved = weights.any()
    flags = (*flags, *_flags(quantity, fits, weights, best, x))
    estimates = tuple(
        _average(table[:, :, column], _sharing(name, fits, weights, best))
        if solved
        else Estimate(math.nan, flags=flags)
        for column, name in enumerate(names)
    )
    fitted, curve_x, curve_y = np.full(len(y), math.nan), np.empty(0), np.empty(0)
    if solved:
        inside = x[:, 0] >= best.size_min
        fitted[inside] = best.form(x[inside], list(best.values))
        if x.shape[1] == 1:
            curve_x = np.geomspace(best.size_min, x[:, 0].max(), 101)
            curve_y = best.form(curve_x[:, None], list(best.values))
    columns = {
        f"fit_{n}": np.array([getattr(fit, n) for fit in fits], dtype=np.float64)
        for n in ("size_min", "chi2", "dof", "p_value")
    }
    return ScalingFit(
        quantity=quantity,
        variables=variables,
        x=x,
        value=y,
        stderr=error,
        form=best.form.name,
        names=names,
        estimates=estimates,
        chi2=best.chi2,
        dof=best.dof,
        p_value=best.p_value,
        starts_tried=best.tried,
        starts_agreed=best.agreed,
        flags=flags,
        fitted=fitted,
        curve_x=curve_x,
        curve_y=curve_y,
        fit_form=tuple(fit.form.name for fit in fits),
        fit_weight=weights,
        fit_values=table[0],
        fit_stderr=table[1],
        **columns,
    )


def _weights(fits: list[FormFit]) -> FloatArray:
    """Akaike weights of the fits that can be used, all 0 if there is none."""
    good = np.array([not fit.problem and fit.p_value > ACCEPTABLE for fit in fits], dtype=bool)
    aic = np.array([fit.aic for fit in fits])
    weights = np.zeros(len(fits))
    if good.any():
        weights[good] = np.exp(-0.5 * (aic[good] - aic[good].min()))
        weights /= weights.sum()
    return weights


def _sharing(name: str, fits: list[FormFit], weights: FloatArray, best: FormFit) -> FloatArray:
    """Weights of the fits in which a parameter means the same."""
    shared = name in ("b", "c")  # phi differs: a N^-phi with a = 0 leaves the next power
    held = np.array(
        [
            name in fit.form.parameters and (shared or fit.form.name == best.form.name)
            for fit in fits
        ]
    )
    return np.asarray(weights * held / np.sum(weights * held))


def _average(columns: FloatArray, weights: FloatArray) -> Estimate:
    """Weighted mean of values and errors, shape (2, n_fit), with their spread."""
    used = weights > 0.0
    values, errors = columns[:, used]
    w = weights[used]
    value = float(w @ values)
    stderr = math.sqrt(float(w @ errors**2))
    systematic = math.sqrt(max(float(w @ (values - value) ** 2), 0.0))
    return Estimate(value, stderr, systematic, (value - stderr, value + stderr))


def _flags(
    quantity: str, fits: list[FormFit], weights: FloatArray, best: FormFit, x: FloatArray
) -> tuple[Flag, ...]:
    if weights.any():
        everything = [w for w, fit in zip(weights, fits, strict=True) if fit.size_min == x[0, 0]]
        if any(everything) or best.size_min == x[:, 0].min():
            return ()
        words = f"no form describes {quantity} below {best.size_min:g}"
        return (SMALL_SIZES_EXCLUDED(f"{words}"),)
    full = [fit for fit in fits if fit.size_min == x[:, 0].min()]
    problems = tuple(dict.fromkeys(fit.problem for fit in full if fit.problem))
    rejected = [fit for fit in full if not fit.problem]
    if rejected:
        listed = ", ".join(f"{fit.form.name}: {fit.chi2:.1f}/{fit.dof}" for fit in rejected)
        problems = (*problems, BAD_FIT(f"no form describes {quantity}, chi2/dof {listed}"))
    return problems or (TOO_FEW_POINTS(f"{quantity} has none"),)


def inverse(estimate: Estimate, *, sign: float = 1.0) -> Estimate:
    """sign / x with errors: nu from 1/nu, or from an exponent b = -1/nu with sign -1.

    Parameters
    ----------
    estimate : Estimate
        x with its errors.
    sign : float
        1 or -1.

    Returns
    -------
    Estimate
        Errors in linear order, the interval from the ends of that of x; nan, with a flag, where x
        is within two standard errors of 0.

    Examples
    --------
    >>> inverse(Estimate(-0.5, 0.01), sign=-1.0)
    2.00(4)
    """
    x = estimate.value
    if not math.isfinite(x):
        return Estimate(math.nan, flags=estimate.flags)
    if not abs(x) > 2.0 * estimate.total:
        return Estimate(math.nan, flags=(NO_INVERSE(f"{estimate} is compatible with 0"),))
    ends = sorted(sign / end for end in estimate.interval68)
    factor = 1.0 / x**2
    return Estimate(
        sign / x, estimate.stderr * factor, estimate.systematic * factor, (ends[0], ends[1])
    )


def fit_critical_control(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    dimension: str = "L",
    quantity: str = "c_c",
    covariance: npt.ArrayLike | None = None,
) -> ScalingFit:
    """Extrapolate c_c(N) = c + a N^-phi (+ b N^(-2 phi)); phi is 1/nu, or 1/nu + omega.

    From four sizes on phi is free, and the second power is there if the first alone does not
    describe all sizes. With three, or where the data do not fix phi (flag
    ``fixed_exponent``), c is averaged over phi = 1/2, 1, 3/2 (sizes per volume) or 1, 2, 3
    (linear sizes) and no shift at all, and their spread is the systematic error.

    Parameters
    ----------
    size, control, stderr : array_like, shape (n_size,)
        N, c_c(N) and its error.
    dimension : {"N", "L"}
        What a size is.
    quantity : str
        Its name, for the messages.
    covariance : array_like, shape (n_size, n_size), optional
        Where the values are correlated, as crossings that share a size are.

    Returns
    -------
    ScalingFit
        Its parameters are ``c`` and, where it is free, ``phi``.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0, 800.0])
    >>> fit = fit_critical_control(n, 13.0 + 10.0 / n, [1e-3] * 5, dimension="N")
    >>> abs(fit["c"].value - 13.0) < fit["c"].total, abs(fit["phi"].value - 1) < 0.05
    (True, True)
    """
    kwargs: dict[str, Any] = {"quantity": quantity, "variables": (dimension,)}
    kwargs["covariance"] = covariance
    known = np.unique(np.asarray(size)[np.isfinite(np.asarray(control, dtype=float))]).size
    if known < 3:  # too few points, which the flag then says
        return fit_law(size, control, stderr, [law("shifted")], scan=False, **kwargs)
    if known >= 4:
        free = fit_law(size, control, stderr, [law("shifted")], **kwargs)
        if SMALL_SIZES_EXCLUDED.among(free.flags) or BAD_FIT.among(free.flags):
            return fit_law(size, control, stderr, [law("shifted"), law("approach")], **kwargs)
        if math.isfinite(free["c"].value):
            return free
    fixed = (0.5, 1.0, 1.5) if dimension == "N" else (1.0, 2.0, 3.0)
    laws = [law("constant"), *(law("shifted", phi=phi) for phi in fixed)]
    held = fit_law(size, control, stderr, laws, scan=False, **kwargs)
    if not math.isfinite(held["c"].value):
        return held
    note = FIXED_EXPONENT(f"{quantity} does not fix phi, averaged over {fixed} and no shift")
    return dataclasses.replace(held, flags=(*held.flags, note))
