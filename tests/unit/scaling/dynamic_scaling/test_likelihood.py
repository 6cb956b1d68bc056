"""The gradient of the likelihood, and what it says of the noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from physbatch.scaling.dynamic_scaling.coordinates import Frame
from physbatch.scaling.dynamic_scaling.objective import Objective
from physbatch.tables.times import TimeTable, read_times
from physbatch.typing import FloatArray


def planted(seed: int = 0, *, sized: bool = False, errors: bool = True) -> TimeTable:
    """rho and R2 of c_c = 1, delta = 0.3, nu_par = 2, z = 1.5, with 2 % noise."""
    rng = np.random.default_rng(seed)
    axes = [np.geomspace(4.0, 300.0, 6), np.linspace(0.7, 1.3, 5), [8.0, 16.0, 32.0]]
    time, control, size = (x.ravel() for x in np.meshgrid(*axes[: 3 if sized else 2], [1.0])[:3])
    x = (control - 1.0) * time**0.5
    columns: dict[str, FloatArray] = {"t": time, "c": control}
    values = {"rho": time**-0.3 * (1.5 + np.tanh(x))}
    if sized:
        columns["L"] = size
        values["rho"] *= np.exp(-0.2 * time / size**1.5)
    else:
        values["R2"] = time ** (2.0 / 1.5) * (1.0 + 0.2 * np.tanh(x))
    for name, value in values.items():
        columns[name] = value * (1.0 + 0.02 * rng.normal(size=value.size))
        if errors:
            columns[f"{name}_err"] = 0.02 * value
    return read_times(columns)


@pytest.mark.parametrize("case", [{}, {"sized": True}, {"sized": True, "errors": False}])
def test_the_gradient_is_that_of_the_value(case: Mapping[str, bool]) -> None:
    table = planted(**case)
    frame = Frame.of(table)
    objective = Objective(frame, table)
    usual = {"c_c": 0.1, "eta": 0.6, "zeta": 0.7, "kappa_rho": -0.2}
    vector = objective.start(np.array([usual[name] for name in frame.names]))
    vector[objective.count :] += 0.1
    _, slope = objective(vector)
    steps = 1e-5 * np.eye(vector.size)
    by_steps = [(objective(vector + s)[0] - objective(vector - s)[0]) / 2e-5 for s in steps]
    assert np.allclose(slope, by_steps, rtol=1e-4, atol=1e-3 * np.abs(slope).max())


def test_runs_that_share_their_noise_are_told_from_points_that_do_not() -> None:
    """The memory of noise that is common to all times of a control, and of independent noise."""
    table = planted()
    memories = []
    for shared in (False, True):
        rng = np.random.default_rng(5)
        exact = table.time**-0.3 * (1.5 + np.tanh((table.control - 1.0) * table.time**0.5))
        noise = rng.normal(size=table.time.size)
        if shared:
            _, run = np.unique(table.control, return_inverse=True)
            noise = rng.normal(size=5)[run]
        values = {"rho": exact * (1.0 + 0.05 * noise)}
        made = TimeTable(
            table.time, table.control, None, values, {"rho": 0.05 * exact}, {"rho": "power"}
        )
        frame = Frame.of(made)
        objective = Objective(frame, made)
        vector, _ = objective.climb(objective.start(np.array([0.0, 0.5, -0.3])))
        part = objective.parts[0]
        memories.append(vector[objective.count + part.names.index("memory")])
    assert memories[0] < -0.5
    assert memories[1] > 0.5
