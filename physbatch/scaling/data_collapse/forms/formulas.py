"""Forms that are written as formulas: x(size, control, parameters), and the scale of y.

The relative x is x over its change along the controls at the mean size, and the relative scale
is 1 there: for a power law those are the units of `PowerForm`.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import Labels, Levels, Rescaled, ScalingForm
from physbatch.scaling.data_collapse.forms.expressions import Dual, Formula, names_in, value_of
from physbatch.scaling.data_collapse.forms.parameters import Parameter, omega
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Width of a background, in units of the spread of the values.
_WIDE = 10.0


class Factor(NamedTuple):
    """A factor of the scale, or one over it."""

    tree: ast.expr
    power: int  # 1 or -1


@dataclass(frozen=True, eq=False, kw_only=True)
class FormulaForm(ScalingForm):
    """A form that is given by formulas.

    Attributes
    ----------
    parameters : tuple of Parameter
        Free and fixed ones.
    stretch : Formula
        The scaling variable x.
    falling : Formula
        Corrections to scaling go as this to the power -omega: the size, or its logarithm.
    scales : mapping of observable to tuple of Factor
        Their product is the scale: y is the scale times f(x).
    renamed : mapping of observable to mapping
        Parameters of the formulas that bear another name for this observable.
    sizes, controls : frozenset of str
        Names of the size and of the control in the formulas.
    axes_texts : mapping of observable to Labels
        How the axes of the scaling plot are called.
    terms : tuple of {"constant", "linear", "log", "size"}
        Backgrounds of each observable: 1, the control, ln of the size, one for each size.
    """

    parameters: tuple[Parameter, ...]
    stretch: Formula
    falling: Formula
    scales: Mapping[str, tuple[Factor, ...]]
    sizes: frozenset[str]
    controls: frozenset[str]
    axes_texts: Mapping[str, Labels]
    tried: Sequence[Mapping[str, float]]
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    terms: tuple[str, ...] = ()

    # --- between fit vector and parameters ----------------------------------------------

    @cached_property
    def _known(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    def exponents(self, vector: FloatArray) -> dict[str, float]:
        """Physical parameters of a fit vector."""
        values = dict(self.fixed)
        fitted = dict(zip(self.names, map(float, vector), strict=True))
        for name, number in fitted.items():
            parameter = self._known[name]
            if parameter.kind == "control":
                values[name] = self.control_middle + self.control_unit * number
            else:
                values[name] = parameter.value(number)
        for name in self.names:
            if over := self._known[name].over:
                values[name] *= values[over]
        return values

    def vector(self, values: Mapping[str, float]) -> FloatArray:
        """Fit vector of physical parameters."""
        out = np.empty(len(self.names))
        for row, name in enumerate(self.names):
            parameter, value = self._known[name], values[name]
            if parameter.kind == "control":
                out[row] = (value - self.control_middle) / self.control_unit
            elif parameter.over:
                out[row] = value / values.get(parameter.over, self.fixed.get(parameter.over, 1.0))
            else:
                out[row] = parameter.fitted(value)
        return out

    def with_corrections(self) -> Self:
        """The same form, in the same units, with corrections to scaling of a free omega."""
        others = (parameter for parameter in self.parameters if parameter.name != "omega")
        return replace(super().with_corrections(), parameters=(*others, omega()))

    def jacobian(self, vector: FloatArray) -> FloatArray:
        """d(physical parameters)/d(fit vector), shape (n_name, n_name)."""
        values = self.exponents(vector)
        out = np.zeros((len(self.names), len(self.names)))
        for row, (name, number) in enumerate(zip(self.names, map(float, vector), strict=True)):
            parameter = self._known[name]
            if parameter.kind == "control":
                out[row, row] = self.control_unit
            elif over := parameter.over:
                out[row, row] = values[over]
                if over in self.names:
                    column = self.names.index(over)
                    out[row, column] = number * self._known[over].slope(float(vector[column]))
            else:
                out[row, row] = parameter.slope(number)
        return out

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Ends of the range of each number of the fit vector."""
        return tuple((self._known[name].low, self._known[name].high) for name in self.names)

    def allowed(self, name: str, value: float) -> bool:
        """Whether a parameter may have a value."""
        return self._known[name].allowed(value)

    def allowed_text(self, name: str) -> str:
        """Which values a parameter may have, in words."""
        return self._known[name].allowed_text

    def free_in_scale(self, observable: str) -> frozenset[str]:
        """Free parameters on which the scale of an observable depends."""
        known = self.renamed.get(observable, {})
        used = frozenset().union(*(names_in(factor.tree) for factor in self.scales[observable]))
        return frozenset(known.get(name, name) for name in used) & frozenset(self.names)

    # --- starts -------------------------------------------------------------------------

    def columns(self) -> Sequence[Mapping[str, float]]:
        """Values of the parameters beside c_c that a map of the likelihood tries."""
        return self.tried

    def completed(
        self, values: Mapping[str, float], levels: Mapping[str, Levels]
    ) -> dict[str, float]:
        """All parameters; the exponent of a scale is the slope of ln|y| against ln N."""
        out = {**self.fixed, **values}
        for observable, level in levels.items():
            for name in self.renamed.get(observable, {}).values():
                parameter = self._known[name]
                if name not in out and not parameter.tries:
                    out[name] = level.slope * out.get(parameter.over, 1.0)
        return out

    # --- rescaling ----------------------------------------------------------------------

    def rescale(self, vector: FloatArray, table: ScalingTable, observable: str) -> Rescaled:
        """Rescaled coordinates of all points, with derivatives by the fit vector."""
        jacobian, count = self.jacobian(vector), len(table.size)
        known = self._known_at(vector, table, observable)
        x, scale = self._wide(self.stretch.value(known)), self.log_scale(known, observable)
        unit, unit_slopes = _change(x)
        relative = x.value[:count] / unit
        with np.errstate(all="ignore"):
            by_x = (_slopes(x)[:, :count] - relative * unit_slopes[:, None]) / unit
        log_scale = scale.value[:count] - scale.value[-1]
        by_scale = _slopes(scale)[:, :count] - _slopes(scale)[:, -1:]
        fall, by_fall = np.zeros(count), np.zeros((len(self.names), count))
        if self.corrections:
            falling = self._wide(self._log_falling(known))
            fall = falling.value[:count] - falling.value[-1]
            by_fall = _slopes(falling)[:, :count] - _slopes(falling)[:, -1:]
        slopes = (_finite(jacobian.T @ _finite(by)) for by in (by_x, by_scale, by_fall))
        return Rescaled(relative, log_scale, fall, *slopes)

    def units(self, vector: FloatArray, observable: str) -> tuple[float, float]:
        """Unit of the relative x, and ln of the scale at the mean size."""
        nowhere = ScalingTable(np.empty(0), np.empty(0), {}, {})
        known = self._known_at(vector, nowhere, observable)
        unit, _ = _change(self._wide(self.stretch.value(known)))
        return unit, float(self.log_scale(known, observable).value[-1])

    def labels(self, table: ScalingTable, observable: str) -> Labels:
        """What the axes of the scaling plot are."""
        return self.axes_texts[observable]

    def _known_at(
        self, vector: FloatArray, table: ScalingTable, observable: str
    ) -> dict[str, Dual]:
        """What names stand for at the points, then at both ends of the controls and mean size."""
        ends = self.control_middle + self.control_unit * np.array([-0.5, 0.5])
        size = Dual(np.append(table.size, [self.size_unit, self.size_unit]))
        control = Dual(np.append(table.control, ends))
        known = dict.fromkeys(self.sizes, size) | dict.fromkeys(self.controls, control)
        rows = np.eye(len(self.names))
        for name, value in self.exponents(vector).items():
            slopes = rows[self.names.index(name), :, None] if name in self.names else None
            known[name] = Dual(np.array([value]), slopes)
        renamed = self.renamed.get(observable, {})
        return known | {name: known[other] for name, other in renamed.items()}

    def _wide(self, dual: Dual) -> Dual:
        """The same with slopes by every parameter."""
        shape = (len(self.names), len(dual.value))
        slopes = np.zeros(shape) if dual.slopes is None else np.broadcast_to(dual.slopes, shape)
        return Dual(dual.value, slopes)

    def log_scale(self, known: Mapping[str, Dual], observable: str) -> Dual:
        """ln of the scale: at the points, then twice at the mean size."""
        (size, *_) = (known[name] for name in self.sizes)
        count = len(size.value)
        total, slopes = np.zeros(count), np.zeros((len(self.names), count))
        with np.errstate(all="ignore"):
            for tree, power in self.scales[observable]:
                factor = value_of(tree, known)
                total = total + power * np.log(np.abs(factor.value))
                if factor.slopes is not None:
                    slopes = slopes + power * factor.slopes / factor.value
        return Dual(total, slopes)

    def _log_falling(self, known: Mapping[str, Dual]) -> Dual:
        """-omega times ln of what corrections fall with."""
        base, omega = self.falling.value(known), known["omega"]
        with np.errstate(all="ignore"):
            log = base.through(np.log(base.value), 1.0 / base.value)
        slopes = np.zeros((len(self.names), len(log.value)))
        if log.slopes is not None:
            slopes = slopes - omega.value * log.slopes
        if omega.slopes is not None:
            slopes = slopes - log.value * omega.slopes
        return Dual(-omega.value * log.value, slopes)

    # --- what the form asks of the data --------------------------------------------------

    def prepared(self, table: ScalingTable) -> ScalingTable:
        """The table with ln y in place of y if that scales, and backgrounds as correlated noise.

        Raises
        ------
        AnalysisError
            If the logarithm of an observable that is not above 0 is asked for.
        """
        if self.logarithm:
            table = _in_logarithms(table, self.observables)
        return self.widened(table)

    def widened(self, table: ScalingTable) -> ScalingTable:
        """A table with the backgrounds of the form as correlated noise, if it has any.

        A background of any size is one with a wide Gaussian law: integrated over, it adds the
        covariance W^2 h h' of each of its curves h to that of the data. Its coefficients need no
        start, and no fit.
        """
        curves = self.free_terms(table)
        if not curves.shape[1]:
            return table
        covariance = dict(table.covariance)
        for name in self.observables:
            width = _WIDE * float(np.std(table.values[name]))
            known = covariance.get(name, np.diag(table.errors[name] ** 2))
            covariance[name] = known + width**2 * curves @ curves.T
        return replace(table, covariance=covariance)

    # --- backgrounds --------------------------------------------------------------------

    def free_terms(self, table: ScalingTable) -> FloatArray:
        """Curves (columns), any multiples of which are added to each observable."""
        columns: list[FloatArray] = []
        for term in self.terms:
            if term == "constant":
                columns.append(np.ones_like(table.size))
            elif term == "linear":
                columns.append((table.control - self.control_middle) / (0.5 * self.control_unit))
            elif term == "log":
                columns.append(np.log(table.size / self.size_unit))
            else:
                columns += [(table.size == size).astype(np.float64) for size in table.sizes]
        return np.array(columns).T.reshape(len(table.size), len(columns))


def _in_logarithms(table: ScalingTable, observables: Sequence[str]) -> ScalingTable:
    values, errors, covariance = dict(table.values), dict(table.errors), dict(table.covariance)
    for name in observables:
        value = table.values[name]
        if not (value > 0).all():
            raise AnalysisError(
                f"{name} = {value.min():g} has no logarithm",
                where="form activated",
                remedy="leave out points that are not above 0",
            )
        values[name], errors[name] = np.log(value), table.errors[name] / value
        if name in covariance:
            covariance[name] = covariance[name] / np.outer(value, value)
    return replace(table, values=values, errors=errors, covariance=covariance, samples={})


def out_of_logarithms(table: ScalingTable, observables: Sequence[str]) -> ScalingTable:
    """The values themselves, from a table of their logarithms."""
    values, errors, covariance = dict(table.values), dict(table.errors), dict(table.covariance)
    for name in observables:
        value = np.exp(table.values[name])
        values[name], errors[name] = value, table.errors[name] * value
        if name in covariance:
            covariance[name] = covariance[name] * np.outer(value, value)
    return replace(table, values=values, errors=errors, covariance=covariance)


def _slopes(dual: Dual) -> FloatArray:
    assert dual.slopes is not None
    return dual.slopes


def _finite(slopes: FloatArray) -> FloatArray:
    """Slopes without those of functions at the end of their domain, where values go flat."""
    return np.where(np.isfinite(slopes), slopes, 0.0)


def _change(x: Dual) -> tuple[float, FloatArray]:
    """Change of x between the last two points, and its slopes; 1 where there is none."""
    unit = float(x.value[-1] - x.value[-2])
    if not (math.isfinite(unit) and unit != 0.0):
        return 1.0, np.zeros(_slopes(x).shape[0])
    sign = math.copysign(1.0, unit)
    return sign * unit, sign * (_slopes(x)[:, -1] - _slopes(x)[:, -2])
