"""Finite-size scaling: from a dataset to numbers with errors, flags and a verdict.

Nothing here knows about torch or draws anything.
"""

from physbatch.scaling.analysis import analyse
from physbatch.scaling.collapse import collapse
from physbatch.scaling.collapse_result import Collapse
from physbatch.scaling.critical_controls import critical_controls
from physbatch.scaling.crossings import Crossings, find_crossings
from physbatch.scaling.drift import fit_drift
from physbatch.scaling.effective_exponents import effective_exponents
from physbatch.scaling.escape_times import quasi_stationary
from physbatch.scaling.exponents import fit_critical_control
from physbatch.scaling.extrapolation import extrapolate
from physbatch.scaling.goodness import deviance_p_value
from physbatch.scaling.jump import find_jump
from physbatch.scaling.moments import moments
from physbatch.scaling.order import transition_order
from physbatch.scaling.order_result import Evidence, TransitionOrder
from physbatch.scaling.peaks import separation_threshold, split_in_two, valley_p_value
from physbatch.scaling.quality import collapse_quality
from physbatch.scaling.reading import from_dataset, read_table
from physbatch.scaling.results import (
    Analysis,
    Estimate,
    Extrapolation,
    Jump,
    SuccessCurve,
    TimeDrift,
    flag_names,
)
from physbatch.scaling.sample_moments import sample_moments
from physbatch.scaling.size_laws import collapse_exponent, fit_critical_batch, fit_width
from physbatch.scaling.success_curve import (
    fit_success_curve,
    succeeded_by,
    success_counts,
    success_curve,
)
from physbatch.scaling.table import ScalingTable, make_table
from physbatch.scaling.universality import check_relations
from physbatch.scaling.verdict import decide

__all__ = [
    "Analysis",
    "Collapse",
    "Crossings",
    "Estimate",
    "Evidence",
    "Extrapolation",
    "Jump",
    "ScalingTable",
    "SuccessCurve",
    "TimeDrift",
    "TransitionOrder",
    "analyse",
    "check_relations",
    "collapse",
    "collapse_exponent",
    "collapse_quality",
    "critical_controls",
    "decide",
    "deviance_p_value",
    "effective_exponents",
    "extrapolate",
    "find_crossings",
    "find_jump",
    "fit_critical_batch",
    "fit_critical_control",
    "fit_drift",
    "fit_success_curve",
    "fit_width",
    "flag_names",
    "from_dataset",
    "make_table",
    "moments",
    "quasi_stationary",
    "read_table",
    "sample_moments",
    "separation_threshold",
    "split_in_two",
    "succeeded_by",
    "success_counts",
    "success_curve",
    "transition_order",
    "valley_p_value",
]
