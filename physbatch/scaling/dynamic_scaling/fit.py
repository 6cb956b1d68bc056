"""Exponents from what observables do in time: the collapse with the time as the size."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    AT_BOUND,
    BAD_FIT,
    ERRORS_TOO_LARGE,
    ERRORS_TOO_SMALL,
    ERRORS_UNKNOWN,
    FLAT,
    NOT_CONVERGED,
    ONE_CONTROL,
    ONE_SIDED,
)
from physbatch.scaling.dynamic_scaling.coordinates import Frame
from physbatch.scaling.dynamic_scaling.likelihood import p_value
from physbatch.scaling.dynamic_scaling.mixture import Moments, Total, total_of
from physbatch.scaling.dynamic_scaling.result import DynamicPoints, DynamicScaling
from physbatch.scaling.dynamic_scaling.search import Optimum, find_optimum
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.tables.times import TimeTable
from physbatch.typing import FloatArray

#: A total error of c_c above this part of the range of the controls, of ln nu_par and ln z above
#: the second, and of a slope above the third over all times, determines nothing.
_WIDEST = (0.25, 0.34, 1.0)
#: Factors on the errors that are not worth a word, and one beyond which the form is wrong.
_RIGHT, _WRONG, _SURE = (0.6, 1.6), 5.0, 2.0


def fit_dynamics(table: TimeTable) -> DynamicScaling:
    r"""Find c_c, delta, nu_par and z from observables against time, control and size.

    .. math:: y(t, c, L) = t^{-\delta} f[(c - c_c)\,t^{1/\nu_\parallel},\, t^{1/z}/L]
              \,(1 + \mathrm{corrections}), \qquad R^2 = t^{2/z} g[(c - c_c)\,t^{1/\nu_\parallel}]

    The scaling functions are Gaussian processes. No start is needed: a map of the likelihood over
    c_c, nu_par and z, with the slopes read off the data, gives the starts. Corrections to scaling
    fall as t^-omega; their strength and omega, and whether the early quarter (of ln t) is taken,
    are averaged over, and are part of the one total error. Points of one control and size may
    share their runs: how far their errors are correlated in ln t is fitted as well, and so is
    their size where none is stated.

    Parameters
    ----------
    table : TimeTable
        What `physbatch.tables.read_times` gives. Without sizes they count as infinite; with one
        control this counts as the critical one; z needs sizes or a spread. A column of
        frequencies is recognised: it is taken as 1/t.

    Returns
    -------
    DynamicScaling
        Parameters that the data do not determine are nan, with a flag: ``at_bound``, ``flat``,
        ``not_converged``, or ``bad_fit`` where no errors make the form describe the data.
        ``one_sided``: all controls lie on one side of c_c. ``one_control``, ``errors_unknown``,
        ``errors_too_small``, ``errors_too_large`` as elsewhere.

    Raises
    ------
    physbatch.errors.AnalysisError
        If no start gives a finite likelihood.

    References
    ----------
    Grassberger and de la Torre, Ann. Phys. 122 (1979) 373, doi 10.1016/0003-4916(79)90207-0;
    Hinrichsen, Adv. Phys. 49 (2000) 815, doi 10.1080/00018730050198152.

    Examples
    --------
    >>> from physbatch.tables import read_times
    >>> t, c = (x.ravel() for x in np.meshgrid(np.geomspace(4, 400, 9), np.linspace(0.7, 1.3, 9)))
    >>> rho = t**-0.5 * (1.5 + np.tanh((c - 1.0) * t**0.5))
    >>> noise = 0.01 * rho * np.random.default_rng(1).normal(size=t.size)
    >>> fit = fit_dynamics(read_times({"t": t, "c": c, "rho": rho + noise, "rho_err": 0.01 * rho}))
    >>> abs(fit["delta"].value - 0.5) < 2.0 * fit["delta"].total < 0.2
    True
    """
    start = find_optimum(table)
    total = total_of(start, table)
    if total is None:
        flag = NOT_CONVERGED("the likelihood has no maximum")
        names = _derived(start.objective.frame, start.vector[: start.objective.count])
        unknown = {name: Estimate(math.nan, flags=(flag,)) for name in names}
        return _result(table, start, unknown, (*table.flags, flag), math.nan)
    flags = _flags_on_fit(table, total)
    parameters = _estimates(table, total, BAD_FIT.among(_refusing(total)))
    known = list(dict.fromkeys(f for number in parameters.values() for f in number.flags))
    every = dict.fromkeys([*table.flags, *flags, *known])
    return _result(table, total.best, parameters, tuple(every), total.late_from)


def _result(
    table: TimeTable,
    best: Optimum,
    parameters: Mapping[str, Estimate],
    flags: tuple[Flag, ...],
    late_from: float,
) -> DynamicScaling:
    objective = best.objective
    predictions = objective.predictions(best.vector)
    chi2 = sum(prediction.chi2 for prediction in predictions)
    dof = sum(prediction.dof for prediction in predictions) - objective.count
    first = objective.parts[0].names.index("memory")
    frame = objective.frame
    return DynamicScaling(
        parameters=parameters,
        observables=tuple(table.values),
        time_name=table.time_name,
        control_name=table.control_name,
        size_name=table.size_name if frame.sized else "",
        form=_form(frame, table),
        limits=_limits(frame, table),
        chi2=chi2,
        dof=dof,
        p_value=p_value(chi2, dof),
        memory=math.exp(float(best.vector[objective.count + first])),
        late_from=late_from,
        starts_tried=best.tried,
        starts_agreed=best.agreed,
        points=tuple(_points(best)),
        flags=flags,
    )


def _form(frame: Frame, table: TimeTable) -> str:
    time = f"(1/{table.time_name})" if frame.falling else table.time_name
    axes = [f"({table.control_name} - c_c) {time}^(1/nu_par)"] if "eta" in frame.names else []
    axes += [f"{time}^(1/z)/{table.size_name}"] if frame.sized else []
    curve = f" f[{', '.join(axes)}]" if axes else ""
    lines = []
    for name, growth in frame.growths.items():
        power = "2/z" if growth == "spread" else ("-delta" if len(frame.growths) == 1 else "kappa")
        lines.append(f"{name} = {time}^({power}){curve}")
    return "; ".join(lines)


def _limits(frame: Frame, table: TimeTable) -> str:
    size = table.size_name
    if frame.sized:
        return (
            f"exponents of {size} -> infinity, then t -> infinity; {size} enters as t^(1/z)/{size}"
        )
    return (
        f"{size} -> infinity, then t -> infinity: times at which t^(1/z) nears {size} do not belong"
    )


def _points(best: Optimum) -> list[DynamicPoints]:
    """The scaling plot, in the units of the data."""
    objective, frame = best.objective, best.objective.frame
    vector = best.vector
    table, out = objective.table, []
    known = dict(zip(frame.names, map(float, vector), strict=False))
    shift = known.get("eta", 0.0) * frame.log_time
    apart = known.get("zeta", 0.0) * frame.log_time - frame.log_size
    predictions = objective.predictions(vector)
    for (part, scaled, _), prediction in zip(objective.each(vector), predictions, strict=True):
        unit = float(table.values[part.name][0] / part.points.value[0])
        kappa = 2.0 * known["zeta"] if frame.growths[part.name] == "spread" else 0.0
        kappa = known.get(f"kappa_{part.name}", kappa)
        scale = unit * math.exp(-kappa * frame.log_time) * np.exp(-scaled.log_scale)
        error = part.points.error
        if "p" in part.names:
            error = np.full_like(part.points.value, math.nan)
        size = np.full_like(table.time, math.nan) if table.size is None else table.size
        out.append(
            DynamicPoints(
                part.name,
                frame.growths[part.name],
                table.time,
                table.control,
                size,
                scaled.x * frame.unit * math.exp(shift),
                scaled.v * (math.exp(apart) if frame.sized else 0.0),
                part.points.value * scale,
                error * scale,
                prediction.fitted * scale,
            )
        )
    return out


# --- parameters -------------------------------------------------------------------------


def _derived(frame: Frame, vector: FloatArray) -> dict[str, float]:
    """Physical parameters of the numbers that are fitted."""
    raw = dict(zip(frame.names, map(float, vector), strict=True))
    out: dict[str, float] = {}
    if "c_c" in raw:
        out["c_c"] = frame.origin + frame.unit * raw["c_c"]
    powers = {name: raw[f"kappa_{name}"] for name, kind in frame.growths.items() if kind == "power"}
    falling = [name for name, kappa in powers.items() if kappa <= 0.0]
    rising = [name for name in powers if name not in falling]
    delta = {name: f"_{name}" if len(falling) > 1 else "" for name in falling}
    theta = {name: f"_{name}" if len(rising) > 1 else "" for name in rising}
    out |= {f"delta{delta[name]}": -powers[name] for name in falling}
    out |= {f"theta{theta[name]}": powers[name] for name in rising}
    if "eta" in raw:
        out["nu_par"] = 1.0 / raw["eta"]
        out |= {f"beta{delta[name]}": -powers[name] / raw["eta"] for name in falling}
    if "zeta" in raw:
        out["z"] = 1.0 / raw["zeta"]
        if "eta" in raw:
            out["nu_perp"] = raw["zeta"] / raw["eta"]
        out |= {f"beta_over_nu_perp{delta[name]}": -powers[name] / raw["zeta"] for name in falling}
    return out


def _estimates(table: TimeTable, total: Total, bad: bool) -> dict[str, Estimate]:
    """Every parameter with its total error; nan where the data do not determine it."""
    frame = total.best.objective.frame
    # Signs of slopes name parameters: those of the mean.
    values = _derived(frame, total.moments.mean)
    totals = _deviations(frame, total.moments, values)
    plain = _deviations(frame, total.plain, _derived(frame, total.moments.mean))
    doubts = _doubts(table, total)
    out = {}
    for name, value in values.items():
        flag = doubts.get(name)
        if bad:
            flag = BAD_FIT("the form does not describe the data, whatever their errors")
        if flag is None:
            out[name] = Estimate.of_total(value, totals[name], stderr=plain[name])
        else:
            out[name] = Estimate(math.nan, flags=(flag,))
    return out


def _deviations(frame: Frame, moments: Moments, named: Mapping[str, float]) -> dict[str, float]:
    """Standard deviations of the parameters, by differences."""
    count = moments.mean.size
    jacobian = np.zeros((len(named), count))
    for column in range(count):
        step = 1e-6 * max(1.0, abs(float(moments.mean[column])))
        ends = []
        for sign in (1.0, -1.0):
            moved = moments.mean.copy()
            moved[column] += sign * step
            derived = _derived(frame, moved)
            ends.append(np.array([derived.get(name, math.nan) for name in named]))
        jacobian[:, column] = (ends[0] - ends[1]) / (2.0 * step)
    variance = np.einsum("ij,jk,ik->i", jacobian, moments.covariance, jacobian)
    linear = dict(zip(named, np.sqrt(variance).tolist(), strict=True))
    wide = np.sqrt(np.diag(moments.covariance)) / np.abs(moments.mean)
    relative = dict(zip(frame.names, wide.tolist(), strict=True))
    # The inverse of a number reaches further on one side: 1/(a - s) - 1/a = s/a^2 / (1 - s/a).
    return {
        name: error * max([1.0, *(_wider_side(relative[raw]) for raw in _inverted(frame, name))])
        for name, error in linear.items()
    }


def _wider_side(relative: float) -> float:
    return 1.0 / (1.0 - relative) if relative < 0.9 else 10.0


def _inverted(frame: Frame, name: str) -> list[str]:
    return [raw for raw in _needs(frame, name) if raw in ("eta", "zeta")]


def _doubts(table: TimeTable, total: Total) -> dict[str, Flag]:
    """Why parameters are refused."""
    objective = total.best.objective
    frame, moments = objective.frame, total.moments
    raw = dict(zip(frame.names, moments.mean.tolist(), strict=True))
    wide = dict(zip(frame.names, np.sqrt(np.diag(moments.covariance)).tolist(), strict=True))
    span = float(np.ptp(np.log(table.time)))
    relative = {
        name: {"c_c": wide[name] * frame.unit / (2.0 * frame.half_range) / _WIDEST[0]}.get(
            name,
            wide[name] / raw[name] / _WIDEST[1]
            if name in ("eta", "zeta")
            else wide[name] * span / _WIDEST[2],
        )
        for name in frame.names
    }
    ends = objective.at_bound(total.best.vector)
    doubts: dict[str, Flag] = {}
    for name in _derived(frame, moments.mean):
        needed = _needs(frame, name)
        if at := [raw_name for raw_name in ends if raw_name in needed or raw_name == "c_c"]:
            doubts[name] = AT_BOUND(f"{', '.join(at)} ran to the end of the range")
        elif flat := [raw_name for raw_name in needed if not relative[raw_name] < 1.0]:
            doubts[name] = FLAT(f"{name} is not determined ({', '.join(flat)})")
    return doubts


def _needs(frame: Frame, name: str) -> list[str]:
    """The numbers that are fitted from which a parameter is made."""
    kappas = [raw for raw in frame.names if raw.startswith("kappa")]
    head, _, observable = name.partition("_")
    slopes = [raw for raw in kappas if raw == f"kappa_{observable}"] or kappas
    table = {"c_c": ["c_c"], "nu_par": ["eta"], "z": ["zeta"], "nu_perp": ["eta", "zeta"]}
    if name in table:
        return table[name]
    if name.startswith("beta_over"):
        return ["zeta", *kappas]
    return [*(["eta"] if head == "beta" else []), *slopes]


def _refusing(total: Total) -> tuple[Flag, ...]:
    worst = float(np.exp(total.log_noise).max())
    stated = all("p" not in part.names for part in total.best.objective.parts)
    if stated and worst > _WRONG:
        return (BAD_FIT(f"errors would have to be {worst:.2g} times as large"),)
    return ()


def _flags_on_fit(table: TimeTable, total: Total) -> tuple[Flag, ...]:
    """What the fit says of the data and of itself."""
    objective = total.best.objective
    flags = list(_refusing(total))
    for part, log, deviation in zip(
        objective.parts, total.log_noise, total.noise_deviation, strict=True
    ):
        factor = math.exp(float(log))
        if "p" in part.names:
            flags.append(ERRORS_UNKNOWN(f"{part.name}: about {100 * factor:.2g} % of the values"))
        elif not _RIGHT[0] < factor < _RIGHT[1] and abs(log) > _SURE * deviation:
            kind = ERRORS_TOO_SMALL if factor > 1.0 else ERRORS_TOO_LARGE
            flags.append(kind(f"{part.name}: by a factor of {max(factor, 1.0 / factor):.2g}"))
    predictions = objective.predictions(total.best.vector)
    chi2, dof = (sum(getattr(p, name) for p in predictions) for name in ("chi2", "dof"))
    if not flags and p_value(chi2, dof - objective.count) < ACCEPTABLE:
        flags.append(BAD_FIT(f"chi2/dof = {chi2:.4g}/{dof:.4g}"))
    frame = objective.frame
    if "c_c" not in frame.names:
        words = f"{table.control_name} has one value: powers are those of criticality if it is c_c"
        return (*flags, ONE_CONTROL(words))
    c_c = frame.origin + frame.unit * float(total.moments.mean[0])
    if min(np.sum(np.unique(table.control) < c_c), np.sum(np.unique(table.control) > c_c)) < 1:
        flags.append(ONE_SIDED(f"c_c = {c_c:.6g} is at the end of the controls"))
    return tuple(flags)
