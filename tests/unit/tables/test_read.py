"""Reading tables: every layout that physicists write, and one clear line for what is not one."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import DatasetError, PhysbatchError
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.tables.read import from_dataset, read_table
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable

ROWS = [(size, control, control / size, 0.01) for size in (8, 16) for control in (2.1, 2.2, 2.3)]
GOOD = "L,T,m,dm\n" + "".join(",".join(map(repr, row)) + "\n" for row in ROWS)


def write(folder: Path, content: str | bytes, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(",", "\t"),
        GOOD.replace(",", ";"),
        GOOD.replace(",", "   "),
        GOOD.replace(",", " , "),
        GOOD.replace(",", " \t "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", ",\n"),  # a delimiter at the end of each line
        "\ufeff" + GOOD,
        "# made by hand\n\n" + GOOD.replace("2.2,", "2.2,", 1),
        GOOD.replace("L,T,m,dm", '"L", "T","m","dm"'),
        GOOD.replace("L,T,m,dm", "# L T m dm").replace(",", " "),  # as numpy.savetxt writes
        GOOD.replace("L,T,m,dm", "# L, T, m, dm"),
        GOOD.replace("0.01\n", "0.01  # fine\n"),
        GOOD.replace("0.01\n", "0.01,2d Ising\n").replace("dm\n", "dm,model\n").replace("m,", "m,"),
        "\n".join([GOOD.split("\n")[0], *reversed(GOOD.split("\n")[1:])]),  # unsorted
    ],
)
def test_layouts(tmp_path: Path, content: str) -> None:
    table = read_table(write(tmp_path, content), observable="m", error="dm")
    expected = np.array(ROWS)
    for column, values in zip(
        (table.size, table.control, table.values["m"], table.errors["m"]), expected.T, strict=True
    ):
        np.testing.assert_array_equal(column, values)
    assert (table.size_name, table.control_name, table.dimension) == ("L", "T", "L")


def test_what_is_guessed_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    table = read_table(path)
    assert table.observables == ("m",)
    assert table.flags == (
        "columns_guessed: size = 'L', control = 'T', observable = 'm', error = 'dm'",
    )
    assert read_table(path, size="L", control="T", observable="m", error="dm").flags == ()
    assert read_table(path, size=1, control="2", observable=3, error=4).flags == ()


def test_columns_without_names_go_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.split("\n", 1)[1])
    guessed = read_table(path)
    assert guessed.flags == ("columns_guessed: the file names none: L, c, y, dy",)
    table = read_table(path, size=1, control=2, observable=3, error=4, dimension="N")
    assert (table.size_name, table.control_name, table.observables) == ("N", "c", ("y",))
    assert table.dimension == "N"
    np.testing.assert_array_equal(guessed.values["y"], table.values["y"])


def test_numbers_count_a_column_without_a_name(tmp_path: Path) -> None:
    """pandas writes its index first, below an empty name."""
    lines = [f",{GOOD.splitlines()[0]}", *(f"{i},{x}" for i, x in enumerate(GOOD.split()[1:]))]
    path = write(tmp_path, "\n".join(lines) + "\n")
    table = read_table(path, size=2, control=3, observable=4, error=5)
    assert (table.size_name, table.control_name, table.observables) == ("L", "T", ("m",))
    np.testing.assert_array_equal(table.size, np.array(ROWS)[:, 0])
    with pytest.raises(DatasetError, match="size column 1 has no name; there is L, T, m, dm"):
        read_table(path, size=1)


def test_a_stored_table_has_no_other_columns() -> None:
    stored = ScalingTable(*np.array(ROWS).T[:2], {"m": np.arange(6.0)}, {"m": np.ones(6)})
    data = stored.to_dataset()
    assert from_dataset(data, size="L", control="control", error="m_error").size.size == 6
    for wrong in ({"size": "N"}, {"control": "T"}, {"error": "U_error"}):
        with pytest.raises(DatasetError, match=f"no {next(iter(wrong))} column"):
            from_dataset(data, **wrong)


def test_results_are_no_table() -> None:
    data = xr.Dataset(attrs={"physbatch_collapse": 1})
    with pytest.raises(DatasetError, match="holds the results of an analysis, not data"):
        from_dataset(data, source="results.nc")


def test_several_observables(tmp_path: Path) -> None:
    header = "N,beta,m2,m2_err,U,U_err,temperatureless\n"
    path = write(
        tmp_path,
        header + "".join(f"{size},{b},{b},0.1,{b * b},0.2,9\n" for size in (4, 8) for b in (1, 2)),
    )
    table = read_table(path, observable=["m2", "U"])
    assert table.errors["U"].tolist() == [0.2] * 4
    assert table.dimension == "N"
    assert "error = 'm2_err', error = 'U_err'" in table.flags[0]
    with pytest.raises(DatasetError, match="2 observables and 1 error columns"):
        read_table(path, observable=["m2", "U"], error="U_err")
    with pytest.raises(DatasetError, match="two roles"):
        read_table(path, observable=["m2", "m2"], error=["U_err", "m2_err"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no rows"),
        ("# L T m\n", "no rows"),
        ("L,T,m,dm\n", "no rows below the names"),
        (GOOD.replace(",", "~"), "line 1: fewer than three columns"),
        (GOOD + "32,inf,1,.1\n", "line 8: control 'T' is inf"),
        (GOOD + "1e999,1,1,.1\n", "line 8: size 'L' is inf"),
        (GOOD + "32,2.1,1,-.1\n", "line 8: error of 'm' is -0.1"),
        (GOOD + "-4,2.1,1,.1\n", "line 8: size 'L' is -4"),
        (GOOD + "32,2.1,1\n", "line 8: 3 cells for 4 columns"),
        (GOOD + "32,2.1,1,1,1\n", "line 8: 5 cells for 4 columns"),
        ("# a\n\n" + GOOD + "\n32,2.1,abc,1\n", "line 11, column 'm': 'abc' is not a number"),
        (GOOD + "1_0,2.1,1,1\n", "'1_0' is not a number"),
        (GOOD + "32,2.1,__import__('os').getcwd(),1\n", "is not a number"),
        (GOOD + "16,2.2,1,1\n", "line 6 and .*line 8: L = 16, T = 2.2 stands twice"),
        ("L,T,m,dm\n8,1,2,3\n8,2,3,1\n8,3,4,1\n", "one size"),
        ("L,T,m,dm\n8,1,2,3\n16,2,3,1\n", "2 points"),
        ("L,T,m,dm\n8,1,2,3\n8,2,2,1\n16,3,2,1\n", "is 2 at all 3 points"),
        ("8,,3,1\n8,2,3,1\n", "line 1: numbers and words mixed"),
        ("L,T,m\n8,1,2\n8,2,2\n16,3,2\n", "every point has a single row"),
        ("L,T,m\n8,1,2\n8,1,3\n16,3,2\n", "line 4: a point has a single row"),
        (GOOD.replace("L,T,m", "L,T,p"), "T and p may be the control"),
        (GOOD.replace("L,T,m", "L,N,T"), "L and N may be the size"),
        (GOOD.replace("L,T,m", "L,T,T"), "same name"),
        (GOOD.replace("L,T,m,dm", "L,T,a,b"), "a and b may be the observable"),
        (GOOD.replace("L,T,m,dm", "lattice,T,y,dy"), "no column is plainly the size"),
        (b"\x00\x01" * 99, "not a text file"),
        (b"\xff\xff" * 99, "not text in UTF-8"),
        (b"CDF\x01garbage", "no column|NetCDF"),
        (b"\x89HDF\r\n\x1a\n", "truncated"),
        ('{"a": [1, 2]}\n', "no rows|fewer than three"),
        ("L,T,m  # Größe\n8,1,2\n".encode("latin-1"), "line 2: every point has a single row"),
        ("Größe öäü, ß\n8,1,2\n".encode("utf-16-be"), "not text in UTF-8|not a text file"),
        ("L,T,m\n8,0.3,2\n8,0.30000000000000004,3\n16,1,2\n", "last digits.*round them"),
    ],
)
def test_bad_files_get_one_typed_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(PhysbatchError, match=message) as caught:
        read_table(write(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_missing_files_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("T,m", "temperature,m"))
    for wrong in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DatasetError, match="cannot read"):
            read_table(wrong)
    with pytest.raises(DatasetError, match="did you mean temperature"):
        read_table(path, control="Temprature")
    for number in (0, 5):
        with pytest.raises(DatasetError, match=f"no size column '{number}'"):
            read_table(path, size=number)


def test_rows_of_one_point_are_replicas(tmp_path: Path) -> None:
    rows = [(8, 1.0, 0.5, 2), (8, 1.0, 1.5, 4), (16, 1.0, 2, 1), (8, 2, 3, 3), (16, 1, 4, 2)]
    rows += [(8, 2, 5, 8), (8, 1, 4, 9)]
    path = write(tmp_path, "L T m E\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows))
    table = read_table(path, observable=["m", "E"])
    assert table.control.tolist() == [1, 2, 1]
    assert [samples.tolist() for samples in table.samples["m"]] == [[0.5, 1.5, 4], [3, 5], [2, 4]]
    assert [samples.tolist() for samples in table.samples["E"]] == [[2, 4, 9], [3, 8], [1, 2]]
    assert table.values["m"].tolist() == [2, 4, 3]
    assert table.errors["m"][1] == 1.0


def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    count = 10**6
    rows = "".join(f"{8 << (i % 3)} {i % 97 / 7} {i * 0.1:.1f}\n" for i in range(count))
    path = write(tmp_path, "L T m\n" + rows)
    start = time.perf_counter()
    table = read_table(path)
    assert time.perf_counter() - start < 15  # 1 s on an idle machine
    assert sum(samples.size for samples in table.samples["m"]) == count


def test_our_own_tables_come_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    table = make_sample_table(
        [8, 8, 16], [0.1, 0.2, 0.1], {"m": generator.normal(size=(3, 9))}, control_name="h"
    )
    path = save(table.to_dataset(), tmp_path / "table.nc")
    again = read_table(path)
    np.testing.assert_array_equal(again.samples["m"], table.samples["m"])
    assert again.control_name == "h"
    with pytest.raises(DatasetError, match="sizes are L, not N"):
        read_table(path, dimension="N")
    with pytest.raises(DatasetError, match="there is m"):
        read_table(path, observable="U")
    text = read_table(write(tmp_path, table.to_csv()), control="h")
    np.testing.assert_array_equal(text.errors["m"], table.errors["m"])  # to the last bit


def test_our_own_datasets_give_overlaps_of_good_replicas() -> None:
    data = first_order(sizes=(50, 100), replicas=9, control=(12.0, 13.0, 14.0))
    generator = np.random.default_rng(2)
    data["overlap"][:] = generator.normal(size=data["overlap"].shape)
    data["status"][0, 0, 4] = 1  # diverged
    data["overlap"][0, 0, 4] = 77.0
    data["status"][1, 2, 1:] = 2  # one replica is left
    table = from_dataset(data)
    assert table.dimension == "N"
    assert table.control_name == "batch_size"
    assert [samples.size for samples in table.samples["overlap"]] == [8, 9, 9, 9, 9]
    kept = np.delete(data["overlap"].values[0, 0, :, -1], 4)
    np.testing.assert_array_equal(table.samples["overlap"][0], kept)
    assert any(flag.startswith("cells_left_out") for flag in table.flags)
    first = float(data["time"][0])
    early = from_dataset(data, time=first)
    np.testing.assert_array_equal(early.samples["overlap"][1], data["overlap"].values[0, 1, :, 0])
    with pytest.raises(DatasetError, match="no time"):
        from_dataset(data, time=first + 0.5)
    swept = data.expand_dims(degree=[3, 5])
    with pytest.raises(DatasetError, match="also has dimension degree"):
        from_dataset(swept)
    assert from_dataset(swept.isel(degree=[1])).size.size == 5


def foreign() -> xr.Dataset:
    """Ragged: each size has its own temperatures; the last cell is empty."""
    value = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, np.nan]])
    return xr.Dataset(
        {"mag": (("lattice", "k"), value), "unc": (("lattice", "k"), 0.1 * value)},
        coords={
            "edge": ("lattice", [8, 16]),
            "temp": (("lattice", "k"), [[2.1, 2.2, 2.3], [2.15, 2.2, np.nan]]),
        },
    )


def test_foreign_datasets_of_any_dimensions() -> None:
    names = {"size": "edge", "control": "temp", "observable": "mag", "error": "unc"}
    table = from_dataset(foreign(), **names)
    assert table.size.tolist() == [8, 8, 8, 16, 16]
    assert table.control.tolist() == [2.1, 2.2, 2.3, 2.15, 2.2]
    assert table.errors["mag"].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    turned = from_dataset(foreign().transpose("k", "lattice"), **names)
    np.testing.assert_array_equal(turned.values["mag"], table.values["mag"])
    half = foreign()
    half["mag"][0, 0] = np.nan  # an error without a value
    with pytest.raises(PhysbatchError, match="observable 'mag' is nan"):
        from_dataset(half, **names)
    with pytest.raises(DatasetError, match="also has dimension seed"):
        from_dataset(foreign().expand_dims(seed=3), **names)
    with pytest.raises(DatasetError, match="no observable column"):
        from_dataset(foreign(), **{**names, "observable": "magnet"})
    with pytest.raises(DatasetError, match="something else than numbers"):
        from_dataset(foreign().assign_coords(edge=("lattice", ["a", "b"])), **names)
    with pytest.raises(DatasetError, match="has dimensions lattice"):
        from_dataset(foreign(), **{**names, "observable": "edge", "size": "mag"})


def test_foreign_datasets_with_replicas() -> None:
    values = np.random.default_rng(4).normal(size=(20, 2, 3))
    data = xr.Dataset(
        {"m": (("seed", "L", "T"), values)}, coords={"L": [8, 16], "T": [2.1, 2.2, 2.3]}
    )
    table = from_dataset(data)
    np.testing.assert_array_equal(table.samples["m"][4], values[:, 1, 1])
    assert isinstance(table, ScalingTable)
    with pytest.raises(DatasetError, match=r"also has dimension .*, "):
        from_dataset(data.expand_dims(chain=2))
    with pytest.raises(DatasetError, match="also has dimension seed"):
        from_dataset(data, replica_dim="chain")
