"""Raw series whose runs are joined, size by size: what all that is reweighted begins with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import FEW_SAMPLES, NO_SUSCEPTIBILITY, THIN_HISTOGRAMS
from physbatch.scaling.reweighting.equations import Solution, shared_samples
from physbatch.scaling.reweighting.means import solve_runs
from physbatch.scaling.reweighting.raw_series import EnergySeries, SeriesColumns, read_series
from physbatch.scaling.reweighting.runs import SizeRuns, runs_of_size
from physbatch.scaling.statistics.observables import wanted_moments
from physbatch.tables.columns import bare
from physbatch.typing import FloatArray

#: Runs that share fewer independent samples are refused: ln Z would not be known to about 0.3;
#: fewer than the second number are flagged.
_LEAST_SHARED, _THIN = 10.0, 100.0
_FEW_BLOCKS = 20
#: Moments of an observable, if none are asked for: those that a change of its sign leaves. The sign
#: of a magnetisation is no function of the energy, and changes as slowly as tunnelling does.
_EVEN = ("mean_abs", "susceptibility_abs", "binder", "binder_abs", "binder_ratio")
#: Energies change between runs as their fluctuations tell, within this factor and so many standard
#: errors.
_FACTOR, _SIGNIFICANT = 2.0, 5.0


class ReweightingOptions(SeriesColumns, total=False):
    """What else is known of the series, as in `reweight`."""

    weight: Literal["beta", "temperature"] | None
    space_dimension: float | None
    per_site: bool


class Solved(NamedTuple):
    """The runs of one size with their free energies, and the histogram of all of them."""

    runs: SizeRuns
    solution: Solution
    histogram: FloatArray
    shared: FloatArray  # shape (n_run - 1,)


class Joined(NamedTuple):
    """All sizes of some series."""

    series: EnergySeries
    sizes: tuple[Solved, ...]
    moments: tuple[str, ...]
    temperature: bool  # the weight is exp(-E/c)
    per_site: bool  # energies of the data are those of a site
    flags: tuple[Flag, ...]

    @property
    def weight(self) -> str:
        """The weight of a state in the names of the columns."""
        name = bare(self.series.control_name)
        energy = self.series.energy_name
        return f"exp(-{energy}/{name})" if self.temperature else f"exp(-{name} {energy})"


def join_runs(
    data: EnergySeries | Any,
    energy: str | int,
    moments: Sequence[str] | None,
    options: ReweightingOptions,
) -> Joined:
    """Read series, and join the runs of every size, with the options of `reweight`."""
    columns: dict[str, Any] = dict(options)
    weight, per_site = columns.pop("weight", None), bool(columns.pop("per_site", False))
    space_dimension = columns.pop("space_dimension", None)
    series = data if isinstance(data, EnergySeries) else read_series(data, energy, **columns)
    temperature = _is_temperature(series, weight)
    known = series.dimension == "N" or space_dimension is not None
    usual = tuple(name for name in _EVEN if known or not name.startswith("susceptibility"))
    chosen, _ = wanted_moments(moments or usual, series.dimension, space_dimension)
    if per_site and not known:
        raise AnalysisError(
            "energies of a site need the volume N, and sizes are linear",
            where=series.source,
            remedy="state the dimension of space d in N = L^d, or that sizes are volumes",
        )
    sizes, flags = [], [*series.flags]
    if not known:
        text = "sizes are linear and the dimension of space is not stated; no specific heat either"
        flags.append(NO_SUSCEPTIBILITY(text))
    for size in np.unique(series.size):
        power = 1.0 if series.dimension == "N" else space_dimension or np.nan
        volume = float(size) ** power
        rows = np.flatnonzero(series.size == size)
        part = series.of_rows(rows, volume if per_site else 1.0)
        runs = runs_of_size(part, volume, chosen, temperature=temperature)
        where = f"{series.source}, {series.size_name} = {size:g}"
        _check_energies(runs, where)
        solution, histogram = solve_runs(runs, where)
        shared = shared_samples(solution, histogram)
        flags += _overlap_flags(runs, shared, series, where)
        if runs.block_counts.min() < _FEW_BLOCKS:
            text = f"a run has {runs.block_counts.min()} blocks"
            flags.append(FEW_SAMPLES(text).at(f"{series.size_name} = {size:g}"))
        sizes.append(Solved(runs, solution, histogram, shared))
    return Joined(series, tuple(sizes), chosen, temperature, per_site, tuple(flags))


def _is_temperature(series: EnergySeries, weight: str | None) -> bool:
    """Whether the control is T in exp(-E/T)."""
    if weight not in (None, "beta", "temperature"):
        raise AnalysisError(f"weight {weight!r}", remedy="'beta' or 'temperature'")
    name = bare(series.control_name).lower()
    temperature = weight == "temperature" or (
        weight is None and name in ("t", "temp", "temperature")
    )
    if temperature and series.control.min() <= 0.0:
        raise AnalysisError(
            f"a temperature of {series.control.min():g}",
            where=series.source,
            remedy="say that the weight is that of beta, exp(-c E)",
        )
    return temperature


def _check_energies(runs: SizeRuns, where: str) -> None:
    """Refuse energies that do not change from run to run as their fluctuations tell.

    d<E>/db = -var(E), by trapezoids between runs whose histograms themselves overlap.

    Raises
    ------
    physbatch.errors.AnalysisError
        If they do not: they are those of a site, of another unit, or of another sign.
    """
    spread = np.sqrt(runs.variance)
    near = np.abs(np.diff(runs.mean)) <= 2.0 * np.maximum(spread[1:], spread[:-1])
    if not near.any():
        return
    fall = -np.diff(runs.mean)[near].sum()
    expected = (np.diff(runs.inverse) * (runs.variance[1:] + runs.variance[:-1]) / 2.0)[near].sum()
    error = 2.0 * np.sqrt((runs.variance / runs.independent).sum())
    ratio = fall / expected
    if abs(fall - expected) < _SIGNIFICANT * error or 1.0 / _FACTOR < ratio < _FACTOR:
        return
    remedy = "does the weight of a state contain exp(-control E)? give the energy in that unit"
    if abs(ratio / runs.volume - 1.0) < 0.5:
        remedy = f"it seems to be that of a site (N = {runs.volume:g}): say so (--per-site)"
    raise AnalysisError(
        f"from run to run the mean energy falls {ratio:.3g} times as much as its variance tells",
        where=where,
        remedy=remedy,
    )


def _overlap_flags(
    runs: SizeRuns, shared: FloatArray, series: EnergySeries, where: str
) -> list[Flag]:
    """A flag for gaps that few samples bridge; refuse those that none does."""
    flags = []
    for gap, count in enumerate(shared):
        low, high = sorted(runs.control[gap : gap + 2])
        between = f"{series.control_name} = {low:g} and {high:g}"
        if count < _LEAST_SHARED:
            raise AnalysisError(
                f"the histograms of {between} share {count:.2g} independent samples",
                where=where,
                remedy="simulate between them, or longer",
            )
        if count < _THIN:
            flags.append(
                THIN_HISTOGRAMS(
                    f"{between} share {count:.0f} independent samples at "
                    f"{series.size_name} = {runs.size:g}"
                )
            )
    return flags
