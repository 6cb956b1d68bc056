"""Exponents: planted laws with their coverage, peaks, relations, classes, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.results import open_results
from physbatch.scaling import Estimate, flag_names
from physbatch.scaling.curves.peaks import find_peaks
from physbatch.scaling.laws.fits import fit_law
from physbatch.scaling.laws.local_exponents import inverse
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.laws.size_laws import (
    collapse_exponent,
    fit_critical_batch,
    fit_critical_control,
    fit_width,
)
from physbatch.scaling.laws.universality import CLASSES, check_relations, compatible
from physbatch.tables.table import ScalingTable

N = 2.0 ** np.arange(4, 11)


@pytest.mark.parametrize("b", [-3.0, -0.5, -5 / 48, 0.25, 43 / 24, 3.0])
def test_a_power_is_found_without_a_guess(b: float):
    fit = fit_law(N, 0.3 * N**b, 1e-4 * N**b, [law("power")])
    assert fit["b"].value == pytest.approx(b, abs=1e-6)
    assert fit["A"].value == pytest.approx(0.3, rel=1e-6)
    # Weighted least squares of ln y gives the same error.
    design = np.column_stack([np.log(N), np.ones(N.size)]) / (1e-4 / 0.3)
    expected = math.sqrt(np.linalg.inv(design.T @ design)[0, 0])
    alone = fit_law(N, 0.3 * N**b, 1e-4 * N**b, [law("power")], scan=False)
    assert alone["b"].stderr == pytest.approx(expected, rel=1e-3)


def test_stated_errors_of_an_exponent_are_those_seen():
    generator = np.random.default_rng(11)
    error = 0.02 * N**1.75
    z = []
    for _ in range(400):
        y = 0.4 * N**1.75 + error * generator.standard_normal(N.size)
        b = fit_law(N, y, error, [law("power")], scan=False)["b"]
        z.append((b.value - 1.75) / b.stderr)
    # A true law is refused once in 1000 times.
    assert np.isnan(z).sum() <= 4
    z = [one for one in z if math.isfinite(one)]
    # 400 seeds: mean +- 0.05, sd +- 0.035; four standard deviations.
    assert abs(np.mean(z)) < 0.2
    assert 0.86 < np.std(z) < 1.14


def test_a_correction_is_found_and_its_neglect_is_seen():
    y = 0.4 * N**1.75 * (1.0 + 2.0 * N**-0.8)
    fit = fit_law(N, y, 1e-5 * y)
    assert fit.form == "A N^b + B N^(b - omega)"
    assert abs(fit["b"].value - 1.75) < 2.0 * fit["b"].total < 0.03
    assert fit["omega"].value == pytest.approx(0.8, abs=1e-2)
    assert fit["B"].value == pytest.approx(0.8, rel=0.02)
    plain = fit_law(N, y, 1e-5 * y, [law("power")])
    assert flag_names(plain.flags) == ("bad_fit",)
    assert math.isnan(plain["b"].value)


def test_small_sizes_that_no_law_describes_are_left_out_and_named():
    y = np.where(N < 50, 1.1, 1.0) * N**0.5
    fit = fit_law(N, y, 1e-3 * y, [law("power")])
    assert flag_names(fit.flags) == ("small_sizes_excluded",)
    assert fit["b"].value == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(fit.fitted[:2]).all()


def test_logarithms_and_fixed_exponents():
    y = 2.0 * N**0.5 * np.log(N) ** 0.25
    free = fit_law(N, y, 1e-6 * y, [law("logarithm")], scan=False)
    assert free["k"].value == pytest.approx(0.25, abs=1e-3)
    held = fit_law(N, y, 1e-6 * y, [law("logarithm", k=0.25)], scan=False)
    assert held.form == "A N^b (ln N)^0.25"
    assert held["b"].value == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(AnalysisError, match="no law"):
        law("logarithm", omega=1.0)


def test_critical_control_and_width_give_nu():
    fit = fit_critical_control(N, 13.0 + 10.0 / N, np.full(N.size, 1e-4), dimension="N")
    assert fit["c"].value == pytest.approx(13.0, abs=2e-4)
    assert inverse(fit["phi"]).value == pytest.approx(1.0, abs=0.01)
    nu = inverse(fit_width(N, 3.0 / np.sqrt(N), 0.01 / np.sqrt(N))["b"], sign=-1.0)
    assert nu.value == pytest.approx(2.0, abs=1e-3)
    assert math.isnan(inverse(Estimate(0.1, 0.08)).value)


def test_a_constant_has_no_shift_exponent():
    generator = np.random.default_rng(2)
    fit = fit_critical_control(N, 1.0 + 0.01 * generator.standard_normal(7), np.full(7, 0.01))
    assert "fixed_exponent" in flag_names(fit.flags)
    assert abs(fit["c"].value - 1.0) < 4.5 * fit["c"].total
    assert math.isnan(fit["phi"].value)


def test_correlated_points_are_weighted_by_their_covariance():
    error, correlation = np.full(N.size, 0.1), 0.9
    covariance = 0.01 * (correlation + (1.0 - correlation) * np.eye(N.size))
    fit = fit_law(N, np.ones(N.size), error, [law("constant")], covariance=covariance, scan=False)
    assert fit["c"].stderr == pytest.approx(0.1 * math.sqrt((1 + 6 * 0.9) / 7), rel=1e-3)


def test_critical_batch_and_collapse():
    n, d = (a.ravel() for a in np.meshgrid([50.0, 100.0, 200.0, 400.0], [3.0, 5.0, 7.0]))
    fit = fit_critical_batch(n, d, 0.5 * d**1.2 * n**0.3, 0.01 * d)
    assert fit["a"].value == pytest.approx(1.2, abs=1e-5)
    assert fit["b"].value == pytest.approx(0.3, abs=1e-5)
    assert fit.variables == ("N", "d")
    fit, ratio = collapse_exponent(N, 0.2 * N**0.9, 0.01 * N**0.9)
    assert fit["b"].value == pytest.approx(0.9, abs=1e-6)
    np.testing.assert_allclose(ratio, 0.2, rtol=1e-5)


def test_fits_without_an_answer_give_nan_and_say_why():
    few = fit_law(N[:2], N[:2], N[:2], [law("power")])
    assert flag_names(few.flags) == ("too_few_points",)
    steep = fit_law(N, N**9.0, 0.01 * N**9.0, [law("power")])
    assert flag_names(steep.flags) == ("at_bound",)
    none = fit_law(N, np.full(7, math.nan), np.ones(7))
    assert set(flag_names(none.flags)) == {"left_out", "too_few_points"}
    for fit in (few, steep, none):
        assert all(math.isnan(one.value) for one in fit.estimates)
        json.dumps(fit.to_json(), allow_nan=False)
    holes = N**0.5
    holes[2] = math.nan
    fit = fit_law(N, holes, 0.01 * N**0.5, [law("power")])
    assert flag_names(fit.flags) == ("left_out",)
    assert fit["b"].value == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(AnalysisError):
        fit_law(-N, N, N)
    with pytest.raises(AnalysisError):
        fit_law(N, N[:3], N)


def test_a_fit_survives_a_file(tmp_path: Path):
    fit = fit_law(N, N**0.5, 0.01 * N**0.5)
    back = open_results(fit.save(tmp_path / "fit.nc"))
    assert repr(back) == repr(fit)
    assert back.identical(fit)
    assert set(fit.to_json()["parameters"]["b"]) >= {"value", "stderr", "systematic", "interval68"}


# peaks ---------------------------------------------------------------------------------------


def peaked(sizes: tuple[float, ...], noise: float, seed: int) -> ScalingTable:
    """Height 2 N^0.75, position 1 + 3/N, parabolic next to it."""
    size = np.repeat(sizes, 25)
    control = np.concatenate([1.0 + 3.0 / n + np.linspace(-1.1, 1.0, 25) for n in sizes])
    x = control - 1.0 - 3.0 / size
    y = 2.0 * size**0.75 * (1.0 - 0.5 * x**2)
    error = noise * size**0.75
    y = y + error * np.random.default_rng(seed).standard_normal(y.size)
    return ScalingTable(size, control, {"chi": y}, {"chi": error}, dimension="N")


def test_peaks_have_the_height_position_and_errors_that_are_planted():
    heights, positions = [], []
    sizes = (16.0, 32.0, 64.0, 128.0)
    for seed in range(15):
        peaks = find_peaks(peaked(sizes, 0.02, seed), "chi", resamples=150, seed=seed)
        assert not peaks.flags
        total = np.hypot(peaks.height_stderr, peaks.height_systematic)
        heights.extend((peaks.height - 2.0 * peaks.size**0.75) / total)
        total = np.hypot(peaks.position_stderr, peaks.position_systematic)
        positions.extend((peaks.position - 1.0 - 3.0 / peaks.size) / total)
    # 60 peaks: mean +- 0.13, sd +- 0.09; four standard deviations.
    for z in (np.array(heights), np.array(positions)):
        assert abs(z.mean()) < 0.55
        assert 0.6 < z.std() < 1.4
    precise = find_peaks(peaked(sizes, 1e-5, 0), "chi", resamples=100)
    assert precise.fit_heights()["b"].value == pytest.approx(0.75, abs=1e-3)
    assert precise.fit_positions()["c"].value == pytest.approx(1.0, abs=1e-3)


def test_a_maximum_at_the_edge_is_no_peak():
    table = peaked((16.0, 32.0), 0.02, 0)
    left = table.select(table.control < 1.0 + 3.0 / table.size)
    peaks = find_peaks(left, "chi")
    assert flag_names(peaks.flags) == ("at_edge",)
    assert np.isnan(peaks.height).all()
    noise = np.random.default_rng(1).standard_normal(table.size.size)
    flat = ScalingTable(table.size, table.control, {"y": noise}, {"y": np.ones(noise.size)})
    assert np.isnan(find_peaks(flat, "y").height).all()
    upside_down = ScalingTable(
        table.size, table.control, {"chi": -table.values["chi"]}, table.errors
    )
    lowest = find_peaks(upside_down, "chi", minimum=True)
    np.testing.assert_allclose(lowest.height, -find_peaks(table, "chi").height)


# relations and classes -----------------------------------------------------------------------


def test_every_class_obeys_the_exponent_relations():
    for known in CLASSES:
        given = {"nu": known.nu, "beta": known.beta, "gamma": known.gamma, "eta": known.eta}
        relations = check_relations(given, dimension=known.dimension)
        assert len(relations) == 2
        for relation in relations:
            slack = 2e-4 if known.nu.stderr else 1e-12
            assert abs(relation.difference.value) <= slack + 2.5 * np.nan_to_num(
                relation.difference.stderr
            ), (known.name, relation)
        assert known.doi.startswith("10.")


def test_relations_are_checked_with_their_errors():
    exact = {"nu": Estimate(1.0, 0.01), "beta": Estimate(0.125, 0.002), "gamma": Estimate(1.75, 0)}
    (relation,) = check_relations(exact, dimension=2)
    assert relation.difference.stderr == pytest.approx(math.hypot(0.02, 0.004))
    assert relation.pull == pytest.approx(0.0, abs=1e-12)
    (held,) = check_relations(exact, dimension=2, covariance={("nu", "beta"): 1e-5})
    assert held.difference.stderr == pytest.approx(math.sqrt(0.02**2 + 0.004**2 - 8e-5))
    wrong = exact | {"gamma": Estimate(1.85, 0.0), "alpha": Estimate(0.0, 0.01)}
    names = {r.name: r.pull for r in check_relations(wrong, dimension=2)}
    assert names["2 beta + gamma = d nu"] == pytest.approx(0.1 / math.hypot(0.02, 0.004))
    assert names["alpha + 2 beta + gamma = 2"] == pytest.approx(0.1 / math.hypot(0.004, 0.01))
    assert check_relations(exact) == ()


def test_classes_are_listed_and_never_claimed():
    found = compatible(Estimate(1.005, 0.01), Estimate(0.126, 0.002))
    assert [match.name for match in found.matches] == ["2-D Ising"]
    assert "others may be compatible" in str(found)
    vague = compatible(Estimate(0.65, 0.04))
    assert {"3-D Ising", "3-D XY", "3-D Heisenberg", "2-D 4-state Potts"} <= {
        match.name for match in vague.matches
    }
    assert str(compatible(Estimate(0.95, 0.005))).startswith("none of the")
    volume = compatible(Estimate(2.0, 0.02), Estimate(0.5, 0.01), size="N")
    assert [match.name for match in volume.matches] == ["mean-field Ising"]
    with pytest.raises(AnalysisError):
        compatible(Estimate(math.nan))
    with pytest.raises(AnalysisError):
        compatible(Estimate(1.0))
