"""Laws of widths and of the critical batch size against N and d."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.typing import FloatArray

__all__ = ["collapse_exponent", "fit_critical_batch", "fit_width"]


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
