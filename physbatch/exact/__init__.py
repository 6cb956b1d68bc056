"""Closed forms and exact chains, and synthetic systems with planted answers.

Each module is a room of its own, imported when it is first used:

* theory: `greedy_unit` (an exact chain of the dynamics), `enumeration` (all students of small
  networks), `sparse` (rates, a closure and a limit of the sparse network), `perceptron`,
  `committee`, `committee_stability`, `committee_scaling` (soft committees), `linear_sgd`,
  `finite_linear_sgd` (a linear student), `critical_batch` (its steps to a target at every batch);
* test systems for the scaling analysis: `curie_weiss` and `scaling_functions` (scaling laws),
  `phases` and `planted` (the order of a transition, and traps without any), `escapes` (metastable
  states), `lattices` (percolation and Ising in 2-D), `batch_noise` (the noise of batches);
* what these share: `grids` (of sizes and controls), `replicas` (datasets and tables of them).

In all of them N or L is the size, m the batch size, eta the learning rate, `replicas` the number
of independent ones at each point, and the same `seed` gives the same bits.

Examples
--------
>>> from physbatch import exact
>>> round(exact.curie_weiss.binder(10**6, 1.0), 4)
0.2709
>>> data = exact.planted.first_order(sizes=(50, 100), replicas=4)
>>> exact.replicas.as_table(data).observables
('overlap', 'second_moment', 'fourth_moment', 'success')
"""

from typing import TYPE_CHECKING

from physbatch.lazy import lazy_names

if TYPE_CHECKING:
    from physbatch.exact import batch_noise as batch_noise
    from physbatch.exact import committee as committee
    from physbatch.exact import committee_scaling as committee_scaling
    from physbatch.exact import committee_stability as committee_stability
    from physbatch.exact import critical_batch as critical_batch
    from physbatch.exact import curie_weiss as curie_weiss
    from physbatch.exact import enumeration as enumeration
    from physbatch.exact import escapes as escapes
    from physbatch.exact import finite_linear_sgd as finite_linear_sgd
    from physbatch.exact import greedy_unit as greedy_unit
    from physbatch.exact import grids as grids
    from physbatch.exact import lattices as lattices
    from physbatch.exact import linear_sgd as linear_sgd
    from physbatch.exact import perceptron as perceptron
    from physbatch.exact import phases as phases
    from physbatch.exact import planted as planted
    from physbatch.exact import replicas as replicas
    from physbatch.exact import scaling_functions as scaling_functions
    from physbatch.exact import sparse as sparse

__getattr__, __dir__, __all__ = lazy_names(__name__)
