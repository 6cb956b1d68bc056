"""The result of a fit of dynamic scaling, with all that is needed to draw it again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import Record, result
from physbatch.typing import Dims, FloatArray


@dataclass(frozen=True, eq=False)
class DynamicPoints:
    """Points of one observable on the scaling plot of the best fit.

    Attributes
    ----------
    observable, growth : str
        Its name, and whether it follows a ``power`` of its own or is a ``spread``.
    time, control, size : ndarray, shape (n_point,)
        Where they were measured; size is nan where there is none.
    x, v : ndarray, shape (n_point,)
        (c - c_c) t^(1/nu_par), and t^(1/z)/L; 0 where the form has none.
    y, error, curve : ndarray, shape (n_point,)
        t^(-kappa) times the value, its error and the curve there.
    """

    main_dim: ClassVar[str] = "point"
    key: ClassVar[str] = "observable"

    observable: str
    growth: str
    time: FloatArray
    control: FloatArray
    size: FloatArray
    x: FloatArray
    v: FloatArray
    y: FloatArray
    error: FloatArray
    curve: FloatArray


@result("dynamic scaling")
@dataclass(frozen=True, eq=False, repr=False)
class DynamicScaling(Record):
    """Exponents of a transition out of an active state, from what its observables do in time.

    Attributes
    ----------
    parameters : mapping of str to Estimate
        ``c_c``; ``delta`` of y ~ t^-delta, ``theta`` of y ~ t^theta (``delta_OBSERVABLE`` where
        there are several); ``nu_par``, ``beta`` = delta nu_par; ``z``, ``nu_perp`` = nu_par/z and
        ``beta_over_nu_perp`` = delta z. Each with its total error; ``stderr`` beside it is that of
        the best fit alone.
    observables : tuple of str
        What was fitted.
    time_name, control_name, size_name : str
        Columns; the last is empty where there are no sizes.
    form : str
        The form, in words of the columns.
    limits : str
        In which order the size and the time go to infinity.
    chi2, dof, p_value : float
        Goodness of the best fit, whose errors of one run are correlated.
    memory : float
        l in the correlation (t/t')^(-1/l) between times of a run, of the first observable.
    late_from : float
        From this time on the second half of the average takes the points; nan without it.
    starts_tried, starts_agreed : int
        Starts, and how many reached the best optimum.
    points : tuple of DynamicPoints
        The scaling plot.
    flags : tuple of Flag
        What is in doubt.
    """

    dims: ClassVar[Dims] = {"parameters": ("parameter",)}

    parameters: Mapping[str, Estimate]
    observables: tuple[str, ...]
    time_name: str
    control_name: str
    size_name: str
    form: str
    limits: str
    chi2: float
    dof: float
    p_value: float
    memory: float
    late_from: float
    starts_tried: int
    starts_agreed: int
    points: tuple[DynamicPoints, ...]
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} = {number}" for name, number in self.parameters.items())
        starts = f"; {self.starts_agreed} of {self.starts_tried} starts agree"
        goodness = ""
        if math.isfinite(self.chi2):
            goodness = f"\n  chi2/dof = {self.chi2:.4g}/{self.dof:.4g}, p = {self.p_value:.2g}"
        return "\n".join(
            [
                f"Dynamic scaling of {', '.join(self.observables)}: {listed}",
                f"  {self.form}{goodness}{starts}",
                f"  limits: {self.limits}",
                *(f"flag     {flag}" for flag in self.flags),
            ]
        )
