"""Mini-batch noise as a temperature: T(m), and the states of both dynamics."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from physbatch.noise.temperature import EffectiveTemperature, StationaryState
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import OVERLAP_LABEL
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import new_sheet
from physbatch.plots.style import DATA_COLOUR, FIT_COLOUR, LIMIT_COLOUR, OPEN
from physbatch.plots.ticks import in_decades


@documented("two columns wide; the panels are called temperature and states")
def plot_temperature(
    result: EffectiveTemperature,
    states: Sequence[tuple[str, StationaryState]],
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
    """Draw T(m) from both observables, and overlap against energy of both dynamics.

    Where one temperature describes the noise of the batches, both curves on the left are one,
    and so are those on the right.

    Parameters
    ----------
    result : EffectiveTemperature
        What `physbatch.noise.temperature.effective_temperature` returned.
    states : sequence of tuple
        Label and stationary averages of each dynamics.
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["temperature", "states"], Grid(66.0, 2, above=0.0))
        chosen = page.colours([0.0, 1.0]) if "palette" in options else None
        markers = page.markers(2)
        if "temperature" in panels:
            left = panels["temperature"]
            for (value, error, label), colour, marker in zip(
                (
                    (result.from_energy, result.from_energy_stderr, "energy"),
                    (result.from_overlap, result.from_overlap_stderr, "overlap"),
                ),
                chosen or (DATA_COLOUR, LIMIT_COLOUR),
                markers,
                strict=True,
            ):
                known = np.isfinite(value)
                look = OPEN | {"color": colour, "marker": marker, "label": f"from the {label}"}
                page.points(left, result.batch_size[known], value[known], error[known], **look)
            in_decades(left)
            left.set_xlabel(page.labels.control("batch_size"))
            left.set_ylabel(r"effective temperature $T(m)$")
            page.panel_legend(left, loc="best")
        if "states" in panels:
            right = panels["states"]
            for (label, state), colour, marker in zip(
                states, chosen or (LIMIT_COLOUR, FIT_COLOUR), markers, strict=False
            ):
                look = OPEN | {"color": colour, "marker": marker, "label": label}
                points = (state.training_error, state.overlap, state.overlap_stderr)
                page.points(right, *points, xerr=state.training_error_stderr, **look)
            overlap = page.labels.observable("overlap", OVERLAP_LABEL)
            right.set(xlabel="training error", ylabel=overlap)
            page.panel_legend(right, loc="best")
        return page.drawn()
