"""How a figure looks and what it is written as: options that every command which draws takes."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from physbatch.commands.options import Stored
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.plots.options import Options


@Parameter(name="*")
@dataclass(frozen=True)
class Look:
    """How a figure looks, and what it is written as."""

    style: Annotated[
        str | None,
        Parameter(
            help="A style of matplotlib, or a file of settings (.mplstyle), over the shipped one; "
            "aps, iop, elsevier or springer take the column widths of their journals."
        ),
    ] = None
    format: Annotated[
        str | None, Parameter(help="Files to write, as svg,pdf,png; by default pdf and png.")
    ] = None
    width: Annotated[
        str | None, Parameter(help="Width of a figure: single, double, or a number of mm.")
    ] = None
    label: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="Text of a variable, as in --label 'U=$U_4$'; give it again for more.",
        ),
    ] = None
    size_label: Annotated[
        str | None, Parameter(help="Text of the size, as L or 'linear size $L$'.")
    ] = None
    control_label: Annotated[
        str | None, Parameter(help="Text of the control, as T or 'temperature $T$ (K)'.")
    ] = None
    palette: Annotated[
        str | None, Parameter(help="Colours: a palette of seaborn or a colormap, as viridis.")
    ] = None
    title: Annotated[bool, Parameter(help="Titles and remarks above panels.")] = True
    legend: Annotated[bool, Parameter(help="A legend.")] = True
    residuals: Annotated[bool, Parameter(help="Residuals, where the kind has them.")] = True
    markers: Annotated[bool, Parameter(help="A marker for each size; else points without.")] = True

    @property
    def options(self) -> "Options":
        """The keywords of functions that draw.

        Raises
        ------
        physbatch.errors.AnalysisError
            If a label has no ``=``, or the width is none.
        """
        options: Options = {}
        if self.style in _JOURNALS:
            options["journal"] = self.style
        if self.width is not None:
            options["width"] = _width(self.width)
        labels = dict(map(_label, self.label or ()))
        for role, text in (("size", self.size_label), ("control", self.control_label)):
            if text is not None:
                labels[role] = text
        if labels:
            options["labels"] = labels
        if self.palette is not None:
            options["palette"] = self.palette
        # What is usual is not said: some kinds draw other things once it is.
        if not self.title:
            options["title"] = False
        if not self.legend:
            options["legend"] = False
        if not self.residuals:
            options["residuals"] = False
        if not self.markers:
            options["markers"] = False
        return options

    @property
    def formats(self) -> tuple[str, ...] | None:
        """Of the files, None where nothing is said of them."""
        return None if self.format is None else tuple(self.format.replace(" ", "").split(","))

    @contextmanager
    def taken(self, variables: Sequence[str] | None = None) -> Iterator[None]:
        """Draw with the style inside the block; labels are for some variables.

        Raises
        ------
        physbatch.errors.AnalysisError
            If there is no such style or variable, or the file cannot be read.
        """
        for name, _ in map(_label, self.label or ()):
            if variables is not None and name not in variables:
                raise AnalysisError(
                    f"no variable {name!r}",
                    where="--label",
                    remedy=f"there is {', '.join(dict.fromkeys(variables))}",
                )
        import matplotlib.style  # which takes a while to load

        with ExitStack() as stack:
            try:
                if self.style is not None and self.style not in _JOURNALS:
                    stack.enter_context(matplotlib.style.context(self.style))
            except OSError as error:
                raise AnalysisError(
                    f"no style {self.style!r}",
                    where="--style",
                    remedy="give a file or one of matplotlib.style.available",
                ) from error
            said = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.filterwarnings("always", message="no font of this machine")
            yield
        for warning in said:
            print(f"note     {warning.message}", file=sys.stderr)


_JOURNALS = ("aps", "iop", "elsevier", "springer")


def _width(text: str) -> float | str:
    if text in ("single", "double"):
        return text
    try:
        return float(text)
    except ValueError as error:
        raise AnalysisError(
            f"no width {text!r}", where="--width", remedy="give single, double, or a number of mm"
        ) from error


def _label(text: str) -> tuple[str, str]:
    name, equals, words = text.partition("=")
    if not (name and equals and words):
        raise AnalysisError(
            f"{text!r} names no variable", where="--label", remedy="write it as --label 'U=$U_4$'"
        )
    return name, words


@Parameter(name="*")
@dataclass(frozen=True)
class ResultAndFigure(Look, Stored):
    """What a command writes whose result has a figure."""

    figure: Annotated[
        Path | None,
        Parameter(
            name="--figure", help="A figure to write, as .pdf and .png; for x.svg that file alone."
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class FigureAndTable(ResultAndFigure):
    """What a command writes that also gives a table of its estimates."""

    table: Annotated[
        Path | None,
        Parameter(name="--table", help="A table of the estimates to write: .csv, .tex or .html."),
    ] = None
