"""How well a form of scaling describes data, in numbers that compare between forms.

The likelihood of the Gaussian process integrated over all parameters (Laplace's approximation)
is the evidence of a form. Parameters have flat laws over the bounds of their fit, and the weak
ones of the hyperparameters; the density is that of the observables as they were measured, whatever
a form makes of them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from physbatch.scaling.data_collapse.forms.custom import Custom
from physbatch.scaling.data_collapse.forms.make import make_form
from physbatch.scaling.data_collapse.likelihood import hyper_prior
from physbatch.scaling.data_collapse.optimum import Objective, climb, hyper_names, newton
from physbatch.scaling.data_collapse.starts import coarse_table, global_optima
from physbatch.tables.table import ScalingTable

#: Points on which forms are compared; more are thinned out, the same for every form.
_POINTS = 200


class FormEvidence(NamedTuple):
    """Evidence of a form.

    Attributes
    ----------
    form : str
        Its name.
    log_evidence : float
        ln of the integral of the likelihood over all parameters; nan where the optimum has not
        converged, or a parameter stands at a bound.
    log_posterior : float
        ln of the likelihood at its best, times the prior of the hyperparameters.
    parameters : int
        How many numbers were fitted, hyperparameters included.
    values : mapping
        The parameters at the optimum, fixed ones too.
    at_bound : tuple of str
        Those at the end of their range.
    """

    form: str
    log_evidence: float
    log_posterior: float
    parameters: int
    values: Mapping[str, float]
    at_bound: tuple[str, ...] = ()


def form_evidence(
    table: ScalingTable,
    observable: str | Sequence[str],
    form: str | Custom = "power",
    *,
    fixed: Mapping[str, float] | None = None,
    corrections: bool = False,
    drift: bool = False,
) -> FormEvidence:
    """Evidence of a form for some data, all sizes and controls.

    Parameters
    ----------
    table : ScalingTable
        The data, checked and sorted.
    observable : str or sequence of str
        Which of them; several share c_c and the stretch of x.
    form : str or Custom
        The form by its name, or formulas.
    fixed, corrections, drift
        As in `make_form`.

    Raises
    ------
    AnalysisError
        If the form cannot be made, or no start gives a finite likelihood.

    Examples
    --------
    >>> from physbatch.exact.scaling_functions import planted_table
    >>> table = planted_table("Ising 2-D", (16, 32, 64))
    >>> power, kt = (form_evidence(table, "y", form) for form in ("power", "kt"))
    >>> power.log_evidence > kt.log_evidence + 10
    True
    """
    names = (observable,) if isinstance(observable, str) else tuple(observable)
    small = coarse_table(table.only(*names), _POINTS)
    made = make_form(small, names, form=form, fixed=fixed, corrections=corrections, drift=drift)
    data = made.prepared(small)
    with threadpool_limits(1, user_api="blas"):
        optima = global_optima(made, data)
        hyper = hyper_names(made, nugget=True)
        objective = Objective(made, data, optima.units, hyper)
        optimum, bend = newton(objective, climb(objective, optima.best.vector))
    # From the units of the fit, and from logarithms, to the density of the data.
    density = -len(data.size) * sum(map(math.log, optima.units))
    if made.logarithm:
        density -= sum(float(np.log(small.values[name]).sum()) for name in names)
    posterior = optimum.value + density
    bound = objective.at_bound(optimum.vector)
    evidence = math.nan
    if optimum.converged and not bound:
        low, high = np.array(made.bounds).reshape(-1, 2).T
        zero = np.zeros(len(hyper))
        # The slope of a Gaussian's logarithm falls by 1/width^2 in a unit.
        narrow = hyper_prior(hyper, zero)[1] - hyper_prior(hyper, zero + 1.0)[1]
        normal = 0.5 * np.log(narrow / (2 * math.pi)).sum() * len(names)
        volume = 0.5 * (len(bend) * math.log(2 * math.pi) - np.linalg.slogdet(bend)[1])
        evidence = float(posterior + normal + volume - np.log(high - low).sum())
    values = made.exponents(optimum.vector[: len(made.names)])
    return FormEvidence(made.kind, evidence, posterior, len(bend), values, bound)
