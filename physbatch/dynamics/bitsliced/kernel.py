"""The compiled kernel of the bit-sliced dynamics, made for one shape of network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import physbatch.dynamics.bitsliced.deep
import physbatch.dynamics.bitsliced.lanes
import physbatch.dynamics.bitsliced.layout
import physbatch.dynamics.bitsliced.measure
import physbatch.dynamics.bitsliced.moves
import physbatch.dynamics.bitsliced.parts
import physbatch.dynamics.bitsliced.shape
import physbatch.streams.compiled
import physbatch.streams.keys
from physbatch.compilation import cached_njit, hash_of_sources
from physbatch.dynamics.bitsliced.deep import deep_change, deep_commit, empty_trial
from physbatch.dynamics.bitsliced.lanes import fill, spread
from physbatch.dynamics.bitsliced.layout import (
    ONE,
    ZERO,
    empty_network,
    lay_out,
    load_network,
    unpack_weights,
)
from physbatch.dynamics.bitsliced.measure import fill_in, note, test
from physbatch.dynamics.bitsliced.moves import (
    hidden_change,
    hidden_commit,
    output_change,
    output_commit,
    prefetch_far,
    prefetch_soon,
)
from physbatch.dynamics.bitsliced.parts import (
    ONES,
    accept_below,
    accept_hot,
    count_mistakes,
    draw_batch,
    draw_numbers,
    draw_proposals,
    empty_batch,
)
from physbatch.dynamics.bitsliced.shape import offset_for, planes_for, shape_of, stride_for
from physbatch.streams.keys import KIND_ACCEPT, KIND_PROPOSAL

__all__ = ["make_kernel", "SOURCE_HASH"]

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources(
    __file__,
    physbatch.dynamics.bitsliced.deep,
    physbatch.dynamics.bitsliced.lanes,
    physbatch.dynamics.bitsliced.layout,
    physbatch.dynamics.bitsliced.measure,
    physbatch.dynamics.bitsliced.moves,
    physbatch.dynamics.bitsliced.parts,
    physbatch.dynamics.bitsliced.shape,
    physbatch.streams.compiled,
    physbatch.streams.keys,
)

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)
#: A state of more bytes does not stay in the cache nearest to the core.
_NEAR = 200_000
#: How many proposals ahead memory is asked for: weights and units, and what they point to.
_FAR = 12
_SOON = 3


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
    """Compile the kernel for one shape, so that all inner loops have constant bounds.

    Parameters
    ----------
    depth, fan_in, last_fan_in, readers, row, lanes, together : int
        See `Shape`; the fan-ins are odd.
    version : int
        `SOURCE_HASH`, so that the disk cache follows the source. The closure holds
        integers only: with anything else the disk cache never hits.
    """
    planes, last_planes = planes_for(fan_in), planes_for(last_fan_in)
    offset, last_offset = offset_for(fan_in), offset_for(last_fan_in)
    stride = stride_for(readers, last_fan_in, row)

    @cached_njit(nogil=True)
    def run_rows(
        sources,
        teacher,
        student,
        lane_type,
        mask_type,
        fan_ins,
        unit_counts,
        size,
        learnable,
        run,
        out,
    ):
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
            )
        )
        layout = lay_out(shape, unit_counts, size, teacher.shape[1], learnable)
        network = empty_network(shape, layout, mask_type)
        batch = empty_batch(shape, layout, lane_type)
        state = np.zeros(layout.length, dtype=lane_type.dtype)
        trial = empty_trial(shape, layout, state)
        proposals = np.zeros(learnable + 3, dtype=np.uint32)
        chances = np.zeros((together, learnable + 3), dtype=np.uint32)
        room = np.zeros((2, max(size, unit_counts.max())), dtype=np.int64)
        ones = fill(state, ONES, lanes)
        far = state.nbytes > _NEAR
        # At T = 0 a move is accepted or not whatever the chance; that needs no table.
        cold = run.acceptance.shape[0] == 2
        limit = np.int64(run.acceptance[0] > ZERO)
        # Reading an array out of a tuple counts a reference: not within the loops.
        valid, signs, addresses = batch.valid, network.signs, network.addresses
        reader_base, reader_sign = network.reader_base, network.reader_sign
        reader_of, acceptance = network.reader_of, run.acceptance

        first = 0
        members = 0
        while first < teacher.shape[0]:
            replica = run.first_replica + first
            graph = np.uint64(replica // run.replicas_per_graph)
            members = min(together, teacher.shape[0] - first)
            members = min(members, run.replicas_per_graph - replica % run.replicas_per_graph)
            everyone = (ONE << np.uint64(lanes if together == 1 else members)) - ONE
            if run.start == 0:
                out.first_passage[first : first + members] = -1
            elif run.absorbing and out.first_passage[first : first + members].min() >= 0:
                first += members  # what is left of these rows is written
                continue
            valid[:] = 0
            load_network(
                network,
                shape,
                layout,
                sources,
                teacher,
                student,
                fan_ins,
                unit_counts,
                first,
                members,
                everyone,
            )
            column = np.searchsorted(run.times, run.start)
            for sweep in range(run.start, run.duration + 1):
                if sweep == run.pause:
                    break
                # --- measure at time `sweep`, on the batch last drawn; at time 0 on the first
                # batch, before any move
                if sweep == run.start:
                    drawn = sweep * learnable if run.each_proposal else sweep
                    draw_batch(
                        state,
                        batch,
                        network,
                        shape,
                        layout,
                        run.floor,
                        run.threshold,
                        run.dynamics_key,
                        np.uint64(max(drawn - 1, 0)),
                        replica,
                        members,
                        ZERO,
                        ones,
                    )
                count_mistakes(state, batch, network, shape, layout, members)
                due = column < run.times.shape[0] and run.times[column] == sweep
                passed = note(
                    out,
                    run,
                    network,
                    batch,
                    sources[first],
                    fan_ins,
                    unit_counts,
                    layout,
                    room,
                    first,
                    members,
                    (sweep, column, due),
                )
                if due:
                    test(
                        out,
                        run,
                        state,
                        batch,
                        network,
                        shape,
                        layout,
                        first,
                        members,
                        sweep,
                        column,
                        ones,
                    )
                    column += 1
                if sweep == run.duration:
                    break
                if run.absorbing and passed == members:
                    fill_in(out, run, layout, fan_ins, first, members, column)
                    break

                # --- one sweep
                now = np.uint64(sweep)
                draw_proposals(proposals, learnable, _PROPOSAL, run.dynamics_key, now, graph)
                if not cold:
                    for member in range(members):
                        own = np.uint64(replica + member)
                        draw_numbers(
                            chances[member],
                            learnable,
                            _ACCEPT,
                            run.dynamics_key,
                            now,
                            own,
                        )
                for number in range(learnable):
                    if number == 0 or run.each_proposal:
                        draw_batch(
                            state,
                            batch,
                            network,
                            shape,
                            layout,
                            run.floor,
                            run.threshold,
                            run.dynamics_key,
                            np.uint64(sweep * learnable + number if run.each_proposal else sweep),
                            replica,
                            members,
                            ZERO,
                            ones,
                        )
                    if far and number + _FAR < learnable:
                        later, soon = proposals[number + _FAR], proposals[number + _SOON]
                        prefetch_far(
                            state,
                            addresses,
                            signs,
                            reader_base,
                            reader_sign,
                            shape,
                            layout,
                            np.int64(later),
                        )
                        prefetch_soon(state, addresses, reader_base, shape, layout, np.int64(soon))
                    edge = np.uint64(proposals[number])
                    source = np.int64(addresses[edge])
                    negative = spread(signs[edge], ones)

                    if edge >= np.uint64(layout.last_edge):
                        place = edge - np.uint64(layout.last_edge)
                        unit = np.int64(place // np.uint64(last_fan_in))
                        base = layout.last_base + unit * layout.last_block
                        change = output_change(state, valid, shape, base, source, negative)
                        if cold:
                            accepted = accept_below(change, limit, shape, everyone)
                        else:
                            accepted = accept_hot(
                                change, acceptance, chances, number, shape, everyone
                            )
                        if accepted:
                            kept = spread(accepted, ones)
                            output_commit(state, shape, base, source, negative, kept)
                            signs[edge] ^= accepted
                            if depth > 1:
                                reader_sign[reader_of[place]] ^= accepted
                        continue

                    unit = np.int64(edge // np.uint64(fan_in))
                    if depth > 2 and unit < layout.deep_first:
                        change, length = deep_change(
                            state,
                            trial,
                            valid,
                            network,
                            shape,
                            layout,
                            unit,
                            source,
                            negative,
                        )
                        if cold:
                            accepted = accept_below(change, limit, shape, everyone)
                        else:
                            accepted = accept_hot(
                                change, acceptance, chances, number, shape, everyone
                            )
                        deep_commit(state, trial, network, shape, layout, length, accepted, ones)
                        signs[edge] ^= accepted
                        continue

                    base = layout.first_base + unit * layout.block
                    begin = np.uint64(unit - layout.deep_first) * np.uint64(stride)
                    change = hidden_change(
                        state, valid, reader_base, reader_sign, shape, base, begin, source, negative
                    )
                    if cold:
                        accepted = accept_below(change, limit, shape, everyone)
                    else:
                        accepted = accept_hot(change, acceptance, chances, number, shape, everyone)
                    if accepted:
                        kept = spread(accepted, ones)
                        hidden_commit(
                            state,
                            reader_base,
                            reader_sign,
                            shape,
                            base,
                            begin,
                            source,
                            negative,
                            kept,
                        )
                        signs[edge] ^= accepted
            unpack_weights(network.signs, first, members, student)
            first += members

    return run_rows
