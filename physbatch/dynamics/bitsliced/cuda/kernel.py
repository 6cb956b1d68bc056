"""The GPU kernel of the bit-sliced dynamics, made for one shape of network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from physbatch.dynamics.bitsliced.cuda.parts import (
    Block,
    accepts,
    draw_count,
    draw_inputs,
    draw_numbers,
    flip_mask,
    forward_layer,
    sign_word,
    step_count,
)
from physbatch.dynamics.bitsliced.layout import ONE, ZERO
from physbatch.dynamics.bitsliced.shape import offset_for, planes_for
from physbatch.streams.keys import KIND_ACCEPT, KIND_PROPOSAL

__all__ = ["make_cuda_kernel"]

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)
_CHUNK = np.uint64(40)


@cuda.jit(device=True)
def _error_change(state, at, planes, row, flip):
    """Change of the number of wrong bits if an output flips in the samples `flip`."""
    wrong = state[at + planes * row]
    return np.int64(cuda.popc(flip & ~wrong)) - np.int64(cuda.popc(flip & wrong))


@cuda.jit(device=True)
def _forward(block, weights, shape, layout):
    """Run a network on the inputs of the batch."""
    depth, fan_in, planes, offset, last_fan_in, last_planes, last_offset, _, row, words = shape
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    first, edge = layout.last_first, layout.last_edge
    if depth > 1:
        forward_layer(
            block.state,
            block.addresses,
            block.base_of,
            weights,
            0,
            first,
            0,
            fan_in,
            planes,
            offset,
            row,
            words,
            thread,
            threads,
        )
        cuda.syncthreads()
    forward_layer(
        block.state,
        block.addresses,
        block.base_of,
        weights,
        first,
        layout.outputs,
        edge,
        last_fan_in,
        last_planes,
        last_offset,
        row,
        words,
        thread,
        threads,
    )
    cuda.syncthreads()


@cuda.jit(device=True)
def _draw_batch(block, shape, layout, floor, threshold, key, index, first_replica, members):
    """Draw a batch for each replica in a row, run teachers and students, mark wrong samples."""
    _, _, _, _, _, last_planes, _, _, row, words = shape
    state = block.state
    cuda.syncthreads()
    for member in range(members):
        replica = np.uint64(first_replica + member)
        count = draw_count(floor, threshold, key, index, replica)
        if cuda.threadIdx.x == 0:
            block.counts[member] = count
        place = member * words
        draw_inputs(
            state,
            block.valid,
            row,
            place,
            words,
            layout.size,
            count,
            key,
            index,
            replica,
            cuda.threadIdx.x,
            cuda.blockDim.x,
        )
    cuda.syncthreads()
    for network in range(2):
        weights = block.truth if network == 0 else block.signs
        _forward(block, weights, shape, layout)
        for item in range(cuda.threadIdx.x, layout.outputs * row, cuda.blockDim.x):
            wrong = block.base_of[layout.last_first + item // row] + last_planes * row + item % row
            output = state[wrong - row]
            state[wrong] = output if network == 0 else state[wrong] ^ output
        cuda.syncthreads()


@cuda.jit(device=True)
def _count_mistakes(block, shape, layout, members):
    """Number of wrong output bits on the batch of each replica in a row."""
    _, _, _, _, _, last_planes, _, _, row, words = shape
    for member in range(cuda.threadIdx.x, members, cuda.blockDim.x):
        block.wrong[member] = 0
    cuda.syncthreads()
    for item in range(cuda.threadIdx.x, layout.outputs * row, cuda.blockDim.x):
        place = item % row
        at = block.base_of[layout.last_first + item // row] + last_planes * row + place
        bits = np.int64(cuda.popc(block.state[at] & block.valid[place]))
        if bits > 0:
            cuda.atomic.add(block.wrong, place // words, bits)
    cuda.syncthreads()


@cuda.jit(device=True)
def _path_sum(total, values, truth, signs, member, sources, fan_ins, unit_counts):
    """Sum over outputs and paths of the products of w w* of one replica, in `total[0]`.

    `values` has two rows as long as the widest layer.
    """
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
        for unit in range(cuda.threadIdx.x, unit_counts[layer], cuda.blockDim.x):
            found = np.int64(0)
            for slot in range(edge + unit * fan_in, edge + (unit + 1) * fan_in):
                value = below[sources[slot]]
                differs = ((truth[slot] ^ signs[slot]) >> np.uint64(member)) & ONE
                found += -value if differs else value
            above[unit] = found
            if layer == fan_ins.shape[0] - 1:
                cuda.atomic.add(total, 0, found)
        edge += unit_counts[layer] * fan_in
        cuda.syncthreads()


@functools.cache
def make_cuda_kernel(
    depth: int, fan_in: int, last_fan_in: int, readers: int, row: int, words: int
) -> Callable[..., Any]:
    """Make the kernel for one shape, so that loops have constant bounds.

    Parameters
    ----------
    depth, fan_in, last_fan_in, readers, row : int
        See `physbatch.dynamics.bitsliced.shape.FIELDS`; depth is 1 or 2.
    words : int
        Words of one replica in a row.
    """
    planes, last_planes = planes_for(fan_in), planes_for(last_fan_in)
    offset, last_offset = offset_for(fan_in), offset_for(last_fan_in)

    @cuda.jit
    def run_block(rows, layout, run, out):
        shape = (
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
        block = cuda.blockIdx.x
        thread, threads = cuda.threadIdx.x, cuda.blockDim.x
        first, members = rows.first[block], rows.members[block]
        replica = run.first_replica + first
        graph = np.uint64(replica // run.replicas_per_graph)
        sources, addresses = rows.sources[block], rows.addresses[block]
        reader_edge, truth, signs = rows.reader_edge[block], rows.truth[block], rows.signs[block]
        state, valid, counts = rows.state[block], rows.valid[block], rows.counts[block]
        wrong, changes, total = rows.wrong[block], rows.change[block], rows.total[block]
        proposals, chances = rows.proposals[block], rows.chances[block]
        values = rows.values[block]
        base_of = rows.base_of
        work = Block(state, valid, counts, wrong, addresses, base_of, truth, signs)
        outputs, learnable = layout.outputs, layout.learnable
        perfect = np.int64(outputs)
        for layer in range(depth):
            perfect *= rows.fan_ins[layer]
        column = 0
        for sweep in range(run.duration + 1):
            # --- measure at time `sweep`; at time 0 on the first batch, before any move
            if sweep == 0:
                _draw_batch(
                    work,
                    shape,
                    layout,
                    run.floor,
                    run.threshold,
                    run.dynamics_key,
                    ZERO,
                    replica,
                    members,
                )
            _count_mistakes(work, shape, layout, members)
            due = column < run.times.shape[0] and run.times[column] == sweep
            passed = 0
            for member in range(members):
                at = first + member
                missing = out.first_passage[at] < 0
                # A perfect student makes no error on any batch, so look only then.
                if due or (wrong[member] == 0 and missing):
                    _path_sum(
                        total,
                        values,
                        truth,
                        signs,
                        member,
                        sources,
                        rows.fan_ins,
                        rows.unit_counts,
                    )
                    if total[0] == perfect:
                        missing = False
                        if thread == 0 and out.first_passage[at] < 0:
                            out.first_passage[at] = sweep
                    if due and thread == 0:
                        out.path_sum[at, column] = total[0]
                        out.batch_wrong[at, column] = wrong[member]
                        out.batch_bits[at, column] = counts[member] * outputs
                    cuda.syncthreads()
                passed += 0 if missing else 1
            if due:
                done = 0
                chunk = ZERO
                while done < run.test_samples:
                    left = run.test_samples - done
                    now = left if left < 64 else 64
                    _draw_batch(
                        work,
                        shape,
                        layout,
                        now,
                        ZERO,
                        run.test_key,
                        np.uint64(sweep) | (chunk << _CHUNK),
                        replica,
                        members,
                    )
                    _count_mistakes(work, shape, layout, members)
                    for member in range(thread, members, threads):
                        out.test_wrong[first + member, column] += wrong[member]
                    cuda.syncthreads()
                    done += now
                    chunk += ONE
                column += 1
            if sweep == run.duration:
                break
            if run.absorbing and passed == members:
                # Nothing changes any more: the rest is known.
                for later in range(column + thread, run.times.shape[0], threads):
                    last = run.times[later] * (learnable if run.each_proposal else 1) - 1
                    for member in range(members):
                        count = draw_count(
                            run.floor,
                            run.threshold,
                            run.dynamics_key,
                            np.uint64(last),
                            np.uint64(replica + member),
                        )
                        out.path_sum[first + member, later] = perfect
                        out.batch_bits[first + member, later] = count * outputs
                break

            # --- one sweep
            key, now = run.dynamics_key, np.uint64(sweep)
            draw_numbers(
                proposals,
                learnable,
                _PROPOSAL,
                key,
                now,
                graph,
                np.uint64(learnable),
                thread,
                threads,
            )
            if run.acceptance.shape[0] > 2:
                for member in range(members):
                    own = np.uint64(replica + member)
                    draw_numbers(
                        chances[member], learnable, _ACCEPT, key, now, own, ZERO, thread, threads
                    )
            cuda.syncthreads()
            for number in range(learnable):
                if number == 0 or run.each_proposal:
                    _draw_batch(
                        work,
                        shape,
                        layout,
                        run.floor,
                        run.threshold,
                        key,
                        np.uint64(sweep * learnable + number if run.each_proposal else sweep),
                        replica,
                        members,
                    )
                # The change of each replica's error, in turns in one of three places: some threads
                # may still read that of the last proposal.
                change = changes[number % 3]
                for member in range(thread, members, threads):
                    changes[(number + 1) % 3, member] = 0
                edge = proposals[number]
                source = addresses[edge]
                mask = signs[edge]
                last = edge >= layout.last_edge
                if last:
                    unit = layout.last_first + (edge - layout.last_edge) // last_fan_in
                    items = row
                else:
                    unit = edge // fan_in
                    items = row * readers
                base = base_of[unit]
                begin = (unit - layout.deep_first) * readers
                cuda.syncthreads()
                for item in range(thread, items, threads):
                    place = item % row
                    member = place // words
                    term = state[source + place] ^ sign_word(mask, member)
                    if last:
                        at = base + place
                        flip = flip_mask(state, at, last_planes, row, term, valid[place])
                    else:
                        flips = flip_mask(state, base + place, planes, row, term, valid[place])
                        reader = reader_edge[begin + item // row]
                        at = layout.last_base + reader // last_fan_in * layout.last_block + place
                        output = state[base + (planes - 1) * row + place]
                        own = output ^ sign_word(signs[layout.last_edge + reader], member)
                        flip = flip_mask(state, at, last_planes, row, own, flips)
                    found = _error_change(state, at, last_planes, row, flip)
                    if found != 0:
                        cuda.atomic.add(change, member, found)
                cuda.syncthreads()
                accepted = ZERO
                for member in range(members):
                    if accepts(change[member], run.acceptance, chances[member, number]):
                        accepted |= ONE << np.uint64(member)
                if accepted == ZERO:
                    continue
                for item in range(thread, items, threads):
                    place = item % row
                    member = place // words
                    if (accepted >> np.uint64(member)) & ONE == ZERO:
                        continue
                    term = state[source + place] ^ sign_word(mask, member)
                    if last:
                        within = ~ZERO
                        at = base + place
                    else:
                        within = flip_mask(state, base + place, planes, row, term, ~ZERO)
                        reader = reader_edge[begin + item // row]
                        at = layout.last_base + reader // last_fan_in * layout.last_block + place
                        output = state[base + (planes - 1) * row + place]
                        term = output ^ sign_word(signs[layout.last_edge + reader], member)
                    top = at + (last_planes - 1) * row
                    before = state[top]
                    step_count(state, at, last_planes, row, term, within)
                    state[top + row] ^= before ^ state[top]
                cuda.syncthreads()
                if not last:
                    # The unit itself comes last: its readers looked at its output.
                    for place in range(thread, row, threads):
                        member = place // words
                        if (accepted >> np.uint64(member)) & ONE:
                            term = state[source + place] ^ sign_word(mask, member)
                            step_count(state, base + place, planes, row, term, ~ZERO)
                if thread == 0:
                    signs[edge] = mask ^ accepted
                cuda.syncthreads()

    return run_block
