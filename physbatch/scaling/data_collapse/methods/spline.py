"""Least-squares collapse on a smooth master curve: a cubic spline in the scaling variable."""

import numpy as np
from scipy import interpolate

from physbatch.scaling.data_collapse.form import Rescaled, ScalingForm
from physbatch.scaling.data_collapse.methods.projection import (
    Averaged,
    Model,
    averaged,
    minimum_from,
    refitted,
)
from physbatch.scaling.data_collapse.windows import Fit
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Numbers of coefficients that are averaged. At noise of 0.1 % a curve with a peak needs about 28;
#: with 20 its exponents were off by up to 3 errors.
_COEFFICIENTS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 38)
_DEGREE = 3


def _knots(x: FloatArray, coefficients: int) -> FloatArray:
    """Knots of cubic B-splines between which lie equally many points."""
    edges = np.quantile(x, np.linspace(0, 1, coefficients - _DEGREE + 1))
    return np.concatenate([np.repeat(edges[0], _DEGREE), edges, np.repeat(edges[-1], _DEGREE)])


def _basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Cubic B-splines, continued beyond the end knots, shape (n, coefficients)."""
    return np.asarray(
        interpolate.BSpline.design_matrix(x, knots, _DEGREE, extrapolate=True).toarray()
    )


class SplineModel(Model):
    """Splines for f0 and f1.

    The knots are those of the start: knots that follow the points would give chi^2 a kink
    wherever two points change places.
    """

    def __init__(
        self, form: ScalingForm, table: ScalingTable, begin: FloatArray, coefficients: int
    ) -> None:
        super().__init__(form, table)
        self.coefficients = coefficients
        x = form.rescale(begin, table, form.observables[0]).x
        self.knots = _knots(x, coefficients)
        # f1 gets half as many coefficients: it is a small, smooth correction.
        self.correction_knots = _knots(x, max(coefficients // 2, _DEGREE + 1))

    def columns(self, vector: FloatArray, where: Rescaled) -> FloatArray:
        """B-splines at the points, those of f1 times N^(-omega)."""
        columns = _basis(where.x, self.knots)
        if not self.form.corrections:
            return columns
        extra = _basis(where.x, self.correction_knots)
        return np.hstack([columns, np.exp(where.log_correction)[:, None] * extra])


def fit_spline(
    form: ScalingForm, table: ScalingTable, begin: FloatArray, coefficients: int | None = None
) -> Averaged[SplineModel]:
    """Least-squares collapse from one start.

    Parameters
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data.
    begin : ndarray
        Start of the fit vector.
    coefficients : int, optional
        Coefficients of each master curve; by default several numbers are averaged.
    """
    room = len(table.size) // 2 - len(form.names)
    choices = (coefficients,) if coefficients else [k for k in _COEFFICIENTS if k <= max(room, 5)]
    minima = [minimum_from(SplineModel(form, table, begin, count), begin) for count in choices]
    return averaged(minima, len(form.names))


# Steps of hopeless fits leave the range of numbers; they end in flags.
@np.errstate(over="ignore", invalid="ignore")
def by_spline(fit: Fit) -> Fit:
    """The same window by least squares; the curve that is drawn stays the Gaussian process's."""
    return refitted(fit, fit_spline(fit.form, fit.objective.table, fit.exponents))
