"""Small fits with corrections, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from physbatch.scaling.data_collapse.forms import make_form
from physbatch.scaling.data_collapse.optimum import units_of
from physbatch.scaling.data_collapse.total.likelihood import PRIOR_MEAN
from physbatch.scaling.data_collapse.total.objective import Corrected, Grounds
from physbatch.tables import ScalingTable
from physbatch.typing import FloatArray

EXPONENTS = {"c_c": 1.003, "nu": 1.1, "zeta_m": -0.14, "zeta_U": 0.02, "shift": 0.02, "phi": 0.8}
#: Hyperparameters of a plain fit with a nugget.
PLAIN = (0.0, -0.7, -0.7, -2.0)
SIZES = (8.0, 16.0, 32.0, 64.0)


def two_observables(points: int = 6) -> ScalingTable:
    """An order parameter with a covariance, and a ratio of either sign without one."""
    rng = np.random.default_rng(3)
    size = np.repeat(np.array(SIZES), points)
    control = 1.0 + 0.18 * np.sqrt(8 / size) * np.tile(np.linspace(-1, 1, points), len(SIZES))
    x = size * (control - 1.0)
    clean = {"m": size**-0.125 * (1.2 - np.tanh(x)), "U": 0.2 - 0.3 * np.tanh(0.7 * x)}
    errors = {"m": 0.02 * np.abs(clean["m"]), "U": np.full_like(x, 0.01)}
    same = size[:, None] == size[None, :]
    mixed = np.where(same, 0.3, 0.0) + 0.7 * np.eye(len(size))
    covariance = {"m": mixed * np.outer(errors["m"], errors["m"])}
    values = {name: y + errors[name] * rng.standard_normal(len(x)) for name, y in clean.items()}
    return ScalingTable(size, control, values, errors, covariance=covariance)


def problem(
    names: tuple[str, ...] = ("m", "U"),
    *,
    logarithmic: bool = False,
    points: int = 6,
    **grounds: Any,
) -> tuple[Corrected, FloatArray]:
    """A fit and a vector near its optimum; with `logarithmic` m is taken by its logarithm."""
    table = two_observables(points).only(*names)
    form = make_form(table, names, drift=grounds.pop("drift", False))
    known = EXPONENTS if len(names) > 1 else {**EXPONENTS, "zeta": EXPONENTS[f"zeta_{names[0]}"]}
    exponents = form.vector({name: known[name] for name in form.names})
    logarithms = tuple(logarithmic and name == "m" for name in names)
    units = units_of(form, table, exponents, names)
    objective = Corrected(Grounds(form, table, units, **grounds), table, logarithms, 0.9, 0.16)
    hyper = np.tile(PRIOR_MEAN + np.array([0.2, 0.3, 0.1, 0.2, -0.1]), (len(names), 1))
    return objective, np.concatenate([exponents, hyper.ravel()])
