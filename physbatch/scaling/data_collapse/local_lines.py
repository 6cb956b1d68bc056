r"""Collapse by the smallest S of Houdayer and Hartmann (PRB 70, 014418).

S has no hyperparameters and is quick, but its master curve, a straight line between neighbouring
points, does not know of the curvature it misses: where that exceeds the noise S is far above 1
at the exact exponents, and its minimum is biased. The result says so, by S and by its
probability: terms of S share points, so S times a number of independent terms follows about a
chi^2 law, with that number from the exact variance of S (Satterthwaite 1946, doi 10.2307/3002019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.scaling.data_collapse.coarse_map import candidates, coarse_table, local_maxima
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import differing
from physbatch.scaling.data_collapse.local_line_errors import refits, rise_by_one, sandwich
from physbatch.scaling.data_collapse.optimum import Optimum
from physbatch.scaling.data_collapse.outcome import Search
from physbatch.scaling.data_collapse.quality import local_lines
from physbatch.scaling.data_collapse.quality_objective import Quality, minimise
from physbatch.scaling.data_collapse.result import CollapsedPoints, MasterCurve
from physbatch.scaling.data_collapse.uncertainties import Interval
from physbatch.scaling.data_collapse.window_choice import Window, inside, shared_fraction, windows
from physbatch.scaling.data_collapse.window_fits import Fit
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

__all__ = ["local_linear"]


_MOST_STARTS = 8
#: Points of the map of S, and of the search for the best minimum.
_MAP_POINTS = 90
_SEARCH_POINTS = 200
#: Two minima are the same if all exponents, as they are fitted, are nearer than this.
_SAME = 0.02
#: S of the user's start, in units of that of the others, below which it replaces them.
_FAR_DEEPER = 0.8
#: A second minimum is followed through the windows if its S is at most so much of the best.
_RIVAL_RATIO = 3.0
#: ... and counts if it is so many errors away: by linear response they are up to half too small.
_RIVAL_SIGMA = 12.0


class _Minima(NamedTuple):
    """Minima of S on all sizes."""

    tried: int
    agreed: int
    different: list[Optimum]  # the best first, two at most


def local_linear(
    form: ScalingForm,
    table: ScalingTable,
    *,
    window: str,
    errors: str,
    start: Mapping[str, float] | None = None,
    seed: int = 0,
) -> tuple[Search, dict[str, Interval], FloatArray, tuple[Flag, ...]]:
    """Minimise S over the exponents, globally, in every window.

    Parameters
    ----------
    form : ScalingForm
        The scaling form, without corrections and drift.
    table : ScalingTable
        The data, sorted by size and control.
    window : {"scan", "all"}
        Scan windows, or take all points.
    errors : {"bootstrap", "quality"}
        Refits of resampled data, or where S has risen by 1.
    start : mapping, optional
        One more start.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    search : Search
        The chosen fit, those of all windows, and what is drawn.
    intervals : dict
        For each free exponent.
    samples : ndarray, shape (n_sample, n_parameter)
        Of the bootstrap.
    flags : tuple of Flag

    Raises
    ------
    AnalysisError
        If no start gives sizes that share x.
    """
    if window not in ("scan", "all"):
        raise AnalysisError(f"window = {window!r}", where="collapse", remedy="use scan or all")
    minima = _global_minima(form, table, start)
    fits = _scan(form, table, minima.different, window)
    final = _best(fits)
    rival = _rival(form, table, minima.different, window, final)
    points, curve = _drawn(final)
    search = Search(final, fits, minima.tried, minima.agreed, rival, points, curve)
    quality = Quality(form, final.objective.table)
    nothing = np.empty((0, len(form.names)))
    if not final.optimum.converged or not form.names:
        return search, {}, nothing, ()
    if errors == "quality":
        intervals, flags = rise_by_one(quality, final.optimum, final.covariance)
        return search, intervals, nothing, flags
    return search, *refits(quality, final.optimum, final.covariance, seed=seed)


# --- search -----------------------------------------------------------------------------


def _global_minima(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None
) -> _Minima:
    """Minima from the best points of a map of S over c_c and nu."""
    small = coarse_table(table, _MAP_POINTS)
    grid = candidates(form, small)
    rough = Quality(form, small)
    heights = np.array([[-rough(vector) for vector in row] for row in grid])
    vectors = [grid[i][j] for i, j in local_maxima(heights)[:_MOST_STARTS]]
    quality = Quality(form, coarse_table(table, _SEARCH_POINTS))
    found = [minimise(quality, vector, rounds=2) for vector in vectors]
    found.sort(key=lambda one: -one.value)
    best = minimise(quality, found[0].vector)
    if start is not None:
        extra = minimise(quality, form.vector({**form.exponents(vectors[0]), **start}))
        # Valleys of S are many; a start of the user's counts where it leads to a far deeper one.
        best = extra if extra.value > _FAR_DEEPER * best.value else best
        found.append(extra)
    agreed = sum(_same(one, best) for one in found)
    different = [best, *(one for one in found if not _same(one, best))]
    return _Minima(len(found), agreed, different[:2])


def _same(one: Optimum, other: Optimum) -> bool:
    return bool(np.abs(one.vector - other.vector).max(initial=0.0) < _SAME)


def _scan(
    form: ScalingForm, table: ScalingTable, optima: Sequence[Optimum], window: str
) -> list[Fit]:
    """The best fit in every window, from each of the minima."""
    tried = list(windows(table)) if window == "scan" else [Window(float(table.sizes[0]), 1.0)]
    fits = []
    for one in tried:
        found = [_fit_window(form, table, one, optimum.vector) for optimum in optima]
        known = [fit for fit in found if fit is not None]
        if known:
            fits.append(max(known, key=lambda fit: (fit.sound, fit.optimum.value)))
    return fits


def _fit_window(
    form: ScalingForm, table: ScalingTable, window: Window, begin: FloatArray
) -> Fit | None:
    """Minimise S in one window, which follows the exponents."""
    vector = begin
    for _ in range(2 if window.fraction < 1 else 1):
        keep = inside(window, form, vector, table)
        if keep is None:
            return None
        quality = Quality(form, table.select(keep))
        optimum = minimise(quality, vector)
        vector = optimum.vector
    goodness = sandwich(quality, vector)
    x = form.rescale(vector, quality.table, form.observables[0]).x
    shared = shared_fraction(quality.table.size, x)
    return Fit(
        window=window,
        objective=quality.objective,
        optimum=optimum,
        covariance=goodness.covariance,
        chi2=goodness.chi2,
        dof=goodness.dof,
        shared=shared,
        points=len(x),
    )


def _best(fits: Sequence[Fit]) -> Fit:
    """The fit to report: of the acceptable ones that with the best score, else the least bad."""
    good = [fit for fit in fits if fit.accepted]
    if good:
        return max(good, key=lambda fit: fit.score)
    rest = [fit for fit in fits if fit.sound] or list(fits)
    return min(rest, key=lambda fit: fit.chi2 / max(fit.dof, 1.0))


def _rival(
    form: ScalingForm, table: ScalingTable, optima: Sequence[Optimum], window: str, final: Fit
) -> Fit | None:
    """Another acceptable answer, as `find_rival` of the other methods."""
    if len(optima) < 2 or -optima[1].value > _RIVAL_RATIO * max(-optima[0].value, 1.0):
        return None
    fits = _scan(form, table, optima[1:2], window)
    if not fits:
        return None
    other = _best(fits)
    comparable = other.accepted and 2 * other.score > final.score
    return other if comparable and differing(form, final, other, _RIVAL_SIGMA) else None


# --- what is drawn ----------------------------------------------------------------------


def _drawn(fit: Fit) -> tuple[tuple[CollapsedPoints, ...], tuple[MasterCurve, ...]]:
    """The rescaled points with their residuals, and the local lines of all sizes together."""
    form, table = fit.objective.form, fit.objective.table
    values = form.exponents(fit.exponents)
    points, curves = [], []
    for name in form.observables:
        zeta = values["zeta" if len(form.observables) == 1 else f"zeta_{name}"]
        scale = table.size ** (zeta / values["nu"])
        x = table.size ** (1 / values["nu"]) * (table.control - values["c_c"])
        y, error = table.values[name] / scale, table.errors[name] / scale
        own = local_lines(table.size, x, y, error, x, table.size)
        residual = (y - own.value) / np.sqrt(error**2 + own.variance)
        points.append(CollapsedPoints(name, table.size, x, y, error, residual))
        grid = np.linspace(x.min(), x.max(), 200)
        lines = local_lines(table.size, x, y, error, grid)
        band = np.sqrt(lines.variance[lines.known])
        curves.append(MasterCurve(name, grid[lines.known], lines.value[lines.known], band))
    return tuple(points), tuple(curves)
