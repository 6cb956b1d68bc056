"""Tables of results in HTML and LaTeX, every text escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from physbatch.results.display import Rows, html_table
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag

__all__ = [
    "estimates_html",
    "estimates_latex",
    "latex_escaped",
    "latex_interval",
    "latex_name",
    "latex_number",
    "latex_table",
]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}


def estimates_html(
    caption: str,
    estimates: Mapping[str, Estimate],
    others: Sequence[tuple[str, str]] = (),
    flags: Sequence[Flag] = (),
) -> str:
    """Estimates with both errors, other numbers below them, as an HTML table."""
    rows = [
        (name, str(one), f"{one.stderr:.2g}", f"{one.systematic:.2g}")
        for name, one in estimates.items()
    ]
    rows += [(name, text, "", "") for name, text in others]
    return html_table(caption, ("parameter", "value", "statistical", "systematic"), rows, flags)


def latex_table(
    header: Sequence[str], rows: Rows, last: Rows = (), flags: Sequence[Flag] = ()
) -> str:
    """A table in the manner of booktabs; cells and header are LaTeX already.

    The flags follow as comments: a number without its warnings must not travel.
    """

    def line(row: Sequence[str]) -> str:
        return rf"{' & '.join(row)} \\"

    lines = [
        "% value(statistical error)(systematic error)",
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
        (latex_escaped(name), latex_number(one), latex_interval(one))
        for name, one in estimates.items()
    ]
    last = [(latex_escaped(name), latex_escaped(text), "") for name, text in others]
    return latex_table(("parameter", "value", r"68\,\% interval"), rows, last, flags)


def latex_name(symbol: str, name: str) -> str:
    """The symbol in math, or the escaped name where there is none."""
    return f"${symbol}$" if symbol else latex_escaped(name)


def latex_number(estimate: Estimate) -> str:
    """An estimate in the notation of the field; a dash where there is none."""
    if not math.isfinite(estimate.value):
        return "--"
    # The brackets of the errors may follow the power: 1.06e-23(0).
    found = re.fullmatch(r"(.*?)e([+-]?\d+)(.*)", str(estimate))
    if found is None:
        return f"${estimate}$"
    return rf"${found[1]}{found[3]} \times 10^{{{int(found[2])}}}$"


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
