"""The commands `crossings` and `exponents`: what they print, draw and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physbatch.commands.options import ColumnsOfMany
from physbatch.errors import AnalysisError, OutputError, PhysbatchError
from physbatch.exact import curie_weiss
from physbatch.files.netcdf import save
from physbatch.results import open_results
from physbatch.scaling import make_table
from tests.conftest import run_command


@pytest.fixture(scope="module")
def binder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "binder.csv"
    generator = np.random.default_rng(1)
    lines = ["N,beta,U,dU"]
    for n in (32, 64, 128, 256, 512):
        for b in 1.0 + np.linspace(-2.0, 2.5, 13) / np.sqrt(n):
            value = curie_weiss.binder(n, b) + 1e-4 * generator.standard_normal()
            lines.append(f"{n},{b:.10g},{value:.10g},0.0001")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def peak_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "chi.csv"
    generator = np.random.default_rng(2)
    lines = ["L,T,chi,dchi"]
    for n in (8, 16, 32, 64, 128):
        for x in np.linspace(-1.5, 1.5, 25):
            height = n**1.75
            value = height * (1.0 - 0.3 * x**2) + 1e-3 * height * generator.standard_normal()
            lines.append(f"{n},{2.27 + (2.0 + x) / n:.10g},{value:.10g},{1e-3 * height:.10g}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_crossings_prints_one_json_object(
    binder_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    columns = {"size": "N", "control": "beta", "observable": "U", "error": "dU"}
    figure = tmp_path / "figure"
    pairs = {"pairs": "consecutive", "resamples": 100}
    run_command("crossings", binder_file, **columns, **pairs, figure=figure, json=True)
    printed = json.loads(capsys.readouterr().out)
    c_c = printed["parameters"]["c_c"]
    assert abs(c_c["value"] - 1.0) < 4.5 * np.hypot(c_c["stderr"], c_c["systematic"])
    assert c_c["interval68"][0] < c_c["value"] < c_c["interval68"][1]
    names = {"kind", "version", "parameters", "goodness", "basis", "flags", "crossings"}
    assert set(printed) == names
    assert len(printed["crossings"]) == 4
    assert figure.with_suffix(".png").stat().st_size > 10_000
    assert figure.with_suffix(".pdf").exists()
    run_command("crossings", binder_file, **columns, resamples=100)
    assert "Crossings of U: c_c = " in capsys.readouterr().out


def test_crossings_take_quotients_and_write_result_and_draws(
    binder_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    columns = {"size": "N", "control": "beta", "observable": "U", "error": "dU"}
    lines = binder_file.read_text().splitlines()
    data = tmp_path / "two.csv"
    rows = [f"{line},{float(line.split(',')[0]) ** 0.25},0.01" for line in lines[1:]]
    data.write_text("\n".join([f"{lines[0]},m,dm", *rows]) + "\n")
    result, draws = tmp_path / "crossings.nc", tmp_path / "draws.csv"
    outputs = {"output": result, "draws": draws, "resamples": 50, "json": True}
    run_command("crossings", data, **columns, quotient=["m"], quotient_error=["dm"], **outputs)
    printed = json.loads(capsys.readouterr().out)
    assert abs(printed["parameters"]["zeta_over_nu_m"]["value"] - 0.25) < 0.05
    back = open_results(result)
    assert back.to_json()["crossings"] == printed["crossings"]
    assert len(draws.read_text().splitlines()) == 51
    with pytest.raises(AnalysisError, match="quotients of which crossings"):
        run_command("crossings", data, size="N", control="beta", quotient=["m"])
    with pytest.raises(AnalysisError, match="1 quotients and 0 errors"):
        run_command("crossings", data, **columns, quotient=["m"])


def test_exponents_finds_peaks_and_names_classes(
    peak_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    columns = {"size": "L", "control": "T", "observable": "chi", "error": "dchi"}
    outputs = {"output": tmp_path / "exponents.nc", "figure": tmp_path / "figure", "json": True}
    run_command("exponents", peak_file, **columns, **outputs)
    printed = json.loads(capsys.readouterr().out)
    for name, truth in (("zeta_over_nu", 1.75), ("c_c", 2.27), ("nu", 1.0)):
        estimate = printed["parameters"][name]
        assert abs(estimate["value"] - truth) < 4.5 * np.hypot(
            estimate["stderr"], estimate["systematic"]
        )
    assert (printed["kind"], printed["version"]) == ("exponents", 2)
    assert "2-D Ising" in printed["universality"]
    assert open_results(tmp_path / "exponents.nc").to_json() == printed
    run_command("figure", tmp_path / "exponents.nc", output=tmp_path / "again")
    first, again = (tmp_path / f"{name}.png" for name in ("figure", "again"))
    assert first.read_bytes() == again.read_bytes()
    run_command("exponents", peak_file, **columns)
    assert "height = A L^b" in capsys.readouterr().out


def test_one_value_per_size_is_fitted_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "values.csv"
    rows = [f"{n},0.5,{0.3 * n**1.5},{0.003 * n**1.5}" for n in (8, 16, 32, 64)]
    path.write_text("\n".join(["L,p,S,dS", *rows]) + "\n")
    run_command("exponents", path, size="L", control="p", observable="S", error="dS", json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["parameters"]["zeta_over_nu"]["value"] == pytest.approx(1.5, abs=1e-4)
    assert "nu" not in printed["parameters"]


@pytest.mark.parametrize("command", ["crossings", "exponents"])
def test_output_is_the_result_as_netcdf_json_or_csv(
    command: str, peak_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = {"size": "L", "control": "T", "observable": "chi", "error": "dchi"}
    for suffix in ("json", "csv", "nc"):
        path = tmp_path / f"result.{suffix}"
        for _ in range(2 if suffix == "json" else 1):  # a file of its own kind is replaced
            run_command(command, peak_file, **columns, output=path, json=True)
        printed = json.loads(capsys.readouterr().out.split("\n}\n")[0] + "}")
        if suffix == "json":
            assert json.loads(path.read_text("utf-8")) == printed
        elif suffix == "csv":
            names = [line.split(",")[0] for line in path.read_text("utf-8").splitlines()]
            assert names[0] == "name"
            assert set(printed["parameters"]) <= set(names)
        else:
            assert open_results(path).kind == command
    mine = tmp_path / "mine.csv"
    mine.write_text("a,b\n")
    for path, words in ((mine, "holds something else"), (tmp_path / "x.pdf", "--figure")):
        with pytest.raises(OutputError, match=words):
            run_command(command, peak_file, **columns, output=path)
    assert mine.read_text() == "a,b\n"


def test_columns_go_by_number(binder_file: Path, capsys: pytest.CaptureFixture[str]):
    numbers = {"size": "1", "control": "2", "observable": "3", "error": "4"}
    run_command("crossings", binder_file, **numbers, resamples=50)
    stated = capsys.readouterr().out.partition("Crossings of U: c_c = ")[2]
    assert abs(float(stated.partition("(")[0]) - 1.0) < 0.01
    run_command("exponents", binder_file, **numbers)
    assert "ScalingFit(height = " in capsys.readouterr().out


def test_one_of_several_observables_must_be_chosen(tmp_path: Path):
    size, control = np.repeat([8.0, 16.0, 32.0], 5), np.tile(np.arange(5.0), 3)
    columns = dict.fromkeys(("mean", "susceptibility"), control + size)
    errors = dict.fromkeys(columns, np.full(15, 0.1))
    stored = save(make_table(size, control, columns, errors).to_dataset(), tmp_path / "m.nc")
    for command in ("crossings", "exponents"):
        call = rf"`physbatch {command} \S*m.nc --observable mean`"
        said = rf"several observables: mean, susceptibility; .*{call}"
        with pytest.raises(AnalysisError, match=said):
            run_command(command, stored)


def test_observables_are_fitted_together_if_they_are_named(tmp_path: Path):
    """`moments` writes eight that say the same: they are never fitted together unasked."""
    size, control = np.repeat([8.0, 16.0, 32.0], 5), np.tile(np.arange(5.0), 3)
    columns = dict.fromkeys(("mean", "variance", "binder", "binder_abs"), control + size)
    errors = dict.fromkeys(columns, np.full(15, 0.1))
    stored = save(make_table(size, control, columns, errors).to_dataset(), tmp_path / "m.nc")
    with pytest.raises(AnalysisError, match=r"`physbatch collapse .*m.nc --observable binder`"):
        run_command("collapse", stored)
    for words in (["mean,binder"], ["mean", "binder"]):
        assert ColumnsOfMany(observable=words).read(stored).observables == ("mean", "binder")


def test_bad_files_are_refused(tmp_path: Path, binder_file: Path):
    with pytest.raises(PhysbatchError):
        run_command("crossings", tmp_path / "absent.csv")
    with pytest.raises(PhysbatchError):
        run_command("crossings", binder_file, size="N", control="beta", observable="chi")
    with pytest.raises(PhysbatchError):
        run_command("exponents", binder_file, size="N", control="beta", observable="chi")


def test_ranges_and_files_without_errors(
    binder_file: Path, peak_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The range is said on stderr, and that errors are estimated among the flags."""
    run_command("crossings", binder_file, size_min=64, control_max=1.3, resamples=100, json=True)
    out, err = capsys.readouterr()
    assert {pair["sizes"][0] for pair in json.loads(out)["crossings"]} == {64, 128, 256}
    assert err.startswith("range    ")
    assert err.count("\n") == 1
    for command, path in (("crossings", binder_file), ("exponents", peak_file)):
        bare = tmp_path / path.name
        rows = [line.split(",")[:3] for line in path.read_text().splitlines()]
        bare.write_text("\n".join(map(",".join, rows)))
        run_command(command, bare, json=True)
        flags = json.loads(capsys.readouterr().out)["flags"]
        assert [flag.split(":")[0] for flag in flags].count("errors_unknown") == 1
