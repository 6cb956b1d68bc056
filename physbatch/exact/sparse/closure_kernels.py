"""Compiled loops over the states of an output: its contexts, its moves and their flow."""

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.exact.sparse.kernels import tie_with_teacher


@cached_njit(nogil=True)
def fill_ties(others, agreement, with_teacher):
    """A of every context, the multiset of labels of the other d - 1 legs."""
    legs = others.shape[1]
    work = np.empty((2, legs + 1, 2 * legs + 3))
    chances = np.empty(legs)
    for context in range(len(others)):
        for leg in range(legs):
            chances[leg] = agreement[others[context, leg]]
        with_teacher[context] = tie_with_teacher(chances, work)


@cached_njit(nogil=True)
def fill_moves(states, rank, contexts, targets):
    """Contexts (state, d) and targets (state, d, 3) of every leg: label + 1, - 1, turned.

    `rank` are the binomial coefficients that number sorted labels; -1 where there is no move.
    """
    degree = states.shape[1]
    row = np.empty(degree, dtype=np.int64)
    for state in range(len(states)):
        for leg in range(degree):
            label = states[state, leg]
            index = position = 0
            for other in range(degree):
                if other != leg:
                    index += rank[states[state, other], position]
                    position += 1
            contexts[state, leg] = index
            for move, new in enumerate((label + 1, label - 1, degree - label)):
                if new < 0 or new > degree:
                    targets[state, leg, move] = -1
                    continue
                row[:] = states[state]
                row[leg] = new
                row.sort()
                index = 0
                for position in range(degree):
                    index += rank[row[position], position]
                targets[state, leg, move] = index


@cached_njit(nogil=True)
def add_contexts(law, states, contexts, weights):
    """Add the law of states to the weights of (label, context)."""
    weights[:] = 0.0
    for state in range(len(states)):
        for leg in range(states.shape[1]):
            weights[states[state, leg], contexts[state, leg]] += law[state]


@cached_njit(nogil=True)
def flow(law, states, contexts, targets, rates, change):
    """Fill d(law)/dt from the rates (label, context, move)."""
    change[:] = 0.0
    for state in range(len(states)):
        weight = law[state]
        for leg in range(states.shape[1]):
            for move in range(3):
                target = targets[state, leg, move]
                if target >= 0:
                    moved = weight * rates[states[state, leg], contexts[state, leg], move]
                    change[state] -= moved
                    change[target] += moved


@cached_njit(nogil=True)
def evolve(law, states, contexts, targets, rates, duration):
    """The law after some time at constant rates, by the classical Runge-Kutta method.

    No decay is faster than twice the largest rate of leaving a state, so that a step below 1.39
    times its inverse is stable.
    """
    fastest = 0.0
    for state in range(len(states)):
        leaving = 0.0
        for leg in range(states.shape[1]):
            for move in range(3):
                if targets[state, leg, move] >= 0:
                    leaving += rates[states[state, leg], contexts[state, leg], move]
        fastest = max(fastest, leaving)
    steps = int(duration * fastest / 1.2) + 1
    h = duration / steps
    slopes = np.empty((4, len(law)))
    now = law.copy()
    for _ in range(steps):
        flow(now, states, contexts, targets, rates, slopes[0])
        flow(now + 0.5 * h * slopes[0], states, contexts, targets, rates, slopes[1])
        flow(now + 0.5 * h * slopes[1], states, contexts, targets, rates, slopes[2])
        flow(now + h * slopes[2], states, contexts, targets, rates, slopes[3])
        now += h / 6.0 * (slopes[0] + 2.0 * (slopes[1] + slopes[2]) + slopes[3])
    return now
