"""One answer from any start, on lattices that the repository simulates itself.

The full count on published data is in tests/benchmarks/random_starts.py.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from physbatch.exact import lattices
from physbatch.results import flag_names
from physbatch.scaling import collapse
from physbatch.tables import ScalingTable
from tests.benchmarks.random_starts import same_answer

#: Exact nu, c_c, and what is held.
KNOWN = {
    "percolation": (4 / 3, 0.59274605, {}),
    "Ising": (1.0, 2 / math.log(1 + math.sqrt(2)), {}),
}


@cache
def lattice(model: str) -> tuple[ScalingTable, str]:
    """A table and the observable in it."""
    if model == "percolation":
        table = lattices.percolation_table(
            (16, 32, 64), np.linspace(0.55, 0.63, 13), replicas=250, seed=1
        )
        return table, "largest_cluster"
    table = lattices.ising_table((8, 16, 32), np.linspace(2.1, 2.45, 11), replicas=200, seed=2)
    return table, "magnetization"


@pytest.mark.parametrize(
    ("model", "runs"),
    [
        ("percolation", 6),
        pytest.param("percolation", 200, marks=pytest.mark.slow),
        pytest.param("Ising", 200, marks=pytest.mark.slow),
    ],
)
def test_random_starts_give_one_answer(model: str, runs: int) -> None:
    """Within 0.1 errors in 99 % of the runs, and a flag in the rest; the answer is right."""
    nu, c_c, options = KNOWN[model]
    table, observable = lattice(model)
    reference = collapse(table, observable, **options)
    found = reference.parameters
    assert abs(found["c_c"].value - c_c) < 4 * found["c_c"].total
    assert abs(found["nu"].value - nu) < 4 * found["nu"].total
    generator = np.random.default_rng(3)
    others, silent = 0, 0
    for _ in range(runs):
        start = {
            "c_c": float(generator.uniform(table.control.min(), table.control.max())),
            "nu": float(nu * np.exp(generator.uniform(-math.log(3), math.log(3)))),
        }
        result = collapse(table, observable, start=start, **options)
        if same_answer(result, reference) >= 0.1:
            others += 1
            silent += not set(flag_names(result.flags)) - set(flag_names(reference.flags))
    assert others <= 0.01 * runs
    assert silent == 0
