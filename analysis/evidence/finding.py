"""True against random labels: both are memorised, only one has evidence."""

from __future__ import annotations

import numpy as np

from analysis.common import Datasets, Finding, Number
from physbatch.noise import ModelEvidence, logistic_evidence
from physbatch.plots import plot_evidence
from physbatch.scaling import Estimate
from physbatch.systems import Samples, load_samples

_REDUCED = {"batch_size": [15, 50], "replicas": 3, "duration": 1000, "test_samples": 100}
REDUCED = {"true": _REDUCED, "random": _REDUCED}

#: Inverse variance of the prior of each weight.
REGULARISATIONS = tuple(float(one) for one in np.geomspace(1e-3, 1e3, 25))
PATTERNS = 60
SETS = 10


def find(data: Datasets) -> Finding:
    """Errors of SGD on both kinds of labels, and the evidence of the linear model."""
    numbers = []
    for name in ("true", "random"):
        end = data[name].isel(time=-1)
        for variable, words in (
            ("training_error", "training error"),
            ("generalization_error", "test error against the true labels"),
        ):
            values = end[variable].mean("batch_size").values.ravel()
            numbers.append(
                Number(
                    f"SGD, P = 50, {name} labels: {words}",
                    Estimate(float(values.mean()), float(values.std(ddof=1)) / len(values) ** 0.5),
                    note=f"all m, {int(end['time'])} updates",
                )
            )
    digits = load_samples("digits").only([0, 1])
    subsets = [digits.subset(PATTERNS, seed=seed).standardised() for seed in range(SETS)]
    kinds = {
        "true labels": [_scan(one) for one in subsets],
        "random labels": [_scan(one.with_random_labels(7)) for one in subsets],
    }
    for label, sets in kinds.items():
        best = [max(curve, key=lambda one: one.ln_ratio) for curve in sets]
        small = [curve[REGULARISATIONS.index(_nearest(0.01))] for curve in sets]
        numbers += [
            Number(
                f"{label}, P = {PATTERNS}: ln evidence over chance at the best lambda",
                _over_sets([one.ln_ratio for one in best]),
                note=f"lambda = {np.median([one.regularisation for one in best]):.3g} (median)",
                headline=True,
            ),
            Number(
                f"{label}, P = {PATTERNS}: ln evidence over chance at lambda = 0.01",
                _over_sets([one.ln_ratio for one in small]),
            ),
            Number(
                f"{label}, P = {PATTERNS}: ln Occam factor at lambda = 0.01",
                _over_sets([one.occam for one in small]),
            ),
            Number(
                f"{label}, P = {PATTERNS}: cost C(w0) at lambda = 0.01",
                _over_sets([one.cost for one in small]),
            ),
            Number(
                f"{label}, P = {PATTERNS}: training error at lambda = 0.01",
                _over_sets([one.training_error for one in small]),
            ),
        ]
    return Finding(tuple(numbers), {"evidence": plot_evidence(kinds).figure})


def _scan(samples: Samples) -> list[ModelEvidence]:
    return [logistic_evidence(samples, regularisation=one) for one in REGULARISATIONS]


def _nearest(value: float) -> float:
    return min(REGULARISATIONS, key=lambda one: abs(np.log(one / value)))


def _over_sets(values: list[float]) -> Estimate:
    """Mean over sets of samples with its standard error."""
    held = np.array(values)
    return Estimate(float(held.mean()), float(held.std(ddof=1)) / len(held) ** 0.5)
