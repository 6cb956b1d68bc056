"""Text files of numbers: their layout, their columns, and where a bad line is.

Text is parsed as data, never evaluated.
"""

import csv
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physbatch.errors import DatasetError
from physbatch.typing import FloatArray

_DELIMITERS = (",", ";", "\t", None)  # None: any white space
_TEXT_REMEDY = "give CSV, columns separated by spaces, or NetCDF"


@dataclass(frozen=True)
class Layout:
    """How a text file is laid out."""

    path: Path
    delimiter: str | None  # None: any white space
    names: tuple[str, ...]  # "1", "2" ... where the file has none
    header: int  # lines up to the first row of data


def is_netcdf(path: Path) -> bool:
    """Whether a file is NetCDF, by its first bytes or its suffix."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise DatasetError(
            f"cannot read ({error.strerror or error})", where=str(path), remedy="check the path"
        ) from error
    return head.startswith((b"\x89HDF\r\n\x1a\n", b"CDF")) or path.suffix in (".nc", ".nc4")


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Number from 1, what stands before a comment, and the comment, of every line."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if "\0" in line:
                    raise DatasetError(
                        "not a text file", where=f"{path}, line {number}", remedy=_TEXT_REMEDY
                    )
                content, _, comment = line.partition("#")
                yield number, content.strip(" \r\n"), comment.strip()
    except UnicodeDecodeError as error:
        raise DatasetError(
            "not text in UTF-8", where=str(path), remedy=f"save it as UTF-8 text; {_TEXT_REMEDY}"
        ) from error


def _split(line: str, delimiter: str | None) -> list[str]:
    """Cells of a line; quotes hold a cell together."""
    if delimiter is None:
        line, delimiter = line.replace("\t", " "), " "
    try:
        return [
            c.strip() for c in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        ]
    except (csv.Error, StopIteration):
        return [line]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # 1_000 is a number for Python only


def sniff(path: Path) -> Layout:
    """Delimiter and names, from the first two lines that hold something."""
    filled, comment = [], ""
    for number, content, remark in _lines(path):
        if content.strip():
            filled.append((number, content))
        elif remark and not filled:
            comment = remark
        if len(filled) == 2:
            break
    if not filled:
        raise DatasetError("no rows", where=str(path), remedy="give a file with data")
    _refuse_decimal_commas(f"{path}, line {filled[-1][0]}", filled[-1][1])
    delimiter = _delimiter(filled[-1][1])
    number, first = filled[0]
    cells = _split(first, delimiter)
    numeric = [_is_number(cell) for cell in cells]
    if any(numeric) and not all(numeric):
        raise DatasetError(
            f"numbers and words mixed: {first[:60]!r}",
            where=f"{path}, line {number}",
            remedy="the first line holds either the names of the columns or numbers",
        )
    if all(numeric):
        names = _split(comment, delimiter)
        names = names if len(names) == len(cells) else _split(comment, None)
        if len(names) != len(cells) or any(map(_is_number, names)):
            names = [str(column) for column in range(1, len(cells) + 1)]
        return Layout(path, delimiter, tuple(names), number - 1)
    if len(filled) == 1:
        raise DatasetError("no rows below the names", where=str(path), remedy="give data")
    if len(cells) < 3 and len(_split(filled[1][1], delimiter)) < 3:
        raise DatasetError(
            f"fewer than three columns: {first[:60]!r}",
            where=f"{path}, line {number}",
            remedy="separate columns by comma, semicolon, tab or spaces",
        )
    return Layout(path, delimiter, tuple(cells), number)


def _delimiter(line: str) -> str | None:
    """The delimiter that makes most numbers of a line of data."""
    candidates = [d for d in _DELIMITERS if d != "," or ";" not in line]
    return max(candidates, key=lambda d: sum(map(_is_number, _split(line, d))))


def _refuse_decimal_commas(where: str, line: str) -> None:
    """Numbers like 2,27 between tabs or spaces, where the comma looks like the delimiter."""
    cells = line.split()
    if len(cells) >= 3 and all(_is_number(cell.replace(",", ".", 1)) for cell in cells):
        with_comma = [cell for cell in cells if not _is_number(cell)]
        if with_comma:
            raise DatasetError(
                f"{with_comma[0][:40]!r} is not a number",
                where=where,
                remedy="write numbers with a decimal point",
            )


def load(layout: Layout, needed: Sequence[str]) -> FloatArray:
    """All columns as numbers; those not needed may hold words and are then 0."""
    words: Mapping[int | str, Callable[[str], Any]] = {
        column: lambda cell: 0.0 for column, name in enumerate(layout.names) if name not in needed
    }
    attempts: tuple[Mapping[int | str, Callable[[str], Any]] | None, ...] = (None, words)
    for converters in attempts:
        with open(layout.path, encoding="utf-8-sig") as stream:
            try:
                data = np.loadtxt(
                    itertools.islice(stream, layout.header, None),
                    delimiter=layout.delimiter,
                    quotechar='"',
                    converters=converters,
                    ndmin=2,
                )
            except (ValueError, OverflowError):
                continue
        if data.shape[1] == len(layout.names):
            return np.asarray(data, dtype=np.float64)
    raise _bad_line(layout, needed)


def _rows_of(layout: Layout) -> Iterator[tuple[int, str]]:
    return (
        (number, content)
        for number, content, _ in _lines(layout.path)
        if number > layout.header and content.strip()
    )


def _bad_line(layout: Layout, needed: Sequence[str]) -> DatasetError:
    """What is wrong in a file that could not be read, at its first bad line."""
    for number, content in _rows_of(layout):
        cells = _split(content, layout.delimiter)
        where = f"{layout.path}, line {number}"
        if len(cells) != len(layout.names):
            return DatasetError(
                f"{len(cells)} cells for {len(layout.names)} columns: {content[:60]!r}",
                where=where,
                remedy="separate columns by comma, semicolon, tab or spaces; fill missing cells",
            )
        for name, cell in zip(layout.names, cells, strict=True):
            if name in needed and not _is_number(cell):
                what = f"{cell[:40]!r} is not a number" if cell else "empty cell"
                return DatasetError(
                    what,
                    where=f"{where}, column {name!r}",
                    remedy="write numbers with a decimal point, or leave the row out",
                )
    return DatasetError("cannot be read", where=str(layout.path), remedy=_TEXT_REMEDY)


def line_of_row(layout: Layout, row: int) -> int:
    """Number of the line, from 1, that holds a row of data."""
    return next(itertools.islice(_rows_of(layout), row, None))[0]
