"""Exponents between neighbouring points, and the inverse of an exponent."""

import math

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flags import NO_INVERSE


def effective_exponents(
    x: npt.ArrayLike, value: npt.ArrayLike, stderr: npt.ArrayLike
) -> dict[float, Estimate]:
    r"""Local exponent of y(x) between neighbouring points.

    .. math:: b_i = \frac{\ln(y_{i+1}/y_i)}{\ln(x_{i+1}/x_i)}, \qquad
              \sigma_b^2 = \frac{(\sigma_i/y_i)^2 + (\sigma_{i+1}/y_{i+1})^2}
                                {\ln^2(x_{i+1}/x_i)}

    It is the same for all pairs under a pure power law, and drifts under one with corrections.
    Neighbouring exponents share a point, so their errors are correlated.

    Parameters
    ----------
    x, value, stderr : array_like, shape (n_point,)
        The variable (a size, a degree), y > 0 and its standard error. Points without a value or
        a positive error are left out.

    Returns
    -------
    dict of float to Estimate
        Geometric mean of the two x -> exponent, in the order of x.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays of different lengths, x or y that are not positive, or an x that stands twice.

    Examples
    --------
    >>> d = np.array([3.0, 5.0, 7.0])
    >>> effective_exponents(d, 0.6 * d**2, 0.006 * d**2)
    {3.872983346207417: 2.000(28), 5.916079783099616: 2.00(4)}
    """
    points = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (x, value, stderr)]
    if not points[0].shape == points[1].shape == points[2].shape:
        raise AnalysisError("points, values and errors do not fit together")
    used = np.isfinite(points[1]) & (points[2] > 0.0) & np.isfinite(points[2])
    at, y, error = (column[used][np.argsort(points[0][used])] for column in points)
    if np.any(at <= 0.0) or np.any(y <= 0.0) or np.any(np.diff(at) == 0.0):
        raise AnalysisError(
            "an exponent needs positive x and y, and each x once", where="effective_exponents"
        )
    exponents: dict[float, Estimate] = {}
    for i in range(at.size - 1):
        reach = math.log(at[i + 1] / at[i])
        slope = math.log(y[i + 1] / y[i]) / reach
        spread = math.hypot(error[i] / y[i], error[i + 1] / y[i + 1]) / reach
        middle = math.sqrt(at[i] * at[i + 1])
        exponents[middle] = Estimate(slope, spread, 0.0, (slope - spread, slope + spread))
    return exponents


def inverse(estimate: Estimate, *, sign: float = 1.0) -> Estimate:
    """sign / x with errors: nu from 1/nu, or from an exponent b = -1/nu with sign -1.

    Parameters
    ----------
    estimate : Estimate
        x with its errors.
    sign : float
        1 or -1.

    Returns
    -------
    Estimate
        Errors in linear order, the interval from the ends of that of x; nan, with a flag, where x
        is within two standard errors of 0.

    Examples
    --------
    >>> inverse(Estimate(-0.5, 0.01), sign=-1.0)
    2.00(4)
    """
    x = estimate.value
    if not math.isfinite(x):
        return Estimate(math.nan, flags=estimate.flags)
    if not abs(x) > 2.0 * estimate.total:
        return Estimate(math.nan, flags=(NO_INVERSE(f"{estimate} is compatible with 0"),))
    factor = 1.0 / x**2
    if math.isfinite(estimate.stated):
        total, stderr = estimate.stated * factor, estimate.stderr * factor
        return Estimate.of_total(sign / x, total, stderr=stderr)
    ends = sorted(sign / end for end in estimate.interval68)
    return Estimate(
        sign / x, estimate.stderr * factor, estimate.systematic * factor, (ends[0], ends[1])
    )
