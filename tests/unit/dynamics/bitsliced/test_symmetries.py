"""Path overlaps modulo the gauge symmetry: flipping all weights into and out of a unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from physbatch.dynamics import path_sums
from physbatch.dynamics.bitsliced.definition import forward
from physbatch.dynamics.bitsliced.layout import path_sum
from physbatch.dynamics.bitsliced.run import replicas_of
from physbatch.streams import stream_keys
from physbatch.systems import Architecture, BinarySystem, build_architecture, draw_system

SEEDS = dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    wiring = draw(st.sampled_from(["regular", "tree"]))
    degree = draw(st.sampled_from([1, 3, 5]))
    depth = draw(st.integers(1, 4 if degree < 5 else 2))
    output = draw(st.sampled_from(["vector", "scalar"])) if depth > 1 else "vector"
    if wiring == "tree":
        sparse = depth - (output == "scalar")
        size = degree**sparse * draw(st.sampled_from([1, 3] if degree < 5 else [1]))
    else:
        size = draw(st.integers(degree, 11).filter(lambda n: output == "vector" or n % 2))
    return build_architecture(
        wiring=wiring,
        size=size,
        degree=degree,
        depth=depth,
        output=output,
        learned_layers=draw(st.sampled_from(["all", "first"])),
        odd_fan_in=True,
    )


def system_of(architecture: Architecture, seed: int, overlap: float = 0.0) -> BinarySystem:
    return draw_system(architecture, overlap, stream_keys(SEEDS, f"gauge {seed}"), 0, 2)


def overlaps(system: BinarySystem, student: np.ndarray) -> np.ndarray:
    agreement = (1 - 2 * (system.teacher ^ student).astype(np.int64)).astype(np.int64)
    sums = path_sums(
        system.architecture,
        torch.from_numpy(system.sources).long(),
        torch.from_numpy(agreement),
    )
    paths = system.architecture.outputs * system.architecture.paths_per_output
    return sums.numpy() / paths


def gauge(system: BinarySystem, student: np.ndarray, layer: int, unit: int) -> np.ndarray:
    """Flip all weights into and out of a hidden unit, in every replica."""
    layers, offsets = system.architecture.layers, system.architecture.edge_offsets
    flipped = student.copy()
    start = offsets[layer] + unit * layers[layer].fan_in
    flipped[:, start : start + layers[layer].fan_in] ^= 1
    above = slice(offsets[layer + 1], offsets[layer + 2])
    flipped[:, above] ^= (system.sources[:, above] == unit).astype(np.uint8)
    return flipped


@settings(max_examples=60, deadline=None)
@given(architectures(), st.integers(0, 1000), st.data())
def test_flipping_a_hidden_unit_changes_neither_overlap_nor_output(
    architecture: Architecture, seed: int, data: st.DataObject
) -> None:
    system = system_of(architecture, seed)
    student = system.student
    if architecture.depth > 1:
        layer = data.draw(st.integers(0, architecture.depth - 2))
        unit = data.draw(st.integers(0, architecture.layers[layer].units - 1))
        student = gauge(system, student, layer, unit)
    np.testing.assert_array_equal(overlaps(system, student), overlaps(system, system.student))
    inputs = torch.from_numpy(
        np.random.default_rng(seed).choice([-1, 1], (2, 20, architecture.size))
    )
    sources = torch.from_numpy(system.sources).long()
    outputs = [
        forward(architecture, sources, torch.from_numpy(1 - 2 * bits.astype(np.int64)), inputs)
        for bits in (student, system.student)
    ]
    assert torch.equal(*outputs)


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(0, 1000))
def test_the_teacher_overlaps_fully_with_itself(architecture: Architecture, seed: int) -> None:
    system = system_of(architecture, seed)
    assert (overlaps(system, system.teacher) == 1).all()


@settings(max_examples=40, deadline=None)
@given(architectures(), st.integers(0, 1000))
def test_compiled_and_tensor_path_sums_agree(architecture: Architecture, seed: int) -> None:
    system = system_of(architecture, seed, 0.5)
    layers = architecture.layers
    widest = max(architecture.size, *(layer.units for layer in layers))
    room = np.zeros((2, widest), dtype=np.int64)
    compiled = path_sum(
        system.teacher[0],
        system.student[0],
        system.sources[0],
        replicas_of(system),
        (room[0], room[1]),
        0,
    )
    paths = architecture.outputs * architecture.paths_per_output
    assert compiled / paths == overlaps(system, system.student)[0]


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("initial_overlap", [0.0, 0.8])
def test_start_has_the_known_mean_and_variance(depth: int, initial_overlap: float) -> None:
    """Mean r^L; for r = 0 variance 1/(N d^L) (z below 4 for both, 20 000 students)."""
    size, degree, replicas = 20, 3, 20_000
    architecture = build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=depth,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    keys = stream_keys(SEEDS, f"start {depth} {initial_overlap}")
    system = draw_system(architecture, initial_overlap, keys, 0, replicas)
    q = overlaps(system, system.student)
    error = q.std(ddof=1) / np.sqrt(replicas)
    assert abs(q.mean() - initial_overlap**depth) < 4 * error
    if initial_overlap == 0:
        variance = q.var(ddof=1)
        fourth = ((q - q.mean()) ** 4).mean()
        variance_error = np.sqrt((fourth - variance**2) / replicas)
        assert abs(variance - 1 / (size * degree**depth)) < 4 * variance_error


def test_layers_that_are_not_learned_are_the_teachers() -> None:
    architecture = build_architecture(
        wiring="tree",
        size=45,
        degree=3,
        depth=2,
        output="scalar",
        learned_layers="first",
        odd_fan_in=True,
    )
    system = system_of(architecture, 5)
    np.testing.assert_array_equal(system.student[:, 45:], system.teacher[:, 45:])
    assert (system.student[:, :45] != system.teacher[:, :45]).any()
