"""`physbatch figure` draws every kind, and says in one line what it cannot draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.exact import curie_weiss
from physbatch.exact.batch_noise import stable_range_data
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.scaling import analyse, find_crossings
from physbatch.scaling.laws.fits import fit_law
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.times.passages import survival_curve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, results of several kinds, and a dataset with learning rates."""
    folder = tmp_path_factory.mktemp("figures")
    data = first_order(sizes=(50, 100, 200), control=(12.0, 12.5, 13.0, 13.5, 14.0), replicas=24)
    save(data, folder / "data.nc")
    analyse(data, resamples=60).save(folder / "results.nc")
    table = curie_weiss.table((32, 64, 128), np.linspace(0.9, 1.2, 9))
    find_crossings(table, resamples=50).save(folder / "crossings.nc")
    fit = fit_law([8, 16, 32, 64], [1.0, 2.0, 4.1, 8.0], np.full(4, 0.1))
    fit.save(folder / "law.nc")
    escape_times(data).save(folder / "times.nc")
    survival_curve([1.0, 2.0], [1.0, 2.0]).save(folder / "survival.nc")
    save(stable_range_data(replicas=6), folder / "rates.nc")
    return folder


def draw(folder: Path, file: str, *words: str) -> int:
    return main(["figure", str(folder / file), "-o", str(folder / "out"), *words])


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data.nc", ""),
        ("data.nc", "--kind success --time 500"),
        ("data.nc", "--kind histograms --size 50"),
        ("data.nc", "--kind evolution"),
        ("data.nc", "--kind evolution --size 100 --control 13"),
        ("data.nc", "--kind time-series"),
        ("data.nc", "--kind time-series --size 50 --control 12.5"),
        ("data.nc", "--kind order"),
        ("results.nc", ""),
        ("results.nc", "--kind overlap"),
        ("results.nc", "--kind drift"),
        ("results.nc", "--kind extrapolation"),
        ("results.nc", "--kind jump"),
        ("crossings.nc", ""),
        ("law.nc", ""),
        ("times.nc", ""),
        ("rates.nc", "--kind phase-diagram"),
    ],
)
def test_draws(file: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out.pdf").unlink(missing_ok=True)
    (folder / "out.png").unlink(missing_ok=True)
    assert draw(folder, file, *words.split()) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"figure   {folder / 'out.pdf'}",
        f"figure   {folder / 'out.png'}",
    ]
    assert (folder / "out.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("file", "words", "complaint"),
    [
        ("results.nc", "--kind time-series", "time-series needs single replicas"),
        ("results.nc", "--time 5", "--time needs single replicas"),
        ("data.nc", "--kind evolution --size 75", "there is no size 75; choose one of 50, 100"),
        ("data.nc", "--kind histograms --size 75", "there is no size 75; choose one of 50, 100"),
        ("data.nc", "--kind time-series --control 9", "there is no control 9; choose one of 12"),
        ("data.nc", "--kind phase-diagram", "do not sweep the learning rate"),
        ("data.nc", "--kind landscape", "landscape"),
        ("data.nc", "--size 50", "--size means nothing for this figure; it takes --time"),
        ("data.nc", "--kind time-series --time 500", "--time means nothing for this figure"),
        ("data.nc", "--kind evolution --time 1000 --control 13", "give one of them"),
        ("data.nc", "--kind evolution --time 999", "there is no time 999"),
        ("data.nc", "--kind evolution --size inf", "there is no size inf"),
        ("data.nc", "--kind evolution --size nan", "there is no size nan"),
        ("data.nc", "--kind success --time 1e9", "outside the measured times"),
        ("rates.nc", "--kind phase-diagram --size 7", "there is no size 7"),
        ("rates.nc", "--kind time-series", "dimensions learning_rate are left"),
        ("survival.nc", "", "Survival has no figure of its own"),
        ("crossings.nc", "--kind overlap", "these results have one kind of figure"),
    ],
)
def test_refuses_in_one_line(
    file: str, words: str, complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(folder, file, *words.split()) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_style_and_formats(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "law.svg"
    words = ["figure", str(folder / "law.nc"), "-o", str(out)]
    assert main(words) == 0
    plain = out.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["law.svg"]
    (tmp_path / "own.mplstyle").write_text("font.size: 14\naxes.grid: True\n")
    assert main([*words, "--style", str(tmp_path / "own.mplstyle")]) == 0
    styled = out.read_bytes()
    assert styled != plain
    assert main([*words, "--style", "ggplot"]) == 0
    assert out.read_bytes() not in (plain, styled)
    assert main([*words, "--format", "svg, png"]) == 0
    assert out.read_bytes() == plain
    assert (tmp_path / "law.png").exists()


@pytest.mark.parametrize("words", [("--style", "none.mplstyle"), ("--format", "jpeg")])
def test_no_such_style_or_format(
    words: tuple[str, str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(folder, "law.nc", *words) == 2
    assert f"{words[1]!r}" in capsys.readouterr().err
