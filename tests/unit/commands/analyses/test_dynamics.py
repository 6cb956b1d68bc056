"""`physbatch dynamics`: the command prints, writes and draws what the library finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import PhysbatchError
from physbatch.results import open_results
from tests.conftest import run_command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    grid = np.meshgrid(np.geomspace(4.0, 200.0, 7), np.linspace(0.7, 1.3, 7))
    time, control = (axis.ravel() for axis in grid)
    rho = time**-0.5 * (1.5 + np.tanh((control - 1.0) * time**0.5))
    noise = 1.0 + 0.01 * np.random.default_rng(1).normal(size=rho.size)
    rows = np.column_stack([time, control, rho * noise, 0.01 * rho])
    path = tmp_path / "decay.csv"
    np.savetxt(path, rows, delimiter=",", header="t,p,rho,rho_err", comments="")
    return path


def test_prints_writes_and_draws(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, figure = file.with_name("dynamics.nc"), file.with_name("dynamics.png")
    run_command("dynamics", file, output=output, figure=figure, json=True)
    document = json.loads(capsys.readouterr().out)
    stored = open_results(output)
    assert document["kind"] == "dynamic scaling"
    assert document["parameters"]["delta"]["value"] == stored["delta"].value
    for name, exact in (("c_c", 1.0), ("delta", 0.5), ("nu_par", 2.0), ("beta", 1.0)):
        number = document["parameters"][name]
        assert abs(number["value"] - exact) < 4.0 * number["total"]
    assert figure.exists()
    assert "-> infinity, then t -> infinity" in repr(stored)


def test_a_range_that_holds_nothing_is_refused(file: Path) -> None:
    with pytest.raises(PhysbatchError, match="0 points are within the range"):
        run_command("dynamics", file, time_min=1000.0)
    with pytest.raises(PhysbatchError, match="no time column 'sweeps'"):
        run_command("dynamics", file, time="sweeps")
