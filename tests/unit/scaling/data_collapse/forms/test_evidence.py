"""Evidence of a form: the integral over its parameters, in the density of the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from physbatch.scaling.data_collapse.forms import form_evidence
from physbatch.tables.table import ScalingTable
from tests.unit.scaling.data_collapse.test_methods import planted

FIXED = {"nu": 1.0, "zeta": -0.125}


def test_other_units_of_the_data_change_its_density() -> None:
    """With y in units of 1/10 every point's density is 1/10."""
    table = planted(1)
    tenfold = replace(
        table, values={"m": 10 * table.values["m"]}, errors={"m": 10 * table.errors["m"]}
    )
    one, ten = (form_evidence(data, "m", fixed=FIXED) for data in (table, tenfold))
    fall = len(table.size) * np.log(10.0)
    assert one.log_evidence - ten.log_evidence == pytest.approx(fall, abs=1e-3)
    assert one.log_posterior - ten.log_posterior == pytest.approx(fall, abs=1e-3)
    assert one.form == "power"
    assert one.parameters == 5  # c_c and four of the curve


def test_the_logarithm_of_the_data_has_the_density_of_the_data() -> None:
    """A narrow law of y and that of ln y are the same, so their forms compare.

    Near e both have the same mean in units of their spread.
    """
    rng = np.random.default_rng(3)
    size, control = np.repeat([8.0, 16.0, 32.0], 12), np.tile(np.linspace(0.9, 1.1, 12), 3)
    error = np.full(36, 2e-4)
    value = np.e + 0.02 * np.tanh(8 * (control - 1)) + error * rng.normal(size=36)
    table = ScalingTable(size, control, {"m": value}, {"m": error})
    fixed = {"nu": 50.0, "c_c": 1.0}
    plain = form_evidence(table, "m", fixed={**fixed, "zeta": 0.0})
    log = form_evidence(table, "m", "activated", fixed={**fixed, "psi": 0.0})
    assert plain.parameters == log.parameters == 4
    assert log.log_evidence == pytest.approx(plain.log_evidence, abs=0.5)


def test_evidence_is_the_integral_over_what_is_fitted() -> None:
    """Over c_c, by hand: the evidence is the mean over its range of that with c_c held."""
    table = planted(2)
    whole = form_evidence(table, "m", fixed=FIXED)
    error = 0.00007
    offsets = error * np.linspace(-6, 6, 25)
    heights = [
        form_evidence(table, "m", fixed={**FIXED, "c_c": whole.values["c_c"] + offset}).log_evidence
        for offset in offsets
    ]
    width = 1.1 * np.ptp(table.control)
    log_mean = np.log(np.exp(np.array(heights) - max(heights)).sum() * (offsets[1] - offsets[0]))
    assert whole.log_evidence == pytest.approx(log_mean + max(heights) - np.log(width), abs=0.05)


def test_a_parameter_at_its_bound_has_no_evidence() -> None:
    weak = form_evidence(planted(1), "m", corrections=True)
    assert weak.at_bound == ("omega",)
    assert np.isnan(weak.log_evidence)
    assert np.isfinite(weak.log_posterior)
