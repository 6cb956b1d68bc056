"""The commands import, export and moments, called as the command line calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import AnalysisError, DatasetError, OutputError
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import open_netcdf, save
from physbatch.tables.read import read_table
from physbatch.tables.table import ScalingTable
from tests.conftest import run_command, run_words

CSV = "L,T,m,dm,U,dU\n" + "".join(
    f"{size},{control},{control / size},0.01,{control * size},0.1\n"
    for size in (8, 16)
    for control in (2.1, 2.2, 2.3)
)


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def samples_file(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    path = tmp_path / "samples.txt"
    rows = [
        f"{size} {control} {m!r} {graph}"
        for size in (16, 64)
        for control in (0.5, 1.5)
        for graph, m in enumerate((generator.normal(size=200) / size**0.5).tolist())
    ]
    path.write_text("N beta m graph\n" + "\n".join(rows) + "\n")
    return path


def test_import_and_export_go_round(
    table_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    netcdf, text = tmp_path / "table.nc", tmp_path / "again.csv"
    run_words("import", table_file, "--observable", "m", "--observable", "U", "-o", netcdf)
    said = capsys.readouterr().out
    assert "6 points, 2 sizes L = 8, 16 (linear sizes)" in said
    assert "columns_guessed: size = 'L', control = 'T', error = 'dm', error = 'dU'" in said
    run_words("export", netcdf, "-o", text)
    table = read_table(table_file, observable=["m", "U"])
    again = read_table(text, observable=["m", "U"])
    for name in ("m", "U"):
        np.testing.assert_array_equal(table.values[name], again.values[name])
        np.testing.assert_array_equal(table.errors[name], again.errors[name])
    run_words("import", table_file, "--observable", "U", "-o", netcdf)  # tables are replaced
    run_words("export", netcdf, "-o", text)
    assert read_table(netcdf).observables == ("U",)


def test_sizes_are_converted_where_d_is_stated(table_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.nc"
    words = (table_file, "--observable", "m", "-o", path, "--convert", "N")
    with pytest.raises(AnalysisError, match="--space-dimension"):
        run_words("import", *words)
    run_words("import", *words, "--space-dimension", 2)
    table = ScalingTable.from_dataset(open_netcdf(path))
    assert table.sizes.tolist() == [64, 256]
    assert table.dimension == "N"


def test_other_files_are_not_overwritten(table_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.nc"
    other.write_text("notes")
    with pytest.raises(OutputError, match="holds something else"):
        run_words("import", table_file, "--observable", "m", "-o", other)
    netcdf = tmp_path / "table.nc"
    run_words("import", table_file, "--observable", "m", "-o", netcdf)
    with pytest.raises(OutputError, match="holds something else"):
        run_words("export", netcdf, "-o", table_file)
    assert table_file.read_text() == CSV
    assert other.read_text() == "notes"


def test_a_dataset_of_ours_is_exported(tmp_path: Path) -> None:
    data = first_order(sizes=(50, 100), replicas=9, control=(12.0, 13.0, 14.0))
    data["overlap"][:] = np.random.default_rng(2).normal(size=data["overlap"].shape)
    source = save(data, tmp_path / "data.nc")
    run_words("export", source, "-o", tmp_path / "data.csv")
    lines = (tmp_path / "data.csv").read_text().splitlines()
    assert lines[:2] == [
        "# physbatch table; sizes are N",
        "size,batch_size,overlap,overlap_error",
    ]
    assert len(lines) == 8


def test_bad_input_is_a_typed_line(table_file: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="m and U may be the observable"):
        run_words("import", table_file, "-o", tmp_path / "t.nc")
    with pytest.raises(DatasetError, match="not a NetCDF file"):
        run_words("export", table_file, "-o", tmp_path / "t.csv")
    with pytest.raises(AnalysisError, match="moments need samples"):
        run_words("moments", table_file, "--observable", "m")


def test_moments_print_rows(samples_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_words("moments", samples_file, "--observable", "m", "--moment", "susceptibility")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["N", "beta", "susceptibility"]
    assert len(lines) == 6
    assert lines[1].split()[:2] == ["16", "0.5"]
    assert lines[-1].startswith("flag     columns_guessed")


def test_moments_as_json(
    samples_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "moments.nc"
    words = (samples_file, "--size", "N", "--control", "beta", "--observable", "m", "-o", output)
    run_words("moments", *words, "--method", "bootstrap", "--json")
    content = json.loads(capsys.readouterr().out)
    assert (content["kind"], content["version"], content["flags"]) == ("moments", 2, [])
    assert content["goodness"]["independent_samples"] == {"least": 200, "most": 200}
    points = content["moments"]["susceptibility"]["points"]
    stated = content["parameters"]["susceptibility (N = 16, beta = 0.5)"]
    assert (stated["value"], stated["stderr"]) == (points[0]["value"], points[0]["stderr"])
    assert [(point["size"], point["control"]) for point in points] == [
        (16, 0.5),
        (16, 1.5),
        (64, 0.5),
        (64, 1.5),
    ]
    table = read_table(output, observable="susceptibility")
    np.testing.assert_array_equal(
        table.values["susceptibility"], [point["value"] for point in points]
    )
    z = (table.values["susceptibility"] - 1) / table.errors["susceptibility"]
    assert np.all(np.abs(z) < 4)


def test_moments_are_written_as_the_suffix_says(
    samples_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (samples_file, "--observable", "m", "--moment", "binder", "--json", "-o")
    for suffix in ("csv", "json"):
        for _ in range(2):
            run_words("moments", *words, tmp_path / f"m.{suffix}")
    printed = capsys.readouterr().out
    assert (tmp_path / "m.json").read_text("utf-8") in printed
    assert read_table(tmp_path / "m.csv").observables == ("binder",)
    with pytest.raises(OutputError, match="--figure"):
        run_words("moments", *words, tmp_path / "m.pdf")
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(OutputError, match="holds something else"):
        run_words("moments", *words, tmp_path / "mine.json")


def test_moments_of_clusters(samples_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (samples_file, "--observable", "m", "--cluster", "graph", "--json")
    run_words("moments", *words)
    assert json.loads(capsys.readouterr().out)["goodness"]["independent_samples"]["most"] == 200
    with pytest.raises(AnalysisError, match="no order parameter"):
        run_words("moments", samples_file, "--cluster", "graph")


def test_explore_says_what_the_data_are_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n},{c},{c / n + shift}" for n in (8, 16) for c in (1, 2, 3) for shift in (0.0, 0.1)]
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(["L,T,m", *rows]) + "\n")
    run_command("explore", file, output=tmp_path / "page.html", fit=False)
    printed = capsys.readouterr().out
    assert "flag     columns_guessed: size = 'L'" in printed
    assert "flag     few_samples: a point has 2" in printed
