"""Mini-batch noise as a temperature: exact acceptance, planted temperatures."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import pytest
import torch
import xarray as xr

from physbatch.dataset import open_dataset
from physbatch.dynamics import CellStreams
from physbatch.engines import engine_for, prepare_discrete
from physbatch.errors import AnalysisError
from physbatch.exact import replicas
from physbatch.noise import batch_acceptance, effective_temperature
from physbatch.study import Study
from physbatch.sweep import Plan, run_study


@pytest.mark.parametrize("ties", ["accept", "reject"])
@pytest.mark.parametrize(("wrong", "right", "patterns", "size"), [(2, 1, 6, 3), (3, 3, 8, 4)])
def test_acceptance_by_enumeration(
    wrong: int, right: int, patterns: int, size: int, ties: Literal["accept", "reject"]
) -> None:
    """All batches of a small set, counted one by one."""
    change = [1] * wrong + [-1] * right + [0] * (patterns - wrong - right)
    sums = [sum(batch) for batch in itertools.combinations(change, size)]
    kept = [one <= 0 if ties == "accept" else one < 0 for one in sums]
    found = batch_acceptance(wrong, right, patterns, size, ties=ties)
    assert found == pytest.approx(np.mean(kept), abs=1e-12)


def test_acceptance_is_no_function_of_the_energy_alone() -> None:
    """The same total change, 1, through 1 or through 21 changed patterns."""
    few = batch_acceptance(1, 0, 100, 20)
    many = batch_acceptance(11, 10, 100, 20)
    assert few == pytest.approx(0.8)
    assert abs(few - many) > 0.1
    assert batch_acceptance(3, 2, 50, 50) == 0.0
    assert batch_acceptance(2, 3, 50, 50) == 1.0
    with pytest.raises(AnalysisError, match="60 \\+ 60 changed patterns of 100"):
        batch_acceptance(60, 60, 100, 5)


def planted(
    control: list[float], temperature: np.ndarray, seed: int, shift: float = 0.0
) -> xr.Dataset:
    """Stationary states at temperature T: E = T/(1 + T), q = exp(-T - shift), with noise."""
    rng = np.random.default_rng(seed)
    coords = replicas.replica_coords([50], control, 40, [1.0, 10.0, 20.0, 30.0])
    shape = (1, len(control), 40, 4)
    overlap = np.exp(-temperature - shift)[None, :, None, None] + 0.03 * rng.standard_normal(shape)
    labels = replicas.Labels("temperature", "sweep")
    data = replicas.replica_dataset(coords, overlap, overlap > 2, labels)
    energy = (temperature / (1 + temperature))[None, :, None, None]
    error = energy + 0.03 * rng.standard_normal(shape)
    data["training_error"] = (data["overlap"].dims, error)
    return data


def thermal(seed: int) -> xr.Dataset:
    temperature = np.geomspace(0.1, 4.0, 16)
    data = planted(list(np.arange(1.0, 17.0)), temperature, seed)
    coordinates = data["batch_size"].values * 0 + temperature
    held = data.rename(batch_size="temperature").assign_coords(temperature=coordinates)
    held = held.expand_dims(batch_size=[64.0], axis=2)
    return held.drop_vars("batch_size").assign_coords(batch_size=[64.0])


def test_planted_temperatures_are_found() -> None:
    """z over 40 seeds: mean 0 and spread 1; interpolation of 16 points costs below 0.2 %."""
    truth = np.array([2.0, 1.0, 0.5])
    z, flagged = [], 0
    for seed in range(40):
        found = effective_temperature(
            planted([4.0, 8.0, 16.0], truth, seed), thermal(1000 + seed), after=5, resamples=60
        )
        flagged += bool(found.flags)
        z.append(
            np.stack(
                [
                    (found.from_energy - truth) / found.from_energy_stderr,
                    (found.from_overlap - truth) / found.from_overlap_stderr,
                    found.difference,
                ]
            )
        )
    assert flagged <= 4  # one in a hundred seems to drift
    scores = np.array(z)
    assert abs(scores[:, :2].mean()) < 0.35
    assert 0.8 < scores[:, :2].std() < 1.25
    assert abs(scores[:, 2].mean()) < 0.5
    assert 0.7 < scores[:, 2].std() < 1.35


def test_a_state_without_a_temperature_is_called_so() -> None:
    truth = np.array([1.0])
    found = effective_temperature(
        planted([8.0], truth, 1, shift=0.4), thermal(2), after=5, resamples=60
    )
    assert found.flags[0].startswith("inconsistent")
    assert abs(found.difference[0]) > 4
    hot = effective_temperature(planted([8.0], np.array([9.0]), 1), thermal(2), after=5)
    assert math.isnan(hot.from_energy[0])
    assert "outside" in hot.flags[0]


def drifting(data: xr.Dataset, observable: str, change: float, **control: float) -> xr.Dataset:
    """The same, but that the mean of one control moves linearly from time 10 to 30."""
    dim, value = next(iter(control.items()))
    moved = change * (data["time"] - 20.0) / 20.0 * (data[dim] == value)
    return data.assign({observable: (data[observable] + moved).transpose(*data[observable].dims)})


def relaxing(batches: xr.Dataset, thermal: xr.Dataset) -> list[str]:
    """Texts of the flags of states that drift."""
    found = effective_temperature(batches, thermal, after=5, resamples=2)
    return [flag.text for flag in found.flags if flag.name == "still_relaxing"]


@pytest.mark.parametrize("observable", ["training_error", "overlap"])
def test_states_that_drift_are_flagged(observable: str) -> None:
    """Changes between the halves by nine standard errors, .03 sqrt(2/40) each."""
    batches, cold = planted([4.0, 8.0, 16.0], np.array([2.0, 1.0, 0.5]), 1), thermal(2)
    name = observable.replace("_", " ")
    change = 0.06
    (text,) = relaxing(drifting(batches, observable, -change, batch_size=8.0), cold)
    assert text.startswith(f"the mean {name} moves by -0.0")
    assert text.endswith("at m = 8")
    # Of the temperatures only those that T(m) is interpolated in are looked at.
    near, far = (float(cold["temperature"][row]) for row in (9, 15))
    (text,) = relaxing(batches, drifting(cold, observable, change, temperature=near))
    assert text.endswith(f"at T = {near:g}")
    assert relaxing(batches, drifting(cold, observable, change, temperature=far)) == []
    once = relaxing(batches.sel(time=[1.0, 30.0]), cold)
    assert len(once) == 6
    assert once[0].startswith("the training error was measured once at m = 4:")


def test_wrong_data_are_refused() -> None:
    good = planted([8.0], np.array([1.0]), 1)
    with pytest.raises(AnalysisError, match="no training_error"):
        effective_temperature(good.drop_vars("training_error"), thermal(1), after=5)
    with pytest.raises(AnalysisError, match="no time after 99"):
        effective_temperature(good, thermal(1), after=99)
    with pytest.raises(AnalysisError, match="batches: one replica"):
        effective_temperature(good.isel(replica=[0]), thermal(1), after=5)
    with pytest.raises(AnalysisError, match="not over temperature alone"):
        effective_temperature(good, good, after=5)


def unit_study(dynamics: dict[str, object], *, replicas: int, **changes: object) -> Study:
    """One sign unit of five inputs and seven patterns."""
    grid = {"size": [5], "batch_size": [7], "replicas": replicas}
    content = {
        "title": "one unit on patterns",
        "system": {
            "depth": 1,
            "output": "scalar",
            "wiring": {"kind": "dense", "hidden_units": 1},
            "inputs": {"kind": "patterns", "of": "binary", "count": 7},
        },
        "dynamics": dynamics,
        "grid": grid,
        "measurement": {
            "duration": 600,
            "times": {"kind": "linear", "every": 5},
            "test_samples": 1,
        },
    }
    for place, value in changes.items():
        section, _, field = place.partition("__")
        content[section][field] = value  # type: ignore[index]
    return Study.from_dict(content)


@pytest.mark.parametrize("temperature", [0.6, 2.0])
def test_metropolis_on_patterns_is_boltzmann(temperature: float, tmp_path: object) -> None:
    """Training error and overlap against the sum over all 32 states, z over 150 sets below 4.5."""
    study = unit_study(
        {"kind": "metropolis", "temperature": temperature, "refresh": "proposal"}, replicas=150
    )
    target = f"{tmp_path}/thermal.nc"
    run_study(study, target, workers=1)
    data = open_dataset(target).squeeze()
    plan = Plan(study, engine_for(study))
    drawn = []
    for cell in plan.cells:
        system, run = prepare_discrete(cell)
        streams = CellStreams(cell.first_replica, cell.replicas, 5, torch.device("cpu"))
        drawn.append((streams.binary_inputs(run.inputs.key, 0, 7).numpy(), system.teacher))
    patterns, teacher = (np.concatenate(one).astype(float) for one in zip(*drawn, strict=True))
    labels = np.sign(np.einsum("rpn,rn->rp", patterns, teacher))
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=5)))
    wrong = (np.sign(np.einsum("rpn,sn->rps", patterns, states)) != labels[:, :, None]).sum(axis=1)
    weight = np.exp(-wrong / temperature)
    weight /= weight.sum(axis=1, keepdims=True)
    overlaps = states @ teacher.T / 5
    exact = {
        "training_error": (weight * wrong).sum(axis=1) / 7,
        "overlap": (weight * overlaps.T).sum(axis=1),
    }
    late = data.sel(time=slice(50, None)).mean("time")
    for name, values in exact.items():
        difference = late[name].values - values
        error = difference.std(ddof=1) / math.sqrt(150)
        assert abs(difference.mean()) < 4.5 * error
        assert error < 0.02 * (1 - values).mean()


def test_training_error_counts_wrong_labels(tmp_path: object) -> None:
    """The teacher itself makes an error on every flipped label: a tenth, z below 4.5."""
    study = unit_study(
        {"kind": "greedy"},
        replicas=400,
        system__inputs={"kind": "patterns", "of": "binary", "count": 30, "label_noise": 0.1},
        system__initial_overlap=1.0,
        measurement__duration=1,
    )
    target = f"{tmp_path}/flipped.nc"
    run_study(study, target, workers=1)
    start = open_dataset(target).squeeze().isel(time=0)
    np.testing.assert_allclose(start["overlap"], 1.0)
    error = math.sqrt(0.1 * 0.9 / (30 * 400))
    assert abs(float(start["training_error"].mean()) - 0.1) < 4.5 * error


def paired(
    content: dict[str, object], *, replicas: int, dynamics: int = 5, **grid: object
) -> Study:
    kept = unit_study({"kind": "greedy"}, replicas=replicas)
    whole = kept.model_dump(mode="json", exclude_defaults=True)
    whole["grid"].update(grid)
    seed = {"study": 5, "dynamics": dynamics, "paired": True}
    return Study.from_dict({**whole, "dynamics": content, "seed": seed})


def test_paired_studies_have_the_same_disorder_and_other_noise() -> None:
    """At every control of both dynamics, and not without the word."""
    studies = (
        paired({"kind": "greedy", "refresh": "proposal"}, replicas=9, batch_size=[3, 5]),
        paired({"kind": "metropolis", "temperature": 1.0}, replicas=9),
    )
    cells = [cell for study in studies for cell in Plan(study, engine_for(study)).cells]
    systems, runs = zip(*map(prepare_discrete, cells), strict=True)
    for system, run in zip(systems, runs, strict=True):
        np.testing.assert_array_equal(system.teacher, systems[0].teacher)
        np.testing.assert_array_equal(system.student, systems[0].student)
        assert run.inputs.key == runs[0].inputs.key
    assert len({run.dynamics_key for run in runs}) == len({run.test_key for run in runs}) == 3
    free = Study.from_dict({**studies[0].model_dump(exclude_defaults=True), "seed": {"study": 5}})
    others = [prepare_discrete(cell)[0].teacher for cell in Plan(free, engine_for(free)).cells]
    assert not np.array_equal(others[0], others[1])
    assert free.hash() != studies[0].hash()


def test_paired_runs_are_resampled_together(tmp_path: object) -> None:
    """Pattern sets that spread more than the dynamics: errors of T fall, and analyses say so."""
    errors = {}
    for together in (True, False):
        datasets = []
        for seed, temperatures in ((5, [1.0]), (6, [0.6, 0.8, 1.0, 1.3, 1.8])):
            study = paired(
                {"kind": "metropolis", "refresh": "proposal"},
                replicas=96,
                dynamics=seed,
                temperature=temperatures,
            )
            target = f"{tmp_path}/{seed}{together}.nc"
            datasets.append(run_study(study, target, workers=1))
        single, whole = datasets
        single = single.isel(temperature=0, drop=True)
        if not together:
            del single.attrs["paired"]
        found = effective_temperature(single, whole, after=20)
        errors[together] = float(found.from_energy_stderr[0])
        assert abs(found.from_energy[0] - 1.0) < 4.5 * errors[together]
    assert errors[True] < 0.7 * errors[False]
