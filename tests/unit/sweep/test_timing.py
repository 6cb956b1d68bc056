"""The benchmark of a study: what it times, and what it foretells."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.dynamics.bitsliced.limit import flip_sample_limit, operations_per_flip_sample
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.errors import StudyError
from physbatch.study.model import Study
from physbatch.sweep.plan import Plan
from physbatch.sweep.timing import bench_study
from physbatch.systems.architecture import build_architecture


@pytest.fixture
def leaky_study() -> Study:
    """Ties accepted, so that nothing ends early and the time foretold is the time taken."""
    return Study.from_dict(
        {
            "title": "leaky",
            "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
            "dynamics": {"kind": "greedy", "ties": "accept"},
            "grid": {"size": [60, 120], "batch_size": [4, 8], "replicas": 8},
            "measurement": {"duration": 4000, "test_samples": 64},
        }
    )


def test_the_time_foretold_is_that_of_a_clock_with_known_costs(
    leaky_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica takes 2 ms at each measurement and 3 ns a flip; the model errs by any factor."""

    def run(plan: Plan, cell: GridPoint, duration: int) -> tuple[float, Arrays]:
        learnable = cell.teacher.learnable
        seconds = cell.replicas * (2 * 2e-3 + 3e-9 * learnable * duration)
        return seconds, {"first_passage": np.full(cell.replicas, np.inf)}

    monkeypatch.setattr("physbatch.sweep.timing._run", run)
    bench = bench_study(leaky_study, seconds=0.5, kinds=4)
    assert (bench.cells, len(bench.timings)) == (4, 4)
    times = len(leaky_study.measurement.measuring_times())
    flips = 2 * (2 * 3) * (60 + 120) * 4000
    expected = 8 * (4 * times * 2e-3 + 3e-9 * flips)
    assert bench.core_seconds == pytest.approx(expected, rel=1e-6)


def test_throughput_counts_flips_times_samples(leaky_study: Study) -> None:
    for timing in bench_study(leaky_study, seconds=0.1, kinds=4).timings:
        size, m = (int(part.split(" = ")[1]) for part in timing.cell.split(", "))
        tried = 8 * 2 * 3 * size * m
        assert timing.throughput == pytest.approx(tried / timing.seconds_per_time, rel=1e-12)
        assert timing.limit_share is not None
        assert 0 < timing.limit_share < 1


def test_operations_are_those_of_the_formulas() -> None:
    """d = 7: 3 planes; a hidden flip 7 + 7 x 13, an output flip 13 operations on 512 samples."""
    layers = build_architecture(
        wiring="regular",
        size=30,
        degree=7,
        depth=2,
        output="vector",
        learned_layers="all",
        odd_fan_in=True,
    )
    operations = operations_per_flip_sample(layers)
    assert operations == pytest.approx((98 + 13) / 2 / 512)
    assert flip_sample_limit(layers, 512.0) == pytest.approx(512**2 / 55.5)


def test_other_engines_are_timed_without_a_limit() -> None:
    study = Study.from_dict(
        {
            "title": "sgd",
            "system": {
                "depth": 1,
                "wiring": {"kind": "tree", "degree": 3},
                "inputs": {"kind": "gaussian"},
                "activation": "tanh",
                "weights": "continuous",
            },
            "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.1}},
            "grid": {"size": [9], "batch_size": [4], "replicas": 2},
            "measurement": {"duration": 200, "test_samples": 16},
        }
    )
    bench = bench_study(study, seconds=0.05, kinds=1)
    assert bench.operation_rate is None
    assert bench.timings[0].limit_share is None
    assert math.isfinite(bench.core_seconds)
    assert bench.throughput_unit == "weight-samples"


def test_bad_numbers_are_refused(leaky_study: Study) -> None:
    with pytest.raises(StudyError, match="cannot time 0 cells"):
        bench_study(leaky_study, kinds=0)


def test_the_command_prints_a_table_and_json(
    tiny_file: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(tiny_file), "--seconds", "0.05", "--kinds", "2"]) == 0
    printed = capsys.readouterr().out
    assert "flip-samples/s" in printed
    assert "if no student learns early" in printed
    assert main(["bench", str(tiny_file), "--seconds", "0.05", "--kinds", "1", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["cells"] == 6
    assert content["timings"][0]["throughput"] > 0
    assert main(["bench", str(tiny_file), "--seconds", "0"]) == 2
