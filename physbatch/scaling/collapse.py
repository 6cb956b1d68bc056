"""Data collapse: exponents from the demand that all sizes fall on one curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.scaling.collapse_fit import Objective, Optimum, climb, newton, response, units_of
from physbatch.scaling.collapse_result import Collapse, WindowFit, collapsed_points, master_curve
from physbatch.scaling.point_noise import correlated_covariance
from physbatch.scaling.results import Estimate
from physbatch.scaling.scaling_form import ScalingForm, make_form
from physbatch.scaling.starts import coarse_table, starts
from physbatch.scaling.table import ScalingTable
from physbatch.scaling.windows import Window, inside, shared_fraction, windows

__all__ = ["collapse"]

FloatArray = npt.NDArray[np.float64]

#: Points on which windows are compared; the final fit uses all of its window.
_SCAN_POINTS = 160
#: Most points of a Gaussian process; its cost grows as their cube.
_MOST_POINTS = 2000
#: p-value below which a fit is called bad.
BAD_FIT = 1e-3
#: A collapse whose sizes share less of x than this is none.
_LEAST_SHARED = 0.6


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fit in one window."""

    window: Window
    objective: Objective
    optimum: Optimum
    covariance: FloatArray  # of the fit vector
    chi2: float
    dof: float
    shared: float
    points: int  # of the window; the fit may use fewer

    @property
    def p_value(self) -> float:
        return float(stats.chi2.sf(self.chi2, self.dof)) if self.dof > 0 else math.nan

    @property
    def exponents(self) -> FloatArray:
        return self.optimum.vector[: self.objective.exponents]

    @property
    def sound(self) -> bool:
        """Converged, inside the bounds, and with sizes that share x."""
        return (
            self.optimum.converged
            and not self.objective.at_bound(self.optimum.vector)
            and self.shared >= _LEAST_SHARED
            and self.dof >= 2
        )

    @property
    def score(self) -> float:
        """-AIC of a fit that leaves points out, up to a constant: 2 dof - chi^2.

        Scaled to all points of the window where the fit used fewer.
        """
        return (2 * self.dof - self.chi2) * self.points / len(self.objective.table.size)


def collapse(
    table: ScalingTable,
    observable: str | Sequence[str] | None = None,
    *,
    fixed: Mapping[str, float] | None = None,
    corrections: bool = False,
    drift: bool = False,
    window: str = "scan",
    start: Mapping[str, float] | None = None,
) -> Collapse:
    r"""Fit :math:`y_N(c) = N^{\zeta/\nu} f(N^{1/\nu}(c - c_c))` with f a Gaussian process.

    The fit is global: starts are read off the data (`physbatch.scaling.starts`), each is
    climbed to its maximum, and the result says how many agreed with the best. Windows in
    size and in x are scanned; the one with the smallest AIC among those with an acceptable
    goodness of fit gives the values, the others the systematic error.

    Parameters
    ----------
    table : ScalingTable
        Observables with errors at points (size, control).
    observable : str or sequence of str, optional
        Which one, or several that share c_c and nu; by default all of the table.
    fixed : mapping, optional
        Exponents held at a value: ``c_c``, ``nu``, ``zeta``, ``omega``, ``phi``.
    corrections : bool
        Fit f0(x) + N^(-omega) f1(x).
    drift : bool
        Let c_c(N) = c_c + shift N^(-phi).
    window : {"scan", "all"}
        Scan windows, or take all points (then there is no systematic error).
    start : mapping, optional
        One more start. The answer does not depend on it.

    Returns
    -------
    Collapse
        Exponents with errors, goodness of fit, the windows, and flags: ``bad_fit``,
        ``not_converged``, ``at_bound``, ``no_overlap``, ``flat``, ``starts_disagree``,
        ``correlated_points``.

    Raises
    ------
    AnalysisError
        If there are too few sizes or points, or an observable is not in the table.

    References
    ----------
    Harada, PRE 84 (2011) 056704, doi 10.1103/PhysRevE.84.056704.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> size = np.repeat([8.0, 16.0, 32.0], 15)
    >>> control = np.tile(np.linspace(0.9, 1.1, 15), 3)
    >>> error = np.full(45, 0.01)
    >>> value = np.tanh(size * (control - 1.0)) + error * rng.normal(size=45)
    >>> table = ScalingTable(size, control, {"U": value}, {"U": error})
    >>> result = collapse(table, fixed={"zeta": 0.0}, window="all")
    >>> abs(result.parameters["nu"].value - 1.0) < 0.1
    True
    """
    names = _observables(table, observable)
    _check_data(table, names)
    flags = _point_noise(table, names)
    form = make_form(table, names, fixed=fixed, corrections=corrections, drift=drift)
    tried, agreed, units, best = _global_optimum(form, table, start)
    fits = _scan(form, table, units, best, window)
    chosen = _choose(fits)
    final = _final(form, table, chosen)
    return _result(form, table, final, fits, tried, agreed, flags)


# --- input ------------------------------------------------------------------------------


def _observables(table: ScalingTable, observable: str | Sequence[str] | None) -> tuple[str, ...]:
    if observable is None:
        return table.observables
    names = (observable,) if isinstance(observable, str) else tuple(observable)
    for name in names:
        if name not in table.values:
            raise AnalysisError(
                f"no observable {name!r}",
                where="collapse",
                remedy=f"choose among {', '.join(table.observables)}",
            )
    return names


def _check_data(table: ScalingTable, names: Sequence[str]) -> None:
    """Refuse what no collapse can come from."""

    def refuse(what: str, remedy: str) -> None:
        raise AnalysisError(what, where="collapse", remedy=remedy)

    if len(table.sizes) < 2:
        refuse(f"{len(table.sizes)} size", "a collapse needs two or more, three to be of use")
    if len(table.size) > _MOST_POINTS:
        refuse(
            f"{len(table.size)} points are too many for a Gaussian process",
            f"use at most {_MOST_POINTS}: a window, or averages over neighbours",
        )
    for name in names:
        value, error = table.values[name], table.errors[name]
        if not (np.isfinite(value).all() and np.isfinite(error).all() and (error > 0).all()):
            refuse(f"{name}: values and errors must be finite and errors positive", "mend them")
        if np.ptp(value) == 0:
            refuse(f"{name} is constant", "there is nothing to collapse")
    if len(table.size) < 8 or np.ptp(table.control) == 0:
        refuse(
            f"{len(table.size)} points at {len(np.unique(table.control))} controls",
            "give at least 8 points at several controls",
        )


def _point_noise(table: ScalingTable, names: Sequence[str]) -> tuple[str, ...]:
    """Flags of the observables whose points visibly move together."""
    flags = []
    for name in names:
        if name in table.covariance:
            continue
        matrix, rough = correlated_covariance(table, name)
        if matrix is not None:
            flags.append(
                f"correlated_points: neighbouring points of {name} scatter only "
                f"{math.sqrt(rough):.2g} of their errors about each other, so the errors of the "
                "fit are those of points that move together; give a covariance to do better"
            )
    return tuple(flags)


# --- fits -------------------------------------------------------------------------------


def _hyper_names(form: ScalingForm, nugget: bool) -> tuple[str, ...]:
    names = ["amplitude", "length"]
    names += ["correction"] if form.corrections else []
    names += ["nugget"] if nugget else []
    return tuple(names)


def _global_optimum(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None
) -> tuple[int, int, tuple[float, ...], list[Optimum]]:
    """Climb from every start with a nugget, which keeps wrong exponents from trapping the fit.

    Returns how many starts were tried, how many agree with the best, the units of the
    observables, and the different optima, the best first.
    """
    small = coarse_table(table)
    vectors = starts(form, table)
    if start is not None:
        vectors.append(form.vector({**form.exponents(vectors[0]), **start}))
    units = units_of(form, small, vectors[0], form.observables)
    objective = Objective(form, small, units, _hyper_names(form, nugget=True))
    found = [climb(objective, objective.start(vector)) for vector in vectors]
    found = [one for one in found if math.isfinite(one.value)]
    if not found:
        raise AnalysisError(
            "no start gives a finite likelihood", where="collapse", remedy="check the errors"
        )
    proper = [one for one in found if _shared(form, small, one.vector) >= _LEAST_SHARED] or found
    proper.sort(key=lambda one: -one.value)
    agreed = sum(_same(form, one, proper[0]) for one in found)
    different = [proper[0]]
    for one in proper[1:]:
        if not any(_same(form, one, known) for known in different):
            different.append(one)
    return len(found), agreed, units, different[:3]


def _same(form: ScalingForm, one: Optimum, other: Optimum) -> bool:
    count = len(form.names)
    near = np.abs(one.vector[:count] - other.vector[:count]).max() < 0.02
    return bool(near or abs(one.value - other.value) < 0.02)


def _shared(form: ScalingForm, table: ScalingTable, vector: FloatArray) -> float:
    x = form.rescale(vector[: len(form.names)], table, form.observables[0]).x
    return shared_fraction(table.size, x)


def _fit_window(
    form: ScalingForm,
    table: ScalingTable,
    window: Window,
    units: tuple[float, ...],
    begin: FloatArray,
    most: int,
) -> _Fit | None:
    """Fit one window, which follows the exponents: first with a nugget, then without."""
    count = len(form.names)
    vector = begin
    names = _hyper_names(form, nugget=True)
    whole = part = table
    for _ in range(2 if window.fraction < 1 else 1):
        keep = inside(window, form, vector[:count], table)
        if keep is None:
            return None
        whole = table.select(keep)
        part = coarse_table(whole, most)
        objective = Objective(form, part, units, names)
        vector = climb(objective, vector).vector
    bare = Objective(form, part, units, _hyper_names(form, nugget=False))
    return _polish(form, bare, _without_nugget(objective, vector), window, len(whole.size))


def _without_nugget(objective: Objective, vector: FloatArray) -> FloatArray:
    """The vector without the last hyperparameter of each observable."""
    count, width = objective.exponents, len(objective.hyper_names)
    hyper = vector[count:].reshape(-1, width)[:, :-1]
    return np.concatenate([vector[:count], hyper.ravel()])


def _polish(
    form: ScalingForm, objective: Objective, begin: FloatArray, window: Window, points: int
) -> _Fit:
    optimum, bend = newton(objective, climb(objective, begin))
    covariance = _covariance(objective, optimum, bend)
    chi2, dof = objective.goodness(optimum.vector)
    shared = _shared(form, objective.table, optimum.vector)
    return _Fit(window, objective, optimum, covariance, chi2, dof, shared, points)


def _covariance(objective: Objective, optimum: Optimum, bend: FloatArray) -> FloatArray:
    """Covariance of the fit vector; of points that move together where they visibly do."""
    try:
        inverse = np.linalg.inv(bend)
    except np.linalg.LinAlgError:
        return np.full_like(bend, np.nan)
    table = objective.table
    noise = [
        None if name in table.covariance else correlated_covariance(table, name)[0]
        for name in objective.form.observables
    ]
    if not optimum.converged or all(matrix is None for matrix in noise):
        return inverse
    return response(objective, optimum.vector, bend, noise)


def _scan(
    form: ScalingForm,
    table: ScalingTable,
    units: tuple[float, ...],
    optima: Sequence[Optimum],
    window: str,
) -> list[_Fit]:
    """The best fit in every window, from each of the different optima."""
    if window not in ("scan", "all"):
        raise AnalysisError(f"window = {window!r}", where="collapse", remedy="use scan or all")
    tried = list(windows(table)) if window == "scan" else [Window(float(table.sizes[0]), 1.0)]
    fits = []
    for one in tried:
        found = [
            fit
            for optimum in optima
            if (fit := _fit_window(form, table, one, units, optimum.vector, _SCAN_POINTS))
            is not None
        ]
        if found:
            fits.append(max(found, key=lambda fit: (fit.sound, fit.optimum.value)))
    return fits


def _choose(fits: Sequence[_Fit]) -> _Fit:
    """Best score among sound fits with an acceptable chi^2; else the least bad."""
    good = [fit for fit in fits if fit.sound and fit.p_value > BAD_FIT]
    if good:
        return max(good, key=lambda fit: fit.score)
    # A window without overlap collapses whatever the exponents: it comes last.
    rest = [fit for fit in fits if fit.sound]
    rest = rest or [fit for fit in fits if fit.shared >= _LEAST_SHARED and fit.dof >= 2]
    return min(rest or fits, key=lambda fit: fit.chi2 / max(fit.dof, 1.0))


def _final(form: ScalingForm, table: ScalingTable, chosen: _Fit) -> _Fit:
    """The chosen window with all of its points."""
    keep = inside(chosen.window, form, chosen.exponents, table)
    if keep is None or int(keep.sum()) == len(chosen.objective.table.size):
        return chosen
    objective = replace(chosen.objective, table=table.select(keep))
    return _polish(form, objective, chosen.optimum.vector, chosen.window, int(keep.sum()))


# --- result -----------------------------------------------------------------------------


def _result(
    form: ScalingForm,
    table: ScalingTable,
    final: _Fit,
    fits: Sequence[_Fit],
    tried: int,
    agreed: int,
    flags: tuple[str, ...],
) -> Collapse:
    values = form.exponents(final.exponents)
    stderr = _physical_errors(form, final)
    systematic = _systematic(form, final, fits)
    flags = (*flags, *_quality_flags(form, final, tried, agreed))
    usable = final.sound or final.p_value > BAD_FIT
    parameters = {}
    for place, name in enumerate(form.names):
        value, error = values[name], float(stderr[place])
        if not usable or not math.isfinite(error):
            value = math.nan if not final.optimum.converged else value
        parameters[name] = Estimate(
            value,
            error,
            systematic=float(systematic[place]),
            interval68=(value - error, value + error),
        )
    return Collapse(
        parameters=parameters,
        fixed=dict(form.fixed),
        observables=form.observables,
        chi2=final.chi2,
        dof=final.dof,
        p_value=final.p_value,
        window=final.window,
        windows=tuple(_window_fit(form, fit) for fit in fits),
        starts_tried=tried,
        starts_agreed=agreed,
        points=collapsed_points(final.objective, final.optimum.vector),
        curve=master_curve(final.objective, final.optimum.vector),
        covariance=_physical_covariance(form, final),
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        corrections=form.corrections,
        flags=flags,
    )


def _physical_covariance(form: ScalingForm, fit: _Fit) -> FloatArray:
    count = len(form.names)
    jacobian = form.jacobian(fit.exponents)
    return np.asarray(jacobian @ fit.covariance[:count, :count] @ jacobian.T)


def _physical_errors(form: ScalingForm, fit: _Fit) -> FloatArray:
    variances = np.diag(_physical_covariance(form, fit))
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.where(variances > 0, variances, np.nan))


def _window_fit(form: ScalingForm, fit: _Fit) -> WindowFit:
    values = form.exponents(fit.exponents)
    return WindowFit(
        window=fit.window,
        values={name: values[name] for name in form.names},
        errors=dict(zip(form.names, map(float, _physical_errors(form, fit)), strict=True)),
        points=len(fit.objective.table.size),
        chi2=fit.chi2,
        dof=fit.dof,
        p_value=fit.p_value,
        accepted=fit.sound and fit.p_value > BAD_FIT,
    )


def _systematic(form: ScalingForm, final: _Fit, fits: Sequence[_Fit]) -> FloatArray:
    """Spread over acceptable windows beyond what their own errors explain.

    Two nested windows differ by sigma_1^2 - sigma_2^2 for statistical reasons alone; the rest
    of the squared difference is averaged with weights of their information.
    """
    chosen = form.exponents(final.exponents)
    own = _physical_errors(form, final)
    excess = np.zeros(len(form.names))
    weights = np.zeros(len(form.names))
    for fit in fits:
        if not fit.sound or fit.p_value <= BAD_FIT or fit.window == final.window:
            continue
        values = form.exponents(fit.exponents)
        errors = _physical_errors(form, fit)
        for place, name in enumerate(form.names):
            if not math.isfinite(errors[place]):
                continue
            difference = (values[name] - chosen[name]) ** 2
            statistical = max(errors[place] ** 2, own[place] ** 2) - min(
                errors[place] ** 2, own[place] ** 2
            )
            weight = 1 / max(errors[place], own[place]) ** 2
            excess[place] += weight * max(difference - statistical, 0.0)
            weights[place] += weight
    return np.sqrt(np.divide(excess, weights, out=np.zeros_like(excess), where=weights > 0))


def _quality_flags(form: ScalingForm, fit: _Fit, tried: int, agreed: int) -> tuple[str, ...]:
    flags = []
    if not fit.optimum.converged:
        flags.append("not_converged: the likelihood has no maximum here; it is flat or runs away")
    bound = fit.objective.at_bound(fit.optimum.vector)
    if bound:
        flags.append(f"at_bound: {', '.join(bound)} ran to the end of the allowed range")
    if fit.shared < _LEAST_SHARED:
        flags.append(
            f"no_overlap: only {100 * fit.shared:.0f} % of the points share their x with another "
            "size, so anything collapses"
        )
    if not fit.p_value > BAD_FIT:
        flags.append(
            f"bad_fit: chi2/dof = {fit.chi2:.4g}/{fit.dof:.4g} (p = {fit.p_value:.1g}); the form "
            "does not hold, errors mean little"
            + ("" if form.corrections else "; try corrections to scaling")
        )
    if agreed < 2 and tried > 1:
        flags.append(f"starts_disagree: only {agreed} of {tried} starts lead to this optimum")
    return tuple(flags)
