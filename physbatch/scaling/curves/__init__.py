"""Curves of observables against the control: their crossings, their peaks and their slopes.

Examples
--------
>>> import numpy as np
>>> from physbatch.scaling.curves import find_crossings
>>> from physbatch.tables import make_table
>>> size, c = np.repeat([16.0, 32.0, 64.0, 128.0], 21), np.tile(np.linspace(0.8, 1.2, 21), 4)
>>> y = np.tanh((c - 1.0) * np.sqrt(size)) + 1.0 / size
>>> table = make_table(size, c, {"y": y}, {"y": np.full(84, 1e-3)})
>>> abs(find_crossings(table, resamples=200).c_c.value - 1.0) < 1e-3
True
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.scaling.curves.crossing_result import Crossings as Crossings
    from physbatch.scaling.curves.crossings import find_crossings as find_crossings
    from physbatch.scaling.curves.exponents import SizeExponents as SizeExponents
    from physbatch.scaling.curves.exponents import fit_exponents as fit_exponents
    from physbatch.scaling.curves.peaks import Peaks as Peaks
    from physbatch.scaling.curves.peaks import find_peaks as find_peaks
    from physbatch.scaling.curves.slopes import derivative as derivative

__getattr__, __dir__, __all__ = lazy_names(__name__)
