"""Finite-size scaling: from a dataset to numbers with errors, flags and a verdict.

Data enter as a table of observables at points (size, control), or as a dataset of replicas. Each
name also stands in its room: `statistics`, `laws`, `curves`, `data_collapse`, `transition`,
`order`, `times`, `reweighting`, `dynamic_scaling`. Nothing here knows about torch or draws
anything.

Examples
--------
>>> from physbatch.exact import planted
>>> from physbatch.scaling import analyse, transition_order
>>> data = planted.smooth_crossover(seed=1)
>>> analyse(data).transition, transition_order(data).verdict
('not claimed', 'crossover')
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.results.estimate import Estimate as Estimate
    from physbatch.results.flag import Flag as Flag
    from physbatch.results.flag import flag_names as flag_names
    from physbatch.scaling.curves.crossing_result import Crossings as Crossings
    from physbatch.scaling.curves.crossings import find_crossings as find_crossings
    from physbatch.scaling.curves.exponents import SizeExponents as SizeExponents
    from physbatch.scaling.curves.exponents import fit_exponents as fit_exponents
    from physbatch.scaling.curves.peaks import Peaks as Peaks
    from physbatch.scaling.curves.peaks import find_peaks as find_peaks
    from physbatch.scaling.curves.slopes import derivative as derivative
    from physbatch.scaling.data_collapse.methods import collapse as collapse
    from physbatch.scaling.data_collapse.quality import collapse_quality as collapse_quality
    from physbatch.scaling.data_collapse.result import Collapse as Collapse
    from physbatch.scaling.data_collapse.result import CollapsedPoints as CollapsedPoints
    from physbatch.scaling.data_collapse.result import MasterCurve as MasterCurve
    from physbatch.scaling.data_collapse.result import WindowFit as WindowFit
    from physbatch.scaling.data_collapse.windows import Window as Window
    from physbatch.scaling.dynamic_scaling.fit import fit_dynamics as fit_dynamics
    from physbatch.scaling.dynamic_scaling.result import DynamicScaling as DynamicScaling
    from physbatch.scaling.laws.extrapolation import Extrapolation as Extrapolation
    from physbatch.scaling.laws.extrapolation import extrapolate as extrapolate
    from physbatch.scaling.laws.fits import ScalingFit as ScalingFit
    from physbatch.scaling.laws.fits import fit_law as fit_law
    from physbatch.scaling.laws.local_exponents import effective_exponents as effective_exponents
    from physbatch.scaling.laws.local_exponents import inverse as inverse
    from physbatch.scaling.laws.power_laws import Law as Law
    from physbatch.scaling.laws.power_laws import law as law
    from physbatch.scaling.laws.size_laws import collapse_exponent as collapse_exponent
    from physbatch.scaling.laws.size_laws import fit_critical_batch as fit_critical_batch
    from physbatch.scaling.laws.size_laws import fit_critical_control as fit_critical_control
    from physbatch.scaling.laws.size_laws import fit_width as fit_width
    from physbatch.scaling.laws.universality import CLASSES as CLASSES
    from physbatch.scaling.laws.universality import Compatibility as Compatibility
    from physbatch.scaling.laws.universality import Relation as Relation
    from physbatch.scaling.laws.universality import UniversalityClass as UniversalityClass
    from physbatch.scaling.laws.universality import check_relations as check_relations
    from physbatch.scaling.laws.universality import compatible as compatible
    from physbatch.scaling.order.classification import transition_order as transition_order
    from physbatch.scaling.order.result import VERDICTS as VERDICTS
    from physbatch.scaling.order.result import Evidence as Evidence
    from physbatch.scaling.order.result import TransitionOrder as TransitionOrder
    from physbatch.scaling.reweighting.coexistence import find_coexistence as find_coexistence
    from physbatch.scaling.reweighting.coexistence_result import Coexistence as Coexistence
    from physbatch.scaling.reweighting.entry import reweight as reweight
    from physbatch.scaling.reweighting.raw_series import EnergySeries as EnergySeries
    from physbatch.scaling.reweighting.raw_series import read_series as read_series
    from physbatch.scaling.reweighting.result import Reweighting as Reweighting
    from physbatch.scaling.statistics.observables import sample_moments as sample_moments
    from physbatch.scaling.statistics.parameter_planes import ParameterPlane as ParameterPlane
    from physbatch.scaling.statistics.parameter_planes import parameter_plane as parameter_plane
    from physbatch.scaling.statistics.replica_moments import fluctuations as fluctuations
    from physbatch.scaling.statistics.replica_moments import moments as moments
    from physbatch.scaling.statistics.success_fits import deviance_p_value as deviance_p_value
    from physbatch.scaling.statistics.two_peaks import separation_threshold as separation_threshold
    from physbatch.scaling.statistics.two_peaks import split_in_two as split_in_two
    from physbatch.scaling.statistics.two_peaks import valley_p_value as valley_p_value
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
    from physbatch.scaling.transition.analysis import analyse as analyse
    from physbatch.scaling.transition.criteria import critical_controls as critical_controls
    from physbatch.scaling.transition.drift import fit_drift as fit_drift
    from physbatch.scaling.transition.jump import find_jump as find_jump
    from physbatch.scaling.transition.result import Analysis as Analysis
    from physbatch.scaling.transition.result import Jump as Jump
    from physbatch.scaling.transition.result import SuccessCurve as SuccessCurve
    from physbatch.scaling.transition.result import TimeDrift as TimeDrift
    from physbatch.scaling.transition.success_curves import fit_success_curve as fit_success_curve
    from physbatch.scaling.transition.success_curves import succeeded_by as succeeded_by
    from physbatch.scaling.transition.success_curves import success_counts as success_counts
    from physbatch.scaling.transition.success_curves import success_curve as success_curve
    from physbatch.scaling.transition.verdict import decide as decide
    from physbatch.tables.make import make_table as make_table
    from physbatch.tables.read import from_dataset as from_dataset
    from physbatch.tables.read import read_table as read_table
    from physbatch.tables.table import ScalingTable as ScalingTable
    from physbatch.tables.times import TimeTable as TimeTable
    from physbatch.tables.times import read_times as read_times

__getattr__, __dir__, __all__ = lazy_names(__name__)
