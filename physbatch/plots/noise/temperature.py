"""Mini-batch noise as a temperature: T(m), and the states of both dynamics."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from physbatch.noise.temperature import EffectiveTemperature, StationaryState
from physbatch.plots.style import (
    DATA_COLOUR,
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    LIMIT_COLOUR,
    OPEN,
    figure_in_mm,
    journal_style,
    plain_numbers,
)


def plot_temperature(
    result: EffectiveTemperature, states: Sequence[tuple[str, StationaryState]]
) -> Figure:
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
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 66.0)
        left, right = figure.subplots(1, 2)
        for value, error, label, colour, marker in (
            (result.from_energy, result.from_energy_stderr, "energy", DATA_COLOUR, "o"),
            (result.from_overlap, result.from_overlap_stderr, "overlap", LIMIT_COLOUR, "s"),
        ):
            known = np.isfinite(value)
            left.errorbar(
                result.batch_size[known],
                value[known],
                error[known],
                color=colour,
                marker=marker,
                label=f"from the {label}",
                **OPEN,
            )
        left.set(xscale="log", yscale="log", xlabel="mini-batch size $m$")
        left.set_ylabel(r"effective temperature $T(m)$")
        for axis in (left.xaxis, left.yaxis):
            plain_numbers(axis)
        left.legend(loc="best")
        for (label, state), colour, marker in zip(
            states, (LIMIT_COLOUR, FIT_COLOUR), "os", strict=False
        ):
            right.errorbar(
                state.training_error,
                state.overlap,
                state.overlap_stderr,
                state.training_error_stderr,
                color=colour,
                marker=marker,
                label=label,
                **OPEN,
            )
        right.set(xlabel="training error", ylabel="overlap $q$")
        right.legend(loc="best")
    return figure
