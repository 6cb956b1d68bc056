"""Slopes of observables with the control, at one control, for each size."""

import numpy as np
import scipy
from scipy import linalg

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flags import FEW_POINTS, OUTSIDE, POOR_FIT
from physbatch.tables.table import ScalingTable


def derivative(
    table: ScalingTable, observable: str, at: float, *, degree: int = 3
) -> dict[float, Estimate]:
    """Slope of an observable with the control, at one control, for each size.

    A polynomial through the points nearest to `at`, weighted with their errors (or their
    covariance). As many points are used as a polynomial of the given degree (or of one or
    two more, where that describes none) describes with a chi^2 probability of at least 0.1;
    the slope is that of a polynomial with two more powers, which costs some error and leaves
    little bias beside it.

    Parameters
    ----------
    table : ScalingTable
        Observables with errors.
    observable : str
        Which of them.
    at : float
        The control.
    degree : int
        Degree of the polynomial that chooses the points.

    Returns
    -------
    dict of float to Estimate
        Size -> slope; `systematic` is what two more powers change beyond statistics. nan
        with flag ``outside`` (no points on both sides) or ``few_points``; flag ``poor_fit``
        where not even the fewest points fit.

    Raises
    ------
    physbatch.errors.AnalysisError
        For an unknown observable or a degree below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.tables import make_table
    >>> c = np.linspace(0, 1, 9)
    >>> table = make_table(np.full(9, 8), c, {"U": np.sin(c)}, {"U": np.full(9, 1e-3)},
    ...                    minimum_sizes=1)
    >>> derivative(table, "U", 0.5)  # cos(1/2) = 0.8776
    {8.0: 0.878(5)}
    """
    if degree < 1:
        raise AnalysisError(f"degree {degree}", where="derivative", remedy="take 1 or more")
    wanted = table.only(observable)
    return {
        float(size): _slope(wanted.select(table.size == size), observable, at, degree)
        for size in table.sizes
    }


def _slope(curve: ScalingTable, name: str, at: float, degree: int) -> Estimate:
    count = curve.size.size
    if not curve.control.min() <= at <= curve.control.max():
        return Estimate(np.nan, flags=(OUTSIDE(f"no points on both sides of {at:g}"),))
    if count < degree + 3:
        return Estimate(np.nan, flags=(FEW_POINTS(f"{count} for degree {degree}"),))
    nearest = np.argsort(np.abs(curve.control - at), kind="stable")
    best = 0.0
    for power in range(degree, degree + 3):
        for points in range(count, power + 2, -1):
            used = curve.take(nearest[:points])
            p_value = _polynomial_slope(used, name, at, power)[2]
            if p_value >= 0.1:
                slope, error, _ = _polynomial_slope(used, name, at, power + 2)
                return Estimate(slope, error, 0.0, (slope - error, slope + error))
            best = max(best, p_value)
    return Estimate(np.nan, flags=(POOR_FIT(f"chi^2 probability at most {best:.2g}"),))


def _polynomial_slope(
    curve: ScalingTable, name: str, at: float, degree: int
) -> tuple[float, float, float]:
    """Slope at `at`, its error and the chi^2 probability, by generalised least squares."""
    distance = curve.control - at
    scale = float(np.max(np.abs(distance)))
    design = np.vander(distance / scale, degree + 1, increasing=True)
    covariance = curve.covariance.get(name)
    if covariance is None:
        covariance = np.diag(curve.errors[name] ** 2)
    factor = linalg.cholesky(covariance, lower=True)
    design = linalg.solve_triangular(factor, design, lower=True)
    data = linalg.solve_triangular(factor, curve.values[name], lower=True)
    inverse = np.linalg.pinv(design)
    fitted = inverse @ data
    chi2 = float(np.sum((data - design @ fitted) ** 2))
    error = float(np.linalg.norm(inverse[1]))
    dof = data.size - degree - 1
    p_value = float(scipy.stats.chi2.sf(chi2, dof)) if dof > 0 else 1.0
    return float(fitted[1]) / scale, error / scale, p_value
