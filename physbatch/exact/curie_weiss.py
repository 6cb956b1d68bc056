r"""The Curie-Weiss Ising model: a continuous transition, summable exactly at any size.

N spins that all interact, H = -N mu^2/2: the magnetisation mu = (2k - N)/N has the law

.. math:: P(\mu) \propto \binom{N}{k} \exp(\beta N \mu^2/2), \qquad k = 0 \dots N

The transition is at beta_c = 1. With t = beta - 1, moments obey
:math:`\langle|\mu|^p\rangle = N^{-p/4} f_p(t N^{1/2})` up to corrections of relative order
N^(-1/2): per volume 1/nu = 1/2, beta/nu = 1/4 and omega = 1/2. Baxter, Exactly Solved Models in
Statistical Mechanics (1982), chapter 3; finite size: Botet, Jullien and Pfeuty,
doi 10.1103/PhysRevLett.49.478.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import integrate, optimize, special

from physbatch.errors import AnalysisError
from physbatch.exact.grids import Controls, flatten_grid, table_from_samples
from physbatch.exact.replicas import Labels, critical_grid, replica_coords, replica_dataset
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: U(beta_c) at infinite N, from the law exp(-y^4/12): 1 - G(5/4) G(1/4)/(3 G(3/4)^2).
CRITICAL_BINDER = float(
    1.0 - special.gamma(1.25) * special.gamma(0.25) / (3.0 * special.gamma(0.75) ** 2)
)
#: What `table` can give, all intensive but the susceptibility.
OBSERVABLES = ("magnetization", "second_moment", "fourth_moment", "binder", "susceptibility")

_POWERS = {"magnetization": 1.0, "second_moment": 2.0, "fourth_moment": 4.0}


def law(size: int, beta: float) -> tuple[FloatArray, FloatArray]:
    """Magnetisations and their probabilities, shape (N + 1,) each, for N >= 1 and a finite beta.

    >>> mu, probability = law(2, 0.0)
    >>> mu.tolist(), probability.round(6).tolist()
    ([-1.0, 0.0, 1.0], [0.25, 0.5, 0.25])
    """
    if size < 1 or not np.isfinite(beta):
        raise AnalysisError(f"size = {size:g}, beta = {beta:g}", remedy="take size >= 1")
    up = np.arange(size + 1, dtype=np.float64)
    mu = (2.0 * up - size) / size
    weight = -special.gammaln(up + 1.0) - special.gammaln(size - up + 1.0)
    weight += 0.5 * beta * size * mu**2
    probability = np.exp(weight - weight.max())
    return mu, probability / probability.sum()


def moment(size: int, beta: float, power: float = 1.0) -> float:
    r""":math:`\langle|\mu|^p\rangle`."""
    mu, probability = law(size, beta)
    return float(np.abs(mu) ** power @ probability)


def binder(size: int, beta: float) -> float:
    r"""Binder parameter :math:`U = 1 - \langle\mu^4\rangle/(3\langle\mu^2\rangle^2)`."""
    return 1.0 - moment(size, beta, 4.0) / (3.0 * moment(size, beta, 2.0) ** 2)


def susceptibility(size: int, beta: float) -> float:
    r""":math:`N(\langle\mu^2\rangle - \langle|\mu|\rangle^2)`."""
    return size * (moment(size, beta, 2.0) - moment(size, beta, 1.0) ** 2)


def observable_value(name: str, size: int, beta: float) -> float:
    """One of `OBSERVABLES` by its name; AnalysisError for another name."""
    if name in _POWERS:
        return moment(size, beta, _POWERS[name])
    if name == "binder":
        return binder(size, beta)
    if name == "susceptibility":
        return susceptibility(size, beta)
    raise AnalysisError(f"no observable {name!r}", remedy=f"take one of {', '.join(OBSERVABLES)}")


def scaling_function(x: float, power: float = 1.0) -> float:
    r"""Limit of :math:`N^{p/4}\langle|\mu|^p\rangle` at fixed :math:`x = t N^{1/2}`.

    .. math:: f_p(x) = \frac{\int_0^\infty y^p e^{x y^2/2 - y^4/12} dy}
                            {\int_0^\infty e^{x y^2/2 - y^4/12} dy}

    for p >= 0 and |x| up to a few tens.
    """
    peak = np.sqrt(max(3.0 * x, 0.0))
    top = 0.5 * x * peak**2 - peak**4 / 12.0
    end = peak + 12.0

    def integral(p: float) -> float:
        value, _ = integrate.quad(
            lambda y: y**p * np.exp(0.5 * x * y**2 - y**4 / 12.0 - top),
            0.0,
            end,
            points=[peak] if peak > 0.0 else None,
            limit=200,
            epsabs=0.0,
            epsrel=1e-11,
        )
        return float(value)

    return integral(power) / integral(0.0)


def crossing(size: int, factor: int = 2) -> float:
    """Inverse temperature at which the Binder parameters of N and factor N are equal, N >= 8.

    For factor 2 it is 1 + 1.48/N at N of some hundreds, and 1 + 1.50/N at large N.
    """
    if size < 8 or factor < 2:
        raise AnalysisError(f"size = {size}, factor = {factor}", remedy="take N >= 8, factor >= 2")

    def difference(beta: float) -> float:
        return binder(factor * size, beta) - binder(size, beta)

    # Bracketed well inside the scaling window, |t| of order N^(-1/2).
    half = 2.0 * size**-0.5
    return float(optimize.brentq(difference, 1.0 - half, 1.0 + half, xtol=1e-14))


def table(
    sizes: Sequence[int],
    betas: Controls,
    observable: str | Sequence[str] = "binder",
    noise: float = 1e-3,
    seed: int = 0,
    *,
    relative: bool = True,
) -> ScalingTable:
    """Exact values with a small Gaussian noise of stated errors.

    The noise, independent for different observables, is in units of the value if `relative`.
    Inverse temperatures are the same for all sizes, or ragged (`scaled_grid`). Sizes are volumes:
    nu = 2, zeta = -1/2 for ``magnetization``, -1 for ``second_moment``, 0 for ``binder``, 1 for
    ``susceptibility``. AnalysisError for noise that is not positive, an unknown observable or a bad
    grid.

    >>> data = table((64, 256), (0.9, 1.0, 1.1), "magnetization", noise=1e-6)
    >>> data.values["magnetization"].round(3).tolist()
    [0.249, 0.32, 0.43, 0.143, 0.227, 0.435]
    """
    if not noise > 0.0:
        raise AnalysisError(f"noise = {noise:g}", remedy="take noise > 0")
    names = [observable] if isinstance(observable, str) else list(observable)
    size, beta = flatten_grid(sizes, betas)
    generator = np.random.default_rng([seed, 31])
    values, errors = {}, {}
    for name in names:
        exact = np.array(
            [observable_value(name, int(n), float(b)) for n, b in zip(size, beta, strict=True)]
        )
        errors[name] = noise * np.abs(exact) if relative else np.full(exact.size, noise)
        if not np.all(errors[name] > 0.0):
            raise AnalysisError(f"{name} is 0 at a point", remedy="take relative=False")
        values[name] = exact + errors[name] * generator.standard_normal(exact.size)
    source = f"physbatch.exact.curie_weiss.table, seed {seed}"
    return ScalingTable(
        size, beta, values, errors, {}, {}, "N", "beta", dimension="N", source=source
    )


def sample(size: int, beta: float, replicas: int, generator: np.random.Generator) -> FloatArray:
    """Independent magnetisations mu from the law, signed, shape (n_replica,)."""
    mu, probability = law(size, beta)
    drawn = np.searchsorted(np.cumsum(probability), generator.random(replicas), side="right")
    # The cumulated probability may end at 1 - 1e-16.
    return np.asarray(mu[np.minimum(drawn, size)])


def sample_table(
    sizes: Sequence[int], betas: Controls, replicas: int = 1000, seed: int = 0
) -> ScalingTable:
    """Independent replicas at every point, as a simulation would give them.

    Observables ``magnetization`` (the mean of abs(mu)), ``second_moment`` and ``fourth_moment``,
    with samples.
    """
    size, beta = flatten_grid(sizes, betas)
    generator = np.random.default_rng([seed, 32])
    mu = np.array(
        [
            np.abs(sample(int(n), float(b), replicas, generator))
            for n, b in zip(size, beta, strict=True)
        ]
    )
    return table_from_samples(
        size,
        beta,
        {name: mu**power for name, power in _POWERS.items()},
        control_name="beta",
        source=f"physbatch.exact.curie_weiss.sample_table, seed {seed}",
    )


def sample_dataset(
    sizes: Sequence[int] = (50, 100, 200, 400),
    control: Sequence[float] | FloatArray | None = None,
    replicas: int = 64,
    *,
    signed: bool = False,
    seed: int = 0,
) -> xr.Dataset:
    r"""The same as a dataset of the schema, in which success means abs(mu) >= 1/2.

    The control is beta, by default :math:`|\beta - 1| N^{1/2} \le 4`. If `signed`, the overlap is
    mu, with two peaks of either sign below T_c, instead of abs(mu).
    """
    if control is None:
        control = critical_grid(sizes, 1.0, 0.5, (-4.0, 4.0))
    coords = replica_coords(sizes, control, replicas, (1.0,))
    generator = np.random.default_rng([seed, 44])
    mu = np.array(
        [
            [sample(int(n), float(b), replicas, generator) for b in coords["batch_size"]]
            for n in coords["size"]
        ]
    )[..., None]
    overlap, up = mu if signed else np.abs(mu), np.abs(mu) >= 0.5
    truth: dict[str, float | str] = {"planted_order": "continuous"}
    truth |= {"planted_m_c": 1.0, "planted_nu": 2.0}
    return replica_dataset(coords, overlap, up, Labels("Curie-Weiss model"), truth)
