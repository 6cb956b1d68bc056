"""d = 3, ties rejected: the stationary active state, where it ends, and how continuously."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from lmfit.models import ExpressionModel
from matplotlib.figure import Figure

from analysis.common import Datasets, Finding, Number
from analysis.words import order_words
from physbatch.dataset import STATUS_MISSING
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_dynamics,
    plot_escape_times,
    root_figure,
    size_legend,
    size_styles,
)
from physbatch.scaling import (
    DynamicScaling,
    Estimate,
    ScalingFit,
    critical_controls,
    escape_times,
    fit_divergence,
    fit_dynamics,
    quasi_stationary,
    transition_order,
)
from physbatch.tables import read_times

_Array = npt.NDArray[np.float64]
_Column = tuple[_Array, _Array, _Array]

#: The stationary state is looked at over the last half, and over the last quarter, of a run.
PARTS = (0.5, 0.75)
#: Means of fewer survivors are not stated.
LEAST_SURVIVORS = 4
#: Below it 1 - q of survivors depends on N.
SMALLEST = 0.1
CORRECTED = "A (m_c - m)^beta (1 + k (m_c - m))"
SPINODAL = "1 - q = j + A (m_s - m)^(1/2) (1 + k (m_s - m))"
#: The decay of the largest system is fitted from this part of the run on, and from earlier ones.
EARLIEST, OTHER_EARLIEST = 1 / 15, (1 / 50, 1 / 150)

_SMALL = {"size": [50, 100, 200], "replicas": 12}
REDUCED = {
    "long": {"batch_size": [1.5, 2.0, 2.2, 2.4, 2.6, 3.2], "duration": 300, **_SMALL},
    "large": {
        "size": [400],
        "replicas": 6,
        "batch_size": [2.4, 2.7, 3.0],
        "duration": 200,
    },
}


def find(data: Datasets) -> Finding:
    """Stationary states, their end, the decay there, lifetimes and the order."""
    runs, large = data["long"], data["large"]
    largest = float(runs["size"].values[-1])
    power = _power(runs, largest)
    decay = _fitted_decay(large, EARLIEST)
    order = transition_order(runs)
    taus = escape_times(runs)
    numbers = (
        *_means(runs),
        *_end(runs, largest, power),
        *_decay(decay, large),
        *_later(runs),
    )
    figures = {
        "stationary": _figure(runs, power),
        "decay": root_figure(plot_dynamics(decay)),
        "lifetimes": root_figure(plot_escape_times(taus)),
    }
    return Finding(numbers, figures, (order_words(order),))


def _stationary(runs: xr.Dataset, size: float, part: float = PARTS[0]) -> _Column:
    """m, 1 - q of survivors from a part of the run on, and its error, where enough survive."""
    end = float(runs["time"].values[-1])
    still = quasi_stationary(runs.sel(size=[size]), time_min=part * end).isel(size=0)
    m = np.asarray(runs["batch_size"].values, dtype=np.float64)
    v, error = 1.0 - still["plateau"].values, still["plateau_stderr"].values
    enough = still["survivors"].isel(time=-1).values >= LEAST_SURVIVORS
    kept = enough & np.isfinite(error) & (error > 0)
    return m[kept], v[kept], error[kept]


def _power(runs: xr.Dataset, size: float, part: float = PARTS[0], left_out: int = 0) -> ScalingFit:
    """1 - q = A (m_c - m)^beta, without the controls that lie furthest away."""
    return fit_divergence(*_active(runs, size, part, left_out), side=1.0)


def _active(runs: xr.Dataset, size: float, part: float = PARTS[0], left_out: int = 0) -> _Column:
    """Stationary states that do not depend on N yet, without the first controls."""
    m, v, error = _stationary(runs, size, part)
    kept = v >= SMALLEST
    return m[kept][left_out:], v[kept][left_out:], error[kept][left_out:]


def _means(runs: xr.Dataset) -> Iterator[Number]:
    """1 - q of survivors in the second half and in the last quarter of the runs."""
    end = float(runs["time"].values[-1])
    for size in runs["size"].values[-2:].tolist():
        late = dict(zip(*_stationary(runs, size, PARTS[1])[:2], strict=True))
        for m, v, error in zip(*_stationary(runs, size), strict=True):
            yield Number(
                f"1 - q of survivors (m = {m:g}, N = {size:g}, t > {PARTS[0] * end:g})",
                Estimate(float(v), float(error)),
                note=f"{late.get(m, np.nan):.4f} from t = {PARTS[1] * end:g} on",
            )


def _end(runs: xr.Dataset, size: float, power: ScalingFit) -> Iterator[Number]:
    """m_c and beta with their spread over windows, a correction and sizes; the jump left."""
    smaller = float(runs["size"].values[-2])
    small = _power(runs, smaller)
    corrected = _fitted(runs, size, "A * maximum(m_c - x, 1e-9)**beta * (1 + k * (m_c - x))")
    spinodal = _fitted(runs, size, "j + A * sqrt(maximum(m_c - x, 0)) * (1 + k * (m_c - x))")
    windows = [_power(runs, size, PARTS[1]), *(_power(runs, size, left_out=n) for n in (1, 2))]
    note = (
        f"A (m_c - m)^beta, 1 - q >= {SMALLEST:g}: chi2/dof {power.chi2:.2g}/{power.dof}, p = "
        f"{power.p_value:.2g}; second bracket: last quarter, one or two controls fewer, "
        f"a factor 1 + k (m_c - m), a third of the change from N = {smaller:g}, and for m_c the "
        "end of a spinodal with a jump"
    )
    for name, parameter, sign in (("m_c", "c_s", 1.0), ("beta", "y", -1.0)):
        best = sign * power[parameter].value
        others = [sign * window[parameter].value for window in windows] + [corrected[name].value]
        others.append(best + (best - sign * small[parameter].value) / 3.0)
        if name == "m_c":
            others.append(spinodal[name].value)
        shifts = np.abs(np.array(others) - best)
        estimate = replace(
            power[parameter],
            value=best,
            systematic=float(max(shifts[np.isfinite(shifts)], default=np.nan)),
            stated=np.nan,
            interval68=(np.nan, np.nan),
        )
        yield Number(f"{name} (1 - q, N = {size:g})", estimate, note=note, headline=True)
        yield Number(
            f"{name} (1 - q, N = {size:g}, with a correction)", corrected[name], note=CORRECTED
        )
        yield Number(
            f"{name} (1 - q, N = {smaller:g})",
            replace(small[parameter], value=sign * small[parameter].value),
        )
    yield Number(f"jump of 1 - q at a spinodal, N = {size:g}", spinodal["j"], note=SPINODAL)


def _fitted(runs: xr.Dataset, size: float, form: str) -> dict[str, Estimate]:
    """Another form of 1 - q against m; nan where there are too few controls."""
    m, v, error = _active(runs, size)
    model = ExpressionModel(form)
    unknown = dict.fromkeys(model.param_names, Estimate(np.nan))
    if m.size < len(model.param_names):
        return unknown
    guesses = {"j": 0.05, "A": 0.7, "beta": 0.5, "k": 0.0, "m_c": m.max() + 0.03}
    start = model.make_params(**{name: guesses[name] for name in model.param_names})
    start["m_c"].min = m.max()
    fit = model.fit(v, start, x=m, weights=1.0 / error, scale_covar=False)
    return {
        name: Estimate(found.value, np.nan if found.stderr is None else found.stderr)
        for name, found in fit.params.items()
    }


def _fitted_decay(runs: xr.Dataset, earliest: float) -> DynamicScaling:
    means = _deviations(runs, earliest)
    return fit_dynamics(read_times(means, time="t", control="m", observable="v", error="v_err"))


def _deviations(runs: xr.Dataset, earliest: float) -> pd.DataFrame:
    """Mean of 1 - q over all replicas, those that are perfect as well, against t and m."""
    values = (1.0 - runs["overlap"]).where(runs["status"] != STATUS_MISSING).isel(size=0)
    values = values.sel(time=values["time"] >= earliest * float(values["time"].values[-1]))
    mean = values.mean("replica")
    error = values.std("replica", ddof=1) / np.sqrt(values.sizes["replica"])
    table = xr.Dataset({"v": mean, "v_err": error}).to_dataframe().reset_index()
    columns = table.rename(columns={"time": "t", "batch_size": "m"})[["t", "m", "v", "v_err"]]
    return columns[(columns["v"] > 0) & (columns["v_err"] > 0)]


def _decay(decay: DynamicScaling, runs: xr.Dataset) -> Iterator[Number]:
    """Dynamic scaling of the decay from random students, with its change from earlier times on."""
    size, end = (float(runs[name].values[-1]) for name in ("size", "time"))
    others = [_fitted_decay(runs, earliest) for earliest in OTHER_EARLIEST]
    starts = " or ".join(f"{earliest * end:g}" for earliest in OTHER_EARLIEST)
    note = (
        f"t^-delta f[(m - m_c) t^(1/nu_par)], t >= {EARLIEST * end:g}: chi2/dof "
        f"{decay.chi2:.3g}/{decay.dof:.3g}; second bracket: from {starts} on"
    )
    for name in ("c_c", "delta", "nu_par", "beta"):
        best = decay[name]
        shifts = [abs(other[name].value - best.value) for other in others]
        yield Number(
            f"{'m_c' if name == 'c_c' else name} (decay, N = {size:g})",
            replace(best, stderr=best.total, systematic=max(shifts), stated=np.nan),
            note=note,
            headline=name in ("c_c", "delta"),
        )


def _later(runs: xr.Dataset) -> Iterator[Number]:
    """Where q = 0.9 is reached, at longer and longer run times."""
    times = runs["time"].values
    for wanted in (500.0, 1000.0, 2000.0, float(times[-1])):
        time = float(times[np.abs(times - wanted).argmin()])
        found = critical_controls(runs, time, level=0.9)
        for n, value, error in zip(found.size, found.value, found.stderr, strict=True):
            yield Number(
                f"m at which half have q >= 0.9 (N = {n:g}, t = {time:g})",
                Estimate(float(value), float(error)),
            )


def _figure(runs: xr.Dataset, power: ScalingFit) -> Figure:
    """1 - q of survivors against m, and its logarithm against that of the distance."""
    sizes = runs["size"].values.tolist()
    end = power["c_s"].value
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 62.0)
        left, right = figure.subplots(1, 2)
        for size, style in size_styles(sizes).items():
            m, v, error = _stationary(runs, size)
            left.errorbar(m, v, error, **(style | {"linestyle": "none"}))
            below = m < end
            right.errorbar(
                (end - m)[below], v[below], error[below], **(style | {"linestyle": "none"})
            )
        if np.isfinite(end):
            distance = np.geomspace(0.005, end - runs["batch_size"].values.min(), 100)
            curve = np.exp(power["ln_A"].value) * distance ** -power["y"].value
            left.plot(end - distance, curve, color="0.3", linewidth=0.9, zorder=1)
            right.plot(distance, curve, color="0.3", linewidth=0.9, zorder=1)
            slope = rf"$1 - q \sim (m_c - m)^{{{-power['y'].value:.2f}}}$, $m_c = {end:.3f}$"
            right.set(xscale="log", yscale="log", title=slope)
        left.set(xlabel="mini-batch size $m$", ylabel=r"$1 - q$ of survivors")
        right.set(xlabel="$m_c - m$", ylabel="")
        size_legend(left, size_styles(sizes))
    return figure
