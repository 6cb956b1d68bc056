"""What every figure takes besides its result: where it is drawn, and how it is varied."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure, SubFigure

from physbatch.errors import AnalysisError

#: Where a figure is drawn: by default a new page; one axes, which takes the first panel and
#: nothing around it; axes by the names of panels; or a figure or subfigure, which is filled.
Where = Axes | Mapping[str, Axes] | Figure | SubFigure | None

#: A name of seaborn or of a colormap, a colormap, or colours.
Palette = str | Colormap | Sequence[Any]


class Columns(NamedTuple):
    """Widths of one and of two columns in mm."""

    single: float
    double: float


#: Column widths of journals; the source of each is in docs/how-to/figures.md.
JOURNALS: dict[str, Columns] = {
    "aps": Columns(86.0, 178.0),
    "iop": Columns(85.0, 150.0),
    "elsevier": Columns(90.0, 190.0),
    "springer": Columns(84.0, 174.0),
}


class Options(TypedDict, total=False):
    """The keywords that every function ``plot_*`` takes.

    Attributes
    ----------
    residuals : bool
        Whether residuals are drawn, where the kind has them and there is a panel for them.
    title : bool or str
        False leaves titles and remarks above panels out; a text replaces that of the first.
    legend : bool
        Whether there is a legend: on a page of its own outside of the panels, in axes that were
        given inside of the first of them.
    palette : str, matplotlib.colors.Colormap or sequence of colours
        Of the sizes, from the smallest to the largest: a name of seaborn or of a colormap, a
        colormap, or colours. A map takes a colormap or its name.
    markers : bool, str or sequence of str
        Of the sizes, ascending; False for none.
    labels : mapping of str to str
        Texts for ``"size"``, ``"control"`` and ``"observable"``, or for a variable by its name;
        mathtext between dollar signs. A single letter is mathtext.
    points, curve : mapping
        Further keywords of matplotlib for points with error bars, and for curves.
    width : float or {"single", "double"}
        Of a new page, in mm or in columns.
    journal : {"aps", "iop", "elsevier", "springer"}
        Whose column widths a new page takes.
    """

    residuals: bool
    title: bool | str
    legend: bool
    palette: Palette
    markers: bool | str | Sequence[str]
    labels: Mapping[str, str]
    points: Mapping[str, Any]
    curve: Mapping[str, Any]
    width: float | str
    journal: str


def check_known(options: Options) -> None:
    """A TypeError for a keyword that no figure takes, as from any function."""
    known = Options.__annotations__
    for name in options:
        if name not in known:
            raise TypeError(f"no keyword {name!r} of figures; there is {', '.join(known)}")


def page_width(options: Options, usual: float, double: float) -> float:
    """The width in mm of a new page that is usually so wide; `double` is that of two columns.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such journal or width.
    """
    name = options.get("journal", "aps")
    if name not in JOURNALS:
        raise AnalysisError(
            f"no journal {name!r}", where="figure", remedy=f"there is {', '.join(JOURNALS)}"
        )
    columns = JOURNALS[name]
    width = options.get("width", "double" if usual >= double else "single")
    if width in ("single", "double"):
        return columns.single if width == "single" else columns.double
    if not isinstance(width, (int, float)) or not 20.0 <= width <= 1000.0:
        raise AnalysisError(
            f"no width {width!r}",
            where="figure",
            remedy="give single, double or from 20 to 1000 mm",
        )
    return float(width)
