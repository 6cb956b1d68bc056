"""Objects and results as tables in HTML and LaTeX, every text escaped."""

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from html import escape
from typing import Any

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag

Rows = Sequence[Sequence[str]]
_FEW = 6  # parts of a tuple that are shown one by one
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}

#: Names that the field writes with another letter, and letters of the scaling form.
_SYMBOLS = {
    "batch_size": "m",
    "batch_ratio": "(m/N)",
    "temperature": "T",
    "control": "c",
    "shift": "a",
}
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|"
    "psi|omega"
)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)


def html_table(caption: str, header: Sequence[str], rows: Rows, flags: Sequence[str] = ()) -> str:
    """A table with its caption, and the flags as a list below it.

    >>> html_table("<U>", ["T_c"], [["1 & 2"]], ["odd"])[:66]
    '<table><caption>&lt;U&gt;</caption><thead><tr><th>T_c</th></tr></t'
    """
    listed = "".join(f"<li>{escape(flag)}</li>" for flag in flags)
    return (
        f"<table><caption>{escape(caption)}</caption><thead>{_html_row('th', header)}</thead>"
        f"<tbody>{''.join(_html_row('td', row) for row in rows)}</tbody></table>"
        f"{f'<ul>{listed}</ul>' if listed else ''}"
    )


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


class HtmlTable:
    """A frozen dataclass with a short repr, and a table of its fields in notebooks.

    >>> @dataclasses.dataclass(frozen=True, repr=False)
    ... class Width(HtmlTable):
    ...     control: np.ndarray
    >>> "<td>control</td><td>3 values from 1 to 4</td>" in Width(
    ...     np.array([1.0, 2.0, 4.0])
    ... )._repr_html_()
    True
    """

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {_brief(value)}" for name, value in _fields(self).items())
        return f"{type(self).__name__}({listed})"

    def _repr_html_(self) -> str:
        content = _fields(self)
        flags = content.pop("flags", ())
        rows = [(name, _brief(value)) for name, value in content.items()]
        # A repr of its own says what is most important; this one would say all of it twice.
        short = type(self).__repr__ is HtmlTable.__repr__
        caption = type(self).__name__ if short else repr(self)
        return html_table(caption, ("field", "value"), rows, flags)


def _fields(shown: Any) -> dict[str, Any]:
    """What stands in the fields of a dataclass and is not empty."""
    names = [field.name for field in dataclasses.fields(shown)]
    content = {name: getattr(shown, name) for name in names}
    return {n: v for n, v in content.items() if not (isinstance(v, Sized) and len(v) == 0)}


def _brief(value: Any) -> str:
    """A value in one cell; of an array how many numbers it holds, and their range."""
    if isinstance(value, np.ndarray) and value.size > 1:
        known = value[np.isfinite(value)] if value.dtype.kind in "fi" else np.empty(0)
        span = f" from {known.min():g} to {known.max():g}" if known.size else ""
        return f"{' x '.join(map(str, value.shape))} values{span}"
    if isinstance(value, np.ndarray):
        return ", ".join(map(str, value.ravel().tolist()))
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_brief(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(_brief, value)) if len(value) <= _FEW else f"{len(value)} of them"
    return str(value)


def flat_rows(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of the name that a study file uses and the value in readable form.

    >>> list(flat_rows({"grid": {"size": [50, 100], "fast": True}}))
    [('grid.size', '50, 100'), ('grid.fast', 'yes')]
    """
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from flat_rows(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _readable(value)


def _readable(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_readable, value)) or "none"
    if isinstance(value, float):
        return f"{value:.12g}" if math.isfinite(value) else str(value)
    return str(value)


def estimates_html(
    caption: str,
    estimates: Mapping[str, Estimate],
    others: Sequence[tuple[str, str]] = (),
    flags: Sequence[Flag] = (),
) -> str:
    """Estimates with their errors, other numbers below them, as an HTML table."""
    rows = [
        (name, str(e), f"{e.stderr:.2g}", f"{e.systematic:.2g}", f"{e.total:.2g}")
        for name, e in estimates.items()
    ]
    rows += [(name, text, "", "", "") for name, text in others]
    return html_table(
        caption, ("parameter", "value", "statistical", "systematic", "total"), rows, flags
    )


def latex_table(
    header: Sequence[str], rows: Rows, last: Rows = (), flags: Sequence[Flag] = ()
) -> str:
    """A table in the manner of booktabs; cells and header are LaTeX already.

    The flags follow as comments: a number without its warnings must not travel.
    """

    def line(row: Sequence[str]) -> str:
        return rf"{' & '.join(row)} \\"

    lines = [
        "% value(statistical error)(systematic error), or value(total error)",
        rf"\begin{{tabular}}{{{'l' * len(header)}}}",
        r"\toprule",
        line(header),
        r"\midrule",
        *map(line, rows),
        *([r"\midrule", *map(line, last)] if last else []),
        r"\bottomrule",
        r"\end{tabular}",
        *(f"% {' '.join(flag.split())}" for flag in flags),
    ]
    return "\n".join(lines) + "\n"


def estimates_latex(
    estimates: Mapping[str, Estimate],
    others: Sequence[tuple[str, str]] = (),
    flags: Sequence[Flag] = (),
) -> str:
    """Estimates with their intervals as a LaTeX table; names are text, and are escaped."""
    rows = [
        (latex_escaped(name), latex_number(estimate), latex_interval(estimate))
        for name, estimate in estimates.items()
    ]
    last = [(latex_escaped(name), latex_escaped(text), "") for name, text in others]
    return latex_table(("parameter", "value", r"68\,\% interval"), rows, last, flags)


def latex_name(symbol: str, name: str) -> str:
    """The symbol in math, or the escaped name where there is none."""
    return f"${symbol}$" if symbol else latex_escaped(name)


def math_symbol(name: str) -> str:
    """Math of a name for LaTeX and matplotlib, without dollar signs; empty for odd names.

    Examples
    --------
    >>> math_symbol("T"), math_symbol("beta"), math_symbol("abs_m"), math_symbol("|m|")
    ('T', '\\\\beta', '\\\\mathrm{abs\\\\_m}', '')
    """
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    if _GREEK.fullmatch(name):
        return f"\\{name}"
    if not _PLAIN_NAME.fullmatch(name):
        return ""
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


def latex_number(estimate: Estimate) -> str:
    """An estimate in the notation of the field; a dash where there is none."""
    if not math.isfinite(estimate.value):
        return "--"
    # The brackets of the errors may follow the power: 1.06e-23(0).
    parts = re.fullmatch(r"(.*?)e([+-]?\d+)(.*)", str(estimate))
    if parts is None:
        return f"${estimate}$"
    return rf"${parts[1]}{parts[3]} \times 10^{{{int(parts[2])}}}$"


def latex_interval(estimate: Estimate) -> str:
    """The 68 % interval; a dash where there is none."""
    low, high = estimate.interval68
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return "--"
    places = max(1 - math.floor(math.log10(width)), 0)
    return f"$[{low:.{places}f}, {high:.{places}f}]$"


def latex_escaped(text: str) -> str:
    """Text from a file, safe in LaTeX, on one line."""
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
