"""Errors of a collapse: what each of them is by definition, on one set of data."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.exact.scaling_functions import planted_table
from physbatch.scaling import Collapse, collapse
from physbatch.scaling.data_collapse.optimum import climb, curvature, nearby_optimum, newton
from physbatch.scaling.data_collapse.uncertainties import (
    bootstrap,
    constrained_optimum,
    posterior,
    profile,
)
from physbatch.scaling.data_collapse.windows import Fit
from tests.physics.collapse_coverage import DataSet, fit_at_truth


@pytest.fixture(scope="module")
def fit() -> Fit:
    """90 points with 1 % noise."""
    return fit_at_truth(DataSet("Ising 2-D", 0.01, 1))


def test_the_likelihood_has_fallen_by_half_at_the_ends_of_a_profile_interval(fit: Fit) -> None:
    intervals, flags, *_ = profile(fit)
    assert flags == ()
    best = fit.objective.form.exponents(fit.exponents)
    for name, interval in intervals.items():
        assert interval.low < best[name] < interval.high
        assert interval.stderr == pytest.approx((interval.high - interval.low) / 2)
        for end in (interval.low, interval.high):
            fall = fit.optimum.value - constrained_optimum(fit, name, end).value
            assert fall == pytest.approx(0.5, abs=0.01), name


def test_nearby_optimums_by_chords_find_the_optimum_of_the_usual_climb(fit: Fit) -> None:
    objective, vector = fit.objective, fit.optimum.vector
    inverse = np.linalg.inv(curvature(objective, vector))
    generator = np.random.default_rng(3)
    table = objective.table
    for _ in range(4):
        values = table.values["y"] + table.errors["y"] * generator.standard_normal(len(table.size))
        moved = replace(objective, table=replace(table, values={"y": values}))
        quick = nearby_optimum(moved, vector, inverse)
        usual = newton(moved, climb(moved, vector, steps=100))[0]
        assert quick.converged
        assert quick.value == pytest.approx(usual.value, abs=1e-4)
        deviation = np.sqrt(np.diag(inverse))[:3]
        assert (np.abs(quick.vector[:3] - usual.vector[:3]) < 0.02 * deviation).all()


def test_bootstrap_errors_follow_the_curvature_and_the_seed(fit: Fit) -> None:
    form = fit.objective.form
    jacobian = form.jacobian(fit.exponents)
    errors = np.sqrt(np.diag(jacobian @ fit.covariance[:3, :3] @ jacobian.T))
    first, flags, *_ = bootstrap(fit, resamples=60, seed=1)
    assert flags == ()
    for name, error in zip(form.names, errors, strict=True):
        # 60 resamples know a standard deviation to 9 %.
        assert first[name].stderr == pytest.approx(error, rel=0.4)
    assert bootstrap(fit, resamples=60, seed=1)[0] == first
    assert bootstrap(fit, resamples=60, seed=2)[0] != first


def test_the_posterior_is_close_to_the_normal_law_of_its_optimum(fit: Fit) -> None:
    """90 points with 1 % noise: near the optimum there is hardly another shape."""
    form = fit.objective.form
    jacobian = form.jacobian(fit.exponents)
    errors = np.sqrt(np.diag(jacobian @ fit.covariance[:3, :3] @ jacobian.T))
    best = form.exponents(fit.exponents)
    intervals, flags, samples, chains = posterior(fit, seed=1)
    assert flags == ()
    assert len(samples) % chains == 0
    assert samples.shape[1] == len(form.names)
    for place, (name, error) in enumerate(zip(form.names, errors, strict=True)):
        # 400 independent samples know a standard deviation to 3.5 %, a mean to 5 % of it.
        assert intervals[name].stderr == pytest.approx(error, rel=0.2)
        assert samples[:, place].mean() == pytest.approx(best[name], abs=0.4 * error)
        assert intervals[name].low == pytest.approx(best[name] - error, abs=0.5 * error)
    assert posterior(fit, seed=1)[0] == intervals


def test_a_chain_that_is_too_short_says_so(fit: Fit) -> None:
    assert posterior(fit, steps=20)[1][0].startswith("chain_short")


@pytest.mark.parametrize("errors", ["profile", "posterior"])
def test_errors_and_covariance_agree(errors: str) -> None:
    result = collapsed(errors)
    diagonal = np.sqrt(np.diag(result.covariance))
    assert diagonal == pytest.approx([fit.stderr for fit in result.plain], rel=1e-9)
    assert (np.abs(result.correlation) <= 1.0 + 1e-12).all()


@cache
def collapsed(errors: str) -> Collapse:
    return collapse(planted_table("Ising 2-D", (16, 32, 64)), window="all", errors=errors)


# What it says of its own future.
@pytest.mark.filterwarnings("ignore:\\s*ArviZ is undergoing:FutureWarning")
def test_arviz_takes_the_chains() -> None:
    """Walkers are chains that have mixed; values are those that are stated."""
    if importlib.util.find_spec("arviz") is None:
        pytest.skip("component missing: arviz")
    import arviz

    result = collapsed("posterior")
    data = result.to_inference_data()
    assert dict(data.posterior.sizes) == {
        "chain": result.chains,
        "draw": len(result.samples) // result.chains,
    }
    assert (arviz.ess(data).to_array() > 400).all()
    assert (arviz.rhat(data).to_array() < 1.05).all()
    for fit in result.plain:
        assert float(data.posterior[fit.name].std(ddof=1)) == pytest.approx(fit.stderr)
    assert data.posterior["c_c"].values[3, 1] == result.samples[result.chains + 3, 0]


def test_without_chains_arviz_gets_nothing() -> None:
    with pytest.raises(AnalysisError, match=r"no chains.*--errors posterior"):
        collapsed("profile").to_inference_data()
