"""The compiled kernel of steps of a single unit on the sphere."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from physbatch.compilation import cached_njit
from physbatch.dynamics.compiled import compiled_counting_floats
from physbatch.sources import hash_of_sources
from physbatch.streams.filling import fill_normals
from physbatch.streams.gaussian import draw_chi
from physbatch.streams.keys import KIND_FACTOR_CHI, KIND_FIELD

#: What the disk cache must follow, see `hash_of_sources`.
SOURCE_HASH = hash_of_sources("dynamics/single_index", "dynamics", "streams")
#: Samples whose fields are drawn together; they stay in the nearest cache.
_SAMPLES = 1024

_FIELD = np.uint64(KIND_FIELD)
_CHI = np.uint64(KIND_FACTOR_CHI)
_ZERO = np.uint64(0)
_LOW = np.uint64(0xFFFFFFFF)
_8 = np.uint64(8)
_32 = np.uint64(32)


@compiled_counting_floats
def _hermite(roots, degree, x):
    """He_k(x)/sqrt(k!) and the one below; `roots` are sqrt(k) and 1/sqrt(k + 1)."""
    before, now = 0.0, 1.0
    for k in range(degree):
        before, now = now, (x * now - roots[0, k] * before) * roots[1, k]
    return now, before


@compiled_counting_floats
def _sums(buffer, roots, overlap, run, index, replica):
    """Sums over a batch of D lambda, D z and D^2, D = -loss' f'(lambda)."""
    _, batch, degree, _, correlation, _, _, key = run
    across = math.sqrt(max(1.0 - overlap * overlap, 0.0))
    slope = math.sqrt(float(degree))
    along, toward, square = 0.0, 0.0, 0.0
    for first in range(0, batch, _SAMPLES):
        count = min(_SAMPLES, batch - first)
        fill_normals(buffer, 2 * first, 2 * count, key, _FIELD, index, replica)
        for sample in range(count):
            field, z = buffer[2 * sample], buffer[2 * sample + 1]
            said, below = _hermite(roots, degree, field)
            right, _ = _hermite(roots, degree, overlap * field + across * z)
            wrong = right if correlation else right - said
            pull = wrong * slope * below
            along += pull * field
            toward += pull * z
            square += pull * pull
    return along, toward, square


@functools.cache
def make_kernel(version: int) -> Callable[..., Any]:
    """Compile the kernel; `version` is `SOURCE_HASH`, so that the disk cache follows the source."""

    @cached_njit(nogil=True, error_model="numpy")
    def learn(overlaps, passages, times, run, replicas):
        _ = version
        size, batch, degree, rate, _, tangent, limits, key = run
        start, enough, last = limits
        buffer = np.empty(2 * _SAMPLES)
        roots = np.empty((2, degree))
        for k in range(degree):
            roots[0, k] = math.sqrt(float(k))
            roots[1, k] = 1.0 / math.sqrt(k + 1.0)
        for row in range(replicas.shape[0]):
            m, measured, step = start, 0, 0
            while True:
                # For even k a student and its opposite are the same.
                known = abs(m) if degree % 2 == 0 else m
                if passages[row] < 0 and known >= enough:
                    passages[row] = step
                ended = passages[row] >= 0 or step == last or not math.isfinite(m)
                while measured < times.shape[0] and (ended or times[measured] == step):
                    overlaps[row, measured] = m
                    measured += 1
                if ended:
                    break
                index = np.uint64(step)
                along, toward, square = _sums(buffer, roots, m, run, index, replicas[row])
                kind = _CHI | ((index >> _32) << _8)
                chi = draw_chi(0, size - 2, kind, index & _LOW, replicas[row], key, _ZERO)
                across = math.sqrt(max(1.0 - m * m, 0.0))
                forward = 1.0 if tangent else 1.0 + rate * along / batch
                sideways = rate * toward / batch
                rest = rate * math.sqrt(square) * chi / batch
                length = math.sqrt(forward**2 + sideways**2 + rest**2)
                m = (m * forward + across * sideways) / length
                step += 1

    return learn
