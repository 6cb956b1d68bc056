"""Two phases in histograms of the energy that all runs of a size give together."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BEYOND_HISTOGRAMS, FEW_PASSAGES
from physbatch.scaling.reweighting.coexistence_result import HISTOGRAM, QUANTITIES, Coexistence
from physbatch.scaling.reweighting.equations import target_weights
from physbatch.scaling.reweighting.means import effective_samples
from physbatch.scaling.reweighting.raw_series import EnergySeries
from physbatch.scaling.reweighting.size_phases import Phases, phases_of_size
from physbatch.scaling.reweighting.solved import Joined, ReweightingOptions, Solved, join_runs
from physbatch.typing import FloatArray

_FEW = 10  # passages from phase to phase


class _SizePhases(NamedTuple):
    """What one size gives."""

    estimates: dict[str, Estimate]
    passages: float
    histogram: FloatArray  # shape (6, n_point)
    flags: tuple[Flag, ...]


def find_coexistence(
    data: EnergySeries | Any,
    energy: str | int = "E",
    *,
    at: npt.ArrayLike | None = None,
    ordered_states: float = 1.0,
    resamples: int = 400,
    seed: int = 0,
    **options: Unpack[ReweightingOptions],
) -> Coexistence:
    r"""Histograms ln P(E) of all runs of a size together, and the two phases that they show.

    The runs are joined as in `reweight`; ln P is a spline with a penalty that the other blocks of
    the series choose (`physbatch.scaling.reweighting.energy_density`). Of each size it gives

    * the control at which both peaks are as high, and there the barrier and the tension of an
      interface (Lee and Kosterlitz; Binder),

      .. math:: \Delta F = \ln\frac{P_{max}}{P_{min}}, \qquad
                \sigma = \frac{\Delta F}{2 L^{d-1}};

    * the control at which the phases have equal weights (or the ratio `ordered_states`), with the
      energies below and above the valley as phases, whose mean energies there differ by the latent
      heat. With the number of ordered states the distance to the transition of the infinite system
      is exponentially small; else it is of the order 1/N, as is that of equal heights.

    Parameters
    ----------
    data, energy
        A row for each measurement, as in `reweight`.
    at : array_like, optional
        Controls of the histograms; by default that of equal heights of each size, or of the middle
        run where there is one peak.
    ordered_states : float
        Weight of the phase of low energy over that of high energy, q of a Potts model.
    resamples, seed : int
        Of the bootstrap over blocks of the chains.
    weight, space_dimension, per_site, control, size, chain, time, size_from_name, dimension
        As in `reweight`. Linear sizes need `space_dimension`, d in N = L^d; without it sizes are
        volumes and no tension is stated.

    Returns
    -------
    Coexistence
        Numbers of every size, with the bootstrap's error and what a penalty 30 times smaller
        changes beyond noise in one total. Flags: ``unimodal`` (no valley of 3 errors),
        ``few_passages`` (the chains went from phase to phase fewer than 10 times),
        ``beyond_histograms``, and those of `reweight`.

    Raises
    ------
    physbatch.scaling.statistics.SeriesTooShort
        If a run is shorter than 50 autocorrelation times.
    physbatch.errors.AnalysisError
        As in `reweight`, and if the volume is not known.

    References
    ----------
    Lee and Kosterlitz, doi 10.1103/PhysRevLett.65.137; Binder, doi 10.1103/PhysRevA.25.1699;
    Borgs and Janke, doi 10.1103/PhysRevLett.68.1738.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> phase = generator.random(8000) < 0.5  # normal energies about -60 and -40 at beta = 1
    >>> columns = {"N": np.full(8000, 100.0), "beta": np.ones(8000)}
    >>> columns["E"] = np.where(phase, -60.0, -40.0) + 4.0 * generator.standard_normal(8000)
    >>> heat = find_coexistence(columns, resamples=100)["latent_heat (N = 100)"]
    >>> abs(heat.value - 0.2) < 3.0 * heat.total < 0.004
    True
    """
    if resamples < 50:
        raise AnalysisError(f"resamples = {resamples}", remedy="take at least 50")
    if not (math.isfinite(ordered_states) and ordered_states > 0.0):
        raise AnalysisError(f"{ordered_states:g} ordered states", remedy="take a number above 0")
    joined = join_runs(data, energy, None, options)
    if not math.isfinite(joined.sizes[0].runs.volume):
        raise AnalysisError(
            "a latent heat needs the volume N, and sizes are linear",
            where=joined.series.source,
            remedy="state the dimension of space d in N = L^d, or that sizes are volumes",
        )
    wanted = None if at is None else _controls(at, joined)
    dimension = options.get("space_dimension")
    parts = [
        _phases(joined, solved, (wanted, ordered_states, dimension), resamples, [seed, k])
        for k, solved in enumerate(joined.sizes)
    ]
    series = joined.series
    histograms = np.concatenate([part.histogram for part in parts], axis=1)
    columns: dict[str, Any] = dict(zip(HISTOGRAM, histograms, strict=True))
    columns |= {name: tuple(part.estimates[name] for part in parts) for name in QUANTITIES}
    return Coexistence(
        energy_name=series.energy_name,
        control_name=series.control_name,
        size_name=series.size_name,
        dimension=series.dimension,
        source=series.source,
        weight=joined.weight,
        ordered_states=float(ordered_states),
        size=np.array([solved.runs.size for solved in joined.sizes]),
        volume=np.array([solved.runs.volume for solved in joined.sizes]),
        passages=np.array([part.passages for part in parts]),
        **columns,
        flags=tuple(dict.fromkeys([*joined.flags, *(f for part in parts for f in part.flags)])),
    )


def _controls(at: npt.ArrayLike, joined: Joined) -> FloatArray:
    controls = np.unique(np.asarray(at, dtype=np.float64).ravel())
    if not np.isfinite(controls).all() or (joined.temperature and controls.min() <= 0.0):
        raise AnalysisError(
            f"controls {controls.tolist()}", where="at", remedy="give numbers, temperatures above 0"
        )
    return controls


def _phases(
    joined: Joined,
    solved: Solved,
    asked: tuple[FloatArray | None, float, float | None],
    resamples: int,
    seed: list[int],
) -> _SizePhases:
    """The two phases of one size, and its histograms."""
    wanted, ratio, dimension = asked
    runs, volume = solved.runs, solved.runs.volume
    phases, density = phases_of_size(solved, ratio, resamples, np.random.default_rng(seed))
    label = f"{joined.series.size_name} = {runs.size:g}"
    flags = [phases.problem.at(label)] if phases.problem else []
    passages = _passages(joined, solved, phases)
    if passages < _FEW:
        words = f"{passages:.0f} passages from phase to phase at {label}"
        flags.append(FEW_PASSAGES(words))
    flags += _out_of_reach(joined, solved, phases, label)
    if wanted is None:
        usual = phases.values[0] if not phases.problem else float(np.median(runs.inverse))
        wanted = np.array([1.0 / usual if joined.temperature else usual])
    unit = volume if joined.per_site else 1.0
    rows = []
    for control in wanted:
        energy, logs, error, smooth = density.at(1.0 / control if joined.temperature else control)
        labels = np.full((2, energy.size), [[runs.size], [control]])
        shift = math.log(unit)
        rows.append(np.stack([*labels, energy / unit, logs + shift, error, smooth + shift]))
    histogram = np.concatenate(rows, axis=1)
    estimates = _estimates(phases, volume, dimension, temperature=joined.temperature)
    return _SizePhases(estimates, passages, histogram, tuple(flags))


def _estimates(
    phases: Phases, volume: float, dimension: float | None, *, temperature: bool
) -> dict[str, Estimate]:
    """Quantities of `QUANTITIES`, of a site where they are energies."""
    rows = [phases.values[:, None], phases.drawn]
    length = math.nan if dimension is None else volume ** (1.0 / dimension)
    area = math.nan if dimension is None else length ** (dimension - 1.0)
    columns = []
    for height, weight, barrier, low, high, heat, *_ in rows:
        controls = (1.0 / height, 1.0 / weight) if temperature else (height, weight)
        energies = (heat / volume, low / volume, high / volume)
        columns.append(np.array([*controls, barrier, barrier / (2.0 * area), *energies]))
    values, drawn = columns
    slopes = 1.0 / phases.values[:2] ** 2 if temperature else np.ones(2)
    of_barrier, low, high, heat = phases.systematic[2:6]
    of_energies = np.array([heat, low, high]) / volume
    systematic = [*(phases.systematic[:2] * slopes), of_barrier, of_barrier / (2.0 * area)]
    shown = Phases(values[:, 0], drawn, np.array([*systematic, *of_energies]), phases.problem)
    return dict(zip(QUANTITIES, shown.estimates(), strict=True))


def _passages(joined: Joined, solved: Solved, phases: Phases) -> float:
    """How often the chains of a size went from the peak of one phase to that of the other."""
    if phases.problem:
        return math.nan
    series, runs = joined.series, solved.runs
    rows = series.size == runs.size
    energy = series.energy[rows] * (runs.volume if joined.per_site else 1.0)
    low, high = phases.values[6:]
    side = np.where(energy <= low, -1, np.where(energy >= high, 1, 0))
    labels = np.stack([series.control[rows], series.chain[rows]])
    known = side != 0
    side, labels = side[known], labels[:, known]
    same = (labels[:, 1:] == labels[:, :-1]).all(axis=0)
    return float(np.sum(same & (side[1:] != side[:-1])))


def _out_of_reach(joined: Joined, solved: Solved, phases: Phases, label: str) -> list[Flag]:
    """A flag where too few samples of the runs tell of the controls of coexistence."""
    if phases.problem:
        return []
    runs = solved.runs
    weights = target_weights(solved.solution, runs.energy, phases.values[:2])
    _, enough = effective_samples(weights, runs.energy, solved.histogram)
    name = joined.series.control_name
    return [
        BEYOND_HISTOGRAMS(f"{name} = {1.0 / b if joined.temperature else b:.6g} at {label}")
        for b, known in zip(phases.values[:2], enough, strict=True)
        if not known
    ]
