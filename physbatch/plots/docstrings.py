"""The paragraphs that the docstrings of all figures share."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import TypeVar

from physbatch.plots.drawn import Drawn

Plot = TypeVar("Plot", bound=Callable[..., Drawn])

_SHARED = """\
ax : Axes, mapping of str to Axes, Figure or SubFigure, optional
    Where to draw; {page}
**options
    How to draw: see `physbatch.plots.Options`.

Returns
-------
Drawn
    The artists and the panels; write it with `save_figure`."""
_AFTER = re.compile(r"\n\n(?=(?:Raises|References|Examples|Notes)\n-)|\Z")


def documented(page: str) -> Callable[[Plot], Plot]:
    """Complete the docstring of a figure: where it is drawn, its keywords, what it returns.

    Parameters
    ----------
    page : str
        The page that is made by default, and the names of its panels.

    Examples
    --------
    >>> from physbatch.plots.theory import plot_theory
    >>> [line for line in (plot_theory.__doc__ or "").splitlines() if "called theory" in line]
    ['    Where to draw; by default a new page, one column wide. The panels are called theory and']
    """

    def complete(plot: Plot) -> Plot:
        words = _wrapped(
            f"Where to draw; by default a new page, {page}{'' if page.endswith('.') else '.'}"
        )
        shared = _SHARED.replace("Where to draw; {page}", words)
        stated = inspect.cleandoc(plot.__doc__ or "")
        plot.__doc__ = _AFTER.sub(lambda gap: f"\n{shared}{gap[0]}", stated, count=1)
        return plot

    return complete


def _wrapped(text: str) -> str:
    """A paragraph of a parameter in lines."""
    return "\n    ".join(textwrap.wrap(text, 92))
