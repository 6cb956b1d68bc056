"""Every result as HTML and LaTeX: escaped, closed, and with its numbers and flags."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import numpy as np
import pytest

from physbatch.exact.planted import first_order
from physbatch.results.estimate import Estimate
from physbatch.results.render import estimates_html, estimates_latex, latex_escaped
from physbatch.scaling import analyse, find_crossings
from physbatch.scaling.curves.peaks import find_peaks
from physbatch.scaling.laws.fits import fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.times.exponential import fit_escape_time
from physbatch.scaling.times.passages import survival_curve
from physbatch.tables.make import make_table

NASTY = "<i>m_1 & 50 %</i>"


def nasty_table():
    size, control = np.repeat([16.0, 32.0, 64.0], 21), np.tile(np.linspace(0.8, 1.2, 21), 3)
    value = np.tanh((control - 1.0) * np.sqrt(size)) + 1.0 / size
    peak = size / (1 + 25 * (control - 1) ** 2)
    return make_table(
        size,
        control,
        {NASTY: value, "peak": peak},
        {NASTY: np.full(63, 1e-3), "peak": 0.01 * size},
        control_name=NASTY,
    )


RESULTS = {
    "crossings": lambda: find_crossings(nasty_table(), NASTY, resamples=100),
    "peaks": lambda: find_peaks(nasty_table(), "peak", resamples=50),
    "power law": lambda: fit_law(
        [8, 16, 32, 64], [1.0, 2.1, 4.0, 7.9], np.full(4, 0.1), [law("power")], quantity=NASTY
    ),
    "survival": lambda: survival_curve([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, np.inf, 3.0]),
    "escape time": lambda: fit_escape_time([1.0, 2.0, 3.0, 6.0], [1.0, 2.0, 3.0, np.inf]),
    "escape times": lambda: escape_times(first_order(sizes=(50,), control=(12.0, 13.0))),
    "analysis": lambda: analyse(first_order(sizes=(50, 100), replicas=16)),
}


class Closed(HTMLParser):
    """Every element is closed, and none comes from a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.feed(text)
        assert self.opened == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in {"table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li"}
        self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


@pytest.mark.parametrize("kind", RESULTS)
def test_html_and_latex(kind: str) -> None:
    result = RESULTS[kind]()
    html, latex = result._repr_html_(), result.to_latex()
    Closed(html)
    assert latex.startswith("% value")
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert all(line.replace(r"\&", "").count("&") == 2 for line in body)
    assert all(sign not in line.replace(rf"\{sign}", "") for line in body[1:] for sign in "#%")
    for flag in result.flags:
        assert f"% {flag}" in latex
    stated = result.stated() if hasattr(result, "stated") else {"m_c": result.m_c}
    for one in stated.values():
        assert str(one) in html
        assert not math.isfinite(one.value) or str(one).partition("e")[0] in latex


def test_flags_follow_the_table() -> None:
    html = estimates_html("a < b", {"x": Estimate(1.0, 0.1)}, [("form", "<p>")], ["odd: 1 < 2"])
    Closed(html)
    assert "<ul><li>odd: 1 &lt; 2</li></ul>" in html
    latex = estimates_latex({"x_1": Estimate(1.0, 0.1, 0.0, (0.9, 1.1))}, [], ["odd: a\nb"])
    assert r"x\_1 & $1.00(10)$ & $[0.90, 1.10]$ \\" in latex
    assert latex.endswith("% odd: a b\n")


def test_latex_escapes() -> None:
    assert latex_escaped("a_b & {50 %}\n~^\\") == (
        r"a\_b \& \{50 \%\} \textasciitilde{}\textasciicircum{}\textbackslash{}"
    )
