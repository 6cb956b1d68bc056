"""Every finding at reduced size: from its studies to its figures and numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analysis.common import (
    DATA,
    Datasets,
    Question,
    answer_line,
    number_row,
    questions,
    read_csv,
)
from analysis.remake import checksum, publish, read_manifest, verify
from physbatch.sweep import run_study

ALL = pytest.mark.parametrize("question", questions(), ids=lambda question: question.name)


@ALL
def test_reduced_studies_lead_to_figures_and_numbers(question: Question, tmp_path: Path) -> None:
    """The script runs on other data than its own, and says the same kinds of things."""
    assert set(question.script.REDUCED) == set(question.studies())
    for study in question.studies():
        run_study(question.reduced_study(study), question.data_file(study, tmp_path), workers=1)
    finding = question.script.find(Datasets(question, tmp_path))
    assert finding.figures
    assert finding.numbers
    publish(question, tmp_path, finding)
    for name in finding.figures:
        for ending in ("pdf", "png"):
            drawn = (tmp_path / f"{name}.{ending}").read_bytes()
            assert len(drawn) > 2000
            assert (question.folder / f"{name}.{ending}").exists()


@ALL
def test_the_page_quotes_the_numbers(question: Question) -> None:
    """Whole rows: what is stored, rounded again, has the last digit of the page."""
    page = (question.folder / "README.md").read_text("utf-8")
    for number in read_csv(question.folder / "numbers.csv"):
        assert f"\n{number_row(number)}\n" in page
    for figure in question.folder.glob("*.png"):
        assert figure.name in page


@ALL
def test_the_answer_quotes_its_numbers(question: Question) -> None:
    """What the answer in one line states with an error stands in the table below it."""
    answer = answer_line(question)
    assert 20 < len(answer) < 150
    page = (question.folder / "README.md").read_text("utf-8")
    for number in re.findall(r"\d+\.\d+(?:\([\d.]+\))+", answer):
        assert f"| {number} |" in page


@ALL
def test_the_manifest_names_every_file(question: Question) -> None:
    entries = read_manifest()
    for study in question.studies():
        path = question.data_file(study)
        assert entries[path.name]["sha256"] == checksum(path)


def test_nothing_else_lies_in_data() -> None:
    wanted = {
        question.data_file(study).name for question in questions() for study in question.studies()
    }
    assert {path.name for path in DATA.glob("*.nc")} == wanted == set(read_manifest())


@pytest.mark.slow
@ALL
def test_cells_recomputed_bit_for_bit(question: Question) -> None:
    assert verify([question]) == []


@pytest.mark.slow
@ALL
def test_figures_are_the_committed_bytes(question: Question, tmp_path: Path) -> None:
    finding = question.script.find(Datasets(question))
    publish(question, tmp_path, finding)
    for made in sorted(tmp_path.iterdir()):
        assert made.read_bytes() == (question.folder / made.name).read_bytes(), made.name
