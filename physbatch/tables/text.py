"""Text files of numbers: their layout, their columns, and where a bad line is.

Text is parsed as data, never evaluated.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from physbatch.errors import DatasetError
from physbatch.tables.cells import Cell, joined_errors, read_cell
from physbatch.tables.columns import ERROR_NAMES
from physbatch.tables.sheet import SIZE_NAMES, Sheet
from physbatch.tables.sources import lines_of
from physbatch.tables.tidy import tidied
from physbatch.typing import FloatArray

_DELIMITERS = (",", ";", "\t", None)  # None: any white space
#: Words for no number, if they fill the first line together with numbers.
_LEAST_COLUMNS = 3
#: Lines among which the names of the columns stand.
_LINES_OF_HEAD = 60
#: The number of a column before its name, and what stands before all names: "# columns: 1:L 2:T".
_NUMBER_OF_COLUMN = re.compile(
    r"(?<![^\s,;])(?:[\[(]\d+[\])]|(?:col(?:umn)?\s*)?\d+\s*[:=.)\]])\s*(?=[^\W\d]|\|)"
)
_TITLE = re.compile(r"^\W*(?:columns?|cols?|fields?|format|data)\b(?:\s+are)?\s*[:=]\s*", re.I)
#: A column of errors that has no other name than the sign for them.
_SIGN_OF_ERRORS = re.compile(r"([^\s,;]+)([\s,;]+)(?:\+/-|\+-|±)(?=[\s,;]|$)")
_UNIT = re.compile(r"(.*\d)\s*([A-Za-zµμΩ°Å]\S*)")


@dataclass(frozen=True)
class TextSheet(Sheet):
    """Columns of a text file.

    Attributes
    ----------
    lines : list of str
        All of them.
    delimiter : str or None
        None: any white space.
    header : int
        Lines up to the first row of data.
    cells : tuple of str
        Names of the columns as they stand.
    offset : int
        Lines that were put before those of the file.
    """

    lines: list[str] = field(repr=False)
    delimiter: str | None
    header: int
    cells: tuple[str, ...]
    offset: int = 0

    @cached_property
    def _rows(self) -> list[tuple[int, str]]:
        """Number of the line, from 1, and content of every row of data."""
        numbered = _contents(self.lines)
        return [(n, text) for n, text, _ in numbered if n > self.header and text.strip()]

    @cached_property
    def _units(self) -> list[str]:
        """The unit that stands behind the number in each cell of the first row, if there is one."""
        texts = split(self._rows[0][1], self.delimiter)
        matches = ((text, _UNIT.fullmatch(text)) for text in texts)
        comma = {"decimal_comma": self.decimal_comma}
        units = [
            match[2]
            if match and read_cell(match[1], **comma) and not read_cell(text, **comma)
            else ""
            for text, match in matches
        ]
        return units if len(units) == len(self.cells) else [""] * len(self.cells)

    def locate(self, row: int) -> str:
        return f"{self.source}, line {self._rows[row][0] - self.offset}"

    @property
    def decimal_comma(self) -> bool:
        return self.delimiter != ","

    def load(self, needed: Sequence[str]) -> FloatArray:
        quick = self._quick(needed) if self.names == self.cells else None
        return self._cell_by_cell(needed) if quick is None else quick

    def _quick(self, needed: Sequence[str]) -> FloatArray | None:
        """Plain numbers, read by numpy; None if there is anything else."""
        words: Mapping[int | str, Callable[[str], Any]] = {
            column: lambda cell: 0.0 for column, name in enumerate(self.names) if name not in needed
        }
        attempts: tuple[Mapping[int | str, Callable[[str], Any]] | None, ...] = (None, words)
        for converters in attempts:
            try:
                data = np.loadtxt(
                    itertools.islice(self.lines, self.header, None),
                    delimiter=self.delimiter,
                    quotechar='"',
                    converters=converters,
                    ndmin=2,
                )
            except (ValueError, OverflowError):
                continue
            if data.shape[1] == len(self.names):
                return np.asarray(data, dtype=np.float64)
        return None

    def lines_of_words(self, needed: Sequence[str]) -> list[int]:
        """Lines in which a column that is needed holds no number."""
        bad = []
        for row, (number, content) in enumerate(self._rows):
            try:
                self._numbers(row, content, needed)
            except DatasetError:
                bad.append(number - self.offset)
        return bad

    def _cell_by_cell(self, needed: Sequence[str]) -> FloatArray:
        data = np.zeros((len(self._rows), len(self.names)))
        for row, (_, content) in enumerate(self._rows):
            data[row] = self._numbers(row, content, needed)
        return data

    def _numbers(self, row: int, content: str, needed: Sequence[str]) -> list[float]:
        texts = split(content, self.delimiter)
        if len(texts) != len(self.cells):
            raise DatasetError(
                f"{len(texts)} cells for {len(self.cells)} columns: {content[:60]!r}",
                where=self.locate(row),
                remedy="separate columns by comma, semicolon, tab or spaces; fill missing cells",
            )
        out = []
        for name, text, unit in zip(self.cells, texts, self._units, strict=True):
            cell = read_cell(text.removesuffix(unit), decimal_comma=self.decimal_comma)
            wanted = name in needed
            if cell is None and wanted:
                raise DatasetError(
                    f"{text[:40]!r} is not a number",
                    where=f"{self.locate(row)}, column {name!r}",
                    remedy="write numbers with a decimal point, or leave the row out",
                )
            cell = cell or Cell(0.0)
            if cell.has_error and wanted and error_name(name) not in self.names:
                raise DatasetError(
                    f"{text[:40]!r} has an error, the cells above it have none",
                    where=f"{self.locate(row)}, column {name!r}",
                    remedy="give every value one, or a column of errors",
                )
            out.append(cell.value)
            if error_name(name) in self.names and error_name(name) not in self.cells:
                out.append(cell.error)
        return out


def error_name(name: str) -> str:
    """Name of the column of the errors that stand in the cells of their values."""
    return f"{name}_error"


def _contents(lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Number from 1, what stands before a comment, and the comment, of every line."""
    for number, line in enumerate(lines, 1):
        content, _, comment = line.partition("#")
        yield number, content.strip(" \r\n"), comment.strip()


def split(line: str, delimiter: str | None) -> list[str]:
    """Cells of a line; quotes hold a cell together, and so does +- a value and its error."""
    line = joined_errors(line)
    if delimiter is None:
        line, delimiter = line.replace("\t", " "), " "
    try:
        return [
            c.strip() for c in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
        ]
    except (csv.Error, StopIteration):
        return [line]


def _from_names_on(lines: list[str]) -> list[str]:
    """The lines, blank before the names of the columns and where units stand below them."""
    contents = ((number - 1, text) for number, text, _ in _contents(lines) if text.strip())
    filled = list(itertools.islice(contents, _LINES_OF_HEAD))
    if len(filled) < 4:
        return lines
    delimiter = _delimiter(filled[-1][1])
    rows = [split(text, delimiter) for _, text in filled]
    width, out = len(rows[-1]), list(lines)
    first = next((k for k, row in enumerate(rows[:-1]) if _two_rows(row, rows[k + 1], width)), 0)
    if _two_levels(rows[:3]):
        control, *_ = rows[2]
        names = [f"{name} {rows[1][0]}={size}" for name, size in zip(*rows[:2], strict=True)]
        head = [control, *names[1:]]
        for line, text in zip(filled[:3], ("", "", (delimiter or " ").join(head)), strict=False):
            out[line[0]] = text
        return out
    above = list(range(first))
    if len(above) > 1 and len(rows[above[-2]]) == width and _are_units(rows[above[-1]]):
        out[filled[above.pop()][0]] = ""
    if len(above) > 1 and len(rows[above[-1]]) == width:
        for k in above[:-1]:
            out[filled[k][0]] = ""
    return out


def _two_rows(row: list[str], following: list[str], width: int) -> bool:
    """Whether two lines hold numbers, as many cells as the last line of a file."""
    return all(
        len(cells) == width > 1 and sum(_is_number(cell, decimal_comma=True) for cell in cells) > 1
        for cells in (row, following)
    )


def _two_levels(rows: list[list[str]]) -> bool:
    """Whether names stand above sizes above the name of the control, as pandas writes a pivot."""
    names, sizes, control = rows
    return (
        len(names) == len(sizes) == len(control) > 2
        and not names[0]
        and len(set(names[1:])) < len(names) - 1
        and all(map(_is_number, sizes[1:]))
        and bool(control[0])
        and not any(control[1:])
    )


def _are_units(cells: list[str]) -> bool:
    """Whether cells are units: in brackets, or 1 or a bar where there is none."""
    bracketed = [cell[:1] in ("(", "[") and cell[-1:] in (")", "]") for cell in cells]
    others = [cell for cell, unit in zip(cells, bracketed, strict=True) if not unit]
    return any(bracketed) and all(cell in ("1", "-", "") for cell in others)


def _is_number(cell: str, *, decimal_comma: bool = False) -> bool:
    return bool(cell) and read_cell(cell, decimal_comma=decimal_comma) is not None


def sniff(path: Path) -> TextSheet:
    """Delimiter and names, from the first two lines that hold something."""
    original, source = lines_of(path), str(path)
    lines = _from_names_on(tidied(original))
    sheet = _sniffed(lines, source)
    return replace(sheet, offset=len(lines) - len(original))


def _sniffed(lines: list[str], source: str) -> TextSheet:
    filled: list[tuple[int, str]] = []
    comments: list[str] = []
    for number, content, remark in _contents(lines):
        if content.strip():
            filled.append((number, content))
        elif remark and not filled:
            comments.append(remark)
        if len(filled) == 2:
            break
    if not filled:
        raise DatasetError("no rows", where=source, remedy="give a file with data")
    delimiter = _delimiter(filled[-1][1])
    number, first = filled[0]
    cells = split(first, delimiter)
    numeric = [_is_number(cell, decimal_comma=delimiter != ",") for cell in cells]
    if all(numeric):
        names = _names_in(comments, delimiter, len(cells))
        head = tuple(names or map(str, range(1, len(cells) + 1)))
        return _sheet(source, lines, delimiter, number - 1, head, filled[0][1], bool(names))
    # Beside words L=8 is the name of a column.
    numeric = ["=" not in cell and number for cell, number in zip(cells, numeric, strict=True)]
    if any(numeric) and (len(filled) == 1 or not _names_sizes(cells, numeric)):
        raise DatasetError(
            f"numbers and words mixed: {first[:60]!r}",
            where=f"{source}, line {number}",
            remedy="the first line holds either the names of the columns or numbers",
        )
    if len(filled) == 1:
        raise DatasetError("no rows below the names", where=source, remedy="give data")
    if max(len(cells), len(split(filled[1][1], delimiter))) < _LEAST_COLUMNS and not any(
        (cell := read_cell(text)) is not None and cell.has_error
        for text in split(filled[1][1], delimiter)
    ):
        raise DatasetError(
            f"fewer than three columns: {first[:60]!r}",
            where=f"{source}, line {number}",
            remedy="separate columns by comma, semicolon, tab or spaces",
        )
    row = split(filled[1][1], delimiter)
    if len(row) == len(cells) + 1 and (filled[1][1].startswith('"') or row[0] in ("0", "1")):
        cells = ["", *cells]  # R numbers the rows in a column without a name
    cells = _distinct(_names(first, delimiter, len(row)) or cells)
    return _sheet(source, lines, delimiter, number, tuple(cells), filled[1][1], True)


def _names_in(comments: Sequence[str], delimiter: str | None, count: int) -> list[str]:
    """Names of so many columns: in the last comment, or in one before that names a size."""
    for comment in reversed(comments):
        names = _distinct(_names(comment, delimiter, count))
        if _are_units(names):
            continue
        if (
            names
            and not any(map(_is_number, names))
            and (comment is comments[-1] or any(name in SIZE_NAMES for name in names))
        ):
            return names
    return []


def _names(line: str, delimiter: str | None, count: int) -> list[str]:
    """Names of so many columns in a line, which another delimiter may part; else none."""
    line = _NUMBER_OF_COLUMN.sub("", _TITLE.sub("", line))
    line = _SIGN_OF_ERRORS.sub(r"\1\2" + error_name(r"\1"), line)
    ways = [split(line, mark) for mark in dict.fromkeys((delimiter, ",", ";", "\t", None))]
    for names in [*ways, re.split(r"\s{2,}", line)]:
        if len(names) == count and not any(name.endswith((",", ";")) for name in names):
            return names
    return []


def _distinct(names: Sequence[str]) -> list[str]:
    """Names, where a word for errors that stands again is that of the column before it."""
    again = {name for name in names if names.count(name) > 1 and name.lower() in ERROR_NAMES}
    return [
        error_name(before) if name in again else name
        for before, name in zip(["", *names], names, strict=False)
    ]


def _sheet(
    source: str,
    lines: list[str],
    delimiter: str | None,
    header: int,
    cells: tuple[str, ...],
    row: str,
    named: bool,
) -> TextSheet:
    """The sheet, with a column for the errors that stand in the cells of a first row."""
    names: list[str] = []
    texts = split(row, delimiter)
    for name, text in zip(cells, texts if len(texts) == len(cells) else cells, strict=True):
        names.append(name)
        cell = read_cell(text, decimal_comma=delimiter != ",")
        if cell is not None and cell.has_error:
            names.append(error_name(name))
    return TextSheet(source, tuple(names), named, lines, delimiter, header, cells)


def _names_sizes(cells: Sequence[str], numeric: Sequence[bool]) -> bool:
    """Whether a line names a control and then sizes, as in ``T, 8, 16, 32``."""
    sizes = [cell for cell, number in zip(cells, numeric, strict=True) if number]
    return not numeric[0] and len(sizes) > 1 and sum(numeric) >= len(cells) - 1 - len(sizes)


def _delimiter(line: str) -> str | None:
    """The delimiter that makes most numbers of a line of data."""

    def numbers(delimiter: str | None) -> int:
        comma = delimiter != ","
        return sum(_is_number(c, decimal_comma=comma) for c in split(line, delimiter))

    # Of commas between digits two cells are made by a comma, and one number by anything else.
    spaced = line.split()
    if len(spaced) >= _LEAST_COLUMNS and all(
        _is_number(cell, decimal_comma=True) for cell in spaced
    ):
        return "\t" if len(line.split("\t")) == len(spaced) else None
    candidates = [d for d in _DELIMITERS if d != "," or ";" not in line]
    return max(candidates, key=numbers)
