"""States of an output in the star closure: the multisets of the labels of its d legs.

There are C(2 d, d) of them: 20, 252, 3432, 48 620 at d = 3, 5, 7, 9. What a leg knows of its
output, its *context*, is the multiset of the other d - 1 labels, and of that only the number
x = (A - B)/(A + B) enters the rates.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.exact.sparse.closure_kernels import fill_moves, fill_ties
from physbatch.exact.sparse.rates import agreement, check_point, tie_chance
from physbatch.typing import FloatArray

#: A law of x is held by its moments up to this order (those on as many Chebyshev points).
NODES = 24
#: 705 432 states at d = 11, of which each evaluation of the rates takes seconds.
MOST_DEGREE = 11


@dataclass(frozen=True, eq=False)
class Legs:
    """The states of an output, and where each of its legs can go.

    Attributes
    ----------
    degree : int
        d.
    states : ndarray of int, shape (state, d)
        Sorted labels.
    contexts : ndarray of int, shape (state, d)
        Number of the multiset of the other labels.
    targets : ndarray of int, shape (state, d, 3)
        The state after the label went up, down, or was turned; -1 where it cannot.
    nodes : ndarray, shape (node,)
        Points of x, symmetric around 0.
    at_nodes : ndarray, shape (context, node)
        Weights with which a function of x at the nodes gives its value at a context.
    overlap : ndarray, shape (state,)
        Contribution 1 - 2 <e>/d of a state to the overlap q.
    """

    degree: int
    states: npt.NDArray[np.int8]
    contexts: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    nodes: FloatArray
    at_nodes: FloatArray
    overlap: FloatArray

    def start(self, initial_overlap: float = 0.0) -> FloatArray:
        """Law of the states if each weight is right with chance (1 + r)/2, shape (state,)."""
        d, right = self.degree, (1 + initial_overlap) / 2
        wrong = np.arange(d + 1)
        ways = np.array([math.comb(d, k) for k in wrong], dtype=np.float64)
        unit = ways * right ** (d - wrong) * (1 - right) ** wrong
        labels = right * unit + (1 - right) * unit[::-1]
        counts = (self.states[:, :, None] == wrong).sum(axis=1)
        factorial = np.array([math.factorial(k) for k in wrong], dtype=np.float64)
        orders = factorial[d] / factorial[counts].prod(axis=1)
        return np.asarray(orders * labels[self.states].prod(axis=1))


@cache
def leg_states(degree: int) -> Legs:
    """The states at an odd degree up to 11.

    >>> [len(leg_states(d).states) for d in (3, 5)]
    [20, 252]
    """
    check_point(degree)
    if degree > MOST_DEGREE:
        raise AnalysisError(
            f"degree {degree}",
            where="star closure",
            remedy=f"take d up to {MOST_DEGREE}, or the limit of many legs (sparse.limit)",
        )
    states, others = _multisets(degree, degree), _multisets(degree, degree - 1)
    rank = np.array(
        [[math.comb(label + position, position + 1) for position in range(degree)] for label in
         range(degree + 1)]
    )  # fmt: skip
    contexts = np.empty(states.shape, dtype=np.int32)
    targets = np.empty((*states.shape, 3), dtype=np.int32)
    fill_moves(states, rank, contexts, targets)
    with_teacher = np.empty(len(others))
    agreements = np.array([agreement(degree, label) for label in range(degree + 1)])
    fill_ties(others, agreements, with_teacher)
    x = 2 * with_teacher / tie_chance(degree) - 1
    nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    chebyshev = np.polynomial.chebyshev.chebvander
    at_nodes = chebyshev(x, NODES - 1) @ np.linalg.inv(chebyshev(nodes, NODES - 1))
    overlap = 1 - 2 * states.mean(axis=1) / degree
    return Legs(degree, states, contexts, targets, nodes, at_nodes, overlap)


def _multisets(degree: int, count: int) -> npt.NDArray[np.int8]:
    """Sorted rows of `count` labels, in the order of their rank."""
    rows = np.fromiter(
        combinations_with_replacement(range(degree, -1, -1), count),
        dtype=np.dtype((np.int8, count)),
    )
    # Descending tuples of reversed labels run backwards through the order of the largest label.
    return np.ascontiguousarray(rows[::-1, ::-1])
