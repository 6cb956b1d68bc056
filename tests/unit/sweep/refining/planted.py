"""A planted engine: success is a Bernoulli draw whose chance is a known function of m and N."""

from __future__ import annotations

from typing import Any

import numpy as np

from physbatch.engines import GridPoint, Streams, register
from physbatch.study import Study

#: m_c = A N^b, w = m_c times the ratio, and the overlap of those that failed.
EXPONENT, RATIO, LOWER = 0.1, 0.03, 0.4


def m_c(size: float) -> float:
    """The planted critical control."""
    return float(8.0 * size**EXPONENT)


def plant(point: GridPoint, streams: Streams) -> dict[str, Any]:
    """Replicas that succeed at time 10 of 20 with the planted chance, or not at all."""
    middle = m_c(point.size)
    z = (point.batch_size - middle) / (RATIO * middle)
    chance = 0.5 * (1.0 + np.tanh(0.5 * z))
    overlap = np.zeros((point.replicas, len(point.times)))
    for row, replica in enumerate(streams.replicas):
        generator = streams.generator("dynamics", replica)
        passed = generator.random() < chance
        overlap[row] = LOWER + 0.02 * generator.standard_normal(len(point.times))
        if passed:
            overlap[row, np.array(point.times) >= 10] = 1.0
    return {"overlap": overlap}


register("planted-success", plant)


def planted_study(seed: int = 1, **grid: Any) -> Study:
    """A coarse study of the planted engine."""
    return Study.from_dict(
        {
            "title": "planted success",
            "system": {"kind": "own"},
            "dynamics": {"kind": "planted-success"},
            "grid": {"size": [100], "batch_size": [6, 11, 16, 21], "replicas": 8, **grid},
            "measurement": {"duration": 20, "times": {"kind": "list", "values": [0, 10, 20]}},
            "seed": {"study": seed},
        }
    )
