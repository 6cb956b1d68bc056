"""Every lazy package has the names that it lists, and no others."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import pytest

import physbatch

LIBRARY = Path(physbatch.__file__).parent
PACKAGES = sorted(
    ".".join(("physbatch", *path.parent.relative_to(LIBRARY).parts))
    for path in LIBRARY.rglob("__init__.py")
    if "lazy_names(__name__)" in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_is_there(name: str) -> None:
    package = importlib.import_module(name)
    assert len(package.__all__) == len(set(package.__all__)) > 0
    assert all(getattr(package, listed) is not None for listed in package.__all__)
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = package.nothing


def test_packages_are_lazy() -> None:
    assert {"physbatch", "physbatch.noise", "physbatch.plots", "physbatch.scaling"} < set(PACKAGES)


def test_a_module_of_the_package_and_a_name_of_it() -> None:
    assert physbatch.exact.planted.__name__ == "physbatch.exact.planted"
    assert physbatch.catalogue.__name__ == "physbatch.study.catalogue"
    assert physbatch.collapse is physbatch.scaling.collapse
    assert pickle.loads(pickle.dumps(physbatch.collapse)) is physbatch.collapse
