"""The result of a collapse keeps every number, whatever form it takes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files.netcdf import save_tree
from physbatch.results import open_results
from physbatch.results.estimate import Estimate
from physbatch.results.flags import BAD_FIT
from physbatch.results.render import math_symbol
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.result import (
    Collapse,
    CollapsedPoints,
    MasterCurve,
    WindowFit,
)
from physbatch.scaling.data_collapse.windows import Window
from physbatch.tables.make import make_table

NASTY = "<b>m_1 & 50 % of $x$</b>"


def points(name: str, count: int) -> CollapsedPoints:
    x = np.linspace(-1.0, 1.0, count)
    size = np.where(np.arange(count) % 2, 16.0, 8.0)
    return CollapsedPoints(name, size, x, np.tanh(x), np.full(count, 0.1), np.sin(9 * x), 0.1 * x)


def example(**changes: object) -> Collapse:
    """Two observables of different length, a nan, a rejected window, flags."""
    fits = tuple(
        WindowFit(
            Window(size, fraction), {"c_c": 1.0, "zeta_m": -0.1}, {"c_c": 0.1, "zeta_m": math.nan},
            9, 3.1, 4.2, 0.5, size == 8.0,
        )
        for size, fraction in ((8.0, 1.0), (8.0, 0.7), (16.0, 1.0))
    )  # fmt: skip
    curve = MasterCurve("U", np.arange(5.0), np.arange(5.0) / 3, np.full(5, 0.1))
    return replace(
        Collapse(
            parameters={
                "c_c": Estimate(1.0 + 1e-15, 0.1, 0.05, (0.9, 1.1), ("odd: <really>",)),
                "zeta_m": Estimate(-0.125, 2e-7),
            },
            fixed={"nu": 1.0 / 3.0, "zeta_U": 0.0},
            observables=("U", "m"),
            chi2=12.5,
            dof=10.25,
            p_value=math.nan,
            window=Window(8.0, 0.7),
            windows=fits,
            starts_tried=8,
            starts_agreed=3,
            points=(points("U", 7), points("m", 11)),
            curve=(curve, replace(curve, observable="m", x=curve.x[:3], y=curve.y[:3],
                                  band=curve.band[:3])),
            covariance=np.array([[0.01, -1e-8], [-1e-8, 4e-14]]),
            size_name="L",
            control_name="T",
            dimension="L",
            corrections=True,
            flags=(BAD_FIT("chi2 < expected & so on"),),
        ),
        **changes,
    )  # fmt: skip


CASES = {
    "full": {},
    "odd names": {
        "observables": ("größe µ", NASTY),
        "points": (points("größe µ", 4), points(NASTY, 4)),
        "control_name": NASTY,
        "size_name": "",
    },
    "nothing free": {"parameters": {}, "covariance": np.empty((0, 0))},
    "no windows": {"windows": (), "flags": (), "fixed": {}, "corrections": False},
    "nothing drawn": {"points": (), "curve": ()},
    "named and sampled": {
        "method": "local-linear",
        "named": {"beta_m": Estimate(0.125, 2e-7), "beta_m_over_nu": Estimate(math.nan, math.inf)},
        "samples": np.arange(8.0).reshape(4, 2) / 3,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip_through_a_file_is_exact(case: str, tmp_path: Path) -> None:
    result = example(**CASES[case])
    again = open_results(result.save(tmp_path / "collapse.nc"))
    assert isinstance(again, Collapse)
    assert again.identical(result)
    assert repr(again) == repr(result)
    assert again.to_json() == result.to_json()
    assert (list(again.parameters), again.fixed) == (list(result.parameters), result.fixed)
    for one, two in zip(again.windows, result.windows, strict=True):
        assert (one.window, one.accepted, one.points) == (two.window, two.accepted, two.points)
        assert list(one.values) == list(two.values)
    for mine, theirs in zip(again.points, result.points, strict=True):
        assert mine.observable == theirs.observable
        for name in ("size", "x", "y", "error", "residual", "correction"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert [curve.x.size for curve in again.curve] == [curve.x.size for curve in result.curve]
    np.testing.assert_array_equal(again.covariance, result.covariance)


def test_the_file_is_plain_netcdf() -> None:
    tables = example().to_tables()
    assert tables[""].attrs["physbatch_kind"] == "collapse"
    assert {"Conventions", "title", "program"} <= set(tables[""].attrs)
    for data in tables.values():
        assert all(type(value) in (str, int, float) for value in data.attrs.values())
        assert all(type(v) is str for one in data.variables.values() for v in one.attrs.values())


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda root: xr.Dataset(), "holds a table"),
        (lambda root: root.assign_attrs(physbatch_results=99), "newer"),
        (lambda root: root.assign_attrs(physbatch_kind="collision"), "no result that can be read"),
        (lambda root: root.drop_vars("chi2"), "damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(
    damage: Callable[[xr.Dataset], xr.Dataset], words: str, tmp_path: Path
) -> None:
    tables = example().to_tables()
    path = save_tree({**tables, "": damage(tables[""])}, tmp_path / "odd.nc")
    with pytest.raises(DatasetError, match=words) as caught:
        open_results(path)
    assert "\n" not in str(caught.value)


def test_json_is_strict_and_has_the_shape_of_every_command() -> None:
    document = example().to_json()
    json.dumps(document, allow_nan=False)
    keys = {"parameters", "method", "form", "orders", "fixed", "goodness", "starts", "flags"}
    keys |= {"kind", "version"}
    assert set(document) == keys
    numbers = {"value", "stderr", "systematic", "total", "interval68", "flags"}
    assert set(document["parameters"]["c_c"]) == numbers
    assert document["parameters"]["zeta_m"]["interval68"] == [None, None]
    assert document["starts"] == {"tried": 8, "agreed": 3}


def test_report_says_everything() -> None:
    lines = example().report().splitlines()
    text = "\n".join(lines)
    assert lines[0] == "[[Collapse]]"
    for words in (
        "U, m", "chi2/dof = 12.5/10.25", "3 of 8 starts", "with corrections to scaling",
        "+/- 0.1", "(10 %)", "+/- 0.05 (systematic)", "(fixed)", "C(c_c, zeta_m)", "-0.500",
        "bad_fit: chi2 < expected",
    ):  # fmt: skip
        assert words in text
    rows = [line.split() for line in lines[lines.index("[[Flags]]") - 3 : -2]]
    assert [row[0] for row in rows] == ["8", "*", "-"]


def test_report_leaves_weak_correlations_and_empty_parts_out() -> None:
    weak = np.array([[0.01, -1e-9], [-1e-9, 4e-14]])
    text = example(covariance=weak, flags=(), windows=()).report()
    assert "C(c_c" not in text
    assert "Correlations" not in text
    assert "Flags" not in text
    assert "Windows" not in text


def test_latex_is_a_booktabs_table() -> None:
    text = example().to_latex()
    for words in (
        r"\begin{tabular}{lll}", r"\toprule", r"\bottomrule", r"\end{tabular}",
        r"$T_c$ & $1.00(10)(5)$ & $[0.90, 1.10]$ \\",
        r"$\zeta_{m}$ & $-0.12500000(20)$ & -- \\", r"$\zeta_{U}$ & $0$ (fixed) &  \\",
        "% bad_fit: chi2 < expected & so on",
    ):  # fmt: skip
        assert words in text


def test_latex_escapes_names_and_powers() -> None:
    estimate = Estimate(1.2e-9, 3e-10)
    text = example(parameters={f"zeta_{NASTY}": estimate}, size_name="a_b^c\\", flags=()).to_latex()
    escaped = r"zeta\_\textless{}b\textgreater{}m\_1 \& 50 \% of \$x\$\textless{}/b\textgreater{}"
    assert escaped in text
    assert r"$1.20(30) \times 10^{-9}$" in text
    assert r"a\_b\textasciicircum{}c\textbackslash{}" in text


def test_html_is_escaped_and_closed() -> None:
    text = example(observables=(NASTY,), parameters={NASTY: Estimate(1.0, 0.1)})._repr_html_()
    assert "<b>" not in text
    opened: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Parser().feed(text)
    assert not opened
    assert "&lt;b&gt;m_1 &amp; 50 % of $x$&lt;/b&gt;" in text
    assert "<li>bad_fit: chi2 &lt; expected" in text


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("L", "L"), ("beta", r"\beta"), ("batch_size", "m"), ("Tc2", r"\mathrm{Tc2}"),
        ("a_b", r"\mathrm{a\_b}"), ("|m|", ""), ("", ""), ("µ", ""), ("x$y", ""), ("_", ""),
    ],
)  # fmt: skip
def test_symbols(name: str, symbol: str) -> None:
    assert math_symbol(name) == symbol


def test_symbols_of_a_result() -> None:
    result = example(size_name="size", dimension="N", control_name="a b", parameters={})
    assert (result.size_symbol, result.control_symbol, result.symbol("c_c")) == ("N", "", "c_c")
    assert result.symbol("zeta_|m|") == ""
    assert not result.drift
    assert example(fixed={"shift": 1.0}).drift


def test_corrections_of_a_fit_bring_the_points_onto_the_curve() -> None:
    rng = np.random.default_rng(5)
    size = np.repeat([8.0, 12.0, 16.0, 24.0, 32.0, 48.0], 11)
    x = np.tile(np.linspace(-2.0, 2.0, 11), 6)
    value = np.tanh(x) + size**-1.0 * (1.0 + x) + 0.002 * rng.normal(size=size.size)
    table = make_table(size, 1.0 + x / size, {"U": value}, {"U": np.full(size.size, 0.002)})
    held = {"zeta": 0.0, "omega": 1.0}
    result = collapse(table, fixed=held, corrections=True, window="all")
    (found,), (curve,) = result.points, result.curve
    on_curve = np.interp(found.x, curve.x, curve.y)
    distance = np.abs(found.leading - on_curve - found.residual * found.error)
    assert distance.max() < 1e-3  # of the interpolation
    assert np.abs(found.y - on_curve).max() > 0.05  # the corrections are not small
    plain = collapse(table, fixed={"zeta": 0.0}, window="all")
    np.testing.assert_array_equal(plain.points[0].leading, plain.points[0].y)
