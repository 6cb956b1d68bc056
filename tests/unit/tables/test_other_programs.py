"""Files as other programs write them: read as they are, or answered with a command that works."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from physbatch.cli import main
from physbatch.errors import DatasetError
from physbatch.tables import read_table
from physbatch.tables.columns import suggestion
from tests.unit.tables.test_shapes import DM, ROWS, L, M, T, check, lines

FRAME = pd.DataFrame({"L": L, "T": T, "m": M, "dm": DM})
PLAIN = lines("{} {} {} {}")
TABULAR = "\\begin{tabular}{cccc}\n$L$ & $T$ & $m$ & $\\delta m$ \\\\\n\\hline\n"


def blocks(head: str, names: str = "") -> str:
    return names + "\n".join(
        head.format(size) + "".join(f"{t} {m} {e}\n" for n, t, m, e in ROWS if n == size)
        for size in (8, 16)
    )


TEXTS = {
    "bars": lines("{} | {} | {} | {}", "L | T | m | dm\n"),
    "Markdown": lines("| {} | {} | {} | {} |", "| L | T | m | dm |\n|---|:--|---|---|\n"),
    "a frame of signs": "+---+---+\n| L | T | m | dm |\n+===+===+\n"
    + lines("| {} | {} | {} | {} |")
    + "+---+---+\n",
    "LaTeX": lines("{} & {} & {} & {} \\\\", TABULAR) + "\\end{tabular}\n",
    "LaTeX, plus minus": lines("{} & {} & ${} \\pm {}$ \\\\", "$L$ & $T$ & $m$ \\\\\n"),
    "blocks": blocks("# L = {}\n"),
    "blocks, names first": blocks("# L={}\n", "# T m dm\n"),
    "blocks, names in each": blocks("# L = {}\n# T m dm\n"),
    "blocks without comment": blocks("L = {}\n"),
    "blank lines between": PLAIN.replace("16 2.2", "\n\n16 2.2"),
    "MATLAB": "% L T m dm\n" + PLAIN,
    "C": "// L T m dm\n" + PLAIN,
    "Fortran, comment": "! L T m dm\n" + PLAIN,
    "Fortran, namelist": " &DATA\n" + lines(" {}, {}D0, {}D0, {}D0") + " /\n",
    "Grace": "@ title 'm'\n@TYPE xydy\n" + PLAIN + "&\n",
    "preamble": "Ising model 2D, Wolff\nseed 123\n\nL T m dm\n" + PLAIN,
    "row of units": "L,T,m,dm\n(sites),(K),(1),-\n" + PLAIN.replace(" ", ","),
    "names = values": lines("L={} T={} m={} dm={}"),
    "names = values, commas": lines("L = {}, T = {}, m = {}, dm = {}"),
    "size in the cell": lines("L={},{},{},{}", "size,T,m,dm\n"),
    "words": lines("{},{},{},{}", "System size,Temperature,Order parameter,Standard error\n"),
    "Greek": lines("{},{},{},{}", "L,τ,χ,σ_χ\n"),
    "powers of ten": lines(
        "{} {} {} {}", "L T m dm\n", [(a, b, f"{c * 10:.4f}×10^-1", d) for a, b, c, d in ROWS]
    ),
    "two levels": ",m,m,dm,dm\nL,8,16,8,16\nT,,,,\n"
    + "".join(f"{T[i]},{M[i]},{M[i + 3]},{DM[i]},{DM[i + 3]}\n" for i in range(3)),
    "delimiter at the end": lines("{},{},{},{},", "L,T,m,dm,\n"),
}


@pytest.mark.parametrize("shape", TEXTS)
def test_texts(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(TEXTS[shape], "utf-8")
    table = read_table(path)
    check(table)
    assert not {"1", "2", "3"} & {table.size_name, table.control_name, *table.observables}


@pytest.mark.parametrize("shape", ["names = values", "preamble", "LaTeX", "blocks"])
def test_messages_name_the_line_of_the_file(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "data.txt"
    text = TEXTS[shape].replace("0.68", "oops")
    path.write_text(text)
    line = next(n for n, content in enumerate(text.splitlines(), 1) if "oops" in content)
    with pytest.raises(DatasetError, match=rf"line {line}, column"):
        read_table(path)


def test_signs_of_typography_and_letters_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    text = lines("{},{},{},{}", "L,t [°C],m,dm\n", [(a, b - 2.3, c, d) for a, b, c, d in ROWS])
    path.write_bytes(text.encode("cp1252"))
    np.testing.assert_allclose(read_table(path).control, T - 2.3, atol=1e-12)
    path.write_text(text.replace(",-", ",\N{MINUS SIGN}"), "utf-8")
    np.testing.assert_allclose(read_table(path).control, T - 2.3, atol=1e-12)
    path.write_bytes(bytes(range(128, 256)) * 4)
    with pytest.raises(DatasetError, match="not text"):
        read_table(path)


def arrays(folder: Path) -> dict[str, Callable[[Path], object]]:
    columns = {name: FRAME[name].to_numpy() for name in FRAME}
    grid = {"L": L[::3], "T": T[:3], "m": M.reshape(2, 3), "m_err": DM.reshape(2, 3)}
    by_size = {
        str(size): {name: part[name].tolist() for name in ("T", "m", "dm")}
        for size, part in FRAME.astype(float).groupby("L")
    }
    inner = [
        {"L": float(size), "points": part[["T", "m", "dm"]].to_dict("records")}
        for size, part in FRAME.groupby("L")
    ]
    rows = {"model": "Ising", "data": FRAME.astype(float).to_dict("records")}
    return {
        "columns.mat": lambda path: savemat(path, columns),
        "grid.mat": lambda path: savemat(path, grid),
        "grid.npz": lambda path: np.savez(path, **grid),
        "sizes.json": lambda path: path.write_text(json.dumps(by_size)),
        "deep.json": lambda path: path.write_text(json.dumps({"run": by_size})),
        "rows.json": lambda path: path.write_text(json.dumps(rows)),
        "inner.json": lambda path: path.write_text(json.dumps({"results": inner})),
        **{
            f"{shape}.json": lambda path, shape=shape: FRAME.to_json(path, orient=shape)
            for shape in ("split", "columns", "index", "records", "table")
        },
    }


@pytest.mark.parametrize("name", arrays(Path()))
def test_arrays(tmp_path: Path, name: str) -> None:
    arrays(tmp_path)[name](tmp_path / name)
    check(read_table(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [{}, {"columns": ["L", "T", "m"], "data": [[1, 2], [3]]}, {"0": {}, "1": {}}, [{"a": [{}]}]],
)
def test_json_without_columns_is_refused(content: object, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="json"):
        read_table(tmp_path / "a.json")


def test_a_wide_table_with_the_numbers_of_its_rows(tmp_path: Path) -> None:
    columns = {"T": T[:3]}
    for size, part in FRAME.groupby("L"):
        columns |= {f"L={size}": part["m"].to_numpy(), f"L={size}_err": part["dm"].to_numpy()}
    type(FRAME)(columns).to_csv(tmp_path / "wide.csv")
    check(read_table(tmp_path / "wide.csv"))


def test_an_archive_of_one_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data.csv", FRAME.to_csv(index=False))
    check(read_table(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("more.csv", "")
    with pytest.raises(DatasetError, match=r"2 files; .*data\.csv, more\.csv"):
        read_table(tmp_path / "a.zip")


def test_groups_of_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="component missing: h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for size, part in FRAME.groupby("L"):
            for name in ("T", "m", "dm"):
                file[f"L{size:g}/{name}"] = part[name].to_numpy()
    check(read_table(tmp_path / "data.h5"))


def test_rows_that_are_numbered_are_replicas(tmp_path: Path) -> None:
    rows = [
        f"{a},{b},{seed},{c + step}"
        for a, b, c, _ in ROWS
        for seed, step in enumerate((-0.01, 0.01))
    ]
    (tmp_path / "data.csv").write_text("\n".join(["L,T,seed,m", *rows]))
    table = read_table(tmp_path / "data.csv")
    np.testing.assert_allclose(table.values["m"], M)
    np.testing.assert_allclose(table.errors["m"], 0.01)


def test_folders_may_say_the_size(tmp_path: Path) -> None:
    for size in (8, 16):
        (tmp_path / f"L{size}").mkdir()
        rows = [row for row in ROWS if row[0] == size]
        (tmp_path / f"L{size}" / "out.dat").write_text(lines("{1} {2} {3}", "T m dm\n", rows))
    check(read_table(str(tmp_path / "L*" / "out.dat"), size_from_name=r"/L(\d+)/"))


@pytest.mark.parametrize(
    "text",
    [
        "L,T,m,m_err_lo,m_err_hi\n" + lines("{0},{1},{2},{3},{3}"),
        lines("{};{};{};{}", "L;T;m;Fehler\n"),
        lines("{0} {1} {2} {3} {1} {3}", "L T m dm U dU\n"),
        "a,b,y,e\n" + lines("{},{},{},{}"),
        lines("{} {} {} {} 7"),
    ],
)
def test_a_refusal_ends_with_a_command_that_works(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my data.txt").write_text(text)
    refused_and_mended(tmp_path, "my data.txt", monkeypatch)


@pytest.mark.parametrize("head", ["", "T m dm\n"])
def test_one_of_the_files_of_the_sizes(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (8, 16):
        rows = [row for row in ROWS if row[0] == size]
        (tmp_path / f"ising_L{size}.dat").write_text(lines("{1} {2} {3}", head, rows))
    refused_and_mended(tmp_path, "ising_L8.dat", monkeypatch)


def refused_and_mended(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        assert main(["import", name, "-o", "table.nc"]) == 2
    (command,) = re.findall(r"`(physbatch collapse [^`]*)`\n$", error.getvalue())
    words = ["import", *shlex.split(command)[2:], "-o", "table.nc"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(words) == 0
    check(read_table("table.nc"))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    FRAME.to_pickle(tmp_path / "data.pkl")
    with pytest.raises(DatasetError, match="a pickle, which runs what it holds"):
        read_table(tmp_path / "data.pkl")


def test_nothing_is_suggested_for_what_is_no_file() -> None:
    assert suggestion("size", ["a", "b", "c"], "data") == ""
