"""One cell of a text file: a number as physicists and their programs write it.

``0.70``, ``7.0D-01`` (Fortran, also ``7.0-101``), ``7.0*^-1`` (Mathematica), ``70%``, ``0,70``
(where the comma is decimal), ``L=8``, ``8x8``, ``2^3``, and a value with its error, ``0.703(12)``
or ``0.703 +- 0.012``. Cells are parsed as data, never evaluated.
"""

import math
import re
from typing import NamedTuple

_DIGITS = r"(?:\d+\.?\d*|\.\d+)"
_POWER = r"(?:(?:[eEdD]|\*\^)[+-]?\d+)?"
# Fortran leaves out the letter where the power has three digits.
_NUMBER = re.compile(rf"([+-]?{_DIGITS}{_POWER}|[+-]?\d*\.\d+[+-]\d{{3}})\s*(%?)")
_BRACKET = re.compile(rf"([+-]?{_DIGITS})\(({_DIGITS})\)({_POWER})")
_PLUS_MINUS = re.compile(r"\s*(?:\+/-|\+-|±|\\pm)\s*")
_NAMED = re.compile(r"[A-Za-z]\w*\s*=\s*(?=[-+.\d])")
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_SQUARE = re.compile(r"(\d+)(?:\s*[x×*]\s*\1)+")
_TO_THE = re.compile(r"(\d+)(?:\^|\*\*)(\d{1,2})")
_STARS = re.compile(r"\*+")
#: What stands where nothing was measured.
_MISSING = frozenset({"", "-", "--", "na", "n/a", "nan", "null", "none", "missing", ".", "?"})


class Cell(NamedTuple):
    """A value and the error that stands in the same cell; nan where there is none."""

    value: float
    error: float = math.nan

    @property
    def has_error(self) -> bool:
        return not math.isnan(self.error)


def joined_errors(line: str) -> str:
    """A line in which no space parts a value from its error."""
    return _PLUS_MINUS.sub("±", line)


def read_cell(text: str, *, decimal_comma: bool = False) -> Cell | None:
    """The number in a cell; None if there is something else, nan if there is nothing.

    Parameters
    ----------
    text : str
        The cell.
    decimal_comma : bool
        Whether a comma between digits is the decimal point.

    Examples
    --------
    >>> read_cell("0.703(12)"), read_cell("7.0D-01").value, read_cell("12 %").value
    (Cell(value=0.703, error=0.012), 0.7, 0.12)
    >>> read_cell("1,5", decimal_comma=True).value, read_cell("eight")
    (1.5, None)
    """
    text = _NAMED.sub("", text.strip(), count=1) if "=" in text else text.strip()
    if decimal_comma:
        text = _COMMA.sub(".", text)
    if text.lower() in _MISSING or _STARS.fullmatch(text):
        return Cell(math.nan)
    if match := _BRACKET.fullmatch(text):
        value, digits, power = match.groups()
        scale = _float("1" + power)
        places = len(value.partition(".")[2])
        # An error with a point of its own, 12.3(1.2), is in units and not in the last places.
        unit = 1.0 if "." in digits else 10.0**-places
        return Cell(_float(value + power), float(digits) * unit * scale)
    parts = _PLUS_MINUS.split(text)
    if len(parts) == 2:
        numbers = [_number(part) for part in parts]
        return None if None in numbers else Cell(*(x for x in numbers if x is not None))
    value_alone = _number(text)
    return None if value_alone is None else Cell(value_alone)


def _number(text: str) -> float | None:
    if text.lower() in ("inf", "+inf", "-inf", "infinity", "-infinity"):
        return float(text)
    if match := _SQUARE.fullmatch(text):
        return float(match[1])
    if match := _TO_THE.fullmatch(text):
        return float(match[1]) ** int(match[2])
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    return _float(match[1]) / (100.0 if match[2] else 1.0)


def _float(text: str) -> float:
    return float(re.sub(r"[Dd]|\*\^|(?<=\d)(?=[+-])", "e", text))
