"""The command `order`: what it prints, draws and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.exact import curie_weiss, phases
from physbatch.files.netcdf import save
from physbatch.results import open_results


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows N, T, m of an equilibrium first-order transition."""
    data = phases.equilibrium_first_order((50, 100, 200), seed=5, replicas=40)
    path = tmp_path_factory.mktemp("data") / "samples.csv"
    lines = ["N,T,m"]
    for i, size in enumerate(data["size"].values):
        for j, control in enumerate(data["batch_size"].values):
            values = data["overlap"].values[i, j, :, -1]
            lines += [f"{size},{control:.8g},{value:.8g}" for value in values]
    path.write_text("\n".join(lines) + "\n")
    return path


COLUMNS = ("--size", "N", "--control", "T", "--observable", "m")


def test_order_prints_one_json_object_and_writes_its_files(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    figure, output = tmp_path / "figure", tmp_path / "result.nc"
    words = ["order", str(samples), *COLUMNS, "--json", "--figure", str(figure), "-o", str(output)]
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["verdict"] == "first order"
    limit = printed["parameters"]["latent jump: limit"]
    assert abs(limit["value"] - 0.6) < 4.5 * np.hypot(limit["stderr"], limit["systematic"])
    assert figure.with_suffix(".png").stat().st_size > 10_000
    assert figure.with_suffix(".pdf").exists()
    stored = open_results(output)
    assert stored.verdict == "first order"
    # A result may be replaced, a file of another kind may not.
    assert main([*words[:6], *words[6:]]) == 0
    output.write_text("mine")
    capsys.readouterr()
    assert main(words) == 2
    assert "holds something else" in capsys.readouterr().err


def test_order_reports_in_words_and_reads_datasets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "data.nc"
    save(curie_weiss.sample_dataset((50, 100, 200), seed=1), path)
    assert main(["order", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("TransitionOrder of overlap against batch_size, N = 50, 100, 200: ")
    assert "[[Evidence]]" in printed
    assert main(["order", str(path), "--error", "dm"]) == 2
    assert "--error" in capsys.readouterr().err


def test_a_curve_with_errors_is_undecided(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = ["L,T,U,dU"]
    for size in (8, 16, 32):
        rows += [
            f"{size},{t:.3f},{np.tanh((t - 1) * size):.6f},0.001" for t in np.linspace(0, 2, 9)
        ]
    path = tmp_path / "curve.csv"
    path.write_text("\n".join(rows) + "\n")
    columns = ["--size", "L", "--control", "T", "--observable", "U", "--error", "dU"]
    figure = tmp_path / "f.png"
    words = ["order", str(path), *columns, "--kind", "binder", "--figure", str(figure)]
    assert main(words) == 0
    assert "only a curve with errors" in capsys.readouterr().out
    assert figure.exists()


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("N,T,m\n10,1,0.1\n10,1,0.2\n10,2,0.3\n10,2,0.5\n", "1 sizes"),
        ("N,T,m\n10,1,0.1\n20,1,0.1\n30,1,0.1\n", "replica"),
        ("N,T,m\n10,1,0.1\n10,1,nan\n20,1,0.1\n20,1,0.3\n", "single row"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    rows: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "bad.csv"
    path.write_text(rows)
    assert main(["order", str(path), *COLUMNS]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert word in printed.err


def test_ranges_of_tables_and_of_datasets(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both keep the same points, so that the verdict is the same: three sizes are too few."""
    data = phases.equilibrium_first_order((50, 100, 200), seed=5, replicas=40)
    file = tmp_path / "data.nc"
    save(data, file)
    low = f"{float(data['batch_size'].values[1])!r}"
    for words in (["order", str(samples), *COLUMNS], ["order", str(file)]):
        assert main([*words, "--control-min", low, "--json"]) == 0
        out, err = capsys.readouterr()
        count = 3 * data.sizes["batch_size"]
        assert err == f"range    {count - 3} of {count} points kept: control-min {low}\n"
        assert json.loads(out)["verdict"] == "first order"
        assert main([*words, "--size-min", "60", "--json"]) == 2
        assert main([*words, "--control-min", "1e9"]) == 2
        assert "no point is within the range" in capsys.readouterr().err
