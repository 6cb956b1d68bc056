"""Observables from samples of an order parameter: moments and Binder cumulants.

Samples are replicas, replicas in clusters, or a series; their resampling is in `series`. All
observables of a point are resampled together, and the table keeps one pseudo-value for every
independent unit: their mean is the observable, their scatter its error, their correlation that of
the observables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypedDict, Unpack

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import FEW_SAMPLES, NO_SUSCEPTIBILITY, POINTS_LEFT_OUT, ROWS_CORRELATED
from physbatch.scaling.statistics import series
from physbatch.scaling.statistics.autocorrelations import SeriesTooShort, integrated_time
from physbatch.scaling.statistics.series import Resampled, Units
from physbatch.tables.make import checked
from physbatch.tables.samples import LEAST_SAMPLES
from physbatch.tables.table import Dimension, ScalingTable
from physbatch.typing import FloatArray

#: Name -> what it is, for every observable of samples m of an order parameter.
OBSERVABLES: Mapping[str, str] = {
    "mean": "<m>",
    "mean_abs": "<|m|>",
    "variance": "<m^2> - <m>^2",
    "susceptibility": "N (<m^2> - <m>^2)",
    "susceptibility_abs": "N (<m^2> - <|m|>^2)",
    "binder": "1 - <m^4> / (3 <m^2>^2)",
    "binder_abs": "<m^2> / <|m|>^2",
    "binder_ratio": "<m^2>^2 / <m^4>",
    "second_moment": "<m^2>",
    "fourth_moment": "<m^4>",
}
_DEFAULT = tuple(OBSERVABLES)[:8]


class Resampling(TypedDict, total=False):
    """Where errors come from, as in `sample_moments`."""

    method: Literal["jackknife", "bootstrap"]
    resamples: int
    seed: int


def sample_moments(
    table: ScalingTable,
    observable: str | None = None,
    *,
    moments: Sequence[str] | None = None,
    rows: Literal["replicas", "series"] = "replicas",
    cluster: str | None = None,
    space_dimension: float | None = None,
    **resampling: Unpack[Resampling],
) -> ScalingTable:
    r"""Moments of an order parameter m at each point, from its samples.

    :math:`\langle m\rangle`, :math:`\langle|m|\rangle`, variance,
    :math:`\chi = N(\langle m^2\rangle - \langle m\rangle^2)`, the same with
    :math:`\langle|m|\rangle`, and :math:`U = 1 - \langle m^4\rangle/(3\langle m^2\rangle^2)` with
    its variants: `OBSERVABLES` lists them.

    Parameters
    ----------
    table : ScalingTable
        A table with samples of m (`make_sample_table`, `read_table`, `from_dataset`).
    observable : str, optional
        Name of m; not needed if the table has one observable.
    moments : sequence of str, optional
        Which of `OBSERVABLES`; by default all but the bare second and fourth moment.
    rows : {"replicas", "series"}
        Whether samples are independent, or steps of a series in equilibrium: then errors
        come from blocks of at least 2 tau.
    cluster : str, optional
        Name of the observable whose samples label the clusters (graphs) of replicas.
    space_dimension : float, optional
        d in N = L^d; a table of linear sizes needs it for susceptibilities.
    method : {"jackknife", "bootstrap"}
        Where errors come from; values are jackknife ones either way, free of the bias 1/n.
    resamples, seed : int
        Of the bootstrap, by default 1000 and 0.

    Returns
    -------
    ScalingTable
        `samples` are the pseudo-values of replicas, clusters or blocks;
        `ScalingTable.joint_covariance` gives the covariance between observables.

    Raises
    ------
    physbatch.scaling.statistics.autocorrelations.SeriesTooShort
        For a series shorter than 50 autocorrelation times of one of the moments.
    physbatch.errors.AnalysisError
        For a table without samples, or an unknown name.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.tables import make_sample_table
    >>> m = np.random.default_rng(5).normal(size=(2, 10_000)) / 10
    >>> table = make_sample_table([100, 100], [1, 2], {"m": m}, minimum_sizes=1,
    ...                           minimum_points=1, dimension="N")
    >>> result = sample_moments(table, moments=("susceptibility", "binder"))
    >>> result.values["susceptibility"].round(2).tolist()
    [1.01, 1.02]
    """
    name = _order_parameter(table, observable, cluster)
    flags = [flag for flag in table.flags if flag.kind is not ROWS_CORRELATED]
    if rows == "replicas" and cluster is None:
        flags = list(table.flags)
    wanted, note = wanted_moments(moments, table.dimension, space_dimension)
    flags += note
    volume = table.size if table.dimension == "N" else table.size ** (space_dimension or np.nan)
    results: dict[int, Resampled] = {}
    for row, m in enumerate(table.samples[name]):
        where = f"{table.source or 'table'}, {table.describe(row)}"
        point = MomentsOf(m, float(volume[row]), wanted)
        tau = np.full(len(wanted), 0.5)
        if rows == "series":
            tau = times_of(point.features, point, wanted, where)
        if cluster is not None:
            units = series.clusters(point.features, table.samples[cluster][row])
        elif rows == "series":
            units = series.blocks(point.features, series.block_length(float(tau.max()), m.size))
        else:
            units = series.replicas(point.features)
        if units.count >= series.MINIMUM_UNITS:
            results[row] = _resample(units, point, tau, row, **resampling)
    return _moment_table(table, wanted, results, tuple(flags))


def _order_parameter(table: ScalingTable, observable: str | None, cluster: str | None) -> str:
    names = [name for name in table.samples if name != cluster]
    if cluster is not None and cluster not in table.samples:
        raise AnalysisError(
            f"no samples of the cluster label {cluster!r}", where=table.source or "table"
        )
    if observable is None and len(names) == 1:
        return names[0]
    if observable not in names:
        raise AnalysisError(
            f"no samples of {observable or 'one single observable'}",
            where=table.source or "table",
            remedy=f"moments need samples; there are some of {', '.join(names) or 'none'}",
        )
    return str(observable)


def wanted_moments(
    moments: Sequence[str] | None, dimension: Dimension, space_dimension: float | None
) -> tuple[tuple[str, ...], list[Flag]]:
    """Names of the moments, and a flag if some of the usual ones cannot be had."""
    for name in moments or ():
        if name not in OBSERVABLES:
            raise AnalysisError(
                f"no moment {name!r}", where="moments", remedy=f"one of {', '.join(OBSERVABLES)}"
            )
    chosen = tuple(moments or _DEFAULT)
    extensive = [name for name in chosen if name.startswith("susceptibility")]
    if dimension == "N" or space_dimension is not None or not extensive:
        return chosen, []
    if moments is not None:
        raise AnalysisError(
            f"{extensive[0]} needs the volume N, and sizes are linear",
            where="moments",
            remedy="state the dimension of space d in N = L^d, or that sizes are volumes",
        )
    left = tuple(name for name in chosen if name not in extensive)
    return left, [NO_SUSCEPTIBILITY("sizes are linear and the dimension of space is not stated")]


class MomentsOf:
    """Features of samples of m, shape (n, 6), and the moments as functions of their means."""

    def __init__(self, m: FloatArray, volume: float, wanted: Sequence[str]) -> None:
        self._volume, self._wanted = volume, wanted
        self._centre, self._centre_abs = float(m.mean()), float(np.abs(m).mean())
        # Powers of the distance from the mean: <m^2> - <m>^2 would lose the digits near m = 1.
        from_mean, from_abs = m - self._centre, np.abs(m) - self._centre_abs
        self.features = np.stack(
            [from_mean, from_mean**2, from_abs, from_abs**2, m**2, m**4], axis=1
        )

    def __call__(self, means: FloatArray) -> FloatArray:
        d, d2, e, e2, m2, m4 = np.moveaxis(means, -1, 0)
        variance = d2 - d**2
        absolute = self._centre_abs + e
        values: dict[str, Callable[[], FloatArray]] = {
            "mean": lambda: self._centre + d,
            "mean_abs": lambda: absolute,
            "variance": lambda: variance,
            "susceptibility": lambda: self._volume * variance,
            "susceptibility_abs": lambda: self._volume * (e2 - e**2),
            "binder": lambda: 1.0 - m4 / (3.0 * m2**2),
            "binder_abs": lambda: m2 / absolute**2,
            "binder_ratio": lambda: m2**2 / m4,
            "second_moment": lambda: m2,
            "fourth_moment": lambda: m4,
        }
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([values[name]() for name in self._wanted], axis=-1)


def times_of(
    features: FloatArray, function: series.Function, names: Sequence[str], where: str
) -> FloatArray:
    """Autocorrelation time of each function of means along a series: of what its error feels."""
    out = []
    influences = series.influence(features, function).T
    for name, influence in zip(names, influences, strict=True):
        if not np.any(influence):
            out.append(0.5)
            continue
        try:
            out.append(integrated_time(influence).value)
        except SeriesTooShort as short:
            short.where = f"{where}, series of {name}"
            raise
    return np.array(out)


def _resample(
    units: Units,
    point: MomentsOf,
    tau: FloatArray,
    row: int,
    *,
    method: str = "jackknife",
    resamples: int = 1000,
    seed: int = 0,
) -> Resampled:
    if method == "jackknife":
        return series.jackknife(units, point, tau=tau)
    if method == "bootstrap":
        generator = np.random.default_rng([seed, 2, row])
        return series.bootstrap(units, point, tau=tau, resamples=resamples, seed=generator)
    raise AnalysisError(f"method {method!r}", remedy="'jackknife' or 'bootstrap'")


def _moment_table(
    table: ScalingTable,
    wanted: Sequence[str],
    results: Mapping[int, Resampled],
    flags: tuple[Flag, ...],
) -> ScalingTable:
    """The moments of all points that have an error."""
    where = table.source or "table"
    good = {
        row: point
        for row, point in results.items()
        if np.isfinite(point.value).all() and np.all(np.isfinite(point.error) & (point.error > 0))
    }
    if not good:
        raise AnalysisError(
            "no point has moments with an error",
            where=where,
            remedy=f"give at least {series.MINIMUM_UNITS} independent samples that differ",
        )
    if len(good) < table.size.size:
        first = next(row for row in range(table.size.size) if row not in good)
        flags += (
            POINTS_LEFT_OUT(
                f"{table.size.size - len(good)} of {table.size.size} points have too "
                f"few independent samples or a moment without spread "
                f"(first: {table.describe(first)})"
            ),
        )
    fewest = min(len(point.pseudo_values) for point in good.values())
    if fewest < LEAST_SAMPLES and not FEW_SAMPLES.among(flags):
        flags += (FEW_SAMPLES(f"a point has {fewest}; its error is itself uncertain"),)
    rows = np.array(list(good))
    moments = replace(
        table,
        size=table.size[rows],
        control=table.control[rows],
        values={n: np.array([p.value[i] for p in good.values()]) for i, n in enumerate(wanted)},
        errors={n: np.array([p.error[i] for p in good.values()]) for i, n in enumerate(wanted)},
        covariance={},
        samples={
            n: tuple(p.pseudo_values[:, i] for p in good.values()) for i, n in enumerate(wanted)
        },
        flags=flags,
    )
    return checked(moments, minimum_sizes=1, minimum_points=1)
