"""Projected dynamics through the sweep: the transition, the digits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED
from physbatch.errors import StudyError
from physbatch.exact.committee import generalization_error
from physbatch.study import catalogue
from physbatch.study.model import Study
from physbatch.sweep.run import run_study


@pytest.fixture(scope="module")
def committee(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    study = catalogue.study(
        "erf-committee", size=[100], batch_size=[3, 8], replicas=40, duration=3000
    )
    return run_study(study, tmp_path_factory.mktemp("erf") / "erf.nc", workers=1)


def test_below_m_c_an_error_remains_and_above_none(committee: xr.Dataset) -> None:
    """m_c = eta/eta_max = 5; far above it the error falls below the last digit of 1."""
    last = committee.isel(size=0, time=-1)
    assert float(last["generalization_error"].sel(batch_size=3).mean()) > 0.05
    assert not last["success"].sel(batch_size=3).any()
    assert last["success"].sel(batch_size=8).all()
    error = last["weight_error"].sel(batch_size=8)
    assert float(error.max()) < 1e-16
    assert float(error.min()) > 0
    assert float(last["overlap"].sel(batch_size=8).min()) == pytest.approx(1, abs=1e-12)


def test_error_and_distance_are_those_of_the_overlaps(committee: xr.Dataset) -> None:
    q, r = committee["student_overlap"].values, committee["teacher_overlap"].values
    expected = generalization_error(q, r, np.eye(1), "erf")
    errors = committee["generalization_error"].values
    np.testing.assert_allclose(errors, expected, atol=1e-14)
    distance = q[..., 0, 0] - 2 * r[..., 0, 0] + 1
    np.testing.assert_allclose(committee["weight_error"].values, distance, atol=1e-12)


def test_first_passage_lies_in_its_interval(committee: xr.Dataset) -> None:
    at = committee.isel(size=0).sel(batch_size=8)
    assert np.all(at["first_passage"] - at["first_passage_lower"] <= 16)
    times = committee["time"].values
    threshold = 0.01 / 3  # of a random student of one unit, 1/3
    below = at["generalization_error"].values < threshold
    first_seen = times[below.argmax(axis=1)]
    assert np.all(at["first_passage"].values <= first_seen)
    assert np.all(at["first_passage_lower"].values < at["first_passage"].values)


def test_replicas_are_the_same_in_any_company(tmp_path: Path) -> None:
    few = catalogue.study("erf-committee", size=[100], batch_size=[4.5], replicas=3, duration=200)
    many = catalogue.study("erf-committee", size=[100], batch_size=[4.5], replicas=40, duration=200)
    alone = run_study(few, tmp_path / "few.nc", workers=1)
    among_many = run_study(many, tmp_path / "many.nc", workers=1).isel(replica=slice(0, 3))
    for name in alone.data_vars:
        assert alone[name].values.tobytes() == among_many[name].values.tobytes(), name


def test_relu_diverges_as_data(tmp_path: Path) -> None:
    content = catalogue.study(
        "erf-committee", size=[100], batch_size=[1], replicas=4, duration=2000
    ).model_dump(mode="json", exclude_defaults=True)
    content["system"]["activation"] = "relu"
    data = run_study(Study.from_dict(content), tmp_path / "relu.nc", workers=1)
    assert (data["status"] == STATUS_DIVERGED).all()
    assert np.isfinite(data["diverged_at"]).all()
    assert np.isnan(data["generalization_error"].isel(time=-1)).all()
    assert not data["success"].any()


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("dynamics", "momentum", 0.9, "momentum"),
        ("system", "activation", "tanh", "activation 'tanh'"),
        ("system", "learned_layers", "all", "learned_layers 'all'"),
        ("system", "field_scaling", "unscaled", "field_scaling 'unscaled'"),
        ("system", "wiring", {"kind": "dense", "hidden_units": 9}, "9 hidden units"),
    ],
)
def test_what_is_not_exact_is_refused(section: str, field: str, value: object, words: str) -> None:
    content = catalogue.study("erf-committee").model_dump(mode="json", exclude_defaults=True)
    content[section][field] = value
    with pytest.raises(StudyError, match="projected dynamics is not exact for") as caught:
        Study.from_dict(content)
    assert words in str(caught.value)
