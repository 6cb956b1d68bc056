"""Fits on a grid of corrections to scaling, each with its evidence.

The exponent omega of the corrections and their strength B are not fitted: the data say little about
them, and where they say most the likelihood is skew. Each is summed over a grid, with the evidence
of the fit there (Laplace's approximation) as weight.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.optimum import climb, curvature, nearby_optimum, newton
from physbatch.scaling.data_collapse.total.objective import STRENGTH, Corrected
from physbatch.typing import FloatArray

#: omega nu: the same for linear sizes and for volumes.
POWERS = (0.5, 1.0, 2.0)
#: B, in units of the spread of the values, or of the logarithms, where `STRENGTH` is its prior.
STRENGTHS = (0.01, 0.04, 0.16, 0.64)
#: Priors: ln(omega nu) is normal with this width, B half-normal.
_POWER_WIDTH = 0.5
#: A peak of the evidence is narrow where a neighbour is so many nats below.
_NARROW = 3.0
_REFINEMENTS = 4
#: A fit is one thousandth of a sigma from its top.
_NEAR = 1e-3


class Start(NamedTuple):
    """Where a fit begins, and about what covariance it will find there."""

    vector: FloatArray
    covariance: FloatArray


class Node(NamedTuple):
    """A fit with corrections of a given size.

    Attributes
    ----------
    objective : Corrected
        What was fitted.
    vector, covariance : ndarray
        The optimum and the inverse curvature there.
    log_weight : float
        ln of evidence times prior.
    power : float
        omega nu, with the nu that the grid took.
    log_prior : float
        ln of the prior of the form, which is part of `log_weight`.
    rival : str
        Which rival of the form that was asked for it fits, if it does.
    """

    objective: Corrected
    vector: FloatArray
    covariance: FloatArray
    log_weight: float
    power: float = 1.0
    log_prior: float = 0.0
    rival: str = ""

    @property
    def log_noise(self) -> FloatArray:
        """ln g of each observable: by how much its errors are too small."""
        return self.objective.noise(self.vector)


def node_at(objective: Corrected, begin: FloatArray, inverse: FloatArray | None) -> Node | None:
    """The optimum near a vector; None where there is none."""
    if inverse is None:
        optimum = newton(objective, climb(objective, begin, steps=100))[0]
    else:
        optimum = nearby_optimum(objective, begin, inverse)
    vector = optimum.vector
    value, slope = objective(vector)
    if not math.isfinite(value):
        return None
    bend = curvature(objective, vector)
    if not np.isfinite(bend).all():
        return None
    strength, modes = np.linalg.eigh(bend)
    if strength.min() <= 0:
        return None
    along = modes.T @ slope
    if float(along**2 @ (1 / strength)) > _NEAR:
        return None
    log_volume = 0.5 * (len(vector) * math.log(2 * math.pi) - float(np.log(strength).sum()))
    covariance = (modes / strength) @ modes.T
    return Node(objective, vector, covariance, value + log_volume)


def log_sum(nodes: Iterable[Node]) -> float:
    """ln of the sum of the weights of some fits."""
    return float(np.logaddexp.reduce([node.log_weight for node in nodes], initial=-math.inf))


def _log_prior(power: float, strength: float) -> float:
    """Of a node of the grid, whose steps are equal in the logarithms; B in units of its prior."""
    return math.log(strength) - 0.5 * strength**2 - 0.5 * (math.log(power) / _POWER_WIDTH) ** 2


def nodes_of(objective: Corrected, begin: FloatArray) -> Iterator[Node]:
    """Fits on the grid of corrections that have converged.

    The first climb is without corrections; where they are all of the curve it is with strong ones.
    Each of the others starts where its neighbour ended. Where the evidence is a narrow peak between
    the nodes, the grid is made finer around it.
    """
    grounds = objective.grounds
    first = grounds.strength if grounds.flat else 0.0
    plain = node_at(objective.corrected(1.0, first), begin, None)
    start = begin if plain is None else plain.vector
    inverse = None if plain is None else plain.covariance
    inverse_nu = 1.0 / objective.form.exponents(start[: objective.exponents]).get("nu", 1.0)
    free = grounds.omega is None
    grid = _Grid(objective, free, inverse_nu if grounds.omega is None else grounds.omega)
    unit = grounds.strength / STRENGTH
    for power in POWERS if free else (1.0,):
        vector, known = start, inverse
        for strength in STRENGTHS[-1:1:-1] if grounds.flat else STRENGTHS:
            node = grid.add(power, strength * unit, vector, known)
            known = None if node is None else node.covariance
            vector = vector if node is None else node.vector
    grid.refine()
    return iter(grid.nodes.values())


def highest(nodes: Iterable[Node]) -> list[Node]:
    """Of fits with the same corrections the one of largest weight."""
    kept: dict[tuple[float, float], Node] = {}
    for node in nodes:
        pair = node.power, node.objective.strength
        if pair not in kept or node.log_weight > kept[pair].log_weight:
            kept[pair] = node
    return list(kept.values())


def nodes_beyond(
    objective: Corrected, known: Sequence[Node], widened: Callable[[Node], Start]
) -> Iterator[Node]:
    """Fits of a wider form, each begun where a fit with the same corrections has ended.

    Another start may lead to another hill, on which the wider form is worse than what it contains.

    Parameters
    ----------
    objective : Corrected
        The wider form.
    known : sequence of Node
        Fits of the form that it contains.
    widened : callable
        Gives the vector of the wider form for such a fit, and its covariance, about.
    """
    if not known:
        return iter(())
    free = objective.grounds.omega is None
    grid = _Grid(objective, free, known[0].objective.omega / known[0].power)
    for node in known:
        grid.add(node.power, node.objective.strength, *widened(node))
    grid.refine()
    return iter(grid.nodes.values())


class _Grid:
    """Fits by the power and the strength of their corrections."""

    def __init__(self, objective: Corrected, free: bool, unit: float) -> None:
        self.objective, self.free, self.unit = objective, free, unit
        self.nodes: dict[tuple[float, float], Node] = {}

    def add(
        self, power: float, strength: float, begin: FloatArray, inverse: FloatArray | None
    ) -> Node | None:
        """Fit with one more pair, omega = power times the unit."""
        node = node_at(self.objective.corrected(power * self.unit, strength), begin, inverse)
        if node is None:
            return None
        prior = _log_prior(power, strength / self.objective.grounds.strength)
        weight = node.log_weight + prior
        node = node._replace(log_weight=weight, power=power)
        self.nodes[power, strength] = node
        return node

    def refine(self) -> None:
        """Halve the steps around the best node until its neighbours are no longer far below."""
        steps = [2.0, 4.0]
        for _ in range(_REFINEMENTS):
            if not self.nodes:
                return
            steps = [math.sqrt(step) for step in steps]
            at = max(self.nodes, key=lambda pair: self.nodes[pair].log_weight)
            best = self.nodes[at]
            around = self._around(at, [step**2 for step in steps])
            if all(node.log_weight > best.log_weight - _NARROW for node in around):
                return
            for power, strength in _neighbours(at, steps, self.free):
                self.add(power, strength, best.vector, best.covariance)

    def _around(self, at: tuple[float, float], steps: Sequence[float]) -> list[Node]:
        pairs = _neighbours(at, steps, self.free)
        return [self.nodes[pair] for pair in pairs if pair in self.nodes]


def _neighbours(
    at: tuple[float, float], steps: Sequence[float], free: bool
) -> list[tuple[float, float]]:
    power, strength = at
    pairs = [(power, strength * steps[1]), (power, strength / steps[1])]
    return pairs + ([(power * steps[0], strength), (power / steps[0], strength)] if free else [])
