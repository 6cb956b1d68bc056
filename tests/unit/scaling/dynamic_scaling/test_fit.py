"""Planted exponents, their errors, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.results import flags
from physbatch.scaling.dynamic_scaling import fit_dynamics
from physbatch.tables.times import read_times
from physbatch.typing import FloatArray
from tests.unit.scaling.dynamic_scaling.test_likelihood import planted

EXACT = {"c_c": 1.0, "delta": 0.3, "nu_par": 2.0, "beta": 0.6, "z": 1.5, "nu_perp": 4.0 / 3.0}


def pulls(seed: int, *, sized: bool = False, errors: bool = True) -> dict[str, float]:
    fit = fit_dynamics(planted(seed, sized=sized, errors=errors))
    return {
        name: (fit[name].value - exact) / fit[name].total
        for name, exact in EXACT.items()
        if name in fit.parameters
    }


def test_planted_exponents_lie_within_their_errors() -> None:
    """Four seeds of rho and R2, 4 independent numbers each at most.

    Totals allow for corrections that these data do not have, so that pulls are below 1.
    """
    each = [pulls(seed) for seed in range(4)]
    for name in EXACT:
        z = np.array([pull[name] for pull in each])
        assert np.abs(z).max() < 3.5, name
        assert math.sqrt(float(np.mean(z**2))) < 2.0, name


@pytest.mark.parametrize(("sized", "errors"), [(True, True), (False, False)])
def test_sizes_and_data_without_errors(sized: bool, errors: bool) -> None:
    z = pulls(3, sized=sized, errors=errors)
    assert set(z) == set(EXACT)
    assert max(map(abs, z.values())) < 3.0


def decays(time: FloatArray, control: FloatArray, c_c: float, name: str) -> dict[str, FloatArray]:
    rho = time**-0.3 * (1.5 + np.tanh((control - c_c) * time**0.5))
    noise = np.random.default_rng(2).normal(size=time.size)
    of = 1.0 / time if name == "omega" else time
    return {name: of, "c": control, "rho": rho * (1 + 0.01 * noise), "rho_err": 0.01 * rho}


def test_a_column_of_frequencies_gives_the_same_numbers() -> None:
    """1/nu of either sign: 1/t as the size has nu of the other sign."""
    grid = np.meshgrid(np.geomspace(4.0, 300.0, 8), np.linspace(0.7, 1.3, 7))
    time, control = (axis.ravel() for axis in grid)
    by_time = fit_dynamics(read_times(decays(time, control, 1.0, "t")))
    columns = decays(time, control, 1.0, "omega")
    by_frequency = fit_dynamics(read_times(columns, time="omega"))
    assert "(1/omega)^(1/nu_par)" in by_frequency.form
    for name in ("c_c", "delta", "nu_par"):
        wide = by_time[name].total
        assert abs(by_time[name].value - by_frequency[name].value) < wide


def test_controls_that_are_spaced_in_their_logarithm() -> None:
    """c_c = 0.02 among controls from 0.001 to 10."""
    grid = np.meshgrid(np.geomspace(10.0, 10_000.0, 8), np.geomspace(1e-3, 10.0, 17))
    time, control = (axis.ravel() for axis in grid)
    fit = fit_dynamics(read_times(decays(time, control, 0.02, "t")))
    assert abs(fit["c_c"].value - 0.02) < 3.0 * fit["c_c"].total < 0.02
    assert abs(fit["delta"].value - 0.3) < 3.0 * fit["delta"].total


def test_one_control_gives_delta_and_says_what_it_rests_on() -> None:
    time = np.geomspace(4.0, 400.0, 12)
    columns = decays(time, np.ones(12), 1.0, "t")
    del columns["c"]
    fit = fit_dynamics(read_times(columns))
    assert list(fit.parameters) == ["delta"]
    assert abs(fit["delta"].value - 0.3) < 3.0 * fit["delta"].total
    assert flags.ONE_CONTROL.among(fit.flags)


def test_what_the_data_do_not_determine_is_refused() -> None:
    """Curves that are the same at all controls have no c_c."""
    grid = np.meshgrid(np.geomspace(4.0, 400.0, 8), np.linspace(0.7, 1.3, 5))
    time, control = (axis.ravel() for axis in grid)
    noise = np.random.default_rng(2).normal(size=time.size)
    rho = time**-0.3
    columns = {"t": time, "c": control, "rho": rho * (1 + 0.01 * noise), "rho_err": 0.01 * rho}
    fit = fit_dynamics(read_times(columns))
    assert math.isnan(fit["c_c"].value)
    kinds = (flags.FLAT, flags.AT_BOUND, flags.NOT_CONVERGED)
    assert any(kind.among(fit.flags) for kind in kinds)


def test_every_result_names_the_order_of_limits() -> None:
    for sized in (False, True):
        limits = fit_dynamics(planted(1, sized=sized)).limits
        assert "-> infinity, then t -> infinity" in limits
