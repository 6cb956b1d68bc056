"""Dynamic scaling: critical points and exponents from what observables do in time.

`fit_dynamics` takes a `TimeTable` (`physbatch.tables.read_times`) and gives a `DynamicScaling`.

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.dynamic_scaling import fit_dynamics
>>> from physbatch.tables import read_times
>>> t = np.geomspace(4, 400, 12)
>>> fit = fit_dynamics(read_times({"t": t, "rho": t**-0.5, "rho_err": 0.01 * t**-0.5}))
>>> abs(fit["delta"].value - 0.5) < 0.05
True
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.scaling.dynamic_scaling.fit import fit_dynamics as fit_dynamics
    from physbatch.scaling.dynamic_scaling.result import DynamicPoints as DynamicPoints
    from physbatch.scaling.dynamic_scaling.result import DynamicScaling as DynamicScaling

__getattr__, __dir__, __all__ = lazy_names(__name__)
