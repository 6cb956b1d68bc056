"""Reweighting of raw series: from runs at a few controls to a table at many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import BEYOND_HISTOGRAMS, INCONSISTENT
from physbatch.scaling.reweighting.equations import target_weights
from physbatch.scaling.reweighting.means import Means, effective_samples, reweighted_means
from physbatch.scaling.reweighting.raw_series import EnergySeries
from physbatch.scaling.reweighting.result import Reweighting
from physbatch.scaling.reweighting.runs import ENERGY_MOMENTS
from physbatch.scaling.reweighting.solved import Joined, ReweightingOptions, Solved, join_runs
from physbatch.tables.make import make_table
from physbatch.typing import FloatArray

#: Controls of a size, if none are asked for.
_GRID = 31
#: Part of each error that is its own and not that of the curve. The bootstrap knows the covariance
#: of points that lie closely only up to its own noise and to that of rounding.
_OWN_PART = 0.01
#: Probability below which mean energies contradict one another.
_INCONSISTENT = 1e-5


class _Points(NamedTuple):
    """What one size brings to the table."""

    solved: Solved
    control: FloatArray
    means: Means
    effective: FloatArray
    left_out: FloatArray


def reweight(
    data: EnergySeries | Any,
    energy: str | int = "E",
    *,
    at: npt.ArrayLike | Mapping[float, npt.ArrayLike] | None = None,
    moments: Sequence[str] | None = None,
    resamples: int = 400,
    seed: int = 0,
    **options: Unpack[ReweightingOptions],
) -> Reweighting:
    r"""Means at any control near the simulated ones, from raw series of the energy.

    The runs of a size are joined by the equations of Ferrenberg and Swendsen (those of MBAR),

    .. math:: \langle A\rangle_b = \frac{\sum_t A_t e^{-b E_t}/D(E_t)}{\sum_t e^{-b E_t}/D(E_t)},
        \qquad D(E) = \sum_k n_k e^{f_k - b_k E}, \qquad
        e^{-f_k} = \sum_t \frac{e^{-b_k E_t}}{D(E_t)}

    with samples weighted by 1/(2 tau) of their run, so that n_k are independent ones.

    Parameters
    ----------
    data : path, data or EnergySeries
        A row for each measurement, in the order of time; as in `read_series`.
    energy : str or int
        Column of the energy, of the whole system.
    at : array_like or mapping of size to array_like, optional
        Controls; by default 31 between the smallest and the largest of each size.
    moments : sequence of str, optional
        Moments of every observable, as in `sample_moments`; by default ``mean_abs``,
        ``susceptibility_abs``, ``binder``, ``binder_abs`` and ``binder_ratio``. Those of the energy
        are always there: ``energy``, ``energy_variance``
        (:math:`(\langle E^2\rangle - \langle E\rangle^2)/N`), ``specific_heat`` (:math:`b^2` times
        it; not if one b is 0) and ``energy_binder``
        (:math:`1 - \langle E^4\rangle/(3\langle E^2\rangle^2)`). Names of several observables go
        before those of their moments.
    resamples, seed : int
        Of the bootstrap over blocks of the chains, of at least 2 tau; whole chains if they are
        shorter.
    weight : {"beta", "temperature"}, optional
        The weight of a state: exp(-c E) or exp(-E/c), c being the control. By default the second
        if the control is called a temperature.
    space_dimension : float, optional
        d in N = L^d; heat and susceptibility of linear sizes need it.
    per_site : bool
        The energy is that of a site.
    control, size, observable, chain, time, size_from_name, dimension
        As in `read_series`.

    Returns
    -------
    Reweighting
        Its `table` goes into `find_crossings`, `collapse` and `find_peaks`. Flags:
        ``thin_histograms`` (runs share fewer than 100 independent samples), ``beyond_histograms``
        (controls left out, where fewer than 100 stand behind the means or the outermost ten carry
        more than 3 % of the weight), ``inconsistent`` (mean energies of the runs contradict one
        another), ``few_samples``.

    Raises
    ------
    physbatch.scaling.statistics.SeriesTooShort
        If a run is shorter than 50 autocorrelation times.
    physbatch.errors.AnalysisError
        If histograms do not overlap, the energies do not go with the control, or no control is
        within reach.

    References
    ----------
    Ferrenberg and Swendsen, doi 10.1103/PhysRevLett.63.1195; Shirts and Chodera,
    doi 10.1063/1.2978177.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> beta = np.repeat([0.0, 1.0], 2000)  # ten spins in a field of 1
    >>> up = generator.binomial(10, 1 / (1 + np.exp(-2 * beta)))
    >>> columns = {"N": np.full(4000, 10), "beta": beta, "E": 10 - 2 * up}
    >>> table = reweight(columns, at=[0.0, 0.5, 1.0]).table
    >>> np.round(table.values["energy"] / -10 - np.tanh([0.0, 0.5, 1.0]), 1) + 0.0
    array([0., 0., 0.])
    """
    joined = join_runs(data, energy, moments, options)
    parts = [
        _points(joined, solved, _controls(at, solved), resamples, np.random.default_rng([seed, k]))
        for k, solved in enumerate(joined.sizes)
    ]
    return _assemble(joined, parts)


def _controls(
    at: npt.ArrayLike | Mapping[float, npt.ArrayLike] | None, solved: Solved
) -> FloatArray:
    """Controls that are asked for at a size, sorted."""
    runs = solved.runs
    if at is None:
        return np.linspace(runs.control.min(), runs.control.max(), _GRID)
    asked = at.get(runs.size, ()) if isinstance(at, Mapping) else at
    controls = np.unique(np.asarray(asked, dtype=np.float64).ravel())
    if not np.isfinite(controls).all():
        raise AnalysisError("controls that are not finite", where="at", remedy="give numbers")
    return controls


def _points(
    joined: Joined,
    solved: Solved,
    control: FloatArray,
    resamples: int,
    generator: np.random.Generator,
) -> _Points:
    """Means at the controls that are within reach."""
    if resamples < 50:
        raise AnalysisError(f"resamples = {resamples}", remedy="take at least 50")
    if joined.temperature and control.size and control.min() <= 0.0:
        raise AnalysisError(f"a temperature of {control.min():g}", where="at")
    inverse = 1.0 / control if joined.temperature else control
    runs, solution = solved.runs, solved.solution
    weights = target_weights(solution, runs.energy, inverse)
    effective, enough = effective_samples(weights, runs.energy, solved.histogram)
    means = reweighted_means(runs, solution, inverse[enough], resamples, generator)
    return _Points(solved, control[enough], means, effective[enough], control[~enough])


def _columns(joined: Joined, part: _Points) -> dict[str, tuple[int, FloatArray]]:
    """Of every column of the table: which moment it is, and what that is multiplied by.

    The factor has shape (n_target,); it is nan where the volume is not known.
    """
    volume = part.solved.runs.volume
    inverse = 1.0 / part.control if joined.temperature else part.control
    plain = np.ones(part.control.size)
    columns = {
        "energy": (0, plain / volume if joined.per_site else plain),
        "energy_variance": (1, plain / volume),
        "specific_heat": (1, inverse**2 / volume),
        "energy_binder": (2, plain),
    }
    several, index = len(joined.series.observables) > 1, len(ENERGY_MOMENTS)
    for observable in joined.series.observables:
        for moment in joined.moments:
            columns[f"{observable}_{moment}" if several else moment] = (index, plain)
            index += 1
    return columns


def _assemble(joined: Joined, parts: Sequence[_Points]) -> Reweighting:
    """The table and what the runs are worth."""
    series = joined.series
    size = np.concatenate([np.full(part.control.size, part.solved.runs.size) for part in parts])
    flags = [*joined.flags, *_flags(joined, parts)]
    if not size.size:
        raise AnalysisError(
            "no control is within reach of the runs",
            where=series.source,
            remedy=f"{series.control_name} is {series.control.min():g} to "
            f"{series.control.max():g}; go little beyond",
        )
    columns = [_columns(joined, part) for part in parts]
    values, covariance = {}, {}
    for name in columns[0]:
        units = np.concatenate([column[name][1] for column in columns])
        # The volume may not be known; at b = 0 the heat is 0 without an error.
        if np.isfinite(units).all() and (units > 0.0).all():
            blocks = [
                _block(part, *column[name]) for part, column in zip(parts, columns, strict=True)
            ]
            values[name] = np.concatenate([value for value, _ in blocks])
            covariance[name] = scipy.linalg.block_diag(*(matrix for _, matrix in blocks))
    table = make_table(
        size,
        np.concatenate([part.control for part in parts]),
        values,
        covariance=covariance,
        size_name=series.size_name,
        control_name=series.control_name,
        dimension=series.dimension,
        source=series.source,
        flags=tuple(flags),
        minimum_sizes=1,
        minimum_points=1,
    )
    runs = [part.solved.runs for part in parts]
    compared = np.array([_compare(part.means) for part in parts])
    return Reweighting(
        energy_name=series.energy_name,
        control_name=series.control_name,
        size_name=series.size_name,
        dimension=series.dimension,
        source=series.source,
        weight=joined.weight,
        size=np.concatenate([np.full(of_size.control.size, of_size.size) for of_size in runs]),
        **{
            name: np.concatenate([getattr(of_size, name) for of_size in runs])
            for name in ("control", "samples", "chains", "time", "independent")
        },
        shared=np.concatenate([[*part.solved.shared, np.nan] for part in parts]),
        free_energy=np.concatenate([part.solved.solution.free_energies for part in parts]),
        free_energy_stderr=np.concatenate([part.means.free_drawn.std(axis=0) for part in parts]),
        compared_size=np.array([of_size.size for of_size in runs]),
        chi2=compared[:, 0],
        dof=compared[:, 1],
        p_value=compared[:, 2],
        effective=np.concatenate([part.effective for part in parts]),
        points=table.to_dataset(),
        flags=tuple(flags),
    )


def _block(part: _Points, index: int, unit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values of a moment at one size, and their covariance."""
    values = part.means.values[index] * unit
    drawn = part.means.drawn[:, index] * unit
    covariance = np.atleast_2d(np.cov(drawn, rowvar=False))
    covariance[np.diag_indices_from(covariance)] *= 1.0 + _OWN_PART**2
    return values, covariance


def _compare(means: Means) -> tuple[float, float, float]:
    """chi^2 of the mean energies of the runs against those of all, its dof and probability.

    The sum of the misfits, weighted with the samples, is 0 by the equations.
    """
    dof = means.misfit.size - 1
    if dof == 0:
        return np.nan, 0.0, np.nan
    covariance = np.cov(means.misfit_drawn, rowvar=False)
    scale = np.sqrt(np.diag(covariance))
    strength, modes = np.linalg.eigh(covariance / np.outer(scale, scale))
    along = (modes.T @ (means.misfit / scale))[1:]
    chi2 = float((along**2 / strength[1:]).sum())
    return chi2, float(dof), float(scipy.stats.chi2.sf(chi2, dof))


def _flags(joined: Joined, parts: Sequence[_Points]) -> list[Flag]:
    """What lies out of reach, and runs that contradict one another."""
    flags = []
    for part in parts:
        where = f"{joined.series.size_name} = {part.solved.runs.size:g}"
        if part.left_out.size:
            listed = ", ".join(f"{control:.6g}" for control in part.left_out[:6])
            more = ", ..." if part.left_out.size > 6 else ""
            flags.append(
                BEYOND_HISTOGRAMS(
                    f"{joined.series.control_name} = {listed}{more} left out at {where}"
                )
            )
        chi2, dof, p_value = _compare(part.means)
        if p_value < _INCONSISTENT:
            flags.append(
                INCONSISTENT(
                    "mean energies of the runs and those of all runs together: "
                    f"chi2/dof = {chi2:.3g}/{dof:g} at {where}"
                )
            )
    return flags
