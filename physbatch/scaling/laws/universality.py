"""Known universality classes, what a measurement is compatible with, and exponent relations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import scipy

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.record import Record, result


class UniversalityClass(NamedTuple):
    """Exponents of a class, with errors; exact ones have the error 0.

    ``dimension`` is that of finite-size scaling: sizes per volume N have nu_N = nu_L times it.
    Above the upper critical dimension it stays there (fully connected systems, random graphs).
    gamma is that of the fluctuations of the order parameter, N var(q).
    """

    name: str
    dimension: int
    nu: Estimate  # per linear size
    beta: Estimate
    gamma: Estimate
    eta: Estimate
    omega: Estimate  # per linear size; nan: logarithms or not tabulated
    doi: str


def _e(value: float, stderr: float = 0.0) -> Estimate:
    return Estimate(value, stderr)


_NONE = Estimate(math.nan)

#: The table. Where a source gives other exponents, beta = nu (d - 2 + eta)/2 and
#: gamma = nu (2 - eta) with errors added in quadrature; for directed percolation
#: gamma = d nu - 2 beta and eta = 2 - gamma/nu.
CLASSES: tuple[UniversalityClass, ...] = (
    UniversalityClass(
        "2-D Ising", 2, _e(1.0), _e(1 / 8), _e(7 / 4), _e(1 / 4), _e(2.0),
        "10.1103/PhysRev.65.117",
    ),
    UniversalityClass(
        "2-D 3-state Potts", 2, _e(5 / 6), _e(1 / 9), _e(13 / 9), _e(4 / 15), _e(4 / 5),
        "10.1103/RevModPhys.54.235",
    ),
    UniversalityClass(
        "2-D 4-state Potts", 2, _e(2 / 3), _e(1 / 12), _e(7 / 6), _e(1 / 4), _NONE,
        "10.1103/RevModPhys.54.235",
    ),
    UniversalityClass(
        "2-D percolation", 2, _e(4 / 3), _e(5 / 36), _e(43 / 18), _e(5 / 24), _e(3 / 2),
        "10.1103/PhysRevE.83.020107",
    ),
    UniversalityClass(
        "3-D percolation", 3, _e(0.8764, 0.0012), _e(0.4181, 0.0006), _e(1.7930, 0.0025),
        _e(-0.0459, 0.0003), _e(1.2, 0.2), "10.1103/PhysRevE.87.052107",
    ),
    UniversalityClass(
        "3-D Ising", 3, _e(0.629971, 4e-6), _e(0.326419, 3e-6), _e(1.237075, 1e-5),
        _e(0.0362978, 2e-6), _e(0.82968, 0.00023), "10.1007/JHEP08(2016)036",
    ),
    UniversalityClass(
        "3-D XY", 3, _e(0.67169, 7e-5), _e(0.34864, 5e-5), _e(1.31779, 0.00015),
        _e(0.03810, 8e-5), _e(0.789, 0.004), "10.1103/PhysRevB.100.224517",
    ),
    UniversalityClass(
        "3-D Heisenberg", 3, _e(0.71164, 1e-4), _e(0.36928, 6e-5), _e(1.39635, 0.0002),
        _e(0.03784, 5e-5), _e(0.759, 0.002), "10.1103/PhysRevB.102.024406",
    ),
    UniversalityClass(
        "mean-field Ising", 4, _e(0.5), _e(0.5), _e(1.0), _e(0.0), _NONE,
        "10.1103/PhysRevB.31.1498",
    ),
    UniversalityClass(
        "mean-field percolation", 6, _e(0.5), _e(1.0), _e(1.0), _e(0.0), _NONE,
        "10.1016/0370-1573(79)90060-7",
    ),
    UniversalityClass(
        "mean-field directed percolation", 4, _e(0.5), _e(1.0), _e(0.0), _e(2.0), _NONE,
        "10.1080/00018730050198152",
    ),
    UniversalityClass(
        "directed percolation 1+1", 1, _e(1.096854, 4e-6), _e(0.276486, 8e-6),
        _e(0.543882, 1.7e-5), _e(1.504144, 1.6e-5), _NONE, "10.1088/0305-4470/32/28/304",
    ),
    UniversalityClass(
        "directed percolation 2+1", 2, _e(0.734, 0.004), _e(0.584, 0.004), _e(0.300, 0.012),
        _e(1.591, 0.016), _NONE, "10.1080/00018730050198152",
    ),
    UniversalityClass(
        "directed percolation 3+1", 3, _e(0.581, 0.005), _e(0.81, 0.01), _e(0.123, 0.025),
        _e(1.788, 0.043), _NONE, "10.1080/00018730050198152",
    ),
)  # fmt: skip


class Match(NamedTuple):
    """How far a measurement is from a class."""

    name: str
    pulls: dict[str, float]  # (measured - known) / error, by exponent
    p_value: float  # of the pulls in quadrature, taken as independent
    doi: str


@result("compatible classes")
@dataclass(frozen=True, eq=False, repr=False)
class Compatibility(Record):
    """The classes that a measurement does not exclude; the text never claims one."""

    matches: tuple[Match, ...]  # within the limit, best first
    excluded: tuple[Match, ...]
    sigma: float

    def __str__(self) -> str:
        tested = len(self.matches) + len(self.excluded)
        if not self.matches:
            return f"none of the {tested} tabulated classes is within {self.sigma:g} sigma"
        listed = ", ".join(f"{match.name} (p = {match.p_value:.2g})" for match in self.matches)
        return (
            f"not excluded at {self.sigma:g} sigma: {listed}; {tested} classes were tested, and "
            "others may be compatible too"
        )

    def __repr__(self) -> str:
        return f"Compatibility({self})"


def compatible(
    nu: Estimate,
    beta: Estimate | None = None,
    gamma: Estimate | None = None,
    eta: Estimate | None = None,
    omega: Estimate | None = None,
    *,
    size: Literal["N", "L"] = "L",
    dimension: int | None = None,
    sigma: float = 2.0,
) -> Compatibility:
    """List the known classes within some standard errors of measured exponents.

    Parameters
    ----------
    nu, beta, gamma, eta, omega : Estimate
        Measured exponents, taken as independent; their total error (statistical and
        systematic) is used, and that of the table is added.
    size : {"N", "L"}
        Whether nu and omega refer to the volume N or the linear size L.
    dimension : int, optional
        Compare with classes of this dimension alone.
    sigma : float
        The probability of a Gaussian beyond this many standard errors is the limit for the
        p-value of all exponents together.

    Returns
    -------
    Compatibility
        ``matches`` is empty where nothing fits, and holds every class that fits otherwise.

    Raises
    ------
    physbatch.errors.AnalysisError
        If an exponent has no value or no error: everything would be compatible.

    Examples
    --------
    >>> print(compatible(Estimate(1.33, 0.02), Estimate(0.14, 0.01)))
    not excluded at 2 sigma: 2-D percolation (p = 0.98); 14 classes were tested, and others \
may be compatible too
    >>> print(compatible(Estimate(0.95, 0.005)))
    none of the 14 tabulated classes is within 2 sigma
    """
    given = {"nu": nu, "beta": beta, "gamma": gamma, "eta": eta, "omega": omega}
    measured = {name: exponent for name, exponent in given.items() if exponent is not None}
    for name, exponent in measured.items():
        if not (
            math.isfinite(exponent.value) and math.isfinite(exponent.total) and exponent.total > 0.0
        ):
            raise AnalysisError(
                f"{name} = {exponent} cannot be compared", remedy="give a value with its error"
            )
    candidates = [c for c in CLASSES if dimension in (None, c.dimension)]
    tested = sorted((_match(c, measured, size) for c in candidates), key=lambda m: -m.p_value)
    limit = 2.0 * float(scipy.stats.norm.sf(sigma))
    return Compatibility(
        tuple(match for match in tested if match.p_value >= limit),
        tuple(match for match in tested if match.p_value < limit),
        sigma,
    )


def _match(known: UniversalityClass, measured: Mapping[str, Estimate], size: str) -> Match:
    volume = float(known.dimension if size == "N" else 1)
    factor = {"nu": volume, "omega": 1.0 / volume}
    pulls = {}
    for name, exponent in measured.items():
        listed: Estimate = getattr(known, name)
        scale = factor.get(name, 1.0)
        if math.isfinite(listed.value):
            error = math.hypot(exponent.total, listed.stderr * scale)
            pulls[name] = (exponent.value - listed.value * scale) / error
    chi2 = sum(pull**2 for pull in pulls.values())
    return Match(known.name, pulls, float(scipy.stats.chi2.sf(chi2, max(len(pulls), 1))), known.doi)


class Relation(NamedTuple):
    """An exponent relation: left side minus right side, in standard errors."""

    name: str
    difference: Estimate
    pull: float
    p_value: float  # two-sided, Gaussian


def check_relations(
    exponents: Mapping[str, Estimate],
    *,
    dimension: float | None = None,
    covariance: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Relation, ...]:
    r"""Check all exponent relations that the given exponents allow.

    Hyperscaling :math:`2\beta + \gamma = d\nu`, Josephson :math:`2 - \alpha = d\nu`, Rushbrooke
    :math:`\alpha + 2\beta + \gamma = 2` and Fisher :math:`\gamma = (2 - \eta)\nu`. Errors are
    propagated linearly.

    Parameters
    ----------
    exponents : mapping of name to Estimate
        Some of nu, beta, gamma, alpha, eta.
    dimension : float, optional
        d, if nu refers to the linear size; 1 if nu refers to the volume. Without it the
        relations that contain d are left out. Hyperscaling fails above the upper critical
        dimension, where d stays there.
    covariance : mapping of pairs of names to float, optional
        Covariances of exponents from one fit; those not given are 0.

    Returns
    -------
    tuple of Relation
        Those whose exponents are given: left minus right side with its error, the same in units
        of that error (pull; nan where an error is missing), and its two-sided p-value.

    References
    ----------
    Pelissetto and Vicari, Phys. Rep. 368 (2002) 549, doi 10.1016/S0370-1573(02)00219-3.

    Examples
    --------
    >>> known = {"nu": Estimate(1.0, 0.01), "beta": Estimate(0.125, 0.002)}
    >>> relation, = check_relations(known | {"gamma": Estimate(1.78, 0.01)}, dimension=2)
    >>> relation.name, round(relation.pull, 1)
    ('2 beta + gamma = d nu', 1.3)
    """
    e = {name: exponent.value for name, exponent in exponents.items()}
    nan = math.nan
    nu, alpha, eta = e.get("nu", nan), e.get("alpha", nan), e.get("eta", nan)
    d = nan if dimension is None else float(dimension)
    # Left minus right, and its derivative by every exponent.
    laws: tuple[tuple[str, float, dict[str, float]], ...] = (
        ("2 beta + gamma = d nu", 0.0, {"beta": 2.0, "gamma": 1.0, "nu": -d}),
        ("2 - alpha = d nu", 2.0, {"alpha": -1.0, "nu": -d}),
        ("alpha + 2 beta + gamma = 2", -2.0, {"alpha": 1.0, "beta": 2.0, "gamma": 1.0}),
        ("gamma = (2 - eta) nu", 0.0, {"gamma": 1.0, "eta": nu, "nu": eta - 2.0}),
    )
    relations = []
    for name, constant, slopes in laws:
        if not set(slopes) <= set(exponents) or (dimension is None and " d nu" in name):
            continue
        if "eta" in slopes:
            difference = e["gamma"] - (2.0 - eta) * nu
        elif name.startswith("2 - alpha"):
            difference = 2.0 - alpha - d * nu
        else:
            difference = constant + sum(slope * e[key] for key, slope in slopes.items())
        variance = _variance(slopes, exponents, covariance or {})
        stderr = math.sqrt(variance) if variance > 0.0 else nan
        interval = (difference - stderr, difference + stderr)
        pull = difference / stderr
        p_value = 2.0 * float(scipy.stats.norm.sf(abs(pull)))
        relations.append(Relation(name, Estimate(difference, stderr, 0.0, interval), pull, p_value))
    return tuple(relations)


def _variance(
    slopes: Mapping[str, float],
    exponents: Mapping[str, Estimate],
    covariance: Mapping[tuple[str, str], float],
) -> float:
    variance = sum((slope * exponents[name].total) ** 2 for name, slope in slopes.items())
    for (first, second), value in covariance.items():
        if first != second and first in slopes and second in slopes:
            variance += 2.0 * slopes[first] * slopes[second] * value
    return variance
