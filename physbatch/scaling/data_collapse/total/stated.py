"""What is stated of a collapse: the noise of the data first, then the mixture."""

import math
from itertools import compress
from typing import NamedTuple

import numpy as np

from physbatch.results.flag import Flag
from physbatch.results.flags import (
    CORRELATED_POINTS,
    DRIFT_NOT_EXCLUDED,
    ERRORS_TOO_LARGE,
    ERRORS_TOO_SMALL,
    KOSTERLITZ_THOULESS_NOT_EXCLUDED,
    LOG_FACTOR_NOT_EXCLUDED,
    POWER_LAW_NOT_EXCLUDED,
    SIZES_OFFSET,
)
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.starts import Optima
from physbatch.scaling.data_collapse.total.likelihood import HYPERPARAMETERS
from physbatch.scaling.data_collapse.total.mixture import Total, total_of, whole_nodes
from physbatch.scaling.data_collapse.total.nodes import Node, node_at
from physbatch.scaling.data_collapse.total.noise import (
    CLEARLY,
    INDEPENDENT,
    MOST_OUTLIERS,
    OFFSETS,
    TOGETHER,
    NoiseModel,
    error_factor,
    outliers,
    smoother,
)
from physbatch.scaling.data_collapse.total.objective import Corrected, Grounds
from physbatch.scaling.data_collapse.total.rivals import (
    Other,
    drift_priors,
    mixed_rivals,
    other_form,
)
from physbatch.tables.binning import binned
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray

#: Points of the fits with corrections, whose cost grows as their cube.
MOST_POINTS = 180
#: Weight of a drift, and of a power of the logarithm, from which it is said.
_LIKELY = {"drift": 0.1, "log": 0.1}
#: ln of the odds that a point is no outlier.
_RARE = 4.6
#: ln of the ratio of evidences above which a form with other exponents is not excluded, and that
#: above which nothing is stated of the form that was asked for.
_NOT_EXCLUDED = -6.0
_WINS = {"kt": 0.0, "power": 6.0}


class Statement(NamedTuple):
    """Values with total errors and what is to be said about the data; `total` may be None.

    Attributes
    ----------
    total : Total or None
        None where no fit with corrections converges.
    flags : tuple of Flag
    wrong_form : bool
        Whether a rival form describes the data better, so that no exponent is to be stated.
    """

    total: Total | None
    flags: tuple[Flag, ...]
    wrong_form: bool = False


def far_values(form: ScalingForm, table: ScalingTable, optima: Optima) -> BoolArray:
    """Points of which a value lies far from all others: outliers, found one by one.

    None are found where they are so many that the form is wrong and not the values. Values of
    points that share runs are not judged, and those of a size that is off as a whole by what it
    leaves to them.

    Parameters
    ----------
    form, table : ScalingForm, ScalingTable
        What is fitted.
    optima : Optima
        Where the plain form has led.
    """
    nothing = np.zeros(len(table.size), dtype=bool)
    if len(nothing) > MOST_POINTS:
        return nothing  # among so many points one outlier does not matter
    grounds = Grounds(form, table, optima.units, drift_priors(form))
    judged = ~np.array(grounds.shared)
    if not judged.any():
        return nothing
    rows = len(form.observables)
    objective = Corrected(grounds, table, (False,) * rows, 1.0, 0.16)
    node = node_at(objective, objective.start(optima.best.vector), None)
    if node is None:
        return nothing
    single = _without_far(node, judged)
    if not single.far.any():
        return nothing
    # A size that is off as a whole looks like outliers where errors are small.
    offsets = []
    for model in OFFSETS:
        moved = objective.on(grounds._replace(noise=(model,) * rows))
        again = node_at(moved, node.vector, node.covariance)
        if again is not None:
            offsets.append(_without_far(again, judged))
    likeliest = max(offsets, key=lambda kept: kept.height, default=single)
    return likeliest.far if likeliest.height > single.height + CLEARLY else single.far


class _Kept(NamedTuple):
    """Points that are far from all others, and ln of the evidence of the rest without them."""

    far: BoolArray
    height: float


def _without_far(node: Node, judged: BoolArray) -> _Kept:
    """Leave out the worst point as long as there is one; a point pays for being left out."""
    objective = node.objective
    grounds, table = objective.grounds, objective.table
    errors = [table.errors[name] for name in objective.form.observables]
    relative = np.array(errors) / np.array(grounds.units)[:, None]
    price = -(np.log(math.sqrt(2 * math.pi) * relative) + 1.0).sum(axis=0) - _RARE
    far = np.zeros(len(table.size), dtype=bool)
    kept, height = node, node.log_weight
    while far.sum() <= MOST_OUTLIERS * len(far):
        worst = outliers(list(compress(kept.objective.scores(kept.vector), judged)))
        if not worst.any():
            return _Kept(far, height)
        far[np.flatnonzero(~far)[worst]] = True
        again = node_at(objective.of(table.select(~far)), kept.vector, kept.covariance)
        if again is None:
            break
        kept, height = again, again.log_weight + float(price[far].sum())
    return _Kept(np.zeros_like(far), node.log_weight)


def state(
    form: ScalingForm, table: ScalingTable, optima: Optima, omega: float | None = None
) -> Statement:
    """Values with total errors, and flags on the errors of the data; arguments as `far_values`.

    `omega` is the exponent of the corrections where it is known.
    """
    points = binned(table, MOST_POINTS) if len(table.size) > MOST_POINTS else table
    grounds = Grounds(form, points, optima.units, drift_priors(form), omega=omega)
    begin = optima.best.vector
    nodes = whole_nodes(grounds, begin)
    if not nodes:
        return Statement(None, ())
    noise = _noise_models(max(nodes, key=lambda node: node.log_weight))
    if any(model != INDEPENDENT for model in noise):
        nodes = whole_nodes(grounds._replace(noise=noise), begin) or nodes
    total = total_of(nodes, mixed_rivals(nodes))
    other = other_form(nodes, optima)
    flags = (*_noise_flags(total.best, noise), *_mixed_flags(total), *_other_flags(other))
    return Statement(total, flags, wrong_form=other.log_ratio > _WINS[other.kind])


def _noise_models(best: Node) -> tuple[NoiseModel, ...]:
    """For each observable the model of its noise: independent points, or what is far likelier."""
    objective = best.objective
    grounds = objective.grounds
    inverse_nu = 1.0 / objective.form.exponents(best.vector[: objective.exponents]).get("nu", 1.0)
    chosen = [INDEPENDENT] * len(grounds.form.observables)
    for row, name in enumerate(grounds.form.observables):
        heights = {INDEPENDENT: _height(objective, best) + CLEARLY}
        likeliest = INDEPENDENT
        stated = name in grounds.table.covariance
        models = list(OFFSETS if stated else (*TOGETHER, *OFFSETS))
        while models:
            for model in models:
                noise = (*chosen[:row], model, *chosen[row + 1 :])
                moved = objective.on(grounds._replace(noise=noise))
                node = node_at(moved, best.vector, best.covariance)
                heights[model] = -math.inf if node is None else node.log_weight
            before, likeliest = likeliest, max(heights, key=lambda model: heights[model])
            models = list(smoother(likeliest, inverse_nu)) if likeliest != before else []
        chosen[row] = likeliest
    return tuple(chosen)


def _height(objective: Corrected, best: Node) -> float:
    """ln of the evidence of a fit, without the prior of its corrections."""
    again = node_at(objective, best.vector, best.covariance)
    return best.log_weight if again is None else again.log_weight


# --- flags ------------------------------------------------------------------------------


def _noise_flags(best: Node, noise: tuple[NoiseModel, ...]) -> tuple[Flag, ...]:
    objective = best.objective
    sizes = objective.table.size
    flags: list[Flag] = []
    rows = zip(
        objective.form.observables,
        noise,
        best.log_noise,
        np.sqrt(_noise_variances(best)),
        objective.scores(best.vector),
        strict=True,
    )
    for name, model, log_factor, deviation, scores in rows:
        if model.moving_together:
            flags.append(
                CORRELATED_POINTS(
                    f"points of {name} at neighbouring controls of one size move together: "
                    f"{100 * (1 - model.rough):.0f} % of their variance is common; it is in the "
                    "total error; give the covariance if you have it"
                )
            )
        if model.offset:
            flags.append(
                SIZES_OFFSET(
                    f"whole sizes of {name} are off by about {model.offset:g} of the median error; "
                    "it is in the total error; are all sizes prepared alike?"
                )
            )
        known = error_factor(float(log_factor), float(deviation), sizes, scores)
        if known.wrong:
            kind = ERRORS_TOO_SMALL if known.factor > 1 else ERRORS_TOO_LARGE
            each = ", ".join(f"{s:g}: {f:.2g}" for s, f in known.of_sizes.items())
            flags.append(
                kind(
                    f"the scatter of {name} is {known.factor:.2g} times its errors"
                    f"{f' (by size {each})' if each else ''}; the total error goes by the scatter"
                )
            )
    return tuple(flags)


def _noise_variances(node: Node) -> FloatArray:
    """Variance of ln g of each observable."""
    hyper = np.diag(node.covariance)[node.objective.exponents :]
    return hyper.reshape(-1, len(HYPERPARAMETERS))[:, -1]


def _mixed_flags(total: Total) -> tuple[Flag, ...]:
    texts = {
        "drift": DRIFT_NOT_EXCLUDED(
            "the data ask for a c_c that drifts with the size more slowly than N^(-1/nu); the "
            "total error knows of it; fit the drift to see it"
        ),
        "log": LOG_FACTOR_NOT_EXCLUDED(
            "a factor (ln N)^p describes the data at least as well, and zeta moves with p; the "
            "total error knows of it; --form log fits p"
        ),
    }
    likely = (name for name, share in total.rivals.items() if share > _LIKELY.get(name, 1.0))
    return tuple(texts[name] for name in likely)


def _other_flags(other: Other) -> tuple[Flag, ...]:
    if not other.log_ratio > _NOT_EXCLUDED:
        return ()
    better = "better" if other.log_ratio > 0 else "about as well"
    says = f"describes the data {better} (ln of the ratio of evidences {other.log_ratio:+.1f})"
    if other.kind == "kt":
        return (
            KOSTERLITZ_THOULESS_NOT_EXCLUDED(
                f"the form of Kosterlitz and Thouless, which has no nu, {says}; compare --form kt"
            ),
        )
    return (POWER_LAW_NOT_EXCLUDED(f"a power law {says}; compare --form power"),)
