"""What the GPU kernel measures."""

import numpy as np
from numba import cuda

from physbatch.dynamics.bitsliced.cuda.parts import (
    batch_of,
    count_mistakes,
    draw_batch,
    draw_count,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO
from physbatch.dynamics.bitsliced.parts import Draw

_CHUNK = np.uint64(40)


@cuda.jit(device=True)
def _path_sum(block, member):
    """Sum over outputs and paths of the products of w w* of one replica, in `total[0]`.

    `values` has two rows as long as the widest layer.
    """
    values, total, fan_ins = block.values, block.total, block.fan_ins
    for source in range(cuda.threadIdx.x, values.shape[1], cuda.blockDim.x):
        values[0, source] = 1
    if cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    edge = 0
    for layer in range(fan_ins.shape[0]):
        below = values[layer % 2]
        above = values[1 - layer % 2]
        fan_in = fan_ins[layer]
        for unit in range(cuda.threadIdx.x, block.unit_counts[layer], cuda.blockDim.x):
            paths = np.int64(0)
            for slot in range(edge + unit * fan_in, edge + (unit + 1) * fan_in):
                value = below[block.sources[slot]]
                mask = block.truth[slot] ^ block.signs[slot]
                paths += -value if (mask >> np.uint64(member)) & ONE else value
            above[unit] = paths
            if layer == fan_ins.shape[0] - 1:
                cuda.atomic.add(total, 0, paths)
        edge += block.unit_counts[layer] * fan_in
        cuda.syncthreads()


@cuda.jit(device=True)
def note(block, out, outputs, perfect, row, now):
    """Overlaps and batch errors at a time, and who is perfect for the first time.

    `row` holds the first replica and their number, `now` the sweep, the column of the measuring
    time, and whether it is due. Returns the number of replicas in the row that have passed.
    """
    first, members = row
    time, column, due = now
    passed = 0
    for member in range(members):
        at = first + member
        missing = out.first_passage[at] < 0
        # A perfect student makes no error on any batch, so look only then.
        if due or (block.wrong[member] == 0 and missing):
            _path_sum(block, member)
            if block.total[0] == perfect:
                missing = False
                if cuda.threadIdx.x == 0 and out.first_passage[at] < 0:
                    out.first_passage[at] = time
            if due and cuda.threadIdx.x == 0:
                out.path_sum[at, column] = block.total[0]
                out.batch_wrong[at, column] = block.wrong[member]
                out.batch_bits[at, column] = block.counts[member] * outputs
            cuda.syncthreads()
        passed += 0 if missing else 1
    return passed


@cuda.jit(device=True)
def test(block, shape, layout, run, out, row, now):
    """Wrong output bits on fresh samples, 64 at a time; `row` and `now` as for `note`."""
    first, members = row
    time, column, _ = now
    done = 0
    chunk = ZERO
    while done < run.test_samples:
        left = run.test_samples - done
        count = left if left < 64 else 64
        index = np.uint64(time) | (chunk << _CHUNK)
        draw = Draw(count, ZERO, run.test_key, index, ZERO)
        draw_batch(block, shape, layout, draw, members, run.first_replica + first)
        count_mistakes(block, shape, layout, members)
        for member in range(cuda.threadIdx.x, members, cuda.blockDim.x):
            out.test_wrong[first + member, column] += block.wrong[member]
        cuda.syncthreads()
        done += count
        chunk += ONE


@cuda.jit(device=True)
def fill_in(layout, run, out, perfect, row, column):
    """Nothing changes any more: the rest is known."""
    first, members = row
    for later in range(column + cuda.threadIdx.x, run.times.shape[0], cuda.blockDim.x):
        proposals = layout.learnable if run.each_proposal else 1
        last = np.uint64(run.times[later] * proposals - 1)
        floor, threshold = batch_of(run.batches, run.times[later] - 1)
        for member in range(members):
            replica = np.uint64(run.first_replica + first + member)
            count = draw_count(floor, threshold, run.dynamics_key, last, replica)
            out.path_sum[first + member, later] = perfect
            out.batch_bits[first + member, later] = count * layout.outputs
