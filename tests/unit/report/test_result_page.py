"""The page of a result: well-formed, whole on its own, and with the numbers of the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from physbatch.exact.batch_noise import stable_range_data, transition_data
from physbatch.exact.planted import first_order
from physbatch.noise.stability import stable_range
from physbatch.noise.transitions import transition_line
from physbatch.report import render_page, write_page
from physbatch.results import Record
from physbatch.results.flags import AT_BOUND, BAD_FIT
from physbatch.scaling import Collapse, analyse, collapse, fit_law, make_table
from physbatch.scaling.times.passages import survival_curve
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
    return Page(render_page(result))


def test_at_once_what_was_measured_and_how_sure(result: Collapse, page: Page) -> None:
    words = page.words
    answer = words[: words.index("Figures")]
    for name, text in result.parameters.items():
        assert f"{name} = {text}" in answer
    assert "against T; L = 8, 16, 32; " in answer
    assert f"{sum(points.x.size for points in result.points)} points" in answer
    assert f"p = {result.p_value:.2g}, {result.starts_agreed} of {result.starts_tried}" in answer
    accepted = sum(fit.accepted for fit in result.windows)
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
    words = Page(render_page(flagged)).words
    answer = words[: words.index("Figures")]
    assert "2 warnings" in answer
    assert "bad_fit: no" in answer
    assert "at_bound: nu" in answer


def test_the_same_bytes_and_its_files(result: Collapse, tmp_path: Path) -> None:
    source = tmp_path / "u.csv"
    source.write_text("data")
    first = write_page(result, tmp_path / "a.html", [source]).read_bytes()
    assert first == write_page(result, tmp_path / "b.html", [source]).read_bytes()
    assert b"3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" in first
    assert str(tmp_path).encode() not in first


@pytest.mark.parametrize(
    ("other", "title", "figures"),
    [
        (fit_law([8, 16, 32], [1.0, 2.0, 4.1], [0.1] * 3, quantity="chi"), "Scaling fit of chi", 1),
        (survival_curve([1.0, 2.0, 3.0], [1.0, 2.0, np.inf]), "Survival", 0),
        (transition_line(transition_data(replicas=10)), "Transition line", 0),
        (stable_range(stable_range_data(replicas=10)), "Stable range", 1),
        (analyse(first_order(sizes=(50, 100), replicas=16), resamples=50), "Analysis", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_any_result_has_a_page(other: Record, title: str, figures: int) -> None:
    page = Page(render_page(other))
    assert f" {title} " in page.words
    assert len(page.all("figure")) == len(page.all("svg")) == figures
    for name, estimate in other.stated().items():
        assert name in page.words
        assert str(estimate) in page.words
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_columns_of_numbers_are_on_the_page() -> None:
    stable = stable_range(stable_range_data(replicas=10))
    words = Page(render_page(stable)).words
    assert "batch_size learning_rate stderr systematic" in words
    assert f"{stable.learning_rate[0]:.6f}" in words


def test_warnings_come_with_what_they_mean_and_what_to_do(result: Collapse) -> None:
    words = Page(render_page(replace(result, flags=(BAD_FIT("no"),)))).words
    assert f"{BAD_FIT.meaning} {BAD_FIT.remedy}" in words
    assert "bad_fit" in words
