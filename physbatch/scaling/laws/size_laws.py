"""Laws of critical controls, of widths, and of the critical batch size against N and d."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from physbatch.results.flags import BAD_FIT, FIXED_EXPONENT, SMALL_SIZES_EXCLUDED
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import FloatArray


def fit_critical_control(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    dimension: str = "L",
    quantity: str = "c_c",
    covariance: npt.ArrayLike | None = None,
) -> ScalingFit:
    """Extrapolate c_c(N) = c + a N^-phi (+ b N^(-2 phi)); phi is 1/nu, or 1/nu + omega.

    From four sizes on phi is free, and the second power is there if the first alone does not
    describe all sizes. With three, or where the data do not fix phi (flag
    ``fixed_exponent``), c is averaged over phi = 1/2, 1, 3/2 (sizes per volume) or 1, 2, 3
    (linear sizes) and no shift at all, and their spread is the systematic error.

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
        Its parameters are ``c`` and, where it is free, ``phi``.

    Examples
    --------
    >>> n = np.array([50.0, 100.0, 200.0, 400.0, 800.0])
    >>> fit = fit_critical_control(n, 13.0 + 10.0 / n, [1e-3] * 5, dimension="N")
    >>> abs(fit["c"].value - 13.0) < fit["c"].total, abs(fit["phi"].value - 1) < 0.05
    (True, True)
    """
    kwargs: dict[str, Any] = {"quantity": quantity, "variables": (dimension,)}
    kwargs["covariance"] = covariance
    known = np.unique(np.asarray(size)[np.isfinite(np.asarray(control, dtype=float))]).size
    if known < 3:  # too few points, which the flag then says
        return fit_law(size, control, stderr, [law("shifted")], scan=False, **kwargs)
    if known >= 4:
        free = fit_law(size, control, stderr, [law("shifted")], **kwargs)
        if SMALL_SIZES_EXCLUDED.among(free.flags) or BAD_FIT.among(free.flags):
            return fit_law(size, control, stderr, [law("shifted"), law("approach")], **kwargs)
        if math.isfinite(free["c"].value):
            return free
    fixed = (0.5, 1.0, 1.5) if dimension == "N" else (1.0, 2.0, 3.0)
    laws = [law("constant"), *(law("shifted", phi=phi) for phi in fixed)]
    averaged = fit_law(size, control, stderr, laws, scan=False, **kwargs)
    if not math.isfinite(averaged["c"].value):
        return averaged
    note = FIXED_EXPONENT(f"{quantity} does not fix phi, averaged over {fixed} and no shift")
    return dataclasses.replace(averaged, flags=(*averaged.flags, note))


def fit_width(size: npt.ArrayLike, width: npt.ArrayLike, stderr: npt.ArrayLike) -> ScalingFit:
    r"""Fit widths of the transition region, :math:`A N^b` with b = -1/nu.

    A correction, :math:`A N^b + B N^{b-\omega}`, is admitted as well; forms and smallest sizes
    are averaged as in `fit_law`. ``inverse(fit["b"], sign=-1)`` is nu.

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
    >>> from physbatch.scaling.laws.fits import inverse
    >>> n = np.array([32.0, 64.0, 128.0, 256.0])
    >>> inverse(fit_width(n, 2.0 / np.sqrt(n), 0.01 / np.sqrt(n))["b"], sign=-1.0)
    2.000(15)(0)
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
