"""The runs of one size: independent counts, energies in bins, sums of features over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from physbatch.errors import AnalysisError
from physbatch.scaling.reweighting.raw_series import EnergySeries
from physbatch.scaling.statistics.observables import MomentsOf, times_of
from physbatch.scaling.statistics.series import Units, block_length
from physbatch.typing import FloatArray, IntArray

#: Moments of the energy: its mean, and what specific heat and cumulant are made of.
ENERGY_MOMENTS: tuple[str, ...] = ("mean", "variance", "binder")
#: More different energies than this go into bins.
_MOST_ENERGIES = 4000
#: Width of bins in the smallest standard deviation of the energy of a run. Weights then vary by
#: a few per cent within a bin, which the mean energy of the bin makes up for: 1e-4 is left.
_BIN_WIDTH = 0.02
_MOST_BINS = 20_000
#: Blocks of a run are at least as long as to be no more than this: their number costs time.
_MOST_BLOCKS = 400


@dataclass(frozen=True, eq=False)
class Group:
    """Moments of one column: a function of the means of some features."""

    names: tuple[str, ...]
    function: MomentsOf
    columns: slice  # of the features


@dataclass(frozen=True, eq=False)
class SizeRuns:
    """The runs of one size, sorted by their inverse temperature b.

    Attributes
    ----------
    size, volume : float
        As in the table; the volume is nan where it is not known.
    control, inverse : ndarray, shape (n_run,)
        Controls, and b in the weight exp(-b E).
    samples, chains, time, independent : ndarray, shape (n_run,)
        Number of rows and chains, autocorrelation time tau of the energy, and rows/(2 tau).
    mean, variance : ndarray, shape (n_run,)
        Of the energy of each run alone.
    seen : ndarray, shape (n_run, n_moment)
        Part of the variance that the scatter of blocks sees.
    energy : ndarray, shape (n_bin,)
        Mean energy of every bin.
    bins : tuple of float
        The lowest energy, where bins begin, and their width; 0 where each energy is its own bin.
    groups : tuple of Group
        The energy first.
    block_run, block_samples, block_energy : ndarray, shape (n_block,)
        Run, number of rows and sum of the energies of every block.
    counts : sparse array, shape (n_bin, n_block)
        Rows of a block in a bin.
    sums : tuple of sparse array
        The same for sums of every feature.
    """

    size: float
    volume: float
    control: FloatArray
    inverse: FloatArray
    samples: FloatArray
    chains: FloatArray
    time: FloatArray
    independent: FloatArray
    mean: FloatArray
    variance: FloatArray
    seen: FloatArray
    energy: FloatArray
    bins: tuple[float, float]
    groups: tuple[Group, ...]
    block_run: IntArray
    block_samples: FloatArray
    block_energy: FloatArray
    counts: sparse.csr_array
    sums: tuple[sparse.csr_array, ...]

    @property
    def block_counts(self) -> IntArray:
        """Number of blocks of each run."""
        return np.bincount(self.block_run, minlength=self.control.size)


def runs_of_size(
    series: EnergySeries, volume: float, moments: Sequence[str], *, temperature: bool
) -> SizeRuns:
    """The runs of series of one size; `moments` are those of every observable.

    Raises
    ------
    physbatch.scaling.statistics.SeriesTooShort
        If a run is shorter than 50 autocorrelation times of one of the moments.
    physbatch.errors.AnalysisError
        If all energies are equal.
    """
    energy, chain = series.energy, series.chain
    columns = [(energy, ENERGY_MOMENTS)]
    columns += [(values, tuple(moments)) for values in series.observables.values()]
    groups, features, start = [], [], 0
    for values, names in columns:
        function = MomentsOf(values, volume, names)
        stop = start + function.features.shape[1]
        groups.append(Group(names, function, slice(start, stop)))
        features.append(function.features)
        start = stop
    every = np.concatenate(features, axis=1)
    control, run = np.unique(series.control, return_inverse=True)
    if temperature:  # sorted by b = 1/T
        control, run = control[::-1], control.size - 1 - run
    times, seen = [], []
    block, count = np.empty(energy.size, dtype=np.int64), 0
    for k, value in enumerate(control):
        of_run = np.flatnonzero(run == k)
        where = (
            f"{series.source}, {series.size_name} = {series.size[0]:g}, "
            f"{series.control_name} = {value:g}"
        )
        tau = np.concatenate(
            [times_of(every[of_run, g.columns], g.function, g.names, where) for g in groups]
        )
        length = block_length(float(tau.max()), of_run.size)
        length = max(length, -(-of_run.size // _MOST_BLOCKS))
        whole = int(np.unique(chain[of_run], return_counts=True)[1].max()) <= length
        times.append(tau[0])
        seen.append(np.ones(tau.size) if whole else Units(tau, tau, length).seen(tau))
        block[of_run] = count + _blocks(chain[of_run], length)
        count = int(block[of_run].max()) + 1
    bins, bin_energy, bin_width = _bins(energy, run)
    matrices = _sums(bins, block, np.column_stack([np.ones(energy.size), every]))
    samples = np.bincount(run).astype(np.float64)
    mean, time = np.bincount(run, energy) / samples, np.array(times)
    return SizeRuns(
        size=float(series.size[0]),
        volume=volume,
        control=control,
        inverse=1.0 / control if temperature else control,
        samples=samples,
        chains=np.bincount(np.unique([run, chain], axis=1)[0].astype(int)).astype(np.float64),
        time=time,
        independent=samples / (2.0 * time),
        mean=mean,
        variance=np.bincount(run, (energy - mean[run]) ** 2) / samples,
        seen=np.array(seen),
        energy=bin_energy,
        bins=(float(energy.min()), bin_width),
        groups=tuple(groups),
        block_run=run[np.unique(block, return_index=True)[1]],
        block_samples=np.bincount(block).astype(np.float64),
        block_energy=np.bincount(block, energy).astype(np.float64),
        counts=matrices[0],
        sums=tuple(matrices[1:]),
    )


def _blocks(chain: FloatArray, length: int) -> IntArray:
    """The block of each row: every chain is cut into equal ones of about `length` rows."""
    out = np.empty(chain.size, dtype=np.int64)
    count = 0
    for number in np.unique(chain):
        of_chain = np.flatnonzero(chain == number)
        pieces = max(of_chain.size // length, 1)
        out[of_chain] = count + np.arange(of_chain.size) * pieces // of_chain.size
        count += pieces
    return out


def _bins(energy: FloatArray, run: IntArray) -> tuple[IntArray, FloatArray, float]:
    """The bin of each row, the mean energy of every bin, and their width.

    Energies themselves, with a width of 0, if they are few.

    Raises
    ------
    physbatch.errors.AnalysisError
        If all energies are equal.
    """
    known, bins = np.unique(energy, return_inverse=True)
    if known.size == 1:
        raise AnalysisError(
            f"the energy is {known[0]:g} in all rows",
            where="reweighting",
            remedy="name the column that the control multiplies",
        )
    width = 0.0
    if known.size > _MOST_ENERGIES:
        spread = [float(energy[run == k].std()) for k in range(int(run.max()) + 1)]
        width = max(_BIN_WIDTH * min(spread), float(known[-1] - known[0]) / _MOST_BINS)
        _, bins = np.unique(np.floor((energy - known[0]) / width), return_inverse=True)
    return bins, np.bincount(bins, energy) / np.bincount(bins), width


def _sums(bins: IntArray, block: IntArray, features: FloatArray) -> list[sparse.csr_array]:
    """Sums of each feature over the rows of a block in a bin, shape (n_bin, n_block)."""
    blocks = int(block.max()) + 1
    pairs, pair = np.unique(bins * blocks + block, return_inverse=True)
    shape = (int(bins.max()) + 1, blocks)
    rows, columns = np.divmod(pairs, blocks)
    return [
        sparse.csr_array((np.bincount(pair, feature), (rows, columns)), shape=shape)
        for feature in features.T
    ]
