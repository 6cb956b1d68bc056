"""Figures of results, one per module: they draw what they are given and compute nothing."""

from physbatch.plots.dataset.evolution import plot_evolution
from physbatch.plots.dataset.histogram import plot_histograms
from physbatch.plots.dataset.moments import plot_moments
from physbatch.plots.dataset.overlap import plot_overlap
from physbatch.plots.dataset.phase_diagram import plot_phase_diagram
from physbatch.plots.dataset.success import plot_success
from physbatch.plots.dataset.time_series import plot_time_series
from physbatch.plots.overview import plot_overview
from physbatch.plots.scaling.collapse import plot_collapse
from physbatch.plots.scaling.corner import plot_corner
from physbatch.plots.scaling.crossings import plot_crossings
from physbatch.plots.scaling.drift import plot_drift
from physbatch.plots.scaling.escape_times import plot_escape_times
from physbatch.plots.scaling.exponents import plot_exponents
from physbatch.plots.scaling.extrapolation import plot_extrapolation
from physbatch.plots.scaling.order import plot_order
from physbatch.plots.scaling.peaks import plot_peaks
from physbatch.plots.scaling.windows import plot_windows
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    figure_bytes,
    journal_style,
    save_figure,
    size_palette,
    svg_text,
)

__all__ = [
    "DOUBLE_COLUMN_MM",
    "SINGLE_COLUMN_MM",
    "figure_bytes",
    "journal_style",
    "plot_collapse",
    "plot_corner",
    "plot_crossings",
    "plot_drift",
    "plot_escape_times",
    "plot_evolution",
    "plot_exponents",
    "plot_extrapolation",
    "plot_histograms",
    "plot_moments",
    "plot_order",
    "plot_overlap",
    "plot_overview",
    "plot_peaks",
    "plot_phase_diagram",
    "plot_success",
    "plot_time_series",
    "plot_windows",
    "save_figure",
    "size_palette",
    "svg_text",
]
