"""Rival forms: what else than the power law that was asked for would describe the data.

Two rivals have parameters of the same names, and are mixed into what is stated with their evidence:
a critical control that drifts more slowly than N^(-1/nu), which is no correction within the scaling
function, since it moves x without bound; and a factor (ln N)^p, which a power of N resembles. The
third, of Kosterlitz and Thouless, has no nu: where it cannot be excluded, that must be said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.starts import Optima, global_optima
from physbatch.scaling.data_collapse.total.likelihood import FLAT, HYPERPARAMETERS
from physbatch.scaling.data_collapse.total.nodes import (
    Node,
    Start,
    highest,
    log_sum,
    nodes_beyond,
    nodes_of,
)
from physbatch.scaling.data_collapse.total.objective import Corrected

Priors = Mapping[str, tuple[float, float]]

#: Prior of the drift: its size in ranges of the controls, ln(phi nu) and the width of that.
_SHIFT = 0.1
_LOG_PHI = math.log(0.6)
_LOG_PHI_WIDTH = 0.5
#: The same where the form that was asked for has a drift, about phi = 1.
_WIDE_SHIFT = 1.0
_WIDE_LOG_PHI = 1.0
#: Prior of the power p of a logarithm.
_LOGARITHM = 0.5
#: Prior of ln ln(N_min/L0) in the form of Kosterlitz and Thouless.
_LENGTH = (math.log(1.6), 1.0)
#: ln of the prior odds of a rival form.
_LOG_ODDS = {"drift": -3.5, "log": -3.0}
#: A form whose plain fit is so many nats worse need not be fitted with corrections.
_HOPELESS = 30.0


def drift_priors(form: ScalingForm) -> dict[str, tuple[float, float]]:
    """Weak priors of the parameters of a drift that is part of the form."""
    priors = {"shift": (0.0, _WIDE_SHIFT), "phi": (0.0, _WIDE_LOG_PHI)}
    return {name: prior for name, prior in priors.items() if name in form.names}


def rivalled(form: ScalingForm, kinds: tuple[str, ...] = ("power",)) -> bool:
    """Whether a form has rivals: the power law with c_c and nu free."""
    return form.kind in kinds and not form.drift and {"c_c", "nu"} <= set(form.names)


def mixed_rivals(nodes: Sequence[Node]) -> list[Node]:
    """Fits of all points with other forms, which are mixed in; weights with odds.

    For a power law a drift of c_c and a factor (ln N)^p, for the form of Kosterlitz and Thouless a
    line of critical points.
    """
    best = max(nodes, key=lambda node: node.log_weight)
    if best.objective.form.kind.startswith("kt"):
        return _critical_line(best, nodes)
    if not rivalled(best.objective.form):
        return []
    alike = [node for node in nodes if node.objective.logarithmic == best.objective.logarithmic]
    return [
        *_with_odds("drift", _drifting(best, alike), nodes),
        *_with_odds("log", _logarithmic(best, alike), nodes),
    ]


def _with_odds(kind: str, rivals: Sequence[Node], nodes: Sequence[Node]) -> list[Node]:
    """The fits of a rival; what speaks for it counts twice, up to even odds.

    Corrections to scaling imitate a drift and a logarithm so well that data of one decade of sizes
    prefer the true one of these by a nat or two only.
    """
    gain = log_sum(rivals) - log_sum(nodes)
    odds = min(0.0, _LOG_ODDS[kind] + max(0.0, gain))
    return [
        node._replace(log_weight=node.log_weight + odds, log_prior=odds, rival=kind)
        for node in rivals
    ]


def _drifting(best: Node, alike: Sequence[Node]) -> list[Node]:
    table, known = best.objective.table, best.objective.form
    form = make_form(table, known.observables, fixed=known.fixed, corrections=False, drift=True)
    log_phi = float(best.vector[known.names.index("nu")]) + _LOG_PHI
    wider = _Wider(best.objective, form, {"shift": (0.0, _SHIFT), "phi": (log_phi, _LOG_PHI_WIDTH)})
    # Fits without a drift may lie on another hill than those with one, so both are begun from.
    begin = wider.start(best).vector
    begin[form.names.index("shift")] = 0.1 * _SHIFT
    return highest([*nodes_of(wider.objective, begin), *wider.fits(alike)])


def _logarithmic(best: Node, alike: Sequence[Node]) -> list[Node]:
    table, known = best.objective.table, best.objective.form
    if not any(name.startswith("zeta") for name in known.names):
        return []
    form = make_form(table, known.observables, form="log", fixed=known.fixed)
    powers = [name for name in form.names if name not in known.names]
    wider = _Wider(best.objective, form, dict.fromkeys(powers, (0.0, _LOGARITHM)))
    return list(wider.fits(alike))


def _critical_line(best: Node, nodes: Sequence[Node]) -> list[Node]:
    """A curve that is constant but for the corrections in 1/ln L, which are large.

    That is what the flow of Kosterlitz says of a line of critical points, and what a likelihood of
    data from far above it gives up first. So both have the same weight.
    """
    flat = best.objective.on(best.objective.grounds._replace(flat=True))
    begin = best.vector.copy()
    begin[flat.exponents :: len(HYPERPARAMETERS)] = FLAT[0]
    fits = list(nodes_of(flat, begin))
    odds = log_sum(nodes) - log_sum(fits)
    return [
        node._replace(log_weight=node.log_weight + odds, log_prior=odds, rival="line")
        for node in fits
    ]


class _Wider:
    """A form that contains another one, in the same units."""

    def __init__(self, known: Corrected, form: ScalingForm, priors: Priors) -> None:
        grounds = known.grounds
        self.priors, self.names = priors, form.names
        self.objective = known.on(grounds._replace(form=form, priors={**grounds.priors, **priors}))
        extra = len(self.objective.bounds) - len(form.names)
        curves = range(len(form.names), len(form.names) + extra)
        self.at = [*(form.names.index(name) for name in known.form.names), *curves]

    def fits(self, alike: Sequence[Node]) -> Iterator[Node]:
        """Begun from fits with the narrower form."""
        return nodes_beyond(self.objective, alike, self.start)

    def start(self, node: Node) -> Start:
        """From a fit with the narrower form; what that does not have is as a priori."""
        count = len(self.objective.bounds)
        vector, covariance = np.zeros(count), np.zeros((count, count))
        for name, (mean, deviation) in self.priors.items():
            row = self.names.index(name)
            vector[row], covariance[row, row] = mean, deviation**2
        vector[self.at] = node.vector
        covariance[np.ix_(self.at, self.at)] = node.covariance
        return Start(vector, covariance)


def kosterlitz_thouless(nodes: Sequence[Node], optima: Optima) -> float:
    """ln of the evidence of the form of Kosterlitz and Thouless over that of the power law.

    -inf where it is out of the question.

    Parameters
    ----------
    nodes : sequence of Node
        The fits of all points with the power law, or with a logarithm besides.
    optima : Optima
        Where the plain power law has led.
    """
    objective = nodes[0].objective
    grounds = objective.grounds
    if not rivalled(grounds.form, ("power", "log")):
        return -math.inf
    form = make_form(grounds.table, grounds.form.observables, form="kt").without_corrections()
    plain = global_optima(form, grounds.table)
    points = len(grounds.table.size)
    # Densities are per unit of the values, and each form has its own unit.
    units = points * float(np.log(np.array(grounds.units) / np.array(plain.units)).sum())
    if not plain.best.value + units > optima.best.value - _HOPELESS:
        return -math.inf
    rival = grounds._replace(form=form, units=plain.units, priors={"L0": _LENGTH})
    kind = max(nodes, key=lambda node: node.log_weight).objective.logarithmic
    corrected = Corrected(rival, grounds.table, kind)
    fits = list(nodes_of(corrected, corrected.start(plain.best.vector)))
    same = [node for node in nodes if node.objective.logarithmic == kind]
    return log_sum(fits) + units - log_sum(same) if fits else -math.inf
