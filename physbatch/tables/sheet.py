"""Columns of numbers with names, wherever they come from: what a table is made of."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physbatch.errors import DatasetError
from physbatch.typing import FloatArray

#: Usual names of the column of the sizes.
SIZE_NAMES = ("L", "N", "size", "linear_size", "system_size", "lattice_size", "Lx")


@dataclass(frozen=True)
class Sheet(ABC):
    """Columns of numbers.

    Attributes
    ----------
    source : str
        Where they come from, for messages.
    names : tuple of str
        Of the columns; "1", "2" ... where the source names none.
    named : bool
        Whether it does.
    """

    source: str
    names: tuple[str, ...]
    named: bool

    @abstractmethod
    def load(self, needed: Sequence[str]) -> FloatArray:
        """All columns as numbers; those not needed may hold words, and are then 0."""

    @abstractmethod
    def locate(self, row: int) -> str:
        """Says where a row stands."""

    def columns(self, needed: Sequence[str]) -> dict[str, FloatArray]:
        """Those columns that are needed, by name."""
        data = self.load(needed)
        return {name: data[:, self.names.index(name)] for name in needed}


@dataclass(frozen=True)
class ArraySheet(Sheet):
    """Columns that are in memory.

    Attributes
    ----------
    arrays : tuple of array
        One for each name, of equal length.
    where : callable
        Says where a row stands.
    """

    arrays: tuple[object, ...]
    where: Callable[[int], str]

    def locate(self, row: int) -> str:
        return self.where(row)

    def load(self, needed: Sequence[str]) -> FloatArray:
        loaded = []
        for name, array in zip(self.names, self.arrays, strict=True):
            if name not in needed:
                loaded.append(np.zeros(len(np.asarray(array))))
                continue
            try:
                loaded.append(np.asarray(array, dtype=np.float64))
            except (TypeError, ValueError) as error:
                raise DatasetError(
                    f"column {name!r} holds something else than numbers",
                    where=self.source,
                    remedy="name another",
                ) from error
        return np.column_stack(loaded)


def sheet_of(columns: Mapping[str, object], source: str, *, named: bool = True) -> ArraySheet:
    """Columns of equal length from arrays or lists by name.

    Raises
    ------
    physbatch.errors.DatasetError
        If there are none, or they differ in length.
    """
    try:
        arrays = {str(name): np.asarray(values) for name, values in columns.items()}
    except ValueError as error:
        raise DatasetError(
            "a column of lists of different lengths",
            where=source,
            remedy="give a number in each cell",
        ) from error
    lengths = {array.shape for array in arrays.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DatasetError(
            f"columns of different shapes: {shapes}" if shapes else "no columns",
            where=source,
            remedy="give columns of equal length",
        )
    return ArraySheet(
        source, tuple(arrays), named, tuple(arrays.values()), lambda row: f"{source}, row {row + 1}"
    )


# --- one file for each size -------------------------------------------------------------


def stacked(sheets: Iterable[tuple[float, Sheet]], size_name: str, source: str) -> ArraySheet:
    """One sheet of many that hold a size each.

    Raises
    ------
    physbatch.errors.DatasetError
        If their columns differ.
    """
    given = list(sheets)
    first = given[0][1]
    for _, sheet in given[1:]:
        if sheet.names != first.names:
            raise DatasetError(
                f"columns {', '.join(sheet.names)}",
                where=sheet.source,
                remedy=f"{first.source} has {', '.join(first.names)}; name them alike",
            )
    rows = [
        (size, sheet, sheet.load(sheet.names if not sheet.named else _numeric(sheet)))
        for size, sheet in given
    ]
    places = [(sheet, row) for _, sheet, data in rows for row in range(len(data))]
    whole = np.concatenate([data for *_, data in rows])
    sizes = np.concatenate([np.full(len(data), size) for size, _, data in rows])
    names = (size_name, *first.names)
    if not first.named:
        names = tuple(str(column) for column in range(1, len(names) + 1))
    return ArraySheet(
        source,
        names,
        first.named,
        (sizes, *whole.T),
        lambda row: places[row][0].locate(places[row][1]),
    )


def _numeric(sheet: Sheet) -> list[str]:
    """Names of the columns that hold numbers."""
    out = []
    for name in sheet.names:
        try:
            sheet.load([name])
        except DatasetError:
            continue
        out.append(name)
    return out


# --- a column for each size -------------------------------------------------------------

_SIZE = re.compile(
    r"(?:^|(?<=[^A-Za-z]))(?P<key>L|N|size|Size)\s*[=_:]?\s*(?P<size>\d+(?:\.\d+)?)(?!\d)"
)
#: A name that ends, or begins, with a size.
_KEY = re.compile(
    r"(?P<name>[^\W\d]\w*?)_?(?:[LN]=?)?(?P<size>\d+)|[LN]=?(?P<first>\d+)[_/. ](?P<rest>\w+)"
)
_ALONE = re.compile(r"(?P<size>\d+(?:\.\d+)?)(?P<rest>\D.*)?")
_EQUALS = re.compile(r"(?P<key>[^\W\d]\w*)\s*=\s*(?P<size>-?\d*\.?\d+)(?P<rest>\D.*)?")
_ERROR_WORD = re.compile(
    r"(?:^|[_\W])(?:d|err|error|errors|stderr|std|se|sem|sigma|unc|\+-|±)(?:$|[_\W])", re.IGNORECASE
)


@dataclass(frozen=True)
class _Wide:
    """What the name of a column of a wide table says."""

    size: float
    key: str
    error: bool


def long_form(sheet: Sheet) -> Sheet:
    """A table with a column for each size (``T, L=20, L=20_err, ...``) as one with a row for each.

    So it is where rows are sizes and columns controls (``L, 2.2, 2.3``), and where each size has
    controls of its own (``T_8, m_8, T_16, m_16``). Any other sheet is given back as it is.
    """
    if sheet.named and all(map(_KEY.fullmatch, sheet.names)):
        columns = by_sizes(sheet.columns(sheet.names))
        return sheet_of(columns, sheet.source) if len(columns) < len(sheet.names) else sheet
    told = {name: _said(name) for name in sheet.names} if sheet.named else {}
    if not any(told.values()):
        return sheet
    plain = [name for name in sheet.names if told[name] is None]
    if len(plain) == 2:  # pandas writes the numbers of the rows as a column of their own
        plain = [name for name in plain if not _counts_rows(name)] or plain
    values = {w.size: n for n, w in told.items() if w is not None and not w.error}
    errors = {w.size: n for n, w in told.items() if w is not None and w.error}
    count = sum(w is not None for w in told.values())
    if len(values) < 2 or len(plain) != 1 or count != len(values) + len(errors):
        return sheet
    if errors and set(errors) != set(values):
        return sheet
    keys = {w.key for w in told.values() if w is not None and w.key}
    key = keys.pop() if len(keys) == 1 else ""
    size_name, control_name, of_rows = _corner(plain[0], key)
    if key not in ("", *SIZE_NAMES) and not of_rows:
        return sheet
    data = sheet.columns([plain[0], *values.values(), *errors.values()])
    control = data[plain[0]]
    rows = len(control)
    names = [size_name, control_name, "y"]
    coordinates = [np.repeat(np.array(list(values)), rows), np.tile(control, len(values))]
    arrays = [
        *(reversed(coordinates) if of_rows else coordinates),
        np.concatenate([data[name] for name in values.values()]),
    ]
    if errors:
        names.append("dy")
        arrays.append(np.concatenate([data[errors[size]] for size in values]))
    absent = np.isnan(arrays[2])  # a size that was not measured at a control
    kept = np.flatnonzero(~absent)
    return ArraySheet(
        sheet.source,
        tuple(names),
        True,
        tuple(array[kept] for array in arrays),
        lambda row: sheet.locate(int(kept[row]) % rows),
    )


def _corner(name: str, key: str) -> tuple[str, str, bool]:
    r"""Names of size and control in the corner of a wide table, and whether rows are the sizes.

    Examples
    --------
    >>> _corner("T", "L"), _corner("L", "T"), _corner(r"N\T", ""), _corner("T/N", "")
    (('L', 'T', False), ('L', 'T', True), ('N', 'T', True), ('N', 'T', False))
    """
    row, *column = re.split(r"\s*(?:[\\/|]|\bvs\b)\s*", name)
    if row in SIZE_NAMES and len(column) < 2:
        return row, column[0] if column else key or "c", True
    if len(column) == 1 and column[0] in SIZE_NAMES:
        return column[0], row, False
    return key or "L", name or "c", False


def by_sizes(columns: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Columns of all sizes, where every name tells one: ``T_8, m_8, T_16, m_16``; else the same."""
    parts: dict[float, dict[str, FloatArray]] = {}
    for key, values in columns.items():
        match = _KEY.fullmatch(key)
        if match is None or values.ndim != 1:
            return dict(columns)
        size = float(match["size"] or match["first"])
        parts.setdefault(size, {})[match["name"] or match["rest"]] = values
    names = list(next(iter(parts.values()), ()))
    if len(parts) < 2 or len(names) < 2 or any(list(part) != names for part in parts.values()):
        return dict(columns)
    sizes = [np.full(len(part[names[0]]), size) for size, part in parts.items()]
    rows = {name: np.concatenate([part[name] for part in parts.values()]) for name in names}
    return {"L": np.concatenate(sizes), **rows}


def _counts_rows(name: str) -> bool:
    return name.strip() in ("", "#") or name.lower().startswith(("unnamed", "index"))


def _said(name: str) -> _Wide | None:
    match = _SIZE.search(name)
    if match is not None:
        rest = name[: match.start()] + " " + name[match.end() :]
        key = "N" if match["key"] == "N" else "L"
        return _Wide(float(match["size"]), key, _is_error(rest))
    if match := _EQUALS.fullmatch(name.strip()):
        return _Wide(float(match["size"]), match["key"], _is_error(match["rest"] or ""))
    alone = _ALONE.fullmatch(name.strip())
    if alone is None:
        return None
    return _Wide(float(alone["size"]), "", _is_error(alone["rest"] or ""))


def _is_error(rest: str) -> bool:
    return bool(_ERROR_WORD.search(rest)) or rest.strip().startswith(("d", "err", "sigma"))
