"""The example of an own engine: planted colouring by batches and at temperatures.

Before the hidden colouring is found the energy at temperature T is known, but for a term of order
1/N: loops of the graph add about 0.2/N to the fraction of edges of one colour (measured at N = 250,
1000 and 4000). Means over replicas are within 4 standard errors and 0.5/N.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from physbatch import run_study
from physbatch.noise import effective_temperature
from physbatch.results import flag_names
from physbatch.study import select
from physbatch.sweep import verify_dataset

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "planted_colouring.py"
SIZE, REPLICAS, AFTER = 2000, 12, 40


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted_colouring", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_colouring"] = module
    spec.loader.exec_module(module)
    return module


def late(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The stationary fraction of edges of one colour and its standard error, by control."""
    means = data["training_error"].sel(time=slice(AFTER, None)).mean("time").squeeze()
    means = means.transpose(..., "replica")
    return means.mean("replica").values, means.std("replica", ddof=1).values / math.sqrt(REPLICAS)


def test_a_batch_has_the_energy_of_metropolis_at_its_temperature(
    example: ModuleType, tmp_path: Path
) -> None:
    grid = {"duration": 160, "replicas": REPLICAS, "size": [SIZE]}
    fractions = np.array([0.5, 0.65, 0.8, 0.9])
    batches = run_study(
        example.study(list(12 * fractions), **grid), tmp_path / "batches.nc", workers=1
    )
    wrong, error = late(batches)
    temperature = example.temperature_of(wrong, 5)
    assert (np.diff(temperature) < 0).all()  # larger batches are colder
    thermal = run_study(
        example.study([12.0], sorted(temperature), **grid), tmp_path / "thermal.nc", workers=1
    )
    metropolis, its_error = (values[::-1] for values in late(thermal))
    combined = np.hypot(error, its_error)
    assert (np.abs(metropolis - wrong) < 4 * combined + 0.5 / SIZE).all()
    exact = example.wrong_at(temperature, 5)
    assert (np.abs(metropolis - exact) < 4 * its_error + 0.5 / SIZE).all()
    assert (its_error < 0.006 * exact).all()  # a fault of some per cent of T would be seen
    # Nobody finds the hidden colouring here, so the formula holds.
    assert float(thermal["overlap"].max()) < 0.15
    matched = effective_temperature(batches, thermal, after=AFTER, resamples=2)
    assert "still_relaxing" not in flag_names(matched.flags)
    # One temperature can be selected, and its cells are computed again bit for bit.
    part = select(thermal, {"temperature": [temperature[0]]})
    assert part.sizes.get("temperature", 1) == 1
    assert not verify_dataset(part, cells=1).differences


def test_batches_that_have_not_relaxed_are_called_so(example: ModuleType, tmp_path: Path) -> None:
    """B = 0.95: the energy falls for thousands of sweeps."""
    grid = {"duration": 160, "replicas": REPLICAS, "size": [1000]}
    batches = run_study(example.study([11.4], **grid), tmp_path / "batches.nc", workers=1)
    temperatures = [0.4, 0.6, 0.9]
    thermal = run_study(
        example.study([12.0], temperatures, **grid), tmp_path / "thermal.nc", workers=1
    )
    flags = effective_temperature(batches, thermal, after=20, resamples=2).flags
    drifts = [flag.text for flag in flags if flag.name == "still_relaxing"]
    assert any(
        re.search(r"training error moves by -0\.00.* at m = 11\.4$", text) for text in drifts
    )


def test_the_hidden_colouring_obeys_its_graph_and_has_overlap_one(example: ModuleType) -> None:
    draw = np.random.default_rng(3)
    hidden = draw.integers(5, size=400, dtype=np.int8)
    first, end = example.planted_graph(400, 12.0, hidden, draw)
    start = np.repeat(np.arange(400), np.diff(first))
    assert len(end) == 4800
    assert (hidden[start] != hidden[end]).all()
    assert len(set(zip(start, end, strict=True))) == 4800
    assert set(zip(start, end, strict=True)) == set(zip(end, start, strict=True))
    assert example.overlap_of(np.int8(4) - hidden, hidden, 5) == pytest.approx(1.0)


def test_every_set_of_edges_is_as_likely_a_batch(example: ModuleType) -> None:
    """A triangle, one directed edge of six a sweep: what is accepted says which edge it was."""
    first = np.array([0, 2, 4, 6])
    end = np.array([1, 2, 0, 2, 0, 1])
    draw = np.random.default_rng(5)
    counts: dict[tuple[int, ...], int] = {}
    sweeps = 40_000
    for _ in range(sweeps):
        colour = np.zeros(3, dtype=np.int8)
        example.sweep_with_batch(colour, first, end, 1, 2, draw)
        counts[tuple(colour)] = counts.get(tuple(colour), 0) + 1
    expected = dict.fromkeys(itertools.product((0, 1), repeat=3), 0.0)
    for edge in range(6):
        colour = [0, 0, 0]
        for site in range(3):
            seen = [end[k] for k in range(first[site], first[site + 1]) if k == edge]
            clash = sum((colour[j] == 1) - (colour[j] == 0) for j in seen)
            colour[site] = 1 if clash <= 0 else 0
        expected[tuple(colour)] += sweeps / 6
    for state, number in expected.items():
        assert abs(counts.get(state, 0) - number) <= 4.5 * math.sqrt(number) + 1e-9, state
