"""An energy is known by its fluctuations: the specific heat from them is that of the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.results import FLAGS
from physbatch.scaling import transition_order
from physbatch.scaling.order import energy_like
from physbatch.scaling.order.samples import OrderData, sample_data
from physbatch.tables import ScalingTable
from tests.physics.order_systems import independent_units, sampled

TEMPERATURES = np.linspace(0.6, 2.0, 11)


def open_chain(seed: int, controls: np.ndarray, inverse: bool = False) -> ScalingTable:
    """Energy per spin of open Ising chains: each of N bonds is broken with odds exp(-2/T)."""

    def point(size: float, control: float, generator: np.random.Generator) -> np.ndarray:
        beta = control if inverse else 1.0 / control
        broken = generator.binomial(int(size), 1.0 / (1.0 + math.exp(2.0 * beta)), 100)
        return 2.0 * broken / size - 1.0

    return sampled(point, (64, 256, 1024), controls, [seed, 91])


def test_the_factor_of_an_energy_is_one_with_the_right_error():
    # The trapezoids of this grid are 1 % off at most, beside an error of 4 %.
    data = [of(open_chain(seed, TEMPERATURES)) for seed in range(20)]
    estimates = [energy_like._factor(each, -2.0) for each in data]
    pulls = np.array([(k.value - 1.0) / k.stderr for k, _ in estimates])
    assert abs(pulls.mean()) < 0.5 + 4.0 / math.sqrt(20)
    # The tolerance on trapezoids, which are nearly right here, widens the error.
    assert 0.25 < pulls.std() < 1.0 + 4.0 / math.sqrt(40)
    assert min(p for _, p in estimates) > 1e-4


def of(table: ScalingTable) -> OrderData:
    return sample_data(table)


def test_energies_against_a_temperature_and_against_its_inverse():
    heat = energy_like.energy_by_its_fluctuations(of(open_chain(1, TEMPERATURES)))
    assert "k N var(q)/c^2" in heat
    inverse = open_chain(2, np.linspace(0.2, 2.2, 11), inverse=True)
    assert "k N var(q) at all sizes" in energy_like.energy_by_its_fluctuations(of(inverse))
    # A magnetisation in a field answers the field, and its controls change sign.
    assert energy_like.energy_by_its_fluctuations(of(independent_units(3))) == ""


def test_a_smooth_energy_of_any_name_is_undecided_and_says_why():
    result = transition_order(open_chain(4, TEMPERATURES))
    assert result.verdict == "undecided"
    assert "bring the order parameter" in result.reasons[0]
    assert "as an energy does" in result.reasons[1]
    assert FLAGS["weakly_singular_observable"].among(result.flags)


@pytest.mark.parametrize("name", ["energy", "internal_energy", "E", "action"])
def test_names_of_energies(name: str):
    assert energy_like.named_energy(name)


@pytest.mark.parametrize("name", ["overlap", "energetic", "m", "entropy"])
def test_names_of_others(name: str):
    assert not energy_like.named_energy(name)
