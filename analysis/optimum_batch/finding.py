"""The batch size of the best generalisation against the learning rate and P."""

from __future__ import annotations

import numpy as np

from analysis.common import Datasets, Finding, Number
from physbatch.noise.gradients import noise_scale
from physbatch.noise.optimum_batch import OptimumBatch, batch_curves, optimum_batch
from physbatch.noise.scale_collapse import scale_collapse
from physbatch.plots.noise_optimum import plot_optimum
from physbatch.scaling import Estimate

REDUCED = {
    "noisy": {
        "batch_size": [1, 2, 4, 8, 16, 32],
        "learning_rate": [5, 12],
        "pattern_count": [80, 160],
        "replicas": 4,
        "duration": 400,
        "test_samples": 100,
        "times": {"kind": "list", "values": [100, 400]},
    },
}

#: Smallest optima that the law is fitted to: a window scan.
SMALLEST = (2.0, 3.0, 4.0)


def find(data: Datasets) -> Finding:
    """B_opt of every curve, its law, the collapse against g, and both at a shorter time."""
    study = data["noisy"]
    middle, end = (float(one) for one in study["time"].values[-2:])
    best = optimum_batch(study, resamples=400)
    numbers = [
        Number(
            f"B_opt at eps = {eps:g}, P = {count:g}, t = {end:g}",
            Estimate(float(m), float(stderr), systematic=float(systematic)),
            note=f"g = {noise_scale(eps, int(count), m):.3g}" if np.isfinite(m) else "no minimum",
        )
        for eps, count, m, stderr, systematic in zip(
            best.learning_rate,
            best.pattern_count,
            best.batch_size,
            best.stderr,
            best.systematic,
            strict=True,
        )
    ]
    statements = [f"flags of the minima: {len(best.flags)}"]
    statements += [flag for flag in best.flags if flag.startswith(("at_edge", "diverged"))]
    for smallest in (0.0, *SMALLEST):
        numbers += _exponents(best, smallest, "", headline=smallest == 0)
    early = optimum_batch(study, time=middle, resamples=200)
    numbers += _exponents(early, 0.0, f", t = {middle:g}", headline=False)
    against_g = scale_collapse(study)
    against_m = scale_collapse(study, against="batch_size")
    numbers += [
        Number("collapse of all curves against g: S", Estimate(against_g.quality, 0.0)),
        Number("collapse of all curves against B: S", Estimate(against_m.quality, 0.0)),
    ]
    for count in study["pattern_count"].values:
        one = study.sel(pattern_count=[count])
        numbers.append(
            Number(
                f"collapse of the curves of P = {count:g} against g: S",
                Estimate(scale_collapse(one).quality, 0.0),
            )
        )
    figure = plot_optimum(batch_curves(study), best, against_g)
    return Finding(tuple(numbers), {"optimum": figure}, tuple(statements))


def _exponents(best: OptimumBatch, smallest: float, when: str, *, headline: bool) -> list[Number]:
    """The law through all minima at a batch size of `smallest` or more."""
    if (best.batch_size >= smallest).sum() < 4:
        return []
    law = best.fit(smallest=smallest)
    which = f"B_opt >= {smallest:g}" if smallest else "all minima"
    note = f"B_opt = A eps^b P^a, chi2/dof = {law.chi2:.3g}/{law.dof}"
    return [
        Number(f"exponent of eps, {which}{when}", law["b"], 1.0, note, headline),
        Number(f"exponent of P, {which}{when}", law["a"], 1.0, note, headline),
    ]
