"""Planes of two parameters, units of a committee, and the flow around one unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import physbatch
from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.errors import AnalysisError
from physbatch.exact.committee import equations_of_motion, integrate_equations
from physbatch.exact.planted import first_order
from physbatch.files import save
from physbatch.plots import plot_flow, plot_plane, plot_units
from physbatch.scaling import parameter_plane
from physbatch.theory import unit_flow

DATA = Path(__file__).parents[4] / "data"


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """One erf unit at N = 400, eta/m = 2.03, from a random start."""
    study = physbatch.catalogue.study(
        "erf-committee",
        size=[400],
        batch_size=[10.0],
        replicas=12,
        duration=6000,
        times={"kind": "log", "per_decade": 20},
    )
    return physbatch.run_study(study, tmp_path_factory.mktemp("unit") / "unit.nc", workers=1)


def test_planes_hold_means_over_replicas() -> None:
    data = first_order(sizes=(50, 100))
    data["status"][{"size": 0, "batch_size": 0}] = 1
    data["success"][{"size": 1, "batch_size": 0}] = -1
    plane = parameter_plane(data, y="size")
    last = data["overlap"].isel(time=-1).transpose("size", "batch_size", "replica").values
    np.testing.assert_allclose(plane.overlap[1], last[1].mean(axis=1))
    assert np.isnan(plane.overlap[0, 0])
    assert np.isnan(plane.success[1, 0])
    drawn = plot_plane(plane, labels={"control": "drive $g$"})
    assert drawn.ax.get_xlabel() == "drive $g$"
    assert drawn.ax.get_ylabel() == "size $N$"
    for x, y in (("size", "size"), ("nothing", "size")):
        with pytest.raises(AnalysisError, match="no plane of"):
            parameter_plane(data, x, y)
    with pytest.raises(AnalysisError, match="size swept as well"):
        parameter_plane(open_dataset(DATA / "phase_diagram-erf.nc"))


def test_units_are_those_of_the_dataset() -> None:
    data = open_dataset(DATA / "erf_committee-path4.nc")
    drawn = plot_units(data, replica=3)
    assert next(iter(drawn.panels)) == "t = 0"
    assert len(drawn.panels) == 6
    mesh = drawn.axes[-1].collections[0]
    held = data["teacher_overlap"].isel(size=0, batch_size=0, replica=3, time=-1).values
    np.testing.assert_array_equal(np.ravel(mesh.get_array()), held.ravel())
    assert plot_units(data, of="student").axes[0].get_xlabel() == "student unit"
    with pytest.raises(AnalysisError, match="no replica 99"):
        plot_units(data, replica=99)
    with pytest.raises(AnalysisError, match="no teacher_overlap"):
        plot_units(first_order(sizes=(50,)))
    with pytest.raises(AnalysisError, match="batch_size left with more"):
        plot_units(open_dataset(DATA / "erf_committee-batch20.nc").isel(size=0))


def test_the_flow_is_that_of_the_equations_and_replicas_follow_it(unit: xr.Dataset) -> None:
    flow = unit_flow(unit)
    assert flow.rate == pytest.approx(20.2789 / 10.0)
    for row, column in ((3, 4), (12, 9)):
        q, r = np.array([[flow.q[row]]]), np.array([[flow.r[column]]])
        assert q > r**2
        of_q, of_r = equations_of_motion(q, r, np.eye(1), flow.rate)
        assert flow.velocity_q[row, column] == of_q.item()
        assert flow.velocity_r[row, column] == of_r.item()
    r, q = np.meshgrid(flow.r, flow.q)
    assert np.array_equal(np.isnan(flow.velocity_r), q <= r**2)
    # From each start the equations give the course up to fluctuations of order 1/sqrt(N).
    alpha = unit["time"].values * 10.0 / 400.0
    for replica in range(4):
        start = flow.student_overlap[replica, :1], flow.teacher_overlap[replica, :1]
        course = integrate_equations(*(x[:, None] for x in start), np.eye(1), flow.rate, alpha)
        apart = np.abs(course.teacher_overlap.ravel() - flow.teacher_overlap[replica])
        assert apart.max() < 8.0 / np.sqrt(400.0)
        assert apart[-1] < 1e-3
    drawn = plot_flow(flow)
    np.testing.assert_array_equal(drawn.curves[0].get_xdata(), flow.teacher_overlap[0])
    assert drawn.ax.get_title() == r"$\eta/m = 2.028$"


def test_flows_that_are_not_known_are_refused(unit: xr.Dataset) -> None:
    for data, words in (
        (open_dataset(DATA / "erf_committee-path4.nc"), "single unit"),
        (first_order(sizes=(50,)), "single unit"),
        (open_dataset(DATA / "erf_committee-batch20.nc"), "swept as well"),
    ):
        with pytest.raises(AnalysisError, match=words):
            unit_flow(data)
    gone = unit.copy(deep=True)
    gone["status"][:] = 1
    with pytest.raises(AnalysisError, match="no replica stayed finite"):
        plot_flow(unit_flow(gone))


def test_the_command_draws_them(
    unit: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = save(unit, tmp_path / "unit.nc")
    assert main(["figure", str(saved), "-o", str(tmp_path / "f.svg"), "--kind", "flow"]) == 0
    cases = [
        ("phase_diagram-erf", "plane", ("--size", "200")),
        ("phase_diagram-erf", "plane", ()),
        ("erf_committee-path4", "units", ()),
    ]
    for name, kind, words in cases:
        target = tmp_path / f"{kind}.svg"
        assert (
            main(["figure", str(DATA / f"{name}.nc"), "-o", str(target), "--kind", kind, *words])
            == 0
        )
        assert target.stat().st_size > 1000
    assert main(["figure", str(DATA / "greedy_unit-d3.nc"), "-o", "x.svg", "--kind", "plane"]) == 2
    assert "no plane of batch_size" in capsys.readouterr().err
