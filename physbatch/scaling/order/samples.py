"""What the order of a transition is read from: samples at every size and control."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
import xarray as xr

from physbatch.dataset import STATUS_MISSING, STATUS_OK, control_dim, swept_dims
from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import FOLDED, STARTS
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray, IntArray
from physbatch.views import view

#: A limit with a test of its form needs three sizes.
LEAST_SIZES = 3
#: Fewer values at a point show neither two peaks nor one.
LEAST_REPLICAS = 12
#: Fourth powers of larger values leave the range of floating point.
_LARGEST = 1e60
#: Chance of a law as uneven as this one, below which it is not even.
_EVEN = 1e-3


@dataclass(frozen=True, eq=False)
class SizeSamples:
    """The samples of one size at its controls, those of the last time."""

    volume: float
    control: FloatArray  # sorted
    values: tuple[FloatArray, ...]  # one array of independent values for each control

    @property
    def mean(self) -> FloatArray:
        """Mean at each control."""
        return np.array([float(sample.mean()) for sample in self.values])

    @property
    def variance(self) -> FloatArray:
        """Variance over replicas at each control, divisor n - 1."""
        return np.array([float(sample.var(ddof=1)) for sample in self.values])

    @property
    def replicas(self) -> IntArray:
        """Number of values at each control."""
        return np.array([sample.size for sample in self.values], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class OrderData:
    """Data in the form that the pieces of evidence take."""

    observable: str
    control_name: str
    source: str
    sizes: tuple[SizeSamples, ...]  # from the smallest on; empty for a curve with errors
    histories: tuple[xr.Dataset, ...]  # of each size, for `find_jump`: all times if there are some
    curve: ScalingTable | None  # with errors, where there are no samples
    runs: xr.Dataset | None  # the dataset of the schema with the uninformed start
    planted: xr.Dataset | None  # and that with the planted one
    flags: tuple[Flag, ...]
    space_dimension: float = math.nan  # d in N = L^d where the sizes of the data are linear

    @property
    def volumes(self) -> FloatArray:
        """N of every size."""
        return np.array([samples.volume for samples in self.sizes])


def sample_data(
    data: ScalingTable | xr.Dataset,
    observable: str | None = None,
    *,
    control: str | None = None,
    time: float | None = None,
    space_dimension: float | None = None,
) -> OrderData:
    """Samples of an order parameter from a dataset of the schema or a table.

    A law that is even in the order parameter (a sign symmetry, broken or not) is folded: its
    absolute value is analysed, since two peaks of opposite sign are one phase. So is a law that is
    even about a mean that does not move with the control, such as the density of a lattice gas.

    Raises
    ------
    physbatch.errors.AnalysisError
        For fewer than three sizes, fewer than 12 values at every point, an observable that is
        constant, diverged or has two values only, linear sizes without the dimension of space, or
        swept parameters with more than one value.
    """
    samples = (
        _of_table(data, observable, space_dimension)
        if isinstance(data, ScalingTable)
        else _of_dataset(view(data, observable, control), observable or "overlap", time)
    )
    _check(samples)
    centre = _centre(samples)
    return samples if math.isnan(centre) else _folded(samples, centre)


def curve_data(table: ScalingTable, observable: str | None = None) -> OrderData:
    """A curve with errors, from which no histogram can be had."""
    name = _observable(table, observable)
    curve = table.only(name)
    _check_sizes(curve.sizes, curve.source)
    return OrderData(
        name, table.control_name, table.source, (), (), curve, None, None, tuple(table.flags)
    )


def _observable(table: ScalingTable, observable: str | None) -> str:
    if observable is None and len(table.observables) > 1:
        raise AnalysisError(
            f"the table has the observables {', '.join(table.observables)}",
            where=table.source or "table",
            remedy="name the order parameter",
        )
    return observable or table.observables[0]


def _check_sizes(sizes: Sequence[float] | FloatArray, source: str) -> None:
    if len(sizes) < LEAST_SIZES:
        listed = ", ".join(f"{size:g}" for size in sizes)
        raise AnalysisError(
            f"{len(sizes)} sizes (N = {listed})",
            where=source or "transition_order",
            remedy=f"the order shows in how things change with size: give at least {LEAST_SIZES}",
        )


def _check(data: OrderData) -> None:
    """Refuse what says nothing about the order of a transition."""
    where = data.source or "transition_order"
    _check_sizes(data.volumes, data.source)
    most = max(int(samples.replicas.max(initial=0)) for samples in data.sizes)
    if most < LEAST_REPLICAS:
        raise AnalysisError(
            f"at most {most} replicas at a point",
            where=where,
            remedy=f"histograms need at least {LEAST_REPLICAS} independent values at each point",
        )
    distinct = np.unique(
        np.concatenate([value for samples in data.sizes for value in samples.values])
    )
    if (largest := float(np.abs(distinct).max())) > _LARGEST:
        raise AnalysisError(
            f"observable {data.observable!r} reaches {largest:g}: replicas diverged",
            where=where,
            remedy="give controls at which none does, or an earlier time",
        )
    if distinct.size == 1:
        raise AnalysisError(
            f"observable {data.observable!r} is {distinct[0]:g} everywhere",
            where=where,
            remedy="a constant says nothing of a transition; name another observable",
        )
    if distinct.size == 2:
        raise AnalysisError(
            f"observable {data.observable!r} takes two values only, {distinct[0]:g} and "
            f"{distinct[1]:g}: it is an event, not an intensive order parameter",
            where=where,
            remedy="events of all units drift with ln N without any transition; give an overlap, "
            "a magnetisation, a density",
        )


# --- tables -----------------------------------------------------------------------------


def _of_table(
    table: ScalingTable, observable: str | None, space_dimension: float | None
) -> OrderData:
    name = _observable(table, observable)
    chosen = table.only(name)
    if chosen.dimension == "L":
        if space_dimension is None:
            raise AnalysisError(
                "sizes are linear",
                where=table.source or "table",
                remedy="laws of fluctuations are in the volume N: state d in N = L^d, or that "
                "sizes are volumes",
            )
        chosen = chosen.to_dimension("N", space_dimension)
    else:
        space_dimension = None
    sizes = []
    for volume in chosen.sizes:
        rows = np.flatnonzero(chosen.size == volume)
        values = tuple(chosen.samples[name][row] for row in rows)
        sizes.append(_sorted(float(volume), chosen.control[rows], values))
    kept = tuple(size for size in sizes if size.control.size)
    return OrderData(
        name,
        table.control_name,
        table.source,
        kept,
        tuple(_history(size) for size in kept),
        None,
        None,
        None,
        tuple(table.flags),
        math.nan if space_dimension is None else space_dimension,
    )


def _sorted(volume: float, control: FloatArray, values: tuple[FloatArray, ...]) -> SizeSamples:
    """Controls in order, without those that have fewer than two values."""
    order = [int(i) for i in np.argsort(control) if values[int(i)].size >= 2]
    return SizeSamples(volume, control[order], tuple(values[i] for i in order))


def _history(samples: SizeSamples) -> xr.Dataset:
    """Samples without times as the dataset that `find_jump` takes."""
    block = np.full((1, samples.control.size, int(samples.replicas.max()), 1), np.nan)
    for row, values in enumerate(samples.values):
        block[0, row, : values.size, 0] = values
    status = np.where(np.isnan(block[..., 0]), STATUS_MISSING, STATUS_OK)
    return xr.Dataset(
        {
            "overlap": (("size", "batch_size", "replica", "time"), block),
            "status": (("size", "batch_size", "replica"), status),
        },
        coords={"size": [samples.volume], "batch_size": samples.control, "time": [1.0]},
        attrs={"control_dim": "batch_size"},  # whatever the control is, the schema's name
    )


# --- datasets of the schema -------------------------------------------------------------


def _of_dataset(data: xr.Dataset, observable: str, time: float | None) -> OrderData:
    """Samples of a dataset in which the observable stands as the overlap (`view`)."""
    random, informed, flags = _starts(data)
    runs = _until(random, time)
    planted = None if informed is None else _until(informed, time)
    dim = control_dim(runs)
    histories = tuple(runs.isel(size=[i]) for i in range(runs.sizes["size"]))
    sizes = tuple(_last_samples(history, dim) for history in histories)
    return OrderData(
        observable, dim, str(data.attrs.get("title", "")), sizes, histories, None, runs, planted,
        flags,
    )  # fmt: skip


def _starts(data: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset | None, tuple[Flag, ...]]:
    """The uninformed start, the planted one if there is one, and what was taken."""
    swept = swept_dims(data)
    many = [d for d in swept if data.sizes[d] > 1]
    other = [d for d in many if d != "initial_overlap"]
    if other:
        raise AnalysisError(
            f"the data sweep {', '.join(other)}",
            where="transition_order",
            remedy=f"choose one value of each: physbatch select DATA.nc {other[0]}=... -o PART.nc",
        )
    if "initial_overlap" not in many:
        return data.squeeze(swept, drop=True), None, ()
    start = data["initial_overlap"].values
    rest = [d for d in swept if d != "initial_overlap"]
    # A student that starts perfect may never leave: that says nothing.
    informed = [float(r) for r in start if start.min() < r < 1.0]
    low, high = (
        data.sel(initial_overlap=r).squeeze(rest, drop=True) if r is not None else None
        for r in (start.min(), max(informed, default=None))
    )
    assert low is not None
    words = f"initial_overlap = {start.min():g} is the uninformed start"
    if high is None:
        return low, None, (STARTS(f"{words}; a start at 1 is absorbing and not used"),)
    return low, high, (STARTS(f"{words}, {max(informed):g} the planted one"),)


def _until(data: xr.Dataset, time: float | None) -> xr.Dataset:
    """The dataset up to a run time."""
    times = np.asarray(data["time"].values, dtype=np.float64)
    if time is None:
        return data
    if not times[0] <= time <= times[-1]:
        raise AnalysisError(
            f"time {time:g} is outside the measured times",
            where="transition_order",
            remedy=f"give a time from {times[0]:g} to {times[-1]:g}",
        )
    return data.isel(time=times <= time)


def _last_samples(history: xr.Dataset, dim: str) -> SizeSamples:
    """The values at the last time of the replicas that ended well."""
    last = history.isel(size=0, time=-1)
    block = np.asarray(last["overlap"].transpose(dim, "replica").values, dtype=np.float64)
    good = (last["status"].transpose(dim, "replica").values == STATUS_OK) & np.isfinite(block)
    values = tuple(row[keep] for row, keep in zip(block, good, strict=True))
    control = np.asarray(history[dim].values, dtype=np.float64)
    return _sorted(float(history["size"].values[0]), control, values)


# --- symmetry ---------------------------------------------------------------------------


def _centre(data: OrderData) -> float:
    """The value about which the law is even at every point; nan if there is none."""
    if _is_even(data, 0.0, 0.0):
        return 0.0
    mean = np.concatenate([samples.mean for samples in data.sizes])
    runs = np.concatenate([samples.replicas for samples in data.sizes])
    variance = np.concatenate([samples.variance for samples in data.sizes]) / runs
    if not np.all(variance > 0.0):
        return math.nan
    error = float(1.0 / np.sqrt(np.sum(1.0 / variance)))
    centre = float(np.sum(mean / variance)) * error**2
    chi2 = float(np.sum((mean - centre) ** 2 / variance))
    still = scipy.stats.chi2.sf(chi2, mean.size - 1) > _EVEN
    # Values this near to the centre may lie on either side of the true one.
    return centre if still and _is_even(data, centre, 3.0 * error) else math.nan


def _is_even(data: OrderData, centre: float, tolerance: float) -> bool:
    """Whether values on both sides of the centre are equally frequent at every point."""
    above, below = (
        np.array(
            [
                np.sum(sign * (value - centre) > tolerance)
                for samples in data.sizes
                for value in samples.values
            ],
            dtype=float,
        )
        for sign in (1.0, -1.0)
    )
    count = above + below
    used = count > 0
    if not used.any() or below.sum() == 0.0:
        return False
    chi2 = float(np.sum((above - below)[used] ** 2 / count[used]))
    return bool(scipy.stats.chi2.sf(chi2, int(used.sum())) > _EVEN)


def _folded(data: OrderData, centre: float) -> OrderData:
    """Distances from the centre instead of an order parameter with a symmetric law."""
    about = (
        f"even about {centre:.4g}, its distance from there"
        if centre
        else "even, its absolute value"
    )
    return replace(
        data,
        sizes=tuple(
            replace(samples, values=tuple(np.abs(value - centre) for value in samples.values))
            for samples in data.sizes
        ),
        histories=tuple(
            samples.assign(overlap=np.abs(samples["overlap"] - centre))
            for samples in data.histories
        ),
        flags=(
            *data.flags,
            FOLDED(f"the law of {data.observable} is {about} is analysed"),
        ),
    )
