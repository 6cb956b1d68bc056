r"""Times of a series: autocorrelation function, integrated autocorrelation time.

Convention for times: :math:`\tau = 1/2 + \sum_{t \ge 1} \rho(t)`, so that a mean of n values has
the variance :math:`2\tau\sigma^2/n` and independent values have tau = 1/2. (emcee's is 2 tau.)
"""

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import ANTICORRELATED
from physbatch.typing import FloatArray


class SeriesTooShort(AnalysisError):
    """A series shorter than the stated number of autocorrelation times.

    Attributes
    ----------
    estimate : Estimate
        The time as far as the series shows it: more often too small than too large.
    length : int
        Length of the series.
    """

    def __init__(self, estimate: Estimate, length: int, minimum: float, *, where: str) -> None:
        self.estimate = estimate
        self.length = length
        super().__init__(
            f"{length} values are fewer than {minimum:g} autocorrelation times (tau = {estimate})",
            where=where,
            remedy=f"run at least {int(np.ceil(minimum * estimate.value))} steps, or use "
            "independent replicas",
        )


def autocorrelation(series: npt.ArrayLike) -> FloatArray:
    """Normalised autocorrelation function of a series, shape (n,).

    Parameters
    ----------
    series : array_like, shape (n,)
        Values at equal distances in time.

    Returns
    -------
    ndarray, shape (n,)
        ``rho(t)`` with ``rho(0) = 1``; sums over all pairs at distance t, divided by n - t.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the series is not one-dimensional, not finite or constant.

    Examples
    --------
    >>> autocorrelation([1.0, -1.0, 1.0, -1.0]).round(12).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise AnalysisError(
            f"series of shape {values.shape} is not a row of finite numbers", where="series"
        )
    deviation = values - values.mean()
    # Values that agree up to rounding are constant: their autocorrelation is noise of the sum.
    if np.max(np.abs(deviation)) <= 8 * np.finfo(float).eps * np.max(np.abs(values)):
        raise AnalysisError("series is constant", where="series", remedy="it has no time scale")
    deviation /= np.max(np.abs(deviation))
    n = values.size
    padded = 1 << int(2 * n - 1).bit_length()  # without wrap-around
    power = np.abs(np.fft.rfft(deviation, padded)) ** 2
    covariance = np.fft.irfft(power, padded)[:n] / np.arange(n, 0, -1)
    return np.asarray(np.clip(covariance / covariance[0], -1.0, 1.0), dtype=np.float64)


def integrated_time(
    series: npt.ArrayLike, *, window: float = 5.0, minimum: float = 50.0, where: str = "series"
) -> Estimate:
    r"""Integrated autocorrelation time with automatic windowing.

    :math:`\tau = \tfrac12 + \sum_{t=1}^{M} \rho(t)` with the smallest :math:`M \ge c\,\tau(M)`.

    Parameters
    ----------
    series : array_like, shape (n,)
        Values at equal distances in time, in equilibrium.
    window : float
        c. A single exponential loses exp(-c) of its time beyond the window.
    minimum : float
        A series shorter than this many tau is refused.
    where : str
        Name of the series in the message.

    Returns
    -------
    Estimate
        tau and its error :math:`\tau\sqrt{2(2M + 1)/n}`, at least 1/2 (a series that
        alternates has less, but claiming a smaller error from it is not safe: flag
        ``anticorrelated``).

    Raises
    ------
    SeriesTooShort
        If n < `minimum` tau; it carries the estimate.
    physbatch.errors.AnalysisError
        If the series is not finite or constant.

    Notes
    -----
    Windowing and its error: Madras and Sokal, doi 10.1007/BF01022990; Sokal,
    doi 10.1007/978-1-4899-0319-8_6. The mean of the same series is subtracted, which lowers
    every rho by 2 tau/n; Wolff's factor 1 + (2 M + 1)/n repairs it to that order,
    doi 10.1016/S0010-4655(03)00467-3.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(size=20_000)
    >>> integrated_time(noise)
    0.500(13)
    >>> integrated_time(np.repeat(noise[:4000], 5))  # exact: 5/2
    2.46(13)
    """
    rho = autocorrelation(series)
    n = rho.size
    tau = np.cumsum(rho) - 0.5
    reached = np.flatnonzero(np.arange(n) >= window * np.maximum(tau, 0.5))
    last = int(reached[0]) if reached.size else n - 1
    value = float(tau[last]) * (1.0 + (2 * last + 1) / n)
    error = max(value, 0.5) * np.sqrt(2.0 * (2 * last + 1) / n)
    flags: tuple[Flag, ...] = ()
    if value + 3 * error < 0.5:
        flags = (ANTICORRELATED(f"tau = {value:.3g} is below 1/2, 1/2 is used"),)
    estimate = Estimate(max(value, 0.5), float(error), flags=flags)
    if not reached.size or n < minimum * estimate.value:
        raise SeriesTooShort(estimate, n, minimum, where=where)
    return estimate
