"""The synthetic results that the figures are drawn from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from physbatch.scaling.transition.result import Analysis


def _load() -> ModuleType:
    # By path, so that it works whatever pytest's import mode.
    name = "physbatch_synthetic"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).with_name("synthetic.py")
        )
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    return _load()


@pytest.fixture(scope="session")
def analysis(synthetic: ModuleType) -> Analysis:
    result = synthetic.make_analysis()
    assert isinstance(result, Analysis)
    return result
