"""The jump of the overlap at one size from all controls at which both phases are there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from physbatch.dataset import control_dim
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import BAD_FIT, UNIMODAL
from physbatch.scaling.design.choice import Chosen, Cost, Rules, candidate_controls, choose_cells
from physbatch.scaling.design.posterior import SuccessPosterior
from physbatch.scaling.transition.jump import find_jump

#: Both phases are there where the predicted success is between these.
_LEAST, _MOST = 0.15, 0.85
#: New controls lie where it is about as much.
_LEVELS = np.array([0.3, 0.36, 0.42, 0.48, 0.54, 0.6, 0.66])
#: If so many controls of so many replicas show one peak, there is one.
_CONTROLS, _REPLICAS = 6, 16


@dataclass(frozen=True)
class Coexistence:
    """The jump at one size: its mean over controls, and how many replicas and controls it has.

    `unseen` counts the controls that should show two peaks and do not.
    """

    latent: Estimate
    replicas: int
    controls: int
    unseen: int

    def choose(
        self,
        law: SuccessPosterior,
        error: float,
        rules: Rules,
        cost: Cost,
        generator: np.random.Generator,
        size: float,
    ) -> tuple[list[Chosen], float]:
        """The next cells, and the relative error expected after them.

        While m_c is uncertain by more than the width the cells are those that tell m_c. Then they
        lie where both phases are, and the error falls as one over the root of their number.
        """
        if law.m_c.stderr > law.width.value:
            m_c_rules = Rules(**{**rules.__dict__, "error": law.width.value / law.m_c.value})
            cells, _ = choose_cells({size: law}, lambda v: v[size], cost, m_c_rules, generator)
            return cells, error
        if not self.controls and self.unseen >= _CONTROLS and rules.replicas >= _REPLICAS:
            return [], error
        candidates = candidate_controls(law, rules, size, generator, _LEVELS)
        success = law.predicted(candidates)
        costs = np.array([cost(size, float(control)) for control in candidates])
        best = np.argsort(-success * (1.0 - success) / costs, kind="stable")
        wanted = rules.most
        if self.controls:
            wanted = math.ceil(((error / rules.error) ** 2 - 1.0) * self.replicas / rules.replicas)
        chosen = best[: max(1, min(rules.most, wanted))]
        added = rules.replicas * chosen.size
        share = added / (self.replicas + added)
        cells = [
            Chosen(
                size,
                float(candidates[row]),
                float(success[row]),
                share / chosen.size,
                float(costs[row]),
            )
            for row in chosen
        ]
        return cells, error * math.sqrt(1.0 - share)


def latent_overlap(data: xr.Dataset, law: SuccessPosterior) -> Coexistence:
    r"""The jump at one size, averaged over the controls at which both phases are there.

    Where the predicted success is from 15 to 85 % each control is looked at by itself, at the last
    time (`physbatch.scaling.find_jump`); the mean over those that show two peaks weighs them by
    the number of replicas in either peak.

    .. math::

        \Delta q = \sum_i W_i\, \Delta q_i \Big/ \sum_i W_i,
        \qquad W_i = \frac{k_i (n_i - k_i)}{n_i}

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size.
    law : SuccessPosterior
        Of its success curve.

    Returns
    -------
    Coexistence
        Its ``latent`` is nan with the flag ``unimodal`` where no control shows two peaks, and has
        the flag ``bad_fit`` where the controls differ by more than their errors.

    References
    ----------
    Challa, Landau and Binder, PRB 34 (1986) 1841, doi 10.1103/PhysRevB.34.1841.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling.design import latent_overlap, success_posterior
    >>> from physbatch.scaling.transition import success_counts
    >>> data = first_order(sizes=(200,), replicas=64, seed=1)
    >>> jump = latent_overlap(data, success_posterior(*success_counts(data, 1000.0))).latent
    >>> abs(jump.value - 0.66) < 0.05
    True
    """
    dim = control_dim(data)
    controls = data[dim].values.astype(float)
    success = law.predicted(controls)
    values, errors, weights, replicas, unseen = [], [], [], 0, 0
    for row in np.flatnonzero((success >= _LEAST) & (success <= _MOST)):
        part = data.isel({dim: [row], "time": [-1]})
        if not part["overlap"].notnull().any():
            continue
        jump = find_jump(part, float(controls[row]))
        if not math.isfinite(jump.latent.value):
            unseen += 1
            continue
        sample = jump.overlap[jump.chosen]
        sample = sample[np.isfinite(sample)]
        upper = int(np.sum(sample > jump.cut))
        values.append(jump.latent.value)
        errors.append(jump.latent.stderr)
        weights.append(upper * (sample.size - upper) / sample.size)
        replicas += sample.size
    if not values:
        flag = UNIMODAL(f"no control near m_c shows two peaks, of {unseen} that might")
        return Coexistence(Estimate(math.nan, flags=(flag,)), 0, 0, unseen)
    return Coexistence(_mean(values, errors, weights), replicas, len(values), unseen)


def _mean(values: list[float], errors: list[float], weights: list[float]) -> Estimate:
    value, error = np.array(values), np.array(errors)
    share = np.array(weights) / np.sum(weights)
    mean = float(share @ value)
    stderr = float(np.sqrt(np.sum((share * error) ** 2)))
    chi2, dof = float(np.sum(((value - mean) / error) ** 2)), value.size - 1
    flags: tuple[Flag, ...] = ()
    if dof and chi2 > dof + 5.0 * math.sqrt(2.0 * dof):
        flags = (
            BAD_FIT(f"the jumps at {value.size} controls differ, chi2/dof = {chi2:.0f}/{dof}"),
        )
    return Estimate(mean, stderr, interval68=(mean - stderr, mean + stderr), flags=flags)
