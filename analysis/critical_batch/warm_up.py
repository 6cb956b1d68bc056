"""Fewest steps of a linear student for a number of samples, with a fixed or a growing batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize

from physbatch.exact import critical_batch

#: A learning rate, a batch size and a number of steps.
Phase = tuple[float, float, float]
#: From numbers of any size to two phases of so many samples and steps in all.
Schedule = Callable[[np.ndarray, float, float], list[Phase]]


def _part(free: float) -> float:
    return float(1 / (1 + np.exp(-free)))


def one_rate(free: np.ndarray, samples: float, steps: float) -> list[Phase]:
    """One learning rate, one batch size."""
    return [(float(np.exp(free[0])), samples / steps, steps)]


def two_rates(free: np.ndarray, samples: float, steps: float) -> list[Phase]:
    """One batch size, two learning rates."""
    part, batch = _part(free[2]), samples / steps
    rates = np.exp(free[:2]).tolist()
    return [(rates[0], batch, part * steps), (rates[1], batch, (1 - part) * steps)]


def two_batches(free: np.ndarray, samples: float, steps: float) -> list[Phase]:
    """One learning rate, two batch sizes."""
    part, share, rate = _part(free[1]), _part(free[2]), float(np.exp(free[0]))
    first, second = part * steps, (1 - part) * steps
    return [
        (rate, samples * share / first, first),
        (rate, samples * (1 - share) / second, second),
    ]


def two_of_both(free: np.ndarray, samples: float, steps: float) -> list[Phase]:
    """Two learning rates, each at a batch size of its own."""
    phases = two_batches(free[[0, 2, 3]], samples, steps)
    return [phases[0], (float(np.exp(free[1])), *phases[1][1:])]


#: Schedules, how many numbers they take, and what they are.
SCHEDULES: dict[str, tuple[Schedule, int]] = {
    "one rate, one batch": (one_rate, 1),
    "one rate, two batches": (two_batches, 3),
    "two rates, one batch": (two_rates, 3),
    "two rates, two batches": (two_of_both, 4),
}


def lowest(
    student: critical_batch.LinearLearning, name: str, samples: float, steps: float
) -> tuple[float, list[Phase]]:
    """The smallest excess after some steps and samples, and its schedule."""
    spectrum = np.array(student.spectrum)
    schedule, count = SCHEDULES[name]

    def excess(free: np.ndarray) -> float:
        if np.abs(free).max() > 12:
            return 1e300
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(spectrum @ student.squares(schedule(free, samples, steps)))
        return value if np.isfinite(value) and value > 0 else 1e300

    rate = np.log(min(1.0, samples / steps / student.scale) / max(spectrum))
    starts = {1: [[rate], [rate - 1]], 3: [[rate, 0, -1], [rate, rate - 1, 0], [rate, -1, -2]]}
    starts[4] = [[rate, rate - 1, 0, 0], [rate, rate, -1, -2]]
    best = None
    for start in starts[count]:
        free = np.array(start, dtype=np.float64)
        for _ in range(2):  # Nelder and Mead stop early; once more from there
            run = optimize.minimize(excess, free, method="Nelder-Mead", options={"fatol": 1e-10})
            free = run.x
        if best is None or run.fun < best.fun:
            best = run
    return float(best.fun), schedule(best.x, samples, steps)


def fewest_steps(
    student: critical_batch.LinearLearning, name: str, samples: float, target: float
) -> tuple[float, list[Phase]]:
    """The fewest steps that reach a target with so many samples, and the schedule."""
    aim = np.log(target * student.first_excess)

    def above(ln_steps: float) -> float:
        return float(np.log(lowest(student, name, samples, float(np.exp(ln_steps)))[0]) - aim)

    low, high = np.log(samples / student.scale / 40), np.log(samples / 2)
    steps = float(np.exp(optimize.brentq(above, low, high, xtol=2e-3)))
    return steps, lowest(student, name, samples, steps)[1]
