"""Batch noise from the catalogue to the answer: every study at reduced size, every command."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.exact import batch_noise, critical_batch
from physbatch.files import save
from physbatch.results import open_results
from physbatch.study import Study, catalogue

ROOT = Path(__file__).parents[2]

#: Studies of the catalogue, how to make them small, and the commands that answer their question.
STUDIES: dict[str, tuple[dict[str, Any], list[list[str]]]] = {
    "linear-per-sample": (
        {
            "size": [20],
            "batch_size": [5, 20],
            "learning_rate": [0.03, 0.045, 0.05, 0.06, 0.08, 0.1, 0.12],
            "duration": 1000,
            "times": {"kind": "list", "values": [0, 1000]},
        },
        [["typical"], ["range"]],
    ),
    "erf-per-sample": (
        {
            "batch_size": [1, 100, 1000],
            "learning_rate": [0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0],
            "duration": 10000,
            "times": {"kind": "list", "values": [0, 10000]},
        },
        [["range"]],
    ),
    "relu-per-sample": (
        {
            "batch_size": [1, 100, 1000],
            "learning_rate": [0.2, 0.3, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9, 2.2, 2.6],
            "duration": 10000,
            "times": {"kind": "list", "values": [0, 10000]},
        },
        [["range"]],
    ),
    "giant-steps": (
        {"size": [50], "batch_size": [6, 12, 25, 50, 100, 200]},
        [["critical", "--resamples", "20"]],
    ),
    "erf-plane": (
        {
            "size": [50],
            "batch_size": [1, 2, 4, 8, 16],
            "learning_rate": [6, 16, 27],
            "duration": 2000,
            "times": {"kind": "list", "values": [0, 2000]},
        },
        [["line"], ["line", "--fraction", "0.1"]],
    ),
    "digits-dense": (
        {
            "batch_size": [32, 64, 128],
            "learning_rate": [0.004, 0.01, 0.02, 0.05, 0.1],
            "duration": 1000,
            "times": {"kind": "list", "values": [0, 1000]},
            "test_samples": 100,
        },
        [["range"], ["map"]],
    ),
    "digits-convolution": (
        {"batch_size": [64], "learning_rate": [0.01, 0.05, 0.1], "duration": 200}
        | {"times": {"kind": "list", "values": [0, 200]}, "test_samples": 50},
        [["range"], ["map"]],
    ),
    "digits-normalised": (
        {"batch_size": [64], "learning_rate": [0.01, 0.05, 0.1], "duration": 200}
        | {"times": {"kind": "list", "values": [0, 200]}, "test_samples": 50},
        [["range"], ["map"]],
    ),
    "noisy-patterns": (
        {
            "batch_size": [1, 2, 4, 8, 16, 32, 64],
            "learning_rate": [6, 12],
            "pattern_count": [80, 160],
            "duration": 100,
            "times": {"kind": "list", "values": [0, 100]},
            "test_samples": 50,
        },
        [["optimum", "--resamples", "30"]],
    ),
    "digits-optimum": (
        {
            "batch_size": [1, 2, 4, 8, 16, 32, 64],
            "learning_rate": [0.1, 0.4],
            "pattern_count": [100, 200],
            "duration": 50,
            "times": {"kind": "list", "values": [0, 50]},
            "test_samples": 100,
        },
        [["optimum", "--resamples", "30"]],
    ),
    "digits-labels": (
        {"batch_size": [50], "duration": 100, "test_samples": 50},
        [],
    ),
    "digits-sharpness": (
        {"batch_size": [50, 250], "duration": 20, "test_samples": 50},
        [["sharpness", "--after", "5"]],
    ),
    "digits-edge": (
        {"batch_size": [64], "learning_rate": [0.05], "duration": 20, "test_samples": 50},
        [["sharpness", "--after", "5"]],
    ),
    "pattern-batches": ({"size": [15], "batch_size": [8, 24], "duration": 200}, []),
    "pattern-metropolis": ({"size": [15], "temperature": [0.5, 2, 8, 30], "duration": 200}, []),
}

#: The studies of the findings that are those of the catalogue.
ANALYSED = {
    "linear-per-sample": "small_batch/linear",
    "erf-per-sample": "small_batch/erf",
    "relu-per-sample": "small_batch/relu",
    "digits-dense": "small_batch/digits",
    "digits-convolution": "small_batch/convolution",
    "digits-normalised": "small_batch/normalised",
    "noisy-patterns": "optimum_batch/noisy",
    "digits-optimum": "optimum_batch/digits",
    "digits-labels": "evidence/random",
    "task-power-law": "critical_batch/spectrum",
    "erf-plane": "phase_diagram/erf",
    "pattern-batches": "thermal_noise/batches",
    "pattern-metropolis": "thermal_noise/thermal",
    "digits-sharpness": "batch_sharpness/momentum",
    "digits-edge": "edge_of_stability/descent",
}


def run_reduced(name: str, folder: Path) -> Path:
    source, target = folder / f"{name}.toml", folder / f"{name}.nc"
    source.write_text(catalogue.study(name, replicas=4, **STUDIES[name][0]).to_toml())
    assert main(["run", str(source), "-o", str(target), "--workers", "1"]) == 0
    return target


@pytest.mark.parametrize("name", [name for name in STUDIES if not name.startswith("pattern-")])
def test_studies_of_batch_noise_and_their_commands(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.startswith("digits"):
        pytest.importorskip("sklearn", reason="component missing: scikit-learn")
    target = run_reduced(name, tmp_path)
    for words in STUDIES[name][1]:
        command, *rest = words
        capsys.readouterr()
        assert main(["noise", command, str(target), *rest, "--json"]) == 0
        assert {"kind", "version", "flags"} <= set(json.loads(capsys.readouterr().out))
        assert main(["noise", command, str(target), *rest]) == 0
        assert capsys.readouterr().out


def test_temperature_of_a_batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batches, thermal = (
        run_reduced(f"pattern-{one}", tmp_path) for one in ("batches", "metropolis")
    )
    capsys.readouterr()
    words = ["noise", "temperature", str(batches), str(thermal), "--after", "100"]
    assert main([*words, "--json", "-o", str(tmp_path / "t.nc")]) == 0
    found = json.loads(capsys.readouterr().out)["temperatures"]
    cold, hot = (one["from_energy"]["value"] for one in reversed(found))
    assert 0.5 < cold < hot < 30  # larger batches are colder
    assert (tmp_path / "t.nc").exists()
    assert main(words) == 0
    assert "from the energy" in capsys.readouterr().out


@pytest.mark.parametrize("name", ANALYSED)
def test_findings_use_the_studies_of_the_catalogue(name: str) -> None:
    study = Study.from_toml(ROOT / "analysis" / f"{ANALYSED[name]}.toml")
    assert study.hash() == catalogue.study(name).hash()


def test_true_and_random_labels_differ_in_nothing_else() -> None:
    true, random = (
        tomllib.loads((ROOT / "analysis/evidence" / f"{name}.toml").read_text("utf-8"))
        for name in ("true", "random")
    )
    assert true["system"]["inputs"].pop("label_noise") == 0
    assert random["system"]["inputs"].pop("label_noise") == 0.5
    for name in ("system", "dynamics", "grid", "measurement"):
        assert true[name] == random[name]


@pytest.mark.parametrize(
    ("command", "make", "key"),
    [
        ("range", batch_noise.stable_range_data, "thresholds"),
        ("typical", batch_noise.linear_growth_data, "thresholds"),
        ("line", batch_noise.transition_data, "points"),
        ("optimum", lambda: batch_noise.optimum_batch_data(replicas=6), "optima"),
        ("critical", lambda: critical_batch.planted_steps(replicas=4), "points"),
    ],
)
def test_commands_write_what_they_print(
    command: str, make: Any, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, target = tmp_path / "data.nc", tmp_path / "out.nc"
    save(make(), data)
    assert main(["noise", command, str(data), "--json", "-o", str(target)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document[key]
    assert document["kind"] == open_results(target).kind
    assert document["version"] == 2
    # An output is replaced by its own kind, and nothing else is.
    assert main(["noise", command, str(data), "-o", str(target)]) == 0
    capsys.readouterr()
    assert main(["noise", command, str(data), "-o", str(data)]) == 2
    assert "exists and holds something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["evidence", "clouds.npz", "--regularisation", "1"],
        ["critical", "steps.nc"],
    ],
)
def test_figures_beside_one_number(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.arange(20) % 2
    inputs = np.random.default_rng(1).normal(size=(20, 3)) + labels[:, None]
    np.savez("clouds.npz", X=inputs, y=labels)
    save(critical_batch.planted_steps(replicas=4), tmp_path / "steps.nc")
    assert main(["noise", *words, "--figure", "f.svg"]) == 0
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".nc", ".npz", ".svg"]


def test_figures_of_the_commands(tmp_path: Path) -> None:
    data = tmp_path / "map.nc"
    save(
        batch_noise.optimum_batch_data(pattern_counts=(200,), replicas=6).squeeze("pattern_count"),
        data,
    )
    assert main(["noise", "map", str(data), "--figure", str(tmp_path / "map")]) == 0
    for ending in ("pdf", "png"):
        assert (tmp_path / f"map.{ending}").stat().st_size > 2000


@pytest.mark.parametrize(
    "words",
    [
        ["optimum", "optimum_batch-digits.nc", "--resamples", "20"],
        ["line", "phase_diagram-erf.nc", "--fraction", "0.1"],
        ["temperature", "thermal_noise-batches.nc", "thermal_noise-thermal.nc", "--after", "100"],
    ],
    ids=lambda words: words[0],
)
def test_figures_of_shipped_data_take_a_palette(words: list[str], tmp_path: Path) -> None:
    command = ["noise", *(str(ROOT / "data" / w) if w.endswith(".nc") else w for w in words)]
    assert main([*command, "--figure", str(tmp_path / "a.svg")]) == 0
    look = ["--palette", "viridis", "--no-title", "--no-legend"]
    assert main([*command, "--figure", str(tmp_path / "b.svg"), *look]) == 0
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("typical", "fewer than 4 values of learning_rate"),
        ("line", "no learning rates"),
        ("map", "fewer than two learning rates"),
        ("sharpness", "no fixed learning rate"),
    ],
)
def test_data_that_do_not_fit_are_refused(
    command: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = run_reduced("pattern-batches", tmp_path)
    rest = ["--after", "1"] if command == "sharpness" else []
    capsys.readouterr()
    assert main(["noise", command, str(target), *rest]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", ["range", "map", "sharpness"])
def test_every_shipped_dataset_is_drawn_or_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {"map": ["--resamples", "20"], "sharpness": ["--after", "10"]}.get(command, [])
    drawn = 0
    for data in sorted((ROOT / "data").glob("*.nc")):
        figure = tmp_path / f"{data.stem}.pdf"
        code = main(["noise", command, str(data), *rest, "--figure", str(figure)])
        output = capsys.readouterr()
        if code == 0:
            assert figure.stat().st_size > 1000, data.name
            assert not output.err, data.name
            drawn += 1
        else:
            assert code == 2, data.name
            assert len(output.err.splitlines()) == 1, data.name
    assert drawn > 0
