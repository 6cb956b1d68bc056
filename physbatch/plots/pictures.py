"""Which figures a result has: the one place that goes from a class of results to its figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physbatch.errors import AnalysisError
from physbatch.noise.performance import PerformanceMap
from physbatch.noise.stability import StableRange
from physbatch.noise.thresholds import TypicalThreshold
from physbatch.plots.noise.performance import plot_performance
from physbatch.plots.noise.range import plot_noise_range
from physbatch.plots.overview import plot_overview
from physbatch.plots.scaling.collapse import plot_collapse
from physbatch.plots.scaling.corner import plot_corner
from physbatch.plots.scaling.crossings import plot_crossings
from physbatch.plots.scaling.escape_times import plot_escape_times
from physbatch.plots.scaling.exponents import plot_exponents
from physbatch.plots.scaling.order import plot_order
from physbatch.plots.scaling.windows import plot_windows
from physbatch.plots.style import root_figure
from physbatch.scaling.curves.crossings import Crossings
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.times.escapes import EscapeTimes
from physbatch.scaling.transition.result import Analysis

__all__ = ["Picture", "draw", "has_pictures", "pictures_of"]


class Picture(NamedTuple):
    """A figure of a result that is not drawn yet.

    Attributes
    ----------
    name : str
        One word, for file names and anchors.
    caption : str
        What it shows.
    draw : callable
        Makes the figure.
    """

    name: str
    caption: str
    draw: Callable[[], Figure]


def draw(result: object) -> Figure:
    """Draw the figure of a result, whatever it is; of several the first.

    Parameters
    ----------
    result : object
        What `analyse`, `collapse`, `find_crossings`, `transition_order` ... returned.

    Returns
    -------
    matplotlib.figure.Figure
        Write it with `save_figure`.

    Raises
    ------
    physbatch.errors.AnalysisError
        If such results have no figure; it names those that have one.

    Examples
    --------
    >>> from physbatch.scaling.laws.fits import fit_law
    >>> len(draw(fit_law([16, 32, 64], [1.0, 2.0, 4.0], [0.1] * 3)).axes)
    2
    """
    return pictures_of(result)[0].draw()


def pictures_of(result: object) -> list[Picture]:
    """All figures that a result has, the most important first.

    Raises
    ------
    physbatch.errors.AnalysisError
        If it has none; the error names the results that have one.
    """
    plans = _plans_of(result)
    if not plans:
        raise AnalysisError(
            f"{type(result).__name__} has no figure of its own",
            where="figure",
            remedy=f"give a dataset, or one of {', '.join(kind.__name__ for kind in _PLANS)}",
        )
    return [
        Picture(plan.name, plan.caption, partial(_figure, plan.plot, result))
        for plan in plans
        if plan.applies(result)
    ]


def has_pictures(result: object) -> bool:
    """Whether results of this class have a figure."""
    return bool(_plans_of(result))


def _plans_of(result: object) -> tuple[_Plan, ...]:
    return next((plans for kind, plans in _PLANS.items() if isinstance(result, kind)), ())


def _figure(plot: Callable[[Any], Any], result: object) -> Figure:
    """The figure of what a function draws: of axes, or of the first of several."""
    drawn = plot(result)
    while isinstance(drawn, (list, tuple)):
        drawn = drawn[0]
    return drawn if isinstance(drawn, Figure) else root_figure(drawn)


class _Plan(NamedTuple):
    name: str
    caption: str
    plot: Callable[[Any], Any]
    applies: Callable[[Any], bool] = lambda _: True


def _plot_range(result: StableRange | TypicalThreshold) -> Axes:
    return plot_noise_range({"measured": result}, {})


_PLANS: dict[type, tuple[_Plan, ...]] = {
    Analysis: (
        _Plan(
            "overview",
            "Mean overlap and success against the control, the critical control against run time "
            "and size, and histograms of the overlap at the largest size.",
            plot_overview,
        ),
    ),
    Collapse: (
        _Plan(
            "collapse",
            "Rescaled points of every size on their master curve, and the residuals in units of "
            "their errors.",
            plot_collapse,
        ),
        _Plan(
            "windows",
            "Every parameter in each window of sizes and distances from the critical point; "
            "rejected fits are hollow.",
            plot_windows,
            lambda fit: len(fit.windows) > 1 and bool(fit.parameters),
        ),
        _Plan(
            "corner",
            "Samples of the parameters with contours that hold 68 % and 95 % of them.",
            plot_corner,
            lambda fit: fit.samples.size > 0,
        ),
    ),
    Crossings: (
        _Plan(
            "crossings",
            "Curves near their crossings, and the crossings against the inverse size.",
            plot_crossings,
        ),
    ),
    EscapeTimes: (
        _Plan(
            "escape-times",
            "Mean escape time of each size against the control, with 68 % intervals.",
            plot_escape_times,
        ),
    ),
    PerformanceMap: (
        _Plan(
            "performance",
            "Mean error over mini-batch size and learning rate; circles are the best learning "
            "rate of each batch size, filled where it is as good as the best.",
            plot_performance,
        ),
    ),
    ScalingFit: (
        _Plan(
            "law",
            "The quantity against size with the fitted law, and the residuals in units of their "
            "errors; open markers are sizes that the fit leaves out.",
            plot_exponents,
        ),
    ),
    StableRange: (
        _Plan("range", "Largest stable learning rate against the mini-batch size.", _plot_range),
    ),
    TransitionOrder: (
        _Plan(
            "order",
            "Histograms where the variance is largest, and what tells the orders apart against "
            "size; lines are powers of the size to compare with.",
            plot_order,
        ),
    ),
    TypicalThreshold: (
        _Plan(
            "range",
            "Learning rate above which the typical replica stops to learn, against the "
            "mini-batch size.",
            _plot_range,
        ),
    ),
}
