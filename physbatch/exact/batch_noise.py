"""Data with planted answers for the estimators of batch noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, UNIT_DIMS
from physbatch.exact.linear_sgd import typical_learning_rate
from physbatch.exact.replicas import Labels, joined, replica_coords, replica_dataset


def stable_range_data(
    *,
    amplitude: float = 0.5,
    exponent: float = -0.8,
    width: float = 0.15,
    batch_sizes: Sequence[float] = (1, 2, 4, 8, 16, 32, 64),
    learning_rates: Sequence[float] = tuple(np.geomspace(0.002, 2.0, 25)),
    replicas: int = 40,
    seed: int = 1,
) -> xr.Dataset:
    """Replicas that learn below eta_max = A m^b, with a logistic edge in ln eta.

    P(success) = 1/(1 + exp((ln eta - ln eta_max)/width)); A and b are `amplitude` and `exponent`.
    """
    rng = np.random.default_rng(seed)
    coords = replica_coords([100], batch_sizes, replicas, [1.0])
    m = np.asarray(batch_sizes, dtype=np.float64)
    columns = []
    for rate in learning_rates:
        distance = (math.log(rate) - np.log(amplitude * m**exponent)) / width
        chance = 0.5 * (1 - np.tanh(distance / 2))
        up = rng.random((1, len(m), replicas, 1)) < chance[None, :, None, None]
        truth = {"planted_amplitude": amplitude, "planted_exponent": exponent}
        labels = Labels("stable range", "step")
        columns.append(replica_dataset(coords, up.astype(np.float64), up, labels, truth))
    return _swept(columns, {"learning_rate": learning_rates})


def linear_growth_data(
    *,
    size: int = 30,
    batch_sizes: Sequence[int] = (4, 30),
    steps: int = 60,
    replicas: int = 60,
    seed: int = 1,
) -> xr.Dataset:
    """Errors of a linear student of N = `size` inputs as products of exact one-step factors.

    The factor of a step is F = 1 - 2 eta A + eta^2 B with A = chi^2_m/m and B = A^2 + (A/m)
    chi^2_(N-1), eta = m eta_base. The learning rates lie up to 14 % around the typical thresholds
    of all batch sizes; time 1 is the start.
    """
    rng = np.random.default_rng(seed)
    coords = replica_coords([size], batch_sizes, replicas, [1.0, 1.0 + steps])
    thresholds = [typical_learning_rate(size, m) / m for m in batch_sizes]
    around = np.exp(np.linspace(-0.14, 0.14, 7))
    rates = np.sort(np.concatenate([threshold * around for threshold in thresholds]))
    shape = (len(batch_sizes), replicas, steps)
    m = np.array(batch_sizes, dtype=np.float64)[:, None, None]
    columns = []
    for rate in rates:
        along = rng.chisquare(np.broadcast_to(m, shape)) / m
        squared = along**2 + along / m * rng.chisquare(size - 1, size=shape)
        growth = np.log(1 - 2 * m * rate * along + (m * rate) ** 2 * squared).sum(axis=2)
        error = np.stack([np.full_like(growth, 0.5), 0.5 * np.exp(growth)], axis=-1)[None]
        labels = Labels("growth", "step")
        columns.append(replica_dataset(coords, 1 - 2 * error, error < 0.5, labels))
    return _swept(columns, {"learning_rate": list(rates)})


def transition_data(
    *,
    slope: float = 0.25,
    width: float = 0.15,
    batch_sizes: Sequence[float] = tuple(np.geomspace(1.0, 32.0, 26)),
    learning_rates: Sequence[float] = (8.0, 16.0, 32.0, 64.0),
    replicas: int = 40,
    seed: int = 1,
) -> xr.Dataset:
    """Replicas that become perfect above m_c = slope eta, with a logistic edge in ln m.

    P(success) = 1/(1 + exp(-(ln m - ln m_c)/width)); the others halve their error, from 0.5.
    """
    rng = np.random.default_rng(seed)
    coords = replica_coords([100], batch_sizes, replicas, [1.0, 2.0])
    ln_m = np.log(np.asarray(batch_sizes, dtype=np.float64))
    columns = []
    for rate in learning_rates:
        chance = 0.5 * (1 + np.tanh((ln_m - math.log(slope * rate)) / (2 * width)))
        up = rng.random((1, len(ln_m), replicas, 1)) < chance[None, :, None, None]
        truth = {"planted_slope": slope}
        overlap = np.where(up, 1.0, 0.5) * [0.0, 1.0]  # at the start and at the end
        columns.append(replica_dataset(coords, overlap, up, Labels("transition", "step"), truth))
    return _swept(columns, {"learning_rate": learning_rates})


@dataclass(frozen=True)
class OptimumCurve:
    """Parameters of `optimum_batch_data`: A, b, a, the shape of the curve and the spread."""

    amplitude: float = 0.5
    rate_exponent: float = 1.0
    count_exponent: float = 1.0
    floor: float = 0.1
    curvature: float = 0.02
    skew: float = 0.0
    noise: float = 0.01


def optimum_batch_data(
    *,
    batch_sizes: Sequence[float] = tuple(np.geomspace(1, 1024, 11)),
    learning_rates: Sequence[float] = (0.1, 0.2, 0.4, 0.8),
    pattern_counts: Sequence[int] = (200, 400),
    replicas: int = 30,
    seed: int = 1,
    **parameters: float,
) -> xr.Dataset:
    """Generalisation errors with a minimum at B_opt = A eps^b P^a.

    error = floor + curvature u^2 + skew u^3 + noise z, with u = ln(m/B_opt) and z normal; the
    parameters are those of `OptimumCurve`.

    >>> data = optimum_batch_data(noise=1e-9, replicas=2)
    >>> curve = data["generalization_error"].isel(size=0, learning_rate=1, pattern_count=0, time=0)
    >>> float(curve.mean("replica").idxmin("batch_size"))
    16.0
    """
    law = OptimumCurve(**parameters)
    rng = np.random.default_rng(seed)
    coords = replica_coords([100], batch_sizes, replicas, [1.0])
    ln_m = np.log(np.asarray(batch_sizes, dtype=np.float64))
    labels, truth = Labels("optimum", "step"), {"planted_amplitude": law.amplitude}
    columns = []
    for rate in learning_rates:
        for count in pattern_counts:
            optimum = law.amplitude * rate**law.rate_exponent * count**law.count_exponent
            u = ln_m - math.log(optimum)
            mean = law.floor + law.curvature * u**2 + law.skew * u**3
            spread = law.noise * rng.standard_normal((1, len(ln_m), replicas, 1))
            error = mean[None, :, None, None] + spread
            columns.append(replica_dataset(coords, 1 - 2 * error, error < law.floor, labels, truth))
    return _swept(columns, {"learning_rate": learning_rates, "pattern_count": pattern_counts})


def regimes_data(
    seed: int = 1,
    *,
    batch_sizes: Sequence[float] = (1, 4, 16, 64, 256, 1024, 4096),
    learning_rates: Sequence[float] = (1024.0,),
    replicas: int = 8,
    amplitude: float = 30.0,
    crossover: float = 100.0,
    sharpness: float = 1.5,
    noise: float = 0.1,
) -> xr.Dataset:
    """Final norms |w| = A T [1 + (m/B*)^s]^(1/s) of one unit, T = eta/m, with normal ln |w|.

    >>> data = regimes_data(batch_sizes=(1, 2), noise=1e-9, replicas=2, crossover=1e9)
    >>> float(data["student_overlap"].mean("replica").max().round(-2))  # (30 * 1024)^2/128
    7372800.0
    """
    rng = np.random.default_rng(seed)
    m, rates = np.asarray(batch_sizes, dtype=float), np.asarray(learning_rates, dtype=float)
    ln_bend = np.logaddexp(0.0, sharpness * np.log(m / crossover)) / sharpness
    ln_norm = np.log(amplitude * rates[:, None] / m) + ln_bend
    ln_norm = ln_norm[:, :, None] + noise * rng.standard_normal((len(rates), len(m), replicas))
    dims = ("size", "learning_rate", "batch_size", "replica")
    square = np.exp(2 * ln_norm)[None] / 128
    return xr.Dataset(
        {
            "student_overlap": ((*dims, "time", *UNIT_DIMS[:2]), square[..., None, None, None]),
            "stopped_at": (dims, np.full(square.shape, 1.0)),
            "status": (dims, np.full(square.shape, STATUS_OK, dtype=np.int8)),
        },
        coords={"size": [128], "learning_rate": rates, "batch_size": m, "time": [1.0]},
    )


def _swept(columns: list[xr.Dataset], dims: dict[str, Sequence[float]]) -> xr.Dataset:
    """One dataset from those of every grid point, in row-major order of `dims`."""
    for name, values in reversed(dims.items()):
        count = len(values)
        columns = [
            joined(columns[start : start + count], name, values)
            for start in range(0, len(columns), count)
        ]
    (data,) = columns
    return data.transpose("size", *dims, "batch_size", "replica", "time")
