"""The compiled kernel of the bit-sliced dynamics, made for one shape of network."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from physbatch.compilation import cached_njit
from physbatch.dynamics.bitsliced.batches import draw_batch
from physbatch.dynamics.bitsliced.deep import deep_change, deep_commit, empty_trial
from physbatch.dynamics.bitsliced.gains import (
    empty_gains,
    fill_gains,
    foreseen_change,
    index_gains,
    keep_hidden,
    keep_output,
    prefetch_gains,
)
from physbatch.dynamics.bitsliced.lanes import fill, fill_like, spread
from physbatch.dynamics.bitsliced.layout import (
    ONE,
    ZERO,
    Row,
    empty_network,
    lay_out,
    load_network,
    unpack_weights,
)
from physbatch.dynamics.bitsliced.measure import fill_in, note, test
from physbatch.dynamics.bitsliced.moves import (
    Flip,
    View,
    hidden_change,
    hidden_commit,
    output_change,
    output_commit,
    prefetch_far,
    prefetch_soon,
)
from physbatch.dynamics.bitsliced.parts import (
    ONES,
    Decision,
    Draw,
    Work,
    accept,
    draw_proposals,
    empty_batch,
)
from physbatch.dynamics.bitsliced.shape import AT_ONCE, offset_for, planes_for, shape_of, stride_for
from physbatch.dynamics.compiled import (
    WITHOUT_COUNTS,
    batch_of,
    compiled,
    compiled_within,
    first_due,
)
from physbatch.sources import hash_of_sources
from physbatch.streams.filling import draw_numbers
from physbatch.streams.keys import KIND_ACCEPT

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("dynamics/bitsliced", "dynamics", "streams")

_INLINE: Any = {"forceinline": True, **WITHOUT_COUNTS}
_ACCEPT = np.uint64(KIND_ACCEPT)
#: A state of more bytes does not stay in the cache nearest to the core.
_NEAR = 200_000
#: How many proposals ahead memory is asked for: weights and units, and what they point to.
_FAR = 12
_SOON = 3


@compiled_within
def _try_flip(work, shape, view, trial, decision, number, ones):
    """Flip one weight in the replicas that accept it."""
    layout = work.layout
    edge = np.uint64(work.proposals[number])
    source, negative = np.int64(view.addresses[edge]), spread(view.signs[edge], ones)
    is_output = edge >= np.uint64(layout.last_edge)
    number_in_layer = edge - np.uint64(layout.last_edge)
    unit = np.int64(edge // np.uint64(shape.fan_in))
    is_deep = shape.depth > 2 and not is_output and unit < layout.deep_first
    length = 0
    if is_output:
        unit = np.int64(number_in_layer // np.uint64(shape.last_fan_in))
        flip = Flip(layout.last_base + unit * layout.last_block, ZERO, source, negative)
        change = output_change(view, shape, flip)
    elif is_deep:
        flip = Flip(0, ZERO, source, negative)
        change, length = deep_change(work, shape, trial, unit, flip)
    else:
        begin = np.uint64(unit - layout.deep_first) * np.uint64(shape.stride)
        flip = Flip(layout.first_base + unit * layout.block, begin, source, negative)
        change = hidden_change(view, shape, flip)

    accepted = accept(change, decision, number, shape)
    if is_deep:
        deep_commit(work, shape, trial, length, accepted, ones)
    if not accepted:
        return
    view.signs[edge] ^= accepted
    kept = spread(accepted, ones)
    if is_output:
        output_commit(view, shape, flip, kept)
        if shape.depth > 1:
            view.reader_sign[view.reader_of[number_in_layer]] ^= accepted
    elif not is_deep:
        hidden_commit(view, shape, flip, kept)


@compiled_within
def _try_foreseen(work, shape, view, trial, decision, number, ones):
    """The same for one replica, where what flips bring is kept ready."""
    layout = work.layout
    edge = np.uint64(work.proposals[number])
    change = foreseen_change(work, shape, edge)
    accepted = accept(fill_like(change, ones), decision, number, shape)
    if not accepted:
        return
    source, negative = np.int64(view.addresses[edge]), spread(view.signs[edge], ones)
    view.signs[edge] ^= accepted
    unit = edge // np.uint64(shape.fan_in)
    base = layout.first_base + np.int64(unit) * layout.block
    flip = Flip(base, unit * np.uint64(shape.stride), source, negative)
    if edge < np.uint64(layout.last_edge):
        hidden_commit(view, shape, flip, ones)
        keep_hidden(work, shape, unit)
    else:
        output_commit(view, shape, flip, ones)
        number_in_layer = edge - np.uint64(layout.last_edge)
        view.reader_sign[view.reader_of[number_in_layer]] ^= accepted
        keep_output(work, shape, number_in_layer, unit - np.uint64(layout.last_first))


def _try_any(work, shape, view, trial, decision, number, ones):
    """`_try_flip` or `_try_foreseen`, for compiled code: only one of them is compiled."""


@overload(_try_any, jit_options=_INLINE)
def _choose_flip(work, shape, view, trial, decision, number, ones):
    return (_try_foreseen if shape.numbers["foreseen"] else _try_flip).py_func


@compiled_within
def _sweep(work, shape, trial, run, row, time, ones):
    """As many proposals as there are learnable weights."""
    layout, network, learnable = work.layout, work.network, work.layout.learnable
    now = np.uint64(time)
    proposals, spare = work.proposals, work.spare
    draw_proposals(proposals, spare, run.order, learnable, run.dynamics_key, now, row.graph)
    # At T = 0 a move is accepted or not whatever the chance; that needs no table.
    cold = run.acceptance.shape[0] == 2
    limit = np.int64(run.acceptance[0] > ZERO)
    if not cold:
        for member in range(row.members):
            replica = np.uint64(row.replica + member)
            numbers = work.chances[member]
            draw_numbers(numbers, 0, learnable, run.dynamics_key, _ACCEPT, now, replica)
    decision = Decision(cold, limit, run.acceptance, work.chances, row.everyone)
    view = View(
        work.state,
        work.batch.valid,
        network.addresses,
        network.signs,
        network.reader_base,
        network.reader_sign,
        network.reader_of,
    )
    far = work.state.nbytes > _NEAR
    floor, threshold = batch_of(run.batches, time)
    for number in range(learnable):
        if number == 0 or run.each_proposal:
            index = time * learnable + number if run.each_proposal else time
            draw = Draw(floor, threshold, run.dynamics_key, np.uint64(index), ZERO)
            draw_batch(work, shape, draw, row, ones)
            if shape.foreseen:
                fill_gains(work, shape)
        if far and shape.foreseen and number + _FAR < learnable:
            prefetch_gains(
                work, shape, work.proposals[number + _FAR], work.proposals[number + _SOON]
            )
        elif far and number + _FAR < learnable:
            prefetch_far(view, shape, layout, np.int64(work.proposals[number + _FAR]))
            prefetch_soon(view, shape, layout, np.int64(work.proposals[number + _SOON]))
        _try_any(work, shape, view, trial, decision, number, ones)


@compiled_within
def _run_row(work, shape, trial, replicas, run, out, row, ones):
    """Simulate and measure the replicas in a row, from `run.start` to `run.pause`."""
    load_network(work.network, shape, work.layout, replicas, row)
    if shape.foreseen:
        index_gains(work, shape)
    work.batch.valid[:] = 0
    # Measured is the batch last drawn; at time 0 the first batch, before any move.
    drawn = run.start * work.layout.learnable if run.each_proposal else run.start
    index = np.uint64(max(drawn - 1, 0))
    floor, threshold = batch_of(run.batches, max(run.start - 1, 0))
    draw = Draw(floor, threshold, run.dynamics_key, index, ZERO)
    draw_batch(work, shape, draw, row, ones)
    column = first_due(run.times, run.start)
    for time in range(run.start, min(run.pause, run.duration + 1)):
        due = column < run.times.shape[0] and run.times[column] == time
        passed = note(work, shape, replicas, run, out, row, (time, column, due))
        if due:
            test(work, shape, run, out, row, (time, column), ones)
            column += 1
        if time == run.duration:
            break
        if run.absorbing and passed == row.members:
            fill_in(work.layout, replicas, run, out, row, column)
            break
        _sweep(work, shape, trial, run, row, time, ones)
    unpack_weights(work.network.signs, row, out.student)


@compiled
def _run_rows(work, shape, trial, replicas, run, out, ones):
    """Simulate all rows, one after the other."""
    layout, count = work.layout, replicas.teacher.shape[0]
    first = 0
    while first < count:
        replica = run.first_replica + first
        left = run.replicas_per_graph - replica % run.replicas_per_graph
        members = min(shape.together, count - first, left)
        everyone = (ONE << np.uint64(shape.lanes if shape.together == 1 else members)) - ONE
        row = Row(first, members, replica, np.uint64(replica // run.replicas_per_graph), everyone)
        passed = 0  # before `run.start`
        for member in range(members):
            passed += out.first_passage[first + member] >= 0
        if run.absorbing and passed == members:
            column = first_due(run.times, run.start)
            fill_in(layout, replicas, run, out, row, column)
        else:
            _run_row(work, shape, trial, replicas, run, out, row, ones)
        first += members


@compiled
def _widest(layout, replicas):
    """Units of the largest layer, inputs among them."""
    widest = layout.size
    for units in replicas.unit_counts:
        widest = max(widest, units)
    return widest


@functools.cache
def make_kernel(
    depth: int,
    fan_in: int,
    last_fan_in: int,
    readers: int,
    row: int,
    lanes: int,
    together: int,
    version: int,
) -> Callable[..., Any]:
    """Compile the kernel for one `Shape` with odd fan-ins: all inner loops have constant bounds.

    `version` is `SOURCE_HASH`, so that the disk cache follows the source. The closure holds
    integers only: with anything else the disk cache never hits.
    """
    planes, last_planes = planes_for(fan_in), planes_for(last_fan_in)
    offset, last_offset = offset_for(fan_in), offset_for(last_fan_in)
    stride = stride_for(readers, last_fan_in, row)
    foreseen = int(depth == 2 and row == 1 and fan_in == last_fan_in and readers > AT_ONCE)

    @cached_njit(nogil=True)
    def run_rows(replicas, lane_type, mask_type, run, out):
        _ = version
        shape = shape_of(
            (
                depth,
                fan_in,
                planes,
                offset,
                last_fan_in,
                last_planes,
                last_offset,
                readers,
                stride,
                row,
                lanes,
                together,
                foreseen,
            )
        )
        layout = lay_out(shape, replicas)
        state = np.zeros(layout.length, dtype=lane_type.dtype)
        work = Work(
            layout,
            state,
            empty_batch(shape, layout, lane_type),
            empty_network(shape, layout, mask_type),
            empty_gains(shape, layout),
            np.zeros(layout.learnable + 3, dtype=np.uint32),
            np.zeros(layout.learnable + 3, dtype=np.uint32),
            np.zeros((together, layout.learnable + 3), dtype=np.uint32),
            np.zeros((2, _widest(layout, replicas)), dtype=np.int64),
        )
        trial = empty_trial(shape, layout, state)
        _run_rows(work, shape, trial, replicas, run, out, fill(state, ONES, lanes))

    return run_rows
