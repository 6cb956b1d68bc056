"""The transition of a dataset: success curves, drift with time, jump and verdict.

`analyse` is all that most need; the rest are its steps. Its result has m_c and the jump of every
size, and their limits.

>>> from physbatch.exact.planted import first_order
>>> from physbatch.scaling.transition import analyse
>>> analysis = analyse(first_order(seed=1))
>>> analysis.transition, abs(analysis["m_c"].value - 13.0) < 4.0 * analysis["m_c"].total
('claimed', True)
"""

from physbatch.scaling.transition.analysis import analyse
from physbatch.scaling.transition.criteria import critical_controls
from physbatch.scaling.transition.drift import fit_drift
from physbatch.scaling.transition.jump import find_jump
from physbatch.scaling.transition.result import Analysis, Jump, SuccessCurve, TimeDrift
from physbatch.scaling.transition.success_curves import (
    fit_success_curve,
    succeeded_by,
    success_counts,
    success_curve,
)
from physbatch.scaling.transition.verdict import decide

__all__ = [
    "Analysis",
    "Jump",
    "SuccessCurve",
    "TimeDrift",
    "analyse",
    "critical_controls",
    "decide",
    "find_jump",
    "fit_drift",
    "fit_success_curve",
    "succeeded_by",
    "success_counts",
    "success_curve",
]
