"""The words and symbols on the axes, in one place."""

from __future__ import annotations

import math

from physbatch.scaling.results import Analysis, Estimate

__all__ = [
    "OVERLAP_LABEL",
    "SUCCESS_LABEL",
    "control_axis_label",
    "control_symbol",
    "critical_axis_label",
    "critical_symbol",
    "critical_mark",
    "estimate_text",
    "plural",
    "size_text",
    "time_axis_label",
]

OVERLAP_LABEL = "overlap $q$"
SUCCESS_LABEL = "success probability $P$"

_CONTROLS = {
    "batch_size": ("mini-batch size", "m", "m_c"),
    "batch_ratio": ("batch ratio", "m / N", "(m / N)_c"),
}


def control_axis_label(analysis: Analysis) -> str:
    """Words and symbol of the control; a foreign dataset's own label is used as it is."""
    if analysis.control_name in _CONTROLS:
        words, symbol, _ = _CONTROLS[analysis.control_name]
        return f"{words} ${symbol}$"
    return _plain(analysis.control_label or analysis.control_name)


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
    if not math.isfinite(estimate.value):
        known = [curve for curve in analysis.curves if math.isfinite(curve.m_c.value)]
        if known:
            largest = max(known, key=lambda curve: curve.size)
            estimate, of = largest.m_c, f"N = {largest.size:g}"
    return estimate, f"${of}$: ${critical_symbol(analysis)} = {estimate_text(estimate)}$"


def time_axis_label(analysis: Analysis) -> str:
    """Words, symbol and unit of the run time."""
    unit = f" ({_plain(plural(analysis.time_units))})" if analysis.time_units else ""
    return f"run time $t${unit}"


def size_text(size: float) -> str:
    """``N = 50`` as math."""
    return f"$N = {size:g}$"


def estimate_text(estimate: Estimate) -> str:
    """The estimate as ``13.04(5)``, or words where there is none."""
    return str(estimate) if math.isfinite(estimate.value) else "not resolved"


def plural(unit: str) -> str:
    """The plural of a unit of time that the schema stores in the singular."""
    return f"{unit}s" if unit in ("sweep", "step", "sample") else unit


def _plain(text: str) -> str:
    """Text from a file, safe from being read as math."""
    return text.replace("$", r"\$")
