"""A collapse in words: report, HTML and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from physbatch.results.estimate import Estimate
from physbatch.results.render import (
    estimates_html,
    latex_interval,
    latex_name,
    latex_number,
    latex_table,
)
from physbatch.scaling.data_collapse.result import Collapse

__all__ = ["collapse_html", "collapse_latex", "collapse_report"]

# --- text -------------------------------------------------------------------------------


def collapse_report(result: Collapse) -> str:
    """See `Collapse.report`."""
    parts = [
        ("Collapse", _summary_lines(result)),
        ("Parameters", _parameter_lines(result)),
        ("Correlations (those below 0.1 are left out)", _correlation_lines(result)),
        ("Windows (*: chosen; -: rejected)", _window_lines(result)),
        ("Flags", result.flags),
    ]
    return "\n".join(
        "\n".join([f"[[{title}]]", *(f"    {line}" for line in lines)])
        for title, lines in parts
        if lines
    )


def _summary_lines(result: Collapse) -> list[str]:
    # The form, the goodness and the starts stand in the repr already, below its first line.
    kept = [line.strip() for line in repr(result).splitlines()[1:] if line[:4] != "  ! "]
    extra = ["with corrections to scaling"] if result.corrections else []
    extra += ["with a drift of c_c"] if result.drift else []
    return [f"observables  {', '.join(result.observables)}", *kept, *extra]


def _parameter_lines(result: Collapse) -> list[str]:
    rows = []
    for name, one in {**result.parameters, **result.named}.items():
        percent = (
            f"({100 * one.stderr / abs(one.value):.2g} %)" if one.stderr < abs(one.value) else ""
        )
        second = f"+/- {one.systematic:.2g} (systematic)" if one.systematic else ""
        label = name.replace("_over_nu", "/nu")
        rows.append((f"{label}:", f"{one.value:.8g}", f"+/- {one.stderr:.3g}", percent, second))
    rows += [
        (f"{name}:", f"{value:.8g}", "(fixed)", "", "") for name, value in result.fixed.items()
    ]
    return _aligned(rows)


def _correlation_lines(result: Collapse) -> list[str]:
    names, matrix = list(result.parameters), result.correlation
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    strong = [(i, j) for i, j in pairs if abs(matrix[i, j]) >= 0.1]
    strong.sort(key=lambda pair: -abs(matrix[pair]))
    return _aligned([(f"C({names[i]}, {names[j]})", f"= {matrix[i, j]:+.3f}") for i, j in strong])


def _window_lines(result: Collapse) -> list[str]:
    names = list(result.parameters)
    header = ("", f"{result.size_name} >=", "points", "of all", "chi2/dof", "p", *names)
    rows = [header]
    for fit in result.windows:
        mark = "*" if fit.window == result.window else "" if fit.accepted else "-"
        share = f"{100 * fit.window.fraction:.0f} %"
        goodness = f"{fit.chi2:.4g}/{fit.dof:.4g}"
        numbers = (str(Estimate(fit.values[name], fit.errors[name])) for name in names)
        lead = (mark, f"{fit.window.size_min:g}", str(fit.points), share, goodness)
        rows.append((*lead, f"{fit.p_value:.2g}", *numbers))
    return _aligned(rows) if result.windows else []


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


# --- HTML and LaTeX ---------------------------------------------------------------------


def collapse_html(result: Collapse) -> str:
    """The parameters as an HTML table, every text escaped."""
    fixed = [(name, f"{value:g} (fixed)") for name, value in result.fixed.items()]
    label, goodness = _goodness(result)
    return estimates_html(
        f"Collapse of {', '.join(result.observables)}",
        {
            n.replace("_over_nu", "/nu"): one
            for n, one in {**result.parameters, **result.named}.items()
        },
        [*fixed, (label, f"{goodness} (p = {result.p_value:.2g})")],
        result.flags,
    )


def collapse_latex(result: Collapse) -> str:
    """See `Collapse.to_latex`."""
    rows = [
        (latex_name(result.symbol(name), name), latex_number(one), latex_interval(one))
        for name, one in {**result.parameters, **result.named}.items()
    ]
    rows += [
        (latex_name(result.symbol(name), name), f"${value:g}$ (fixed)", "")
        for name, value in result.fixed.items()
    ]
    size = latex_name(result.size_symbol, result.size_name)
    label, goodness = _goodness(result)
    last = [
        ("$S$" if label == "S" else r"$\chi^2/\mathrm{dof}$", f"${goodness}$", ""),
        (f"smallest {size}", f"${result.window.size_min:g}$", ""),
    ]
    header = ("parameter", "value", r"68\,\% interval")
    return latex_table(header, rows, last, result.flags)


def _goodness(result: Collapse) -> tuple[str, str]:
    if result.method == "local-linear":
        return "S", f"{result.quality:.3g}"
    return "chi2/dof", f"{result.chi2:.4g}/{result.dof:.4g}"
