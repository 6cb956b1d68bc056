"""Tasks for studies of ``system.kind = "torch"``: each file shows how to write one.

``task = "physbatch.tasks:MLP"`` names one in a study; docs/own-model.md has the table of them.
Weights of matched pairs of teacher and student are independent with mean 0 and variance 1, and
each layer divides by the square root of its number of inputs: outputs have order 1 at any size,
and so have the learning rates at which learning is stable.
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.tasks.attention import Attention as Attention
    from physbatch.tasks.cnn import CNN as CNN
    from physbatch.tasks.digits import Digits as Digits
    from physbatch.tasks.gaussian_mixture import GaussianMixture as GaussianMixture
    from physbatch.tasks.gpt import GPT as GPT
    from physbatch.tasks.hermite import Hermite as Hermite
    from physbatch.tasks.hidden_manifold import HiddenManifold as HiddenManifold
    from physbatch.tasks.linear import Linear as Linear
    from physbatch.tasks.lstm import LSTM as LSTM
    from physbatch.tasks.mlp import MLP as MLP
    from physbatch.tasks.modular_addition import ModularAddition as ModularAddition
    from physbatch.tasks.multi_index import MultiIndex as MultiIndex
    from physbatch.tasks.power_law import PowerLaw as PowerLaw
    from physbatch.tasks.sparse_parity import SparseParity as SparseParity

__getattr__, __dir__, __all__ = lazy_names(__name__)
