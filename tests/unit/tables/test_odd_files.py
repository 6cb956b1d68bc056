"""Odd files, each a kind that was once refused without a way out, or read wrongly."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.tables import read_table
from physbatch.tables.cells import read_cell
from tests.unit.tables.test_shapes import DM, ROWS, M, T, check, lines

NAMES = "L T m dm"
PLAIN = lines("{} {} {} {}")
SIZES = (8, 16)
OF_SIZE = {size: [row[1:] for row in ROWS if row[0] == size] for size in SIZES}


def wide(head: str, cell: str, mark: str = ",") -> str:
    """Rows of controls, columns of sizes."""
    rows = zip(*OF_SIZE.values(), strict=True)
    text = [
        mark.join([f"{row[0][0]}", *(cell.format(*point[1:]) for point in row)]) for row in rows
    ]
    return "\n".join([head, *text])


NAMED = {
    "names behind, with commas": f"# {NAMES.replace(' ', ', ')}\n{PLAIN}",
    "names with commas above spaces": f"{NAMES.replace(' ', ', ')}\n{PLAIN}",
    "numbered names": "# 1:L 2:T 3:m 4:dm\n" + PLAIN,
    "numbered names, brackets": "# [1] L  [2] T  [3] m  [4] dm\n" + PLAIN,
    "numbered names in the first row": "1:L 2:T 3:m 4:dm\n" + PLAIN,
    "a title before the names": "# by ising.x\n# columns: L, T, m, dm\n" + PLAIN,
    "names above other comments": f"# {NAMES}\n# Wolff updates\n{PLAIN}",
    "names above units": f"# {NAMES}\n# [1] [K] [mu_B] [mu_B]\n{PLAIN}",
    "words of names, wide spaces": "System size   Temperature   Order parameter   Error\n" + PLAIN,
    "a sign for the error": "L T m +/-\n" + PLAIN,
    "rows with numbers of R": '"L" "T" "m" "dm"\n'
    + "".join(f'"{n}" {row}\n' for n, row in enumerate(PLAIN.splitlines(), 1)),
    "unit by a slash": "L,T/J,m,dm\n" + PLAIN.replace(" ", ","),
    "Fortran with decimal commas": f"{NAMES}\n".replace(" ", ";")
    + lines("{};{};{}D-01;{}", "", [(a, b, c * 10, d) for a, b, c, d in ROWS]).replace(".", ","),
    "units in the cells": lines("{} nm,{} K,{},{}", "L,T,m,dm\n"),
    "a mean and its error": "L temp m_mean m_err\n" + PLAIN,
    "Lx and Ly": lines("{0} {0} {1} {2} {3}", "Lx Ly T m dm\n"),
    "squares": lines("{0}x{0} {1} {2} {3}", f"{NAMES}\n"),
    "powers of two": f"{NAMES}\n" + PLAIN.replace("16 ", "2^4 ").replace("8 2", "2^3 2"),
    "powers of Mathematica": lines(
        "{} {} {}*^-3 {}", f"{NAMES}\n", [(a, b, f"{c * 1e3:.1f}", d) for a, b, c, d in ROWS]
    ),
    "siunitx": lines("\\num{{{}}} & {} & \\num{{{}}} & {} \\\\", "L & T & m & dm \\\\\n"),
    "records": lines("L: {}\nT: {}\nm: {}\ndm: {}\n"),
    "a log": lines("[INFO] 2024-01-01 12:00:00 L={} T={} -> m = {} +- {}"),
    "stars and missing": f"{NAMES}\n{PLAIN}32 2.2 ****** 0.01\n32 2.3 missing missing\n",
    "rows are sizes": "L\\T,2.2,2.3,2.4\n"
    + "".join(f"{n}," + ",".join(f"{r[1]} +- {r[2]}" for r in OF_SIZE[n]) + "\n" for n in SIZES),
    "rows are sizes, named controls": "L,T=2.2,T=2.2_err,T=2.3,T=2.3_err,T=2.4,T=2.4_err\n"
    + "".join(f"{n}," + ",".join(f"{r[1]},{r[2]}" for r in OF_SIZE[n]) + "\n" for n in SIZES),
    "a corner of two names": wide("T/L,8,16", "{} +- {}"),
    "a sign for the error of each size": wide("T L8 +/- L16 +/-", "{} {}", " "),
    "controls of each size": "T_8,m_8,dm_8,T_16,m_16,dm_16\n"
    + "\n".join(
        ",".join(map(str, (*a, *b))) for a, b in zip(*(OF_SIZE[n] for n in SIZES), strict=True)
    ),
}
UNNAMED = {
    "Mathematica": "data = {" + lines("{{{}, {}, {}, {}}},").rstrip(",\n") + "};\n",
    "Python": "data = np.array([\n" + lines("[{}, {}, {}, {}],") + "])\n",
    "MATLAB": "data = [\n" + lines("{} {} {} {};") + "];\n",
    "a list with brackets": "["
    + ",\n".join(f"({a}, {b}, {c:.3f}({1e3 * d:.0f}))" for a, b, c, d in ROWS)
    + "]\n",
}


@pytest.mark.parametrize("shape", NAMED)
def test_texts_with_names(shape: str, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(NAMED[shape])
    table = read_table(tmp_path / "data.txt")
    check(table)
    assert table.size_name in ("L", "Lx", "System size")
    assert table.control_name in ("T", "T/J", "temp", "Temperature")


@pytest.mark.parametrize("shape", UNNAMED)
def test_texts_without_names(shape: str, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(UNNAMED[shape])
    table = read_table(tmp_path / "data.txt")
    check(table)
    assert (table.size_name, table.control_name, *table.observables) == ("L", "c", "y")


TREES = {
    "rows.json": json.dumps(ROWS),
    "columns_of_a_size.json": json.dumps(
        [
            {"L": n, **{k: [row[i] for row in OF_SIZE[n]] for i, k in enumerate(("T", "m", "dm"))}}
            for n in SIZES
        ]
    ),
    "value_and_error.json": json.dumps(
        [{"L": a, "T": b, "m": {"value": c, "error": d}} for a, b, c, d in ROWS]
    ),
    "pairs.json": json.dumps([{"L": a, "T": b, "m": [c, d]} for a, b, c, d in ROWS]),
    "carlo.json": json.dumps(
        [
            {"task": "a", "parameters": {"Lx": a, "T": b},
             "results": {"m": {"mean": [c], "error": [d], "autocorr_time": [1.0]}}}
            for a, b, c, d in ROWS
        ]
    ),
    "grid.json": json.dumps(
        {
            "L": SIZES, "T": T[:3].tolist(),
            "m": M.reshape(2, 3).tolist(), "m_err": DM.reshape(2, 3).tolist(),
        }
    ),
    "data.toml": "model = 'Ising'\n" + lines("[[run]]\nL = {}\nT = {}\nm = {}\ndm = {}"),
    "data.yaml": "model: Ising\ndata:\n" + lines("  - {{L: {}, T: {}, m: {}, dm: {}}}"),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_objects_within_objects(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(TREES[name])
    check(read_table(tmp_path / name))


def test_arrays_of_each_size(tmp_path: Path) -> None:
    columns = {
        f"{name}_{size}": np.array(OF_SIZE[size])[:, column]
        for size in SIZES
        for column, name in enumerate(("T", "m", "dm"))
    }
    np.savez(tmp_path / "data.npz", **columns)
    check(read_table(tmp_path / "data.npz"))


def test_an_archive_of_tar(tmp_path: Path) -> None:
    def pack(*names: str) -> None:
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(PLAIN)
                archive.addfile(info, io.BytesIO(PLAIN.encode()))

    pack("data.dat")
    check(read_table(tmp_path / "a.tar.gz"))
    pack("L8.dat", "L16.dat")
    with pytest.raises(DatasetError, match=r"2 files; .*L8\.dat, L16\.dat.*`tar -xf .*a\.tar\.gz`"):
        read_table(tmp_path / "a.tar.gz")


@pytest.mark.parametrize(
    ("text", "value"),
    [("7.0-101", 7e-101), ("8 x 8 x 8", 8.0), ("2**5", 32.0), ("1.5*^-2", 0.015), ("***", np.nan)],
)
def test_numbers(text: str, value: float) -> None:
    cell = read_cell(text)
    assert cell is not None
    np.testing.assert_allclose(cell.value, value)


@pytest.mark.parametrize("text", ["8x16", "2024-001", "2^x", "8 nm"])
def test_what_is_no_number(text: str) -> None:
    assert read_cell(text) is None


def test_units_that_differ_are_refused(tmp_path: Path) -> None:
    text = lines("{} nm,{} K,{},{}", "L,T,m,dm\n").replace("16 nm", "16 um")
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(DatasetError, match="'16 um' is not a number"):
        read_table(tmp_path / "data.csv")


@pytest.mark.parametrize("name", ["var_m", "rel_err", "n_samples"])
def test_what_is_no_error_is_not_suggested_as_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(f"L,T,m,{name}\n" + PLAIN.replace(" ", ","))
    with pytest.raises(DatasetError, match="--observable m`"):
        read_table(tmp_path / "data.csv")


def test_swapped_columns_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without names they are read, with names answered with a command."""
    monkeypatch.chdir(tmp_path)
    text = PLAIN + lines("32 {1} {2} {3}", "", ROWS[:3])
    rows = "".join("{1} {0} {2} {3}\n".format(*row.split()) for row in text.splitlines())
    Path("bare.dat").write_text(rows)
    table = read_table("bare.dat")
    assert table.sizes.tolist() == [8, 16, 32]
    assert table.flags == ("columns_guessed: the file names none: c, L, y, dy",)
    Path("my data.dat").write_text("L T m dm\n" + rows)
    assert main(["import", "my data.dat", "-o", "t.nc"]) == 2
    error = capsys.readouterr().err
    assert "size and control are swapped" in error
    (command,) = re.findall(r"`physbatch collapse ([^`]*)`\n$", error)
    assert main(["import", *shlex.split(command), "-o", "t.nc"]) == 0
    assert read_table("t.nc").sizes.tolist() == [8, 16, 32]


@pytest.mark.parametrize("line", ["Total 6", "16 2.5 oops 0.01", "# done\nElapsed: 3 s"])
def test_lines_of_words_are_left_out_by_a_command(
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my data.txt").write_text(f"{NAMES}\n{PLAIN}{line}\n")
    assert main(["import", "my data.txt", "-o", "t.nc"]) == 2
    (pipe,) = re.findall(r"`([^`]*)`\n$", capsys.readouterr().err)
    cut, _, collapse = pipe.partition(" | ")
    kept = subprocess.run(shlex.split(cut), capture_output=True, check=True).stdout
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(kept)))
    assert main(["import", *shlex.split(collapse)[2:], "-o", "t.nc"]) == 0
    check(read_table("t.nc"))
