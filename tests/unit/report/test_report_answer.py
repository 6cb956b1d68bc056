"""A person who opens the report sees at once what was measured, m_c, the order and how sure."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from physbatch.report import render_report
from physbatch.report.rows import bibtex
from physbatch.report.sentences import order_support
from physbatch.scaling import Analysis, TransitionOrder
from tests.unit.report.page import Page, Words


def test_at_once_what_was_measured_m_c_order_and_how_sure(
    analysis: Analysis, order: TransitionOrder, dataset: xr.Dataset, words_of: Words
) -> None:
    words = words_of(analysis, dataset, order=order)
    cards = words[words.index("Measured N = 50") : words.index("Why, and how sure")]
    for text in (
        "N = 50, 100, 200, 400; mini-batch size from 10 to 16 (13 values); 32 replicas of each; "
        "1000 sweeps",
        "Critical value mc = 13.04(5)(4) for N → ∞",
        f"Order of the transition first order: {order_support(order)}",
        "How sure a transition is claimed, 1 warning (read them)",
    ):
        assert text in cards
    assert words.index("Measured N = 50") < words.index("Figures")


def test_the_order_comes_with_all_its_evidence(
    analysis: Analysis, order: TransitionOrder, dataset: xr.Dataset
) -> None:
    page = Page(render_report(analysis, dataset, order=order))
    words = page.words[page.words.index("Verdict: first order") :]
    for test in order.evidence:
        assert f"{test.name}{test.points_to or 'silent'}" in words
        assert " ".join(test.text.split()) in words
    assert all(" ".join(reason.split()) in words for reason in order.reasons)
    assert len(page.all("svg")) == 7
    assert [attrs.get("id") for attrs in page.all("h2")][1] == "order"


def test_an_order_that_could_not_be_had_says_why(
    analysis: Analysis, dataset: xr.Dataset, words_of: Words
) -> None:
    assert "not decided: too few sizes <3" in words_of(analysis, dataset, order="too few sizes <3")
    assert "not decided: not analysed" in words_of(analysis, dataset)


def test_support_counts_the_tests_that_point_to_the_verdict(order: TransitionOrder) -> None:
    agree = [test for test in order.evidence if test.points_to == order.verdict]
    assert order_support(order).startswith(f"{len(agree)} of {len(order.evidence)} tests")
    other = replace(order, verdict="continuous")
    assert f"{len(agree)} to first order" in order_support(other)


def test_tables_to_copy(analysis: Analysis, dataset: xr.Dataset, words_of: Words) -> None:
    words = words_of(analysis, dataset)
    assert r"\toprule parameter & value & 68\,\% interval \\" in words
    assert "m_c (N -> infinity),13.04,0.05,0.04," in words
    assert "@software{physbatch, author = {{The physbatch developers}}" in words
    assert "version = {0.1.0}, year = {2026}, }" in words
    assert "doi = {10.1088/2632-2153/ad1de6}" in words


def test_bibtex_stays_whole_whatever_a_reference_holds() -> None:
    text = "A {B} & C_1 100 % (1999), doi:10.1000/x; arXiv:1804.07612"
    entries = bibtex(xr.Dataset(attrs={"references": text}), "physbatch 9.8.7")
    assert entries.count("{") == entries.count("}")
    assert "year = {1999}" in entries
    assert r"\& C\_1 100 \%" in entries
    assert entries.count("@misc{") == 2
    assert "version = {9.8.7}" in entries
