"""The page of a collapse: well-formed, whole on its own, and with the numbers of the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physbatch.report import render_collapse, write_collapse
from physbatch.results.flags import AT_BOUND, BAD_FIT
from physbatch.scaling import Collapse, collapse, make_table
from tests.unit.report.page import LOADING, Page

NASTY = "<script>alert(1)</script> & 'U'"


@pytest.fixture(scope="module")
def result() -> Collapse:
    size, control = np.repeat([8.0, 16.0, 32.0], 15), np.tile(np.linspace(0.9, 1.1, 15), 3)
    noise = 0.01 * np.random.default_rng(2).normal(size=45)
    values = {NASTY: np.tanh(size * (control - 1.0)) + noise}
    table = make_table(size, control, values, {NASTY: np.full(45, 0.01)}, control_name="T")
    return collapse(table, fixed={"zeta": 0.0})


@pytest.fixture(scope="module")
def page(result: Collapse) -> Page:
    return Page(render_collapse(result))


def test_at_once_what_was_measured_and_how_sure(result: Collapse, page: Page) -> None:
    words = page.words
    answer = words[: words.index("Figures")]
    for name, one in result.parameters.items():
        assert f"{name} = {one}" in answer
    assert "against T; L = 8, 16, 32; " in answer
    assert f"{sum(one.x.size for one in result.points)} points" in answer
    assert f"p = {result.p_value:.2g}, {result.starts_agreed} of {result.starts_tried}" in answer
    accepted = sum(one.accepted for one in result.windows)
    assert f"{accepted} of {len(result.windows)} windows accepted" in answer


def test_every_number_can_be_copied(result: Collapse, page: Page) -> None:
    assert " ".join(result.to_latex().split()) in page.words
    assert f"nu,{result.parameters['nu'].value!r}," in page.words
    assert " ".join(result.report().split()) in page.words


def test_names_are_escaped_and_nothing_is_loaded(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    assert not [attrs for _, attrs in page.elements if LOADING & attrs.keys()]
    assert NASTY in page.words
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["role"] == "img" for attrs in page.all("svg"))
    assert len(page.all("svg")) == 2


def test_warnings_are_counted(result: Collapse) -> None:
    flagged = replace(result, flags=(BAD_FIT("no"), AT_BOUND("nu")))
    words = Page(render_collapse(flagged)).words
    answer = words[: words.index("Figures")]
    assert "2 warnings" in answer
    assert "bad_fit: no" in answer
    assert "at_bound: nu" in answer


def test_the_same_bytes_and_its_files(result: Collapse, tmp_path: Path) -> None:
    source = tmp_path / "u.csv"
    source.write_text("data")
    first = write_collapse(result, tmp_path / "a.html", [source]).read_bytes()
    assert first == write_collapse(result, tmp_path / "b.html", [source]).read_bytes()
    assert b"3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" in first
    assert str(tmp_path).encode() not in first
