r"""Scaled coordinates of points (time, control, size), and their derivatives.

.. math:: y = t^{\kappa} f(x, v), \qquad x = (c - c_c)\, t^{1/\nu_\parallel}, \qquad
          v = t^{1/z}/L

Times are relative to their geometric mean, sizes to theirs, controls to a range: the numbers that
are fitted are of order one. Fitted are c_c, eta = 1/nu_par, zeta = 1/z and the slopes kappa.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from physbatch.tables.times import Growth, TimeTable
from physbatch.typing import BoolArray, FloatArray

#: Ranges of what is fitted; c_c stays within the controls, and so much of their range beyond.
_BOUNDS = {"eta": (0.03, 6.0), "zeta": (0.05, 4.0)}
_BEYOND = 0.05
_SLOPES = (-8.0, 8.0)


class Points(NamedTuple):
    """Points of one observable, in the units of the fit."""

    log_time: FloatArray  # about the mean
    control: FloatArray
    log_size: FloatArray  # about the mean; 0 without sizes
    value: FloatArray
    error: FloatArray  # nan throughout where none is stated
    run: FloatArray  # the same number for points that may share their runs

    def part(self, keep: BoolArray) -> Points:
        """Some of the points."""
        return Points(*(column[keep] for column in self))


class Scaled(NamedTuple):
    """Scaled coordinates of points, with derivatives of shape (n_parameter, n_point)."""

    x: FloatArray  # zeros where the form has none
    v: FloatArray
    log_scale: FloatArray
    distance: FloatArray  # (c - c_c) over half of the range of the controls
    dx: FloatArray
    dv: FloatArray
    dscale: FloatArray
    ddistance: FloatArray


@dataclass(frozen=True, eq=False)
class Frame:
    """The units of a fit, and which parameters it has.

    Attributes
    ----------
    names : tuple of str
        c_c and eta where there are several controls, zeta where there are sizes or a spread, and
        ``kappa_NAME`` of each observable but spreads, whose slope is 2 zeta.
    growths : mapping of str to Growth
        What each observable is.
    sized : bool
        Whether there are sizes.
    log_time, log_size, origin, unit : float
        Means of ln t and of ln L; c = origin + unit times what is fitted.
    ends : pair of float
        Smallest and largest control.
    falling : bool
        Whether the column holds frequencies, 1/t.
    """

    names: tuple[str, ...]
    growths: Mapping[str, Growth]
    sized: bool
    log_time: float
    log_size: float
    origin: float
    unit: float
    ends: tuple[float, float]
    falling: bool

    @classmethod
    def of(cls, table: TimeTable, *, falling: bool = False) -> Frame:
        """The frame of a table."""
        sized = table.size is not None and np.unique(table.size).size > 1
        several = np.unique(table.control).size > 1
        names = ["c_c", "eta"] if several else []
        names += ["zeta"] if sized or "spread" in table.growths.values() else []
        names += [f"kappa_{name}" for name, growth in table.growths.items() if growth != "spread"]
        low, high = float(table.control.min()), float(table.control.max())
        log_time = float(np.log(table.time).mean()) * (-1.0 if falling else 1.0)
        log_size = float(np.log(table.size).mean()) if table.size is not None and sized else 0.0
        units = (log_time, log_size, 0.5 * (low + high), 0.5 * (high - low) or 1.0)
        return cls(tuple(names), table.growths, sized, *units, (low, high), falling)

    @property
    def half_range(self) -> float:
        """Half of the range of the controls."""
        return 0.5 * (self.ends[1] - self.ends[0]) or 1.0

    def about(self, c_c: float, controls: FloatArray) -> Frame:
        """The same frame with controls in units of the range of those nearest to a c_c."""
        distances = np.sort(np.abs(np.unique(controls) - c_c))
        unit = float(distances[min(len(distances) - 1, max(2, len(distances) // 2))])
        return replace(self, origin=c_c, unit=unit or self.unit)

    def points(self, table: TimeTable, observable: str) -> Points:
        """The points of one observable."""
        sign = -1.0 if self.falling else 1.0
        size = np.zeros_like(table.time) if table.size is None else table.size
        logs = np.log(table.size) - self.log_size if self.sized and table.size is not None else None
        _, run = np.unique(np.column_stack([table.control, size]), axis=0, return_inverse=True)
        return Points(
            sign * np.log(table.time) - self.log_time,
            table.control,
            np.zeros_like(table.time) if logs is None else logs,
            table.values[observable],
            table.errors.get(observable, np.full(table.time.shape, np.nan)),
            run.ravel().astype(np.float64),
        )

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Range of each number that is fitted."""
        bounds = [_BOUNDS.get(name, _SLOPES) for name in self.names]
        if "c_c" in self.names:
            low, high = ((end - self.origin) / self.unit for end in self.ends)
            bounds[0] = (low - _BEYOND * (high - low), high + _BEYOND * (high - low))
        return bounds

    def scaled(self, vector: FloatArray, points: Points, observable: str) -> Scaled:
        """Scaled coordinates of the points of an observable."""
        known = dict(zip(self.names, map(float, vector), strict=True))
        shape = (len(self.names), len(points.value))
        dx, dv, dscale, ddistance = (np.zeros(shape) for _ in range(4))
        log_time, row = points.log_time, self.names.index
        x, v, distance = (np.zeros(shape[1]) for _ in range(3))
        if "eta" in known:
            stretch = np.exp(known["eta"] * log_time)
            relative = (points.control - self.origin) / self.unit - known["c_c"]
            x, distance = stretch * relative, relative * self.unit / self.half_range
            dx[row("c_c")], dx[row("eta")] = -stretch, log_time * x
            ddistance[row("c_c")] = -self.unit / self.half_range
        if self.sized:
            v = np.exp(known["zeta"] * log_time - points.log_size)
            dv[row("zeta")] = log_time * v
        if self.growths[observable] == "spread":
            log_scale = 2.0 * known["zeta"] * log_time
            dscale[row("zeta")] = 2.0 * log_time
        else:
            log_scale = known[f"kappa_{observable}"] * log_time
            dscale[row(f"kappa_{observable}")] = log_time
        return Scaled(x, v, log_scale, distance, dx, dv, dscale, ddistance)
