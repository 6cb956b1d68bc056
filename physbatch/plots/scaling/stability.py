"""Growth rates of dilute deviations from the perfect state, and where they change sign."""

import math
from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import LIMIT_COLOUR, NOTE_COLOUR, POINTS
from physbatch.scaling.times.dilute import LinearStability


@documented("one column wide")
def plot_stability(
    stability: LinearStability, ax: Where = None, **options: Unpack[Options]
) -> Drawn:
    """Draw the growth rate against the control at every size, and the band of its zero.

    The band is m_low at the largest size, with its total error.

    Parameters
    ----------
    stability : LinearStability
        What `physbatch.scaling.linear_stability` returned.

    Examples
    --------
    >>> from physbatch.dataset import open_dataset
    >>> from physbatch.plots import plot_stability
    >>> from physbatch.scaling import linear_stability
    >>> found = linear_stability(open_dataset("seeds.nc"), start=10)  # doctest: +SKIP
    >>> plot_stability(found).ax.get_ylabel()  # doctest: +SKIP
    'growth rate of $\\langle 1 - q \\rangle$'
    """
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["stability"])["stability"]
        draw_stability(page, axes, stability)
        page.size_legend(page.sizes(stability.size))
        return page.drawn()


def draw_stability(page: Sheet, axes: Axes, stability: LinearStability) -> None:
    """The rates of every size in one panel."""
    axes.axhline(0.0, color=NOTE_COLOUR, linewidth=0.8, zorder=1)
    for size, style in page.sizes(stability.size).items():
        of_size = stability.size == size
        columns = (stability.control, stability.rate, np.nan_to_num(stability.stderr))
        page.points(axes, *(column[of_size] for column in columns), **(style | POINTS))
    axes.set(
        xlabel=page.labels.control(stability.control_name),
        ylabel=r"growth rate of $\langle 1 - q \rangle$",
    )
    known = [value for value in stability.thresholds.values() if math.isfinite(value.value)]
    if known:
        zero = known[-1]
        error = zero.total if math.isfinite(zero.total) else 0.0
        axes.axvspan(
            zero.value - error, zero.value + error, color=LIMIT_COLOUR, alpha=0.25, linewidth=0
        )
        page.title(axes, f"rate 0 at {zero}", loc="right")
