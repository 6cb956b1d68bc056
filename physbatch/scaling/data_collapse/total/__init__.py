"""The total error of a collapse: corrections to scaling, forms and windows as one mixture.

`total_of` takes the points and where to start, and gives values with one honest error each.
"""

from physbatch.scaling.data_collapse.total.mixture import CutFit, Moments, Total, total_of
from physbatch.scaling.data_collapse.total.objective import Grounds

__all__ = ["CutFit", "Grounds", "Moments", "Total", "total_of"]
