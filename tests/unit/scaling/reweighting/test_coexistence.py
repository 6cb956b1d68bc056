"""Two phases with normal energies: what is exact, other weights and units, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.results import flag_names, open_results
from physbatch.scaling.reweighting import find_coexistence, runs
from physbatch.scaling.reweighting.two_phases import equal_heights, equal_weights, widest_valley

#: Mean energies -60 and -40, a standard deviation of 4: ln(P_max/P_min) at equal heights.
BARRIER = 2.43186


def columns(seed: int = 1, rows: int = 8000) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    low = generator.random(rows) < 0.5
    energy = np.where(low, -60.0, -40.0) + 4.0 * generator.standard_normal(rows)
    return {"L": np.full(rows, 10.0), "beta": np.ones(rows), "E": energy}


def test_parabolas_meet_at_the_common_tangent() -> None:
    """ln P = max of -(x + 1)^2 and -2 (x - 1)^2: equal heights where both tops are."""
    x = np.linspace(-2.0, 2.0, 2001)
    curve = np.maximum(-((x + 1.0) ** 2), -2.0 * (x - 1.0) ** 2) + 0.7 * x
    top = widest_valley(x, curve)
    assert top is not None
    heights = equal_heights(x, curve[None], *top)
    assert heights.tilt[0] == pytest.approx(0.7, abs=1e-4)
    assert heights.low[0] == pytest.approx(-1.0, abs=1e-3)
    assert heights.barrier[0] == pytest.approx(2.0 * (2.0 / (1.0 + 2.0**0.5)) ** 2, abs=2e-3)
    assert widest_valley(x, -(x**2)) is None


def test_weights_of_two_levels() -> None:
    """Levels 0 and 1 with g = 3 and 6: equal at b = ln 2, three to one at ln 6."""
    logs = np.log([[3.0, 6.0]])
    for ratio, exact in ((1.0, np.log(2.0)), (3.0, np.log(6.0))):
        weights = equal_weights(np.array([0.0, 1.0]), logs, np.array([0.5]), np.array([0.0]), ratio)
        assert weights.inverse[0] == pytest.approx(exact, abs=1e-9)


def test_normal_phases_within_errors() -> None:
    result = find_coexistence(columns(), space_dimension=2, resamples=100)
    exact = {
        "equal_height": 1.0, "equal_weight": 1.0, "barrier": BARRIER, "latent_heat": 0.2,
        "low_energy": -0.6, "high_energy": -0.4, "interface_tension": BARRIER / 20.0,
    }  # fmt: skip
    for name, value in exact.items():
        estimate = result[f"{name} (L = 10)"]
        assert abs(estimate.value - value) < 4.2 * estimate.total, name
        assert estimate.total < 0.05 * max(abs(value), 1.0), name
    p = np.nan_to_num(np.exp(result.log_density))
    assert (p * np.median(np.diff(result.energy))).sum() == pytest.approx(1.0, abs=0.05)
    assert result.passages[0] > 1000


def test_temperatures_and_energies_of_a_site() -> None:
    """The same numbers, with T = 1/beta and energies per site, and with bins."""
    data = columns()
    plain = find_coexistence(data, space_dimension=2, resamples=50)
    other = {"L": data["L"], "T": 1.0 / data["beta"], "e": data["E"] / 100.0}
    turned = find_coexistence(other, "e", space_dimension=2, per_site=True, resamples=50)
    assert turned.weight == "exp(-e/T)"
    assert turned.equal_height[0].value == pytest.approx(1.0 / plain.equal_height[0].value)
    assert turned.equal_height[0].total == pytest.approx(plain.equal_height[0].total, rel=0.02)
    assert turned.barrier[0].value == pytest.approx(plain.barrier[0].value)
    assert turned.latent_heat[0].value == pytest.approx(plain.latent_heat[0].value)
    assert np.nanmax(turned.log_density) == pytest.approx(
        np.nanmax(plain.log_density) + np.log(100.0)
    )


def test_bins_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    binned = find_coexistence(columns(), space_dimension=2, resamples=50)
    monkeypatch.setattr(runs, "_MOST_ENERGIES", 10**9)
    single = find_coexistence(columns(), space_dimension=2, resamples=50)
    for name in ("equal_height", "equal_weight", "barrier", "latent_heat"):
        first, second = (getattr(result, name)[0] for result in (binned, single))
        assert abs(first.value - second.value) < 0.5 * second.total, name


def test_one_peak_and_few_passages_are_said() -> None:
    generator = np.random.default_rng(2)
    beta = np.repeat([0.98, 1.02], 4000)  # each run stays in its phase
    energy = np.where(beta < 1.0, -40.0, -60.0) + 6.0 * generator.standard_normal(8000)
    separate = {"L": np.full(8000, 10.0), "beta": beta, "E": energy}
    result = find_coexistence(separate, space_dimension=2, resamples=50)
    assert result.passages[0] < 10  # tails that reach the other peak
    assert "few_passages" in flag_names(result.flags)
    one = columns(rows=4000) | {"E": np.random.default_rng(3).standard_normal(4000)}
    result = find_coexistence(one, space_dimension=2, resamples=50)
    assert flag_names(result.flags)[-1] == "unimodal"
    assert np.isnan(result.barrier[0].value)
    assert result.energy.size > 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "a latent heat needs the volume"),
        ({"space_dimension": 2, "ordered_states": 0.0}, "0 ordered states"),
        ({"space_dimension": 2, "resamples": 3}, "resamples = 3"),
        ({"space_dimension": 2, "at": [np.nan]}, "give numbers"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        find_coexistence(columns(rows=400), **options)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = columns(rows=2000)
    file = tmp_path / "series.csv"
    rows = np.column_stack(list(data.values()))
    np.savetxt(file, rows, delimiter=",", header="L,beta,E", comments="")
    base = ["coexistence", str(file), "--resamples", "50", "--space-dimension", "2"]
    assert main([*base, "--at", "0.95:1.05:3", "-o", str(tmp_path / "r.nc")]) == 0
    assert "at equal heights" in capsys.readouterr().out
    result = open_results(tmp_path / "r.nc")
    assert np.unique(result.histogram_control).tolist() == [0.95, 1.0, 1.05]
    assert main([*base, "--at", "1:2"]) == 2
    assert "--at: cannot read '1:2'" in capsys.readouterr().err
    assert main(base[:-2]) == 2
    assert "needs the volume" in capsys.readouterr().err
