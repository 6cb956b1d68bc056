"""What several findings say and draw alike: goodness of fits, and the order of a transition."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from physbatch.plots import plot_order, root_figure
from physbatch.scaling import Extrapolation, ScalingFit, TransitionOrder

__all__ = ["fit_words", "form_words", "order_figure", "order_words"]


def form_words(found: Extrapolation) -> str:
    """Every form of an extrapolation: its limit and chi2/dof."""
    return "; ".join(
        f"{name}: {limit:.4g}, chi2/dof {chi2:.1f}/{dof}"
        for name, limit, chi2, dof in zip(
            found.forms, found.form_limit, found.form_chi2, found.form_dof, strict=True
        )
    )


def fit_words(fit: ScalingFit) -> str:
    """The law with the largest weight and how well it describes the data."""
    return f"{fit.form}: chi2/dof {fit.chi2:.2g}/{fit.dof}, p = {fit.p_value:.2g}"


def order_words(order: TransitionOrder) -> str:
    """The verdict and what decided."""
    return f"{order.verdict}: {'; '.join(order.reasons)}."


def order_figure(order: TransitionOrder, *names: str) -> Figure:
    """The histograms, and a panel for each named piece of evidence."""
    chosen = tuple(one for one in order.evidence if one.name in names)
    return root_figure(plot_order(replace(order, evidence=chosen)))
