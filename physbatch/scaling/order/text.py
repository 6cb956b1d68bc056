"""The order of a transition as text, HTML and LaTeX."""

from __future__ import annotations

from physbatch.results.display import html_table
from physbatch.results.render import latex_escaped, latex_number, latex_table
from physbatch.scaling.order.result import TransitionOrder

__all__ = ["order_html", "order_latex", "order_report"]


def order_report(result: TransitionOrder) -> str:
    """Verdict, reasons, then every piece of evidence with its parameters and its numbers."""
    lines = [repr(result), "[[Evidence]]"]
    for one in result.evidence:
        lines.append(f"  {one.name:<15} {one.points_to or '-'}")
        lines.append(f"      {one.text}")
        for name, estimate in zip(one.names, one.estimates, strict=True):
            lines.append(f"      {name} = {estimate}")
        if one.size.size:
            lines.append(f"      {one.quantity}:")
            for size, value, stderr in zip(one.size, one.value, one.stderr, strict=True):
                lines.append(f"        {result.size_name} = {size:<8g} {value:.5g} +- {stderr:.2g}")
    if result.flags:
        lines += ["[[Flags]]", *(f"  ! {flag}" for flag in result.flags)]
    return "\n".join(lines)


def _caption(result: TransitionOrder) -> str:
    return f"Order of the transition of {result.observable}: {result.verdict}"


def order_html(result: TransitionOrder) -> str:
    """One row for each piece of evidence, flags below it; every text escaped."""
    rows = [(one.name, one.points_to or "silent", one.text) for one in result.evidence]
    header = ("evidence", "points to", "what it says")
    return html_table(_caption(result), header, rows, result.flags)


def order_latex(result: TransitionOrder) -> str:
    """One row for each parameter of the evidence; what has none has one row."""
    rows = []
    for one in result.evidence:
        held = list(zip(one.names, one.estimates, strict=True))
        first = (latex_escaped(one.name), latex_escaped(one.points_to or "silent"))
        if not held:
            rows.append((*first, "--", "--"))
        for place, (name, estimate) in enumerate(held):
            cells = first if place == 0 else ("", "")
            rows.append((*cells, latex_escaped(name), latex_number(estimate)))
    last = [(latex_escaped("verdict"), latex_escaped(result.verdict), "", "")]
    return latex_table(("evidence", "points to", "parameter", "value"), rows, last, result.flags)
