"""Notation, round trips and JSON of results."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.exact.planted import first_order, smooth_crossover
from physbatch.files.netcdf import save_tree
from physbatch.results import open_results
from physbatch.scaling import Analysis, Estimate, SuccessCurve, analyse, flag_names


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((13.0412, 0.0532), "13.04(5)"),
        ((13.0412, 0.0532, 0.12), "13.04(5)(12)"),
        ((13.04, 0.0123), "13.040(12)"),
        ((13.04, 0.0354), "13.040(35)"),  # the rule of the Particle Data Group: below 355
        ((13.04, 0.0356), "13.04(4)"),
        ((13.04, 0.0949), "13.04(9)"),
        ((13.04, 0.0951), "13.04(10)"),  # 0.0951 becomes 0.10
        ((9.5, 0.95), "9.5(1.0)"),
        ((13.0, 1.2), "13.0(1.2)"),
        ((1234.5, 123.0), "1230(120)"),
        ((1234.5, 56.0), "1230(60)"),
        ((0.0, 0.5), "0.0(5)"),
        ((-0.2134, 0.0321), "-0.213(32)"),
        ((13.0, 0.05, 1.8), "13.00(5)(1.80)"),
        ((13.0, 0.0), "13(0)"),
        ((13.0, 0.0, 0.2), "13.00(0)(20)"),
        ((13.0, math.nan), "13(?)"),
        ((12.0, 0.04, math.nan), "12.00(4)(?)"),
        ((1.0, math.inf), "1(inf)"),
        ((math.nan, 0.1), "nan"),
        ((math.inf, 0.1), "inf"),
        ((1.3e-9, 2e-11), "1.300(20)e-09"),
        ((1e12, 3e9), "1.0000(30)e+12"),
        ((13.0, 1e9), "0.0(1.0)e+09"),
    ],
)
def test_an_estimate_prints_in_the_notation_of_the_field(numbers, text):
    assert str(Estimate(*numbers)) == text


@pytest.mark.parametrize("value", [0.0, 1e-300, 1.7e308, -13.0, math.nan])
@pytest.mark.parametrize("stderr", [0.0, 1e-300, 1e-14, 0.3, 1e300, math.inf, math.nan])
def test_every_estimate_prints(value, stderr):
    assert str(Estimate(value, stderr))
    assert str(Estimate(value, stderr, systematic=0.1))


def test_repr_names_the_flags_and_total_adds_the_errors():
    estimate = Estimate(1.0, 0.3, 0.4, flags=("bad_fit: too large", "bad_fit: again", "x: y"))
    assert repr(estimate).endswith("[bad_fit, x]")
    assert estimate.total == pytest.approx(0.5, rel=1e-15)
    assert flag_names(()) == ()


def test_the_fraction_and_its_wilson_interval():
    curve = SuccessCurve(
        50.0,
        100.0,
        np.array([1.0, 2.0, 3.0, 4.0]),
        np.array([0, 5, 10, 0]),
        np.array([10, 10, 10, 0]),
        Estimate(2.0, 0.1),
        Estimate(0.5, 0.1),
        0.0,
        1,
    )
    np.testing.assert_array_equal(curve.fraction, [0.0, 0.5, 1.0, np.nan])
    low, high = curve.fraction_interval
    # Wilson at one standard deviation: n = 10, k = 5 gives 0.5 -+ sqrt(0.025 + 0.0025)/1.1.
    half = math.sqrt(0.025 + 0.0025) / 1.1
    assert (low[1], high[1]) == pytest.approx((0.5 - half, 0.5 + half), rel=1e-12)
    assert (low[0], high[0]) == pytest.approx((0.0, 1.0 / 11.0), abs=1e-12)
    assert np.isnan(low[3])
    assert np.isnan(high[3])
    np.testing.assert_allclose(
        curve.probability([2.0, 2.5, 1e6]), [0.5, 1 / (1 + math.exp(-1)), 1.0], rtol=1e-14
    )


@pytest.fixture(scope="module")
def analyses():
    """Results that are complete, that lack most things, and that have nothing."""
    empty = first_order(sizes=(50,), replicas=4)
    empty["status"] = xr.full_like(empty["status"], 2)
    return [
        analyse(first_order(replicas=12, width=0.1), resamples=50),
        analyse(smooth_crossover(sizes=(200, 400), replicas=8), resamples=50),
        analyse(empty, resamples=50),
    ]


def test_round_trip_through_netcdf_is_exact(analyses, tmp_path):
    for number, analysis in enumerate(analyses):
        read = open_results(analysis.save(tmp_path / f"results{number}.nc"))
        assert isinstance(read, Analysis)
        assert read.identical(analysis)
        assert repr(read) == repr(analysis)
        assert json.dumps(read.to_json()) == json.dumps(analysis.to_json())
        xr.testing.assert_identical(read.moments, analysis.moments)
        assert read.provenance == analysis.provenance
        for a, b in zip(read.curves, analysis.curves, strict=True):
            np.testing.assert_array_equal(a.control, b.control)
            np.testing.assert_array_equal(a.successes, b.successes)
            assert repr(a.m_c) == repr(b.m_c)
        for a, b in zip(read.jumps, analysis.jumps, strict=True):
            np.testing.assert_array_equal(a.overlap, b.overlap)
            assert (a.chosen, a.coexistence) == (b.chosen, b.coexistence)
    assert not analyses[0].identical(analyses[1])


def test_results_open_in_plain_xarray_with_names_and_units(analyses, tmp_path):
    path = analyses[0].save(tmp_path / "results.nc")
    with xr.open_dataset(path) as data:
        for curve, jump in zip(analyses[0].curves, analyses[0].jumps, strict=True):
            row = data.sel(size=curve.size)
            assert float(row["m_c"]) == curve.m_c.value
            assert float(row["m_c_stderr"]) == curve.m_c.stderr
            assert float(row["jump"]) == jump.latent.value
        assert float(data["m_c_limit"]) == analyses[0].m_c.value
        assert data.attrs["transition"] == analyses[0].transition
        assert all(dim in data.coords for dim in data.dims)
    with xr.open_datatree(path) as tree:
        assert tree["moments/overlap_mean"].dims == ("size", "batch_size", "time")
        assert tree["moments/overlap_mean"].attrs["units"] == "1"
        assert tree["curves_point"].dims == ("row",) or "row" in tree["curves_point"].dims
        for node in tree.subtree:
            frame = node.to_dataset().to_dataframe()
            assert frame.memory_usage(deep=True).sum() < 100e6
            for owner in (node, *node.variables.values()):
                for value in owner.attrs.values():
                    assert isinstance(value, (str, int, float, np.integer, np.floating, np.ndarray))


def test_a_misspelt_name_is_one_clear_line(analyses):
    with pytest.raises(KeyError) as caught:
        analyses[0]["m_d"]
    begin = "Analysis has no 'm_d' (did you mean m_c?); it has m_c, jump, "
    assert caught.value.args[0].startswith(begin)


def test_json_is_strict_and_complete(analyses):
    for analysis in analyses:
        document = json.loads(json.dumps(analysis.to_json(), allow_nan=False))
        assert set(document["parameters"]) == {"m_c", "jump"}
        assert set(document["parameters"]["m_c"]) == {
            "value",
            "stderr",
            "systematic",
            "total",
            "interval68",
            "flags",
        }
        assert {"goodness", "flags", "per_size", "transition", "reasons"} <= set(document)
        assert len(document["per_size"]) == len(analysis.curves)
        assert {
            *("size", "m_c", "m_c_stderr", "width", "width_stderr", "m_c_interval", "jump"),
            *("jump_stderr", "drift_per_log_time", "drift_stderr", "deviance", "dof", "flags"),
        } <= set(document["per_size"][0])
    assert analyses[2].to_json()["parameters"]["m_c"]["value"] is None


def _root(change):
    return lambda tables: {**tables, "": change(tables[""])}


@pytest.mark.parametrize(
    "damage",
    [
        _root(lambda data: data.drop_attrs()),
        _root(lambda data: data.assign_attrs(physbatch_results=99)),
        _root(lambda data: data.assign_attrs(physbatch_results="one")),
        _root(lambda data: data.assign_attrs(physbatch_kind="crossings")),
        _root(lambda data: data.drop_vars("m_c_limit")),
        _root(lambda data: data.assign(m_c_limit_stderr="large")),
        lambda tables: {
            **tables,
            "curves": tables["curves"].assign(point_count=("size", [77] * 4)),
        },
        lambda tables: {**tables, "curves_point": tables["curves_point"].drop_vars("control")},
        lambda tables: {name: table for name, table in tables.items() if name != "jumps"},
        lambda tables: {name: table for name, table in tables.items() if name != "moments"},
        lambda tables: {**tables, "flags": tables["flags"].drop_vars("of")},
    ],
)
def test_damaged_results_give_one_line(analyses, damage, tmp_path):
    path = save_tree(damage(analyses[0].to_tables()), tmp_path / "odd.nc")
    with pytest.raises(DatasetError) as caught:
        open_results(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
