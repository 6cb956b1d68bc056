"""`physbatch passages`: escape times of a planted dataset, their laws, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import OutputError, PhysbatchError
from physbatch.exact.escapes import nucleation_rate
from physbatch.exact.phases import nucleation
from physbatch.exact.planted import first_order
from physbatch.files.netcdf import open_netcdf, save
from physbatch.results import open_results
from physbatch.scaling.times.escapes import escape_times
from tests.conftest import run_command


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    data = first_order(sizes=(50, 100, 200), control=(13.0, 13.5), replicas=64, seed=2)
    return Path(save(data, tmp_path / "runs.nc"))


def test_prints_what_the_library_finds(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = escape_times(open_netcdf(runs))
    run_command("passages", runs)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tau of 6 of 6 cells, in sweeps"
    for line, tau in zip(lines[1:7], expected.stated().values(), strict=True):
        assert f": {tau} (" in line
    assert sum(line.startswith("ln tau at batch_size") for line in lines) == 2


def test_json_and_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = runs.with_name("times.nc")
    run_command("passages", runs, output=output, json=True)
    document = json.loads(capsys.readouterr().out)
    stored = open_results(output)
    assert [cell["tau"] for cell in document["cells"]] == stored.tau.tolist()
    assert [cell["passed"] for cell in document["cells"]] == stored.passed.tolist()
    assert all(cell["lower68"] < cell["tau"] < cell["upper68"] for cell in document["cells"])
    assert set(document["fits"]) == {"ln tau at batch_size = 13", "ln tau at batch_size = 13.5"}
    run_command("passages", runs, output=output)  # results may be replaced


def test_escape_times_follow_the_planted_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tau = 1/rate in every cell, in ln tau within 4.5 of its errors; exp(N Delta) is preferred."""
    times = np.geomspace(1.0, 1000.0, 40)
    data = nucleation(sizes=(20, 40, 60), control=(9.9, 9.95), replicas=200, times=times, seed=3)
    run_command("passages", save(data, tmp_path / "nucleation.nc"), json=True)
    document = json.loads(capsys.readouterr().out)
    assert len(document["cells"]) == 6
    for cell in document["cells"]:
        rate = float(nucleation_rate(cell["size"], cell["control"] - 10.0))
        assert abs(np.log(cell["tau"] * rate)) < 4.5 * cell["stderr"] / cell["tau"]
    steep = document["fits"]["ln tau at batch_size = 9.9"]
    delta = steep["parameters"]["Delta"]
    assert abs(delta["value"] - 0.1) < 4 * np.hypot(delta["stderr"], delta["systematic"])


def test_refusals(runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.nc"
    xr.Dataset({"x": ("a", np.arange(3.0))}).to_netcdf(other)
    with pytest.raises(PhysbatchError) as caught:
        run_command("passages", other)
    assert caught.value.exit_code == 2
    with pytest.raises(OutputError, match="holds something else"):
        run_command("passages", runs, output=runs)
    data = open_netcdf(runs).load()
    swept = xr.concat([data, data], dim="learning_rate", data_vars="all")
    many = runs.with_name("many.nc")
    save(swept.assign_coords(learning_rate=[0.1, 0.2]), many)
    with pytest.raises(PhysbatchError) as caught:
        run_command("passages", many)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
