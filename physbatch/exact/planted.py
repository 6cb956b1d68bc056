"""Synthetic datasets with planted answers: test systems for the scaling analysis.

Each function returns a dataset of the schema (`physbatch.dataset`) whose truth is known and
kept in its attributes ``planted_*``. One has a first-order transition; two have none and are
traps, since their runs succeed more and more often as the batch grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.exact.replicas import replica_dataset
from physbatch.typing import FloatArray

__all__ = ["first_order", "independent_units", "smooth_crossover"]


_CONTROL = tuple(10.0 + 0.5 * i for i in range(13))
_WIDE = tuple(float(m) for m in range(3, 17))
_TIMES = tuple(float(round(10.0 ** (1.0 + i / 6.0))) for i in range(13))  # 10 to 1000


def first_order(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _CONTROL,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    m_c: float = 13.0,
    drift: float = -0.3,
    size_shift: float = 10.0,
    width: float = 0.3,
    lower_overlap: float = 0.34,
    lower_spread: float = 0.6,
    degree: int = 5,
    seed: int = 0,
) -> xr.Dataset:
    r"""A first-order transition: the overlap jumps from a metastable value to 1.

    A replica has succeeded by time t with probability

    .. math:: P = \frac{1}{1 + \exp(-(m - m_c(N, t))/w)}, \qquad
              m_c(N, t) = m_c + \frac{b}{N} + s \ln(t / t_\text{end})

    Before, its overlap is Gaussian around `lower_overlap` with standard deviation
    ``lower_spread / sqrt(N)``; from then on it is 1. Overlaps are multiples of
    2/(N degree^2) away from 1, as for N degree^2 paths.

    Parameters
    ----------
    sizes, control, times : sequence of float
        N, batch size m, and measuring times in sweeps, all strictly increasing.
    replicas : int
        Independent replicas of each cell.
    m_c, drift, size_shift, width : float
        m_c at infinite N and the last time, s <= 0, b and w.
    lower_overlap, lower_spread : float
        Mean of the metastable overlap, and its standard deviation times sqrt(N).
    degree : int
        Degree of the wiring, which sets the grain of the overlap.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time). The latent overlap is 1 - lower_overlap.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a positive drift, a width that is not positive, or an empty axis.

    Examples
    --------
    >>> data = first_order(sizes=(50, 100), replicas=4)
    >>> dict(data["overlap"].sizes)
    {'size': 2, 'batch_size': 13, 'replica': 4, 'time': 13}
    """
    if drift > 0.0 or not width > 0.0:
        raise AnalysisError(
            f"drift = {drift:g}, width = {width:g}", remedy="take drift <= 0 and width > 0"
        )
    generator = np.random.default_rng([seed, 11])
    axes = _axes(sizes, control, replicas, times)
    n, m, t = axes["size"][:, None, None], axes["batch_size"][:, None], axes["time"]
    shape = (n.shape[0], m.shape[0], replicas)
    luck = generator.logistic(size=shape)
    # Succeeded by t iff (m - m_c(N, t)) / width > luck.
    lead = m - m_c - size_shift / n - width * luck
    if drift == 0.0:
        passage = np.where(lead > 0.0, t[0], np.inf)
    else:
        passage = t[-1] * np.exp(np.clip(lead / drift, -700.0, 700.0))
    paths = n[..., None] * degree**2
    q = lower_overlap + lower_spread / np.sqrt(n[..., None]) * generator.standard_normal(
        (*shape, t.size)
    )
    wrong = np.clip(np.round(0.5 * (1.0 - q) * paths), 1, paths)
    wrong = np.where(passage[..., None] <= t, 0.0, wrong)
    truth = {
        "planted_m_c": m_c,
        "planted_drift": drift,
        "planted_size_shift": size_shift,
        "planted_width": width,
        "planted_latent_overlap": 1.0 - lower_overlap,
    }
    return _dataset(axes, 1.0 - 2.0 * wrong / paths, "first-order transition", truth)


def independent_units(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _WIDE,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    half: float = 3.1,
    scale: float = 1.43,
    drift: float = -0.3,
    degree: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    r"""N independent units without any transition: a fake m_c that drifts as ln N.

    Each unit is right by time t with probability
    :math:`p_0 = 1/(1 + \exp(-(m - h - s\ln(t/t_\text{end}))/w))`, and all are with
    :math:`P = p_0^N`. So one half is reached at about h + w ln(N / ln 2), 7 for N = 10 and 20
    for N = 10^5 with the default values, while the mean overlap is the same smooth function
    of m at every N. A wrong unit has one wrong weight more than it would have if the other
    ``degree - 1`` were each wrong with probability 1 - p_0.

    Parameters
    ----------
    sizes, control, replicas, times, degree, seed
        As in `first_order`.
    half, scale, drift : float
        h, w and s <= 0.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time).

    Raises
    ------
    physbatch.errors.AnalysisError
        For a positive drift, a scale that is not positive, or an empty axis.

    Examples
    --------
    >>> bool(independent_units(sizes=(10,), replicas=4)["overlap"].max() == 1.0)
    True
    """
    if drift > 0.0 or not scale > 0.0:
        raise AnalysisError(
            f"drift = {drift:g}, scale = {scale:g}", remedy="take drift <= 0 and scale > 0"
        )
    generator = np.random.default_rng([seed, 12])
    axes = _axes(sizes, control, replicas, times)
    t = axes["time"]
    overlap = np.empty((axes["size"].size, axes["batch_size"].size, replicas, t.size))
    for i, n in enumerate(np.asarray(sizes, dtype=int)):
        for j, m in enumerate(axes["batch_size"]):
            # A unit is right from the time on at which its threshold is passed.
            right = m - half - drift * np.log(t / t[-1]) > scale * generator.logistic(
                size=(replicas, n, 1)
            )
            others = generator.binomial(
                degree - 1, 1.0 / (1.0 + math.exp((m - half) / scale)), size=(replicas, n, 1)
            )
            wrong = ((~right) * (1 + others)).sum(axis=1)
            overlap[i, j] = 1.0 - 2.0 * wrong / (n * degree)
    truth = {"planted_half": half, "planted_scale": scale, "planted_drift": drift}
    return _dataset(axes, overlap, "independent units, no transition", truth)


def smooth_crossover(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] = _WIDE,
    replicas: int = 32,
    times: Sequence[float] = _TIMES,
    *,
    half: float = 6.15,
    scale: float = 1.28,
    ceiling: float = 0.99,
    degree: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    r"""A smooth crossover: one peak of the overlap at every m, of width N^(-1/2).

    The mean overlap is :math:`\bar q = c/(1 + \exp(-(m - h)/w))` at every N (with the
    default values .29, .80, .98 at m = 5, 8, 12). Each of N degree weights is wrong with
    probability (1 - q)/2 at every time anew, so perfect students appear and are lost again,
    ever more rarely as N grows: what a dynamics that accepts ties does.

    Parameters
    ----------
    sizes, control, replicas, times, degree, seed
        As in `first_order`.
    half, scale, ceiling : float
        h, w and c.

    Returns
    -------
    xarray.Dataset
        Dims (size, batch_size, replica, time).

    Raises
    ------
    physbatch.errors.AnalysisError
        For a scale that is not positive, a ceiling outside (0, 1], or an empty axis.

    Examples
    --------
    >>> data = smooth_crossover(sizes=(400,), control=(8.0,), replicas=100)
    >>> round(float(data["overlap"].mean()), 2)
    0.8
    """
    if not scale > 0.0 or not 0.0 < ceiling <= 1.0:
        raise AnalysisError(
            f"scale = {scale:g}, ceiling = {ceiling:g}",
            remedy="take scale > 0 and 0 < ceiling <= 1",
        )
    generator = np.random.default_rng([seed, 13])
    axes = _axes(sizes, control, replicas, times)
    n = np.asarray(sizes, dtype=int)[:, None, None, None] * degree
    mean = ceiling / (1.0 + np.exp(-(axes["batch_size"] - half) / scale))
    shape = (len(sizes), axes["batch_size"].size, replicas, axes["time"].size)
    wrong = generator.binomial(n, 0.5 * (1.0 - mean)[:, None, None], size=shape)
    truth = {"planted_half": half, "planted_scale": scale, "planted_ceiling": ceiling}
    return _dataset(axes, 1.0 - 2.0 * wrong / n, "smooth crossover, no transition", truth)


def _axes(
    sizes: Sequence[int], control: Sequence[float], replicas: int, times: Sequence[float]
) -> dict[str, npt.NDArray[Any]]:
    axes: dict[str, npt.NDArray[Any]] = {
        "size": np.asarray(sizes, dtype=np.int64),
        "batch_size": np.asarray(control, dtype=np.float64),
        "replica": np.arange(replicas),
        "time": np.asarray(times, dtype=np.float64),
    }
    for name, values in axes.items():
        if values.size == 0 or np.any(np.diff(values) <= 0):
            raise AnalysisError(f"{name} must be strictly increasing and not empty")
    if axes["time"][0] <= 0.0 or axes["size"][0] < 1:
        raise AnalysisError("times and sizes must be positive")
    return axes


def _dataset(
    axes: Mapping[str, npt.NDArray[Any]], overlap: FloatArray, title: str, truth: dict[str, float]
) -> xr.Dataset:
    """The schema's variables from the overlaps; success is an overlap of exactly 1."""
    return replica_dataset(
        axes,
        overlap,
        overlap == 1.0,
        title,
        "sweep",
        truth,
        source="physbatch.exact.planted",
        size_name="number of inputs N",
        control_name="batch size m",
    )
