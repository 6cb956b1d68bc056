"""The sparse network without samples: dE of a batch is drawn from its law on a tree.

The flip rates of `physbatch.exact.sparse.rates` hold at every leg of the graph; of a batch only the
counts of changed samples are drawn, so that a proposal costs nearly the same at every m. What is
left out are the loops of the graph of the first layer and the memory of loops of the second, of
relative order 1/N.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.greedy_unit import flip_probabilities
from physbatch.exact.replicas import Labels, replica_coords, replica_dataset
from physbatch.exact.sparse.kernels import Rules, run_tree
from physbatch.exact.sparse.rates import Ties, agreement, check_point, tie_chance
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import build_architecture
from physbatch.systems.wiring import draw_wiring
from physbatch.typing import FloatArray, IntArray

_NUMBERS = 2**32


class Trajectories(NamedTuple):
    """Replicas of one size and batch size.

    Attributes
    ----------
    overlap : ndarray, shape (replica, time)
        The path overlap q.
    first_passage : ndarray of int, shape (replica,)
        First sweep after which all outputs are right; -1 if there was none.
    """

    overlap: FloatArray
    first_passage: IntArray


def simulate(
    size: int,
    degree: int,
    batch_size: float,
    times: Sequence[int],
    *,
    replicas: int = 1,
    ties: Ties = "reject",
    initial_overlap: float = 0.0,
    seed: int = 0,
) -> Trajectories:
    """Simulate the greedy sparse network with a fresh batch for every proposal, without samples.

    Parameters
    ----------
    size : int
        N: inputs, hidden units and outputs.
    degree : int
        d, odd; the graph of the second layer is drawn for each replica.
    batch_size : float
        m, real: each batch holds floor(m) samples, and one more with chance m - floor(m).
    times : sequence of int
        When to measure, in sweeps of 2 N d proposals, increasing.
    replicas : int
        Independent replicas, each with its own graph.
    ties : {"reject", "accept"}
        Whether flips with dE = 0 are kept.
    initial_overlap : float
        r: each weight starts right with chance (1 + r)/2.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    Trajectories

    Raises
    ------
    physbatch.errors.AnalysisError
        If the degree is not odd or not below the size, m is below 1, or the times do not increase.

    Examples
    --------
    >>> runs = simulate(60, 3, 8.0, [0, 50], replicas=2, seed=1)
    >>> runs.overlap.shape, bool((runs.overlap[:, 1] > 0.9).all())
    ((2, 2), True)
    """
    check_point(degree, batch_size, ties)
    moments = np.asarray(times, dtype=np.int64)
    if degree > size or replicas < 1 or moments.size == 0 or not (np.diff(moments) > 0).all():
        raise AnalysisError(
            f"size {size}, {replicas} replicas, times {moments.tolist()[:5]}",
            where="simulate",
            remedy="give a size of at least d, one replica or more, and times that increase",
        )
    if moments[0] < 0 or not -1 <= initial_overlap <= 1:
        raise AnalysisError("a time below 0 or an initial overlap beyond +-1", where="simulate")
    identity = f"sparse tree {size} {degree} {batch_size!r} {ties} {initial_overlap!r}"
    keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), seed), identity)
    labels = np.empty((replicas, moments.size), dtype=np.int64)
    passage = np.empty(replicas, dtype=np.int64)
    run_tree(
        _rules(size, degree, batch_size, ties),
        round((1 + initial_overlap) / 2 * _NUMBERS),
        _second_layer(size, degree, keys.wiring, replicas),
        moments,
        0,
        np.uint64(keys.dynamics),
        labels,
        passage,
    )
    return Trajectories(1 - 2 * labels / (size * degree * degree), passage)


def simulate_dataset(
    sizes: Sequence[int],
    degree: int,
    batch_sizes: Sequence[float],
    times: Sequence[int],
    *,
    replicas: int = 16,
    ties: Ties = "reject",
    initial_overlap: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """A dataset of `simulate` at all sizes and batch sizes, for every analysis of physbatch.

    Parameters are those of `simulate`; sizes, batch sizes and times increase, and times are
    positive. Errors per output are not simulated and are (1 - q)/2 there.

    >>> data = simulate_dataset([20, 40], 3, [3.0, 6.0], [1, 10], replicas=2)
    >>> dict(data["overlap"].sizes)
    {'size': 2, 'batch_size': 2, 'replica': 2, 'time': 2}
    """
    coords = replica_coords(sizes, batch_sizes, replicas, times)
    shape = tuple(coords[dim].size for dim in ("size", "batch_size", "replica", "time"))
    overlap = np.empty(shape)
    passage = np.empty(shape[:-1])
    for row, size in enumerate(sizes):
        for column, batch_size in enumerate(batch_sizes):
            runs = simulate(
                size, degree, batch_size, times, replicas=replicas, ties=ties,
                initial_overlap=initial_overlap, seed=seed,
            )  # fmt: skip
            overlap[row, column] = runs.overlap
            passage[row, column] = np.where(runs.first_passage < 0, np.inf, runs.first_passage)
    labels = Labels(
        title=f"sparse network without samples, d = {degree}, ties {ties}",
        time_units="sweep",
        size_name="number of inputs N",
        control_name="batch size m",
        source="physbatch.exact.sparse",
    )
    data = replica_dataset(coords, overlap, overlap == 1.0, labels)
    data["first_passage"].values[:] = passage
    known = np.isfinite(passage)
    data["first_passage_lower"].values[known] = np.maximum(passage[known] - 1, 0)
    data.attrs |= {"degree": degree, "ties": ties, "initial_overlap": float(initial_overlap)}
    return data


def _rules(size: int, degree: int, batch_size: float, ties: Ties) -> Rules:
    floor = math.floor(batch_size)
    changes = np.zeros((degree + 1, 2, 2))
    for wrong in range(degree + 1):
        for flip_wrong in (False, True):
            if wrong if flip_wrong else degree - wrong:
                changes[wrong, int(flip_wrong)] = flip_probabilities(degree, wrong, flip_wrong)
    return Rules(
        size,
        degree,
        floor,
        np.uint64(round((batch_size - floor) * _NUMBERS)),
        ties == "accept",
        np.array([agreement(degree, label) for label in range(degree + 1)]),
        changes,
        tie_chance(degree),
    )


def _second_layer(size: int, degree: int, key: int, replicas: int) -> npt.NDArray[np.int32]:
    """Hidden units of the legs of all outputs, shape (replica, N d)."""
    layers = build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    return draw_wiring(layers, key, 0, replicas)
