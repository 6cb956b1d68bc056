"""Rival forms: what else than the form that was asked for would describe the data.

Two rivals have parameters of the same names, and are mixed into what is stated with their evidence:
a critical control that drifts more slowly than N^(-1/nu), which is no correction within the scaling
function, since it moves x without bound; and a factor (ln N)^p, which a power of N resembles. A
third has other exponents: that of Kosterlitz and Thouless for a power law, a power law for what is
none. Where it cannot be excluded, that must be said.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.formulas import FormulaForm, out_of_logarithms
from physbatch.scaling.data_collapse.forms.rival_forms import (
    growth,
    kosterlitz_thouless_form,
    power_form,
    power_like,
    with_drift,
    with_logarithm,
    x_is_free,
)
from physbatch.scaling.data_collapse.optimum import Objective, climb, hyper_names, newton
from physbatch.scaling.data_collapse.starts import Optima, coarse_table, global_optima
from physbatch.scaling.data_collapse.total.likelihood import FLAT, HYPERPARAMETERS
from physbatch.scaling.data_collapse.total.nodes import (
    Node,
    Start,
    highest,
    log_sum,
    nodes_beyond,
    nodes_of,
)
from physbatch.scaling.data_collapse.total.objective import Corrected, takes_logarithms
from physbatch.tables.table import ScalingTable

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


def mixed_rivals(nodes: Sequence[Node]) -> list[Node]:
    """Fits of all points with other forms, which are mixed in; weights with odds.

    For a power law a drift of c_c and a factor (ln N)^p, for the form of Kosterlitz and Thouless a
    line of critical points.
    """
    best = max(nodes, key=lambda node: node.log_weight)
    form = best.objective.form
    if form.kind.startswith("kt"):
        return _critical_line(best, nodes)
    if form.drift or not power_like(form):
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
    power = growth(known, best.vector, table)
    if "c_c" not in known.names or not power > 0:
        return []
    form, (shift, phi) = with_drift(known, table)
    about = (math.log(power) + _LOG_PHI, _LOG_PHI_WIDTH)
    wider = _Wider(best.objective, form, {shift: (0.0, _SHIFT), phi: about})
    # Fits without a drift may lie on another hill than those with one, so both are begun from.
    begin = wider.start(best).vector
    begin[form.names.index(shift)] = 0.1 * _SHIFT
    return highest([*nodes_of(wider.objective, begin), *wider.fits(alike)])


def _logarithmic(best: Node, alike: Sequence[Node]) -> list[Node]:
    wide = with_logarithm(best.objective.form, best.objective.table)
    if wide is None:
        return []
    form, powers = wide
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


# --- forms with other exponents ---------------------------------------------------------


class Other(NamedTuple):
    """A form with other exponents, and ln of its evidence over that of the form asked for.

    Attributes
    ----------
    kind : str
        ``kt`` or ``power``.
    log_ratio : float
        -inf where it is out of the question.
    """

    kind: str
    log_ratio: float = -math.inf


class _Data(NamedTuple):
    """Points as a form takes them."""

    form: ScalingForm
    table: ScalingTable

    def density(self, units: Sequence[float], table: ScalingTable) -> float:
        """ln of what makes densities of values in their units those of the values as measured."""
        log = -len(table.size) * float(np.log(units).sum())
        if self.form.logarithm:
            log -= sum(float(table.values[name].sum()) for name in self.form.observables)
        return log


def other_form(nodes: Sequence[Node], optima: Optima) -> Other:
    """The form of Kosterlitz and Thouless against a power law; a power law against another form.

    Parameters
    ----------
    nodes : sequence of Node
        The fits of all points with the form that was asked for.
    optima : Optima
        Where its plain form has led.
    """
    best = max(nodes, key=lambda node: node.log_weight)
    grounds, logarithmic = best.objective.grounds, best.objective.logarithmic
    asked = _Data(grounds.form, grounds.table)
    against, priors, kind = asked, {}, "power"
    if power_like(asked.form) and not asked.form.logarithm:
        kind = "kt"
        if asked.form.drift or "c_c" not in asked.form.names or not x_is_free(asked.form):
            return Other(kind)
        form, length = kosterlitz_thouless_form(asked.form, best.vector, asked.table)
        against, priors = _Data(form, asked.table), {length: _LENGTH}
    elif isinstance(asked.form, FormulaForm):
        table = asked.table
        if asked.form.logarithm:
            table = out_of_logarithms(table, asked.form.observables)
            able = all(takes_logarithms(table, name) for name in asked.form.observables)
            logarithmic = (able,) * len(asked.form.observables)
        against = _Data(power_form(asked.form, best.vector, table), table)
    plain = global_optima(*against)
    small = coarse_table(against.table)
    height = plain.best.value + against.density(plain.units, small)
    if not height > _plain_height(asked, optima) - _HOPELESS:
        return Other(kind)
    rival = grounds._replace(
        form=against.form, table=against.table, units=plain.units, priors=priors
    )
    corrected = Corrected(rival, against.table, logarithmic)
    fits = list(nodes_of(corrected, corrected.start(plain.best.vector)))
    if not fits:
        return Other(kind)
    same = [
        node._replace(log_weight=node.log_weight + _length_prior(node))
        for node in nodes
        if node.objective.logarithmic == best.objective.logarithmic
    ]
    of_units = against.density(plain.units, against.table)
    of_units -= asked.density(grounds.units, asked.table)
    return Other(kind, log_sum(fits) + of_units - log_sum(same))


def _plain_height(asked: _Data, optima: Optima) -> float:
    """ln of the density of the values at the best of the plain form."""
    small = coarse_table(asked.table)
    names = hyper_names(asked.form, nugget=True)
    objective = Objective(asked.form, small, optima.units, names)
    best = newton(objective, climb(objective, optima.best.vector, steps=80))[0]
    return best.value + asked.density(optima.units, small)


def _length_prior(node: Node) -> float:
    """ln of what the prior of a length L0 takes away, where the fit has gone without one."""
    form, priors = node.objective.form, node.objective.grounds.priors
    if not isinstance(form, FormulaForm):
        return 0.0
    lengths = {p.name for p in form.parameters if p.kind == "below"}
    total = 0.0
    for row, name in enumerate(form.names):
        if name in lengths and name not in priors:
            mean, deviation = _LENGTH
            variance = deviation**2 + float(node.covariance[row, row])
            off = (float(node.vector[row]) - mean) ** 2
            total -= 0.5 * (off / variance + math.log(2 * math.pi * variance))
    return total
