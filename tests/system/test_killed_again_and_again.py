"""SIGKILL at random moments, to anyone, again and again: `tests.system.kills`."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

pytest.importorskip("distributed", reason="component missing: dask.distributed")
if not Path("/proc/self/task").exists():
    pytest.skip("no /proc on this system", allow_module_level=True)

from tests.system import kills  # after what it needs is known to be there


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return kills.undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize(
    "number", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 40))]
)
def test_rounds(number: int, tmp_path: Path, undisturbed: xr.Dataset) -> None:
    killed, wrong = kills.disturb(number, tmp_path / "room", undisturbed)
    assert not wrong, f"after {killed}: {wrong}"
