"""The figures of batch noise, of theory and of escape times, for the gallery."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physbatch.dataset import open_dataset
from physbatch.exact.batch_noise import optimum_batch_data, stable_range_data, transition_data
from physbatch.exact.planted import first_order
from physbatch.noise.best_batch import batch_curves, optimum_batch
from physbatch.noise.evidence import ModelEvidence, logistic_evidence
from physbatch.noise.performance import performance_map
from physbatch.noise.rescaled_curves import scale_collapse
from physbatch.noise.stability import stable_range
from physbatch.noise.temperature import EffectiveTemperature, StationaryState
from physbatch.noise.transitions import transition_line
from physbatch.plots import (
    Drawn,
    Measured,
    plot_escape_times,
    plot_evidence,
    plot_noise_range,
    plot_optimum,
    plot_performance,
    plot_phases,
    plot_sharpness,
    plot_temperature,
    plot_theory,
)
from physbatch.scaling.times.escapes import escape_times
from physbatch.systems.samples import Samples

__all__ = ["NOISE_KINDS", "Kind"]

Kind = Callable[..., Drawn]


@cache
def _optimum() -> xr.Dataset:
    return optimum_batch_data(replicas=8)


def _range(**options: Any) -> Drawn:
    m = np.geomspace(1.0, 256.0, 20)
    stable = stable_range(stable_range_data(replicas=10))
    return plot_noise_range({"measured": stable}, {"theory": (m, 0.5 * m**-0.8)}, **options)


def _performance(**options: Any) -> Drawn:
    data = optimum_batch_data(pattern_counts=(200,), replicas=12, noise=0.001)
    performance = performance_map(data.squeeze("pattern_count", drop=True), resamples=50)
    return plot_performance(performance, **options)


def _minima(**options: Any) -> Drawn:
    best = optimum_batch(_optimum(), resamples=30)
    return plot_optimum(batch_curves(_optimum()), best, scale_collapse(_optimum()), **options)


def _phases(**options: Any) -> Drawn:
    data = transition_data(learning_rates=(4.0, 8.0, 16.0, 32.0), width=0.1, replicas=10)
    rates = np.array([4.0, 32.0])
    theory = {"theory": {100.0: (rates / 4.0, rates)}}
    return plot_phases(data, transition_line(data), theory, fraction=0.1, **options)


def _temperature(**options: Any) -> Drawn:
    m = np.array([2.0, 4.0, 8.0, 16.0, 32.0])
    temperatures = EffectiveTemperature(
        batch_size=m,
        from_energy=16.0 / m,
        from_energy_stderr=1.0 / m,
        from_overlap=17.0 / m,
        from_overlap_stderr=1.5 / m,
        difference=np.full(5, -0.55),
        flags=(),
    )
    states = [
        (name, StationaryState(m, 0.5 / m, 0.02 / m, 1 - (0.5 + shift) / m, 0.02 / m))
        for name, shift in (("batches", 0.0), ("Metropolis", 0.05))
    ]
    return plot_temperature(temperatures, states, **options)


def _evidence(**options: Any) -> Drawn:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(40, 60))
    kinds = {
        "true labels": [(inputs[:, 0] > 0).astype(np.int64)],
        "random labels": [rng.integers(0, 2, size=40) for _ in range(2)],
    }
    curves = {
        kind: [_over_priors(Samples(inputs, labels, 2, kind)) for labels in sets]
        for kind, sets in kinds.items()
    }
    return plot_evidence(curves, **options)


def _over_priors(samples: Samples) -> list[ModelEvidence]:
    return [logistic_evidence(samples, regularisation=prior) for prior in (0.01, 0.1, 1.0, 10.0)]


def _sharpness(**options: Any) -> Drawn:
    data = open_dataset(Path(__file__).parents[3] / "data" / "batch_sharpness-momentum.nc")
    return plot_sharpness(data.isel(batch_size=slice(None, None, 2)), **options)


def _theory(**options: Any) -> Drawn:
    x = np.linspace(0.5, 4.0, 8)
    fine = np.linspace(0.5, 4.0, 100)
    noise = 0.05 * np.random.default_rng(2).normal(size=(2, 8))
    sets = [
        Measured(f"$a = {a}$", x, a * x**2 + row, np.full(8, 0.05), a * x**2, fine, a * fine**2)
        for a, row in zip((0.5, 1.0), noise, strict=True)
    ]
    return plot_theory(sets, xlabel="$x$", ylabel="$y$", **({"width": "double"} | options))


def _escape(**options: Any) -> Drawn:
    return plot_escape_times(escape_times(first_order(seed=4)), **options)


NOISE_KINDS: dict[str, Kind] = {
    "noise-range": _range,
    "noise-performance": _performance,
    "noise-optimum": _minima,
    "noise-phases": _phases,
    "noise-temperature": _temperature,
    "noise-evidence": _evidence,
    "noise-sharpness": _sharpness,
    "theory": _theory,
    "escape-times": _escape,
}
