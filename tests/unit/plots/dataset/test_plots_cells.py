"""Figures of single cells, moments and peaks show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED
from physbatch.errors import AnalysisError
from physbatch.exact.planted import first_order
from physbatch.plots import plot_evolution, plot_moments, plot_peaks, plot_time_series
from physbatch.plots.style import root_figure
from physbatch.scaling.times.passages import fit_escape_time, survival_curve
from physbatch.tables.make import make_table
from tests.unit.plots.gallery import magnetization, peaks


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
    series, learned = plot_time_series(cell, survival)
    shown = lines(series, "replica")
    assert len(shown) == 24
    for line, row in zip(shown, cell["overlap"].transpose("replica", "time").values, strict=False):
        assert np.array_equal(line.get_ydata(), row)
        assert np.array_equal(line.get_xdata(), cell["time"])
    (mean,) = lines(series, "mean")
    assert np.allclose(mean.get_ydata(), cell["overlap"].mean("replica"))
    (steps,) = lines(learned, "learned")
    share = [float((cell["first_passage"] <= t).mean()) for t in cell["time"].values]
    held = [
        steps.get_ydata()[np.flatnonzero(np.asarray(steps.get_xdata()) <= t)[-1]]
        for t in cell["time"].values
    ]
    assert held == pytest.approx(share)
    assert series.get_title(loc="right") == "$N = 100$,  $m = 13$"
    assert learned.get_title(loc="left") == f"{survival.passed} of 40 learned"
    assert learned.get_xlabel() == "run time $t$ (sweeps)"


def test_the_law_of_learning_times_is_that_of_the_fit(cell: xr.Dataset) -> None:
    ends = (cell["first_passage_lower"], cell["first_passage"])
    fit = fit_escape_time(*ends)
    learned = plot_time_series(cell, survival_curve(*ends), fit)[1]
    (law,) = lines(learned, "law")
    assert np.allclose(law.get_ydata(), 1 - np.exp(-law.get_xdata() / fit.tau.value))
    assert str(fit.tau) in learned.get_title(loc="right")


def test_replicas_that_diverged_are_not_drawn(cell: xr.Dataset) -> None:
    cell["status"][:37] = STATUS_DIVERGED
    survival = survival_curve(cell["first_passage_lower"], cell["first_passage"])
    assert len(lines(plot_time_series(cell, survival)[0], "replica")) == 3


@pytest.mark.parametrize("against", ["time", "control"])
def test_evolution_counts_every_replica(against: str, data: xr.Dataset) -> None:
    if against == "time":
        cell, dim = data.sel(size=100, batch_size=13.0), "time"
    else:
        cell, dim = data.sel(size=100).isel(time=-1), "batch_size"
    axes = plot_evolution(cell)
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


def test_moments_are_those_of_the_table() -> None:
    table = magnetization()
    panels = plot_moments(table)
    assert [axes.get_ylabel() for axes in panels] == [
        "mean modulus of the order parameter",
        r"susceptibility $\chi$ (modulus)",
        "Binder cumulant $U$",
    ]
    for axes, name in zip(panels, table.observables, strict=True):
        for container, size in zip(axes.containers, table.sizes, strict=True):
            rows = table.size == size
            assert np.array_equal(container.lines[0].get_ydata(), table.values[name][rows])
            ends = [one[:, 1] for one in container.lines[2][0].get_segments()]
            assert np.allclose(np.ptp(ends, axis=1), 2 * table.errors[name][rows])
    texts = [text.get_text() for text in root_figure(panels[0]).legends[0].get_texts()]
    assert texts == ["$N = 32$", "$N = 64$", "$N = 128$", "$N = 256$"]
    with pytest.raises(AnalysisError, match="no observable 'energy'"):
        plot_moments(table, ["energy"])


def test_odd_names_are_not_read_as_math() -> None:
    table = make_table([4, 4, 8, 8], [0, 1, 0, 1], {"a $b": [1.0, 2, 3, 4]}, {"a $b": [0.1] * 4})
    assert plot_moments(table)[0].get_ylabel() == r"a \$b"


def test_peaks_carry_their_laws() -> None:
    table, found, heights, positions = peaks()
    curves, high, where = plot_peaks(table, found, heights, positions)
    marked = next(one for one in curves.containers if one.lines[0].get_gid() == "peaks")
    assert np.array_equal(marked.lines[0].get_xdata(), found.position)
    assert np.array_equal(marked.lines[0].get_ydata(), found.height)
    assert np.array_equal(high.containers[0].lines[0].get_ydata(), found.height)
    (law,) = lines(high, "law")
    assert np.array_equal(law.get_ydata(), heights.curve(heights.curve_x))
    assert str(heights["b"]) in high.get_title()
    assert str(positions["phi"]) in where.get_title()
    (limit,) = lines(where, "limit")
    assert limit.get_ydata()[0] == positions["c"].value
    # Planted: heights 3 L^1.75 at T = 1 + 1/(2 L).
    assert abs(heights["b"].value - 1.75) < 4 * heights["b"].total
    assert abs(positions["c"].value - 1.0) < 4 * positions["c"].total
