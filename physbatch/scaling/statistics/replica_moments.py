"""Moments over replicas, each with its bootstrap error.

Three layers: kernels on arrays (`moment_values`, `resampled_moments`), a wrapper that knows
dimensions by name (`_size_moments`), and the public function `moments`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.errors import AnalysisError
from physbatch.scaling.statistics.resampling import (
    bootstrap_counts,
    graph_labels,
    unbiased_spread,
)
from physbatch.tables.samples import binomial_error
from physbatch.typing import BoolArray, FloatArray

#: Name -> what it is, for every moment of the overlap.
MOMENTS: Mapping[str, str] = {
    "overlap_mean": "mean overlap <q>",
    "overlap_variance": "variance of the overlap over replicas, divisor n - 1",
    "susceptibility": "N times the variance of the overlap",
    "binder": "Binder cumulant 1 - <q^4> / (3 <q^2>^2)",
    "success_probability": "fraction of replicas whose overlap is exactly 1",
}
#: Bytes of a dataset that are taken into memory together.
_AT_ONCE = 2**26
_ERRORS: Mapping[str, str] = {
    "generalization_error_mean": "mean generalization error",
    "batch_error_mean": "mean batch error",
}


def moment_values(overlap: FloatArray, size: float, *, axis: int = -1) -> dict[str, FloatArray]:
    """Moments of the overlap along one axis (kernel).

    Parameters
    ----------
    overlap : ndarray
        Overlaps q with n replicas along `axis`.
    size : float
        N in the susceptibility.
    axis : int
        The axis of the replicas.

    Returns
    -------
    dict
        One array for every name in `MOMENTS`, without the axis. The variance is
        nan for fewer than two replicas, all moments are nan for none.
    """
    q = np.moveaxis(overlap, axis, 0)
    weights = np.full((1, q.shape[0]), 1.0)
    drawn = resampled_moments(q, weights, size)
    return {name: values[0] for name, values in drawn.items()}


def resampled_moments(
    overlap: FloatArray, counts: FloatArray, size: float
) -> dict[str, FloatArray]:
    """Moments of every resample (kernel).

    All moments are functions of weighted means of powers of q, so a resample costs one row of
    a matrix product, and the same rows serve every moment: correlations are kept.

    Parameters
    ----------
    overlap : ndarray, shape (n, ...)
        Overlaps of n replicas.
    counts : ndarray, shape (resamples, n)
        How often each replica is drawn; rows sum to n.
    size : float
        N in the susceptibility.

    Returns
    -------
    dict
        Name -> array of shape (resamples, ...).
    """
    n, rest = overlap.shape[0], overlap.shape[1:]
    shape = (counts.shape[0], *rest)
    if n == 0:
        return {name: np.full(shape, np.nan) for name in MOMENTS}
    q = overlap.reshape(n, -1)
    weights = counts / n
    centre = q.mean(axis=0)
    # Powers of the distance from the mean: near q = 1 the plain second moment minus the
    # square of the first one would lose the digits that matter.
    deviation = q - centre
    first = weights @ deviation
    second = weights @ deviation**2
    correction = n / (n - 1.0) if n > 1 else np.nan
    variance = np.maximum(second - first**2, 0.0) * correction
    square = weights @ q**2
    with np.errstate(divide="ignore", invalid="ignore"):
        binder = 1.0 - (weights @ q**4) / (3.0 * square**2)
    binder = np.where(square > 0.0, binder, np.nan)
    # A replica without a number counts as one, not as a failure: nan stays nan.
    right = np.where(np.isnan(q), np.nan, (q == 1.0).astype(np.float64))
    values = {
        "overlap_mean": centre + first,
        "overlap_variance": variance,
        "susceptibility": size * variance,
        "binder": binder,
        "success_probability": weights @ right,
    }
    return {name: value.reshape(shape) for name, value in values.items()}


def moments(data: xr.Dataset, *, resamples: int = 400, seed: int = 0) -> xr.Dataset:
    r"""Moments over replicas with their errors.

    Mean :math:`\langle q\rangle`, variance, susceptibility
    :math:`\chi = N(\langle q^2\rangle - \langle q\rangle^2)` with divisor n - 1, Binder
    cumulant :math:`U = 1 - \langle q^4\rangle / (3\langle q^2\rangle^2)`, the fraction of
    replicas with q = 1, and the mean errors, at every size, control and time.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema (`physbatch.dataset`), with or without swept dimensions.
    resamples : int
        Bootstrap resamples of the replicas of each cell.
    seed : int
        Seed of the resamples; the same seed gives the same bits.

    Returns
    -------
    xarray.Dataset
        ``NAME`` and ``NAME_stderr`` with the dimensions of the data but ``replica``, unit
        1; ``replica_count`` (how many replicas were used) and ``replica_excluded`` (status
        not ok, or an overlap that is nan). Cells with fewer than two replicas are nan.

    Raises
    ------
    physbatch.errors.AnalysisError
        For fewer than 50 resamples, which give no error to speak of.

    Notes
    -----
    Errors are the standard deviation over resamples of the replicas times sqrt(n/(n-1)).
    The success probability is the exception: k of n replicas has a binomial law, and the
    bootstrap error would be 0 for k = 0 and k = n. Its error is the `binomial_error`.
    If replicas share graphs (coordinate ``graph`` on the replicas), whole graphs are drawn, and
    that error is the larger of the two.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import moments
    >>> result = moments(first_order(sizes=(50,), replicas=8))
    >>> float(result["overlap_mean"].isel(size=0, batch_size=-1, time=-1))
    1.0
    """
    if resamples < 50:
        raise AnalysisError(f"resamples = {resamples}", remedy="take at least 50")
    generator = np.random.default_rng([seed, 1])
    graphs = graph_labels(data)
    counts = {}  # the same resamples for every cell with the same replicas
    cells = [str(dim) for dim in data["overlap"].dims if dim not in ("replica", "time")]
    names = [*MOMENTS, *_ERRORS]
    sources = ("overlap", *(name.removesuffix("_mean") for name in _ERRORS))
    observed = [name for name in sources if name in data]
    shape = (math.prod(data.sizes[dim] for dim in cells), data.sizes["time"])
    result = {f"{name}{end}": np.full(shape, np.nan) for name in names for end in ("", "_stderr")}
    used = np.zeros((shape[0], data.sizes["replica"]), dtype=bool)
    values_of_cells = cells_in_turn(data[[*observed, "status"]], cells)
    for cell, (size, values) in enumerate(values_of_cells):
        rows = used[cell]
        rows[:] = values["status"] == STATUS_OK
        rows &= np.isfinite(values["overlap"]).all(axis=-1)
        n = int(rows.sum())
        clusters = None if graphs is None else graphs[rows]
        units = n if clusters is None else np.unique(clusters).size
        if units < 2:
            continue
        drawn = n if clusters is None else clusters.tobytes()
        if drawn not in counts:
            counts[drawn] = bootstrap_counts(generator, n, resamples, clusters)
        for name, (value, stderr) in _cell_moments(
            {name: values[name][rows] for name in observed},
            counts[drawn],
            size,
            units,
        ).items():
            result[name][cell] = value
            result[f"{name}_stderr"][cell] = stderr
    return _labelled(data, cells, result, used)


def cells_in_turn(
    data: xr.Dataset, cells: Sequence[str]
) -> Iterator[tuple[float, dict[str, FloatArray]]]:
    """The size and the values of every cell, shape (replica, ...), in the order of the cells.

    What is not in memory yet is read in blocks of many cells, of which one is held at a time.
    """
    for block in _blocks(data.transpose(*cells, "replica", ...), list(cells)):
        stacked = block.compute().stack(cell=cells, create_index=False).transpose("cell", ...)
        sizes = np.broadcast_to(stacked["size"].values, (stacked.sizes["cell"],))
        arrays = {str(name): variable.values for name, variable in stacked.data_vars.items()}
        for cell, size in enumerate(sizes.tolist()):
            yield float(size), {name: values[cell] for name, values in arrays.items()}


def _blocks(data: xr.Dataset, cells: list[str]) -> Iterator[xr.Dataset]:
    """Parts of a dataset of limited size, in the order of its cells."""
    if not cells or data.nbytes <= _AT_ONCE:
        yield data
        return
    first, length = cells[0], data.sizes[cells[0]]
    step = max(1, _AT_ONCE * length // data.nbytes)
    for start in range(0, length, step):
        yield from _blocks(data.isel({first: slice(start, start + step)}), cells[1:])


def _cell_moments(
    observed: Mapping[str, FloatArray], counts: FloatArray, size: float, units: int
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Values and errors of one cell; every array has shape (n, time)."""
    overlap = observed["overlap"]
    n = overlap.shape[0]
    values = moment_values(overlap, size, axis=0)
    drawn = resampled_moments(overlap, counts, size)
    cell = {name: (values[name], unbiased_spread(drawn[name], units)) for name in MOMENTS}
    fraction = values["success_probability"]
    binomial = binomial_error(fraction, n)
    if units < n:  # replicas of a graph may succeed together
        binomial = np.fmax(binomial, cell["success_probability"][1])
    cell["success_probability"] = (fraction, binomial)
    for name in _ERRORS:
        source = name.removesuffix("_mean")
        if source in observed:
            # A replica that is about to diverge may have an infinite loss: a mean without an error.
            with np.errstate(invalid="ignore"):
                means = (counts / n) @ observed[source]
                cell[name] = (observed[source].mean(axis=0), unbiased_spread(means, units))
    return cell


def _labelled(
    data: xr.Dataset,
    cells: list[str],
    result: Mapping[str, FloatArray],
    used: BoolArray,
) -> xr.Dataset:
    """Back to named dimensions, with coordinates, units and names."""
    lengths = [data.sizes[dim] for dim in cells]
    words = {**MOMENTS, **_ERRORS}
    variables = {}
    for name, values in result.items():
        base = name.removesuffix("_stderr")
        label = words[base] if base == name else f"standard error of: {words[base]}"
        variables[name] = (
            (*cells, "time"),
            values.reshape(*lengths, -1),
            {"long_name": label, "units": "1"},
        )
    count = used.sum(axis=-1).astype(np.int64)
    for name, values, label in (
        ("replica_count", count, "replicas used"),
        ("replica_excluded", used.shape[1] - count, "replicas diverged, missing or nan"),
    ):
        attrs = {"long_name": label, "units": "1"}
        variables[name] = (tuple(cells), values.reshape(lengths), attrs)
    kept = {
        name: coordinate.variable
        for name, coordinate in data.coords.items()
        if "replica" not in coordinate.dims
    }
    out = xr.Dataset(variables, coords=kept)
    out.attrs = {"control_dim": control_dim(data), "title": "moments over replicas"}
    return out


class Fluctuations(NamedTuple):
    """Mean and relative variance of a quantity with their standard errors."""

    mean: FloatArray
    mean_stderr: FloatArray
    relative: FloatArray
    relative_stderr: FloatArray


def fluctuations(values: FloatArray) -> Fluctuations:
    """Mean and variance over its square, from replicas of a stationary series.

    Replicas are independent, times are not: errors come from the scatter of replicas, to first
    order in what each of them adds.

    Parameters
    ----------
    values : ndarray, shape (..., n_replica, n_time)
        Values in the stationary state.

    Examples
    --------
    >>> fluctuations(np.array([[1.0, 3.0], [3.0, 1.0]])).relative.item()
    0.25
    """
    first, second = values.mean(axis=-1), (values**2).mean(axis=-1)
    mean, square = first.mean(axis=-1), second.mean(axis=-1)
    count = first.shape[-1]
    influence = second / mean[..., None] ** 2 - 2 * first * (square / mean**3)[..., None]
    return Fluctuations(
        mean,
        first.std(axis=-1, ddof=1) / np.sqrt(count),
        square / mean**2 - 1,
        influence.std(axis=-1, ddof=1) / np.sqrt(count),
    )
