"""Rival forms: what else than the form that was asked for would describe the data.

A critical control that drifts more slowly than N^(-1/nu) is no correction within the scaling
function: it moves x without bound. It is fitted as a form of its own, and mixed into what is stated
with its evidence.
"""

import math
from collections.abc import Sequence

import numpy as np

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.total.nodes import Node, nodes_of
from physbatch.scaling.data_collapse.total.objective import Corrected

#: Prior of the drift: its size in ranges of the controls, ln(phi nu) and the width of that.
_SHIFT = 0.1
_LOG_PHI = math.log(0.6)
_LOG_PHI_WIDTH = 0.5
#: The same where the form that was asked for has a drift, about phi = 1.
_WIDE_SHIFT = 1.0
_WIDE_LOG_PHI = 1.0
#: ln of the prior odds of a rival form.
LOG_ODDS = -3.0


def drift_priors(form: ScalingForm) -> dict[str, tuple[float, float]]:
    """Weak priors of the parameters of a drift that is part of the form."""
    priors = {"shift": (0.0, _WIDE_SHIFT), "phi": (0.0, _WIDE_LOG_PHI)}
    return {name: prior for name, prior in priors.items() if name in form.names}


def drifting(nodes: Sequence[Node]) -> list[Node]:
    """Fits of all points in which c_c drifts as a N^(-phi); none where c_c or nu are held."""
    best = max(nodes, key=lambda node: node.log_weight)
    objective = best.objective
    grounds, form = objective.grounds, objective.form
    if form.kind != "power" or form.drift or not {"c_c", "nu"} <= set(form.names):
        return []
    wider = make_form(
        grounds.table, form.observables, fixed=form.fixed, corrections=form.corrections, drift=True
    )
    count = len(form.names)
    log_phi = float(best.vector[form.names.index("nu")]) + _LOG_PHI
    priors = {**grounds.priors, "shift": (0.0, _SHIFT), "phi": (log_phi, _LOG_PHI_WIDTH)}
    values = dict(zip(form.names, best.vector[:count], strict=True))
    values |= {"shift": 0.1 * _SHIFT, "phi": log_phi}
    begin = np.array([values[name] for name in wider.names])
    rival = Corrected(
        grounds._replace(form=wider, priors=priors), objective.table, objective.logarithmic
    )
    fits = nodes_of(rival, np.concatenate([begin, best.vector[count:]]))
    return [
        node._replace(log_weight=node.log_weight + LOG_ODDS, log_prior=LOG_ODDS) for node in fits
    ]
