"""Which figures a result has: the one place that goes from a class of results to its figures."""

from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

import numpy as np
from matplotlib.figure import Figure

from physbatch.errors import AnalysisError
from physbatch.noise.critical_batch import CriticalBatch
from physbatch.noise.performance import PerformanceMap
from physbatch.noise.scale_of_gradients import GradientScale
from physbatch.noise.stability import StableRange
from physbatch.noise.thresholds import TypicalThreshold
from physbatch.plots.dataset.replicas import plot_escape_times
from physbatch.plots.drawn import Drawn
from physbatch.plots.noise.batches import plot_critical_batch, plot_gradient_scale
from physbatch.plots.noise.planes import plot_noise_range, plot_performance
from physbatch.plots.options import Options, Where
from physbatch.plots.overview import plot_overview
from physbatch.plots.scaling.coexistence import plot_coexistence
from physbatch.plots.scaling.collapse import plot_collapse
from physbatch.plots.scaling.corner import plot_corner
from physbatch.plots.scaling.crossings import plot_crossings
from physbatch.plots.scaling.dynamics import plot_dynamics
from physbatch.plots.scaling.laws import plot_exponents, plot_peaks
from physbatch.plots.scaling.order import plot_order
from physbatch.plots.scaling.stability import plot_stability
from physbatch.plots.scaling.windows import plot_windows
from physbatch.plots.theory import plot_comparison
from physbatch.scaling.curves.crossing_result import Crossings
from physbatch.scaling.curves.exponents import SizeExponents
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.dynamic_scaling.result import DynamicScaling
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.reweighting.coexistence_result import Coexistence
from physbatch.scaling.times.dilute import LinearStability
from physbatch.scaling.times.escapes import EscapeTimes
from physbatch.scaling.transition.result import Analysis
from physbatch.theory.comparison import Comparison


class Picture(NamedTuple):
    """A figure of a result that is not drawn yet.

    Attributes
    ----------
    name, caption : str
        One word, for file names and anchors, and what the figure shows.
    plot : callable
        Draws a result.
    applies : callable
        Whether a result holds what the figure shows.
    result : object
        The result.
    """

    name: str
    caption: str
    plot: Callable[..., Drawn]
    applies: Callable[[Any], bool] = lambda _: True
    result: object = None

    def draw(self, ax: Where = None, **options: Unpack[Options]) -> Figure:
        """Draw the figure, with the keywords of every function of this package."""
        return self.plot(self.result, ax=ax, **options).figure


def draw(result: object, ax: Where = None, **options: Unpack[Options]) -> Figure:
    """Draw the figure of a result, whatever it is; of several the first.

    Parameters
    ----------
    result : object
        What `analyse`, `collapse`, `find_crossings`, `transition_order` ... returned.
    ax : Axes, mapping of str to Axes, Figure or SubFigure, optional
        Where to draw; by default a new page.
    **options
        How to draw: see `physbatch.plots.Options`.

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
    return pictures_of(result)[0].draw(ax, **options)


def pictures_of(result: object) -> list[Picture]:
    """All figures that a result has, the most important first.

    Raises
    ------
    physbatch.errors.AnalysisError
        If such results have none, where the error names those that have one, or if this one
        holds nothing to draw.
    """
    pictures = _known(result)
    if not pictures and isinstance(result, tuple(_PICTURES)):
        raise AnalysisError(
            f"this {type(result).__name__} holds nothing to draw",
            where="figure",
            remedy="its flags say why",
        )
    if not pictures:
        raise AnalysisError(
            f"{type(result).__name__} has no figure of its own",
            where="figure",
            remedy=f"give a dataset, or one of {', '.join(kind.__name__ for kind in _PICTURES)}",
        )
    return pictures


def has_pictures(result: object) -> bool:
    """Whether a result has a figure."""
    return bool(_known(result))


def _known(result: object) -> list[Picture]:
    of_class = next((some for kind, some in _PICTURES.items() if isinstance(result, kind)), ())
    return [picture._replace(result=result) for picture in of_class if picture.applies(result)]


def _has_threshold(result: StableRange | TypicalThreshold) -> bool:
    return bool(np.isfinite(result.learning_rate).any())


def _plot_range(
    result: StableRange | TypicalThreshold, ax: Where = None, **options: Unpack[Options]
) -> Drawn:
    return plot_noise_range({"measured": result}, {}, ax, **options)


def _plot_laws(result: SizeExponents, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    if result.peaks is None or result.positions is None:
        return plot_exponents(result.values, ax, **options)
    parts = (result.table, result.peaks, result.values, result.positions)
    return plot_peaks(*parts, ax, **options)


_PICTURES: dict[type, tuple[Picture, ...]] = {
    Analysis: (Picture("overview", "What was measured, and its limits.", plot_overview),),
    Coexistence: (
        Picture(
            "coexistence",
            "Histograms of the energy at equal heights, and controls of coexistence against 1/N.",
            plot_coexistence,
        ),
    ),
    Collapse: (
        Picture(
            "collapse",
            "Rescaled points of every size on their master curve, and the residuals in units of "
            "their errors.",
            plot_collapse,
            lambda fit: bool(fit.points),
        ),
        Picture(
            "windows",
            "Every parameter in each window of sizes and distances from the critical point; "
            "rejected fits are hollow.",
            plot_windows,
            lambda fit: len(fit.windows) > 1 and bool(fit.parameters),
        ),
        Picture(
            "corner",
            "Samples of the parameters with contours that hold 68 % and 95 % of them.",
            plot_corner,
            lambda fit: fit.samples.size > 0,
        ),
    ),
    Comparison: (Picture("theory", "Means over replicas, and what theory says.", plot_comparison),),
    CriticalBatch: (
        Picture(
            "critical-batch",
            "Steps and samples to a target, and where larger batches stop to pay.",
            plot_critical_batch,
            lambda critical: bool(np.isfinite(critical.steps).any()),
        ),
    ),
    Crossings: (Picture("crossings", "Curves and their crossings, against size.", plot_crossings),),
    DynamicScaling: (
        Picture(
            "dynamics",
            "Observables over their power of the time, against the rescaled control.",
            plot_dynamics,
            lambda fit: bool(fit.points),
        ),
    ),
    EscapeTimes: (Picture("escape-times", "Escape times of each size.", plot_escape_times),),
    GradientScale: (
        Picture(
            "gradient-scale",
            "Noise scale of the gradient at every batch size.",
            plot_gradient_scale,
            lambda measured: bool(np.isfinite(measured.scale).any()),
        ),
    ),
    LinearStability: (Picture("stability", "Growth rates of dilute deviations.", plot_stability),),
    PerformanceMap: (
        Picture("performance", "Mean error; circles: the best learning rates.", plot_performance),
    ),
    ScalingFit: (Picture("law", "The fitted law, and the residuals below.", plot_exponents),),
    SizeExponents: (
        Picture("exponents", "The fitted laws, and the peaks that they are of.", _plot_laws),
    ),
    StableRange: (Picture("range", "Largest stable learning rates.", _plot_range, _has_threshold),),
    TransitionOrder: (
        Picture(
            "order",
            "Histograms where the variance is largest, and what tells the orders apart against "
            "size; lines are powers of the size to compare with.",
            plot_order,
        ),
    ),
    TypicalThreshold: (
        Picture(
            "range", "Learning rates above which typical errors grow.", _plot_range, _has_threshold
        ),
    ),
}
