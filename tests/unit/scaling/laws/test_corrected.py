"""Laws whose corrections are averaged over: values, total errors, and what the scatter says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.results import flag_names
from physbatch.scaling import fit_critical_control, fit_law, law
from physbatch.scaling.laws.corrected import Expected, corrected_limit, corrected_power

L = np.array([8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0])
SHIFT = Expected(1.0, 1.2, 0.6)


def shifts(error: float, seed: int, factor: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Values 2 + 0.5 (L/8)^-1, and the errors that are quoted for them."""
    stderr = np.full(L.size, error)
    noise = factor * stderr * np.random.default_rng(seed).standard_normal(L.size)
    return 2.0 + 0.5 * (L / L[0]) ** -1.0 + noise, stderr


def test_a_pure_law_has_its_own_error_beside_the_total():
    y, stderr = shifts(1e-3, 1)
    limit = corrected_limit(L, y, np.diag(stderr**2), SHIFT)
    phi, c, a = limit.estimates
    for estimate, truth in ((phi, 1.0), (c, 2.0), (a, 4.0)):
        assert abs(estimate.value - truth) < 2.0 * estimate.total
        # Absent corrections cannot be told from hidden ones: the total is wider on purpose.
        assert 0.0 < estimate.stderr < estimate.total
        assert math.hypot(estimate.stderr, estimate.systematic) == pytest.approx(estimate.total)
    plain = fit_law(L, y, stderr, [law("shifted")], scan=False, variables=("L",))
    assert c.stderr == pytest.approx(plain["c"].stderr, rel=0.03)
    assert phi.stderr == pytest.approx(plain["phi"].stderr, rel=0.03)


def test_independent_points_of_one_size_are_their_mean():
    y, stderr = shifts(1e-3, 2)
    once = corrected_limit(L, y, np.diag(stderr**2), SHIFT)
    shift = 1e-9 * np.concatenate([np.ones(L.size), -np.ones(L.size)])
    twice = corrected_limit(
        np.tile(L, 2), np.tile(y, 2) + shift, np.diag(np.tile(2.0 * stderr**2, 2)), SHIFT
    )
    # Points that agree that well also say that the errors are too large.
    assert twice.value[1] == pytest.approx(once.value[1], abs=once.total[1])
    assert twice.noise < once.noise


def test_a_common_error_moves_the_limit_and_nothing_else():
    y, stderr = shifts(1e-3, 3)
    covariance = np.diag(stderr**2)
    alone = corrected_limit(L, y, covariance, SHIFT)
    common = corrected_limit(L, y, covariance + 0.02**2, SHIFT)
    assert common.value == pytest.approx(alone.value, rel=0.05)
    assert common.total[0] == pytest.approx(alone.total[0], rel=0.2)
    # The factor on the errors, known to 30 %, holds for the common one too.
    assert common.total[1] == pytest.approx(math.hypot(alone.total[1], 0.02), rel=0.35)


def powers(error: float, seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Values L^1.75, and the errors that are quoted for them."""
    noise = factor * error * np.random.default_rng(seed).standard_normal(L.size)
    y = L**1.75 * (1.0 + noise)
    return y, error * y


@pytest.mark.parametrize(
    ("factor", "name", "least"),
    [(5.0, "errors_too_small", 16), (1.0, "", 18), (0.2, "errors_too_large", 17)],
)
def test_wrong_errors_are_called_wrong(factor: float, name: str, least: int):
    """Of 20 fits of seven points; the values are within three totals whatever the errors."""
    flags, pulls = [], []
    for seed in range(20):
        y, stderr = powers(2e-3, seed, factor)
        power = corrected_power(L, y, np.diag(stderr**2), 1.0)
        flags.append(flag_names(power.flags("chi")))
        pulls.append((power.value[0] - 1.75) / power.total[0])
    assert flags.count((name,) if name else ()) >= least
    assert np.abs(pulls).max() < 3.0


def test_shifts_with_understated_errors_are_flagged_and_covered():
    flags, pulls = [], []
    for seed in range(12):
        y, stderr = shifts(2e-3, seed, 6.0)
        limit = corrected_limit(L, y, np.diag(stderr**2), SHIFT)
        flags.append("errors_too_small" in flag_names(limit.flags("c_c")))
        pulls.append((limit.value[1] - 2.0) / limit.total[1])
    assert np.mean(flags) > 0.7
    assert np.abs(pulls).max() < 3.0


def test_what_no_factor_on_the_errors_explains_is_refused():
    y = np.array([2.0, 2.5, 2.0, 2.5, 2.0, 2.5, 2.0])
    fit = fit_critical_control(L, y, np.full(L.size, 1e-3))
    assert flag_names(fit.flags) == ("bad_fit",)
    assert math.isnan(fit["c"].value)
    fit = fit_law(L, y, np.full(L.size, 1e-3))
    assert flag_names(fit.flags) == ("bad_fit",)
    assert math.isnan(fit["b"].value)


def test_errors_below_what_one_correction_describes_are_not_believed():
    y = 2.0 + 0.5 * (L / L[0]) ** -1.3 * (1.0 + 0.3 * (L / L[0]) ** -0.7)
    for error in (1e-5, 1e-8, 1e-12):
        limit = corrected_limit(L, y, np.diag(np.full(L.size, error**2)), SHIFT)
        assert abs(limit.value[1] - 2.0) < 2.0 * limit.total[1] < 0.02
        assert limit.flags("c_c") == ()


def test_phi_that_is_not_held_is_not_stated():
    y = 2.0 + 0.01 * np.random.default_rng(8).standard_normal(L.size)
    fit = fit_critical_control(L, y, np.full(L.size, 0.01))
    assert flag_names(fit.flags) == ("fixed_exponent",)
    assert math.isnan(fit["phi"].value)
    assert abs(fit["c"].value - 2.0) < 2.0 * fit["c"].total < 0.1


def test_negative_values_have_a_power_and_values_around_zero_the_plain_one():
    z = -3.0 * L**0.5
    fit = fit_law(L, z, 0.01 * np.abs(z), variables=("L",))
    assert abs(fit["b"].value - 0.5) < fit["b"].total == fit["b"].stated
    assert abs(fit["A"].value + 3.0) < fit["A"].total
    noise = np.random.default_rng(4).standard_normal(L.size)
    assert not math.isfinite(fit_law(L, noise, np.ones(L.size)).estimates[0].stated)


AMPLITUDE = 0.4  # of planted corrections at the smallest size


def planted(omega: float, seed: int, power: int) -> list[float]:
    """Pulls of c and phi of a shift, and of the exponent of a height; sizes are L^power."""
    generator = np.random.default_rng([seed, 7])
    size, ratio = L[:6] ** power, L[:6] / L[0]
    sign, error = generator.choice([-1.0, 1.0]), generator.choice([0.003, 0.02])
    correction = 1.0 + (sign * AMPLITUDE * ratio**-omega if omega else 0.0)
    phi = generator.choice([0.7, 1.0, 1.6])  # per linear size
    noise = error * generator.standard_normal((2, size.size))
    shift = 2.0 + 0.5 * (ratio**-phi * correction + noise[0])
    covariance = np.diag(np.full(size.size, (0.5 * error) ** 2))
    expected = Expected(0.5, 0.5, 0.6) if power == 2 else SHIFT
    limit = corrected_limit(size, shift, covariance, expected)
    height = ratio**1.75 * correction * (1.0 + noise[1])
    law = corrected_power(size, height, np.diag((error * height) ** 2), 1.0 / power)
    values = [(limit, 0, phi / power), (limit, 1, 2.0), (law, 0, 1.75 / power)]
    return [(fit.value[k] - truth) / fit.total[k] for fit, k, truth in values]


def test_total_errors_cover_planted_laws_with_and_without_corrections():
    """68 % intervals cover 60 to 80 % pooled and above 50 % for none, L^-1/2 and L^-1.

    A pure law has its error about twice too wide, and one in L^-1/2 as large as the prior of B
    has the exponent of a height too small: see docs/measurements.md for every kind by itself.
    """
    pulls = {
        omega: np.array([planted(omega, s, power) for s in range(40) for power in (1, 2)])
        for omega in (0.0, 0.5, 1.0)
    }
    inside = {omega: float(np.mean(np.abs(z) < 1.0)) for omega, z in pulls.items()}
    assert min(inside.values()) > 0.5, inside
    assert 0.6 < np.mean(list(inside.values())) < 0.8, inside
    pooled = np.abs(np.concatenate([z.ravel() for z in pulls.values()]))
    assert np.mean(pooled > 3.0) < 0.01
    assert pooled.max() < 4.0
