"""Times: first passages, escapes and rates of growth.

A first passage is known up to the interval between two measuring times. `survival_curve` and
`fit_escape_time` take the ends of these intervals, `escape_times` a dataset, whose times
`fit_nucleation` and `fit_divergence` fit against the size and the control; `growth_threshold` is
the control at which small deviations stop to grow, which `linear_stability` finds from replicas
that start near the perfect state, and `dynamical_spinodal` the one at which runs escape within a
time, for N -> infinity and then t -> infinity.

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.times import fit_escape_time
>>> fit_escape_time([1.0, 2.0, 3.0, 6.0], [1.0, 2.0, 3.0, np.inf]).tau.value
4.0
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.scaling.times.dilute import LinearStability as LinearStability
    from physbatch.scaling.times.dilute import linear_stability as linear_stability
    from physbatch.scaling.times.escapes import EscapeTimes as EscapeTimes
    from physbatch.scaling.times.escapes import escape_times as escape_times
    from physbatch.scaling.times.escapes import fit_divergence as fit_divergence
    from physbatch.scaling.times.escapes import fit_nucleation as fit_nucleation
    from physbatch.scaling.times.escapes import quasi_stationary as quasi_stationary
    from physbatch.scaling.times.exponential import EscapeTime as EscapeTime
    from physbatch.scaling.times.exponential import fit_escape_time as fit_escape_time
    from physbatch.scaling.times.growth import GrowthThreshold as GrowthThreshold
    from physbatch.scaling.times.growth import growth_rates as growth_rates
    from physbatch.scaling.times.growth import growth_threshold as growth_threshold
    from physbatch.scaling.times.passages import Survival as Survival
    from physbatch.scaling.times.passages import survival_curve as survival_curve
    from physbatch.scaling.times.spinodals import DynamicalSpinodal as DynamicalSpinodal
    from physbatch.scaling.times.spinodals import dynamical_spinodal as dynamical_spinodal
    from physbatch.scaling.times.spinodals import fit_spinodal as fit_spinodal

__getattr__, __dir__, __all__ = lazy_names(__name__)
