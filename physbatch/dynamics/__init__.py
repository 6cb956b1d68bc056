"""How students learn: by definition in plain torch, and by compiled kernels equal to it.

Each room holds one kind of dynamics: `bitsliced` binary weights, 64 samples in a word, on the CPU
and on a GPU; `discrete` any layers, binary or ternary weights; `sgd` gradient descent of
continuous weights and of classifiers; `projected` gradient descent of soft committees through
their overlaps alone. In each, `definition` is the slow truth, `kernel` and `parts` are compiled,
and `run` is what an engine calls. Batch sizes and acceptance rules are shared (`rules`), and so
are the random numbers, addressed alike everywhere (`draws`). Nothing here reads or writes files.

The names are imported when they are first used.

Examples
--------
>>> from physbatch import dynamics
>>> dynamics.batch_rule(2.25)
BatchRule(floor=2, threshold=1073741824)
>>> dynamics.acceptance_table(ties="accept")
array([4294967296,          0], dtype=uint64)
"""

import importlib
from typing import Any

_MODULES = {
    "rules": "ALWAYS BatchRule CellRun Trajectory acceptance_table batch_rule",
    "draws": "CellStreams",
    "bitsliced.definition": "path_sums run_definition",
    "bitsliced.run": "run_bitsliced",
    "bitsliced.cuda.run": "run_cuda",
    "bitsliced.limit": "flip_sample_limit operations_per_flip_sample vector_operation_rate",
    "discrete.definition": "DiscreteData run_general_definition sign_outputs",
    "discrete.rules": "NORMAL_UNIT DiscreteRun DiscreteTrajectory InputRule",
    "discrete.run": "DiscreteWalk run_discrete",
    "sgd.classifier": "ClassifierRun ClassifierTrajectory run_classifier",
    "sgd.definition": "TensorDescent",
    "sgd.run": "CompiledDescent GradientRun",
    "projected.definition": "ProjectedNumbers run_projected_definition",
    "projected.parts": "LANES draw_factor draw_normals",
    "projected.run": "ProjectedRun ProjectedTrajectory run_projected",
    "projected.state": "CommitteeState draw_state state_from_overlaps",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return globals().setdefault(name, getattr(module, name))


def __dir__() -> list[str]:
    return __all__
