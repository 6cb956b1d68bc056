"""Stable range of the learning rate per sample against m, and where learning is best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from analysis.common import Datasets, Finding, Number
from physbatch.exact import committee_stability, linear_sgd
from physbatch.noise import (
    StableRange,
    learned,
    linear_thresholds,
    performance_map,
    stable_range,
    typical_threshold,
)
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
    plot_noise_range,
    plot_performance,
    root_figure,
)
from physbatch.scaling import Estimate

_CONVOLUTIONAL = {
    "batch_size": [16, 64],
    "learning_rate": [0.01, 0.05, 0.2],
    "replicas": 4,
    "duration": 400,
    "times": {"kind": "list", "values": [0, 400]},
    "test_samples": 100,
}
REDUCED = {
    "convolution": _CONVOLUTIONAL,
    "normalised": _CONVOLUTIONAL,
    "linear": {
        "size": [20],
        "batch_size": [1, 20],
        "learning_rate": [0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12],
        "replicas": 8,
        "duration": 1000,
        "times": {"kind": "list", "values": [0, 1000]},
    },
    "erf": {
        "batch_size": [1, 100, 1000],
        "learning_rate": [0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0],
        "replicas": 8,
        "duration": 20000,
        "times": {"kind": "list", "values": [0, 20000]},
    },
    "relu": {
        "batch_size": [1, 100, 1000],
        "learning_rate": [0.2, 0.3, 0.4, 0.7, 1.0, 1.3, 1.6, 1.9, 2.2, 2.6],
        "replicas": 8,
        "duration": 20000,
        "times": {"kind": "list", "values": [0, 20000]},
    },
    "digits": {
        "batch_size": [16, 64, 128],
        "learning_rate": [0.004, 0.01, 0.02, 0.05, 0.1, 0.2],
        "replicas": 4,
        "duration": 2000,
        "times": {"kind": "list", "values": [0, 2000]},
    },
}

#: Share of a relu unit's first error below which it is close to the perfect state: below 1 %, the
#: standard of the studies, it may just as well be in a noisy state beside it.
STRICT = 1e-4


def find(data: Datasets) -> Finding:
    """Thresholds of four systems, their exponents, and the map of performance."""
    linear, erf, relu, digits = (data[name] for name in ("linear", "erf", "relu", "digits"))
    numbers: list[Number] = []
    with journal_style():
        range_figure = figure_in_mm(DOUBLE_COLUMN_MM, 64.0)
        left, middle, right = range_figure.subplots(1, 3)

    typical = typical_threshold(linear)
    size = int(typical.size[0])
    for m, rate, stderr, systematic in zip(
        typical.batch_size, typical.learning_rate, typical.stderr, typical.systematic, strict=True
    ):
        one_step = linear_thresholds(size, int(m)).mean_square
        numbers += [
            Number(
                f"linear, N = {size}, m = {m:g}: mean-square threshold of eta_base",
                Estimate(one_step.value / m, one_step.stderr / m),
                exact=2 / (size + m + 1),
                note="from 200 000 one-step factors",
            ),
            Number(
                f"linear, N = {size}, m = {m:g}: typical threshold of eta_base",
                Estimate(float(rate), float(stderr), systematic=float(systematic)),
                exact=linear_sgd.typical_learning_rate(size, m) / m,
                note="where <ln F> = 0; exact: by quadrature",
            ),
        ]
    m = np.geomspace(typical.batch_size.min(), typical.batch_size.max(), 60)
    plot_noise_range(
        {"errors of replicas grow": typical},
        {
            "mean square, $2/(N+m+1)$": (
                m,
                [linear_sgd.largest_learning_rate(size, batch) / batch for batch in m],
            ),
            "typical, exact": (
                m,
                [linear_sgd.typical_learning_rate(size, batch) / batch for batch in m],
            ),
        },
        left,
    )
    left.set_title(f"linear, $N = {size}$", fontsize=8)

    committees = {"erf": stable_range(erf), "relu": stable_range(relu)}
    size = int(committees["erf"].size[0])
    m_erf = np.geomspace(1, size / 5, 40)
    m_relu = np.geomspace(1, committees["relu"].batch_size.max(), 60)
    numbers += _thresholds(
        f"erf, N = {size}",
        committees["erf"],
        [
            _erf_theory(size, batch) if batch <= size / 10 else None
            for batch in erf["batch_size"].values
        ],
        "theory to first order in 1/N and for infinite time",
    )
    numbers += _thresholds(f"relu, N = {size}", committees["relu"])
    strictly = learned(relu, STRICT).astype(np.int8).transpose(*relu["success"].dims)
    numbers += _thresholds(
        f"relu, N = {size}, error below {STRICT:g} of the first",
        stable_range(relu.assign(success=strictly)),
        [committee_stability.relu_rate(size, batch) for batch in relu["batch_size"].values],
        "mean-square threshold of the perfect state, for infinite time",
    )
    for name, found in committees.items():
        numbers += _shrinking(f"{name}, N = {size}", found, smallest=2 * size)
    crossover = committees["erf"].fit_crossover()
    plot_noise_range(
        committees,
        {
            "erf, $A/(1 + m/m_x)$": (crossover.curve_x, crossover.curve(crossover.curve_x)),
            "erf, theory, order $1/N$": (m_erf, [_erf_theory(size, batch) for batch in m_erf]),
            "relu, theory, mean square": (
                m_relu,
                [committee_stability.relu_rate(size, batch) for batch in m_relu],
            ),
        },
        middle,
    )
    middle.set_title(f"one unit, $N = {size}$", fontsize=8)

    network = stable_range(digits)
    numbers += _thresholds("digits", network)
    numbers += _shrinking("digits", network, smallest=16)
    crossover = network.fit_crossover()
    plot_noise_range(
        {"half of the replicas learn": network},
        {"$A/(1 + m/m_x)$": (crossover.curve_x, crossover.curve(crossover.curve_x))},
        right,
    )
    right.set_title("digits, dense, relu", fontsize=8)
    for axes in (middle, right):
        axes.set_ylabel("")

    performance = performance_map(digits)
    numbers.append(
        Number(
            "digits: best mini-batch size at equal numbers of epochs",
            performance.best_batch_size,
            note="central 68 % of the bootstrap: "
            + " to ".join(f"{bound:g}" for bound in performance.best_batch_size.interval68),
            headline=True,
        )
    )
    as_good = performance.batch_size[performance.as_good]
    numbers.append(
        Number(
            "digits: largest mini-batch size as good as the best within two standard errors",
            Estimate(float(as_good.max()), 0.0),
            note=f"of the grid {performance.batch_size.tolist()}",
        )
    )
    for m_one, error, stderr, rate in zip(
        performance.batch_size,
        performance.best_error,
        performance.best_error_stderr,
        performance.best_rate,
        strict=True,
    ):
        numbers.append(
            Number(
                f"digits, m = {m_one:g}: test error at the best learning rate",
                Estimate(float(error), float(stderr)),
                note=f"eta_base = {rate:g}",
            )
        )
    for name, words in (("convolution", "without"), ("normalised", "with")):
        numbers += _convolutional(data[name], f"convolutional, {words} batch normalisation")
    figures = {
        "range": range_figure,
        "performance": root_figure(plot_performance(performance, label="test error")),
    }
    return Finding(tuple(numbers), figures)


def _erf_theory(size: int, m: float) -> float:
    """Where the perfect state of one erf unit is lost, to first order in 1/N."""
    return committee_stability.largest_rate(1) * (
        1 + committee_stability.finite_size_shift(m) / size
    )


def _thresholds(
    name: str,
    found: StableRange,
    exact: Sequence[float | None] | None = None,
    theory: str = "",
) -> list[Number]:
    """The largest learning rate per sample at every batch size, beside theory where it holds."""
    known = [None] * len(found.batch_size) if exact is None else exact
    return [
        Number(
            f"{name}, m = {m:g}: largest eta_base",
            Estimate(float(rate), float(stderr), systematic=float(systematic)),
            exact=one,
            note="outside the grid" if not np.isfinite(rate) else theory if one else "",
        )
        for m, rate, stderr, systematic, one in zip(
            found.batch_size,
            found.learning_rate,
            found.stderr,
            found.systematic,
            known,
            strict=True,
        )
    ]


def _shrinking(name: str, found: StableRange, *, smallest: float) -> list[Number]:
    """How the range shrinks with m: between the ends, for large m, and where it begins to."""
    power, large, crossover = found.fit(), found.fit(smallest=smallest), found.fit_crossover()
    return [
        Number(
            f"{name}: mean slope of ln eta_base,max against ln m, all m",
            _mean_slope(found, 0.0),
            note=f"between the ends; a power law has chi2/dof = {power.chi2:.3g}/{power.dof}",
            headline=True,
        ),
        Number(
            f"{name}: mean slope for m >= {smallest:g}",
            _mean_slope(found, smallest),
            note="between the ends",
        ),
        Number(
            f"{name}: slope for m >= {smallest:g}",
            large["b"],
            note=f"chi2/dof = {large.chi2:.3g}/{large.dof}",
            headline=bool(np.isfinite(large["b"].value)),
        ),
        Number(
            f"{name}: m_x in eta_base,max = A/(1 + m/m_x)",
            crossover["m_x"],
            note=f"chi2/dof = {crossover.chi2:.3g}/{crossover.dof}",
            headline=True,
        ),
        Number(f"{name}: A", crossover["A"]),
    ]


def _mean_slope(found: StableRange, smallest: float) -> Estimate:
    """Slope of ln eta_base,max in ln m from the first to the last m of `smallest` or more."""
    place = np.flatnonzero(found.batch_size >= smallest)[[0, -1]]
    rates, m = found.learning_rate[place], found.batch_size[place]
    if m[0] == m[1]:
        return Estimate(float("nan"), flags=(f"one_batch_size: of {smallest:g} or more",))
    errors = np.hypot(found.stderr, found.systematic)[place] / rates
    length = float(np.log(m[1] / m[0]))
    return Estimate(float(np.log(rates[1] / rates[0])) / length, float(np.hypot(*errors)) / length)


def _convolutional(study: xr.Dataset, name: str) -> list[Number]:
    """Stable range and best errors of the convolutional network."""
    found, errors = stable_range(study), performance_map(study)
    best = [
        Number(
            f"{name}, m = {m:g}: test error at the best learning rate",
            Estimate(float(error), float(stderr)),
            note=f"eta_base = {rate:g}",
        )
        for m, error, stderr, rate in zip(
            errors.batch_size,
            errors.best_error,
            errors.best_error_stderr,
            errors.best_rate,
            strict=True,
        )
    ]
    return _thresholds(name, found) + best
