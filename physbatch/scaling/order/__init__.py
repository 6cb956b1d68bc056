"""The order of a transition: first order, continuous, a crossover, or undecided.

`transition_order` reads samples or a dataset (`sample_data`), looks at histograms, at what sharpens
with the size and at dynamics, and decides by all the evidence.

Examples
--------
>>> from physbatch.exact import curie_weiss
>>> from physbatch.scaling.order import transition_order
>>> data = curie_weiss.sample_dataset((64, 256, 1024), seed=1)
>>> transition_order(data).verdict
'continuous'
"""

from physbatch.scaling.order.classification import transition_order
from physbatch.scaling.order.histograms import fluctuations
from physbatch.scaling.order.result import FIRST_ORDER, VERDICTS, Evidence, TransitionOrder
from physbatch.scaling.order.samples import sample_data
from physbatch.scaling.order.sharpening import WIDTH_FORMS

__all__ = [
    "FIRST_ORDER",
    "VERDICTS",
    "WIDTH_FORMS",
    "Evidence",
    "TransitionOrder",
    "fluctuations",
    "sample_data",
    "transition_order",
]
