"""The latent overlap: two peaks of the overlap where both phases coexist."""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.results.estimate import Estimate
from physbatch.results.flags import UNIMODAL
from physbatch.scaling.statistics.resampling import bootstrap_indices, graph_labels, unbiased_spread
from physbatch.scaling.statistics.two_peaks import (
    LEAST_GROUP,
    VALLEY_LEVEL,
    Split,
    grain_of,
    separation_threshold,
    split_in_two,
    valley_p_value,
)
from physbatch.scaling.transition.result import Jump
from physbatch.typing import FloatArray, IntArray

#: Perfect and imperfect replicas that must both be there before a missing peak means something.
_COEXISTING = 5

#: Earlier times are looked at down to this fraction of the last one.
_LATE = 0.2


class _View(NamedTuple):
    """The overlaps at the controls around m_c at one time, and their splits."""

    size: float
    time: float
    control: FloatArray
    samples: list[FloatArray]
    graphs: list[IntArray | None]  # of each replica, if replicas share graphs
    grain: float
    splits: list[Split]
    thresholds: list[float]
    valleys: list[float]

    @property
    def coexistence(self) -> int:
        """1 if at one control enough replicas are perfect and enough are not."""
        perfect = [int(np.sum(sample == 1.0)) for sample in self.samples]
        together = [
            min(k, sample.size - k) >= max(_COEXISTING, 0.15 * sample.size)
            for k, sample in zip(perfect, self.samples, strict=True)
        ]
        return int(any(together))

    def two_peaks(self, level: float) -> list[int]:
        """Rows whose split counts as two peaks."""
        return [
            row
            for row, split in enumerate(self.splits)
            if split.smaller[0] >= LEAST_GROUP
            and split.separation[0] > self.thresholds[row]
            and self.valleys[row] < level
        ]


def find_jump(
    data: xr.Dataset,
    m_c: float,
    *,
    time: float = math.inf,
    resamples: int = 300,
    seed: int = 0,
) -> Jump:
    r"""Latent overlap at one size: the distance between the two peaks of q near m_c.

    At the control nearest to m_c and its two neighbours the overlaps at one time are
    split in two groups (`split_in_two`), each control by itself: pooling controls would
    make two peaks out of a mean that moves. A split counts as two peaks if each group has at
    least 3 replicas, the separation D exceeds `separation_threshold`, and one peak would leave
    so few replicas in between with a probability below 0.003 (`valley_p_value`); of the splits
    that count, the most balanced one is reported. A grid that is coarse against the width of
    the transition may show no coexistence at the last time; as m_c moves with run time, the
    same runs show it earlier. So earlier times are looked at too, back to a fifth of the last
    one, at a level divided by their number, and the latest with two peaks is taken.

    .. math:: \Delta q = \langle q\rangle_\text{upper} - \langle q\rangle_\text{lower}

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size.
    m_c : float
        Control around which to look; where it is nan, the control at which the variance of
        the overlap is largest takes its place.
    time : float
        The overlaps are those at the last measured time that is not later.
    resamples, seed : int
        Of the bootstrap of the replicas, split anew each time.

    Returns
    -------
    Jump
        ``latent`` is nan with the flag ``unimodal`` if no control shows two peaks.
        ``coexistence`` is 1 if at one of the three controls at least 5 replicas and 15 % of
        them are perfect, and as many are not, so that two peaks should be seen if there are
        any (with fewer, a straggler or two decide).

    Notes
    -----
    The overlap of a discrete system moves in steps. The smallest step between the values
    seen at this size is taken as the least width of a peak, so that perfect students (q = 1)
    and those with one or two errors are not two peaks.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import find_jump
    >>> jump = find_jump(first_order(sizes=(200,), replicas=64), 13.0)
    >>> abs(jump.latent.value - 0.66) < 0.05
    True
    """
    times = _late_times(data, time)
    views = [_view(data, at, m_c if number == 0 else math.nan) for number, at in enumerate(times)]
    for number, view in enumerate(views):
        # Several looks share the level of the one at the last time.
        rows = view.two_peaks(VALLEY_LEVEL if number == 0 else VALLEY_LEVEL / len(views))
        if rows:
            row = max(rows, key=lambda r: (view.splits[r].smaller[0], view.splits[r].separation[0]))
            return _two_peaks(view, row, views[0].coexistence, resamples, seed)
    return _one_peak(views[0])


def _two_peaks(view: _View, row: int, coexistence: int, resamples: int, seed: int) -> Jump:
    """The result of the split at one control."""
    sample, split, grain = view.samples[row], view.splits[row], view.grain
    generator = np.random.default_rng([seed, 3])
    indices = bootstrap_indices(generator, sample.size, resamples, view.graphs[row])
    drawn = split_in_two(sample[indices], grain)
    group = int(split.smaller[0])
    # A mean of values with steps is not known better than the step allows.
    least = grain / math.sqrt(12.0 * sample.size)
    return Jump(
        view.size,
        view.control,
        padded(view.samples),
        latent=_estimate(split.upper[0] - split.lower[0], drawn.upper - drawn.lower, group, least),
        upper=_estimate(split.upper[0], drawn.upper, group, least),
        lower=_estimate(split.lower[0], drawn.lower, group, least),
        separation=float(split.separation[0]),
        chosen=row,
        threshold=view.thresholds[row],
        cut=float(split.cut[0]),
        valley=view.valleys[row],
        coexistence=coexistence,
        time=view.time,
    )


def _one_peak(view: _View) -> Jump:
    """The result where no control has two peaks."""
    separations = [float(np.nan_to_num(split.separation[0])) for split in view.splits]
    separation = max(separations, default=math.nan)
    row = separations.index(separation) if separations else -1
    threshold = view.thresholds[row] if separations else math.nan
    valley = view.valleys[row] if separations else math.nan
    flag = UNIMODAL(
        f"the overlap at N = {view.size:g} shows one peak at each control near "
        f"m_c, separation at most {separation:.2g} (two peaks need {threshold:.2g}), valley by "
        f"chance {valley:.1g} (two peaks need {VALLEY_LEVEL:g})"
    )
    blank = Estimate(math.nan, flags=(flag,))
    return Jump(
        view.size,
        view.control,
        padded(view.samples),
        latent=blank,
        upper=blank,
        lower=blank,
        separation=separation,
        flags=(flag,),
        threshold=threshold,
        valley=valley,
        coexistence=view.coexistence,
        time=view.time,
    )


def _late_times(data: xr.Dataset, time: float) -> list[float]:
    """The last measured time up to `time`, and those before it down to a fraction of it."""
    times = np.asarray(data["time"].values, dtype=np.float64)
    last = times[max(int(np.searchsorted(times, time, side="right")) - 1, 0)]
    late = times[(times >= _LATE * last) & (times <= last)]
    return [float(at) for at in late[::-1]]


def _view(data: xr.Dataset, time: float, m_c: float) -> _View:
    """The controls around m_c at one time, each split in two."""
    size = float(np.atleast_1d(data["size"].values)[0])
    control, overlap, graphs = _overlaps_at(data, time)
    rows = _neighbours(control, overlap, m_c)
    grain = grain_of(overlap)
    samples = [overlap[row] for row in rows]
    splits = [split_in_two(sample[None], grain) for sample in samples]
    return _View(
        size,
        time,
        control[rows],
        samples,
        [graphs[row] for row in rows],
        grain,
        splits,
        [separation_threshold(sample.size) for sample in samples],
        [
            valley_p_value(sample, split.cut[0], grain)
            for sample, split in zip(samples, splits, strict=True)
        ],
    )


def _estimate(value: float, drawn: FloatArray, group: int, least: float) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    # The smaller group has the fewest degrees of freedom, so its size corrects the spread.
    stderr = max(float(unbiased_spread(known, group)), least)
    low, high = (float(q) for q in np.quantile(known, [0.15865, 0.84135]))
    return Estimate(float(value), stderr, interval68=(low, high))


def _overlaps_at(
    data: xr.Dataset, time: float
) -> tuple[FloatArray, list[FloatArray], list[IntArray | None]]:
    """Controls, the overlaps of the valid replicas at each, and their graphs if shared."""
    dim = control_dim(data)
    rest = [d for d in data["status"].dims if d not in (dim, "replica")]
    at_time = data.isel(dict.fromkeys(rest, 0)).sel(time=time)
    overlap = at_time["overlap"].transpose(dim, "replica").values
    valid = (at_time["status"].transpose(dim, "replica").values == STATUS_OK) & np.isfinite(overlap)
    rows = [row[flags] for row, flags in zip(overlap, valid, strict=True)]
    graphs = graph_labels(data)
    labels = [None if graphs is None else graphs[flags] for flags in valid]
    return np.asarray(data[dim].values, dtype=np.float64), rows, labels


def _neighbours(control: FloatArray, overlap: list[FloatArray], m_c: float) -> list[int]:
    """Rows of the control nearest to m_c and of its neighbours that have replicas."""
    there = [row for row, sample in enumerate(overlap) if sample.size > 0]
    if not there:
        return []
    if math.isfinite(m_c):
        centre = min(range(len(there)), key=lambda i: abs(control[there[i]] - m_c))
    else:
        centre = max(range(len(there)), key=lambda i: float(np.var(overlap[there[i]])))
    return there[max(centre - 1, 0) : centre + 2]


def padded(rows: list[FloatArray]) -> FloatArray:
    """Rows of different lengths in one array, filled with nan."""
    block = np.full((len(rows), max((row.size for row in rows), default=0)), np.nan)
    for line, row in zip(block, rows, strict=True):
        line[: row.size] = row
    return block
