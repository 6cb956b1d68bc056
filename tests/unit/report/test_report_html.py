"""The report is well-formed, complete on its own, and says what the results say."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import OutputError
from physbatch.report import render_report, write_report
from physbatch.report.rows import references, study_table
from physbatch.results import Flag
from physbatch.results.estimate import Estimate
from physbatch.scaling.transition.result import Analysis
from tests.unit.report.page import LOADING, Page, Words


@pytest.fixture(scope="module")
def html(synthetic: ModuleType, analysis: Analysis) -> str:
    return render_report(analysis, synthetic.make_dataset())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_is_strict_html(html: str, page: Page) -> None:
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert page.all("meta")[0] == {"charset": "utf-8"}
    assert html.index("<meta charset") < 1024
    names = {attrs.get("name"): attrs.get("content") for attrs in page.all("meta")}
    assert names["viewport"] == "width=device-width, initial-scale=1"
    assert html.count("<title>m_c of a sparse two-layer network</title>") == 1
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids)), "an id is there twice"
    for _, attrs in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            if name in attrs:
                assert attrs[name] in ids
        reference = attrs.get("href") or ""
        if reference.startswith("#"):
            assert reference[1:] in ids
    for reference in re.findall(r"url\(#([^)]+)\)", html):
        assert reference in ids


def test_headings_do_not_skip_a_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_loads_nothing(html: str, page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}
    for tag, attrs in page.elements:
        assert not LOADING & attrs.keys(), f"<{tag}> loads something"
        assert not any(name.startswith("on") for name in attrs)
        if "href" in attrs and tag != "a":
            assert str(attrs["href"]).startswith("#")
    assert "@import" not in html
    assert "@font-face" not in html
    assert not re.findall(r"url\((?!#)", html)
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert str(policy).startswith("default-src 'none'")


def test_links_only_go_to_references(page: Page) -> None:
    outside = [attrs["href"] for attrs in page.all("a") if not str(attrs["href"]).startswith("#")]
    assert outside == ["https://doi.org/10.1088/2632-2153/ad1de6"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A, J. 5 (2024), doi:10.1000/ab-1.", "A, J. 5 (2024), doi:10.1000/ab-1."),
        ("B (https://doi.org/10.1000/x(3)y)", "B (doi:10.1000/x(3)y)"),
        ("10.1000/only", "doi:10.1000/only"),
        ("a book", "a book"),
    ],
)
def test_references_name_a_doi_once(
    text: str, shown: str, words_of: Words, analysis: Analysis
) -> None:
    words = words_of(analysis, xr.Dataset(attrs={"references": text, "comment": ""}))
    assert words[words.index("References ") :].startswith(f"References {shown} Made by")
    assert "comment" not in words


def test_every_figure_has_an_alternative(html: str, page: Page) -> None:
    pictures = page.all("svg")
    assert len(pictures) == len(page.all("figure")) == len(page.all("figcaption")) == 6
    for attrs in pictures:
        assert attrs["role"] == "img"
        title = re.search(rf'<title id="{attrs["aria-labelledby"]}">([^<]+)</title>', html)
        assert title is not None
        assert len(title.group(1)) > 30


def test_every_table_has_caption_and_scopes(page: Page) -> None:
    assert len(page.all("table")) == len(page.all("caption")) == 4
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert all(attrs.get("tabindex") == "0" for attrs in page.all("div") if "role" in attrs)


def test_answer_is_one_sentence_with_errors(page: Page) -> None:
    assert (
        "A transition is claimed: within 1000 sweeps, half of the students succeed at a critical "
        "mini-batch size of mc = 13.04(5)(4) for N → ∞, and the overlap jumps there by 0.650(20)."
        in page.words
    )


def test_order_of_contents(page: Page) -> None:
    ids = [attrs.get("id") for attrs in page.all("h2")]
    assert ids == [
        "figures",
        "sizes",
        "forms",
        "remarks",
        "study",
        "provenance",
        "again",
        "tables",
        "references",
    ]


def test_tables_hold_the_results(analysis: Analysis, page: Page) -> None:
    for curve, drift, jump in zip(analysis.curves, analysis.drifts, analysis.jumps, strict=True):
        row = f"{curve.size:g}{curve.m_c}{curve.width}{drift.slope}{jump.latent}9.7 / 11none"
        assert row in page.words
    assert "critical valuea + b / sqrt(N)13.14(7)" in page.words


def test_weights_are_shown_where_there_are_any(
    analysis: Analysis, page: Page, words_of: Words
) -> None:
    assert "weight" in page.words
    assert "0.63" in page.words
    forms = [analysis.m_c_extrapolation, analysis.jump_extrapolation]
    first, second = (
        replace(form, form_weight=np.full(4, np.nan)) for form in forms if form is not None
    )
    words = words_of(replace(analysis, m_c_extrapolation=first, jump_extrapolation=second))
    assert "weight" not in words


def test_study_and_provenance_are_there(page: Page, dataset: xr.Dataset) -> None:
    assert "dynamics.tiesreject" in page.words
    assert str(dataset.attrs["study"]) in page.words
    assert "[system]degree = 5" in page.words.replace(" degree", "degree").replace("] ", "]")
    for text in ("2.13.0", "cpu (x86_64)", "5c9d4a1e0b7f", "2026-01-02T03:04:05Z", "ab" * 32):
        assert text in page.words
    assert (
        "physbatch run study.toml -o data.nc physbatch report data.nc -o report.html" in page.words
    )


def test_one_flag_in_many_places_is_told_once(analysis: Analysis, words_of: Words) -> None:
    flag = Flag.read("few_replicas: only 4 replicas at the ends")
    curves = tuple(replace(curve, flags=(flag,)) for curve in analysis.curves)
    words = words_of(replace(analysis, curves=curves))
    told = words[words.index("Warnings") : words.index("The study")]
    assert told.count("only 4 replicas") == 1
    assert "success curve, N = 50; success curve, N = 100" in told
    assert words.count("only 4 replicas") == 1 + len(curves)


def test_no_flags_is_said(analysis: Analysis, words_of: Words) -> None:
    words = words_of(replace(analysis, flags=()))
    assert "None: every fit converged" in words


def test_everything_from_files_is_escaped(analysis: Analysis, synthetic: ModuleType) -> None:
    bad = "<script>alert('x')</script>\"&--><svg onload=alert(1)>"
    dataset = synthetic.make_dataset(bad)
    dataset.attrs |= {bad: bad, "references": f'{bad}; 10.1000/a"onclick=1<b>', "history": bad}
    poisoned = replace(
        analysis,
        reasons=(bad,),
        flags=(Flag.read(bad), Flag.read(f"name: {bad}")),
        time_units=bad,
        source=bad,
        control_label=bad,
        control_name="other",
        moments=analysis.moments.rename(batch_size="other"),
        provenance={bad: bad},
    )
    html = render_report(poisoned, dataset, commands=[bad])
    page = Page(html)
    assert "<script" not in html
    assert "<svg onload" not in html
    assert not page.all("script")
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert html.count("&lt;script&gt;") > 10


def test_nothing_resolved(analysis: Analysis, synthetic: ModuleType, dataset: xr.Dataset) -> None:
    page = Page(render_report(synthetic.without_fits(analysis), dataset))
    assert (
        "No transition is claimed: within 1000 sweeps, the data do not tell at which mini-batch "
        "size half of the students succeed at N = 50, 100, 200, 400, and no jump of the overlap "
        "was resolved. These numbers carry warnings." in page.words
    )
    assert "not resolved" in page.words
    assert not re.search(r"\bnan\b", page.words)
    assert "No extrapolation" in page.words
    assert "the step lies between two controls" in page.words
    assert len(page.all("svg")) == 4


def test_one_size_is_not_called_a_limit(synthetic: ModuleType, words_of: Words) -> None:
    analysis = synthetic.make_analysis((100.0,))
    words = words_of(analysis)
    answer = f"mc = {analysis.curves[0].m_c} at N = 100, with no limit for N → ∞"
    assert answer in words


def test_jump_without_a_claim_is_not_called_a_jump(analysis: Analysis, words_of: Words) -> None:
    words = words_of(replace(analysis, transition="not claimed"))
    assert "jumps there" not in words
    assert "half of the students succeed at a mini-batch size of mc" in words
    words = words_of(replace(analysis, jump=Estimate(float("nan"))))
    assert "no jump of the overlap was resolved" in words


def test_batch_ratio(synthetic: ModuleType, words_of: Words) -> None:
    words = words_of(synthetic.make_analysis(control_name="batch_ratio"))
    assert "critical batch ratio m/N of (m/N)c = 0.1304(5)(4)" in words


@pytest.mark.parametrize("study", ["", "not json", "[1, 2]", "3"])
def test_data_without_a_study(
    study: str, analysis: Analysis, dataset: xr.Dataset, words_of: Words
) -> None:
    dataset.attrs |= {"study": study, "title": "", "references": ""}
    words = words_of(analysis, dataset)
    assert "The data carry no study." in words
    assert "The data name none." in words
    assert "physbatch report data.nc -o report.html" in words
    assert "physbatch run" not in words[words.index("How to reproduce") :]


@pytest.mark.parametrize("study", ["[" * 100_000, '{"title": ' + "9" * 5000 + "}", "[]"])
def test_a_study_that_cannot_be_read_is_none(study: str) -> None:
    data = xr.Dataset(attrs={"study": study})
    assert study_table(data) is None
    assert references(data) == []


def test_half_a_character_ends_in_a_page(
    analysis: Analysis, dataset: xr.Dataset, tmp_path: Path
) -> None:
    """JSON can say it; no file takes it."""
    data = dataset.assign_attrs(study=json.dumps({"title": "\ud800"}))
    path = write_report(analysis, data, tmp_path / "r.html")
    assert path.read_text("utf-8").rstrip().endswith("</html>")


def test_empty_attributes(analysis: Analysis, words_of: Words) -> None:
    assert words_of(analysis, xr.Dataset()).startswith("physbatch report")


def test_writes_the_same_bytes_whole(
    analysis: Analysis, dataset: xr.Dataset, tmp_path: Path
) -> None:
    data = tmp_path / "quickstart.nc"
    data.write_bytes(b"content")
    first = write_report(analysis, dataset, tmp_path / "a.html", [data])
    second = write_report(analysis, dataset, tmp_path / "b.html", [data])
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert hashlib.sha256(b"content").hexdigest() in text
    assert "physbatch run study.toml -o quickstart.nc" in text
    assert str(tmp_path) not in text, "a folder of this machine is in the report"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html", "quickstart.nc"]


def test_commands_name_the_files(
    analysis: Analysis, dataset: xr.Dataset, tmp_path: Path, words_of: Words
) -> None:
    files = [tmp_path / "a.nc", tmp_path / "b.nc"]
    for file in files:
        file.write_bytes(b"")
    words = Page(render_report(analysis, dataset, files)).words
    assert "physbatch run study.toml -o a.nc physbatch analyse a.nc -o b.nc" in words
    assert "physbatch report a.nc b.nc -o report.html" in words


def test_missing_file_is_named(analysis: Analysis, dataset: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"gone\.nc: cannot read"):
        write_report(analysis, dataset, tmp_path / "a.html", [tmp_path / "gone.nc"])
    assert list(tmp_path.iterdir()) == []


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_has_contrast_in_both_schemes(html: str) -> None:
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", html, flags=re.DOTALL)[:2]
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for text in ("ink", "soft", "accent", "good", "open"):
            assert contrast(colours[text], colours["paper"]) >= 4.5
        assert contrast(colours["soft"], colours["card"]) >= 4.5
