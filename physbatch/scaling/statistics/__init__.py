"""Statistics of replicas, series and counts: moments with errors, and how many peaks there are.

`moments` are those of a dataset's replicas, `sample_moments` those of a table's samples, both
with errors by resampling; a series in equilibrium has its own time (`integrated_time`).

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.statistics import integrated_time, split_in_two
>>> integrated_time(np.random.default_rng(1).normal(size=20_000))
0.500(13)
>>> split_in_two(np.array([[0.1, 0.8, 0.2, 0.9]])).cut.item()
0.5
"""

from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.scaling.statistics.autocorrelations import (
    SeriesTooShort,
    autocorrelation,
    integrated_time,
)
from physbatch.scaling.statistics.observables import OBSERVABLES, sample_moments
from physbatch.scaling.statistics.replica_moments import (
    MOMENTS,
    fluctuations,
    moment_values,
    moments,
    resampled_moments,
)
from physbatch.scaling.statistics.resampling import bootstrap_counts, unbiased_spread
from physbatch.scaling.statistics.success_fits import (
    deviance_p_value,
    fit_logistic,
    logistic,
    parameter_covariance,
)
from physbatch.scaling.statistics.two_peaks import (
    VALLEY_LEVEL,
    separation_threshold,
    split_in_two,
    valley_p_value,
)

__all__ = [
    "ACCEPTABLE",
    "MOMENTS",
    "OBSERVABLES",
    "VALLEY_LEVEL",
    "SeriesTooShort",
    "autocorrelation",
    "bootstrap_counts",
    "deviance_p_value",
    "fit_logistic",
    "fluctuations",
    "integrated_time",
    "logistic",
    "moment_values",
    "moments",
    "parameter_covariance",
    "resampled_moments",
    "sample_moments",
    "separation_threshold",
    "split_in_two",
    "unbiased_spread",
    "valley_p_value",
]
