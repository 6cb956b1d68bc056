"""Refinement: a dataset grows by the cells that an asked quantity needs most.

`refine` asks `physbatch.scaling.design` which cells promise most, runs them as any others, and
writes each decision into the dataset (``decision_round``, ``decision_control`` ...).
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.sweep.refining.decisions import Decision as Decision
    from physbatch.sweep.refining.decisions import decisions_of as decisions_of
    from physbatch.sweep.refining.loop import percent as percent
    from physbatch.sweep.refining.loop import refine as refine
    from physbatch.sweep.refining.loop import refined as refined
    from physbatch.sweep.refining.target import Target as Target

__getattr__, __dir__, __all__ = lazy_names(__name__)
