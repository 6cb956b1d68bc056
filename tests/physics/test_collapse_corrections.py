"""Corrections to scaling: with omega free the truth comes back, without it the fit is bad.

z-scores over M noise seeds have mean 0 +- 1/sqrt(M) and standard deviation 1 +- 1/sqrt(2 M);
bands are 4 of these wide, plus what is said at the place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from physbatch.exact import curie_weiss, grids, scaling_functions
from physbatch.scaling import Collapse, collapse
from physbatch.tables import ScalingTable

SIZES = (8, 16, 32, 64, 128)
#: From here on the next correction, of relative order 1/N, is below the noise of a point.
VOLUMES = tuple(4096 * 4**k for k in range(5))
CURIE_WEISS = {"magnetization": -0.5, "binder": 0.0}


def with_corrections(
    name: str, amplitude: float, noise: float, seed: int, omega: float | None = None
) -> ScalingTable:
    """90 points, each size with its own random controls in the same range of x."""
    exponents = scaling_functions.exponent_set(name)
    grid = grids.scaled_grid(SIZES, exponents.c_c, exponents.nu, points=18, ragged=True, seed=seed)
    law = scaling_functions.ScalingLaw(exponents, amplitude=amplitude, omega=omega)
    return scaling_functions.planted_table(law, SIZES, grid, noise=noise, relative=False, seed=seed)


@cache
def exact(observable: str) -> ScalingTable:
    """The exact sums, up to a million spins."""
    grid = grids.scaled_grid(VOLUMES, 1.0, 2.0, (-3.0, 3.0), points=18, ragged=True)
    return curie_weiss.table(VOLUMES, grid, observable, noise=1e-12)


def curie_weiss_table(observable: str, noise: float, seed: int) -> ScalingTable:
    """Exact values with noise."""
    table = exact(observable)
    error = noise * table.values[observable]
    luck = np.random.default_rng([seed, 51]).standard_normal(error.size)
    return replace(
        table,
        values={observable: table.values[observable] + error * luck},
        errors={observable: error},
    )


def pulls(
    results: Iterable[Collapse], truth: dict[str, float]
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """z of every parameter in every fit, and all flags."""
    z, flags = [], []
    for result in results:
        flags += result.flags
        z.append(
            [
                (result.parameters[name].value - true) / result.parameters[name].stderr
                for name, true in truth.items()
            ]
        )
    return np.array(z), flags


def assert_honest(z: npt.NDArray[np.float64], bias: float, spread: float) -> None:
    count = len(z)
    assert np.isfinite(z).all()
    assert (np.abs(z.mean(axis=0)) < 4 / math.sqrt(count) + bias).all(), z.mean(axis=0)
    deviation = z.std(axis=0, ddof=1)
    assert (np.abs(deviation - 1) < 4 / math.sqrt(2 * count) + spread).all(), deviation


# Measured over 16 seeds: means of z within 0.2, standard deviations 0.7 to 1.1.
@pytest.mark.parametrize(
    ("name", "noise"),
    [pytest.param("Potts q=3 2-D", 1e-3, marks=pytest.mark.slow), ("planted", 1e-3)],
)
def test_planted_corrections_are_found(name: str, noise: float) -> None:
    one = scaling_functions.exponent_set(name)
    truth = {"c_c": one.c_c, "nu": one.nu, "zeta": one.zeta, "omega": one.omega}
    fits = (
        collapse(with_corrections(name, 1.0, noise, seed), corrections=True, window="all")
        for seed in range(10)
    )
    z, flags = pulls(fits, truth)
    assert not any(flag.startswith(("bad_fit", "not_converged")) for flag in flags), flags
    assert_honest(z, bias=0.2, spread=0.1)


# Measured over 4 seeds: omega = 0.30(1) and 0.80(2).
@pytest.mark.parametrize(("omega", "slow"), [(0.3, True), (0.8, False)])
def test_slow_corrections_are_called_so(omega: float, slow: bool) -> None:
    table = with_corrections("planted", 1.0, 1e-3, 0, omega)
    linear = collapse(table, corrections=True, window="all")
    assert abs(linear.parameters["omega"].value - omega) < 0.06
    assert any(flag.startswith("slow_corrections: ") for flag in linear.flags) == slow
    # For volumes of three dimensions omega is a third, and no slower.
    volumes = replace(table, size=table.size**3, dimension="N")
    result = collapse(volumes, corrections=True, window="all")
    assert abs(result.parameters["omega"].value - omega / 3) < 0.02
    assert any(flag.startswith("slow_corrections: ") for flag in result.flags) == slow


@pytest.mark.parametrize("name", ["Potts q=3 2-D", "planted", "Ising 2-D"])
def test_without_omega_planted_corrections_are_a_bad_fit(name: str) -> None:
    for seed in range(3):
        result = collapse(with_corrections(name, 1.0, 1e-3, seed), window="all")
        assert any(flag.startswith("bad_fit") for flag in result.flags), result


# The sums obey the form up to relative 1/N. Measured over 8 seeds: means of z 0.7 or less, those
# of c_c and zeta above 0, standard deviations 0.7 to 0.9.
@pytest.mark.parametrize(
    "observable", ["magnetization", pytest.param("binder", marks=pytest.mark.slow)]
)
def test_curie_weiss_exponents_per_volume(observable: str) -> None:
    """c_c = 1, 1/nu = 1/2, beta/nu = 1/4 and omega = 1/2, each within its stated error."""
    truth = {"c_c": 1.0, "nu": 2.0, "zeta": CURIE_WEISS[observable], "omega": 0.5}
    results = [
        collapse(curie_weiss_table(observable, 3e-4, seed), corrections=True, window="all")
        for seed in range(8)
    ]
    z, flags = pulls(results, truth)
    assert not any(flag.startswith(("bad_fit", "not_converged")) for flag in flags), flags
    assert_honest(z, bias=0.7, spread=0.2)
    for result in results:  # so precise that a mistake of 1 % in nu would be 10 errors
        assert result.parameters["nu"].stderr < 0.004
        assert abs(result.parameters["omega"].value - 0.5) < 4.5 * result.parameters["omega"].stderr


# Measured over 3 seeds and both observables: z below 2.1.
@pytest.mark.parametrize(
    ("observable", "corrections"), [("magnetization", True), ("binder", False)]
)
def test_curie_weiss_by_polynomials(observable: str, corrections: bool) -> None:
    """Corrections are asked for, or found where they are not."""
    truth = {"c_c": 1.0, "nu": 2.0, "zeta": CURIE_WEISS[observable]}
    truth |= {"omega": 0.5} if corrections else {}
    table = curie_weiss_table(observable, 3e-4, 1)
    result = collapse(table, corrections=corrections, method="polynomial", window="all")
    assert result.orders["n2"] == 1
    z, flags = pulls([result], truth)
    assert not flags
    assert np.abs(z).max() < 4, z
    assert result.parameters["nu"].stderr < 0.004


@pytest.mark.parametrize("observable", CURIE_WEISS)
def test_curie_weiss_without_omega_is_a_bad_fit(observable: str) -> None:
    for seed in range(2):
        result = collapse(curie_weiss_table(observable, 3e-4, seed), window="all")
        assert any(flag.startswith("bad_fit") for flag in result.flags), result
