"""Where learning fails, works well and becomes perfect, with the lines of theory."""

from __future__ import annotations

import numpy as np

from analysis.common import Datasets, Finding, Number
from physbatch.exact import committee_stability, linear_sgd
from physbatch.noise import transition_line
from physbatch.plots import plot_phases
from physbatch.scaling import Estimate, fit_law, law

REDUCED = {
    "erf": {
        "size": [50],
        "batch_size": [1, 1.5, 2, 3, 4, 5, 7, 10, 14],
        "learning_rate": [6, 16, 27],
        "replicas": 6,
        "duration": 3000,
        "times": {"kind": "list", "values": [0, 3000]},
    },
}

#: Share of the first error below which learning counts as good.
GOOD = 0.1
#: Below this share it counts as perfect: at the transition the error falls to zero continuously,
#: so that the share that `success` asks for, 0.01, is reached 2 % below it.
PERFECT = 1e-3


def find(data: Datasets) -> Finding:
    """m_c(eta) at every size, its exponent, and how far it is from theory."""
    study = data["erf"]
    perfect, good = (transition_line(study, fraction=one) for one in (PERFECT, GOOD))
    numbers = []
    for line, words in ((perfect, "perfect"), (good, "a tenth of the first error")):
        for size, rate, m_c, stderr, systematic in zip(
            line.size,
            line.learning_rate,
            line.batch_size,
            line.stderr,
            line.systematic,
            strict=True,
        ):
            theory = _threshold(float(rate), float(size))
            # The next order in 1/N is about (m/N)^2.
            known = line is perfect and theory <= size / 10
            numbers.append(
                Number(
                    f"N = {size:g}, eta = {rate:g}: m_c ({words})",
                    Estimate(float(m_c), float(stderr), systematic=float(systematic)),
                    exact=theory if known else None,
                    note="theory to first order in 1/N, infinite time" if known else "",
                    headline=line is perfect and rate == 16,
                )
            )
    for size in np.unique(perfect.size):
        mine = (perfect.size == size) & np.isfinite(perfect.batch_size)
        if mine.sum() < 3:
            continue
        fit = fit_law(
            perfect.learning_rate[mine],
            perfect.batch_size[mine],
            np.hypot(perfect.stderr, perfect.systematic)[mine],
            [law("power")],
            quantity="m_c",
            variables=("eta",),
            scan=False,
        )
        numbers.append(
            Number(
                f"N = {size:g}: exponent of m_c against eta",
                fit["b"],
                note=f"chi2/dof = {fit.chi2:.3g}/{fit.dof}; 1 for N -> infinity",
                headline=True,
            )
        )
    by_success = transition_line(study)
    shift = 100 * (perfect.batch_size / by_success.batch_size - 1)
    statements = (
        f"with the standard of `success` (0.01) m_c is lower by {np.nanmin(shift):.2g} to "
        f"{np.nanmax(shift):.2g} %",
    )
    figure = plot_phases(
        study, perfect, _lines(study["size"].values), fraction=GOOD, perfect=PERFECT
    )
    return Finding(tuple(numbers), {"phases": figure.figure}, statements)


def _threshold(rate: float, size: float) -> float:
    """m_c of the erf unit to first order in 1/N: eta = m c_max (1 + shift(m)/N)."""
    m = rate / committee_stability.largest_rate(1)
    for _ in range(200):
        m = rate / (
            committee_stability.largest_rate(1)
            * (1 + committee_stability.finite_size_shift(max(m, 1.0)) / size)
        )
    return m


def _lines(sizes: np.ndarray) -> dict[str, dict[float, tuple[np.ndarray, np.ndarray]]]:
    """Theory at every size, over learning rates."""
    rates = np.geomspace(4, 60, 80)
    c_max = committee_stability.largest_rate(1)
    lines: dict[str, dict[float, tuple[np.ndarray, np.ndarray]]] = {
        "erf, first order in $1/N$": {},
        "linear student": {},
        "per-sample rule, stable at $m = 1$": {},
    }
    erf, linear, small = lines.values()
    for size in map(float, sizes):
        known = np.array([_threshold(float(rate), size) for rate in rates])
        # To first order in 1/N the line ends where batches reach the order of N.
        near = known < size / 5
        erf[size] = (known[near], rates[near])
        # Fields are divided by sqrt(N): the learning rate of a plain sum is eta/N.
        bare = [linear_sgd.mean_square_threshold(rate / size, int(size)) for rate in rates]
        linear[size] = (np.array(bare), rates)
        stable = c_max * (1 + committee_stability.finite_size_shift(1.0) / size)
        small[size] = (rates / stable, rates)
    return lines
