"""The GPU kernel of the bit-sliced dynamics, made for one shape of network."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from physbatch.dynamics.bitsliced.cuda.measure import fill_in, note, test
from physbatch.dynamics.bitsliced.cuda.parts import (
    Block,
    Shape,
    accepts,
    batch_of,
    count_mistakes,
    draw_batch,
    draw_numbers,
    flip_mask,
    sign_word,
    step_count,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO
from physbatch.dynamics.bitsliced.parts import Draw
from physbatch.dynamics.bitsliced.shape import offset_for, planes_for
from physbatch.streams.keys import KIND_ACCEPT, KIND_PROPOSAL

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)


class Flip(NamedTuple):
    """One weight: whether it is an output's, its unit's block and first reader, source and sign."""

    is_output: bool
    base: int
    begin: int
    source: int
    mask: np.uint64


@cuda.jit(device=True)
def _flip(block, shape, layout, edge):
    """The flip of an edge."""
    is_output = edge >= layout.last_edge
    if is_output:
        unit = layout.last_first + (edge - layout.last_edge) // shape.last_fan_in
    else:
        unit = edge // shape.fan_in
    begin = (unit - layout.deep_first) * shape.readers
    return Flip(is_output, block.base_of[unit], begin, block.addresses[edge], block.signs[edge])


@cuda.jit(device=True)
def _reach(block, shape, layout, flip, item, within):
    """Where a flip meets an output: its place, its term, and in which samples the term flips."""
    state, row = block.state, shape.row
    word = item % row
    member = word // shape.words
    at = flip.base + word
    term = state[flip.source + word] ^ sign_word(flip.mask, member)
    if flip.is_output:
        return at, term, within
    flips = flip_mask(state, at, shape.planes, row, term, within)
    reader = block.reader_edge[flip.begin + item // row]
    output = state[at + (shape.planes - 1) * row]
    target = layout.last_base + reader // shape.last_fan_in * layout.last_block + word
    return target, output ^ sign_word(block.signs[layout.last_edge + reader], member), flips


@cuda.jit(device=True)
def _add_changes(block, shape, layout, flip, items, change):
    """Add the change of each replica's error if a weight flips."""
    state, row = block.state, shape.row
    for item in range(cuda.threadIdx.x, items, cuda.blockDim.x):
        word = item % row
        at, term, within = _reach(block, shape, layout, flip, item, block.valid[word])
        flips = flip_mask(state, at, shape.last_planes, row, term, within)
        wrong = state[at + shape.last_planes * row]
        more = np.int64(cuda.popc(flips & ~wrong)) - np.int64(cuda.popc(flips & wrong))
        if more != 0:
            cuda.atomic.add(change, word // shape.words, more)


@cuda.jit(device=True)
def _commit(block, shape, layout, flip, items, accepted):
    """Flip a weight in the replicas that accept it."""
    state, row = block.state, shape.row
    for item in range(cuda.threadIdx.x, items, cuda.blockDim.x):
        if (accepted >> np.uint64(item % row // shape.words)) & ONE:
            at, term, within = _reach(block, shape, layout, flip, item, ~ZERO)
            top = at + (shape.last_planes - 1) * row
            before = state[top]
            step_count(state, at, shape.last_planes, row, term, within)
            state[top + row] ^= before ^ state[top]
    cuda.syncthreads()
    if not flip.is_output:
        # The unit itself comes last: its readers looked at its output.
        for word in range(cuda.threadIdx.x, row, cuda.blockDim.x):
            member = word // shape.words
            if (accepted >> np.uint64(member)) & ONE:
                term = state[flip.source + word] ^ sign_word(flip.mask, member)
                step_count(state, flip.base + word, shape.planes, row, term, ~ZERO)


@cuda.jit(device=True)
def _try_flip(block, shape, layout, run, members, number):
    """Flip one weight in the replicas that accept it."""
    # The change of each replica's error, in turns in one of three places: some threads
    # may still read that of the last proposal.
    change = block.change[number % 3]
    for member in range(cuda.threadIdx.x, members, cuda.blockDim.x):
        block.change[(number + 1) % 3, member] = 0
    edge = block.proposals[number]
    flip = _flip(block, shape, layout, edge)
    items = shape.row if flip.is_output else shape.row * shape.readers
    cuda.syncthreads()
    _add_changes(block, shape, layout, flip, items, change)
    cuda.syncthreads()
    accepted = ZERO
    for member in range(members):
        if accepts(change[member], run.acceptance, block.chances[member, number]):
            accepted |= ONE << np.uint64(member)
    if accepted == ZERO:
        return
    _commit(block, shape, layout, flip, items, accepted)
    if cuda.threadIdx.x == 0:
        block.signs[edge] = flip.mask ^ accepted
    cuda.syncthreads()


@cuda.jit(device=True)
def _sweep(block, shape, layout, run, row, time):
    """As many proposals as there are learnable weights."""
    first, members = row
    learnable, key, now = layout.learnable, run.dynamics_key, np.uint64(time)
    replica = run.first_replica + first
    graph = np.uint64(replica // run.replicas_per_graph)
    draw_numbers(block.proposals, learnable, _PROPOSAL, key, now, graph, np.uint64(learnable))
    if run.acceptance.shape[0] > 2:
        for member in range(members):
            chances = block.chances[member]
            draw_numbers(chances, learnable, _ACCEPT, key, now, np.uint64(replica + member), ZERO)
    cuda.syncthreads()
    floor, threshold = batch_of(run.batches, time)
    for number in range(learnable):
        if number == 0 or run.each_proposal:
            index = np.uint64(time * learnable + number if run.each_proposal else time)
            draw = Draw(floor, threshold, key, index, ZERO)
            draw_batch(block, shape, layout, draw, members, replica)
        _try_flip(block, shape, layout, run, members, number)


@cuda.jit(device=True)
def _block_of(blocks, number):
    """What one block of threads works on."""
    return Block(
        blocks.sources[number],
        blocks.addresses[number],
        blocks.reader_edge[number],
        blocks.truth[number],
        blocks.signs[number],
        blocks.state[number],
        blocks.valid[number],
        blocks.counts[number],
        blocks.wrong[number],
        blocks.change[number],
        blocks.proposals[number],
        blocks.chances[number],
        blocks.values[number],
        blocks.total[number],
        blocks.base_of,
        blocks.fan_ins,
        blocks.unit_counts,
    )


@functools.cache
def make_cuda_kernel(
    depth: int, fan_in: int, last_fan_in: int, readers: int, row: int, words: int
) -> Callable[..., Any]:
    """The kernel for one `Shape` of depth 1 or 2: its loops have constant bounds."""
    planes, last_planes = planes_for(fan_in), planes_for(last_fan_in)
    offset, last_offset = offset_for(fan_in), offset_for(last_fan_in)

    @cuda.jit
    def run_block(rows, layout, run, out):
        shape = Shape(
            depth,
            fan_in,
            planes,
            offset,
            last_fan_in,
            last_planes,
            last_offset,
            readers,
            row,
            words,
        )
        number = cuda.blockIdx.x
        block = _block_of(rows.blocks, number)
        first, members = rows.first[number], rows.members[number]
        side_by_side = (first, members)
        perfect = np.int64(layout.outputs)
        for layer in range(depth):
            perfect *= block.fan_ins[layer]
        column = 0
        for time in range(run.duration + 1):
            if time == 0:  # measured is the first batch, before any move
                floor, threshold = batch_of(run.batches, 0)
                draw = Draw(floor, threshold, run.dynamics_key, ZERO, ZERO)
                draw_batch(block, shape, layout, draw, members, run.first_replica + first)
            count_mistakes(block, shape, layout, members)
            due = column < run.times.shape[0] and run.times[column] == time
            now = (time, column, due)
            passed = note(block, out, layout.outputs, perfect, side_by_side, now)
            if due:
                test(block, shape, layout, run, out, side_by_side, now)
                column += 1
            if time == run.duration:
                break
            if run.absorbing and passed == members:
                fill_in(layout, run, out, perfect, side_by_side, column)
                break
            _sweep(block, shape, layout, run, side_by_side, time)

    return run_block
