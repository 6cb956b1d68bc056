"""What theory says for a study, alone or over the measured points."""

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.labels import control_label_of, observable_label
from physbatch.plots.style import (
    FIT_COLOUR,
    SINGLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    size_styles,
)
from physbatch.theory.points import Prediction


def draw_prediction(axes: Axes, prediction: Prediction, control: str = "batch_size") -> None:
    """Draw the curves of a theory over what some axes show.

    Curves of each size have its colour; where all sizes share one, it is dark.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Axes of the same quantity against the same control.
    prediction : Prediction
        What `physbatch.theory.predict` returned.
    control : {"batch_size", "batch_ratio"}
        What the axes show.
    """
    curves = list(prediction.curves(control))
    sizes = sorted({size for size, _, _ in curves})
    styles = size_styles(sizes)
    drawn: set[bytes] = set()
    for size, x, y in curves:
        shared = len(sizes) > 1 and any(
            other != size and np.array_equal(x, u) and np.array_equal(y, v, equal_nan=True)
            for other, u, v in curves
        )
        key = np.concatenate([x, y]).tobytes()
        if shared and key in drawn:
            continue
        drawn.add(key)
        colour = FIT_COLOUR if shared else styles[size]["color"]
        axes.plot(x, y, linestyle="--", linewidth=0.9, color=colour, zorder=4, gid="theory")


def plot_prediction(prediction: Prediction, axes: Axes | None = None) -> Axes:
    """Draw what theory says against the batch size.

    Parameters
    ----------
    prediction : Prediction
        What `physbatch.theory.predict` returned.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new single-column figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from physbatch.study import catalogue
    >>> from physbatch.theory import predict
    >>> len(plot_prediction(predict(catalogue.study("greedy-unit"))).lines)
    1
    """
    with journal_style():
        if axes is None:
            axes = figure_in_mm(SINGLE_COLUMN_MM, 62.0).subplots()
        draw_prediction(axes, prediction)
        known = prediction.quantity == "overlap"
        axes.set(
            xlabel=control_label_of("batch_size"),
            ylabel=observable_label("overlap") if known else "growth rate",
        )
    return axes
