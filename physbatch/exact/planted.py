"""Synthetic datasets with planted answers: test systems for the scaling analysis.

Each function returns a dataset of the schema (`physbatch.dataset`) whose truth is known and
kept in its attributes ``planted_*``. One has a first-order transition; two have none and are
traps, since their runs succeed more and more often as the batch grows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.replicas import Labels, replica_coords, replica_dataset
from physbatch.typing import FloatArray

_CONTROL = tuple(10.0 + 0.5 * i for i in range(13))
_WIDE = tuple(float(m) for m in range(3, 17))
_TIMES = tuple(float(round(10.0 ** (1.0 + i / 6.0))) for i in range(13))  # 10 to 1000


@dataclass(frozen=True)
class FirstOrder:
    """Parameters of `first_order`: m_c at infinite N and the last time, s <= 0, b, w > 0 and x.

    The metastable overlap has the mean `lower_overlap` and the spread lower_spread/sqrt(N).
    """

    m_c: float = 13.0
    drift: float = -0.3
    size_shift: float = 10.0
    width: float = 0.3
    lower_overlap: float = 0.34
    lower_spread: float = 0.6
    sharpening: float = 0.0

    def __post_init__(self) -> None:
        if self.drift > 0.0 or not self.width > 0.0:
            raise AnalysisError(
                f"drift = {self.drift:g}, width = {self.width:g}",
                remedy="take drift <= 0 and width > 0",
            )


def first_order(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _CONTROL,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    degree: int = 5,
    seed: int = 0,
    **parameters: float,
) -> xr.Dataset:
    r"""A first-order transition: the overlap jumps from a metastable value to 1.

    A replica has succeeded by time t with probability

    .. math:: P = \frac{1}{1 + \exp(-(m - m_c(N, t))/w_N)}, \qquad
              m_c(N, t) = m_c + \frac{b}{N} + s \ln(t / t_\text{end}), \qquad
              w_N = w (N/N_\text{min})^{-x}

    Before, its overlap is Gaussian around `lower_overlap` with standard deviation ``lower_spread /
    sqrt(N)``; from then on it is 1. Overlaps are multiples of 2/(N degree^2) away from 1, as for N
    degree^2 paths. Sizes N, batch sizes m and times in sweeps increase strictly; `parameters` are
    those of `FirstOrder`.

    By default x (`sharpening`) is 0, and both states are there over a width that does not depend on
    N: the overlap of each replica jumps, as `analyse` finds, but nothing sharpens, so that
    `transition_order` calls the order undecided (``no_sharpening``). With x = 1 (coexistence in
    equilibrium) or 2/3 (a mean-field spinodal) it says first order.

    >>> data = first_order(sizes=(50, 100), replicas=4)
    >>> dict(data["overlap"].sizes)
    {'size': 2, 'batch_size': 13, 'replica': 4, 'time': 13}
    """
    law = FirstOrder(**parameters)
    generator = np.random.default_rng([seed, 11])
    coords = replica_coords(sizes, control, replicas, times)
    n, m, t = coords["size"][:, None, None], coords["batch_size"][:, None], coords["time"]
    shape = (n.shape[0], m.shape[0], replicas)
    luck = generator.logistic(size=shape)
    # Succeeded by t iff (m - m_c(N, t)) / width > luck.
    width = law.width * (n / n.min()) ** -law.sharpening
    lead = m - law.m_c - law.size_shift / n - width * luck
    if law.drift == 0.0:
        passage = np.where(lead > 0.0, t[0], np.inf)
    else:
        passage = t[-1] * np.exp(np.clip(lead / law.drift, -700.0, 700.0))
    paths = n[..., None] * degree**2
    spread = law.lower_spread / np.sqrt(n[..., None])
    q = law.lower_overlap + spread * generator.standard_normal((*shape, t.size))
    wrong = np.clip(np.round(0.5 * (1.0 - q) * paths), 1, paths)
    wrong = np.where(passage[..., None] <= t, 0.0, wrong)
    truth = asdict(law) | {"latent_overlap": 1.0 - law.lower_overlap}
    del truth["lower_overlap"], truth["lower_spread"]
    return _dataset(coords, 1.0 - 2.0 * wrong / paths, "first-order transition", truth)


def independent_units(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _WIDE,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    degree: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    r"""N independent units without any transition: a fake m_c that drifts as ln N.

    Each unit is right by time t with probability :math:`p_0 = 1/(1 + \exp(-(m - h -
    s\ln(t/t_\text{end}))/w))`, h = 3.1, w = 1.43, s = -0.3, and all are with :math:`P = p_0^N`. So
    one half is reached at about h + w ln(N / ln 2), 7 for N = 10 and 20 for N = 10^5, while the
    mean overlap is the same smooth function of m at every N. A wrong unit has one wrong weight more
    than it would have if the other ``degree - 1`` were each wrong with probability 1 - p_0.
    """
    half, scale, drift = 3.1, 1.43, -0.3
    generator = np.random.default_rng([seed, 12])
    coords = replica_coords(sizes, control, replicas, times)
    t = coords["time"]
    overlap = np.empty((coords["size"].size, coords["batch_size"].size, replicas, t.size))
    for i, n in enumerate(coords["size"]):
        for j, m in enumerate(coords["batch_size"]):
            # A unit is right from the time on at which its threshold is passed.
            right = m - half - drift * np.log(t / t[-1]) > scale * generator.logistic(
                size=(replicas, n, 1)
            )
            chance = 1.0 / (1.0 + math.exp((m - half) / scale))
            others = generator.binomial(degree - 1, chance, size=(replicas, n, 1))
            wrong = ((~right) * (1 + others)).sum(axis=1)
            overlap[i, j] = 1.0 - 2.0 * wrong / (n * degree)
    truth = {"half": half, "scale": scale, "drift": drift}
    return _dataset(coords, overlap, "independent units, no transition", truth)


def smooth_crossover(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _WIDE,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    ceiling: float = 0.99,
    seed: int = 0,
) -> xr.Dataset:
    r"""A smooth crossover: one peak of the overlap at every m, of width N^(-1/2).

    The mean overlap is :math:`\bar q = c/(1 + \exp(-(m - h)/w))` at every N, with h = 6.15, w =
    1.28 and c the ceiling: .29, .80, .98 at m = 5, 8, 12. Each of 3 N weights is wrong with
    probability (1 - q)/2 at every time anew, so perfect students appear and are lost again, ever
    more rarely as N grows: what a dynamics that accepts ties does.
    """
    half, scale, degree = 6.15, 1.28, 3
    generator = np.random.default_rng([seed, 13])
    coords = replica_coords(sizes, control, replicas, times)
    n = coords["size"][:, None, None, None] * degree
    mean = ceiling / (1.0 + np.exp(-(coords["batch_size"] - half) / scale))
    shape = (len(sizes), coords["batch_size"].size, replicas, coords["time"].size)
    wrong = generator.binomial(n, 0.5 * (1.0 - mean)[:, None, None], size=shape)
    truth = {"half": half, "scale": scale, "ceiling": ceiling}
    return _dataset(coords, 1.0 - 2.0 * wrong / n, "smooth crossover, no transition", truth)


def _dataset(
    coords: Mapping[str, npt.NDArray[Any]], overlap: FloatArray, title: str, truth: dict[str, float]
) -> xr.Dataset:
    """The schema's variables from the overlaps; success is an overlap of exactly 1."""
    labels = Labels(title, "sweep", "number of inputs N", "batch size m", "physbatch.exact.planted")
    known = {f"planted_{name}": value for name, value in truth.items()}
    return replica_dataset(coords, overlap, overlap == 1.0, labels, known)
