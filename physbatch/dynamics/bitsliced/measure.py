"""What the bit-sliced kernel is told, and what it measures."""

from typing import NamedTuple

import numpy as np

from physbatch.dynamics.bitsliced.batches import count_mistakes, draw_batch
from physbatch.dynamics.bitsliced.layout import ZERO, Array, path_sum
from physbatch.dynamics.bitsliced.parts import Draw
from physbatch.dynamics.compiled import batch_of, compiled, draw_count
from physbatch.dynamics.rules import BatchTable

_CHUNK = np.uint64(40)


class Instructions(NamedTuple):
    """A `CellRun` as compiled code reads it."""

    batches: BatchTable
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
    order: int
    start: int
    pause: int


@compiled
def note(work, shape, replicas, run, out, row, now):
    """Overlaps and batch errors at a measuring time, and who is perfect for the first time.

    `now` holds the sweep, the column of the measuring time, and whether it is due. Returns the
    number of replicas in the row that have passed.
    """
    time, column, due = now
    network, batch, layout = work.network, work.batch, work.layout
    count_mistakes(work, shape, row.members)
    sources = replicas.sources[row.first]
    perfect = np.int64(layout.outputs) * replicas.fan_ins.prod()
    paths = (work.paths[0], work.paths[1])
    passed = 0
    for member in range(row.members):
        at = row.first + member
        # A perfect student makes no error on any batch, so look only then.
        if due or (batch.wrong[member] == 0 and out.first_passage[at] < 0):
            total = path_sum(network.truth, network.signs, sources, replicas, paths, member)
            if total == perfect and out.first_passage[at] < 0:
                out.first_passage[at] = time
            if due:
                out.path_sum[at, column] = total
                out.batch_wrong[at, column] = batch.wrong[member]
                out.batch_bits[at, column] = batch.counts[member] * layout.outputs
        passed += out.first_passage[at] >= 0
    return passed


@compiled
def test(work, shape, run, out, row, now, ones):
    """Wrong output bits on fresh samples: of 64 at a time, as many as a lane holds."""
    time, column = now
    width = 8 * work.state.itemsize
    for done in range(0, run.test_samples, width):
        chunk = np.uint64(done // 64)
        index, skip = np.uint64(time) | (chunk << _CHUNK), np.uint64(done % 64)
        count = min(run.test_samples - done, width)
        draw_batch(work, shape, Draw(count, ZERO, run.test_key, index, skip), row, ones)
        count_mistakes(work, shape, row.members)
        for member in range(row.members):
            out.test_wrong[row.first + member, column] += work.batch.wrong[member]


@compiled
def fill_in(layout, replicas, run, out, row, column):
    """Nothing changes any more: the rest is known."""
    for later in range(column, run.times.shape[0]):
        proposals = layout.learnable if run.each_proposal else 1
        last = np.uint64(run.times[later] * proposals - 1)
        floor, threshold = batch_of(run.batches, run.times[later] - 1)
        for member in range(row.members):
            replica = np.uint64(row.replica + member)
            count = draw_count(floor, threshold, run.dynamics_key, last, replica)
            at = row.first + member
            out.path_sum[at, later] = np.int64(layout.outputs) * replicas.fan_ins.prod()
            out.batch_bits[at, later] = count * layout.outputs
