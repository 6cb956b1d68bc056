"""How students learn: by definition in plain torch, and by compiled kernels equal to it.

Each room holds one kind of dynamics: `bitsliced` binary weights, 64 samples in a word, on the CPU
and on a GPU; `discrete` any layers, binary or ternary weights; `sgd` gradient descent of
continuous weights and of classifiers; `projected` gradient descent of soft committees through
their overlaps alone; `task` gradient descent of any model in torch. In the others, `definition` is
the slow truth, `kernel` and `parts` are compiled, and `run` is what an engine calls. Batch sizes
and acceptance rules are shared (`rules`), and so are the random numbers, addressed alike
everywhere (`draws`). Nothing here reads or writes files.

The names are imported when they are first used.

Examples
--------
>>> from physbatch import dynamics
>>> dynamics.batch_rule(2.25)
BatchRule(floor=2, threshold=1073741824)
>>> dynamics.acceptance_table(ties="accept")
array([4294967296,          0], dtype=uint64)
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.dynamics.bitsliced.cuda.run import run_cuda as run_cuda
    from physbatch.dynamics.bitsliced.definition import path_sums as path_sums
    from physbatch.dynamics.bitsliced.definition import run_definition as run_definition
    from physbatch.dynamics.bitsliced.limit import flip_sample_limit as flip_sample_limit
    from physbatch.dynamics.bitsliced.limit import (
        operations_per_flip_sample as operations_per_flip_sample,
    )
    from physbatch.dynamics.bitsliced.limit import vector_operation_rate as vector_operation_rate
    from physbatch.dynamics.bitsliced.run import run_bitsliced as run_bitsliced
    from physbatch.dynamics.discrete.definition import DiscreteData as DiscreteData
    from physbatch.dynamics.discrete.definition import (
        run_general_definition as run_general_definition,
    )
    from physbatch.dynamics.discrete.definition import sign_outputs as sign_outputs
    from physbatch.dynamics.discrete.rules import NORMAL_UNIT as NORMAL_UNIT
    from physbatch.dynamics.discrete.rules import DiscreteRun as DiscreteRun
    from physbatch.dynamics.discrete.rules import DiscreteTrajectory as DiscreteTrajectory
    from physbatch.dynamics.discrete.rules import InputRule as InputRule
    from physbatch.dynamics.discrete.run import DiscreteWalk as DiscreteWalk
    from physbatch.dynamics.discrete.run import run_discrete as run_discrete
    from physbatch.dynamics.draws import CellStreams as CellStreams
    from physbatch.dynamics.projected.definition import ProjectedNumbers as ProjectedNumbers
    from physbatch.dynamics.projected.definition import (
        run_projected_definition as run_projected_definition,
    )
    from physbatch.dynamics.projected.parts import LANES as LANES
    from physbatch.dynamics.projected.parts import draw_factor as draw_factor
    from physbatch.dynamics.projected.parts import draw_normals as draw_normals
    from physbatch.dynamics.projected.run import ProjectedRun as ProjectedRun
    from physbatch.dynamics.projected.run import ProjectedTrajectory as ProjectedTrajectory
    from physbatch.dynamics.projected.run import run_projected as run_projected
    from physbatch.dynamics.projected.state import CommitteeState as CommitteeState
    from physbatch.dynamics.projected.state import draw_state as draw_state
    from physbatch.dynamics.projected.state import state_from_overlaps as state_from_overlaps
    from physbatch.dynamics.rules import ALWAYS as ALWAYS
    from physbatch.dynamics.rules import BatchRule as BatchRule
    from physbatch.dynamics.rules import CellRun as CellRun
    from physbatch.dynamics.rules import Trajectory as Trajectory
    from physbatch.dynamics.rules import acceptance_table as acceptance_table
    from physbatch.dynamics.rules import batch_rule as batch_rule
    from physbatch.dynamics.sgd.classifier import ClassifierRun as ClassifierRun
    from physbatch.dynamics.sgd.classifier import ClassifierTrajectory as ClassifierTrajectory
    from physbatch.dynamics.sgd.classifier import run_classifier as run_classifier
    from physbatch.dynamics.sgd.definition import TensorDescent as TensorDescent
    from physbatch.dynamics.sgd.run import CompiledDescent as CompiledDescent
    from physbatch.dynamics.sgd.run import GradientRun as GradientRun
    from physbatch.dynamics.task.draw import Draw as Draw

__getattr__, __dir__, __all__ = lazy_names(__name__)
