"""Evidence of a linear model for true and for random labels, against the prior."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from physbatch.noise.evidence import ModelEvidence
from physbatch.plots.style import (
    DATA_COLOUR,
    DOUBLE_COLUMN_MM,
    LIMIT_COLOUR,
    NOTE_COLOUR,
    figure_in_mm,
    journal_style,
)

_COLOURS = (DATA_COLOUR, LIMIT_COLOUR, NOTE_COLOUR)


def plot_evidence(curves: Mapping[str, Sequence[Sequence[ModelEvidence]]]) -> Figure:
    """Draw evidence, Occam factor and training error over the inverse variance of the prior.

    Parameters
    ----------
    curves : mapping of str to sequence of sequence of ModelEvidence
        For each kind of labels some sets of labels, and for each of them the results at
        ascending values of lambda. A line is one set of labels.

    Examples
    --------
    >>> from physbatch.noise.evidence import logistic_evidence
    >>> from physbatch.systems.samples import Samples
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> inputs = rng.normal(size=(50, 2))
    >>> samples = Samples(inputs, (inputs[:, 0] > 0).astype(np.int64), 2, "example")
    >>> results = [logistic_evidence(samples, regularisation=prior) for prior in (0.1, 1.0)]
    >>> len(plot_evidence({"true labels": [results]}).axes)
    3
    """
    with journal_style():
        figure = figure_in_mm(DOUBLE_COLUMN_MM, 44.0)
        ratio, occam, error = figure.subplots(1, 3)
        for (label, sets), colour in zip(curves.items(), _COLOURS, strict=False):
            for number, results in enumerate(sets):
                prior = [result.regularisation for result in results]
                name = label if number == 0 else None
                style: dict[str, Any] = {"color": colour, "label": name, "linewidth": 0.7}
                ratio.plot(prior, [result.ln_ratio for result in results], **style)
                occam.plot(prior, [result.occam for result in results], **style)
                error.plot(prior, [result.training_error for result in results], **style)
        ratio.axhline(0, color=NOTE_COLOUR, linewidth=0.6, linestyle="--")
        ratio.set_ylabel(r"$\ln$ evidence over chance")
        occam.set_ylabel(r"$\ln$ of the Occam factor")
        error.set_ylabel("training error")
        for axes in (ratio, occam, error):
            axes.set(xscale="log", xlabel=r"regularisation $\lambda$")
        handles, labels = ratio.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))
    return figure
