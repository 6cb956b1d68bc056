"""Order of a transition: bad input is refused in one line, and the result keeps every number."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.errors import AnalysisError, DatasetError
from physbatch.exact import phases, planted
from physbatch.exact.replicas import as_table
from physbatch.results import Flag, open_results
from physbatch.scaling import TransitionOrder, transition_order
from physbatch.scaling.order.result import EVIDENCE, VERDICTS
from physbatch.tables.make import make_table
from physbatch.tables.samples import make_sample_table

NASTY = "<b>q_1 & 50 % of $x$</b>"


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return phases.equilibrium_first_order((50, 100, 200), seed=3)


@pytest.fixture(scope="module")
def result(data: xr.Dataset) -> TransitionOrder:
    return transition_order(data)


def refused(*words: str, **arguments: object) -> None:
    """The call is refused in one line that holds the words."""
    made = arguments.pop("data")
    with pytest.raises(AnalysisError) as caught:
        transition_order(made, **arguments)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def samples(values: np.ndarray, sizes: tuple[int, ...] = (50, 100, 200), **names: str):
    """A table with the same samples (n_control, n_replica) at every size."""
    control = np.arange(len(values), dtype=float)
    names.setdefault("dimension", "N")
    return make_sample_table(
        np.repeat(sizes, len(values)),
        np.tile(control, len(sizes)),
        {"q": [row + 1e-9 * size for size in sizes for row in values]},
        **names,
    )


def test_diverged_replicas_are_refused(data: xr.Dataset):
    diverged = data.assign(generalization_error=data["overlap"] * 1e100)
    refused("generalization_error", "diverged", data=diverged, observable="generalization_error")


def test_too_few_sizes_are_refused(data: xr.Dataset):
    refused("1 sizes", "N = 50", "at least 3", data=data.isel(size=[0]))
    refused("2 sizes", "at least 3", data=data.isel(size=[0, 1]))
    curve = make_table([4, 4, 8, 8], [1, 2, 1, 2], {"m": [1, 2, 3, 4]}, {"m": [0.1] * 4})
    refused("2 sizes", "at least 3", data=curve)


def test_too_few_replicas_are_refused(data: xr.Dataset):
    refused("at most 8 replicas", "at least 12", data=data.isel(replica=slice(0, 8)))


def test_what_is_no_order_parameter_is_refused(data: xr.Dataset):
    constant = data.assign(overlap=xr.full_like(data["overlap"], 0.5))
    refused("is 0.5 everywhere", data=constant)
    event = as_table(data).only("success")
    refused("two values only", "not an intensive order parameter", data=event)
    refused("no observable 'first_passage'", data=data, observable="first_passage")
    refused("no observable 'nothing'", data=as_table(data), observable="nothing")
    refused("name the order parameter", data=as_table(data))


def test_linear_sizes_need_the_dimension_of_space():
    values = np.random.default_rng(1).normal(0.5, 0.1, (6, 20))
    table = samples(values, dimension="L")
    refused("sizes are linear", "state d", data=table)
    assert transition_order(table, space_dimension=2.0).size.tolist() == [2500, 10000, 40000]


@pytest.mark.parametrize(
    ("options", "unit", "sizes"),
    [({}, "L", [8, 16, 32]), ({"space_dimension": 2.0}, "N", [64, 256, 1024])],
)
def test_curves_at_linear_sizes_name_their_correction(
    options: dict[str, float], unit: str, sizes: list[int]
):
    """A correction a/N = a/L^2: one curve up to 1/N, but not up to 1/L; and no crossover yet."""
    size, control = np.repeat([8.0, 16.0, 32.0], 9), np.tile(np.linspace(0.0, 1.0, 9), 3)
    curve = make_table(size, control, {"m": control + 5.0 / size**2}, {"m": np.full(27, 1e-3)})
    found = transition_order(curve, **options)
    assert found.size.tolist() == sizes
    assert f"with a correction 1/{unit}" in found.evidence[0].text
    assert ("one curve up to a correction" in found.evidence[0].text) == (unit == "N")
    assert found.verdict == "undecided"


def test_odd_arguments_are_refused(data: xr.Dataset):
    refused("kind 'x'", data=data, kind="x")
    refused("resamples = 3", data=data, resamples=3)
    refused("no samples of its own", data=data, kind="binder")
    refused("time 7 is outside", data=data, time=7.0)
    swept = data.expand_dims(degree=[3, 5]).transpose("size", "batch_size", "replica", "time", ...)
    refused("the data sweep degree", data=swept)
    with pytest.raises(DatasetError):
        transition_order(data.drop_vars("status"))


def test_a_replica_that_diverged_does_not_count(data: xr.Dataset, result: TransitionOrder):
    status = data["status"].copy()
    overlap = data["overlap"].copy()
    status[:, :, 0], overlap[:, :, 0] = 1, 40.0
    other = transition_order(data.assign(status=status, overlap=overlap))
    assert other.verdict == result.verdict
    assert np.nanmax(other.histogram_values) < 2.0


def test_a_table_and_its_dataset_give_the_same(data: xr.Dataset, result: TransitionOrder):
    table = as_table(data).only("overlap")
    other = transition_order(table)
    assert other.verdict == result.verdict
    for name in ("latent jump", "fluctuations", "two peaks", "one curve"):
        assert other[name].text == result[name].text


def test_pure_noise_is_no_transition():
    generator = np.random.default_rng(2)
    values = generator.normal(0.5, 0.1, (9, 40))
    verdict = transition_order(samples(values)).verdict
    assert verdict == "undecided"


def test_the_same_seed_gives_the_same_bits(data: xr.Dataset, result: TransitionOrder):
    assert transition_order(data).identical(result)
    assert not transition_order(data, seed=1).identical(result)


def test_an_earlier_time_uses_nothing_of_later(tmp_path: Path):
    runs = planted.first_order(sizes=(50, 100, 200), replicas=24, seed=2)
    early = transition_order(runs, time=100.0)
    cut = transition_order(runs.isel(time=runs["time"].values <= 100.0))
    assert early.identical(cut)


def test_the_result_survives_a_file(tmp_path: Path, result: TransitionOrder):
    back = open_results(result.save(tmp_path / "r.nc"))
    assert back.identical(result)
    assert repr(back) == repr(result)
    assert back.report() == result.report()


def test_the_result_speaks_every_language(result: TransitionOrder):
    odd = replace(result, observable=NASTY, flags=(Flag.read(f"odd: {NASTY}"),))
    assert "<b>" not in odd._repr_html_()
    assert "&lt;b&gt;" in odd._repr_html_()
    latex = odd.to_latex()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in rows} == {3}
    assert "first order" in repr(odd)
    for one in result.evidence:
        assert one.text in result.report()


def test_json_is_strict_and_whole(result: TransitionOrder):
    printed = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert printed["verdict"] in VERDICTS
    assert {one["name"] for one in printed["evidence"]} == {one.name for one in result.evidence}
    limit = printed["parameters"]["latent jump: limit"]
    assert limit["value"] == result["latent jump"]["limit"].value
    keys = {"verdict", "reasons", "evidence", "parameters", "goodness", "flags", "kind", "version"}
    assert set(printed) == keys


def test_evidence_that_was_not_looked_for_is_silent_and_a_misspelt_name_an_error(
    result: TransitionOrder,
):
    assert "silent" in repr(result["hysteresis"])
    assert math.isnan(result["latent jump"]["growth"].value)
    assert replace(result, evidence=())["latent jump"].points_to == ""
    assert set(EVIDENCE) == {evidence.name for evidence in result.evidence}
    with pytest.raises(KeyError, match="latent jump"):
        result["latnt jump"]
    with pytest.raises(KeyError, match="limit"):
        result["latent jump"]["limits"]
