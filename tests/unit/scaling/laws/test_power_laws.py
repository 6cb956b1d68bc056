"""Laws: how they are written, what they are at a point, and that files give them back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import AnalysisError, DatasetError
from physbatch.files.netcdf import save
from physbatch.results import open_results
from physbatch.scaling import Law, ScalingFit, extrapolate, fit_law, law
from physbatch.scaling.laws.power_laws import law_of_text

N = np.array([16.0, 32.0, 64.0, 128.0, 256.0])
WRITTEN = {
    "constant": ("c", "c"),
    "power": ("A L^b", "A L^{b}"),
    "corrected": ("A L^b + B L^(b - omega)", r"A L^{b} + B L^{b - \omega}"),
    "logarithm": ("A L^b (ln L)^k", r"A L^{b} (\ln L)^{k}"),
    "shifted": ("c + a L^-phi", r"c + a L^{-\phi}"),
    "approach": ("c + a L^-phi + b L^(-2 phi)", r"c + a L^{-\phi} + b L^{-2 \phi}"),
    "two_powers": ("A L^b P^a", "A L^{b} P^{a}"),
    "line": ("ln A + L Delta", r"\ln A + L \Delta"),
    "log_power": ("ln A + z ln L", r"\ln A + z \ln L"),
    "divergence": ("ln A - y ln|L - c_s|", r"\ln A - y \ln|L - c_s|"),
    "saturated": ("A/(1 + L/m_x)", "A/(1 + L/m_x)"),
    "level": ("a", "a"),
    "inverse": ("a + b / L", "a + b/L"),
    "inverse_root": ("a + b / sqrt(L)", r"a + b/\sqrt{L}"),
    "spinodal": ("a + b / L^(2/3)", "a + b/L^{2/3}"),
    "drift": ("a + b ln L", r"a + b\,\ln L"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_law_is_written_in_the_letters_of_its_variables(name: str):
    assert (law(name).text(("L", "P")), law(name).latex(("L", "P"))) == WRITTEN[name]
    assert "L" not in law(name).text()


def test_fixed_exponents_are_written_as_numbers_and_are_no_parameters():
    power = law("approach", phi=0.5)
    assert power.text(("m",)) == "c + a m^-0.5 + b m^-1"
    assert power.parameters == ("c", "a", "b")
    assert law("corrected", omega=0.8).text() == "A N^b + B N^(b - 0.8)"
    assert power(np.array([4.0]), [1.0, 2.0, 4.0]).tolist() == [3.0]
    assert law("divergence", lowest=1.0, highest=2.0).bounds == ((1.0, 2.0),)
    with pytest.raises(AnalysisError, match="no law"):
        law("power", lowest=1.0)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_law_that_an_earlier_file_holds_as_text_is_found(name: str):
    assert law_of_text(law(name).text()) == law(name)
    assert law_of_text("c + a N^-1.5") == law("shifted", phi=1.5)
    with pytest.raises(DatasetError, match="no law is written"):
        law_of_text("A N^c")


def test_a_fit_is_restored_with_its_law_and_drawn_from_it(tmp_path: Path):
    fit = fit_law(N, 3.0 * N**0.5, 0.01 * N**0.5, [law("power", b=0.5)], variables=("L",))
    back = open_results(fit.save(tmp_path / "fit.nc"))
    assert back.law == Law("power", (("b", 0.5),)) == fit.law
    assert back.form == "A L^0.5"
    np.testing.assert_array_equal(back.curve([4.0, 9.0]), fit.curve([4.0, 9.0]))
    np.testing.assert_allclose(back.curve([4.0, 9.0]), [6.0, 9.0])
    np.testing.assert_array_equal(back.fitted, back.curve(N))
    assert (back.curve_x[0], back.curve_x[-1]) == (16.0, pytest.approx(256.0))


def test_a_parameter_of_another_law_is_nan_and_a_name_of_no_law_an_error():
    fit = fit_law(N, 2.0 * N**0.5, 0.01 * N**0.5)
    assert fit.law == law("power")
    assert np.isnan(fit["omega"].value)
    assert fit["omega"].flags == ("no_parameter: A N^b has no omega",)
    with pytest.raises(KeyError, match="nu"):
        fit["nu"]
    nothing = fit_law(N, np.full(5, np.nan), np.ones(5))
    assert np.isnan(nothing["b"].value)
    assert np.isnan(nothing.curve(N)).all()


def test_every_form_of_an_extrapolation_is_drawn():
    found = extrapolate("m_c", N, 13.0 + 10.0 / N, np.full(5, 0.01))
    curves = dict(zip(found.laws, found.curve([10.0, 100.0]), strict=True))
    np.testing.assert_allclose(curves[law("inverse")], [14.0, 13.1], atol=0.01)
    assert found.curve(N).shape == (5, 5)
    assert extrapolate("m_c", [], [], []).curve(N).shape == (0, 5)


def test_a_fit_of_version_1_is_read_with_its_laws(tmp_path: Path):
    y, stderr = 13.0 + 3.0 * N**-0.5, np.full(N.size, 1e-3)
    fit = fit_law(N, y, stderr, [law("constant"), law("shifted", phi=0.5)])
    content = {name: getattr(fit, name) for name in ("quantity", "variables", "chi2", "dof")}
    content |= {name: getattr(fit, name) for name in ("p_value", "starts_tried", "starts_agreed")}
    content |= {"form": fit.form, "names": fit.names, "fit_form": fit.fit_form, "flags": fit.flags}
    arrays = ("x", "value", "stderr", "fitted", "curve_x", "fit_size_min", "fit_chi2", "fit_dof")
    arrays = (*arrays, "fit_p_value", "fit_weight", "fit_values", "fit_stderr")
    content |= {name: _array(getattr(fit, name)) for name in arrays}
    content["curve_y"] = _array(fit.curve(fit.curve_x))
    content["estimates"] = [{"Estimate": dataclasses.astuple(one)} for one in fit.estimates]
    record = json.dumps({"ScalingFit": content})
    data = xr.Dataset(attrs={"physbatch_record": "ScalingFit", "record": record})
    back = open_results(save(data, tmp_path / "fit.nc"))
    assert isinstance(back, ScalingFit)
    assert back.identical(fit)
    assert back.law == law("shifted", phi=0.5)


def _array(values: np.ndarray) -> dict[str, list[object]]:
    return {"array": [values.dtype.str, list(values.shape), values.ravel().tolist()]}
