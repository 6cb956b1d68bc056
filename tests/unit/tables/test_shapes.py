"""Files of every shape that physicists keep data in: all give the same table."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from physbatch.errors import DatasetError, PhysbatchError
from physbatch.tables import ScalingTable, make_table, read_table, sources
from physbatch.tables.cells import Cell, read_cell

ROWS = [
    (8, 2.2, 0.71, 0.011),
    (8, 2.3, 0.62, 0.012),
    (8, 2.4, 0.5, 0.013),
    (16, 2.2, 0.68, 0.014),
    (16, 2.3, 0.55, 0.015),
    (16, 2.4, 0.39, 0.016),
]
L, T, M, DM = np.array(ROWS).T


def lines(form: str, head: str = "", rows: list[tuple[float, ...]] = ROWS) -> str:
    return head + "".join(form.format(*row) + "\n" for row in rows)


def check(table: ScalingTable) -> None:
    np.testing.assert_allclose(table.size, L, rtol=1e-12)
    np.testing.assert_allclose(table.control, T, rtol=1e-12)
    (name,) = table.observables
    np.testing.assert_allclose(table.values[name], M, rtol=1e-12)
    np.testing.assert_allclose(table.errors[name], DM, rtol=1e-12)


def fortran(number: float) -> str:
    return f"{number:.6E}".replace("E", "D")


PLAIN = lines("{} {} {} {}", "L T m dm\n")
COMMAS = PLAIN.replace(" ", ",")
TEXTS = {
    "headerless, spaces": lines("{} {} {} {}"),
    "headerless, tabs": lines("{}\t{}\t{}\t{}"),
    "headerless, commas": lines("{}, {}, {}, {}"),
    "headerless, aligned": lines("{:6d} {:10.5f}   {:10.6f}  {:9.6f}"),
    "headerless, comment": "# Ising, 2-D\n" + lines("{} {} {} {}"),
    "Fortran": "".join(f"{row[0]} {' '.join(map(fortran, row[1:]))}\n" for row in ROWS),
    "brackets": lines(
        "{} {} {}", "L T m\n", [(a, b, f"{c:.3f}({d * 1e3:.0f})") for a, b, c, d in ROWS]
    ),
    "brackets with a point": lines(
        "{};{};{}", "L;T;m\n", [(a, b, f"{c:.2f}({d:.3f})") for a, b, c, d in ROWS]
    ),
    "plus minus": lines("{} {} {} +- {}", "L T m\n"),
    "plus/minus": lines("{}\t{}\t{} +/- {}", "L\tT\tm\n"),
    "plus minus sign": lines("{},{},{} ± {}", "L,T,m\n"),
    "plus minus without names": lines("{} {} {}±{}"),
    "percent": lines(
        "{},{},{},{}",
        "L,T,m,dm\n",
        [(a, b, f"{100 * c:.6g}%", f"{100 * d:.6g} %") for a, b, c, d in ROWS],
    ),
    "decimal commas, semicolons": lines("{};{};{};{}", "L;T;m;dm\n").replace(".", ","),
    "decimal commas, tabs": lines("{}\t{}\t{}\t{}", "L\tT\tm\tdm\n").replace(".", ","),
    "decimal commas, spaces": lines("{} {} {} {}", "L T m dm\n").replace(".", ","),
    "units": COMMAS.replace("L,T,m,dm", "L [a],T [K],m (mu_B),dm (mu_B)"),
    "quotes": COMMAS.replace("L,T,m,dm", '"L","T","m","dm"'),
    "Temperature": COMMAS.replace(",T,", ",Temperature,"),
    "coupling K": COMMAS.replace(",T,", ",K,"),
    "field h": COMMAS.replace(",T,", ",h,"),
    "disorder W": COMMAS.replace(",T,", ",W,"),
    "density": COMMAS.replace(",T,", ",density,"),
    "lambda": COMMAS.replace(",T,", ",lambda,"),
    "y_std": COMMAS.replace("m,dm", "y,y_std"),
    "y_se": COMMAS.replace("m,dm", "y,y_se"),
    "y_sem": COMMAS.replace("m,dm", "y,y_sem"),
    "err_y": COMMAS.replace("m,dm", "y,err_y"),
    "Binder U beside T": COMMAS.replace("m,dm", "U,U_err"),
    "wide": "T,L=8,L=8_err,L=16,L=16_err\n"
    + "".join(f"{T[i]},{M[i]},{DM[i]},{M[i + 3]},{DM[i + 3]}\n" for i in range(3)),
    "wide, names behind": "T m_L8 dm_L8 m_L16 dm_L16\n"
    + "".join(f"{T[i]} {M[i]} {DM[i]} {M[i + 3]} {DM[i + 3]}\n" for i in range(3)),
    "wide, errors in the cells": "T,8,16\n"
    + "".join(f"{T[i]},{M[i]} +- {DM[i]},{M[i + 3]} +- {DM[i + 3]}\n" for i in range(3)),
    "JSON lines": "".join(
        json.dumps(dict(zip("LTy", row, strict=False)) | {"dy": row[3]}) + "\n" for row in ROWS
    ),
}


@pytest.mark.parametrize("shape", TEXTS)
def test_texts(tmp_path: Path, shape: str) -> None:
    path = tmp_path / ("data.jsonl" if shape == "JSON lines" else "data.txt")
    path.write_text(TEXTS[shape])
    table = read_table(path)
    check(table)
    assert not {"1", "2", "3"} & {table.size_name, table.control_name, *table.observables}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "data.dat.packed"
    path.write_bytes(pack(PLAIN.encode()))
    check(read_table(path))
    path.write_bytes(pack(PLAIN.encode())[:-9])
    with pytest.raises(DatasetError, match="damaged"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(PLAIN.encode(encoding))
    check(read_table(path))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PLAIN.encode())))
    check(read_table("-"))


@pytest.mark.parametrize("head", ["", "T m dm\n"])
def test_a_file_for_each_size(tmp_path: Path, head: str) -> None:
    for size in (8, 16):
        rows = [row for row in ROWS if row[0] == size]
        (tmp_path / f"ising_L{size}.dat").write_text(lines("{1} {2} {3}", head, rows))
    table = read_table(str(tmp_path / "*.dat"), size_from_name=r"L(\d+)")
    check(table)
    assert table.size_name == "L"
    with pytest.raises(DatasetError, match="finds no size in its name"):
        read_table(str(tmp_path / "*.dat"), size_from_name=r"N(\d+)")
    with pytest.raises(DatasetError, match="no such files"):
        read_table(str(tmp_path / "*.csv"), size_from_name=r"L(\d+)")
    (tmp_path / "ising_L32.dat").write_text("T U dU\n2.2 1 1\n")
    with pytest.raises(DatasetError, match=r"columns .*; .* has"):
        read_table(str(tmp_path / "*.dat"), size_from_name=r"L(\d+)")


def test_data_in_memory() -> None:
    columns = {"L": L, "T": T, "m": M, "dm": DM}
    for data in (columns, pd.DataFrame(columns), pd.DataFrame(columns).set_index(["L", "T"])):
        check(read_table(data))
    grid = pd.DataFrame(columns).set_index(["L", "T"]).to_xarray()
    assert isinstance(grid, xr.Dataset)
    check(read_table(grid))
    with pytest.raises(DatasetError, match="different shapes"):
        read_table({"L": [1, 2], "T": [1.0]})


def test_numpy_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", L=L, T=T, m=M, dm=DM)
    check(read_table(tmp_path / "a.npz"))
    whole = np.zeros(6, dtype=[("L", float), ("T", float), ("m", float), ("dm", float)])
    for name, values in zip(("L", "T", "m", "dm"), (L, T, M, DM), strict=True):
        whole[name] = values
    np.save(tmp_path / "a.npy", whole)
    check(read_table(tmp_path / "a.npy"))
    np.save(tmp_path / "b.npy", np.array(ROWS))
    check(read_table(tmp_path / "b.npy"))
    np.savez(tmp_path / "b.npz", L=np.array([{}], dtype=object))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_table(tmp_path / "b.npz")


@pytest.mark.parametrize(("suffix", "package"), [(".xlsx", "openpyxl"), (".parquet", "pyarrow")])
def test_a_package_that_is_missing_is_named(tmp_path: Path, suffix: str, package: str) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_bytes(b"PK")
    with pytest.raises(DatasetError, match=f"pip install {package}|cannot be read"):
        read_table(path)


@pytest.mark.parametrize("row", ["32 2.2 nan 0.1", "32 2.2 - 0.1", "32 2.2 0.5 0", "32 2.2 NA NA"])
def test_rows_without_a_number_are_left_out(tmp_path: Path, row: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(f"{PLAIN}{row}\n")
    table = read_table(path)
    check(table)
    (flag,) = (flag for flag in table.flags if flag.startswith("rows_left_out"))
    assert "1 of 7 rows" in flag
    assert "line 8" in flag
    with pytest.raises(PhysbatchError, match="line 8"):
        read_table(path, strict=True)


def test_columns_that_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "my data.txt"
    path.write_text(lines("{} {} {} {} 7"))
    with pytest.raises(DatasetError, match="5 columns without names") as caught:
        read_table(path)
    assert "`physbatch collapse '" in str(caught.value)
    assert "--size 1 --control 2 --observable 3 --error 4`" in str(caught.value)
    check(read_table(path, size=1, control=2, observable=3, error=4))


def test_a_name_may_be_given_without_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text(TEXTS["units"])
    table = read_table(path, size="L", control="T", observable="m", error="dm")
    check(table)
    assert table.control_name == "T [K]"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("1.234(5)", Cell(1.234, 0.005)),
        ("-12.3(1.2)", Cell(-12.3, 1.2)),
        ("1.50(12)e-3", Cell(1.5e-3, 0.12e-3)),
        ("120(30)", Cell(120.0, 30.0)),
        ("+.5D+01", Cell(5.0)),
        ("1e999", Cell(np.inf)),
        ("3 %", Cell(0.03)),
        ("2.0 ± 0.1", Cell(2.0, 0.1)),
        ("1_0", None),
        ("0x10", None),
        ("1.2.3", None),
        ("1(2", None),
        ("__import__('os')", None),
    ],
)
def test_cells(text: str, cell: Cell | None) -> None:
    found = read_cell(text)
    if cell is None:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_allclose(found, cell, rtol=1e-12)


def test_sheets_and_arrays_agree(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text(PLAIN)
    made = make_table(L, T, {"m": M}, {"m": DM}, control_name="T")
    np.testing.assert_array_equal(read_table(path).values["m"], made.values["m"])


@pytest.mark.parametrize("name", ["gzip", "bz2", "lzma", "zstandard"])
def test_what_unpacks_without_end_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what lost its end, of which some libraries say nothing."""
    package = pytest.importorskip(name, reason=f"component missing: {name}")
    pack = package.ZstdCompressor().compress if name == "zstandard" else package.compress
    content = pack(b"L T m\n" + b"8 1.5 0.25\n" * 20_000)
    (tmp_path / "x").write_bytes(content)
    assert len(sources.bytes_of(tmp_path / "x")) == 220_006
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match="damaged"):
        sources.bytes_of(tmp_path / "cut")
    monkeypatch.setattr(sources, "_LARGEST_MEMBER", 200_000)
    with pytest.raises(DatasetError, match="unpacks to more than"):
        sources.bytes_of(tmp_path / "x")
