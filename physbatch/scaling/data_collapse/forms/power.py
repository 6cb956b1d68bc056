r"""Power laws: the form of an ordinary critical point.

.. math:: y_N(c) = N^{\zeta/\nu} [f_0(x) + N^{-\omega} f_1(x)], \quad
          x = N^{1/\nu} (c - c_c(N))

with an optional drift :math:`c_c(N) = c_c + a N^{-\phi}`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from physbatch.scaling.data_collapse.form import Labels, Levels, Rescaled, ScalingForm, zeta_name
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Fits that run away may ask for numbers beyond floating point on their way.
_LARGEST = 300.0
#: Bounds of the fit vector. c_c stays within the controls: further out each size has its own
#: stretch of x, and anything collapses.
_BOUNDS = {
    "c_c": (-0.55, 0.55),
    "nu": (-3.0, 3.0),
    "omega": (-2.5, 2.0),
    "phi": (-2.5, 2.0),
    "shift": (-3.0, 3.0),
    "zeta": (-8.0, 8.0),
}
_POSITIVE = ("nu", "omega", "phi")
#: nu per linear size that starts try; per volume it is d times larger.
NU = np.geomspace(0.25, 8.0, 13)


def _exponential(x: float) -> float:
    return math.exp(min(max(x, -_LARGEST), _LARGEST))


class PowerForm(ScalingForm):
    """y = N^(zeta/nu) f(N^(1/nu) (c - c_c)); fitted are ln 1/nu, zeta/nu, ln omega and ln phi."""

    def exponents(self, vector: FloatArray) -> dict[str, float]:
        """Physical parameters of a fit vector: c_c, nu, zeta_OBSERVABLE, omega, ..."""
        values = dict(self.fixed)
        raw = dict(zip(self.names, map(float, vector), strict=True))
        if "c_c" in raw:
            values["c_c"] = self.control_middle + self.control_unit * raw["c_c"]
        if "nu" in raw:
            values["nu"] = _exponential(-raw["nu"])
        for name in self.names:
            if name.startswith("zeta"):
                values[name] = raw[name] * values["nu"]
            elif name in ("omega", "phi"):
                values[name] = _exponential(raw[name])
            elif name == "shift":
                phi = values.get("phi", _exponential(raw["phi"]) if "phi" in raw else 1.0)
                values[name] = raw[name] * self.control_unit * self.size_unit**phi
        return values

    def vector(self, values: Mapping[str, float]) -> FloatArray:
        """Fit vector of physical parameters."""
        nu = values.get("nu", self.fixed.get("nu", 1.0))
        phi = values.get("phi", self.fixed.get("phi", 1.0))
        out = np.empty(len(self.names))
        for row, name in enumerate(self.names):
            value = values[name]
            if name == "c_c":
                out[row] = (value - self.control_middle) / self.control_unit
            elif name == "nu":
                out[row] = -math.log(value)
            elif name in ("omega", "phi"):
                out[row] = math.log(value)
            elif name == "shift":
                out[row] = value / self.control_unit / self.size_unit**phi
            else:
                out[row] = value / nu
        return out

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Ends of the range of each number of the fit vector."""
        return tuple(_BOUNDS["zeta" if n.startswith("zeta") else n] for n in self.names)

    def allowed(self, name: str, value: float) -> bool:
        """Whether a parameter may have a value."""
        return math.isfinite(value) and (value > 0 or name not in _POSITIVE)

    def allowed_text(self, name: str) -> str:
        """Which values a parameter may have, in words."""
        return "a number above 0" if name in _POSITIVE else "a finite number"

    # --- starts -------------------------------------------------------------------------

    def columns(self) -> list[dict[str, float]]:
        """Values of nu."""
        return [{"nu": float(nu)} for nu in (NU if "nu" in self.names else (self.fixed["nu"],))]

    def completed(
        self, values: Mapping[str, float], levels: Mapping[str, Levels]
    ) -> dict[str, float]:
        """All parameters: zeta/nu is the slope of ln|y| against ln N."""
        nu = values["nu"]
        zetas = {self.zeta(name): level.slope * nu for name, level in levels.items()}
        return {"omega": 1.0, "phi": 1.0 / nu + 1.0, "shift": 0.0, **zetas, **values}

    # --- rescaling ----------------------------------------------------------------------

    def rescale(self, vector: FloatArray, table: ScalingTable, observable: str) -> Rescaled:
        """Rescaled coordinates of all points, with derivatives by the fit vector."""
        values = self.exponents(vector)
        log_size = np.log(table.size / self.size_unit)
        inverse_nu = 1.0 / values["nu"]
        stretch = np.exp(inverse_nu * log_size)
        distance = (table.control - values["c_c"]) / self.control_unit
        fall = np.zeros_like(stretch)
        if self.drift:
            fall = np.exp(-values["phi"] * log_size)
            relative = values["shift"] / self.control_unit / self.size_unit ** values["phi"]
            distance = distance - relative * fall
        zeta = self.zeta(observable)
        log_scale = values[zeta] * inverse_nu * log_size
        log_correction = (
            -values["omega"] * log_size if self.corrections else np.zeros_like(log_size)
        )
        shape = (len(self.names), len(log_size))
        dx, dscale, dcorrection = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for row, name in enumerate(self.names):
            if name == "c_c":
                dx[row] = -stretch
            elif name == "nu":
                dx[row] = inverse_nu * log_size * stretch * distance
                if zeta in self.fixed:  # zeta/nu moves with nu where zeta is fixed
                    dscale[row] = values[zeta] * inverse_nu * log_size
            elif name == zeta:
                dscale[row] = log_size
            elif name == "omega":
                dcorrection[row] = -values["omega"] * log_size
            elif name == "shift":
                dx[row] = -stretch * fall
            elif name == "phi":
                raw = float(vector[self.names.index("shift")])
                dx[row] = stretch * raw * fall * values["phi"] * log_size
        return Rescaled(stretch * distance, log_scale, log_correction, dx, dscale, dcorrection)

    def units(self, vector: FloatArray, observable: str) -> tuple[float, float]:
        """Unit of the relative x, and ln of (size unit)^(zeta/nu)."""
        values = self.exponents(vector)
        log_unit = values[self.zeta(observable)] / values["nu"] * math.log(self.size_unit)
        return self.control_unit * self.size_unit ** (1 / values["nu"]), log_unit

    def labels(self, table: ScalingTable, observable: str) -> Labels:
        """What the axes of the scaling plot are."""
        size, control = table.size_name, table.control_name
        return Labels(
            f"{size}^(1/nu) ({control} - c_c)", f"{observable} {size}^(-{self.zeta(observable)}/nu)"
        )

    def zeta(self, observable: str) -> str:
        """Name of the exponent zeta of an observable."""
        return zeta_name(self.observables, observable)
