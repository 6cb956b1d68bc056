r"""Planted scaling data: observables that obey a scaling law with chosen exponents.

.. math:: y_N(c) = N^{\zeta/\nu} \left[ f_0(x) + A N^{-\omega} f_1(x) \right] + \text{noise},
          \qquad x = N^{1/\nu} (c - c_c(N)), \qquad c_c(N) = c_c + a N^{-\phi}

with size N (a volume or a linear size: nu refers to it) and control c. The errors that a table
states are those with which its noise was drawn, so a fit can be judged by its chi-squared and
its intervals by their coverage.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from physbatch.errors import AnalysisError
from physbatch.exact.grids import Controls, flatten_grid, scaled_grid, table_from_samples
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray


@dataclass(frozen=True)
class ExponentSet:
    r"""Exponents and critical point of one universality class, with a reference.

    :math:`y = N^{\zeta/\nu} f(N^{1/\nu} (c - c_c))`; zeta is -beta for an order parameter, omega
    the exponent of the leading correction to scaling, c_c a probability or an inverse temperature.
    `dimension` says whether nu refers to volumes N or to linear sizes L.
    """

    name: str
    nu: float
    zeta: float
    c_c: float
    omega: float
    dimension: Literal["N", "L"]
    reference: str


#: The sets of exponents on which the scaling estimators are tested, by name.
EXPONENT_SETS: Mapping[str, ExponentSet] = {
    known.name: known
    for known in (
        ExponentSet(
            "percolation 2-D",
            4.0 / 3.0,
            -5.0 / 36.0,
            0.59274605,
            1.5,
            "L",
            "den Nijs, doi 10.1088/0305-4470/12/10/030; omega: Ziff, "
            "doi 10.1103/PhysRevE.83.020107; site p_c: Jacobsen, "
            "doi 10.1088/1751-8113/48/45/454003",
        ),
        ExponentSet(
            "Ising 2-D",
            1.0,
            -1.0 / 8.0,
            float(0.5 * np.log1p(np.sqrt(2.0))),
            1.75,
            "L",
            "Onsager, doi 10.1103/PhysRev.65.117; omega: the regular part of the susceptibility "
            "against L^(7/4)",
        ),
        ExponentSet(
            "mean field", 2.0, -0.5, 1.0, 0.5, "N", "Curie-Weiss, see physbatch.exact.curie_weiss"
        ),
        ExponentSet(
            "Potts q=3 2-D",
            5.0 / 6.0,
            -1.0 / 9.0,
            float(np.log1p(np.sqrt(3.0))),
            0.8,
            "L",
            "Wu, doi 10.1103/RevModPhys.54.235",
        ),
        ExponentSet("planted", 0.63, 0.0, 0.5, 0.8, "L", "none: a Binder-like observable"),
    )
}


def exponent_set(name: str) -> ExponentSet:
    """One of `EXPONENT_SETS`; AnalysisError for a name that is not among them."""
    if name not in EXPONENT_SETS:
        raise AnalysisError(
            f"no set of exponents is called {name!r}",
            remedy=f"take one of {', '.join(EXPONENT_SETS)}",
        )
    return EXPONENT_SETS[name]


def _order_parameter(x: FloatArray) -> FloatArray:
    return np.asarray(1.0 + np.tanh(0.5 * x))


def _binder(x: FloatArray) -> FloatArray:
    return np.asarray((1.0 + special.erf(0.5 * x - 0.2)) / 3.0)


def _susceptibility(x: FloatArray) -> FloatArray:
    # exp(0.3 x)/cosh(x) as logarithms, which do not overflow: the peak is at atanh(0.3).
    return np.asarray(np.exp(0.3 * x + np.log(2.0) - np.logaddexp(x, -x)))


def _non_monotonic(x: FloatArray) -> FloatArray:
    return np.asarray(2.0 / 3.0 * special.expit(x) - 0.4 * np.exp(-0.5 * (x + 1.5) ** 2))


#: Master curves f0 by name. The ordered side is x > 0. ``order_parameter`` is 1 + tanh(x/2);
#: ``binder`` rises from 0 to 2/3; ``susceptibility`` is a skew peak exp(0.3 x)/cosh(x);
#: ``non_monotonic`` dips below 0 before it rises to 2/3, like the Binder parameter of a Potts
#: model.
SHAPES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "order_parameter": _order_parameter,
    "binder": _binder,
    "susceptibility": _susceptibility,
    "non_monotonic": _non_monotonic,
}


def correction(x: npt.ArrayLike) -> FloatArray:
    """The correction :math:`f_1(x) = (1 + x/2)/(1 + x^2/4)`.

    Neither a multiple of a master curve nor of its derivative, so neither another amplitude nor
    another critical point can stand in for it.
    """
    x = np.asarray(x, dtype=np.float64)
    return np.asarray((1.0 + 0.5 * x) / (1.0 + 0.25 * x**2))


@dataclass(frozen=True)
class ScalingLaw:
    r"""What is planted in a table: the law of this module.

    `shape` is the master curve f0 in `SHAPES`, by default ``binder`` if zeta = 0, else
    ``order_parameter``; `amplitude` A and omega are those of the correction to scaling (the set's
    omega by default); `drift_amplitude` a and `drift_exponent` phi shift :math:`c_c(N) = c_c + a
    N^{-\phi}`. AnalysisError for an unknown shape, or a nu that is not positive.
    """

    exponents: ExponentSet
    shape: str | None = None
    amplitude: float = 0.0
    omega: float | None = None
    drift_amplitude: float = 0.0
    drift_exponent: float = 1.0

    def __post_init__(self) -> None:
        if self.shape is not None and self.shape not in SHAPES:
            raise AnalysisError(
                f"no master curve is called {self.shape!r}",
                remedy=f"take one of {', '.join(SHAPES)}",
            )
        if not self.exponents.nu > 0.0:
            raise AnalysisError(f"nu = {self.exponents.nu:g}", remedy="take nu > 0")

    def curve(self, size: npt.ArrayLike, control: npt.ArrayLike) -> FloatArray:
        """The observable without noise at (size, control), broadcast together."""
        known = self.exponents
        n, c = np.asarray(size, dtype=np.float64), np.asarray(control, dtype=np.float64)
        critical = known.c_c + self.drift_amplitude * n**-self.drift_exponent
        x = n ** (1.0 / known.nu) * (c - critical)
        shape = self.shape or ("binder" if known.zeta == 0.0 else "order_parameter")
        omega = known.omega if self.omega is None else self.omega
        scaled = SHAPES[shape](x) + self.amplitude * n**-omega * correction(x)
        return np.asarray(n ** (known.zeta / known.nu) * scaled)


def planted_table(
    law: ScalingLaw | str,
    sizes: Sequence[float],
    controls: Controls | None = None,
    *,
    noise: float = 0.01,
    relative: bool = True,
    correlation: float = 0.0,
    replicas: int | None = None,
    seed: int = 0,
) -> ScalingTable:
    """Data that obey a scaling law, with Gaussian noise of stated errors.

    A name of one of `EXPONENT_SETS` stands for its plain law. Controls are the same for all sizes
    or ragged; by default `scaled_grid` with 15 points. `noise` is the standard error of a value, in
    units of abs(y) if `relative`. With a `correlation` r neighbouring points of a size have r, k-th
    neighbours r^k, and the table carries its covariance. `replicas` gives so many Gaussian samples
    of each point, whose mean has the error that `noise` says; the table then states the error
    estimated from them. AnalysisError for an unknown set, noise that is not positive, a value of 0
    with relative noise, a correlation outside [0, 1) or together with replicas.

    >>> law = ScalingLaw(exponent_set("Ising 2-D"))
    >>> table = planted_table(law, (16, 32, 64), noise=0.002, seed=1)
    >>> deviation = table.values["y"] / law.curve(table.size, table.control) - 1
    >>> float(deviation.std().round(3))
    0.002
    """
    if isinstance(law, str):
        law = ScalingLaw(exponent_set(law))
    if not noise > 0.0:
        raise AnalysisError(f"noise = {noise:g}", remedy="take noise > 0")
    if not 0.0 <= correlation < 1.0 or (correlation and replicas is not None):
        raise AnalysisError(
            f"correlation = {correlation:g}", remedy="take 0 <= correlation < 1, without replicas"
        )
    known = law.exponents
    if controls is None:
        controls = scaled_grid(sizes, known.c_c, known.nu)
    size, control = flatten_grid(sizes, controls)
    exact = law.curve(size, control)
    errors = noise * np.abs(exact) if relative else np.full(exact.size, noise)
    if not np.all(errors > 0.0):
        raise AnalysisError("a value is 0, so its relative noise is", remedy="take relative=False")
    generator = np.random.default_rng([seed, 22])
    source = f"physbatch.exact.scaling_functions.planted, {known.name}, seed {seed}"
    if replicas is not None:
        luck = generator.standard_normal((exact.size, replicas)) * np.sqrt(replicas)
        return table_from_samples(
            size,
            control,
            {"y": exact[:, None] + errors[:, None] * luck},
            size_name=known.dimension,
            dimension=known.dimension,
            source=source,
        )
    # r^k between k-th neighbours of one size, 0 between sizes.
    apart = np.abs(np.subtract.outer(np.arange(size.size), np.arange(size.size)))
    matrix = np.where(size[:, None] == size, np.float64(correlation) ** apart, 0.0)
    values = exact + errors * (np.linalg.cholesky(matrix) @ generator.standard_normal(exact.size))
    return ScalingTable(
        size,
        control,
        {"y": values},
        {"y": errors},
        {"y": matrix * np.outer(errors, errors)} if correlation else {},
        size_name=known.dimension,
        dimension=known.dimension,
        source=source,
    )
