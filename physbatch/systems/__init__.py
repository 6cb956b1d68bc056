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

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.systems.architecture import Architecture as Architecture
    from physbatch.systems.architecture import Layer as Layer
    from physbatch.systems.architecture import build_architecture as build_architecture
    from physbatch.systems.architecture import dense_student as dense_student
    from physbatch.systems.binary import BinarySystem as BinarySystem
    from physbatch.systems.binary import draw_system as draw_system
    from physbatch.systems.classifiers import Classifier as Classifier
    from physbatch.systems.classifiers import Convolutional as Convolutional
    from physbatch.systems.classifiers import Dense as Dense
    from physbatch.systems.continuous import ContinuousSystem as ContinuousSystem
    from physbatch.systems.continuous import Functions as Functions
    from physbatch.systems.continuous import draw_continuous_system as draw_continuous_system
    from physbatch.systems.continuous import random_students as random_students
    from physbatch.systems.discrete import DiscreteSystem as DiscreteSystem
    from physbatch.systems.discrete import draw_discrete_system as draw_discrete_system
    from physbatch.systems.generalization import closed_form_error as closed_form_error
    from physbatch.systems.generalization import has_closed_form as has_closed_form
    from physbatch.systems.generalization import output_product as output_product
    from physbatch.systems.order_parameters import OverlapMeasurement as OverlapMeasurement
    from physbatch.systems.order_parameters import cosine_overlap as cosine_overlap
    from physbatch.systems.order_parameters import match_units as match_units
    from physbatch.systems.order_parameters import measure_overlaps as measure_overlaps
    from physbatch.systems.order_parameters import path_overlap as path_overlap
    from physbatch.systems.order_parameters_discrete import overlaps as overlaps
    from physbatch.systems.order_parameters_discrete import right_paths as right_paths
    from physbatch.systems.order_parameters_discrete import same_function as same_function
    from physbatch.systems.samples import Samples as Samples
    from physbatch.systems.samples import load_samples as load_samples
    from physbatch.systems.wiring import draw_wiring as draw_wiring
    from physbatch.systems.wiring import embed as embed
    from physbatch.systems.wiring import layer_matrices as layer_matrices

__getattr__, __dir__, __all__ = lazy_names(__name__)
