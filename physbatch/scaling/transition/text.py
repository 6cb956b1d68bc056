"""The results of a dataset as tables in HTML and LaTeX."""

from __future__ import annotations

from physbatch.results.estimate import Estimate
from physbatch.results.render import estimates_html, estimates_latex
from physbatch.scaling.transition.result import Analysis

__all__ = ["analysis_estimates", "analysis_html", "analysis_latex"]


def analysis_estimates(analysis: Analysis) -> dict[str, Estimate]:
    """The limits, then m_c and width of every size and the jump where there is one."""
    rows = {"m_c (N -> infinity)": analysis.m_c, "jump (N -> infinity)": analysis.jump}
    for curve in analysis.curves:
        rows[f"m_c (N = {curve.size:g})"] = curve.m_c
        rows[f"width (N = {curve.size:g})"] = curve.width
    for jump in analysis.jumps:
        rows[f"jump (N = {jump.size:g})"] = jump.latent
    return rows


def _verdict(analysis: Analysis) -> list[tuple[str, str]]:
    reasons = [("because", reason) for reason in analysis.reasons]
    return [("transition", analysis.transition), *reasons]


def analysis_html(analysis: Analysis) -> str:
    """The results as an HTML table, every text escaped."""
    caption = f"Analysis of {analysis.control_label} at t = {analysis.time:g} {analysis.time_units}"
    return estimates_html(caption, analysis_estimates(analysis), _verdict(analysis), analysis.flags)


def analysis_latex(analysis: Analysis) -> str:
    """The results as a LaTeX table; it needs the package booktabs."""
    return estimates_latex(analysis_estimates(analysis), _verdict(analysis), analysis.flags)
