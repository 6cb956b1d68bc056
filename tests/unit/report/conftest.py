"""The same synthetic results as for the figures."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr

from physbatch.scaling.results import Analysis

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
