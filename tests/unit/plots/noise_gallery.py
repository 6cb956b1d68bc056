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
from physbatch.exact.committee import integrate_equations
from physbatch.exact.planted import first_order
from physbatch.noise.best_batch import BatchCurves, OptimumBatch, batch_curves, optimum_batch
from physbatch.noise.critical_batch import CriticalBatch
from physbatch.noise.evidence import ModelEvidence, logistic_evidence
from physbatch.noise.performance import PerformanceMap, performance_map
from physbatch.noise.rescaled_curves import ScaleCollapse, scale_collapse
from physbatch.noise.scale_of_gradients import GradientScale
from physbatch.noise.stability import StableRange, stable_range
from physbatch.noise.temperature import EffectiveTemperature, StationaryState
from physbatch.noise.transitions import TransitionLine, transition_line
from physbatch.plots import (
    Drawn,
    Measured,
    plot_comparison,
    plot_critical_batch,
    plot_escape_times,
    plot_evidence,
    plot_flow,
    plot_gradient_scale,
    plot_noise_range,
    plot_optimum,
    plot_performance,
    plot_phases,
    plot_plane,
    plot_sharpness,
    plot_temperature,
    plot_theory,
    plot_units,
)
from physbatch.results.estimate import Estimate
from physbatch.scaling.statistics.parameter_planes import parameter_plane
from physbatch.scaling.times.escapes import EscapeTimes, escape_times
from physbatch.systems.samples import Samples
from physbatch.theory import Comparison, Flow, compare, flow_around

__all__ = ["NOISE_KINDS", "Kind", "compared", "critical", "flow", "gradients"]

Kind = Callable[..., Drawn]
_DATA = Path(__file__).parents[3] / "data"


@cache
def _optimum() -> xr.Dataset:
    return optimum_batch_data(replicas=8)


@cache
def _stable() -> StableRange:
    return stable_range(stable_range_data(replicas=10))


def _range(**options: Any) -> Drawn:
    m = np.geomspace(1.0, 256.0, 20)
    return plot_noise_range({"measured": _stable()}, {"theory": (m, 0.5 * m**-0.8)}, **options)


@cache
def _measured_performance() -> PerformanceMap:
    data = optimum_batch_data(pattern_counts=(200,), replicas=12, noise=0.001)
    return performance_map(data.squeeze("pattern_count", drop=True), resamples=50)


def _performance(**options: Any) -> Drawn:
    return plot_performance(_measured_performance(), **options)


@cache
def _best() -> tuple[BatchCurves, OptimumBatch, ScaleCollapse]:
    best = optimum_batch(_optimum(), resamples=30)
    return batch_curves(_optimum()), best, scale_collapse(_optimum())


def _minima(**options: Any) -> Drawn:
    return plot_optimum(*_best(), **options)


@cache
def _line() -> tuple[xr.Dataset, TransitionLine]:
    data = transition_data(learning_rates=(4.0, 8.0, 16.0, 32.0), width=0.1, replicas=10)
    return data, transition_line(data)


def _phases(**options: Any) -> Drawn:
    rates = np.array([4.0, 32.0])
    theory = {"theory": {100.0: (rates / 4.0, rates)}}
    return plot_phases(*_line(), theory, fraction=0.1, **options)


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


@cache
def _evidence_curves() -> dict[str, list[list[ModelEvidence]]]:
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(40, 60))
    kinds = {
        "true labels": [(inputs[:, 0] > 0).astype(np.int64)],
        "random labels": [rng.integers(0, 2, size=40) for _ in range(2)],
    }
    return {
        kind: [_over_priors(Samples(inputs, labels, 2, kind)) for labels in sets]
        for kind, sets in kinds.items()
    }


def _evidence(**options: Any) -> Drawn:
    return plot_evidence(_evidence_curves(), **options)


def _over_priors(samples: Samples) -> list[ModelEvidence]:
    return [logistic_evidence(samples, regularisation=prior) for prior in (0.01, 0.1, 1.0, 10.0)]


def critical() -> CriticalBatch:
    """Steps that obey the law with B_c = 20, and their samples."""
    m = 2.0 ** np.arange(8)
    steps = 10.0 * (1.0 + 20.0 / m)
    return CriticalBatch(
        batch_size=m,
        steps=steps,
        stderr=0.05 * steps,
        learning_rate=m / 50,
        excess=0.2,
        critical=Estimate(4.0, 0.4),
        serial=Estimate(200.0, 6.0),
        scale=Estimate(20.0, 1.0),
        smallest=Estimate(10.0, 0.3),
        doubling=Estimate(21.0, 2.0),
        chi2=5.0,
        dof=6.0,
        flags=(),
    )


def _critical(**options: Any) -> Drawn:
    return plot_critical_batch(critical(), **options)


def gradients() -> GradientScale:
    """A noise scale that grows as the error falls."""
    time, m = 2.0 ** np.arange(8), np.array([4.0, 16.0, 64.0])
    error = 1.0 / (1.0 + time * m[:, None] ** 0.3 / 8)
    return GradientScale(m, time, 10.0 / error, 1.0 / error, error, flags=())


def _gradient(**options: Any) -> Drawn:
    return plot_gradient_scale(gradients(), **options)


@cache
def _curvatures() -> xr.Dataset:
    data = open_dataset(_DATA / "batch_sharpness-momentum.nc")
    return data.isel(batch_size=slice(None, None, 2)).load()


def _sharpness(**options: Any) -> Drawn:
    return plot_sharpness(_curvatures(), **options)


def _theory(**options: Any) -> Drawn:
    x = np.linspace(0.5, 4.0, 8)
    fine = np.linspace(0.5, 4.0, 100)
    noise = 0.05 * np.random.default_rng(2).normal(size=(2, 8))
    sets = [
        Measured(f"$a = {a}$", x, a * x**2 + row, np.full(8, 0.05), a * x**2, fine, a * fine**2)
        for a, row in zip((0.5, 1.0), noise, strict=True)
    ]
    return plot_theory(sets, xlabel="$x$", ylabel="$y$", **({"width": "double"} | options))


@cache
def compared() -> Comparison:
    return compare(open_dataset(_DATA / "greedy_unit-d5.nc"))


def _plane(**options: Any) -> Drawn:
    data = open_dataset(_DATA / "phase_diagram-erf.nc").isel(size=[-1])
    return plot_plane(parameter_plane(data), **options)


def _units(**options: Any) -> Drawn:
    return plot_units(open_dataset(_DATA / "erf_committee-path4.nc"), **options)


@cache
def flow() -> Flow:
    """The exact course from three starts, in the place of replicas."""
    alpha, r, q = np.linspace(0.0, 12.0, 60), [], []
    for of_r, of_q in ((-0.1, 1.0), (0.0, 0.4), (0.1, 0.1)):
        state = np.array([[of_q]]), np.array([[of_r]])
        curve = integrate_equations(*state, np.eye(1), 2.0, alpha)
        r.append(curve.teacher_overlap.ravel())
        q.append(curve.student_overlap.ravel())
    return flow_around(np.array(r), np.array(q), 2.0)


def _flow(**options: Any) -> Drawn:
    return plot_flow(flow(), **options)


def _comparison(**options: Any) -> Drawn:
    return plot_comparison(compared(), **options)


@cache
def _escapes() -> EscapeTimes:
    return escape_times(first_order(seed=4))


def _escape(**options: Any) -> Drawn:
    return plot_escape_times(_escapes(), **options)


NOISE_KINDS: dict[str, Kind] = {
    "noise-range": _range,
    "noise-performance": _performance,
    "noise-optimum": _minima,
    "noise-phases": _phases,
    "noise-temperature": _temperature,
    "noise-evidence": _evidence,
    "noise-sharpness": _sharpness,
    "noise-critical": _critical,
    "noise-gradient": _gradient,
    "theory": _theory,
    "comparison": _comparison,
    "escape-times": _escape,
    "plane": _plane,
    "units": _units,
    "flow": _flow,
}
