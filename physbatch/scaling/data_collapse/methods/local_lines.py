r"""Collapse by the smallest S of Houdayer and Hartmann (PRB 70, 014418).

S has no hyperparameters and is quick, but its master curve, a straight line between neighbouring
points, does not know of the curvature it misses: where that exceeds the noise S is far above 1
at the exact exponents, and its minimum is biased. The result says so, by S and by its
probability: terms of S share points, so S times a number of independent terms follows about a
chi^2 law, with that number from the exact variance of S (Satterthwaite 1946, doi 10.2307/3002019).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.identifiability import differing
from physbatch.scaling.data_collapse.intervals import Uncertainties
from physbatch.scaling.data_collapse.methods.local_line_errors import refits, rise_by_one, sandwich
from physbatch.scaling.data_collapse.optimum import Optimum
from physbatch.scaling.data_collapse.quality_kernel import Quality, minimise
from physbatch.scaling.data_collapse.search import Search
from physbatch.scaling.data_collapse.starts import Optima, candidates, coarse_table, local_maxima
from physbatch.scaling.data_collapse.windows import Fit, Window, inside, windows_of
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

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


def search_local_lines(
    form: ScalingForm,
    table: ScalingTable,
    *,
    window: str,
    start: Mapping[str, float] | None = None,
) -> Search:
    """Minimise S over the exponents, globally, in every window.

    Parameters are those of `physbatch.scaling.data_collapse.search.search_globally`; the form has
    neither corrections nor a drift.

    Raises
    ------
    AnalysisError
        If the window is unknown, or no start gives sizes that share x.
    """
    minima = _global_minima(form, table, start)
    fits = _scan(form, table, minima.different, window)
    settled = _best(fits)
    rival = _rival(form, table, minima.different, window, settled)
    return Search(minima, fits, settled, rival)


def local_line_uncertainties(fit: Fit, errors: str, seed: int) -> Uncertainties:
    """Errors of a fit by refits of resampled data ("bootstrap"), or from S_min + 1 ("quality")."""
    if not fit.optimum.converged or not fit.form.names:
        return Uncertainties({})
    quality = Quality(fit.form, fit.objective.table)
    if errors == "quality":
        return rise_by_one(quality, fit.optimum, fit.covariance)
    return refits(quality, fit.optimum, fit.covariance, seed=seed)


def _global_minima(
    form: ScalingForm, table: ScalingTable, start: Mapping[str, float] | None
) -> Optima:
    """Minima from the best points of a map of S over c_c and nu."""
    small = coarse_table(table, _MAP_POINTS)
    grid = candidates(form, small)
    rough = Quality(form, small)
    heights = np.array([[-rough(vector) for vector in row] for row in grid])
    vectors = [grid[i][j] for i, j in local_maxima(heights)[:_MOST_STARTS]]
    quality = Quality(form, coarse_table(table, _SEARCH_POINTS))
    minima = [minimise(quality, vector, rounds=2) for vector in vectors]
    minima.sort(key=lambda minimum: -minimum.value)
    best = minimise(quality, minima[0].vector)
    if start is not None:
        extra = minimise(quality, form.vector({**form.exponents(vectors[0]), **start}))
        # Valleys of S are many; a start of the user's counts where it leads to a far deeper one.
        best = extra if extra.value > _FAR_DEEPER * best.value else best
        minima.append(extra)
    others = [minimum for minimum in minima if not _same(minimum, best)]
    units = quality.objective.units
    return Optima(len(minima), len(minima) - len(others), units, (best, *others[:1]))


def _same(minimum: Optimum, other: Optimum) -> bool:
    return bool(np.abs(minimum.vector - other.vector).max(initial=0.0) < _SAME)


def _scan(
    form: ScalingForm, table: ScalingTable, optima: Sequence[Optimum], window: str
) -> list[Fit]:
    """The best fit in every window, from each of the minima."""
    fits = []
    for tried in windows_of(table, window):
        from_each = [_fit_window(form, table, tried, optimum.vector) for optimum in optima]
        known = [fit for fit in from_each if fit is not None]
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
    return Fit(
        window=window,
        objective=quality.objective,
        optimum=optimum,
        covariance=goodness.covariance,
        chi2=goodness.chi2,
        dof=goodness.dof,
        points=len(quality.table.size),
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
    return other if comparable and differing(final, other, _RIVAL_SIGMA) else None
