"""Does `refine` reach its error for less, and do its intervals hold? The sparse network, d = 5.

python -m tests.physics.refine_coverage [--seeds 300] [--replicas 4] [--error 0.02]

N = 100, t = 300: from three controls (8, 13, 18) to a relative error of m_c, many seeds, and for
20 seeds the uniform grid of spacing 0.5 from 8 to 18, with 1, 2, 3 ... replicas a control.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from physbatch.engines import GridPoints, engine_for
from physbatch.scaling.design import success_posterior
from physbatch.study import Study, catalogue
from tests.physics.refinements import Refined, Simulate, refine_m_c

FloatArray = NDArray[np.float64]

SIZE, DURATION = 100, 300
START = (8.0, 13.0, 18.0)
#: Where half of 1024 replicas succeed, between the controls 13.25 (457) and 13.5 (716).
TRUTH = 13.30


def study_of(seed: int) -> Study:
    """The network with a seed of its own."""
    content = catalogue.study("sparse-vector", size=[SIZE], duration=DURATION).model_dump(
        mode="json", exclude_defaults=True
    )
    return Study.from_dict({**content, "seed": {"study": seed}})


def simulator(seed: int, replicas: int) -> Simulate:
    """First passages of the replicas at a control."""
    study = study_of(seed)
    engine, points = engine_for(study), GridPoints(study)

    def simulate(control: float) -> FloatArray:
        point = points.at({"size": SIZE, "batch_size": control}, 0, replicas)
        return np.asarray(engine.simulate(point, "cpu")["first_passage"], dtype=np.float64)

    return simulate


def refined(seed: int, replicas: int, error: float) -> Refined:
    """One refinement; its cost is in samples times sweeps."""
    return refine_m_c(simulator(seed, replicas), START, DURATION, error, seed)


def uniform(seeds: range, most: int) -> tuple[FloatArray, FloatArray]:
    """Relative rms error and mean cost of the uniform grid, with 1 ... `most` replicas."""
    controls = np.arange(8.0, 18.01, 0.5)
    errors, costs = np.zeros((2, most, len(seeds)))
    for column, seed in enumerate(seeds):
        passages = np.array([simulator(10_000 + seed, most)(m) for m in controls])
        for row in range(most):
            part = passages[:, : row + 1]
            law = success_posterior(
                controls, (part <= DURATION).sum(axis=1), np.full(controls.size, row + 1)
            )
            errors[row, column] = law.m_c.value / TRUTH - 1.0
            costs[row, column] = (controls * np.minimum(part, DURATION).sum(axis=1)).sum()
    return np.sqrt((errors**2).mean(axis=1)), costs.mean(axis=1)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--error", type=float, default=0.02)
    given = parser.parse_args()
    begun = time.process_time()
    one = partial(refined, replicas=given.replicas, error=given.error)
    results = [one(seed) for seed in range(1, given.seeds + 1)]
    errors = np.array([result.m_c.value / TRUTH - 1.0 for result in results])
    stated = np.array([result.error for result in results])
    held = sum(result.holds(TRUTH) for result in results)
    costs = np.array([result.cost for result in results])
    flips = 2 * 5 * SIZE  # weights of the network
    print(
        f"{len(results)} seeds, {given.replicas} replicas a cell, target {given.error:g}: "
        f"{100 * held / len(results):.1f} % hold the truth, rms error {rms(errors):.4f}, stated "
        f"{rms(stated):.4f}, bias {errors.mean():+.4f}, "
        f"{np.mean([len(result.controls) for result in results]):.1f} cells, "
        f"{flips * costs.mean():.3g} flip-samples; {time.process_time() - begun:.0f} s of CPU"
    )
    seeds = range(1, 21)
    error, cost = rms(errors[:20]), float(costs[:20].mean())
    uniform_errors, uniform_costs = uniform(seeds, 16)
    for row in range(16):
        print(
            f"  uniform, {row + 1:2d} replicas: rms error {uniform_errors[row]:.4f}, "
            f"{flips * uniform_costs[row]:.3g} flip-samples"
        )
    print(f"first 20 seeds: rms error {error:.4f}, {flips * cost:.3g} flip-samples")
    enough = np.flatnonzero(uniform_errors <= error)
    if enough.size:
        print(f"ratio to the uniform grid of this error: {cost / uniform_costs[enough[0]]:.2f}")
    print(f"{time.process_time() - begun:.0f} s of CPU")


def rms(values: FloatArray) -> float:
    """Root mean square."""
    return math.sqrt(float(np.mean(values**2)))


if __name__ == "__main__":
    main()
