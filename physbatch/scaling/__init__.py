"""Finite-size scaling: from a dataset to numbers with errors, flags and a verdict.

Nothing here knows about torch or draws anything.
"""

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, flag_names
from physbatch.scaling.curves.crossings import Crossings, find_crossings
from physbatch.scaling.curves.peaks import Peaks, find_peaks
from physbatch.scaling.curves.slopes import derivative
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.scaling.data_collapse.quality import collapse_quality
from physbatch.scaling.data_collapse.result import (
    Collapse,
    CollapsedPoints,
    MasterCurve,
    WindowFit,
)
from physbatch.scaling.data_collapse.windows import Window
from physbatch.scaling.laws.extrapolation import Extrapolation, extrapolate
from physbatch.scaling.laws.fits import ScalingFit, fit_law, inverse
from physbatch.scaling.laws.local_exponents import effective_exponents
from physbatch.scaling.laws.power_laws import Law, law
from physbatch.scaling.laws.size_laws import (
    collapse_exponent,
    fit_critical_batch,
    fit_critical_control,
    fit_width,
)
from physbatch.scaling.laws.universality import (
    CLASSES,
    Compatibility,
    Relation,
    UniversalityClass,
    check_relations,
    compatible,
)
from physbatch.scaling.order.classification import transition_order
from physbatch.scaling.order.result import VERDICTS, Evidence, TransitionOrder
from physbatch.scaling.statistics.observables import sample_moments
from physbatch.scaling.statistics.replica_moments import fluctuations, moments
from physbatch.scaling.statistics.success_fits import deviance_p_value
from physbatch.scaling.statistics.two_peaks import (
    separation_threshold,
    split_in_two,
    valley_p_value,
)
from physbatch.scaling.times.escapes import (
    EscapeTimes,
    escape_times,
    fit_divergence,
    fit_nucleation,
    quasi_stationary,
)
from physbatch.scaling.times.exponential import EscapeTime, fit_escape_time
from physbatch.scaling.times.growth import GrowthThreshold, growth_rates, growth_threshold
from physbatch.scaling.times.passages import Survival, survival_curve
from physbatch.scaling.transition.analysis import analyse
from physbatch.scaling.transition.criteria import critical_controls
from physbatch.scaling.transition.drift import fit_drift
from physbatch.scaling.transition.jump import find_jump
from physbatch.scaling.transition.result import (
    Analysis,
    Jump,
    SuccessCurve,
    TimeDrift,
)
from physbatch.scaling.transition.success_curves import (
    fit_success_curve,
    succeeded_by,
    success_counts,
    success_curve,
)
from physbatch.scaling.transition.verdict import decide
from physbatch.tables.make import make_table
from physbatch.tables.read import from_dataset, read_table
from physbatch.tables.table import ScalingTable

__all__ = [
    "Peaks",
    "find_peaks",
    "derivative",
    "CLASSES",
    "Compatibility",
    "Relation",
    "UniversalityClass",
    "VERDICTS",
    "EscapeTimes",
    "escape_times",
    "fit_divergence",
    "fit_nucleation",
    "EscapeTime",
    "fit_escape_time",
    "GrowthThreshold",
    "growth_rates",
    "growth_threshold",
    "Survival",
    "survival_curve",
    "Analysis",
    "Collapse",
    "CollapsedPoints",
    "Crossings",
    "Estimate",
    "Evidence",
    "Extrapolation",
    "Jump",
    "Law",
    "MasterCurve",
    "ScalingFit",
    "ScalingTable",
    "SuccessCurve",
    "TimeDrift",
    "TransitionOrder",
    "Window",
    "WindowFit",
    "analyse",
    "check_relations",
    "collapse",
    "collapse_exponent",
    "collapse_quality",
    "compatible",
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
    "fit_law",
    "fit_success_curve",
    "fit_width",
    "Flag",
    "flag_names",
    "fluctuations",
    "from_dataset",
    "inverse",
    "law",
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
