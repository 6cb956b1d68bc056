"""Scalar output on a tree: how does m_c grow with N?"""

from __future__ import annotations

from analysis.common import Datasets, Finding
from analysis.growth import growth_finding

SIZES = (27, 45, 63, 99, 201, 303)
TIMES = (250.0, 500.0, 1000.0)
#: An overlap above it is that of the learned state.
LEVEL = 0.9

_TINY = {"replicas": 16}
REDUCED = {
    "n027": {"batch_size": [33, 37, 41], **_TINY},
    "n045": {"batch_size": [48, 56, 64], **_TINY},
    "n063": {"batch_size": [34, 42, 50], **_TINY, "size": [33]},
    "n099": {"batch_size": [44, 52, 62], **_TINY, "size": [39]},
    "n201": {"batch_size": [50, 57, 64], **_TINY, "size": [51]},
    "n303": {"batch_size": [50, 57, 64], **_TINY, "size": [57]},
}


def find(data: Datasets) -> Finding:
    """m_c(N, t), its exponent in N with the scan of smallest sizes, drift, and order."""
    return growth_finding([data[f"n{size:03d}"] for size in SIZES], TIMES, LEVEL)
