"""The other forms of a collapse: dataset, text, HTML and LaTeX."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

import physbatch
from physbatch.scaling.collapse_result import Collapse, CollapsedPoints, MasterCurve, WindowFit
from physbatch.scaling.records import read_results
from physbatch.scaling.results import Estimate
from physbatch.scaling.windows import Window

__all__ = [
    "COLLAPSE_VERSION",
    "collapse_from_dataset",
    "collapse_html",
    "collapse_latex",
    "collapse_report",
    "collapse_to_dataset",
]

FloatArray = npt.NDArray[np.float64]

COLLAPSE_VERSION = 1

_LONG_NAMES = {
    "value": "value of the parameter",
    "stderr": "statistical standard error",
    "systematic": "systematic error: spread over admissible windows",
    "covariance": "covariance of the parameters",
    "chi2": "chi-squared in the chosen window",
    "dof": "degrees of freedom",
    "p_value": "probability of a larger chi-squared",
    "point_x": "scaling variable size^(1/nu) (control - c_c)",
    "point_y": "rescaled observable size^(-zeta/nu) y",
    "point_residual": "(observable - curve) / standard error",
    "point_correction": "correction to scaling in the rescaled observable",
    "curve_band": "standard deviation of the master curve",
    "window_value": "value of the parameter in the window",
    "window_accepted": "1 if the fit in the window is sound and good",
}
_SCALARS = ("chi2", "dof", "p_value")
_ESTIMATE = ("value", "stderr", "systematic", "lower68", "upper68")
_POINT = ("size", "x", "y", "error", "residual", "correction")
_CURVE = ("x", "y", "band")
_FIT = ("points", "chi2", "dof", "p_value", "accepted")
_TEXTS = ("size_name", "control_name", "dimension")


# --- dataset ----------------------------------------------------------------------------


def collapse_to_dataset(result: Collapse) -> xr.Dataset:
    """See `Collapse.to_dataset`."""
    names = list(result.parameters)
    data = xr.Dataset(
        coords={
            "parameter": ("parameter", np.array(names, dtype=object)),
            "observable": ("observable", np.array(result.observables, dtype=object)),
        }
    )
    for name in _SCALARS:
        data[name] = ((), float(getattr(result, name)))
    if names:
        data = data.assign(_parameter_variables(result))
    data = data.assign(
        {
            **_flattened("point", _POINT, result.points),
            **_flattened("curve", _CURVE, result.curve),
            **_window_variables(result.windows, names),
        }
    )
    for name, words in _LONG_NAMES.items():
        if name in data:
            data[name].attrs = {"long_name": words}
    data.attrs = {
        "Conventions": "CF-1.11",
        "title": "physbatch data collapse",
        "source": f"physbatch {physbatch.__version__}",
        "physbatch_collapse": COLLAPSE_VERSION,
        **{name: getattr(result, name) for name in _TEXTS},
        "corrections": int(result.corrections),
        "starts_tried": int(result.starts_tried),
        "starts_agreed": int(result.starts_agreed),
        "window_size_min": float(result.window.size_min),
        "window_fraction": float(result.window.fraction),
        "fixed": json.dumps(dict(result.fixed)),
        "flags": json.dumps(result.flags),
    }
    return data


def _parameter_variables(result: Collapse) -> dict[str, Any]:
    estimates = list(result.parameters.values())
    rows = [(e.value, e.stderr, e.systematic, *e.interval68) for e in estimates]
    columns = dict(zip(_ESTIMATE, np.array(rows, dtype=np.float64).T, strict=True))
    flags = np.array([json.dumps(estimate.flags) for estimate in estimates], dtype=object)
    return {
        **{name: ("parameter", np.ascontiguousarray(column)) for name, column in columns.items()},
        "parameter_flags": ("parameter", flags),
        "covariance": (("parameter", "parameter_other"), result.covariance),
    }


def _flattened(
    group: str, fields: Sequence[str], items: Sequence[CollapsedPoints] | Sequence[MasterCurve]
) -> dict[str, Any]:
    """Rows of all observables one after the other, and how many each has."""
    if not items:
        return {}
    dim = "point" if group == "point" else f"{group}_point"
    columns = {
        f"{group}_{name}": (dim, np.concatenate([getattr(item, name) for item in items]))
        for name in fields
    }
    counts = np.array([item.x.size for item in items], dtype=np.int64)
    return {**columns, f"{group}_count": ("observable", counts)}


def _window_variables(windows: Sequence[WindowFit], names: Sequence[str]) -> dict[str, Any]:
    if not windows:
        return {}
    kinds: dict[str, type] = {"points": np.int64, "accepted": np.int8}
    variables: dict[str, Any] = {
        f"window_{name}": (
            "window",
            np.array([getattr(one, name) for one in windows], dtype=kinds.get(name, np.float64)),
        )
        for name in _FIT
    }
    for name in Window._fields:
        column = np.array([getattr(one.window, name) for one in windows], dtype=np.float64)
        variables[f"window_{name}"] = ("window", column)
    if names:
        for name, field in (("value", "values"), ("error", "errors")):
            block = [[getattr(one, field)[parameter] for parameter in names] for one in windows]
            variables[f"window_{name}"] = (("window", "parameter"), np.array(block, np.float64))
    return variables


def collapse_from_dataset(data: xr.Dataset) -> Collapse:
    """See `Collapse.from_dataset`."""
    return read_results(
        data, "a collapse", "physbatch_collapse", COLLAPSE_VERSION, "physbatch collapse", _read
    )


def _read(data: xr.Dataset) -> Collapse:
    attrs = data.attrs
    scalars: dict[str, Any] = {name: float(data[name].values) for name in _SCALARS}
    scalars |= {name: str(attrs[name]) for name in _TEXTS}
    scalars |= {name: int(attrs[name]) for name in ("starts_tried", "starts_agreed")}
    names = [str(name) for name in data["parameter"].values]
    observables = tuple(str(name) for name in data["observable"].values)
    return Collapse(
        parameters={name: _estimate(data, row) for row, name in enumerate(names)},
        fixed={str(k): float(v) for k, v in json.loads(attrs["fixed"]).items()},
        observables=observables,
        window=Window(float(attrs["window_size_min"]), float(attrs["window_fraction"])),
        windows=tuple(_window_fits(data, names)),
        points=tuple(
            CollapsedPoints(name, **rows)
            for name, rows in zip(observables, _pieces(data, "point", _POINT), strict=False)
        ),
        curve=tuple(
            MasterCurve(name, **rows)
            for name, rows in zip(observables, _pieces(data, "curve", _CURVE), strict=False)
        ),
        covariance=np.array(data["covariance"].values) if names else np.empty((0, 0)),
        corrections=bool(int(attrs["corrections"])),
        flags=_flags(attrs["flags"]),
        **scalars,
    )


def _flags(text: Any) -> tuple[str, ...]:
    return tuple(map(str, json.loads(str(text))))


def _estimate(data: xr.Dataset, row: int) -> Estimate:
    value, stderr, systematic, low, high = (float(data[name].values[row]) for name in _ESTIMATE)
    flags = _flags(data["parameter_flags"].values[row])
    return Estimate(value, stderr, systematic, (low, high), flags)


def _pieces(data: xr.Dataset, group: str, fields: Sequence[str]) -> Iterator[dict[str, FloatArray]]:
    """The rows of each observable."""
    if f"{group}_count" not in data:
        return
    ends = np.cumsum(data[f"{group}_count"].values)
    for low, high in zip([0, *ends[:-1]], ends, strict=True):
        yield {name: np.array(data[f"{group}_{name}"].values[low:high]) for name in fields}


def _window_fits(data: xr.Dataset, names: Sequence[str]) -> Iterator[WindowFit]:
    for row in range(data.sizes.get("window", 0)):
        held = {name: data[f"window_{name}"].values[row] for name in (*_FIT, *Window._fields)}
        values = data["window_value"].values[row] if names else ()
        errors = data["window_error"].values[row] if names else ()
        yield WindowFit(
            window=Window(float(held["size_min"]), float(held["fraction"])),
            values=dict(zip(names, map(float, values), strict=True)),
            errors=dict(zip(names, map(float, errors), strict=True)),
            points=int(held["points"]),
            chi2=float(held["chi2"]),
            dof=float(held["dof"]),
            p_value=float(held["p_value"]),
            accepted=bool(held["accepted"]),
        )


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
    for name, one in result.parameters.items():
        percent = (
            f"({100 * one.stderr / abs(one.value):.2g} %)" if one.stderr < abs(one.value) else ""
        )
        second = f"+/- {one.systematic:.2g} (systematic)" if one.systematic else ""
        rows.append((f"{name}:", f"{one.value:.8g}", f"+/- {one.stderr:.3g}", percent, second))
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
    rows = [
        (name, str(one), f"{one.stderr:.2g}", f"{one.systematic:.2g}")
        for name, one in result.parameters.items()
    ]
    rows += [(name, f"{value:g} (fixed)", "", "") for name, value in result.fixed.items()]
    goodness = f"{result.chi2:.4g}/{result.dof:.4g} (p = {result.p_value:.2g})"
    rows.append(("chi2/dof", goodness, "", ""))
    caption = f"Collapse of {', '.join(result.observables)}"
    flags = "".join(f"<li>{escape(flag)}</li>" for flag in result.flags)
    return (
        f"<table><caption>{escape(caption)}</caption><thead>"
        f"{_html_row('th', ('parameter', 'value', 'statistical', 'systematic'))}</thead><tbody>"
        f"{''.join(_html_row('td', row) for row in rows)}</tbody></table>"
        f"{f'<ul>{flags}</ul>' if flags else ''}"
    )


def _html_row(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def collapse_latex(result: Collapse) -> str:
    """See `Collapse.to_latex`."""
    rows = [
        (_latex_name(result.symbol(name), name), _latex_number(one), _latex_interval(one))
        for name, one in result.parameters.items()
    ]
    rows += [
        (_latex_name(result.symbol(name), name), f"${value:g}$ (fixed)", "")
        for name, value in result.fixed.items()
    ]
    size = _latex_name(result.size_symbol, result.size_name)
    last = [
        (r"$\chi^2/\mathrm{dof}$", f"${result.chi2:.4g}/{result.dof:.4g}$", ""),
        (f"smallest {size}", f"${result.window.size_min:g}$", ""),
    ]
    lines = [
        "% value(statistical error)(systematic error)",
        r"\begin{tabular}{lll}",
        r"\toprule",
        r"parameter & value & 68\,\% interval \\",
        r"\midrule",
        *(rf"{' & '.join(row)} \\" for row in rows),
        r"\midrule",
        *(rf"{' & '.join(row)} \\" for row in last),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    # A number without its warnings must not travel: they follow it as comments.
    lines += [f"% {' '.join(flag.split())}" for flag in result.flags]
    return "\n".join(lines) + "\n"


def _latex_name(symbol: str, name: str) -> str:
    return f"${symbol}$" if symbol else _escaped(name)


def _latex_number(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "--"
    head, e, power = str(estimate).partition("e")
    return rf"${head} \times 10^{{{int(power)}}}$" if e else f"${head}$"


def _latex_interval(estimate: Estimate) -> str:
    low, high = estimate.interval68
    width = high - low
    if not (math.isfinite(width) and width > 0):
        return "--"
    places = max(1 - math.floor(math.log10(width)), 0)
    return f"$[{low:.{places}f}, {high:.{places}f}]$"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
