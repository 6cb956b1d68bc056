"""Laws of size, and the limit N -> infinity.

A `law` prints and evaluates itself; `fit_law` fits laws to points and averages them;
`extrapolate` seeks the limit. `fit_critical_control`, `fit_width` and `fit_critical_batch` are the
fits of scaling theory, `effective_exponents` shows whether one power law can hold, and
`compatible` names the universality classes that a measurement allows.

Examples
--------
>>> from physbatch.scaling.laws import fit_law, law
>>> law("shifted", phi=0.5).text(("L",))
'c + a L^-0.5'
>>> fit_law([16, 32, 64], [1.0, 2.1, 4.2], [0.1, 0.1, 0.1])["b"]
1.01(10)
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__, __all__ = lazy_names(__name__)
