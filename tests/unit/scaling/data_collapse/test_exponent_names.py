"""beta and gamma by name: signs, ratios to nu, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.exponent_names import fixed_by_name, named_exponents, signed
from physbatch.scaling.data_collapse.methods import collapse
from physbatch.tables.table import ScalingTable
from tests.unit.scaling.data_collapse.test_methods import planted


def test_beta_is_minus_zeta() -> None:
    result = collapse(planted(1), exponent="beta", window="all")
    zeta, beta = result.parameters["zeta"], result.named["beta"]
    assert beta.value == -zeta.value
    assert (beta.stderr, beta.systematic) == (zeta.stderr, zeta.systematic)
    assert beta.interval68 == (-zeta.interval68[1], -zeta.interval68[0])
    assert abs(beta.value - 0.125) < 4 * beta.stderr
    document = result.to_json()["parameters"]
    assert list(document) == ["c_c", "nu", "zeta", "beta", "beta_over_nu"]
    assert document["beta"]["value"] == beta.value
    assert "beta = 0.12" in repr(result)
    assert "beta/nu = 0.12" in repr(result)
    assert r"$\beta/\nu$" in result.to_latex()
    assert "beta/nu" in result._repr_html_()
    assert "beta/nu:" in result.report()


def test_the_error_of_the_ratio_knows_the_correlation() -> None:
    """zeta/nu is a parameter of the fit itself: its error there, to the digits of the steps."""
    result = collapse(planted(2), exponent="beta", window="all")
    nu, zeta = result.parameters["nu"], result.parameters["zeta"]
    ratio = result.named["beta_over_nu"]
    assert ratio.value == pytest.approx(-zeta.value / nu.value, rel=1e-12)
    order = list(result.parameters)
    place = [order.index("zeta"), order.index("nu")]
    slope = np.array([1 / nu.value, -zeta.value / nu.value**2])
    expected = math.sqrt(slope @ result.covariance[np.ix_(place, place)] @ slope)
    assert ratio.stderr == pytest.approx(expected, rel=1e-6)
    uncorrelated = math.hypot(zeta.stderr / nu.value, zeta.value * nu.stderr / nu.value**2)
    assert ratio.stderr != pytest.approx(uncorrelated, rel=0.01)


def test_gamma_and_beta_of_two_observables() -> None:
    table = planted(3)
    rng = np.random.default_rng(4)
    x = table.size * (table.control - 1.0)
    scale = table.size**1.75
    chi = scale * (1 / (1 + x**2) + 0.01 * rng.normal(size=len(x)))
    both = ScalingTable(
        table.size,
        table.control,
        {**table.values, "chi": chi},
        {**table.errors, "chi": 0.01 * scale},
    )
    result = collapse(both, exponent={"m": "beta", "chi": "gamma"}, window="all")
    assert list(result.named) == ["beta", "beta_over_nu", "gamma", "gamma_over_nu"]
    for name, truth in {"beta": 0.125, "gamma": 1.75, "gamma_over_nu": 1.75}.items():
        one = result.named[name]
        assert abs(one.value - truth) < 4 * one.stderr, name
    assert result.named["gamma"].value == result.parameters["zeta_chi"].value


def test_an_exponent_may_be_fixed_by_its_name() -> None:
    result = collapse(planted(1), exponent="beta", fixed={"beta": 0.125}, window="all")
    assert result.fixed == {"zeta": -0.125}
    assert result.named["beta"] == Estimate(0.125, 0.0, 0.0, (0.125, 0.125))
    nu, ratio = result.parameters["nu"], result.named["beta_over_nu"]
    assert ratio.stderr == pytest.approx(0.125 * nu.stderr / nu.value**2, rel=1e-6)


def test_the_same_name_twice_carries_the_observable() -> None:
    named = named_exponents({"m": "beta", "q": "beta"}, ["m", "q"])
    assert [one.name for one in named] == ["beta_m", "beta_q"]
    assert fixed_by_name({"beta_q": 0.2}, named) == {"zeta_q": -0.2}


@pytest.mark.parametrize(
    ("exponent", "observables", "words"),
    [
        ("delta", ["m"], "use beta or gamma"),
        ("beta", ["m", "q"], "for 2 observables"),
        ({"U": "beta"}, ["m"], "no observable 'U'"),
    ],
)
def test_names_that_make_no_sense(exponent: object, observables: list[str], words: str) -> None:
    with pytest.raises(AnalysisError, match=words) as caught:
        named_exponents(exponent, observables)
    assert "\n" not in str(caught.value)


def test_both_names_cannot_be_fixed() -> None:
    named = named_exponents("beta", ["m"])
    with pytest.raises(AnalysisError, match="both fixed"):
        fixed_by_name({"beta": 0.1, "zeta": -0.1}, named)


def test_signed() -> None:
    one = Estimate(1.0, 0.1, 0.2, (0.8, 1.1), ("odd",))
    assert signed(one, 1.0) is one
    assert signed(one, -1.0) == Estimate(-1.0, 0.1, 0.2, (-1.1, -0.8), ("odd",))
