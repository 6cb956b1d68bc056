"""The compiled kernel of the bit-sliced dynamics, made for one shape of network."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

import physbatch.dynamics.bitsliced_deep
import physbatch.dynamics.bitsliced_parts
import physbatch.streams.compiled
from physbatch.dynamics.bitsliced_deep import deep_change, deep_commit, index_edges
from physbatch.dynamics.bitsliced_parts import (
    ONES,
    ZERO,
    accept,
    draw_batch,
    draw_batch_inlined,
    draw_count,
    draw_numbers,
    draw_proposals,
    error_change,
    flip_mask,
    index_readers,
    index_sources,
    mistakes,
    path_sum,
    step_count,
)
from physbatch.streams.keys import KIND_ACCEPT, KIND_PROPOSAL

__all__ = ["make_kernel", "planes_for", "source_hash"]

_PROPOSAL = np.uint64(KIND_PROPOSAL)
_ACCEPT = np.uint64(KIND_ACCEPT)
_CHUNK = np.uint64(40)


def planes_for(fan_in: int) -> int:
    """Number of bit planes that count `fan_in` terms, for an odd fan-in."""
    return fan_in.bit_length()


def _offset_for(fan_in: int) -> int:
    """Shift that puts the threshold (fan_in + 1)/2 on the top plane."""
    return int(2 ** (planes_for(fan_in) - 1)) - (fan_in + 1) // 2


@functools.cache
def source_hash() -> int:
    """Hash of the source of all compiled code.

    The compiler's disk cache does not notice a change in a helper of another module; a
    captured constant that depends on all of them makes it recompile.
    """
    digest = hashlib.sha256()
    modules = (
        physbatch.dynamics.bitsliced_deep,
        physbatch.dynamics.bitsliced_parts,
        physbatch.streams.compiled,
    )
    for name in (__file__, *(str(module.__file__) for module in modules)):
        digest.update(Path(name).read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")


@functools.cache
def make_kernel(
    depth: int, fan_in: int, last_fan_in: int, words: int, version: int
) -> Callable[..., Any]:
    """Compile the kernel for one shape, so that all inner loops have constant bounds.

    Parameters
    ----------
    depth : int
        Number of weight layers.
    fan_in, last_fan_in : int
        Odd fan-in of all layers but the last, and of the last.
    words : int
        Words of 64 samples that hold the largest batch.
    version : int
        `source_hash()`, so that the disk cache follows the source. The closure holds
        integers only: with anything else the disk cache never hits.
    """
    planes, last_planes = planes_for(fan_in), planes_for(last_fan_in)
    offset, last_offset = _offset_for(fan_in), _offset_for(last_fan_in)

    @numba.njit(cache=True, nogil=True)
    def run(
        sources,
        teacher,
        student,
        fan_ins,
        unit_counts,
        size,
        learnable,
        floor,
        threshold,
        acceptance,
        each_proposal,
        absorbing,
        times,
        duration,
        test_samples,
        dynamics_key,
        test_key,
        first_replica,
        start,
        pause,
        path_sums,
        batch_wrong,
        batch_bits,
        test_wrong,
        first_passage,
    ):
        _ = version
        shape = (fan_in, planes, offset, last_fan_in, last_planes, last_offset, words)
        edges = teacher.shape[1]
        units = unit_counts.sum()
        last_first = units - unit_counts[-1]
        # Units below this one reach the outputs through more than one layer.
        deep_first = last_first - (unit_counts[-2] if depth > 1 else 0)
        outputs = unit_counts[-1]
        last_edge = edges - outputs * last_fan_in
        block = (planes + 1) * words
        last_block = (last_planes + 1) * words
        last_base = size * words + last_first * block
        # How many outputs read one unit of the layer below them.
        readers = (edges - last_edge) // (last_first - deep_first) if depth > 1 else 0
        addresses = np.zeros(edges, dtype=np.int32)
        reader_base = np.zeros(edges - last_edge, dtype=np.int32)
        reader_weight = np.zeros(edges - last_edge, dtype=np.uint8)
        reader_of = np.zeros(edges - last_edge, dtype=np.int32)
        unit_of = np.zeros(edges if depth > 2 else 1, dtype=np.int32)
        out_begin = np.zeros(units + 1, dtype=np.int64)
        out_edge = np.zeros(edges if depth > 2 else 1, dtype=np.int32)
        base_of = np.zeros(units, dtype=np.int64)
        for unit in range(units):
            base_of[unit] = (
                size * words + unit * block
                if unit < last_first
                else last_base + (unit - last_first) * last_block
            )
        state = np.zeros(last_base + outputs * last_block, dtype=np.uint64)
        trial = np.zeros_like(state) if depth > 2 else state
        touched = np.zeros(units, dtype=np.int64)
        is_touched = np.zeros(units, dtype=np.uint8)
        raw = np.zeros(words * size + 2, dtype=np.uint64)
        valid = np.zeros(words, dtype=np.uint64)
        flips = np.zeros(words, dtype=np.uint64)
        proposals = np.zeros(learnable + 3, dtype=np.uint32)
        chances = np.zeros(learnable + 3, dtype=np.uint32)
        below = np.zeros(max(size, unit_counts.max()), dtype=np.int64)
        above = np.zeros_like(below)
        perfect = np.int64(outputs) * fan_ins.prod()
        last_threshold = acceptance.shape[0] - 1

        for row in range(teacher.shape[0]):
            if start == 0:
                first_passage[row] = -1
            elif absorbing and first_passage[row] >= 0:
                continue  # what is left of this row is written
            replica = np.uint64(first_replica + row)
            truth = teacher[row]
            weights = student[row]
            index_sources(sources[row], fan_ins, unit_counts, base_of, planes, words, addresses)
            index_readers(
                sources[row],
                weights,
                last_edge,
                last_fan_in,
                last_base,
                last_block,
                readers,
                reader_base,
                reader_weight,
                reader_of,
            )
            if depth > 2:
                index_edges(sources[row], fan_ins, unit_counts, unit_of, out_begin, out_edge)
            measured = 0
            while measured < times.shape[0] and times[measured] < start:
                measured += 1
            count = np.int64(0)
            for sweep in range(start, duration + 1):
                if sweep == pause:
                    break
                # --- measure at time `sweep`, on the batch last drawn; at time 0 on the first
                # batch, before any move
                if sweep == start:
                    drawn = sweep * learnable if each_proposal else sweep
                    index = np.uint64(max(drawn - 1, 0))
                    count = draw_count(floor, threshold, dynamics_key, index, replica)
                    draw_batch(
                        state,
                        raw,
                        valid,
                        addresses,
                        truth,
                        weights,
                        base_of,
                        last_first,
                        shape,
                        size,
                        count,
                        dynamics_key,
                        index,
                        replica,
                    )
                wrong = mistakes(state, valid, base_of, last_first, last_planes, words)
                due = measured < times.shape[0] and times[measured] == sweep
                # A perfect student makes no error on any batch, so look only then.
                if due or (wrong == 0 and first_passage[row] < 0):
                    total = path_sum(
                        truth, weights, sources[row], fan_ins, unit_counts, below, above
                    )
                    if total == perfect and first_passage[row] < 0:
                        first_passage[row] = sweep
                    if due:
                        path_sums[row, measured] = total
                        batch_wrong[row, measured] = wrong
                        batch_bits[row, measured] = count * outputs
                        done = np.int64(0)
                        chunk = np.uint64(0)
                        while done < test_samples:
                            now = min(test_samples - done, np.int64(64))
                            draw_batch(
                                state,
                                raw,
                                valid,
                                addresses,
                                truth,
                                weights,
                                base_of,
                                last_first,
                                shape,
                                size,
                                now,
                                test_key,
                                np.uint64(sweep) | (chunk << _CHUNK),
                                replica,
                            )
                            test_wrong[row, measured] += mistakes(
                                state, valid, base_of, last_first, last_planes, words
                            )
                            done += now
                            chunk += np.uint64(1)
                        measured += 1
                if sweep == duration:
                    break
                if absorbing and first_passage[row] >= 0:
                    # Nothing changes any more: the rest is known.
                    for later in range(measured, times.shape[0]):
                        last = times[later] * learnable if each_proposal else times[later]
                        path_sums[row, later] = perfect
                        batch_bits[row, later] = outputs * draw_count(
                            floor, threshold, dynamics_key, np.uint64(last - 1), replica
                        )
                    break

                # --- one sweep
                draw_proposals(
                    proposals, learnable, _PROPOSAL, dynamics_key, np.uint64(sweep), replica
                )
                if last_threshold > 1:
                    draw_numbers(
                        chances, learnable, _ACCEPT, dynamics_key, np.uint64(sweep), replica
                    )
                for number in range(learnable):
                    if number == 0 or each_proposal:
                        index = np.uint64(sweep * learnable + number if each_proposal else sweep)
                        count = draw_count(floor, threshold, dynamics_key, index, replica)
                        draw_batch_inlined(
                            state,
                            raw,
                            valid,
                            addresses,
                            truth,
                            weights,
                            base_of,
                            last_first,
                            shape,
                            size,
                            count,
                            dynamics_key,
                            index,
                            replica,
                        )
                    edge = np.int64(proposals[number])
                    source = np.int64(addresses[edge])
                    negative = ZERO - np.uint64(weights[edge])
                    change = np.int64(0)

                    if edge >= last_edge:
                        base = last_base + (edge - last_edge) // last_fan_in * last_block
                        # An output unit: its own flips are the change of the error.
                        for word in range(words):
                            term = state[source + word] ^ negative
                            flip = flip_mask(
                                state, base, last_planes, words, word, term, valid[word]
                            )
                            flips[word] = flip
                            change += error_change(state, base, last_planes, words, word, flip)
                        if accept(change, acceptance, last_threshold, chances, number):
                            for word in range(words):
                                term = state[source + word] ^ negative
                                step_count(state, base, last_planes, words, word, term, ONES)
                                state[base + last_planes * words + word] ^= flips[word]
                            weights[edge] ^= 1
                            if depth > 1:
                                reader_weight[reader_of[edge - last_edge]] ^= 1
                        continue

                    unit = edge // fan_in
                    base = size * words + unit * block
                    if depth > 2 and unit < deep_first:
                        change, length = deep_change(
                            state,
                            trial,
                            touched,
                            is_touched,
                            valid,
                            weights,
                            base_of,
                            unit_of,
                            out_begin,
                            out_edge,
                            last_first,
                            planes,
                            last_planes,
                            words,
                            unit,
                            source,
                            negative,
                        )
                        accepted = accept(change, acceptance, last_threshold, chances, number)
                        deep_commit(
                            state,
                            trial,
                            touched,
                            is_touched,
                            length,
                            accepted,
                            base_of,
                            last_first,
                            planes,
                            last_planes,
                            words,
                        )
                        if accepted:
                            weights[edge] ^= 1
                        continue

                    # A unit just below the outputs: each output sees at most one flip.
                    top = base + (planes - 1) * words
                    for word in range(words):
                        term = state[source + word] ^ negative
                        flips[word] = flip_mask(state, base, planes, words, word, term, valid[word])
                    first = (unit - deep_first) * readers
                    for at in range(first, first + readers):
                        target = np.int64(reader_base[at])
                        sign = ZERO - np.uint64(reader_weight[at])
                        for word in range(words):
                            term = state[top + word] ^ sign
                            flip = flip_mask(
                                state, target, last_planes, words, word, term, flips[word]
                            )
                            change += error_change(state, target, last_planes, words, word, flip)
                    if accept(change, acceptance, last_threshold, chances, number):
                        for at in range(first, first + readers):
                            target = np.int64(reader_base[at])
                            sign = ZERO - np.uint64(reader_weight[at])
                            for word in range(words):
                                term = state[top + word] ^ sign
                                flip = flip_mask(
                                    state, target, last_planes, words, word, term, flips[word]
                                )
                                step_count(
                                    state, target, last_planes, words, word, term, flips[word]
                                )
                                state[target + last_planes * words + word] ^= flip
                        for word in range(words):
                            term = state[source + word] ^ negative
                            step_count(state, base, planes, words, word, term, ONES)
                        weights[edge] ^= 1

    return run
