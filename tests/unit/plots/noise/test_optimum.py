"""The figure of the optimum shows every minimum and every curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from physbatch.exact.batch_noise import optimum_batch_data
from physbatch.noise.best_batch import batch_curves, optimum_batch
from physbatch.noise.rescaled_curves import scale_collapse
from physbatch.plots import (
    plot_optimum,
)

FloatArray = npt.NDArray[np.float64]


def points(axes: Axes) -> list[Line2D]:
    """The markers of every curve with error bars."""
    return [
        container.lines[0]
        for container in axes.containers
        if isinstance(container, ErrorbarContainer)
    ]


def xdata(line: Line2D) -> FloatArray:
    return np.asarray(line.get_xdata(), dtype=np.float64)


def ydata(line: Line2D) -> FloatArray:
    return np.asarray(line.get_ydata(), dtype=np.float64)


def test_optimum_draws_every_minimum_and_every_curve() -> None:
    data = optimum_batch_data(replicas=8)
    best, collapse = optimum_batch(data, resamples=30), scale_collapse(data)
    left, middle, right = plot_optimum(batch_curves(data), best, collapse).axes
    assert len(left.containers) == 4
    drawn = np.concatenate([ydata(curve) for curve in points(middle)])
    known = best.batch_size[np.isfinite(best.batch_size)]
    np.testing.assert_allclose(np.sort(drawn), np.sort(known))
    assert sum(xdata(line).size for line in right.get_lines()) == collapse.x.size
