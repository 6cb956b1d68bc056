"""The words and symbols on the axes, in one place."""

import math
from collections.abc import Iterable

import xarray as xr

from physbatch.dataset import CONTROL_DIMS
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, flag_names
from physbatch.results.render import math_symbol
from physbatch.scaling.transition.result import Analysis

OVERLAP_LABEL = "overlap $q$"
SUCCESS_LABEL = "success probability $P$"

_CONTROLS = {
    "batch_size": ("mini-batch size", "m", "m_c"),
    "batch_ratio": ("batch ratio", "m / N", "(m / N)_c"),
}

#: Observables of `physbatch.scaling.sample_moments`.
_OBSERVABLES = {
    "mean": "mean order parameter",
    "mean_abs": "mean modulus of the order parameter",
    "variance": "variance of the order parameter",
    "susceptibility": r"susceptibility $\chi$",
    "susceptibility_abs": r"susceptibility $\chi$ (modulus)",
    "binder": "Binder cumulant $U$",
    "binder_abs": r"$\langle q^2 \rangle / \langle |q| \rangle^2$",
    "binder_ratio": r"$\langle q^2 \rangle^2 / \langle q^4 \rangle$",
    "second_moment": r"$\langle q^2 \rangle$",
    "fourth_moment": r"$\langle q^4 \rangle$",
}


def control_axis_label(analysis: Analysis) -> str:
    """Words and symbol of the control; a foreign dataset's own label is used as it is."""
    if analysis.control_name in _CONTROLS or not analysis.control_label:
        return control_label_of(analysis.control_name)
    return plain_text(analysis.control_label)


def order_parameter_label(analysis: Analysis) -> str:
    """Words and symbol of what has the two peaks."""
    of_overlap = analysis.observable == "overlap"
    return OVERLAP_LABEL if of_overlap else observable_label(analysis.observable)


def control_label_of(name: str) -> str:
    """Words and symbol of a control that is known by its name alone."""
    if name in _CONTROLS:
        words, symbol, _ = _CONTROLS[name]
        return f"{words} ${symbol}$"
    return math_or_text(math_symbol(name), name)


def observable_label(name: str) -> str:
    """Words and symbol of a moment; the name itself of anything else."""
    return _OBSERVABLES.get(name) or math_or_text(math_symbol(name), name)


def math_or_text(symbol: str, name: str) -> str:
    """The symbol in math, or the name where there is none."""
    return f"${symbol}$" if symbol else plain_text(name)


def control_symbol(analysis: Analysis) -> str:
    """Math of the control, without dollar signs."""
    return _CONTROLS.get(analysis.control_name, ("", "c", ""))[1]


def critical_symbol(analysis: Analysis) -> str:
    """Math of the critical control, without dollar signs."""
    return _CONTROLS.get(analysis.control_name, ("", "", "c_c"))[2]


def critical_axis_label(analysis: Analysis) -> str:
    """Words and symbol of the critical control."""
    words = _CONTROLS.get(analysis.control_name, ("control",))[0]
    return f"critical {words} ${critical_symbol(analysis)}$"


def critical_mark(analysis: Analysis) -> tuple[Estimate, str]:
    """The critical control to mark, and its text: the limit, else that of the largest size."""
    estimate, of = analysis.m_c, r"N \to \infty"
    largest = analysis.largest_known
    if largest is not None and not math.isfinite(estimate.value):
        estimate, of = largest.m_c, f"N = {largest.size:g}"
    return estimate, f"${of}$: ${critical_symbol(analysis)} = {estimate_text(estimate)}$"


def time_label_of(units: str) -> str:
    """The run time with its unit."""
    return f"run time $t${unit_text(units)}"


def unit_text(units: str) -> str:
    """A unit of time in brackets, in the plural; the schema stores the singular."""
    return f" ({plain_text(plural(units))})" if units else ""


def size_text(size: float) -> str:
    """``N = 50`` as math."""
    return f"$N = {size:g}$"


def size_words(name: str) -> str:
    """The axis of sizes: volumes, linear sizes, or what a column calls them."""
    known = {"N": "size $N$", "L": "linear size $L$", "size": "size $N$"}
    return known.get(name) or plain_text(name)


def cell_title(data: xr.Dataset) -> str:
    """Size, control and run time that were selected, as far as they were."""
    parts = []
    if "size" in data.coords and data["size"].ndim == 0:
        parts.append(size_text(float(data["size"])))
    for name in CONTROL_DIMS:
        if name in data.coords and data[name].ndim == 0:
            symbol = math_symbol(name) or control_label_of(name)
            parts.append(f"${symbol} = {float(data[name]):g}$")
            break
    if "time" in data.coords and data["time"].ndim == 0:
        parts.append(f"$t = {float(data['time']):g}$")
    return ",  ".join(parts)


def estimate_text(estimate: Estimate) -> str:
    """The estimate as ``13.04(5)``, or words where there is none."""
    return str(estimate) if math.isfinite(estimate.value) else "not resolved"


def flag_words(flags: Iterable[Flag]) -> str:
    """The names of some flags in words, to stand above a panel."""
    return plain_text(", ".join(flag_names(flags)).replace("_", " "))


def plural(unit: str) -> str:
    """The plural of a unit of time that the schema stores in the singular."""
    return f"{unit}s" if unit in ("sweep", "step", "sample") else unit


def plain_text(text: str) -> str:
    """Text from a file on one line, safe from being read as math."""
    return " ".join(text.split()).replace("$", r"\$")
