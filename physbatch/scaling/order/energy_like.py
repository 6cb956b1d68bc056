r"""Whether an observable is an energy, by its name or by its fluctuations.

In equilibrium the energy per unit answers the temperature by its own fluctuations,

.. math:: \frac{dq}{dT} = \frac{N\,\mathrm{var}(q)}{T^2}, \qquad
          \frac{dq}{d\beta} = -N\,\mathrm{var}(q),

so that both are the specific heat, which at a continuous transition may grow as ln N, or not at
all. No order parameter obeys this: its fluctuations are those of a field.
"""

import math
import re

import numpy as np
import scipy

from physbatch.results.estimate import Estimate
from physbatch.scaling.order.histograms import SIGMAS
from physbatch.scaling.order.samples import OrderData
from physbatch.typing import FloatArray

_ANSWERS = "it answers the control as an energy does"
#: Fewer steps along the grids of all sizes together say nothing.
_LEAST_STEPS = 5
#: Of a step: how well the mean of its two ends stands for the specific heat within it.
_TRAPEZOID = 0.15
#: Chance of a misfit, of an energy, below which the relation does not hold.
_LEVEL = 1e-4
#: How far from 1 the factor of an inverse temperature may be, besides 3 standard errors.
_UNIT = 0.1


def named_energy(observable: str) -> bool:
    """Whether the name is that of an energy."""
    return bool({"energy", "action", "e"} & set(re.split(r"[^a-z]+", observable.lower())))


def energy_by_its_fluctuations(data: OrderData) -> str:
    """In words, that the mean answers the control as an energy does; empty if it does not.

    The steps of the mean between neighbouring controls are compared with the trapezoids of
    N var(q)/c^2 (c a temperature; any factor, as units of energies differ) and of -N var(q) (an
    inverse temperature; the factor is 1).
    """
    lowest = min(float(samples.control.min()) for samples in data.sizes)
    if lowest <= 0.0:
        return ""
    heat, p = _factor(data, -2.0)
    if p > _LEVEL and abs(heat.value) > SIGMAS * heat.stderr:
        return f"{_ANSWERS}, dq/dc = k N var(q)/c^2 at all sizes (k = {heat}, p = {p:.2g})"
    inverse, p = _factor(data, 0.0)
    if p > _LEVEL and abs(inverse.value + 1.0) < max(_UNIT, SIGMAS * inverse.stderr):
        return f"{_ANSWERS}, dq/dc = k N var(q) at all sizes (k = {inverse}, p = {p:.2g})"
    return ""


def _factor(data: OrderData, power: float) -> tuple[Estimate, float]:
    """The factor k of dq/dc = k N var(q) c^power, and the chance of a worse fit."""
    rows = [_steps(data, k, power) for k in range(len(data.sizes))]
    steps = np.concatenate(rows, axis=1)
    # Where no replica differs from another, neither the mean nor its error is known.
    step, step_variance, area, area_variance = steps[:, steps[1] > 0.0]
    if step.size < _LEAST_STEPS or not np.any(area > 0.0):
        return Estimate(math.nan, math.nan), 0.0
    factor = float(step @ area / (area @ area))
    for _ in range(20):  # errors of the areas count by the factor
        weight = 1.0 / (step_variance + factor**2 * area_variance)
        factor = float((weight * step) @ area / ((weight * area) @ area))
    weight = 1.0 / (step_variance + factor**2 * area_variance)
    chi2 = float(weight @ (step - factor * area) ** 2)
    stderr = 1.0 / math.sqrt(float((weight * area) @ area))
    return Estimate(factor, stderr), float(scipy.stats.chi2.sf(chi2, step.size - 1))


def _steps(data: OrderData, number: int, power: float) -> FloatArray:
    """Of one size, shape (4, n_step): steps of the mean, areas, and the variances of both."""
    samples = data.sizes[number]
    n, c = samples.replicas.astype(np.float64), samples.control
    width = np.diff(c)
    variance = samples.variance
    of_mean = variance / n
    heat = samples.volume * variance * c**power
    of_heat = heat**2 * np.array([_relative(values) for values in samples.values]) / n
    area = 0.5 * width * (heat[:-1] + heat[1:])
    of_area = (0.5 * width) ** 2 * (of_heat[:-1] + of_heat[1:]) + (_TRAPEZOID * area) ** 2
    return np.array([np.diff(samples.mean), of_mean[:-1] + of_mean[1:], area, of_area])


def _relative(values: FloatArray) -> float:
    """n times the relative variance of their variance, that of a normal law at least."""
    deviation = values - values.mean()
    second = float(np.mean(deviation**2))
    kurtosis = float(np.mean(deviation**4)) / second**2 if second > 0.0 else 3.0
    return max(kurtosis - 1.0, 2.0)
