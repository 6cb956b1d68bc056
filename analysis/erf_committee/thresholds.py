"""The control at which a small error neither grows nor shrinks."""

from __future__ import annotations

import xarray as xr

from analysis.common import Datasets, Number
from physbatch.exact import committee_stability
from physbatch.plots import Measured
from physbatch.scaling import (
    Estimate,
    Law,
    ScalingFit,
    fit_law,
    growth_rates,
    growth_threshold,
    law,
)
from physbatch.study import Study

#: Studies of a small error's growth: name -> alpha = samples/N from and to which it is seen.
GROWTH = {
    "single": (20, 320),
    "batch10": (20, 100),
    "batch20": (20, 100),
    "batch40": (20, 100),
    "two": (40, 240),
}


#: The shift of the threshold times N in powers of 1/N, and the threshold itself.
_SHIFTS = (law("constant"), law("shifted", phi=1.0), law("approach", phi=1.0))
_THRESHOLDS = (law("shifted", phi=1.0), law("approach", phi=1.0))


def _critical_rates(data: xr.Dataset, name: str) -> dict[int, Estimate]:
    """c = eta/m at which a small error neither grows nor shrinks, at every size.

    To leading order the rate is A c^2 - B c, so its quotient by c is a line.
    """
    start, stop = GROWTH[name]
    batch_size = data["batch_size"].values
    swept = "learning_rate" in data.dims
    c = (data["learning_rate"].values if swept else fixed_learning_rate(data)) / batch_size
    found = {}
    for size in map(int, data["size"].values):
        rates = growth_rates(data.sel(size=size, time=[start * size, stop * size]))
        rate, stderr = (rates[one].values.ravel() / c for one in ("rate", "stderr"))
        found[size] = growth_threshold(c, rate, stderr).threshold
    return found


def _extrapolated(sizes: list[int], values: list[Estimate], laws: tuple[Law, ...]) -> ScalingFit:
    """A quantity in powers of 1/N."""
    return fit_law(
        sizes,
        [one.value for one in values],
        [one.total for one in values],
        laws,
        quantity="threshold",
    )


def _scaled(one: Estimate, unit: float, *, less: float = 0.0) -> Estimate:
    """(value - less) times unit."""
    return Estimate((one.value - less) * unit, one.stderr * unit, one.systematic * unit)


def _inverse(one: Estimate, rate: float) -> Estimate:
    """m = eta/c."""
    share = rate / one.value**2
    return Estimate(rate / one.value, one.stderr * share, one.systematic * share)


def _number(name: str, estimate: Estimate, exact: float, fit: ScalingFit, more: str = "") -> Number:
    goodness = f"chi2/dof = {fit.chi2:.1f}/{fit.dof}, p = {fit.p_value:.2g}"
    return Number(name, estimate, exact, f"{goodness}{more}", headline=not name.startswith("N "))


def _shift_numbers(
    critical: dict[int, Estimate], label: str, batch_size: float
) -> tuple[Number, Measured]:
    """The limit of N (c_c(N)/c_max - 1), and the values at every size."""
    unit = committee_stability.largest_rate(1)
    shifts = [_scaled(one, size / unit, less=unit) for size, one in critical.items()]
    fit = _extrapolated(list(critical), shifts, _SHIFTS)
    exact = committee_stability.finite_size_shift(batch_size)
    number = _number(f"N (c_c(N)/c_max - 1), {label}, N -> infinity", fit["c"], exact, fit)
    drawn = Measured(
        f"${label}$".replace("eta", r"\eta"),
        fit.x[:, 0],
        fit.value,
        fit.stderr,
        fit.fitted,
        fit.curve_x,
        fit.curve(fit.curve_x),
    )
    return number, drawn


def threshold_numbers(data: Datasets) -> tuple[list[Number], list[Measured]]:
    """Thresholds for N -> infinity against eta_max, and their shifts at finite N."""
    single = _critical_rates(data["single"], "single")
    fit = _extrapolated(list(single), list(single.values()), _THRESHOLDS)
    shift, drawn = _shift_numbers(single, "m = 1", 1.0)
    name = "c_c from the growth of small errors, m = 1, K = 1"
    numbers, sets = (
        [_number(name, fit["c"], committee_stability.largest_rate(1), fit), shift],
        [drawn],
    )
    for study in ("batch10", "batch20", "batch40"):
        eta = fixed_learning_rate(data[study])
        exact = eta / committee_stability.largest_rate(1)
        critical = _critical_rates(data[study], study)
        batches = [_inverse(one, eta) for one in critical.values()]
        fit = _extrapolated(list(critical), batches, _THRESHOLDS)
        name = f"m_c eta_max/eta at eta = {eta:g}, K = 1"
        ratio = _scaled(fit["c"], 1 / exact)
        shift, drawn = _shift_numbers(critical, f"eta = {eta:g}", exact)
        numbers += [_number(name, ratio, 1.0, fit, f"; m_c = {fit['c']}"), shift]
        sets.append(drawn)
    two = _critical_rates(data["two"], "two")
    fit = _extrapolated(list(two), list(two.values()), _THRESHOLDS)
    name = "c_c from the growth of small errors, m = 1, K = 2"
    numbers.append(_number(name, fit["c"], committee_stability.largest_rate(2), fit))
    return numbers, sets


def fixed_learning_rate(data: xr.Dataset) -> float:
    """The learning rate that a study fixes."""
    study = Study.from_json(str(data.attrs["study"]), where="erf_committee")
    return float(study.dynamics.learning_rate.base)
