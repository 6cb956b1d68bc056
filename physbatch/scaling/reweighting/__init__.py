"""Multi-histogram reweighting: means at any control from raw series at a few, with covariance.

Series of energies at several controls become a table (`reweight`), which crossings, collapse and
peaks take.

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.reweighting import reweight
>>> beta = np.repeat([0.0, 1.0], 2000)  # ten spins in a field of 1
>>> up = np.random.default_rng(1).binomial(10, 1 / (1 + np.exp(-2 * beta)))
>>> result = reweight({"N": np.full(4000, 10), "beta": beta, "E": 10 - 2 * up}, at=[0.5])
>>> result.table.observables
('energy', 'energy_variance', 'specific_heat', 'energy_binder')
"""

from physbatch.scaling.reweighting.coexistence import find_coexistence
from physbatch.scaling.reweighting.coexistence_result import Coexistence
from physbatch.scaling.reweighting.entry import reweight
from physbatch.scaling.reweighting.raw_series import EnergySeries, read_series
from physbatch.scaling.reweighting.result import Reweighting

__all__ = [
    "Coexistence",
    "EnergySeries",
    "Reweighting",
    "find_coexistence",
    "read_series",
    "reweight",
]
