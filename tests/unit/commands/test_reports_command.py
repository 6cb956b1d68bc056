"""`physbatch report` takes a dataset and stored results, and refuses what belongs elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from physbatch.cli import main
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import save
from physbatch.results import open_results
from physbatch.scaling import analyse, transition_order
from physbatch.scaling.laws.fits import fit_law


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    data = first_order(sizes=(50, 100, 200), control=(12.0, 12.5, 13.0, 13.5, 14.0), replicas=24)
    save(data, folder / "data.nc")
    analyse(data, resamples=60).save(folder / "results.nc")
    transition_order(data, resamples=60).save(folder / "order.nc")
    fit_law([8, 16, 32], [1.0, 2.0, 4.0], [0.1] * 3).save(folder / "law.nc")
    few = first_order(sizes=(50, 100), control=(12.0, 13.0, 14.0), replicas=24)
    save(few, folder / "few.nc")
    other = few.assign_attrs(study_hash="of another study")
    save(other, folder / "other.nc")
    return folder


def write(folder: Path, *names: str) -> int:
    words = [str(folder / name) for name in names]
    return main(["report", *words, "-o", str(folder / "report.html")])


def test_stored_results_give_the_page_that_the_dataset_gives(folder: Path) -> None:
    assert write(folder, "data.nc", "results.nc", "order.nc") == 0
    page = (folder / "report.html").read_text("utf-8")
    order = open_results(folder / "order.nc")
    assert f"<strong>{order.verdict}</strong>" in page
    assert page.count("<figure") == 7
    assert "order.nc" in page


def test_too_few_sizes_for_an_order_are_named_on_the_page(folder: Path) -> None:
    assert write(folder, "few.nc") == 0
    page = (folder / "report.html").read_text("utf-8")
    assert "<strong>not decided</strong>: " in page
    assert "not decided</strong>: not analysed" not in page


@pytest.mark.parametrize("name", ["results.nc", "order.nc", "law.nc"])
def test_results_alone_have_a_page(name: str, folder: Path) -> None:
    assert write(folder, name) == 0
    page = (folder / "report.html").read_text("utf-8")
    assert name in page
    assert page.count("<figure") == 1


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("results.nc", "order.nc"), "no dataset among the files"),
        (("other.nc", "results.nc"), "the results belong to another study"),
        (("data.nc", "law.nc"), "a report of a dataset has no place for ScalingFit"),
    ],
)
def test_refuses_in_one_line(
    names: tuple[str, ...], complaint: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert write(folder, *names) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
