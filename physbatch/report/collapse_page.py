"""One self-contained HTML file of a data collapse: exponents, figures, every number."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

import physbatch
from physbatch.files.netcdf import write_atomic
from physbatch.plots import plot_collapse, plot_corner, plot_windows, svg_text
from physbatch.plots.style import root_figure
from physbatch.report.figures import ReportFigure, inline_svg
from physbatch.report.html import environment
from physbatch.report.rows import file_rows
from physbatch.results.export import result_csv
from physbatch.scaling.data_collapse.result import Collapse

__all__ = ["render_collapse", "write_collapse"]


def render_collapse(result: Collapse, files: Sequence[str | os.PathLike[str]] = ()) -> str:
    """The page as a string of HTML; it needs no network and no script.

    Parameters
    ----------
    result : Collapse
        What `physbatch.scaling.data_collapse.methods.collapse` returned.
    files : sequence of path-like
        Files it belongs to; the page lists name, size and SHA-256 of each.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.report.collapse_page import render_collapse
    >>> from physbatch.scaling.data_collapse.methods import collapse
    >>> from physbatch.tables import make_table
    >>> size, control = np.repeat([8, 16, 32], 15), np.tile(np.linspace(0.9, 1.1, 15), 3)
    >>> value = np.tanh(size * (control - 1)) + 0.01 * np.sin(37.0 * np.arange(45))
    >>> table = make_table(size, control, {"U": value}, {"U": np.full(45, 0.01)})
    >>> page = render_collapse(collapse(table, fixed={"zeta": 0.0}, window="all"))
    >>> page.startswith("<!doctype html>"), "chi2/dof" in page
    (True, True)
    """
    headline = repr(result).splitlines()[0].partition(": ")[2]
    return (
        environment()
        .get_template("collapse.html.j2")
        .render(
            title=f"Collapse of {', '.join(result.observables)}",
            headline=headline,
            # A number and its error stay on one line.
            found=headline.split(", "),
            measured=_measured(result),
            certainty=_certainty(result),
            # Its texts are escaped where they are made.
            parameters=Markup(result._repr_html_()),
            figures=[
                ReportFigure(
                    anchor, inline_svg(svg_text(root_figure(draw())), anchor, words), words
                )
                for anchor, words, draw in _plans(result)
            ],
            report=result.report(),
            latex=result.to_latex(),
            csv=result_csv(result),
            source=f"physbatch {physbatch.__version__}",
            files=file_rows(files),
        )
    )


def write_collapse(
    result: Collapse,
    path: str | os.PathLike[str],
    files: Sequence[str | os.PathLike[str]] = (),
) -> Path:
    """Write the page of `render_collapse`, whole or not at all.

    Raises
    ------
    physbatch.errors.OutputError
        If the file cannot be written, or one of `files` cannot be read.
    """
    target = Path(path)
    write_atomic(target, render_collapse(result, files).encode("utf-8"))
    return target


def _measured(result: Collapse) -> str:
    """Observables, sizes, points and what the control is, in one line."""
    sizes = sorted({float(size) for points in result.points for size in points.size})
    count = sum(points.x.size for points in result.points)
    listed = ", ".join(f"{size:g}" for size in sizes)
    return (
        f"{', '.join(result.observables)} against {result.control_name}; {result.size_name} = "
        f"{listed or 'none'}; {count} points"
    )


def _certainty(result: Collapse) -> str:
    """Goodness of fit, starts and windows that agree, and the number of warnings."""
    known = math.isfinite(result.p_value)
    accepted = sum(one.accepted for one in result.windows)
    parts = [
        f"p = {result.p_value:.2g}" if known else f"S = {result.quality:.3g}",
        f"{result.starts_agreed} of {result.starts_tried} starts agree",
        f"{accepted} of {len(result.windows)} windows accepted" if result.windows else "",
        "1 warning" if len(result.flags) == 1 else f"{len(result.flags) or 'no'} warnings",
    ]
    return ", ".join(part for part in parts if part)


def _plans(result: Collapse) -> Iterator[tuple[str, str, Callable[[], Axes]]]:
    """Anchor, caption and drawing function of each figure."""
    if result.points:
        yield (
            "fig-collapse",
            "Rescaled points of every size on their master curve, and the residuals in units of "
            "their errors.",
            lambda: plot_collapse(result)[0].collapse,
        )
    if len(result.windows) > 1 and result.parameters:
        yield (
            "fig-windows",
            "Every parameter in each window of sizes and distances from the critical point; "
            "rejected fits are hollow.",
            lambda: plot_windows(result)[0],
        )
    if result.samples.size:
        yield (
            "fig-corner",
            "Samples of the parameters with contours that hold 68 % and 95 % of them.",
            lambda: plot_corner(result)[0][0],
        )
