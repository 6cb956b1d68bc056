"""Theory of the sparse greedy network for many units: exact rates, a closure, and a limit.

Two layers of a random d-regular graph, d odd, binary weights, sign units, vector output, greedy
moves with a fresh batch for every proposal.

* `rates`: chances of acceptance on a tree (`hidden_flip`, `output_flip`, `reader_chances`);
* `simulation`: the network at finite N with flips drawn from these rates, without samples;
* `closure`, `branches`: a deterministic theory for N -> infinity up to d = 11, q(m, t), stationary
  states and the spinodal m_s;
* `limit`: the closed form for d -> infinity.

Examples
--------
>>> from physbatch.exact import sparse
>>> round(sparse.spinodal(3).batch_size, 2), round(sparse.scaled_spinodal().batch_size, 4)
(5.09, 1.6085)
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.exact.sparse.branches import Spinodal as Spinodal
    from physbatch.exact.sparse.branches import spinodal as spinodal
    from physbatch.exact.sparse.branches import stationary_batch_sizes as stationary_batch_sizes
    from physbatch.exact.sparse.branches import stationary_overlap as stationary_overlap
    from physbatch.exact.sparse.closure import Closure as Closure
    from physbatch.exact.sparse.closure import overlap_curve as overlap_curve
    from physbatch.exact.sparse.limit import scaled_batch_sizes as scaled_batch_sizes
    from physbatch.exact.sparse.limit import scaled_overlap as scaled_overlap
    from physbatch.exact.sparse.limit import scaled_spinodal as scaled_spinodal
    from physbatch.exact.sparse.rates import acceptance as acceptance
    from physbatch.exact.sparse.rates import agreement as agreement
    from physbatch.exact.sparse.rates import hidden_flip as hidden_flip
    from physbatch.exact.sparse.rates import output_flip as output_flip
    from physbatch.exact.sparse.rates import reader_chances as reader_chances
    from physbatch.exact.sparse.rates import tie_chance as tie_chance
    from physbatch.exact.sparse.simulation import Trajectories as Trajectories
    from physbatch.exact.sparse.simulation import simulate as simulate
    from physbatch.exact.sparse.simulation import simulate_dataset as simulate_dataset

__getattr__, __dir__, __all__ = lazy_names(__name__)
