"""Own dynamics: a function or a class under a name, with the streams of the study."""

from __future__ import annotations

import importlib
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import xarray as xr

from physbatch.cli import main
from physbatch.engines import (
    FunctionEngine,
    GridPoint,
    GridPoints,
    Streams,
    engine_for,
    register,
    revision_of,
)
from physbatch.engines import own as own_module
from physbatch.errors import StudyError
from physbatch.scaling import analyse
from physbatch.study.model import Study
from physbatch.study.selection import select
from physbatch.sweep.run import run_study
from physbatch.sweep.verifying import verify_dataset

CONTENT: dict[str, Any] = {
    "title": "independent spins that relax",
    "system": {"kind": "own", "options": {"field": 0.5}},
    "dynamics": {"kind": "relaxation", "options": {"rate": 0.25}},
    "grid": {
        "size": [40, 90],
        "batch_size": [4, 10],
        "options": {"tau": [5, 10]},
        "replicas": 40,
    },
    "measurement": {"duration": 20, "times": {"kind": "list", "values": [0, 5, 20]}},
}


def relax(point: GridPoint, streams: Streams) -> dict[str, Any]:
    """Spins of rate m/(N tau): each is still up with a chance that is known."""
    up = chance_up(point.batch_size, point.size, point.options["tau"], np.array(point.times))
    draws = [streams.generator("dynamics", replica) for replica in streams.replicas]
    overlap = [2.0 * draw.binomial(point.size, up) / point.size - 1.0 for draw in draws]
    return {"overlap": overlap, "energy": -point.options["field"] * np.array(overlap)}


def chance_up(batch_size: float, size: int, tau: float, times: np.ndarray[Any, Any]) -> Any:
    return 0.5 * (1.0 + np.exp(-batch_size / size / tau * times))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_module, "_registered", {})
    register("relaxation", relax, observables={"energy": "energy per spin"})


def test_a_function_runs_as_a_study_and_has_its_exact_mean(tmp_path: Path) -> None:
    data = run_study(Study.from_dict(CONTENT), tmp_path / "own.nc", workers=1)
    assert data["overlap"].dims == ("size", "tau", "batch_size", "replica", "time")
    assert data["energy"].attrs["long_name"] == "energy per spin"
    xr.testing.assert_allclose(data["energy"], -0.5 * data["overlap"])
    for size, tau, batch_size in ((40, 5, 10), (90, 10, 4)):
        cell = data["overlap"].sel(size=size, tau=tau, batch_size=batch_size)
        up = chance_up(batch_size, size, tau, data["time"].values)
        # 4.4 standard errors of 40 replicas: 1 in 10^5 for each of the four numbers.
        error = np.sqrt(4.0 * up * (1.0 - up) / size / 40)
        assert np.all(np.abs(cell.mean("replica").values - (2.0 * up - 1.0)) <= 4.4 * error)
    assert verify_dataset(data).differences == {}
    part = select(data, {"tau": [10]})
    assert Study.from_json(part.attrs["study"]).system.options == {"field": 0.5, "tau": 10}
    assert analyse(part, "energy", resamples=60).observable == "energy"


def test_numbers_of_a_replica_are_the_same_in_any_company_and_fixed_or_swept() -> None:
    points = GridPoints(Study.from_dict(CONTENT))
    where = {"size": 40, "tau": 5, "batch_size": 4}
    engine = engine_for(points.study)
    whole = engine.simulate(points.at(where, 0, 40), "cpu")
    part = engine.simulate(points.at(where, 17, 5), "cpu")
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][17:22])
    fixed = {
        **CONTENT,
        "grid": {"size": [40], "batch_size": [4], "replicas": 5},
        "system": {"kind": "own", "options": {"field": 0.5, "tau": 5}},
    }
    point = GridPoints(Study.from_dict(fixed)).at({"size": 40, "batch_size": 4}, 17, 5)
    np.testing.assert_array_equal(engine.simulate(point, "cpu")["overlap"], part["overlap"])
    assert np.unique(whole["overlap"][:, -1]).size > 3


def test_success_is_where_the_overlap_reaches_its_level() -> None:
    rows = np.array([[0.0, 0.5, 0.9], [0.0, 0.9, 0.5], [0.9, 0.9, 0.9], [0.1, 0.2, np.nan]])
    engine = FunctionEngine(lambda point, streams: {"overlap": rows}, {}, 0.9)
    point = GridPoints(Study.from_dict(CONTENT)).at({"size": 40, "tau": 5, "batch_size": 4}, 0, 4)
    found = engine.simulate(point, "cpu")
    assert found["first_passage"].tolist() == [20.0, 5.0, 0.0, np.inf]
    assert found["first_passage_lower"].tolist() == [5.0, 0.0, 0.0, 20.0]
    assert found["success"].tolist() == [1, 0, 1, 0]
    assert found["status"].tolist() == [0, 0, 0, 1]


def _point() -> GridPoint:
    return GridPoints(Study.from_dict(CONTENT)).at({"size": 40, "tau": 5, "batch_size": 4}, 0, 2)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda point, streams: 1 / 0, r"test_own\.py, line \d+, .*ZeroDivisionError"),
        (lambda point, streams: np.zeros((2, 3)), "does not return a dictionary"),
        (lambda point, streams: {}, "returns no 'overlap'"),
        (lambda point, streams: {"overlap": np.zeros((2, 4))}, r"shape \(2, 4\), not \(2, 3\)"),
        (lambda point, streams: {"overlap": [["a"] * 3] * 2}, "something else than numbers"),
        (lambda point, streams: {"overlap": np.zeros((2, 3)), "x": 1}, "returns 'x'"),
        (lambda point, streams: {"overlap": streams.generator("luck", 0)}, "no random numbers"),
        (lambda point, streams: sys.exit(3), r"test_own\.py, line \d+, .*SystemExit: 3"),
        (
            lambda point, streams: {"overlap": np.full((2, 3), random.random())},
            r"numbers of random; take them from streams",
        ),
        (lambda point, streams: {"overlap": torch.rand(2, 3)}, "global random numbers of torch"),
        (lambda point, streams: {"overlap": torch.ones(2, 3).requires_grad_()}, "than numbers"),
        (lambda point, streams: {"overlap": np.zeros((2, 3)) * 1j}, "something else than numbers"),
        (lambda point, streams: {"overlap": [["1"] * 3] * 2}, "something else than numbers"),
        (lambda point, streams: {"overlap": np.zeros((2, 3)), "status": [0, 7]}, "than 0 or 1"),
        (lambda point, streams: {"overlap": np.zeros((2, 3)), "success": [5, 0]}, "than 0 or 1"),
    ],
)
def test_faults_of_own_code_are_named(function: Any, words: str) -> None:
    numbers = random.getstate()
    with pytest.raises(StudyError) as fault:
        FunctionEngine(function, {}, 1.0).simulate(_point(), "cpu")
    random.setstate(numbers)
    assert re.search(words, str(fault.value)), fault.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dynamics": {"kind": "relaxtion"}}, "no engine 'relaxtion' is registered; there are rel"),
        ({"system": {"kind": "own", "depth": 3}}, "has no depth"),
        ({"dynamics": {"kind": "greedy"}}, "no engine 'greedy'"),
        ({"system": {"depth": 1, "wiring": {"kind": "tree", "degree": 3}}}, "must be one of"),
        ({"system": {"kind": "own", "options": {"tau": 5}}}, "option 'tau' in one place"),
        ({"system": {"kind": "own", "options": {"a": [1]}}}, "system.options"),
        ({"grid": {**CONTENT["grid"], "options": {"time": [1]}}}, "'time' cannot be the name"),
        ({"grid": {**CONTENT["grid"], "options": {"a": []}}}, "at least one value"),
        ({"grid": {**CONTENT["grid"], "temperature": [1.0]}}, "means nothing"),
    ],
)
def test_studies_that_do_not_fit_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(StudyError, match=words):
        engine_for(Study.from_dict({**CONTENT, **change}))


def test_names_of_ours_cannot_be_taken() -> None:
    with pytest.raises(StudyError, match="one of this package's"):
        register("sgd", relax)
    with pytest.raises(StudyError, match="no observable can be called 'success'"):
        register("other", relax, observables={"success": ""})
    with pytest.raises(StudyError, match="no observable can be called 'time'"):
        register("other", relax, observables={"time": ""})
    engine = FunctionEngine(relax, {"tau": "an option of the study"}, 1.0)
    with pytest.raises(StudyError, match="relax: no observable can be called 'tau'"):
        engine.variables(Study.from_dict(CONTENT))


def test_a_class_that_lacks_a_function_is_refused() -> None:
    class Half:
        def variables(self, study: Study) -> dict[str, Any]:
            return {}

    with pytest.raises(StudyError, match="Half has no function lengths"):
        register("other", cast("Any", Half))


def test_an_exception_of_a_class_ends_the_run_with_its_line_and_keeps_finished_cells(
    tmp_path: Path,
) -> None:
    class Fragile(FunctionEngine):
        def __init__(self) -> None:
            super().__init__(relax, {"energy": "energy per spin"}, 1.0)

        def simulate(self, point: GridPoint, *rest: Any) -> Any:
            if point.batch_size == 10 and point.options["tau"] == 10:
                raise KeyError("no such spin")
            return super().simulate(point, *rest)

    register("relaxation", Fragile)
    target = tmp_path / "data.nc"
    words = r"test_own.py, line \d+, dynamics 'relaxation': KeyError: 'no such spin'"
    with pytest.raises(StudyError, match=words):
        run_study(Study.from_dict(CONTENT), target, workers=1)
    with xr.open_dataset(next(Path(f"{target}.cells").glob("*.nc"))) as kept:
        assert 0 < kept.sizes["cell"] < 8
    register("relaxation", relax, observables={"energy": "energy per spin"})


def test_a_study_is_read_without_its_engine_and_round_trips() -> None:
    study = Study.from_dict({**CONTENT, "dynamics": {"kind": "unheard-of"}})
    assert Study.from_json(study.canonical_json()) == study
    assert study.dynamics.kind == "own"


PLUGIN = """
import numpy as np

def simulate(point, streams):
    return {{"overlap": np.full((point.replicas, len(point.times)), {value})}}
"""


def test_an_entry_point_is_found_by_the_command_line_and_its_source_names_the_cells(
    tmp_path: Path,
) -> None:
    """A package outside the repository; two workers; other code is not taken for the same."""
    info = tmp_path / "still-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: still\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[physbatch.engines]\nstill = still:simulate\n")
    study, output = tmp_path / "study.toml", tmp_path / "first.nc"
    study.write_text(
        'title = "still"\nsystem.kind = "own"\ndynamics.kind = "still"\n'
        "[grid]\nsize = [5, 9]\nbatch_size = [1, 2]\nreplicas = 3\n[measurement]\nduration = 4\n"
    )
    root = str(Path(own_module.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"}

    def run(code: str, to: Path) -> subprocess.CompletedProcess[str]:
        (tmp_path / "still.py").write_text(code)
        command = [sys.executable, "-m", "physbatch", "run", str(study), "-o", str(to), "-w", "2"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = run(PLUGIN.format(value=0.25), output)
    assert done.returncode == 0, done.stderr
    with xr.open_dataset(output) as data:
        assert np.all(data["overlap"].values == 0.25)
    assert "other code made it" in run(PLUGIN.format(value=0.5), output).stderr
    done = run("def simulate(point, streams):\n    return point.colour\n", tmp_path / "second.nc")
    assert done.returncode == 2
    assert "still.py, line 2" in done.stderr
    assert "Traceback" not in done.stderr
    assert main(["analyse", str(output)]) == 0  # without the package


def test_other_code_has_another_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study.from_dict(CONTENT)
    first = revision_of(study)
    (tmp_path / "elsewhere.py").write_text("def simulate(point, streams):\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    register("relaxation", importlib.import_module("elsewhere").simulate)
    assert revision_of(study) != first
