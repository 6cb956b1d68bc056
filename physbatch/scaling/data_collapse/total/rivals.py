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
from physbatch.scaling.data_collapse.total.nodes import Node, log_sum, nodes_of
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
LOG_ODDS = {"drift": -3.5, "log": -3.0}
#: A form whose plain fit is so many nats worse need not be fitted with corrections.
_HOPELESS = 30.0


def drift_priors(form: ScalingForm) -> dict[str, tuple[float, float]]:
    """Weak priors of the parameters of a drift that is part of the form."""
    priors = {"shift": (0.0, _WIDE_SHIFT), "phi": (0.0, _WIDE_LOG_PHI)}
    return {name: prior for name, prior in priors.items() if name in form.names}


def rivalled(form: ScalingForm) -> bool:
    """Whether a form has rivals: the power law with c_c and nu free."""
    return form.kind == "power" and not form.drift and {"c_c", "nu"} <= set(form.names)


def mixed_rivals(nodes: Sequence[Node]) -> list[Node]:
    """Fits of all points with a drift of c_c, and with a factor (ln N)^p; weights with odds."""
    best = max(nodes, key=lambda node: node.log_weight)
    if not rivalled(best.objective.form):
        return []
    return [*_drifting(best), *_logarithmic(best)]


def _drifting(best: Node) -> Iterator[Node]:
    form = best.objective.form
    wider = make_form(
        best.objective.table, form.observables, fixed=form.fixed, corrections=False, drift=True
    )
    log_phi = float(best.vector[form.names.index("nu")]) + _LOG_PHI
    priors = {"shift": (0.0, _SHIFT), "phi": (log_phi, _LOG_PHI_WIDTH)}
    return _rival(best, wider, priors, "drift", {"shift": 0.1 * _SHIFT, "phi": log_phi})


def _logarithmic(best: Node) -> Iterator[Node]:
    form = best.objective.form
    if not any(name.startswith("zeta") for name in form.names):
        return iter(())
    wider = make_form(best.objective.table, form.observables, form="log", fixed=form.fixed)
    powers = [name for name in wider.names if name not in form.names]
    priors = dict.fromkeys(powers, (0.0, _LOGARITHM))
    return _rival(best, wider, priors, "log", dict.fromkeys(powers, 0.0))


def _rival(
    best: Node, wider: ScalingForm, priors: Priors, kind: str, begin: Mapping[str, float]
) -> Iterator[Node]:
    """Fits with a wider form of the same units, from the best fit with further parameters."""
    form = best.objective.form
    count = len(form.names)
    values = dict(zip(form.names, best.vector[:count], strict=True)) | dict(begin)
    vector = np.array([values[name] for name in wider.names])
    grounds = best.objective.grounds
    rival = best.objective.on(grounds._replace(form=wider, priors={**grounds.priors, **priors}))
    odds = LOG_ODDS[kind]
    for node in nodes_of(rival, np.concatenate([vector, best.vector[count:]])):
        yield node._replace(log_weight=node.log_weight + odds, log_prior=odds, rival=kind)


def kosterlitz_thouless(nodes: Sequence[Node], optima: Optima) -> float:
    """ln of the evidence of the form of Kosterlitz and Thouless over that of the power law.

    -inf where it is out of the question.

    Parameters
    ----------
    nodes : sequence of Node
        The fits of all points with the power law.
    optima : Optima
        Where the plain power law has led.
    """
    objective = nodes[0].objective
    grounds = objective.grounds
    if not rivalled(grounds.form):
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
