"""Variables are compared part by part: the parts change nothing."""

import numpy as np
import pytest
import xarray as xr

from physbatch.study import comparison
from physbatch.study.comparison import value_differences


def pair() -> tuple[xr.Dataset, xr.Dataset]:
    """Two datasets that differ in three values, one of them nan on one side."""
    draw = np.random.default_rng(3)
    overlap = draw.random((2, 37, 5))
    data = xr.Dataset(
        {
            "overlap": (("size", "batch_size", "replica"), overlap),
            "status": (("size", "batch_size", "replica"), np.zeros((2, 37, 5), dtype=np.int8)),
            "number": ((), 3.0),
        },
        {"size": [10, 20], "batch_size": np.arange(37.0), "replica": np.arange(5)},
    )
    other = data.copy(deep=True)
    other["overlap"][0, 0, 0] += 0.25
    other["overlap"][1, 36, 4] -= 0.5
    other["status"][1, 20, 2] = 3
    return data, other


@pytest.mark.parametrize("size", [1, 100, 10**9])
def test_parts_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "_PART", size)
    data, other = pair()
    differences = value_differences(data, other.transpose())
    assert {name: (d.common, d.differing) for name, d in differences.items()} == {
        "overlap": (370, 2),
        "status": (370, 1),
        "number": (1, 0),
    }
    assert differences["overlap"].largest == pytest.approx(0.5, rel=1e-15)
    assert differences["status"].largest == 3
    other["overlap"][0, 5, 1] = np.nan
    broken = value_differences(data, other)["overlap"]
    assert broken.differing == 3
    assert np.isnan(broken.largest)
