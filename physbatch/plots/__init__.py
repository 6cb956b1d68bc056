"""Figures of datasets and results: they draw what they are given and compute nothing.

Every function takes a result (or a dataset), draws in the style of journals under your own
settings, and returns what it drew (`Drawn`): the artists, and the axes by the names of the
panels. By default it makes a new page, 86 or 178 mm wide; with ``ax`` it draws into one axes
(its first panel), into axes by the names of panels, or into a figure or subfigure, and changes
nothing else. All take the keywords of `Options`. `draw` finds the figure of any result.

The names are imported when they are first used: neither ``import physbatch.plots`` nor its
``dir`` loads matplotlib.

Examples
--------
>>> from physbatch import plots
>>> from physbatch.scaling.laws.fits import fit_law
>>> figure = plots.draw(fit_law([16, 32, 64], [1.0, 2.1, 4.2], [0.1, 0.1, 0.1]))
>>> round(figure.get_size_inches()[0] * 25.4) == plots.SINGLE_COLUMN_MM
True
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.plots.animation import Animation as Animation
    from physbatch.plots.animation import animate_collapse as animate_collapse
    from physbatch.plots.animation import animate_flow as animate_flow
    from physbatch.plots.animation import animate_histograms as animate_histograms
    from physbatch.plots.animation import animate_units as animate_units
    from physbatch.plots.animation import save_animation as save_animation
    from physbatch.plots.dataset.committee import plot_flow as plot_flow
    from physbatch.plots.dataset.committee import plot_units as plot_units
    from physbatch.plots.dataset.histogram import plot_histograms as plot_histograms
    from physbatch.plots.dataset.moments import plot_moments as plot_moments
    from physbatch.plots.dataset.parameters import plot_plane as plot_plane
    from physbatch.plots.dataset.replicas import plot_escape_times as plot_escape_times
    from physbatch.plots.dataset.replicas import plot_evolution as plot_evolution
    from physbatch.plots.dataset.replicas import plot_time_series as plot_time_series
    from physbatch.plots.drawn import Drawn as Drawn
    from physbatch.plots.noise.batches import plot_critical_batch as plot_critical_batch
    from physbatch.plots.noise.batches import plot_gradient_scale as plot_gradient_scale
    from physbatch.plots.noise.evidence import plot_evidence as plot_evidence
    from physbatch.plots.noise.optimum import plot_optimum as plot_optimum
    from physbatch.plots.noise.planes import plot_noise_range as plot_noise_range
    from physbatch.plots.noise.planes import plot_performance as plot_performance
    from physbatch.plots.noise.planes import plot_phase_diagram as plot_phase_diagram
    from physbatch.plots.noise.planes import plot_phases as plot_phases
    from physbatch.plots.noise.sharpness import plot_sharpness as plot_sharpness
    from physbatch.plots.noise.temperature import plot_temperature as plot_temperature
    from physbatch.plots.options import JOURNALS as JOURNALS
    from physbatch.plots.options import Options as Options
    from physbatch.plots.overview import plot_overview as plot_overview
    from physbatch.plots.pictures import Picture as Picture
    from physbatch.plots.pictures import draw as draw
    from physbatch.plots.pictures import has_pictures as has_pictures
    from physbatch.plots.pictures import pictures_of as pictures_of
    from physbatch.plots.saving import figure_bytes as figure_bytes
    from physbatch.plots.saving import save_figure as save_figure
    from physbatch.plots.saving import svg_text as svg_text
    from physbatch.plots.scaling.coexistence import plot_coexistence as plot_coexistence
    from physbatch.plots.scaling.collapse import plot_collapse as plot_collapse
    from physbatch.plots.scaling.collapse import plot_curves as plot_curves
    from physbatch.plots.scaling.corner import plot_corner as plot_corner
    from physbatch.plots.scaling.crossings import plot_crossings as plot_crossings
    from physbatch.plots.scaling.dynamics import plot_dynamics as plot_dynamics
    from physbatch.plots.scaling.extrapolation import plot_extrapolation as plot_extrapolation
    from physbatch.plots.scaling.laws import plot_exponents as plot_exponents
    from physbatch.plots.scaling.laws import plot_peaks as plot_peaks
    from physbatch.plots.scaling.order import plot_order as plot_order
    from physbatch.plots.scaling.stability import plot_stability as plot_stability
    from physbatch.plots.scaling.transition import plot_drift as plot_drift
    from physbatch.plots.scaling.transition import plot_overlap as plot_overlap
    from physbatch.plots.scaling.transition import plot_success as plot_success
    from physbatch.plots.scaling.windows import plot_windows as plot_windows
    from physbatch.plots.style import DOUBLE_COLUMN_MM as DOUBLE_COLUMN_MM
    from physbatch.plots.style import LIMIT_COLOUR as LIMIT_COLOUR
    from physbatch.plots.style import SINGLE_COLUMN_MM as SINGLE_COLUMN_MM
    from physbatch.plots.style import figure_in_mm as figure_in_mm
    from physbatch.plots.style import journal_style as journal_style
    from physbatch.plots.style import root_figure as root_figure
    from physbatch.plots.style import size_legend as size_legend
    from physbatch.plots.style import size_palette as size_palette
    from physbatch.plots.style import size_styles as size_styles
    from physbatch.plots.theory import Measured as Measured
    from physbatch.plots.theory import plot_comparison as plot_comparison
    from physbatch.plots.theory import plot_theory as plot_theory

__getattr__, __dir__, __all__ = lazy_names(__name__)
