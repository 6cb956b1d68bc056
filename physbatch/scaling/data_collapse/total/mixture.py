"""The total error: fits with corrections to scaling, over forms and windows, as one mixture.

Two mixtures are made. The first takes all points and weighs every correction, and the two forms
(for y and for ln y), by its evidence. The second adds windows, without the smallest sizes and
without the half of the points far from c_c, by the rule of Jay and Neil (arXiv 2008.01069): a point
that is left out counts as one that is fitted as well as a point can be, and pays for it,

.. math:: \\ln W = \\ln Z + \\sum_{\\mathrm{left\\ out}} [-\\ln(\\sqrt{2\\pi}\\,e_i) - 1].

What is stated is the mean of the two; half of their difference is part of the error. The form
without corrections is in neither: data cannot tell corrections that are absent from those that
hide, so its evidence would make errors too small where it matters. On data that obey the plain
form exactly the total error is therefore about twice as large as it needs to be.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.total.nodes import Node, log_sum, nodes_of
from physbatch.scaling.data_collapse.total.objective import Corrected, Grounds, takes_logarithms
from physbatch.typing import BoolArray, FloatArray

#: A window keeps at least so many sizes, and points of each.
_LEAST_SIZES = 3
_LEAST_POINTS = 3
#: Weight of a rival form from which windows are fitted with it too.
_RIVAL_MATTERS = 0.1
#: Forms that are so many nats worse for all points are not fitted in windows.
_FAR_WORSE = 10.0
#: The third size is the smallest of a window where so many remain.
_LEAST_BEYOND_SECOND = 5


class Moments(NamedTuple):
    """Mean and standard deviation of a number in a mixture."""

    value: float
    total: float


class CutFit(NamedTuple):
    """What a window says by itself, and its weight among all.

    Attributes
    ----------
    size_min : float
        Its smallest size.
    fraction : float
        1, or 0.5 where the points far from c_c are left out.
    weight : float
        Sum of the weights of its fits; all of them make 1.
    moments : mapping
        Of each parameter.
    """

    size_min: float
    fraction: float
    weight: float
    moments: Mapping[str, Moments]


class Total(NamedTuple):
    """What is stated of a collapse.

    Attributes
    ----------
    moments : mapping of name to Moments
        Of the free parameters, and ``ZETA/nu`` of every zeta.
    cuts : tuple of CutFit
        The windows.
    nodes : list of Node
        The fits of all points; the best is the one of largest weight.
    rivals : mapping
        Weight of each rival form among the fits in all windows.
    """

    moments: Mapping[str, Moments]
    cuts: tuple[CutFit, ...]
    nodes: list[Node]
    rivals: Mapping[str, float]

    @property
    def best(self) -> Node:
        """The fit of all points of largest weight."""
        return max(self.nodes, key=lambda node: node.log_weight)


# --- one mixture ------------------------------------------------------------------------


def _quantities(form: ScalingForm, vector: FloatArray) -> dict[str, float]:
    """The free parameters in physical units, and every zeta over nu."""
    values = form.exponents(vector[: len(form.names)])
    stated = {name: values[name] for name in form.names}
    for name, value in values.items():
        if name.startswith("zeta") and "nu" in values:
            stated[f"{name}/nu"] = value / values["nu"]
    return stated


def _with_variances(node: Node) -> dict[str, tuple[float, float]]:
    """Values and variances of the quantities of a fit."""
    form = node.objective.form
    count = len(form.names)
    values = _quantities(form, node.vector)
    slopes = np.empty((len(values), count))
    for column in range(count):
        step = np.zeros(count)
        step[column] = 1e-6 * max(1.0, abs(float(node.vector[column])))
        high, low = (_quantities(form, node.vector[:count] + sign * step) for sign in (1, -1))
        slopes[:, column] = [(high[name] - low[name]) / (2 * step[column]) for name in values]
    variances = np.einsum("ij,jk,ik->i", slopes, node.covariance[:count, :count], slopes)
    return {name: (values[name], float(x)) for name, x in zip(values, variances, strict=True)}


def moments_of(nodes: Sequence[Node]) -> dict[str, Moments]:
    """Mean and standard deviation of every quantity of the first form, in a mixture of normals."""
    log_weights = np.array([node.log_weight for node in nodes])
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    each = [_with_variances(node) for node in nodes]
    out = {}
    for name in each[0]:
        rows = [(w, *stated[name]) for w, stated in zip(weights, each, strict=True)]
        w, value, variance = np.array(rows).T
        mean = float(w @ value)
        out[name] = Moments(mean, math.sqrt(float(w @ (variance + (value - mean) ** 2))))
    return out


# --- windows ----------------------------------------------------------------------------


def _kinds(grounds: Grounds) -> list[tuple[bool, ...]]:
    """Which observables are taken by their logarithms: none, or all that may be."""
    # A background adds to y, so ln y has none that is linear; and the logarithm is taken once.
    form, table = grounds.form, grounds.table
    plain = form.logarithm or form.free_terms(table).shape[1] > 0
    able = tuple(not plain and takes_logarithms(table, name) for name in form.observables)
    return [tuple(False for _ in able), able] if any(able) else [able]


def _cuts(grounds: Grounds, best: Node) -> Iterator[tuple[float, float, BoolArray]]:
    """Smallest size, fraction and points of every window but the whole."""
    table, form = grounds.table, grounds.form
    sizes = table.sizes
    smallest = [sizes[0]]
    smallest += [sizes[1]] if len(sizes) > _LEAST_SIZES else []
    smallest += [sizes[2]] if len(sizes) >= _LEAST_BEYOND_SECOND + 2 else []
    # Near c_c alone the length of a logarithm and c_c cannot be told apart.
    fractions = (1.0,) if form.kind.startswith("kt") else (1.0, 0.5)
    x = np.abs(form.rescale(best.vector[: len(form.names)], table, form.observables[0]).x)
    for size_min, fraction in product(smallest, fractions):
        keep = table.size >= size_min
        if fraction < 1:
            keep &= x <= np.quantile(x[keep], fraction)
        counts = [int((keep & (table.size == size)).sum()) for size in sizes[sizes >= size_min]]
        if not keep.all() and min(counts) >= _LEAST_POINTS:
            yield float(size_min), fraction, keep


def _price(grounds: Grounds, left_out: BoolArray, log_noise: FloatArray) -> float:
    """ln of the weight that a window has for the points that it leaves out.

    For points that move together the sum over points is that over the modes of their noise.
    """
    price = 0.0
    part = grounds.table.select(left_out)
    for row, noise in enumerate(log_noise):
        covariance = grounds.noise_covariance(part, row) * math.exp(2 * float(noise))
        log_determinant = float(np.linalg.slogdet(2 * math.pi * covariance)[1])
        price -= 0.5 * log_determinant + len(part.size)
    return price


def whole_nodes(grounds: Grounds, begin: FloatArray) -> list[Node]:
    """The fits of all points, in both forms; `begin` is the vector of a plain fit with a nugget."""
    nodes: list[Node] = []
    for kind in _kinds(grounds):
        objective = Corrected(grounds, grounds.table, kind)
        nodes += nodes_of(objective, objective.start(begin))
    return nodes


def total_of(nodes: list[Node], rivals: Sequence[Node] = ()) -> Total:
    """The stated values and total errors.

    Parameters
    ----------
    nodes : list of Node
        The fits of all points.
    rivals : sequence of Node
        Those of all points with another form, which have parameters of the same names; windows are
        fitted with it where it matters.
    """
    best = max([*nodes, *rivals], key=lambda node: node.log_weight)
    grounds = nodes[0].objective.grounds
    every = [*nodes, *rivals]
    whole = moments_of(every)
    shares = _shares(every)
    leaders = _leaders([n for n in every if not n.rival or shares[n.rival] > _RIVAL_MATTERS])
    fits_by_cut = [(float(grounds.table.sizes[0]), 1.0, every)]
    for size_min, fraction, keep in _cuts(grounds, best):
        price = _price(grounds, ~keep, best.log_noise)
        fits = [
            node._replace(
                log_weight=node.log_weight + price + leader.log_prior,
                log_prior=leader.log_prior,
                rival=leader.rival,
            )
            for leader in leaders
            for node in nodes_of(leader.objective.of(grounds.table.select(keep)), leader.vector)
        ]
        if fits:
            fits_by_cut.append((size_min, fraction, fits))
    all_fits = [node for *_, fits in fits_by_cut for node in fits]
    cut = moments_of(all_fits)
    stated = {name: _between(whole[name], cut[name]) for name in whole}
    return Total(stated, _cut_fits(fits_by_cut), every, _shares(all_fits))


def _shares(nodes: Sequence[Node]) -> dict[str, float]:
    """Weight of each rival form among some fits."""
    every = log_sum(nodes)
    kinds = {node.rival for node in nodes if node.rival}
    return {
        kind: math.exp(log_sum(node for node in nodes if node.rival == kind) - every)
        for kind in sorted(kinds)
    }


def _leaders(nodes: Sequence[Node]) -> list[Node]:
    """The best fit of every form: for y, for ln y, and those of rivals; none that is far worse."""
    kinds: dict[tuple[tuple[bool, ...], str], Node] = {}
    for node in nodes:
        kind = (node.objective.logarithmic, node.rival)
        if kind not in kinds or node.log_weight > kinds[kind].log_weight:
            kinds[kind] = node
    best = max(node.log_weight for node in nodes)
    return [leader for leader in kinds.values() if leader.log_weight > best - _FAR_WORSE]


def _cut_fits(fits_by_cut: Sequence[tuple[float, float, list[Node]]]) -> tuple[CutFit, ...]:
    heights = [log_sum(fits) for *_, fits in fits_by_cut]
    every = float(np.logaddexp.reduce(heights))
    return tuple(
        CutFit(
            size_min,
            fraction,
            math.exp(height - every),
            moments_of(fits),
        )
        for (size_min, fraction, fits), height in zip(fits_by_cut, heights, strict=True)
    )


def _between(whole: Moments, cut: Moments) -> Moments:
    """The mean of two mixtures; half of their difference is part of the error."""
    variance = 0.5 * (whole.total**2 + cut.total**2) + 0.25 * (whole.value - cut.value) ** 2
    return Moments(0.5 * (whole.value + cut.value), math.sqrt(variance))
