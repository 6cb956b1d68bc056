"""The result of a data collapse, with all that is needed to draw it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from physbatch.scaling.collapse_fit import Objective
from physbatch.scaling.results import Estimate
from physbatch.scaling.windows import Window

__all__ = ["Collapse", "CollapsedPoints", "MasterCurve", "WindowFit"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CollapsedPoints:
    """Points of one observable on the scaling plot, in physical units."""

    observable: str
    size: FloatArray
    x: FloatArray  # N^(1/nu) (c - c_c)
    y: FloatArray  # N^(-zeta/nu) y
    error: FloatArray
    residual: FloatArray  # (y - curve)/error


@dataclass(frozen=True, eq=False)
class MasterCurve:
    """Master curve f0 of one observable with its standard deviation."""

    observable: str
    x: FloatArray
    y: FloatArray
    band: FloatArray


@dataclass(frozen=True, eq=False)
class WindowFit:
    """One window of the scan."""

    window: Window
    values: Mapping[str, float]
    errors: Mapping[str, float]
    points: int
    chi2: float
    dof: float
    p_value: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Collapse:
    """Exponents of a data collapse.

    Attributes
    ----------
    parameters : mapping of name to Estimate
        Free exponents: c_c, nu, zeta, omega ...; nu refers to the size column.
    fixed : mapping
        Those that were held.
    chi2, dof, p_value : float
        Goodness of fit in the chosen window.
    window, windows
        The chosen window, and all that were tried.
    starts_tried, starts_agreed : int
        How many starts were climbed, and how many reached the same optimum.
    points, curve : tuple
        The collapsed points and the master curve of each observable.
    covariance : ndarray
        Covariance of `parameters`, in their order.
    """

    parameters: Mapping[str, Estimate]
    fixed: Mapping[str, float]
    observables: tuple[str, ...]
    chi2: float
    dof: float
    p_value: float
    window: Window
    windows: tuple[WindowFit, ...]
    starts_tried: int
    starts_agreed: int
    points: tuple[CollapsedPoints, ...]
    curve: tuple[MasterCurve, ...]
    covariance: FloatArray
    size_name: str
    control_name: str
    dimension: str
    corrections: bool
    flags: tuple[str, ...] = ()

    def __repr__(self) -> str:
        head = ", ".join(f"{name} = {estimate}" for name, estimate in self.parameters.items())
        held = ", ".join(f"{name} = {value:g} (fixed)" for name, value in self.fixed.items())
        lines = [
            f"Collapse of {', '.join(self.observables)}: {head}{', ' + held if held else ''}",
            f"  y = {self.size_name}^(zeta/nu) f({self.size_name}^(1/nu) "
            f"({self.control_name} - c_c)), nu per {self.dimension}",
            f"  chi2/dof = {self.chi2:.4g}/{self.dof:.4g}, p = {self.p_value:.2g}; "
            f"{self.size_name} >= {self.window.size_min:g}, "
            f"{100 * self.window.fraction:.0f} % of the points nearest to c_c",
            f"  {self.starts_agreed} of {self.starts_tried} starts agree; "
            f"{sum(one.accepted for one in self.windows)} of {len(self.windows)} windows accepted",
        ]
        return "\n".join([*lines, *(f"  ! {flag}" for flag in self.flags)])

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of every analysis command."""
        return {
            "parameters": {
                name: {
                    "value": _finite(one.value),
                    "stderr": _finite(one.stderr),
                    "systematic": _finite(one.systematic),
                    "interval68": [_finite(bound) for bound in one.interval68],
                }
                for name, one in self.parameters.items()
            },
            "fixed": dict(self.fixed),
            "goodness": {
                "chi2": _finite(self.chi2),
                "dof": _finite(self.dof),
                "p_value": _finite(self.p_value),
                "size_min": self.window.size_min,
                "fraction": self.window.fraction,
            },
            "starts": {"tried": self.starts_tried, "agreed": self.starts_agreed},
            "flags": list(self.flags),
        }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def collapsed_points(objective: Objective, vector: FloatArray) -> tuple[CollapsedPoints, ...]:
    """The points of every observable, rescaled; residuals against the fitted curve."""
    from physbatch.scaling.gaussian_process import predict

    form, table = objective.form, objective.table
    values = form.exponents(vector[: objective.exponents])
    out = []
    for place, name in enumerate(form.observables):
        where = form.rescale(vector[: objective.exponents], table, name)
        fit = predict(
            objective.curve(place),
            where,
            objective.hyper_names,
            objective.hyper(vector, place),
            1.0,
        )
        stretch = form.control_unit * form.size_unit ** (1 / values["nu"])
        scale = np.exp(where.log_scale + _log_unit(objective, vector, name))
        residual = (table.values[name] - fit.fitted * objective.units[place]) / table.errors[name]
        out.append(
            CollapsedPoints(
                name,
                table.size,
                where.x * stretch,
                table.values[name] / scale,
                table.errors[name] / scale,
                residual,
            )
        )
    return tuple(out)


def _log_unit(objective: Objective, vector: FloatArray, name: str) -> float:
    """ln of (size unit)^(zeta/nu)."""
    form = objective.form
    values = form.exponents(vector[: objective.exponents])
    zeta = values["zeta"] if len(form.observables) == 1 else values[f"zeta_{name}"]
    return zeta / values["nu"] * math.log(form.size_unit)


def master_curve(
    objective: Objective, vector: FloatArray, points: int = 200
) -> tuple[MasterCurve, ...]:
    """Posterior mean and standard deviation of f0 on a grid of x."""
    from physbatch.scaling.gaussian_process import covariance_at

    form, table = objective.form, objective.table
    values = form.exponents(vector[: objective.exponents])
    out = []
    for place, name in enumerate(form.observables):
        where = form.rescale(vector[: objective.exponents], table, name)
        grid = np.linspace(where.x.min(), where.x.max(), points)
        curve = objective.curve(place)
        hyper = objective.hyper(vector, place)
        total, cross, prior = covariance_at(curve, where, objective.hyper_names, hyper, grid)
        factor = linalg.cho_factor(total, lower=True)
        mean = cross @ linalg.cho_solve(factor, curve.values)
        variance = prior - np.einsum("ij,ji->i", cross, linalg.cho_solve(factor, cross.T))
        scale = objective.units[place] / math.exp(_log_unit(objective, vector, name))
        stretch = form.control_unit * form.size_unit ** (1 / values["nu"])
        band = np.sqrt(np.maximum(variance, 0.0))
        out.append(MasterCurve(name, grid * stretch, mean * scale, band * scale))
    return tuple(out)
