"""The limit of this machine for the bit-sliced dynamics: how fast it does vector logic.

A flip tried on 512 samples needs, at the least, the exclusive-ors, ands, population counts and
additions that find its change of the error; random numbers, memory, decisions and accepted moves
come on top. The rate of those operations is measured, not taken from a data sheet.
"""

import time

import numba
import numpy as np

from physbatch.dynamics.bitsliced.lanes import fill, load, population, store
from physbatch.dynamics.bitsliced.shape import planes_for
from physbatch.systems.architecture import Architecture

#: Samples that one operation works on: the widest vectors that the kernel uses.
SAMPLES_PER_OPERATION = 512
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


@numba.njit
def _work(words, rounds):
    """Xor, and, population count and addition on eight independent vectors, again and again."""
    ones = fill(words, _ONES, 8)
    mask = load(words, 0, ones)
    a, b, c, d = mask, ~mask, mask ^ ones, mask
    e, f, g, h = mask, ~mask, mask ^ ones, mask
    for _ in range(rounds):
        a = mask + population(a & mask) ^ a
        b = mask + population(b & mask) ^ b
        c = mask + population(c & mask) ^ c
        d = mask + population(d & mask) ^ d
        e = mask + population(e & mask) ^ e
        f = mask + population(f & mask) ^ f
        g = mask + population(g & mask) ^ g
        h = mask + population(h & mask) ^ h
        mask = mask ^ a
    store(words, 0, a ^ b ^ c ^ d ^ e ^ f ^ g ^ h)


def vector_operation_rate(repeats: int = 5, rounds: int = 400_000) -> float:
    """Vector operations per second of one core on 512 bits, the best of some short runs.

    On a machine whose vectors are narrower an operation on 512 bits is several.
    """
    words = np.arange(1, 9, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    _work(words, 1)  # compiles
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        _work(words, rounds)
        best = min(best, time.process_time() - start)
    return 33 * rounds / best


def operations_per_flip_sample(architecture: Architecture) -> float | None:
    """Vector operations that a tried flip needs for each sample, on average over the weights.

    With p planes, a unit needs 2 p operations to find where it flips; an output that follows
    costs 1 (the sign of its weight) + 2 p and 6 to count the change of the error. None for
    networks of more than two layers, where it depends on which units flip.

    Examples
    --------
    >>> from physbatch.systems.architecture import build_architecture
    >>> layers = build_architecture(wiring="regular", size=300, degree=7, depth=2, output="vector",
    ...                             learned_layers="all", odd_fan_in=True)
    >>> round(operations_per_flip_sample(layers), 3)
    0.108
    """
    if architecture.depth > 2:
        return None
    layers = architecture.layers
    last = 2 * planes_for(layers[-1].fan_in)
    output = 1 + last + 6
    if architecture.depth == 1:
        return output / SAMPLES_PER_OPERATION
    hidden = 1 + 2 * planes_for(layers[0].fan_in) + layers[-1].fan_out * (1 + last + 6)
    share = layers[0].edges / architecture.learnable
    return (share * hidden + (1 - share) * output) / SAMPLES_PER_OPERATION


def flip_sample_limit(architecture: Architecture, operation_rate: float) -> float | None:
    """Flip-samples per second that vector logic alone would allow on one core."""
    operations = operations_per_flip_sample(architecture)
    return None if operations is None else operation_rate / operations
