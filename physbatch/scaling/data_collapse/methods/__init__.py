"""`collapse`, and the methods among which it chooses beside the Gaussian process.

Splines and polynomials are linear in their coefficients, which are projected out
(`physbatch.scaling.data_collapse.methods.projection`); local lines minimise S of Houdayer and
Hartmann. Their compiled kernel is loaded where it is asked for.
"""

from physbatch.scaling.data_collapse.methods.arguments import CollapseOptions
from physbatch.scaling.data_collapse.methods.entry import collapse
from physbatch.scaling.data_collapse.methods.polynomial import by_polynomial
from physbatch.scaling.data_collapse.methods.spline import by_spline

__all__ = ["CollapseOptions", "by_polynomial", "by_spline", "collapse"]
