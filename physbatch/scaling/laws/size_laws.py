"""Laws of critical controls, of widths, and of the critical batch size against N and d."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physbatch.results.flags import BAD_FIT, FIXED_EXPONENT, SMALL_SIZES_EXCLUDED
from physbatch.scaling.laws.corrected import VOLUME_OMEGA, Expected, corrected_limit
from physbatch.scaling.laws.fits import ScalingFit, fit_law, with_corrections
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import FloatArray

#: What approaches its limit.
Approach = Literal["shift", "crossing", "level"]

#: What is expected of the approach of shifts (1/nu), of crossings (1/nu + omega), and of values at
#: crossings (omega), in linear sizes L and in volumes N.
_EXPECTED: Mapping[Approach, Mapping[str, Expected]] = {
    "shift": {"L": Expected(1.0, 1.2, 0.6), "N": Expected(VOLUME_OMEGA, 0.5, 0.6)},
    "crossing": {"L": Expected(1.0, 2.0, 0.45), "N": Expected(VOLUME_OMEGA, 0.8, 0.5)},
    "level": {"L": Expected(1.0, 1.2, 0.5), "N": Expected(VOLUME_OMEGA, 0.5, 0.5)},
}
_KNOWN = 0.6  # spread of ln phi, in units of what is expected, below which the data hold phi


def fit_critical_control(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    dimension: str = "L",
    quantity: str = "c_c",
    covariance: npt.ArrayLike | None = None,
) -> ScalingFit:
    r"""Extrapolate c_c(N) = c + a N^-phi, with corrections to it in the model; phi is 1/nu.

    The model is :math:`c + a N^{-\phi} (1 + b\,(N/N_{min})^{-\omega})` with b of the order of
    0.5, averaged over the b, omega and phi that the data leave open and over the smallest sizes:
    see `physbatch.scaling.laws.corrected`. A value has one total error, the standard deviation of
    that mixture. Beside it, ``stderr`` is that without corrections. The curve and the goodness
    are those of c + a N^-phi, or of c + a N^-phi + b N^(-2 phi) where that alone does not
    describe all sizes.

    Parameters
    ----------
    size, control, stderr : array_like, shape (n_size,)
        N, c_c(N) and its error.
    dimension : {"N", "L"}
        What a size is.
    quantity : str
        Its name, for the messages.
    covariance : array_like, shape (n_size, n_size), optional
        Where the values are correlated, as crossings that share a size are.

    Returns
    -------
    ScalingFit
        Its parameters are ``c`` and, where the data hold it, ``phi``; nan for fewer than three
        sizes. Flags: ``fixed_exponent`` (phi is not held: c is averaged over what is usual),
        ``errors_too_small``, ``errors_too_large``, ``bad_fit``.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0, 800.0])
    >>> fit = fit_critical_control(n, 13.0 + 10.0 / n, [1e-3] * 5, dimension="N")
    >>> abs(fit["c"].value - 13.0) < fit["c"].total, abs(fit["phi"].value - 1) < fit["phi"].total
    (True, True)
    """
    kwargs: dict[str, Any] = {"quantity": quantity, "covariance": covariance}
    return fit_approach("shift", size, control, stderr, dimension=dimension, **kwargs)


def fit_approach(
    what: Approach,
    size: npt.ArrayLike,
    value: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    dimension: str,
    quantity: str,
    covariance: npt.ArrayLike | None = None,
) -> ScalingFit:
    """The limit of shifts, of crossings or of values at crossings, as `fit_critical_control`."""
    x, y, error = (np.asarray(v, dtype=np.float64) for v in (size, value, stderr))
    matrix = np.diag(error**2) if covariance is None else np.asarray(covariance)
    kwargs: dict[str, Any] = {"quantity": quantity, "variables": (dimension,)}
    kwargs["covariance"] = matrix
    used = np.isfinite(y) & (error > 0.0) & np.isfinite(error)
    sizes, shifted = np.unique(x[used]).size, law("shifted")
    if sizes < 3:  # too few points, which the flag then says
        return fit_law(x, y, error, [shifted], scan=False, **kwargs)
    expected = _EXPECTED[what]["N" if dimension == "N" else "L"]
    limit = corrected_limit(x[used], y[used], matrix[np.ix_(used, used)], expected)
    phi, spread = limit.estimates[0], limit.phi_spread
    if sizes > 3 and phi.value > 2.0 * phi.total and spread < _KNOWN * expected.spread:
        free = fit_law(x, y, error, [shifted], **kwargs)
        if SMALL_SIZES_EXCLUDED.among(free.flags) or BAD_FIT.among(free.flags):
            free = fit_law(x, y, error, [shifted, law("approach")], **kwargs)
        return with_corrections(free, limit, ("phi", "c", "a"))
    fixed = (0.5, 1.0, 1.5) if dimension == "N" else (1.0, 2.0, 3.0)
    laws = [law("constant"), *(law("shifted", phi=phi) for phi in fixed)]
    averaged = fit_law(x, y, error, laws, scan=False, **kwargs)
    averaged = with_corrections(averaged, limit, ("", "c", ""))
    if BAD_FIT.among(averaged.flags):
        return averaged
    note = FIXED_EXPONENT(
        f"{quantity} at {sizes} sizes gives phi to a factor of {math.exp(spread):.2g}"
    )
    return dataclasses.replace(averaged, flags=(*averaged.flags, note))


def fit_width(size: npt.ArrayLike, width: npt.ArrayLike, stderr: npt.ArrayLike) -> ScalingFit:
    r"""Fit widths of the transition region, :math:`A N^b` with b = -1/nu.

    Corrections to scaling are in the model, and averaged over as in `fit_law`.
    ``inverse(fit["b"], sign=-1)`` is nu.

    Parameters
    ----------
    size, width, stderr : array_like, shape (n_size,)
        N (or L; b then refers to it), the width in units of the control, and its error.

    Returns
    -------
    ScalingFit
        Parameters ``b`` and ``A``; nan, with a flag, if no fit can be used.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    Examples
    --------
    >>> from physbatch.scaling.laws.local_exponents import inverse
    >>> n = np.array([32.0, 64.0, 128.0, 256.0])
    >>> inverse(fit_width(n, 2.0 / np.sqrt(n), 0.01 / np.sqrt(n))["b"], sign=-1.0)
    2.00(8)
    """
    return fit_law(size, width, stderr, quantity="width")


def fit_critical_batch(
    size: npt.ArrayLike, degree: npt.ArrayLike, m_c: npt.ArrayLike, stderr: npt.ArrayLike
) -> ScalingFit:
    r"""Fit the critical batch size against size and degree, :math:`m_c = A\, d^a N^b`.

    Parameters
    ----------
    size, degree, m_c, stderr : array_like, shape (n_point,)
        N, d, m_c(N, d) and its error.

    Returns
    -------
    ScalingFit
        Parameters ``a``, ``b`` and ``A``; nan, with a flag, if the law does not describe all
        points.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    Examples
    --------
    >>> n, d = np.array([50, 100, 200, 50, 100, 200]), np.array([3, 3, 3, 5, 5, 7])
    >>> fit = fit_critical_batch(n, d, 0.5 * d**2.0 * n**0.1, [0.01] * 6)
    >>> round(fit["a"].value, 6), round(fit["b"].value, 6)
    (2.0, 0.1)
    """
    x = np.column_stack([np.asarray(size, dtype=np.float64), np.asarray(degree, dtype=np.float64)])
    return fit_law(
        x, m_c, stderr, [law("two_powers")], quantity="m_c", variables=("N", "d"), scan=False
    )


def collapse_exponent(
    size: npt.ArrayLike, m_c: npt.ArrayLike, stderr: npt.ArrayLike
) -> tuple[ScalingFit, FloatArray]:
    r"""Find the b for which :math:`m_c(N)/N^b` depends least on N, and these ratios.

    The weighted spread :math:`\sum (m_c/N^b - A)^2/(\sigma/N^b)^2` is minimised over A and b,
    which is the fit of A N^b.

    Parameters
    ----------
    size, m_c, stderr : array_like, shape (n_size,)
        N, m_c(N) and its error.

    Returns
    -------
    ScalingFit
        b and A, with the scan of the smallest size.
    ndarray, shape (n_size,)
        m_c / N^b.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0])
    >>> fit, ratio = collapse_exponent(n, 0.2 * n, 0.01 * n)
    >>> round(fit["b"].value, 6), ratio.round(6).tolist()
    (1.0, [0.2, 0.2, 0.2, 0.2])
    """
    fit = fit_law(size, m_c, stderr, [law("power")], quantity="m_c")
    ratio = np.asarray(m_c, dtype=np.float64) / np.asarray(size, float) ** fit["b"].value
    return fit, np.asarray(ratio, dtype=np.float64)
