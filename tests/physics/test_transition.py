"""What simulation and analysis say together, where it is known what they must say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from physbatch.scaling import Analysis, analyse
from physbatch.study import Study, catalogue
from physbatch.sweep import run_study

QUICKSTART = Path(__file__).parents[2] / "analysis/quickstart/study.toml"


def check_first_order(result: Analysis) -> None:
    """The d = 5 transition within 1000 sweeps: m_c near 13 at every N, falling, with a jump."""
    for curve in result.curves:
        assert 12 < curve.m_c.value < 14, curve
    assert result.jump.value > 0.4
    assert any(reason.startswith("m_c falls with run time") for reason in result.reasons)
    assert "m_c is a function of run time" in result.reasons
    assert result.transition == "claimed", result


def test_first_order_at_reduced_size(tmp_path: Path) -> None:
    study = catalogue.study(
        "sparse-vector",
        size=[40, 80, 160],
        batch_size={"start": 11.5, "stop": 14.5, "step": 0.25},
        replicas=32,
    )
    check_first_order(analyse(run_study(study, tmp_path / "x.nc")))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_quickstart(seed: int, tmp_path: Path) -> None:
    study = Study.from_toml(QUICKSTART)
    other = study.model_copy(update={"seed": study.seed.model_copy(update={"study": seed})})
    check_first_order(analyse(run_study(other, tmp_path / "x.nc")))


NULLS = [
    pytest.param("sparse-vector-ties", {"size": [15, 30, 60], "replicas": 24}, id="ties"),
    pytest.param("independent-units", {}, id="independent"),
]


@pytest.mark.parametrize(("name", "changes"), NULLS)
def test_no_transition_is_claimed(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    result = analyse(run_study(catalogue.study(name, **changes), tmp_path / "x.nc"))
    assert result.transition == "not claimed", result
    assert math.isnan(result.jump.value)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", ["sparse-vector-ties", "independent-units"])
def test_no_transition_is_claimed_at_full_size(name: str, seed: int, tmp_path: Path) -> None:
    study = catalogue.study(name)
    other = study.model_copy(update={"seed": study.seed.model_copy(update={"study": seed})})
    assert analyse(run_study(other, tmp_path / "x.nc")).transition == "not claimed"


def test_all_right_drifts_with_size_where_units_are_independent(tmp_path: Path) -> None:
    """q is the same curve at every N, while the batch size of success grows with N."""
    study = catalogue.study("independent-units", replicas=128)
    result = analyse(run_study(study, tmp_path / "x.nc"))
    mean = result.moments["overlap_mean"].isel(time=-1)
    error = result.moments["overlap_mean_stderr"].isel(time=-1)
    pull = (
        abs(mean.isel(size=0) - mean.isel(size=-1))
        / (error.isel(size=0) ** 2 + error.isel(size=-1) ** 2) ** 0.5
    )
    assert float(pull.max()) < 4.5
    m_c = [curve.m_c.value for curve in result.curves if math.isfinite(curve.m_c.value)]
    assert len(m_c) >= 3
    assert m_c == sorted(m_c)
    assert m_c[-1] > m_c[0] + 2
