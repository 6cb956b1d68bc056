"""Figures as files, with reproducible bytes."""

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from physbatch.errors import OutputError
from physbatch.files.atomic import write_atomic
from physbatch.plots.style import (
    METADATA,
    HasFigure,
    NotebookFigure,
    journal_style,
    root_figure,
)


def figure_bytes(drawn: Figure | HasFigure, file_format: str) -> bytes:
    """The figure as a PDF, PNG or SVG file; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure = root_figure(drawn)
    settings = figure.settings if isinstance(figure, NotebookFigure) else None
    with (
        matplotlib.rc_context(settings) if settings else journal_style(),
        warnings.catch_warnings(),
    ):
        # Said once where the text was written, with what to do (`physbatch.plots.letters`).
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format=file_format, metadata=METADATA[file_format])
    return stream.getvalue()


def svg_text(figure: Figure | HasFigure) -> str:
    """The figure as an SVG document."""
    return figure_bytes(figure, "svg").decode("utf-8")


def formats_of(path: Path) -> tuple[str, ...]:
    """What a figure of this name is written as: SVG alone, or PDF and PNG."""
    return ("svg",) if path.suffix.lower() == ".svg" else ("pdf", "png")


def bare_name(path: Path) -> str:
    """The name of a figure without the suffix of a format."""
    known = [f".{file_format}" for file_format in METADATA]
    return path.stem if path.suffix.lower() in known else path.name


def save_figure(
    figure: Figure | HasFigure,
    path: str | os.PathLike[str],
    formats: Sequence[str] | None = None,
) -> tuple[Path, ...]:
    """Write the figure, by default as PDF and as PNG (300 dpi), each whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure or Drawn
        The figure, or what a function of this package returned.
    path : path-like
        Name without suffix, or with ``.pdf`` or ``.png``, where both files are written; with
        ``.svg`` it is that file alone.
    formats : sequence of {"pdf", "png", "svg"}, optional
        Which files to write instead.

    Returns
    -------
    tuple of pathlib.Path
        The files.

    Raises
    ------
    OutputError
        If the folder or the disk does not take a file, or a format is not known.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from matplotlib.figure import Figure
    >>> from physbatch.plots import save_figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file.name for file in save_figure(Figure(), Path(folder) / "empty")]
    ...     [file.name for file in save_figure(Figure(), Path(folder) / "empty.svg")]
    ['empty.pdf', 'empty.png']
    ['empty.svg']
    """
    target = Path(path)
    written = []
    for file_format in formats or formats_of(target):
        if file_format not in METADATA:
            raise OutputError(
                f"no format {file_format!r}",
                where=str(path),
                remedy=f"there is {', '.join(METADATA)}",
            )
        file = target.with_name(f"{bare_name(target)}.{file_format}")
        write_atomic(file, figure_bytes(figure, file_format))
        written.append(file)
    return tuple(written)
