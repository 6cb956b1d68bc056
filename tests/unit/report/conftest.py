"""The same synthetic results as for the figures, and the words of reports."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr

from physbatch.exact import phases
from physbatch.report import render_report
from physbatch.scaling import Analysis, TransitionOrder, transition_order
from tests.unit.report.page import Page, Words

_SOURCE = Path(__file__).parents[1] / "plots" / "synthetic.py"


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    name = "physbatch_synthetic"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _SOURCE)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def analysis(synthetic: ModuleType) -> Analysis:
    result = synthetic.make_analysis()
    assert isinstance(result, Analysis)
    return result


@pytest.fixture
def dataset(synthetic: ModuleType) -> xr.Dataset:
    result = synthetic.make_dataset()
    assert isinstance(result, xr.Dataset)
    return result


@pytest.fixture
def words_of(monkeypatch: pytest.MonkeyPatch, synthetic: ModuleType) -> Words:
    """The words of a report without its figures, which take a second to draw."""
    monkeypatch.setattr("physbatch.report.html.report_figures", lambda _: [])
    monkeypatch.setattr("physbatch.report.html.order_figure", lambda _: [])

    def words(
        analysis: Analysis,
        dataset: xr.Dataset | None = None,
        order: TransitionOrder | str | None = None,
    ) -> str:
        data = synthetic.make_dataset() if dataset is None else dataset
        return Page(render_report(analysis, data, order=order)).words

    return words


@pytest.fixture(scope="module")
def order() -> TransitionOrder:
    return transition_order(phases.equilibrium_first_order((50, 100, 200, 400), seed=2))
