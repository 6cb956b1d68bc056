"""The live collapse page without a browser: what its script computes, says and draws."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.report import render_explore, write_explore
from physbatch.results import Estimate
from physbatch.scaling import collapse
from physbatch.scaling.data_collapse import quality_of
from physbatch.tables import ScalingTable, make_table, read_table

NODE = shutil.which("node") or shutil.which("nodejs")
needs_node = pytest.mark.skipif(NODE is None, reason="component missing: node")
STUB = Path(__file__).with_name("explore_stub.js")
SVG = "{http://www.w3.org/2000/svg}"


def order_parameter(name: str = "m") -> ScalingTable:
    rng = np.random.default_rng(7)
    size = np.repeat([8.0, 16.0, 32.0], 21)
    control = np.tile(np.linspace(0.9, 1.1, 21), 3)
    x = size * (control - 1)
    value = size**-0.125 * (1.2 - np.tanh(x / 2)) + 0.004 * rng.standard_normal(63)
    columns = {name: value}, {name: np.full(63, 0.004)}
    return make_table(size, control, *columns, size_name="L", control_name="T")


def run(page: Path, **steps: Any) -> dict[str, Any]:
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(STUB), str(page), json.dumps(steps)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def expected(table: ScalingTable, values: dict[str, float]) -> float:
    correction = 1 + values["amplitude"] * (table.size / 8.0) ** -values["omega"]
    scale = table.size ** values["ratio"] * correction
    critical = values["c_c"] + values.get("shift", 0.0) * table.size ** -values.get("phi", 1.0)
    x = table.size ** values["inverse_nu"] * (table.control - critical)
    (name,) = table.observables
    return quality_of(table.size, x, table.values[name] / scale, table.errors[name] / scale)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = order_parameter()
    fit = collapse(table, exponent="beta", fixed={"beta": 0.125}, window="all")
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    words = ["physbatch", "collapse", "a b.csv", "--fix", "beta=0.125"]
    return write_explore(table, "m", path, fit, command=words, limits=(0.85, None))


@needs_node
def test_the_window_cuts_the_points_that_count(page: Path) -> None:
    table = order_parameter()
    said = run(page)
    assert said["quality"] == pytest.approx(expected(table, said["values"]), rel=1e-10)
    said = run(page, window=[0.95, 1.1], values={"inverse_nu": 0.9, "amplitude": 0.2})
    kept = table.select(table.control >= 0.95)
    assert said["quality"] == pytest.approx(expected(kept, said["values"]), rel=1e-10)


@needs_node
def test_the_command_has_window_sizes_and_no_start_of_what_is_held(page: Path) -> None:
    words = shlex.split(run(page)["command"])
    assert words[:5] == ["physbatch", "collapse", "a b.csv", "--fix", "beta=0.125"]
    # The lower end is the one of the command that made the page.
    assert words[5:7] == ["--control-min", "0.85"]
    assert "--control-max" not in words
    assert not any(word.startswith("zeta=") for word in words)
    words = shlex.split(run(page, window=[0.95, 1.02], shown=[False, True, True])["command"])
    text = " ".join(words)
    assert "--size-min 16 --control-min 0.95 --control-max 1.02 --start c_c=" in text


@needs_node
def test_the_picture_is_an_svg_of_all_that_is_shown(page: Path) -> None:
    def paths(**steps: Any) -> tuple[str, list[ET.Element], list[str]]:
        text = run(page, **steps)["picture"]
        root = ET.fromstring(text)
        texts = [item.text or "" for item in root.iter(f"{SVG}text")]
        return text, list(root.iter(f"{SVG}path")), texts

    full, shapes, texts = paths()
    assert "NaN" not in full
    assert {"L", "T", "c", "m", "ν", "ζ", "σ"} <= set(texts)
    _, without_bars, _ = paths(bars=False)
    assert len(shapes) - len(without_bars) == 3  # one stroke a size
    _, alone, words = paths(residuals=False)
    assert len(alone) < len(shapes)
    assert "σ" not in words
    _, fewer, _ = paths(shown=[True, False, True])
    assert len(fewer) == len(shapes) - 3  # bars, points and residuals of one size


@needs_node
def test_the_points_of_the_window_are_a_table(page: Path, tmp_path: Path) -> None:
    text = run(page, window=[0.95, 1.1], shown=[True, False, True])["points"]
    (tmp_path / "points.csv").write_text(text)
    again, table = read_table(tmp_path / "points.csv"), order_parameter()
    kept = table.select((table.control >= 0.95) & (table.size != 16.0))
    assert (again.size_name, again.control_name, again.observables) == ("L", "T", ("m",))
    for mine, theirs in (
        (again.size, kept.size),
        (again.control, kept.control),
        (again.values["m"], kept.values["m"]),
        (again.errors["m"], kept.errors["m"]),
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_sliders_show_the_region_of_the_fit() -> None:
    """Value and total error of each parameter, and of 1/nu and zeta/nu by propagation."""
    table = order_parameter()
    fit = collapse(table, window="all")
    page = render_explore(table, "m", fit)
    nu, zeta, c_c = (fit.parameters[name] for name in ("nu", "zeta", "c_c"))
    assert f"fit: {Estimate(c_c.value, c_c.total)}<" in page
    inverse = Estimate(1 / nu.value, nu.total / nu.value**2)
    assert f"fit: {inverse}<" in page
    # A thousand draws of both exponents, as correlated as the fit says.
    names = list(fit.parameters)
    correlation = fit.correlation[names.index("nu"), names.index("zeta")]
    both = np.array([[1.0, correlation], [correlation, 1.0]])
    errors = np.array([nu.total, zeta.total])
    drawn = np.random.default_rng(1).multivariate_normal(
        [nu.value, zeta.value], both * np.outer(errors, errors), 4000
    )
    ratio = re.search(r'aria-label="ζ/ν, fit: ([-\d.]+)\((\d+)\)"', page)
    assert ratio is not None
    value, digits = ratio.groups()
    error = int(digits) * 10.0 ** -len(value.partition(".")[2])
    assert float(value) == pytest.approx(zeta.value / nu.value, abs=2 * error)
    # Two digits at least, and 4000 draws: 1 % and 1.1 % of the error.
    assert error == pytest.approx((drawn[:, 1] / drawn[:, 0]).std(), rel=0.1)
    assert page.count('class="region"') == 3
    assert 'class="region"' not in render_explore(table, "m")
    held = collapse(table, fixed={"nu": 1.0, "zeta": -0.125}, window="all")
    assert render_explore(table, "m", held).count('class="region"') == 1


@needs_node
def test_a_drift_moves_the_critical_point(tmp_path: Path) -> None:
    table = order_parameter()
    fit = collapse(table, fixed={"zeta": -0.125, "phi": 1.5}, drift=True, window="all")
    path = write_explore(table, "m", tmp_path / "drift.html", fit)
    said = run(path, values={"shift": 0.3, "phi": 1.5})
    assert said["quality"] == pytest.approx(expected(table, said["values"]), rel=1e-10)
    assert "--start shift=0.3" in said["command"]
    assert "phi=" not in said["command"]


def test_math_is_typeset_and_names_are_those_given() -> None:
    page = render_explore(order_parameter("<b>"), "<b>")
    assert '<label for="ratio-slider"><span><var>ζ</var></span><span>/</span>' in page
    assert "<span><var>T</var></span><sub><var>c</var></sub>" in page
    assert "<legend>Sizes <var>L</var></legend>" in page
    assert "^(" not in page.split("<script")[0]
    assert "<b>" not in page


def test_explore_fits_what_collapse_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.csv"
    file.write_text(order_parameter().to_csv())
    words = [
        "--exponent",
        "beta",
        "--fix",
        "beta=0.125",
        "--control-min",
        "0.93",
        "--window",
        "all",
    ]
    assert main(["collapse", str(file), *words]) == 0
    fitted = capsys.readouterr().out.splitlines()[0]
    target = tmp_path / "page.html"
    assert main(["explore", str(file), *words, "-o", str(target)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == fitted
    text = target.read_text("utf-8")
    assert "--exponent beta --fix beta=0.125 --window all" in text
    assert '"limits": [0.93, null]' in text
    assert main(["explore", str(file), "--fix", "beta", "-o", str(target)]) == 2
    assert "cannot read 'beta'" in capsys.readouterr().err
