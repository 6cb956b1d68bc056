"""Directed percolation from simulations of the contact process: delta, z, nu_par and lambda_c.

By the command line, from columns t, lambda, rho with errors or without, with sizes, and from the
mean square distance of a spread. All within 3 total errors (fixed seeds); the slow part takes
larger data of several seeds and asks for pulls that are neither too wide nor too narrow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from tests.physics import contact_process as process
from tests.physics.contact_process import FloatArray

RATES = process.LAMBDA_C + np.array([-0.12, -0.06, -0.025, 0.0, 0.03, 0.07, 0.13])
EXACT = {
    "c_c": process.LAMBDA_C,
    "delta": process.DELTA,
    "nu_par": process.NU_PAR,
    "z": process.Z,
}


def dynamics(
    columns: Mapping[str, FloatArray], folder: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, float]:
    """Pulls of what the command states of a file with these columns."""
    keep = np.all([column > 0 for name, column in columns.items() if "err" in name], axis=0)
    names = [name for name in columns if name != "L" or np.unique(columns["L"]).size > 1]
    keep = np.broadcast_to(keep, columns["t"].shape)
    rows = np.column_stack([columns[name] for name in names])
    path = folder / "runs.csv"
    np.savetxt(path, rows[keep], delimiter=",", header=",".join(names), comments="")
    capsys.readouterr()
    assert main(["dynamics", str(path), "--json"]) == 0
    parameters = json.loads(capsys.readouterr().out)["parameters"]
    return {
        name: (parameters[name]["value"] - exact) / parameters[name]["total"]
        for name, exact in EXACT.items()
        if name in parameters
    }


def without_errors(columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: column for name, column in columns.items() if not name.endswith("_err")}


def test_the_sampler_has_the_mean_of_the_master_equation() -> None:
    """One site that cannot be reached again: n(t) of a ring of two sites, all four states exact.

    From both active, d p2/dt = -2 p2 + lambda p1, d p1/dt = 2 p2 - (1 + lambda) p1.
    """
    rate, times = 3.0, np.array([0.5, 1.5])
    generator = np.array([[-2.0, rate], [2.0, -(1.0 + rate)]])
    values, vectors = np.linalg.eig(generator)
    start = np.linalg.solve(vectors, [1.0, 0.0])
    law = np.array([vectors @ (np.exp(values * t) * start) for t in times])
    exact = (2.0 * law[:, 0] + law[:, 1]) / 2.0
    out = process.runs(2, rate, times, 40_000, np.random.default_rng(1), False)[..., 0] / 2.0
    error = out.std(axis=0) / 200.0
    assert np.abs((out.mean(axis=0) - exact) / error).max() < 4.5


def test_decay_gives_delta_nu_par_and_lambda_c(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.geomspace(5.0, 300.0, 12).round()
    columns = process.decay(RATES, times, sizes=[1000], sites=16_000, seed=2)
    for data in (columns, without_errors(columns)):
        z = dynamics(data, tmp_path, capsys)
        assert set(z) == {"c_c", "delta", "nu_par"}
        assert max(map(abs, z.values())) < 3.0, z


def test_sizes_give_z(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = np.geomspace(5.0, 200.0, 8).round()
    columns = process.decay(RATES, times, sizes=[16, 32, 64], sites=12_000, seed=2)
    z = dynamics(columns, tmp_path, capsys)
    assert set(z) == set(EXACT)
    assert max(map(abs, z.values())) < 3.0, z


@pytest.mark.slow
def test_spreading_gives_z(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """P and R2 from one active site; without errors as well."""
    times = np.geomspace(5.0, 200.0, 10).round()
    columns = process.spreading(RATES, times, count=2000, seed=2)
    for data in (columns, without_errors(columns)):
        z = dynamics(data, tmp_path, capsys)
        assert {"delta", "z"} <= set(z)
        assert max(map(abs, z.values())) < 3.0, z


@pytest.mark.slow
def test_pulls_of_larger_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five seeds: within 3.5 total errors, and 0.2 to 1.6 in the root mean square."""
    times = np.geomspace(5.0, 500.0, 14).round()
    each = []
    for seed in range(5):
        columns = process.decay(RATES, times, sizes=[1500], sites=45_000, seed=100 + seed)
        each.append(list(dynamics(columns, tmp_path, capsys).values()))
    pulls = np.array(each)
    assert np.abs(pulls).max() < 3.5
    assert 0.2 < math.sqrt(float(np.mean(pulls**2))) < 1.6
