"""Steps and samples per second of projected dynamics, in one run with its peer.

    python tests/benchmarks/projected_steps.py [--rounds 5] [--json FILE]

The peer is the step as one writes it with numpy, for all replicas at once: the joint covariance
of the fields and its Cholesky factor, numpy's generator, library functions, an update of Q and
R. Both run the same replicas on one core and take turns, so that a change in the machine's
speed hits both alike. Each figure is the median of the rounds, in seconds of processor time.
`share` is the time that the same random numbers take alone (Philox, Box and Muller, the chi
numbers), over that of the whole step.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import numba
import numpy as np
from scipy import special

from physbatch.dynamics import (
    LANES,
    CommitteeState,
    ProjectedRun,
    batch_rule,
    draw_factor,
    draw_normals,
    draw_state,
    run_projected,
)
from physbatch.streams import KIND_FIELD

#: N, K = M, m, steps of the kernel, steps of the peer.
CASES = [
    (1000, 1, 1, 20_000, 100),
    (1000, 1, 100, 400, 20),
    (1000, 2, 1, 20_000, 100),
    (1000, 2, 100, 200, 20),
    (1000, 4, 1, 10_000, 100),
    (1000, 4, 100, 100, 10),
    (10**6, 4, 1, 10_000, 100),
    (10**6, 4, 100, 100, 10),
    (1000, 8, 1, 4_000, 50),
    (1000, 8, 100, 50, 5),
]
#: Replicas; a whole number of groups.
REPLICAS = 2 * LANES
RATE = 0.5


def peer_steps(state: CommitteeState, size: int, batch_size: int, steps: int, seed: int) -> None:
    """The plain step, all replicas at once."""
    random = np.random.default_rng(seed)
    q, r, t = state.student_overlap, state.teacher_overlap, state.teacher_teacher
    replicas, students, teachers = r.shape
    units = students + teachers
    rank = min(batch_size, students)
    lower = np.tril_indices(rank, -1)
    freedom = size - units - np.arange(rank)
    for _ in range(steps):
        covariance = np.block([[q, r], [r.transpose(0, 2, 1), t]])
        factor = np.linalg.cholesky(covariance)
        z = random.normal(size=(replicas, batch_size, units))
        fields = z @ factor.transpose(0, 2, 1)
        student, teacher = fields[:, :, :students], fields[:, :, students:]
        output = special.erf(fields / np.sqrt(2))
        wrong = output[:, :, students:].sum(axis=2) - output[:, :, :students].sum(axis=2)
        slope = np.sqrt(2 / np.pi) * np.exp(-(student**2) / 2)
        drive = RATE / batch_size * wrong[:, :, None] * slope
        turned = drive.transpose(0, 2, 1)
        wishart = np.zeros((replicas, rank, rank))
        wishart[:, lower[0], lower[1]] = random.normal(size=(replicas, len(lower[0])))
        diagonal = np.arange(rank)
        wishart[:, diagonal, diagonal] = np.sqrt(random.chisquare(freedom, (replicas, rank)))
        root = turned if batch_size <= students else np.linalg.cholesky(turned @ drive)
        rest = root @ wishart
        seen = turned @ z
        pull = turned @ student
        r = r + turned @ teacher / size
        q = q + (pull + pull.transpose(0, 2, 1)) / size
        q = q + (seen @ seen.transpose(0, 2, 1) + rest @ rest.transpose(0, 2, 1)) / size**2


@numba.njit(error_model="numpy")
def random_numbers(z, factor, normals, units, freedom, batch_size, steps, replicas, key):
    """The random numbers of some steps of one group of replicas, and nothing else."""
    for step in range(steps):
        for sample in range(batch_size):
            number = np.uint64(step * batch_size + sample)
            draw_normals(z, units, np.uint64(KIND_FIELD), number, replicas, key)
        draw_factor(factor, normals, factor.shape[0], freedom, np.uint64(step), replicas, key)


def numbers_alone(size: int, units: int, batch_size: int, steps: int) -> None:
    rank = min(batch_size, units)
    arguments = (
        np.zeros((2 * units + 3, LANES)),
        np.zeros((rank, rank, LANES)),
        np.zeros((rank * rank + 4, LANES)),
        2 * units,
        size - 2 * units,
        batch_size,
        steps,
        np.arange(LANES).astype(np.uint64),
        np.uint64(5),
    )
    for _ in range(REPLICAS // LANES):
        random_numbers(*arguments)


def seconds(function, *arguments) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def measure(case: tuple[int, int, int, int, int], rounds: int) -> dict[str, float]:
    """Medians of steps per second of kernel and peer, their ratio, and the numbers' share."""
    size, units, batch_size, steps, peer_count = case
    state = draw_state(
        size=size,
        students=units,
        teachers=units,
        replicas=REPLICAS,
        teacher_key=1,
        start_key=2,
    )
    run = ProjectedRun(
        size=size,
        batch=batch_rule(batch_size),
        learning_rate=RATE,
        times=np.array([steps]),
        last_step=steps,
        dynamics_key=3,
        check_interval=2**40,
    )
    run_projected(state, run)
    numbers_alone(size, units, batch_size, 1)
    kernel, peer, alone = [], [], []
    for number in range(rounds):
        kernel.append(REPLICAS * steps / seconds(run_projected, state, run))
        peer.append(
            REPLICAS * peer_count / seconds(peer_steps, state, size, batch_size, peer_count, number)
        )
        alone.append(REPLICAS * steps / seconds(numbers_alone, size, units, batch_size, steps))
    return {
        "kernel": statistics.median(kernel),
        "peer": statistics.median(peer),
        "ratio": statistics.median(a / b for a, b in zip(kernel, peer, strict=True)),
        "share": statistics.median(a / b for a, b in zip(kernel, alone, strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ",
        end="",
    )
    print(f"one core, {REPLICAS} replicas, erf, medians of {options.rounds} rounds")
    print(
        f"{'N':>8} {'K=M':>4} {'m':>4} {'steps/s':>10} {'samples/s':>10} {'peer steps/s':>13} "
        f"{'ratio':>6} {'share':>6}"
    )
    rows = []
    for case in CASES:
        result = measure(case, options.rounds)
        rows.append({"size": case[0], "units": case[1], "batch_size": case[2], **result})
        print(
            f"{case[0]:8d} {case[1]:4d} {case[2]:4d} {result['kernel']:10.3g} "
            f"{result['kernel'] * case[2]:10.3g} {result['peer']:13.3g} {result['ratio']:6.1f} "
            f"{result['share']:6.2f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
