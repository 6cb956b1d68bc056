"""What the noise of mini-batches does: to gradients, to stability, to the best batch size.

Plane of learning rate and batch size: `stable_range`, `typical_threshold`, `transition_line` and
`performance_map` take a dataset that sweeps both. Best batch size: `optimum_batch`, and
`scale_collapse`, whether the noise scale decides. Batches that stop to pay:
`critical_batch_size`, and `gradient_scale` along a run. Noise itself: `gradient_noise`,
`update_variance`, `noise_scale`; `linear_thresholds` of a linear student; the largest curvature,
`sharpness_by_batch_size`. Regimes of a unit that is trained to zero loss: `crossover_batch`,
`temperature_collapse`. Noise as heat: `effective_temperature`. Is there anything to learn:
`logistic_evidence`.

Every name is imported when it is first used.

Examples
--------
>>> from physbatch import exact, noise
>>> best = noise.optimum_batch(exact.batch_noise.optimum_batch_data(seed=1), resamples=100)
>>> best.fit()["a"].value > 0.9  # B_opt = A eps^b P^a
True
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.noise.best_batch import BatchCurves as BatchCurves
    from physbatch.noise.best_batch import OptimumBatch as OptimumBatch
    from physbatch.noise.best_batch import batch_curves as batch_curves
    from physbatch.noise.best_batch import optimum_batch as optimum_batch
    from physbatch.noise.critical_batch import CriticalBatch as CriticalBatch
    from physbatch.noise.critical_batch import critical_batch_size as critical_batch_size
    from physbatch.noise.evidence import ModelEvidence as ModelEvidence
    from physbatch.noise.evidence import gaussian_evidence as gaussian_evidence
    from physbatch.noise.evidence import logistic_evidence as logistic_evidence
    from physbatch.noise.evidence import regression_evidence as regression_evidence
    from physbatch.noise.gradients import GradientNoise as GradientNoise
    from physbatch.noise.gradients import UpdateVariance as UpdateVariance
    from physbatch.noise.gradients import batch_factor as batch_factor
    from physbatch.noise.gradients import gradient_noise as gradient_noise
    from physbatch.noise.gradients import noise_scale as noise_scale
    from physbatch.noise.gradients import update_variance as update_variance
    from physbatch.noise.linear_stability import LinearThresholds as LinearThresholds
    from physbatch.noise.linear_stability import linear_thresholds as linear_thresholds
    from physbatch.noise.linear_stability import one_step_moments as one_step_moments
    from physbatch.noise.linear_stability import thresholds_of_steps as thresholds_of_steps
    from physbatch.noise.performance import PerformanceMap as PerformanceMap
    from physbatch.noise.performance import performance_map as performance_map
    from physbatch.noise.regimes import Crossover as Crossover
    from physbatch.noise.regimes import TemperatureCollapse as TemperatureCollapse
    from physbatch.noise.regimes import crossover_batch as crossover_batch
    from physbatch.noise.regimes import final_norm as final_norm
    from physbatch.noise.regimes import temperature_collapse as temperature_collapse
    from physbatch.noise.rescaled_curves import ScaleCollapse as ScaleCollapse
    from physbatch.noise.rescaled_curves import scale_collapse as scale_collapse
    from physbatch.noise.scale_of_gradients import GradientScale as GradientScale
    from physbatch.noise.scale_of_gradients import gradient_scale as gradient_scale
    from physbatch.noise.sharpness import LateSharpness as LateSharpness
    from physbatch.noise.sharpness import SharpnessBand as SharpnessBand
    from physbatch.noise.sharpness import late_sharpness as late_sharpness
    from physbatch.noise.sharpness import sharpness_band as sharpness_band
    from physbatch.noise.sharpness import sharpness_by_batch_size as sharpness_by_batch_size
    from physbatch.noise.sharpness import sharpness_lines as sharpness_lines
    from physbatch.noise.stability import StableRange as StableRange
    from physbatch.noise.stability import stable_range as stable_range
    from physbatch.noise.temperature import EffectiveTemperature as EffectiveTemperature
    from physbatch.noise.temperature import StationaryState as StationaryState
    from physbatch.noise.temperature import batch_acceptance as batch_acceptance
    from physbatch.noise.temperature import effective_temperature as effective_temperature
    from physbatch.noise.temperature import stationary_state as stationary_state
    from physbatch.noise.thresholds import TypicalThreshold as TypicalThreshold
    from physbatch.noise.thresholds import typical_threshold as typical_threshold
    from physbatch.noise.transitions import LearnedPlane as LearnedPlane
    from physbatch.noise.transitions import TransitionLine as TransitionLine
    from physbatch.noise.transitions import learned as learned
    from physbatch.noise.transitions import learned_plane as learned_plane
    from physbatch.noise.transitions import transition_line as transition_line

__getattr__, __dir__, __all__ = lazy_names(__name__)
