r"""How many steps a linear student needs at every batch size, and its gradient noise: exact laws.

Student and teacher are y = w.x and y* = w*.x + xi with x ~ N(0, Lambda), as in
`physbatch.exact.linear_sgd`. With e = w - w* the gradient of one sample is g = (e.x - xi) x, its
mean G = Lambda e, and

.. math:: \mathrm{tr}\,S = \mathrm{tr}\,\Lambda\,(e^T \Lambda e + s^2) + e^T \Lambda^2 e,
    \qquad B_\mathrm{noise} = \mathrm{tr}\,S/|G|^2 .

For Lambda = 1 without label noise this is N + 1 at every time, and the best step shrinks |e|^2 by
1/(1 + m/(N + 1)). The mean of e^2 obeys a linear recursion, from which the number of steps to a
target follows at every learning rate and batch size.

References
----------
McCandlish, Kaplan, Amodei and the OpenAI Dota team, "An empirical model of large-batch training",
arXiv 1812.06162 (2018); Zhang et al., "How does critical batch size scale in pre-training?",
arXiv 2410.21676 (2024).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import optimize

from physbatch.exact.replicas import Labels, joined, replica_coords, replica_dataset
from physbatch.typing import FloatArray

#: Batches of this part of the scale N + 1 or tr Lambda/lambda_max stand for the serial limit.
_SERIAL = 1e-3


def gradient_moments(
    spectrum: npt.ArrayLike, squared_errors: npt.ArrayLike, label_noise: float = 0.0
) -> tuple[float, float]:
    """|G|^2 and tr S of a linear student.

    Parameters
    ----------
    spectrum, squared_errors : array_like, shape (N,)
        Variances lambda_i of the inputs and e_i^2, along the same axes.
    label_noise : float
        Variance s2 of the labels.

    Examples
    --------
    >>> gradient_moments([1.0] * 9, [0.5] * 9)  # tr S = (N + 1) |G|^2
    (4.5, 45.0)
    """
    values, squares = np.broadcast_arrays(
        np.asarray(spectrum, dtype=np.float64), np.asarray(squared_errors, dtype=np.float64)
    )
    square = float(np.sum(values**2 * squares))
    excess = float(np.sum(values * squares))
    return square, float(values.sum()) * (excess + label_noise) + square


@dataclass(frozen=True)
class LinearLearning:
    """What a linear student learns from: the axes of its inputs, its start and the noise.

    Attributes
    ----------
    spectrum : tuple of float
        Variances lambda_i of the inputs.
    start : float
        Mean square e_i^2 of every component at the start.
    label_noise : float
        Variance s2 of the labels.

    Examples
    --------
    The best step at m = N + 1 halves the error of isotropic inputs.

    >>> steps, rate = LinearLearning((1.0,) * 9).fastest(10, target=0.25)
    >>> round(steps, 6), round(rate, 3)
    (2.0, 0.5)
    """

    spectrum: tuple[float, ...]
    start: float = 1.0
    label_noise: float = 0.0

    @property
    def first_excess(self) -> float:
        """Sum of lambda_i e_i^2 at the start; targets are parts of it."""
        return self.start * sum(self.spectrum)

    def modes(self, learning_rate: float, batch_size: float) -> tuple[FloatArray, FloatArray]:
        """Factors mu_k and amplitudes of the excess, sum_k c_k mu_k^t + its stationary value.

        The stationary value is the last amplitude, with the factor 1. Real batch sizes, also below
        1, are the analytic continuation.
        """
        factors, axes, still = self._recursion(learning_rate, batch_size)
        along = axes.T @ np.asarray(self.spectrum, dtype=np.float64)
        start = axes.T @ np.full(len(along), self.start)
        amplitudes = np.append(along * (start - still), float(along @ still))
        return np.append(factors, 1.0), amplitudes

    def _recursion(
        self, learning_rate: float, batch_size: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Eigenvalues and axes of the map of the mean e_i^2, and its fixed point in these axes."""
        values = np.asarray(self.spectrum, dtype=np.float64)
        per_sample = learning_rate**2 / batch_size
        diagonal = (1.0 - learning_rate * values) ** 2 + per_sample * values**2
        factors, axes = np.linalg.eigh(np.diag(diagonal) + per_sample * np.outer(values, values))
        source = axes.T @ (per_sample * self.label_noise * values)
        with np.errstate(divide="ignore", invalid="ignore"):
            still = np.where(source == 0.0, 0.0, source / (1.0 - factors))
        return factors, axes, still

    def excess(self, learning_rate: float, batch_size: float, times: npt.ArrayLike) -> FloatArray:
        """Mean of sum_i lambda_i e_i^2 after some numbers of steps, in the shape of `times`."""
        factors, amplitudes = self.modes(learning_rate, batch_size)
        powers = np.power(factors, np.asarray(times, dtype=np.float64)[..., None])
        return np.asarray(powers @ amplitudes, dtype=np.float64)

    def steps(self, learning_rate: float, batch_size: float, target: float) -> float:
        """Number of steps after which the excess is `target` times that of the start; inf if never.

        A real number: between two steps the modes are continued as powers.
        """
        factors, amplitudes = self.modes(learning_rate, batch_size)
        aim = target * self.first_excess
        if not abs(factors[:-1]).max() < 1 or not amplitudes[-1] < aim:
            return math.inf
        kept = np.maximum(factors, 1e-300)  # a step that takes all away at once

        def above(steps: float) -> float:
            return float(np.power(kept, steps) @ amplitudes) - aim

        last = 1.0
        while above(last) > 0:
            last *= 2
        return float(optimize.brentq(above, 0.0, last, xtol=1e-12, rtol=1e-13))

    def fastest(self, batch_size: float, target: float) -> tuple[float, float]:
        """Smallest number of steps to a target over all learning rates, and the rate."""
        largest = 2.0 / max(self.spectrum)
        bounds = (math.log(largest * min(batch_size, 1.0) * 1e-5), math.log(largest))
        rates = np.linspace(*bounds, 19)
        steps = np.array([self.steps(math.exp(rate), batch_size, target) for rate in rates])
        best = int(np.argmin(steps))
        around = rates[max(best - 1, 0)], rates[min(best + 1, len(rates) - 1)]
        minimum = optimize.minimize_scalar(
            lambda rate: min(self.steps(math.exp(rate), batch_size, target), 1e300),
            bounds=around,
            method="bounded",
            options={"xatol": 1e-7},
        ).x
        rate = math.exp(float(minimum))
        return self.steps(rate, batch_size, target), rate

    def serial_samples(self, target: float) -> float:
        """Samples to the target in the limit of small batches, where m times the steps is least."""
        small = _SERIAL * self.scale
        first, second = (m * self.fastest(m, target)[0] for m in (small, 2 * small))
        return 2 * first - second

    @property
    def scale(self) -> float:
        """tr Lambda/lambda_max + 1, the noise scale of an error along the first axis."""
        return sum(self.spectrum) / max(self.spectrum) + 1.0

    def critical_batch(self, target: float, *, excess: float = 0.2) -> float:
        """The batch at which the samples to a target exceed those of the serial limit by a part.

        Examples
        --------
        Isotropic inputs: x/ln(1 + x) = 1.2 with x = m/(N + 1).

        >>> round(LinearLearning((1.0,) * 9).critical_batch(0.01) / 10, 3)
        0.425
        """
        serial = self.serial_samples(target)

        def cost(ln_m: float) -> float:
            m = math.exp(ln_m)
            return m * self.fastest(m, target)[0] / serial - 1.0 - excess

        low, high = math.log(4 * _SERIAL * self.scale), math.log(self.scale)
        while cost(high) < 0:
            high += 1.0
        return math.exp(optimize.brentq(cost, low, high, xtol=1e-4))

    def squares(self, phases: Sequence[tuple[float, float, float]]) -> FloatArray:
        """Mean e_i^2 after phases (learning rate, batch size, steps), shape (N,).

        Examples
        --------
        >>> student = LinearLearning((1.0,) * 9)
        >>> student.squares([(0.5, 10, 1), (0.5, 10, 1)]).round(9).tolist() == [0.25] * 9
        True
        """
        values = np.full(len(self.spectrum), self.start)
        for learning_rate, batch_size, steps in phases:
            factors, axes, still = self._recursion(learning_rate, batch_size)
            values = axes @ (still + (axes.T @ values - still) * np.power(factors, steps))
        return np.asarray(values, dtype=np.float64)

    def noise_scales(
        self, learning_rate: float, batch_size: float, times: Sequence[float]
    ) -> FloatArray:
        """Ratio of the means of tr S and |G|^2 along a run, shape (time,)."""
        scales = []
        for time in times:
            squares = self.squares([(learning_rate, batch_size, time)])
            square, variance = gradient_moments(self.spectrum, squares, self.label_noise)
            scales.append(variance / square)
        return np.array(scales)


def power_spectrum(size: int, decay: float) -> tuple[float, ...]:
    """Variances that fall as i^(-decay), with the sum 1, as the task `PowerLaw` has them.

    Examples
    --------
    >>> power_spectrum(2, 1.0)
    (0.6666666666666666, 0.3333333333333333)
    """
    powers = np.arange(1, size + 1, dtype=np.float64) ** -decay
    return tuple((powers / powers.sum()).tolist())


def planted_steps(
    *,
    smallest: float = 40.0,
    scale: float = 64.0,
    batch_sizes: Sequence[float] = (1, 2, 4, 8, 16, 32, 64, 128, 256),
    learning_rates: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    replicas: int = 32,
    noise: float = 0.3,
    seed: int = 1,
) -> xr.Dataset:
    """Learning curves whose steps to the error 0.01 obey S = S_min (1 + B_c/B) at the best rate.

    The error of a replica is exp(-t/tau + noise z - noise^2/2)/2, z normal, with tau =
    S(B) exp(0.2 ln^2 eta)/ln 50: the best rate is 1. `smallest` is S_min, `scale` B_c.

    >>> data = planted_steps(noise=0.0, replicas=2).sel(learning_rate=1.0, batch_size=64.0)
    >>> error = data["generalization_error"].isel(size=0, replica=0)
    >>> bool(error.sel(time=80.0, method="nearest") > 0.01 > error.sel(time=82.0, method="nearest"))
    True
    """
    rng = np.random.default_rng(seed)
    m = np.asarray(batch_sizes, dtype=np.float64)
    steps = smallest * (1.0 + scale / m)
    times = np.unique(np.round(np.geomspace(1, 2 * steps.max(), 240)))
    coords = replica_coords([100], batch_sizes, replicas, times.tolist())
    labels = Labels("planted steps", "step", source="physbatch.exact.critical_batch")
    columns = []
    for rate in learning_rates:
        tau = (steps * math.exp(0.2 * math.log(rate) ** 2) / math.log(50.0))[:, None, None]
        z = rng.standard_normal((1, len(m), replicas, 1))
        error = 0.5 * np.exp(-times / tau + noise * z - 0.5 * noise**2)
        columns.append(replica_dataset(coords, 1.0 - 2.0 * error, error < 0.01, labels))
    data = joined(columns, "learning_rate", learning_rates)
    return data.transpose("size", "learning_rate", "batch_size", "replica", "time")
