"""Studies: what to simulate, as frozen models that read and write TOML; one module an axis.

Every choice of the physics has its field. A choice within one axis that makes no sense is refused
in its model, one that involves several axes in `Study`.

Examples
--------
>>> from physbatch.study import catalogue
>>> catalogue.study("greedy-unit").dynamics.kind
'greedy'
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.study import catalogue as catalogue
    from physbatch.study.base import Model as Model
    from physbatch.study.comparison import attribute_differences as attribute_differences
    from physbatch.study.comparison import extends as extends
    from physbatch.study.comparison import study_differences as study_differences
    from physbatch.study.comparison import value_differences as value_differences
    from physbatch.study.dynamics import SGD as SGD
    from physbatch.study.dynamics import Dynamics as Dynamics
    from physbatch.study.dynamics import Greedy as Greedy
    from physbatch.study.dynamics import LearningRate as LearningRate
    from physbatch.study.dynamics import Metropolis as Metropolis
    from physbatch.study.grid import Grid as Grid
    from physbatch.study.measurement import LinearTimes as LinearTimes
    from physbatch.study.measurement import ListedTimes as ListedTimes
    from physbatch.study.measurement import LogTimes as LogTimes
    from physbatch.study.measurement import Measurement as Measurement
    from physbatch.study.measurement import Seed as Seed
    from physbatch.study.model import Study as Study
    from physbatch.study.model import canonical_json as canonical_json
    from physbatch.study.selection import select as select
    from physbatch.study.system import BinaryInputs as BinaryInputs
    from physbatch.study.system import ConvolutionalWiring as ConvolutionalWiring
    from physbatch.study.system import DenseStudent as DenseStudent
    from physbatch.study.system import DenseWiring as DenseWiring
    from physbatch.study.system import GaussianInputs as GaussianInputs
    from physbatch.study.system import PatternInputs as PatternInputs
    from physbatch.study.system import RegularWiring as RegularWiring
    from physbatch.study.system import SampleInputs as SampleInputs
    from physbatch.study.system import System as System
    from physbatch.study.system import TeacherStudent as TeacherStudent
    from physbatch.study.system import TreeWiring as TreeWiring

__getattr__, __dir__, __all__ = lazy_names(__name__)
