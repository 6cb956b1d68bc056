"""Files of results of version 1 open and equal what was stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.results import Record, flags, open_results
from physbatch.scaling import ScalingFit, fit_law, law
from tests.compat.results import STORED

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("name", STORED)
def test_results_of_version_1_open_equal_to_the_object(name: str, tmp_path: Path) -> None:
    old = open_results(FOLDER / f"results-1-{name}.nc")
    expected: Record = STORED[name]()
    assert old.identical(expected)
    assert repr(old) == repr(expected)
    assert old.to_json() == expected.to_json()
    again = open_results(old.save(tmp_path / "new.nc"))
    assert again.identical(expected)
    assert flags.BAD_FIT.among(again.flags)


def test_laws_of_version_1_are_objects_today() -> None:
    size, value = np.array([8.0, 16, 32, 64, 128]), np.array([1.1, 1.9, 4.1, 8.0, 16.2])
    laws = [law("power"), law("shifted")]
    new = fit_law(size, value, np.full(5, 0.1), laws, variables=("L",))
    old = open_results(FOLDER / "results-1-fit.nc")
    assert isinstance(old, ScalingFit)
    assert (old.laws, old.form, old.names) == (new.laws, new.form, new.names)
    np.testing.assert_array_equal(old.fit_law, new.fit_law)
    assert old["b"].value == pytest.approx(new["b"].value, rel=1e-6)
    np.testing.assert_allclose(old.curve(size), new.curve(size), rtol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.assign_attrs(physbatch_results=99),
        lambda data: data.assign_attrs(physbatch_results="one"),
        lambda data: data.assign_attrs(reasons="[not json"),
        lambda data: data.assign_attrs(reasons="3"),
        lambda data: data.assign_attrs(provenance="[]"),
        lambda data: data.assign_attrs(curve_count=77),
        lambda data: data.drop_vars("curve_control"),
        lambda data: data.drop_vars("jump_latent_flags"),
        lambda data: data.drop_vars("limit_m_c"),
        lambda data: data.assign(curve_flags=xr.full_like(data["curve_flags"], "{")),
        lambda data: data.isel(curve=0),
    ],
)
def test_damaged_results_of_version_1_give_one_line(
    damage: Callable[[xr.Dataset], xr.Dataset], tmp_path: Path
) -> None:
    with xr.open_dataset(FOLDER / "results-1-analysis.nc") as data:
        damage(data.load()).to_netcdf(tmp_path / "odd.nc")
    with pytest.raises(DatasetError) as caught:
        open_results(tmp_path / "odd.nc")
    assert "\n" not in str(caught.value)
