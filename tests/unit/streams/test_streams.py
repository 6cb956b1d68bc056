"""Philox4x32-10 against its published known answers, and its addresses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from physbatch.streams import compiled, tensor
from physbatch.streams.keys import stream_key, stream_keys

#: Counter, key and result from the known-answer file of Random123 (philox4x32, 10 rounds).
KNOWN = [
    (
        (0, 0, 0, 0),
        0,
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        0xFFFFFFFFFFFFFFFF,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_compiled_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: int, expected: tuple[int, ...]
) -> None:
    assert compiled.philox(*map(np.uint64, counter), np.uint64(key)) == expected


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_tensor_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: int, expected: tuple[int, ...]
) -> None:
    words = [torch.tensor(word) for word in counter]
    assert tuple(tensor.philox(*words, key).tolist()) == expected


def test_streams_of_different_purpose_seed_or_cell_differ() -> None:
    keys = {
        stream_key(purpose, seed, cell)
        for purpose in ("wiring", "teacher")
        for seed in (1, 2)
        for cell in ("a", "b")
    }
    assert len(keys) == 8


def test_changing_the_dynamics_seed_keeps_the_disorder() -> None:
    seeds = {"wiring": 1, "teacher": 1, "start": 1, "dynamics": 1}
    before = stream_keys(seeds, "cell")
    after = stream_keys({**seeds, "dynamics": 2}, "cell")
    assert (before.wiring, before.teacher, before.start) == (
        after.wiring,
        after.teacher,
        after.start,
    )
    assert before.dynamics != after.dynamics
    assert before.test != after.test


def test_bounded_is_uniform_to_its_stated_bias() -> None:
    numbers = torch.tensor([0, 2**32 // 5, 2**32 - 1])
    assert tensor.bounded(numbers, 5).tolist() == [0, 0, 4]
    assert compiled.bounded(np.uint64(2**32 - 1), np.uint64(7)) == 6
