"""Child process of `test_cuda_kernel`: the GPU kernel against the definition.

Run with NUMBA_ENABLE_CUDASIM=1 it needs no GPU: threads are simulated, a few milliseconds for
each step, so systems are tiny. Prints one line for each case.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from physbatch.dynamics.bitsliced.cuda.run import run_cuda
from physbatch.dynamics.bitsliced.definition import run_definition
from physbatch.dynamics.rules import CellRun, Trajectory, acceptance_table, batch_rule, batch_table
from physbatch.streams.keys import stream_keys
from physbatch.systems.architecture import build_architecture
from physbatch.systems.binary import draw_system

TWO_LAYERS = {"wiring": "regular", "size": 4, "degree": 3, "depth": 2, "output": "vector"}
SCALAR = {"wiring": "tree", "size": 9, "degree": 3, "depth": 2, "output": "scalar"}
ONE_LAYER = {"wiring": "regular", "size": 4, "degree": 3, "depth": 1, "output": "vector"}
#: system, learned layers, rule, refresh for each proposal, m, first replica, replicas, per graph
CASES: list[tuple[dict[str, Any], str, dict[str, Any], bool, float, int, int, int]] = [
    (TWO_LAYERS, "all", {"ties": "reject"}, False, 3.4, 3, 2, 1),
    (TWO_LAYERS, "all", {"ties": "accept"}, False, 70.0, 0, 1, 1),
    (TWO_LAYERS, "all", {"temperature": 0.7}, False, 3.4, 1, 3, 2),
    (SCALAR, "first", {"ties": "reject"}, False, 12.0, 0, 2, 2),
    (ONE_LAYER, "all", {"ties": "accept"}, True, 2.5, 0, 1, 1),
]


def main() -> None:
    """Compare every case."""
    # The simulator's threads are Python's; coverage tools and 64-bit wrap-around make it warn.
    warnings.simplefilter("error", RuntimeWarning)
    duration = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for number, case in enumerate(CASES):
        system, learned, rule, each_proposal, batch_size, first, replicas, per_graph = case
        halved = batch_table((batch_size, batch_size / 2, batch_size))
        layers = build_architecture(**system, learned_layers=learned, odd_fan_in=True)
        keys = stream_keys(dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 7), "cuda")
        drawn = draw_system(layers, 0.2, keys, first, replicas, per_graph)
        run = CellRun(
            batch=batch_rule(batch_size),
            acceptance=acceptance_table(**rule),
            refresh_each_proposal=each_proposal,
            absorbing=rule.get("ties") == "reject",
            times=np.array([0, 1, duration], dtype=np.int64),
            duration=duration,
            test_samples=70,
            dynamics_key=keys.dynamics,
            test_key=keys.test,
            first_replica=first,
            replicas_per_graph=per_graph,
            schedule=halved if number % 2 else None,
        )
        fast, exact = run_cuda(drawn, run, threads=4), run_definition(drawn, run)
        for name in Trajectory._fields:
            np.testing.assert_array_equal(getattr(fast, name), getattr(exact, name), err_msg=name)
        moved = int((fast.student != drawn.student).sum())
        print(f"case {number}: same, {moved} weights changed")


if __name__ == "__main__":
    main()
