"""What is learned: layers, graphs, teachers, students and samples, and their order parameters.

`architecture` and `wiring` are the layers and their random graphs; `binary`, `discrete` and
`continuous` draw teachers and starting students on them; `classifiers` and `samples` are networks
and sets of real data. `order_parameters`, `order_parameters_discrete` and `generalization` say how
near a student is to its teacher, modulo the symmetries of the network.

The names are imported when they are first used.

Examples
--------
>>> from physbatch import systems
>>> layers = systems.build_architecture(wiring="tree", size=9, degree=3, depth=2, output="scalar",
...                                     learned_layers="all", odd_fan_in=True)
>>> layers.edges, layers.paths_per_output
(12, 9)
"""

import importlib
from typing import Any

_MODULES = {
    "architecture": "Architecture Layer build_architecture dense_student",
    "binary": "BinarySystem draw_system",
    "classifiers": "Classifier Convolutional Dense",
    "continuous": "ContinuousSystem Functions draw_continuous_system random_students",
    "discrete": "DiscreteSystem draw_discrete_system",
    "generalization": "closed_form_error has_closed_form output_product",
    "order_parameters": "OverlapMeasurement cosine_overlap match_units measure_overlaps"
    " path_overlap",
    "order_parameters_discrete": "overlaps right_paths same_function",
    "samples": "Samples load_samples",
    "wiring": "draw_wiring embed layer_matrices",
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
