"""`physbatch collapse` on files that a physicist has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import AnalysisError, OutputError, PhysbatchError
from physbatch.results import open_results
from tests.conftest import run_command


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Planted data with c_c = 2.25 and nu = 1, as in the 2-D Ising model."""
    rng = np.random.default_rng(11)
    lines = ["# planted", "L,T,U,U_error"]
    for size in (8, 16, 32):
        for x in np.linspace(-2.0, 2.0, 13):
            control = 2.25 + x / size
            value = np.tanh(x) + 0.01 * rng.normal()
            lines.append(f"{size},{control:.10f},{value:.8f},0.01")
    path = tmp_path / "ising.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_prints_the_exponents(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(
        "collapse", table, observable=["U"], error=["U_error"], fix=["zeta=0"], window="all"
    )
    out, err = capsys.readouterr()
    assert out.startswith("Collapse of U: c_c = 2.2")
    assert "nu = " in out
    assert "zeta = 0 (fixed)" in out
    assert err == ""


def test_json_results_and_figures(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, figure = table.with_name("results.nc"), table.with_name("u.png")
    run_command("collapse", table, fix=[" zeta = 0 "], output=results, figure=figure, json=True)
    document = json.loads(capsys.readouterr().out)
    assert list(document["parameters"]) == ["c_c", "nu"]
    for name, truth in (("c_c", 2.25), ("nu", 1.0)):
        estimate = document["parameters"][name]
        assert set(estimate) == {"value", "stderr", "systematic", "total", "interval68", "flags"}
        assert abs(estimate["value"] - truth) < 4 * np.hypot(
            estimate["stderr"], estimate["systematic"]
        )
        low, high = estimate["interval68"]
        assert low < estimate["value"] < high
    assert document["method"] == "gp"
    assert {"chi2", "dof", "p_value", "identifiable"} <= set(document["goodness"])
    assert document["starts"]["tried"] >= document["starts"]["agreed"] >= 1
    assert all(isinstance(flag, str) for flag in document["flags"])
    assert document["flags"][0].startswith("columns_guessed: size = 'L'")
    document["flags"] = document["flags"][1:]  # how the file was read is not part of the result
    stored = open_results(results)
    assert stored.to_json() == document
    drawn = {path.name for path in table.parent.iterdir()}
    assert {"u.pdf", "u.png", "u-windows.pdf", "u-windows.png"} <= drawn
    # Results of a collapse may be replaced.
    run_command("collapse", table, fix=["zeta=0"], window="all", output=results)
    assert f"results  {results}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["zeta"], ["=0"], ["zeta="], ["zeta=x"], ["zeta=nan"], ["zeta=0", "zeta=0"]]
)
def test_bad_words_after_fix(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="--fix") as caught:
        run_command("collapse", tmp_path / "no file is needed to see it", fix=words)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_unknown_exponents_columns_and_files(table: Path) -> None:
    for options in (
        {"fix": ["gamma=1"]},
        {"fix": ["nu=-1"]},
        {"observable": ["M"]},
        {"size": "volume"},
    ):
        with pytest.raises(PhysbatchError) as caught:
            run_command("collapse", table, window="all", **options)
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
    with pytest.raises(PhysbatchError, match="cannot read"):
        run_command("collapse", table.with_name("nothing.csv"))


def test_other_files_are_not_overwritten(table: Path) -> None:
    before = table.read_bytes()
    with pytest.raises(OutputError, match="holds something else"):
        run_command("collapse", table, output=table)
    assert table.read_bytes() == before


def test_a_wrong_form_is_printed_with_its_flag(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command("collapse", table, fix=["zeta=0", "nu=2"], window="all")
    assert "! bad_fit" in capsys.readouterr().out


def test_orders_of_polynomials(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"fix": ["zeta=0"], "window": "all", "method": "polynomial"}
    run_command("collapse", table, **options, order=["n1=7", "m=1"], json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["method"] == "polynomial"
    assert document["orders"]["n1"] == 7
    assert document["orders"]["m"] == 1
    nu = document["parameters"]["nu"]
    assert abs(nu["value"] - 1.0) < 4 * nu["stderr"] < 0.4
    for order, words in (("n1", "cannot read 'n1'"), ("k=1", "no order 'k'"), ("m=0", "m = 0")):
        with pytest.raises(AnalysisError, match=words) as caught:
            run_command("collapse", table, **options, order=[order])
        assert caught.value.exit_code == 2


def test_beta_by_name_and_a_start(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(
        "collapse",
        table,
        exponent=["beta"],
        fix=["beta=0"],
        window="all",
        start=["nu=2", "c_c=2.1"],
        json=True,
    )
    document = json.loads(capsys.readouterr().out)
    assert document["fixed"] == {"zeta": 0.0}
    assert document["parameters"]["beta"]["value"] == 0.0
    assert "beta_over_nu" in document["parameters"]
    assert abs(document["parameters"]["nu"]["value"] - 1.0) < 0.1


@pytest.mark.parametrize(
    "options",
    [
        {"exponent": ["delta"]},
        {"exponent": ["U=beta", "U=gamma"]},
        {"exponent": ["beta", "gamma"]},
        {"exponent": ["M=beta"]},
        {"start": ["nu"]},
        {"start": ["nu=-1"]},
        {"start": ["omega=1"]},
        {"method": "local-linear", "corrections": True},
        {"method": "local-linear", "errors": "profile"},
        {"errors": "quality"},
        {"form": "custom"},
        {"form": "custom", "x": "(T - T_c)*L**a"},
        {"form": "kt", "x": "(T - T_c)*L**a", "y": ["U"]},
        {"form": "custom", "x": "(T - T_c)*L^a", "y": ["U"]},
        {"form": "kt", "exponent": ["beta"]},
        {"form": "kt", "fix": ["nu=1"]},
        {"form": "kt", "start": ["L0=9"]},
        {"form": "kt", "drift": True},
        {"form": "kt", "method": "local-linear"},
    ],
)
def test_requests_that_make_no_sense(table: Path, options: dict[str, object]) -> None:
    with pytest.raises(AnalysisError) as caught:
        run_command("collapse", table, window="all", **options)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_form_in_own_words_with_its_figure(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, figure = table.with_name("own.nc"), table.with_name("own.png")
    formulas = {"form": "custom", "x": "(T - T_c)*L**(1/nu)", "y": ["U"], "window": "all"}
    run_command("collapse", table, **formulas, output=results, figure=figure)
    out = capsys.readouterr().out
    assert "form custom: U = f((T - T_c)*L**(1/nu))" in out
    assert figure.is_file()
    own = open_results(results)
    assert own.form == "custom"
    assert own.x_label == "(T - T_c)*L**(1/nu)"
    run_command("collapse", table, fix=["zeta=0"], window="all", json=True)
    usual = json.loads(capsys.readouterr().out)
    assert usual["form"] == "power"
    for name, usual_estimate in usual["parameters"].items():
        assert abs(own[name].value - usual_estimate["value"]) < 0.1 * usual_estimate["stderr"]


def test_local_linear_with_its_corner_plot_figure_and_page(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that is drawn can be drawn again from the stored results."""
    results = table.with_name("results.nc")
    options = {"method": "local-linear", "fix": ["zeta=0"], "window": "all"}
    run_command("collapse", table, output=results, figure=table.with_name("one.png"), **options)
    out = capsys.readouterr().out
    assert "  S = " in out
    assert main(["figure", str(results), "-o", str(table.with_name("two.png"))]) == 0
    names = {path.name for path in table.parent.iterdir()}
    for stem in ("one", "two"):
        assert {f"{stem}.png", f"{stem}-corner.png"} <= names
    for kind in ("", "-corner"):
        first, second = (
            table.with_name(f"{stem}{kind}.pdf").read_bytes() for stem in ("one", "two")
        )
        assert first == second
    page = table.with_name("page.html")
    assert main(["report", str(results), "-o", str(page)]) == 0
    text = page.read_text()
    for words in ("Collapse of U", "fig-collapse", "fig-corner", "results.nc", "[[Parameters]]"):
        assert words in text
    assert "<script" not in text
    assert " src=" not in text


def test_a_range_of_sizes_and_controls(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it leaves out is said on stderr; the numbers are those of the part."""
    words = ["--fix", "zeta=0", "--window", "all", "--json"]
    limits = ["--size-min", "9", "--control-min", "2.2", "--control-max", "2.32"]
    assert main(["collapse", str(table), *words, *limits]) == 3  # too few points share their x
    out, err = capsys.readouterr()
    assert err == "range    17 of 39 points kept: size-min 9.0, control-min 2.2, control-max 2.32\n"
    part = table.with_name("part.csv")
    rows = [line.split(",") for line in table.read_text().splitlines()[2:]]
    kept = [row for row in rows if float(row[0]) > 9 and 2.2 <= float(row[1]) <= 2.32]
    part.write_text("\n".join(["L,T,U,U_error", *map(",".join, kept)]))
    assert main(["collapse", str(part), *words]) == 3
    assert json.loads(capsys.readouterr().out) == json.loads(out)


@pytest.mark.parametrize("command", ["collapse", "crossings", "exponents", "order"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--control-min", "3", "--control-max", "2"], "no control is from 3 to 2"),
        (["--size-min", "nan"], "no size is from nan to inf"),
        (["--size-min", "40"], "no point is within the range; L is 8 to 32 and T 2"),
        (["--size-max", "x"], "--size-max"),
    ],
)
def test_bad_ranges_get_one_line(
    command: str, words: list[str], message: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(table), *words]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
