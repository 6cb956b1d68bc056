"""Figures of single replicas show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED
from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order
from physbatch.plots import (
    plot_escape_times,
    plot_evolution,
    plot_time_series,
)
from physbatch.plots.style import root_figure
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.times.exponential import fit_escape_time
from physbatch.scaling.times.passages import survival_curve


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return first_order(sizes=(50, 100), control=(12.0, 13.0, 14.0), replicas=40, seed=3)


@pytest.fixture
def cell(data: xr.Dataset) -> xr.Dataset:
    return data.sel(size=100, batch_size=13.0).copy(deep=True)


def lines(axes, gid: str):
    return [line for line in axes.get_lines() if line.get_gid() == gid]


def test_time_series_are_those_of_the_replicas(cell: xr.Dataset) -> None:
    survival = survival_curve(cell["first_passage_lower"], cell["first_passage"])
    series, learned = plot_time_series(cell, survival).axes
    shown = lines(series, "replica")
    assert len(shown) == 24
    for line, row in zip(shown, cell["overlap"].transpose("replica", "time").values, strict=False):
        assert np.array_equal(line.get_ydata(), row)
        assert np.array_equal(line.get_xdata(), cell["time"])
    (mean,) = lines(series, "mean")
    assert np.allclose(mean.get_ydata(), cell["overlap"].mean("replica"))
    (steps,) = lines(learned, "learned")
    share = [float((cell["first_passage"] <= t).mean()) for t in cell["time"].values]
    expected = [
        steps.get_ydata()[np.flatnonzero(np.asarray(steps.get_xdata()) <= t)[-1]]
        for t in cell["time"].values
    ]
    assert expected == pytest.approx(share)
    assert series.get_title(loc="right") == "$N = 100$,  $m = 13$"
    assert learned.get_title(loc="left") == f"{survival.passed} of 40 learned"
    assert learned.get_xlabel() == "run time $t$ (sweeps)"


def test_the_law_of_learning_times_is_that_of_the_fit(cell: xr.Dataset) -> None:
    ends = (cell["first_passage_lower"], cell["first_passage"])
    fit = fit_escape_time(*ends)
    learned = plot_time_series(cell, survival_curve(*ends), fit).axes[1]
    (law,) = lines(learned, "law")
    assert np.allclose(law.get_ydata(), 1 - np.exp(-law.get_xdata() / fit.tau.value))
    assert str(fit.tau) in learned.get_title(loc="right")


def test_replicas_that_diverged_are_not_drawn(cell: xr.Dataset) -> None:
    cell["status"][:37] = STATUS_DIVERGED
    survival = survival_curve(cell["first_passage_lower"], cell["first_passage"])
    assert len(lines(plot_time_series(cell, survival).ax, "replica")) == 3


@pytest.mark.parametrize("against", ["time", "control"])
def test_evolution_counts_every_replica(against: str, data: xr.Dataset) -> None:
    if against == "time":
        cell, dim = data.sel(size=100, batch_size=13.0), "time"
    else:
        cell, dim = data.sel(size=100).isel(time=-1), "batch_size"
    axes = plot_evolution(cell).ax
    (mesh,) = axes.collections
    share = np.asarray(mesh.get_array())
    assert share.shape == (40, cell.sizes[dim])
    assert np.allclose(share.sum(axis=0), 1.0)
    learned = (cell["overlap"].transpose(dim, "replica").values == 1.0).mean(axis=1)
    assert np.all(share[-1] >= learned - 1e-12)
    (mean,) = lines(axes, "mean")
    assert np.allclose(mean.get_ydata(), cell["overlap"].mean("replica"))
    assert root_figure(axes).axes[1].get_ylabel() == "fraction of replicas"


def test_more_than_one_cell_is_refused(data: xr.Dataset) -> None:
    survival = survival_curve([1.0], [2.0])
    with pytest.raises(AnalysisError, match="dimensions batch_size, size are left"):
        plot_time_series(data, survival)
    with pytest.raises(AnalysisError, match="time and batch_size left"):
        plot_evolution(data.sel(size=50))
    with pytest.raises(AnalysisError, match="neither time nor control left"):
        plot_evolution(data.sel(size=50, batch_size=13.0).isel(time=-1))
    with pytest.raises(AnalysisError, match="dimensions size are left"):
        plot_evolution(data.sel(batch_size=13.0))


def test_points_and_bars_are_those_of_the_result() -> None:
    times = escape_times(first_order(sizes=(50, 100), replicas=48, seed=4))
    axes = plot_escape_times(times).ax
    for container, size in zip(axes.containers, (50.0, 100.0), strict=True):
        rows = (times.size == size) & np.isfinite(times.tau)
        line, _, (bars,) = container.lines
        assert line.get_xdata().tolist() == times.control[rows].tolist()
        assert line.get_ydata().tolist() == times.tau[rows].tolist()
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        assert np.allclose(ends[:, 0], times.lower68[rows], rtol=1e-12)
        assert np.allclose(ends[:, 1], times.upper68[rows], rtol=1e-12)
    assert axes.get_xlabel() == "mini-batch size $m$"
    assert axes.get_ylabel() == r"mean escape time $\tau$ (sweeps)"


def test_nothing_known_is_said() -> None:
    data = first_order(sizes=(50,), control=(2.0, 3.0), replicas=8)
    axes = plot_escape_times(escape_times(data)).ax
    assert [text.get_text() for text in axes.texts] == ["no escape time is known"]
