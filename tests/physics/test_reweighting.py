"""Reweighted series of the 2-D Ising model against its exact density of states.

Runs at four beta, means at twenty from 10 % below the smallest to 10 % above the largest. Twenty
points of so small a system move in few independent ways: chi^2 is taken over the modes of the
correlation matrix with eigenvalues above 0.05^2 (four to six of them), and sums over seeds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import scipy

from physbatch.results import flags
from physbatch.scaling import find_crossings, reweight
from physbatch.tables import ScalingTable
from tests.physics.ising_states import density_of_states, exact_means, ising_series

BETAS = (0.32, 0.38, 0.44, 0.50)
AT = np.linspace(0.9 * BETAS[0], 1.1 * BETAS[-1], 20)
MOMENTS = ("mean_abs", "susceptibility_abs", "binder")
NAMES = ("energy", "specific_heat", "energy_binder", *MOMENTS)


def chi_square(table: ScalingTable, name: str, exact: npt.NDArray[np.float64]) -> tuple[float, int]:
    """Of the deviations from the exact means, and how many modes it sums."""
    error, matrix = table.errors[name], table.covariance[name]
    strength, modes = np.linalg.eigh(matrix / np.outer(error, error))
    kept = strength > 0.05**2
    along = modes.T @ ((table.values[name] - exact) / error)
    return float((along[kept] ** 2 / strength[kept]).sum()), int(kept.sum())


def total(length: int, samples: int, seeds: range) -> dict[str, tuple[float, int]]:
    """chi^2 and dof of each moment, summed over seeds."""
    exact = exact_means(length, AT)
    sums = dict.fromkeys(NAMES, (0.0, 0))
    for seed in seeds:
        data = ising_series(length, BETAS, 2, samples, seed)
        result = reweight(
            data, observable="m", at=AT, moments=MOMENTS, space_dimension=2, resamples=300
        )
        assert result.table.control.size == AT.size
        assert not flags.INCONSISTENT.among(result.flags)
        for name in NAMES:
            chi2, dof = chi_square(result.table, name, exact[name])
            sums[name] = (sums[name][0] + chi2, sums[name][1] + dof)
    return sums


def test_states_are_counted() -> None:
    """All 2^(L^2) of them; two ground states; <E> = 0 and <M^2> = N at beta = 0."""
    for length in (4, 6):
        energy, magnetization, states = density_of_states(length)
        sites = length**2
        assert states.sum() == 2.0**sites
        assert states[energy == -2 * sites].sum() == 2
        assert abs(states @ energy) < 1e-9 * states.sum()
        assert states @ magnetization**2 == pytest.approx(sites * states.sum())


@pytest.mark.parametrize(("length", "samples"), [(4, 4000), (6, 4000)])
def test_exact_means_within_errors(length: int, samples: int) -> None:
    """Four seeds; the tails of chi^2 at 1e-5 for each moment, with 30 % for the error's error."""
    for name, (chi2, dof) in total(length, samples, range(100, 104)).items():
        assert dof >= 10, name
        assert scipy.stats.chi2.sf(chi2 / 1.3, dof) > 1e-5, name
        assert scipy.stats.chi2.cdf(chi2 * 1.3, dof) > 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("length", [4, 6])
def test_chi_square_of_fifty_seeds(length: int) -> None:
    for name, (chi2, dof) in total(length, 10_000, range(50)).items():
        print(f"L = {length}, {name}: chi2/dof = {chi2 / dof:.3f}, dof = {dof}")
        assert 0.7 < chi2 / dof < 1.3, name


def test_crossing_of_reweighted_curves() -> None:
    """The cumulants of L = 4 and 6 cross at the exact beta, within 4.5 small errors."""
    parts = [ising_series(length, (0.38, 0.44, 0.50), 2, 8000, 7) for length in (4, 6)]
    data = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    table = reweight(data, observable="m", moments=["binder"], resamples=200).table
    crossings = find_crossings(table, "binder", resamples=200)
    exact = scipy.optimize.brentq(
        lambda beta: float(np.subtract(*(exact_means(n, beta)["binder"][0] for n in (4, 6)))),
        0.38,
        0.5,
    )
    (crossing,) = crossings.estimates("crossing")
    assert abs(crossing.value - exact) < 4.5 * crossing.total
    assert crossing.total < 0.02
    assert not flags.CORRELATED_POINTS.among(crossings.flags)
