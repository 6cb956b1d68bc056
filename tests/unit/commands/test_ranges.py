"""The part of the data that an analysis takes, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from physbatch.cli import app, main
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.results import open_results
from physbatch.tables import read_table
from tests.unit.tables.test_shapes import ROWS, lines

RANGES = ("--size-min", "--size-max", "--control-min", "--control-max", "--exclude")


@pytest.mark.parametrize(
    "command", ["collapse", "crossings", "exponents", "order", "explore", "import", "moments",
                "analyse"],
)  # fmt: skip
def test_every_analysis_of_sizes_takes_ranges(command: str) -> None:
    options = {name for part in app[command].assemble_argument_collection() for name in part.names}
    assert options >= {*RANGES}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("t.dat")
    path.write_text(lines("{} {} {} {}", "L T m dm\n", [*ROWS, (32, 2.2, 0.6, 0.02)]))
    return path


@pytest.mark.parametrize(
    ("words", "points"),
    [
        (["L=16"], {(8, 2.2), (8, 2.3), (8, 2.4), (32, 2.2)}),
        (["size=32", "control=2.4"], {(8, 2.2), (8, 2.3), (16, 2.2), (16, 2.3)}),
        (["T=2.4", "L=8,T=2.3"], {(8, 2.2), (16, 2.2), (16, 2.3), (32, 2.2)}),
    ],
)
def test_points_are_left_out(
    words: list[str],
    points: set[tuple[float, float]],
    table: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [option for word in words for option in ("--exclude", word)]
    assert main(["import", str(table), *options, "-o", "part.nc"]) == 0
    part = read_table("part.nc")
    assert {*zip(part.size.tolist(), part.control.tolist(), strict=True)} == points
    assert f"{len(points)} of 7 points kept: exclude {words[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("L=9", "no point is at L=9"),
        ("L", "cannot read 'L'; write L=16, T=2.3, or both with a comma"),
        ("m=0.7", "cannot read 'm=0.7'"),
        ("L=nan", "cannot read 'L=nan'"),
    ],
)
def test_what_cannot_be_left_out_is_said(
    word: str, message: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(table), "--exclude", word, "-o", "part.nc"]) == 2
    assert message in capsys.readouterr().err


def test_parts_of_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(first_order((50, 100, 200), replicas=12), "data.nc")
    assert main(["analyse", "data.nc", "--exclude", "size=100", "-o", "results.nc"]) == 0
    assert "points kept: exclude size=100" in capsys.readouterr().err
    assert open_results("results.nc").to_dataset()["size"].values.tolist() == [50, 200]
    assert main(["moments", "data.nc", "--size-max", "100", "-o", "moments.nc"]) == 0
    assert read_table("moments.nc").sizes.tolist() == [50, 100]
    assert main(["analyse", "data.nc", "--exclude", "size=100,batch_size=12"]) == 2
    assert "one point of a dataset, which is a grid" in capsys.readouterr().err
    assert main(["analyse", "data.nc", "--exclude", "size=101"]) == 2
    assert "no point is at size=101" in capsys.readouterr().err
