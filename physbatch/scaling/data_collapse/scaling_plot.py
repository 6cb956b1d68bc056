"""The points of a fit on the scaling plot, and the master curve through them."""

import math

import numpy as np
from scipy import linalg

from physbatch.scaling.data_collapse.likelihood import covariance_at, predict
from physbatch.scaling.data_collapse.optimum import Objective, Part
from physbatch.scaling.data_collapse.quality import local_curve
from physbatch.scaling.data_collapse.result import CollapsedPoints, MasterCurve
from physbatch.scaling.data_collapse.windows import Fit
from physbatch.typing import FloatArray

_CURVE_POINTS = 200


def on_the_plot(fit: Fit) -> tuple[tuple[CollapsedPoints, ...], tuple[MasterCurve, ...]]:
    """The rescaled points of every observable with their residuals, and the master curves.

    The curve is that of the Gaussian process; for a fit without one, the local lines of all sizes
    together.
    """
    if not fit.objective.hyper_names:
        drawn = [_by_local_lines(fit, name) for name in fit.form.observables]
    else:
        drawn = [_by_process(fit, part) for part in fit.objective.parts(fit.optimum.vector)]
    return tuple(points for points, _ in drawn), tuple(curve for _, curve in drawn)


def _by_process(fit: Fit, part: Part) -> tuple[CollapsedPoints, MasterCurve]:
    """Residuals against the fitted curve; posterior mean and standard deviation of f0."""
    form, table, objective = fit.form, fit.objective.table, fit.objective
    name, x = part.observable, part.where.x
    stretch, log_unit = form.units(fit.exponents, name)
    curve_unit = part.unit / math.exp(log_unit)
    smooth = predict(part.curve, part.where, objective.hyper_names, part.hyper)
    scale = np.exp(part.where.log_scale + log_unit)
    correction = np.empty(0)
    if form.corrections:
        leading = _curve_at(objective, part, x)[0]
        whole = smooth.fitted / np.exp(part.where.log_scale)
        correction = (whole - leading) * curve_unit
    values, errors = table.values[name], table.errors[name]
    background = _background(fit, values - smooth.fitted * part.unit, errors)
    points = CollapsedPoints(
        name,
        table.size,
        x * stretch,
        (values - background) / scale,
        errors / scale,
        (values - background - smooth.fitted * part.unit) / errors,
        correction,
    )
    grid = np.linspace(x.min(), x.max(), _CURVE_POINTS)
    mean, band = _curve_at(objective, part, grid)
    return points, MasterCurve(name, grid * stretch, mean * curve_unit, band * curve_unit)


def _background(fit: Fit, residual: FloatArray, errors: FloatArray) -> FloatArray:
    """What of the residuals the free terms of the form describe, by least squares."""
    curves = fit.form.free_terms(fit.objective.table)
    weighted = curves / errors[:, None]
    return np.asarray(curves @ np.linalg.lstsq(weighted, residual / errors, rcond=None)[0])


def _curve_at(objective: Objective, part: Part, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and standard deviation of f0 at some x, in units of the fit."""
    total, cross, prior = covariance_at(
        part.curve, part.where, objective.hyper_names, part.hyper, grid
    )
    factor = linalg.cho_factor(total, lower=True)
    mean = cross @ linalg.cho_solve(factor, part.curve.values)
    variance = prior - np.einsum("ij,ji->i", cross, linalg.cho_solve(factor, cross.T))
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _by_local_lines(fit: Fit, name: str) -> tuple[CollapsedPoints, MasterCurve]:
    """Residuals against the lines of the other sizes; the lines of all."""
    table, where = fit.objective.table, fit.form.rescale(fit.exponents, fit.objective.table, name)
    stretch, log_unit = fit.form.units(fit.exponents, name)
    scale, x = np.exp(where.log_scale + log_unit), stretch * where.x
    y, error = table.values[name] / scale, table.errors[name] / scale
    others = local_curve(table.size, x, y, error, x, table.size)
    residual = (y - others.value) / np.sqrt(error**2 + others.variance)
    grid = np.linspace(x.min(), x.max(), _CURVE_POINTS)
    lines = local_curve(table.size, x, y, error, grid)
    known = lines.known
    curve = MasterCurve(name, grid[known], lines.value[known], np.sqrt(lines.variance[known]))
    return CollapsedPoints(name, table.size, x, y, error, residual), curve
