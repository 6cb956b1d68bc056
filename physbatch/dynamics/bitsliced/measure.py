"""What the bit-sliced kernel is told, and what it measures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.lanes import part
from physbatch.dynamics.bitsliced.layout import ZERO, Array, path_sum
from physbatch.dynamics.bitsliced.parts import count_mistakes, draw_batch, draw_count

__all__ = ["Instructions", "Measured", "fill_in", "note", "test"]

_CHUNK = np.uint64(40)


class Instructions(NamedTuple):
    """A `CellRun` as compiled code reads it."""

    floor: int
    threshold: np.uint64
    acceptance: Array
    each_proposal: bool
    absorbing: bool
    times: Array
    duration: int
    test_samples: int
    dynamics_key: np.uint64
    test_key: np.uint64
    first_replica: int
    replicas_per_graph: int
    start: int
    pause: int


class Measured(NamedTuple):
    """The arrays of a `Trajectory`."""

    path_sum: Array
    batch_wrong: Array
    batch_bits: Array
    test_wrong: Array
    first_passage: Array


@part
def note(out, run, network, batch, graph, fan_ins, unit_counts, layout, room, first, members, now):
    """Overlaps and batch errors at a measuring time, and who is perfect for the first time.

    `now` holds the sweep, the column of the measuring time, and whether it is due. Returns the
    number of replicas in the row that have passed.
    """
    sweep, column, due = now
    perfect = np.int64(layout.outputs) * fan_ins.prod()
    passed = 0
    for member in range(members):
        at = first + member
        # A perfect student makes no error on any batch, so look only then.
        if due or (batch.wrong[member] == 0 and out.first_passage[at] < 0):
            total = path_sum(
                network.truth, network.signs, graph, fan_ins, unit_counts, room[0], room[1], member
            )
            if total == perfect and out.first_passage[at] < 0:
                out.first_passage[at] = sweep
            if due:
                out.path_sum[at, column] = total
                out.batch_wrong[at, column] = batch.wrong[member]
                out.batch_bits[at, column] = batch.counts[member] * layout.outputs
        passed += out.first_passage[at] >= 0
    return passed


@part
def test(out, run, state, batch, network, shape, layout, first, members, sweep, column, ones):
    """Wrong output bits on fresh samples: of 64 at a time, as many as a lane holds."""
    done = np.int64(0)
    while done < run.test_samples:
        chunk = np.uint64(done // 64)
        draw_batch(
            state,
            batch,
            network,
            shape,
            layout,
            min(run.test_samples - done, np.int64(8 * state.itemsize)),
            ZERO,
            run.test_key,
            np.uint64(sweep) | (chunk << _CHUNK),
            run.first_replica + first,
            members,
            np.uint64(done % 64),
            ones,
        )
        count_mistakes(state, batch, network, shape, layout, members)
        for member in range(members):
            out.test_wrong[first + member, column] += batch.wrong[member]
        done += 8 * state.itemsize


@part
def fill_in(out, run, layout, fan_ins, first, members, column):
    """Nothing changes any more: the rest is known."""
    for later in range(column, run.times.shape[0]):
        proposals = layout.learnable if run.each_proposal else 1
        last = np.uint64(run.times[later] * proposals - 1)
        for at in range(first, first + members):
            replica = np.uint64(run.first_replica + at)
            count = draw_count(run.floor, run.threshold, run.dynamics_key, last, replica)
            out.path_sum[at, later] = np.int64(layout.outputs) * fan_ins.prod()
            out.batch_bits[at, later] = count * layout.outputs
