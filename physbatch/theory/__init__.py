"""What theory says for a study, where there is a theory, and the reason where there is none.

`predict` looks at the study, takes the theory that holds for it from `physbatch.exact` and works it
out at every point of the grid.

Examples
--------
>>> from physbatch.study import catalogue
>>> from physbatch.theory import predict
>>> predict(catalogue.study("greedy-unit")).theory
'exact chain of one greedy unit'
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.theory.comparison import Comparison as Comparison
    from physbatch.theory.comparison import compare as compare
    from physbatch.theory.flow import Flow as Flow
    from physbatch.theory.flow import flow_around as flow_around
    from physbatch.theory.flow import unit_flow as unit_flow
    from physbatch.theory.points import Prediction as Prediction
    from physbatch.theory.prediction import predict as predict

__getattr__, __dir__, __all__ = lazy_names(__name__)
