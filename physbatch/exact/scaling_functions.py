r"""Planted scaling data: observables that obey a scaling law with chosen exponents.

.. math:: y_N(c) = N^{\zeta/\nu} \left[ f_0(x) + A N^{-\omega} f_1(x) \right] + \text{noise},
          \qquad x = N^{1/\nu} (c - c_c(N)), \qquad c_c(N) = c_c + a N^{-\phi}

with size N (a volume or a linear size: nu refers to it) and control c. The errors that a table
states are those with which its noise was drawn, so a fit can be judged by its chi-squared and
its intervals by their coverage.
"""

from __future__ import annotations

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

__all__ = [
    "SHAPES",
    "ExponentSet",
    "Truth",
    "correction",
    "exponent_set",
    "exponent_sets",
    "planted",
]


@dataclass(frozen=True)
class ExponentSet:
    """Exponents and critical point of one universality class, with a reference.

    Attributes
    ----------
    name : str
    nu, zeta : float
        :math:`y = N^{\\zeta/\\nu} f(N^{1/\\nu} (c - c_c))`; zeta is -beta for an order parameter.
    c_c : float
        Critical control (a probability or an inverse temperature).
    omega : float
        Exponent of the leading correction to scaling.
    dimension : {"N", "L"}
        Whether nu refers to volumes or to linear sizes.
    reference : str
    """

    name: str
    nu: float
    zeta: float
    c_c: float
    omega: float
    dimension: Literal["N", "L"]
    reference: str


@dataclass(frozen=True)
class Truth:
    """What was planted in a table.

    Attributes
    ----------
    c_c, nu, zeta : float
        Critical control and exponents.
    omega, amplitude : float
        Exponent and amplitude A of the correction to scaling; no correction if A = 0.
    drift_amplitude, drift_exponent : float
        a and phi of :math:`c_c(N) = c_c + a N^{-\\phi}`.
    shape : str
        Name of the master curve f0 in `SHAPES`.
    dimension : {"N", "L"}
        What nu refers to.
    """

    c_c: float
    nu: float
    zeta: float
    omega: float
    amplitude: float
    drift_amplitude: float
    drift_exponent: float
    shape: str
    dimension: Literal["N", "L"]

    def curve(self, size: npt.ArrayLike, control: npt.ArrayLike) -> FloatArray:
        """The observable without noise at (size, control), broadcast together.

        Examples
        --------
        >>> _, truth = planted((8, 16), (0.5, 0.6), "percolation 2-D")
        >>> float(truth.curve(10**6, truth.c_c).round(6))  # N^(-5/48) tanh-like f0(0) = 1
        0.237137
        """
        n, c = np.asarray(size, dtype=np.float64), np.asarray(control, dtype=np.float64)
        critical = self.c_c + self.drift_amplitude * n**-self.drift_exponent
        x = n ** (1.0 / self.nu) * (c - critical)
        scaled = SHAPES[self.shape](x) + self.amplitude * n**-self.omega * correction(x)
        return np.asarray(n ** (self.zeta / self.nu) * scaled)


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
    r"""The correction :math:`f_1(x) = (1 + x/2)/(1 + x^2/4)`.

    Neither a multiple of a master curve nor of its derivative, so neither another amplitude
    nor another critical point can stand in for it.

    Examples
    --------
    >>> float(correction(0.0))
    1.0
    """
    x = np.asarray(x, dtype=np.float64)
    return np.asarray((1.0 + 0.5 * x) / (1.0 + 0.25 * x**2))


def exponent_sets() -> tuple[ExponentSet, ...]:
    """The five sets of exponents on which the scaling estimators are tested.

    Examples
    --------
    >>> [one.name for one in exponent_sets()]
    ['percolation 2-D', 'Ising 2-D', 'mean field', 'Potts q=3 2-D', 'planted']
    """
    return (
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


def exponent_set(name: str) -> ExponentSet:
    """One of `exponent_sets` by its name.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a name that is not among them.

    Examples
    --------
    >>> exponent_set("mean field").nu
    2.0
    """
    sets = {one.name: one for one in exponent_sets()}
    if name not in sets:
        raise AnalysisError(
            f"no set of exponents is called {name!r}", remedy=f"take one of {', '.join(sets)}"
        )
    return sets[name]


def planted(
    sizes: Sequence[float],
    controls: Controls | None = None,
    exponents: ExponentSet | str = "planted",
    *,
    shape: str | None = None,
    noise: float = 0.01,
    relative: bool = True,
    amplitude: float = 0.0,
    omega: float | None = None,
    drift_amplitude: float = 0.0,
    drift_exponent: float = 1.0,
    correlation: float = 0.0,
    replicas: int | None = None,
    observable: str = "y",
    seed: int = 0,
) -> tuple[ScalingTable, Truth]:
    r"""Data that obey the scaling law of this module, with Gaussian noise of stated errors.

    Parameters
    ----------
    sizes : sequence of float
        N.
    controls : array_like or mapping of size to array_like, optional
        c, the same for all sizes or ragged; by default `scaled_grid` with 15 points.
    exponents : ExponentSet or str
        One of `exponent_sets`, by name, or any other.
    shape : str, optional
        Master curve f0 in `SHAPES`; by default ``binder`` if zeta = 0, else
        ``order_parameter``.
    noise : float
        Standard error of a value, in units of abs(y) if `relative`, else in units of y.
    relative : bool
        See `noise`.
    amplitude, omega : float
        Amplitude A and exponent of the correction to scaling (the set's omega by default).
    drift_amplitude, drift_exponent : float
        a and phi of the drift of c_c(N).
    correlation : float
        Correlation r of neighbouring points of a size, r^k of k-th neighbours; the table then
        carries its covariance.
    replicas : int, optional
        Give so many Gaussian samples of each point, whose mean has the error that `noise`
        says; the table then states the error estimated from them.
    observable : str
        Name of the observable in the table.
    seed : int
        The same seed gives the same bits.

    Returns
    -------
    table : ScalingTable
    truth : Truth

    Raises
    ------
    physbatch.errors.AnalysisError
        For an unknown shape or set, noise that is not positive, a value of 0 with relative
        noise, a correlation outside [0, 1) or together with replicas.

    Examples
    --------
    >>> table, truth = planted((16, 32, 64), exponents="Ising 2-D", noise=0.002, seed=1)
    >>> deviation = table.values["y"] / truth.curve(table.size, table.control) - 1
    >>> float(deviation.std().round(3))
    0.002
    """
    if isinstance(exponents, str):
        exponents = exponent_set(exponents)
    truth = Truth(
        exponents.c_c,
        exponents.nu,
        exponents.zeta,
        exponents.omega if omega is None else omega,
        amplitude,
        drift_amplitude,
        drift_exponent,
        shape or ("binder" if exponents.zeta == 0.0 else "order_parameter"),
        exponents.dimension,
    )
    _check_planted(truth, noise, correlation, replicas)
    if controls is None:
        controls = scaled_grid(sizes, truth.c_c, truth.nu)
    size, control = flatten_grid(sizes, controls)
    exact = truth.curve(size, control)
    errors = noise * np.abs(exact) if relative else np.full(exact.size, noise)
    if not np.all(errors > 0.0):
        raise AnalysisError("a value is 0, so its relative noise is", remedy="take relative=False")
    generator = np.random.default_rng([seed, 22])
    source = f"physbatch.exact.scaling_functions.planted, {exponents.name}, seed {seed}"
    if replicas is not None:
        luck = generator.standard_normal((exact.size, replicas)) * np.sqrt(replicas)
        table = table_from_samples(
            size,
            control,
            {observable: exact[:, None] + errors[:, None] * luck},
            size_name=truth.dimension,
            dimension=truth.dimension,
            source=source,
        )
        return table, truth
    matrix = _neighbour_correlation(size, correlation)
    values = exact + errors * (np.linalg.cholesky(matrix) @ generator.standard_normal(exact.size))
    covariance = {observable: matrix * np.outer(errors, errors)} if correlation else {}
    table = ScalingTable(
        size,
        control,
        {observable: values},
        {observable: errors},
        covariance,
        size_name=truth.dimension,
        dimension=truth.dimension,
        source=source,
    )
    return table, truth


def _neighbour_correlation(size: FloatArray, correlation: float) -> FloatArray:
    """r^k between k-th neighbours of one size, 0 between sizes."""
    place = np.arange(size.size)
    powers = np.float64(correlation) ** np.abs(np.subtract.outer(place, place))
    return np.where(size[:, None] == size, powers, 0.0)


def _check_planted(truth: Truth, noise: float, correlation: float, replicas: int | None) -> None:
    if truth.shape not in SHAPES:
        raise AnalysisError(
            f"no master curve is called {truth.shape!r}", remedy=f"take one of {', '.join(SHAPES)}"
        )
    if not noise > 0.0 or not truth.nu > 0.0:
        raise AnalysisError(f"noise = {noise:g}, nu = {truth.nu:g}", remedy="take both > 0")
    if not 0.0 <= correlation < 1.0 or (correlation and replicas is not None):
        raise AnalysisError(
            f"correlation = {correlation:g}", remedy="take 0 <= correlation < 1, without replicas"
        )
