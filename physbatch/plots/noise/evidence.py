"""Evidence of a linear model for true and for random labels, against the prior."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from matplotlib.lines import Line2D

from physbatch.noise.evidence import ModelEvidence
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import new_sheet
from physbatch.plots.style import DATA_COLOUR, LIMIT_COLOUR, NOTE_COLOUR

#: Name, vertical label and quantity of each panel.
_PANELS = (
    ("ratio", r"$\ln$ evidence over chance", "ln_ratio"),
    ("occam", r"$\ln$ of the Occam factor", "occam"),
    ("error", "training error", "training_error"),
)
_COLOURS = (DATA_COLOUR, LIMIT_COLOUR, NOTE_COLOUR)


@documented("two columns wide; the panels are called ratio, occam and error")
def plot_evidence(
    curves: Mapping[str, Sequence[Sequence[ModelEvidence]]],
    ax: Where = None,
    **options: Unpack[Options],
) -> Drawn:
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
    >>> list(plot_evidence({"true labels": [results]}).panels)
    ['ratio', 'occam', 'error']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out([name for name, *_ in _PANELS], Grid(42.0))
        colours = page.colours(range(len(curves))) if "palette" in options else _COLOURS
        handles = []
        for (label, sets), colour in zip(curves.items(), colours, strict=False):
            handles.append(Line2D([], [], color=colour, linewidth=0.7, label=label))
            style: dict[str, Any] = {"color": colour, "linewidth": 0.7}
            for results in sets:
                prior = [result.regularisation for result in results]
                for name, _, quantity in _PANELS:
                    if name in panels:
                        values = [getattr(result, quantity) for result in results]
                        page.curve(panels[name], prior, values, **style)
        if "ratio" in panels:
            panels["ratio"].axhline(0, color=NOTE_COLOUR, linewidth=0.6, linestyle="--")
        for name, label, _ in _PANELS:
            if name in panels:
                panels[name].set(xscale="log", xlabel=r"regularisation $\lambda$", ylabel=label)
        page.legend(handles)
        return page.drawn()
