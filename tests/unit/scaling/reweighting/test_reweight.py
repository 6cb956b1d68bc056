"""Reweighting of series whose density of states is known in closed form.

Independent Gaussian degrees of freedom: at every b the energy is normal with mean -b V and variance
V, so that <E>, its variance and -ln Z = -b^2 V/2 are known at any other b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import signal

from physbatch.cli import main
from physbatch.errors import AnalysisError, DatasetError
from physbatch.results import flag_names, open_results
from physbatch.results.flags import BEYOND_HISTOGRAMS, INCONSISTENT, THIN_HISTOGRAMS
from physbatch.scaling import find_peaks
from physbatch.scaling.reweighting import read_series, reweight, runs
from physbatch.scaling.statistics import SeriesTooShort
from physbatch.tables import read_table

VARIANCE = 4.0


def gaussian(
    seed: int, betas: Any = (0.0, 0.5, 1.0), rows: int = 4000, rho: float = 0.0, chains: int = 2
) -> dict[str, np.ndarray]:
    """Series with correlations rho^t at each b, of the energy and of an observable 2 E + noise."""
    generator = np.random.default_rng(seed)
    columns = []
    for beta in betas:
        for chain in range(chains):
            noise = generator.normal(size=(2, rows + 500)) * np.sqrt(1 - rho**2)
            walk = signal.lfilter([1.0], [1.0, -rho], noise, axis=1)[:, 500:]
            energy = -beta * VARIANCE + np.sqrt(VARIANCE) * walk[0]
            label = np.full((2, rows), [[beta], [chain]])
            columns.append(np.stack([*label, energy, 2.0 * energy + walk[1]]))
    beta, chain, energy, m = np.concatenate(columns, axis=1)
    return {"N": np.full(beta.size, 8.0), "beta": beta, "chain": chain, "E": energy, "m": m}


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_means_and_free_energies_within_errors(rho: float) -> None:
    """16 seeds: z of 3 numbers; rms of 48 outside of 0.6 to 1.45 has a chance below 1e-4."""
    at, z = np.array([0.25, 0.75, 1.1]), []
    for seed in range(16):
        result = reweight(
            gaussian(seed, rho=rho), observable="m", at=at, moments=["mean"], resamples=100
        )
        table = result.table
        z.append((table.values["energy"] + at * VARIANCE)[1] / table.errors["energy"][1])
        z.append((table.values["mean"] + 2 * at * VARIANCE)[2] / table.errors["mean"][2])
        exact = -0.5 * result.control**2 * VARIANCE
        z.append((result.free_energy - exact)[-1] / result.free_energy_stderr[-1])
        assert not INCONSISTENT.among(result.flags)
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.45
    assert abs(np.mean(z)) < 0.7


def test_heat_cumulant_and_susceptibility_are_those_of_their_definitions() -> None:
    table = reweight(gaussian(1, rows=20_000), observable="m", at=[0.5], resamples=100).table
    value = {name: float(values[0]) for name, values in table.values.items()}
    second = 4.0 + VARIANCE
    exact = {
        "specific_heat": 0.25 * VARIANCE / 8.0,
        "energy_binder": 1.0 - (16.0 + 6 * 4.0 * VARIANCE + 3 * VARIANCE**2) / (3 * second**2),
    }
    for name, known in exact.items():
        assert abs(value[name] - known) < 4.5 * table.errors[name][0], name


def test_bins_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gaussian(3, rows=3000)
    at = np.linspace(0.0, 1.1, 7)
    binned = reweight(data, observable="m", at=at, resamples=60).table
    monkeypatch.setattr(runs, "_MOST_ENERGIES", 10**9)
    single = reweight(data, observable="m", at=at, resamples=60).table
    for name in single.observables:
        off = np.abs(binned.values[name] - single.values[name])
        assert np.all(off < 0.02 * single.errors[name]), name


def test_a_single_run_is_the_plain_formula() -> None:
    data = gaussian(4, betas=[0.5], rows=3000)
    table = reweight(data, at=[0.7], resamples=60).table
    weight = np.exp(-0.2 * data["E"])
    plain = float(weight @ data["E"] / weight.sum())
    assert abs(table.values["energy"][0] - plain) < 0.02 * table.errors["energy"][0]


def test_a_constant_in_the_energy_or_a_control_that_is_a_temperature() -> None:
    """Only differences of energies count, however large the energies; T is 1/beta."""
    data = gaussian(5, betas=(0.5, 0.75, 1.0))
    at = np.array([0.6, 0.9])
    plain = reweight(data, at=at, resamples=60).table
    moved = reweight({**data, "E": data["E"] + 1e6}, at=at, resamples=60).table
    off = moved.values["energy"] - 1e6 - plain.values["energy"]
    assert np.all(np.abs(off) < 1e-3 * plain.errors["energy"])
    by_temperature = {**data, "T": 1.0 / data["beta"]}
    del by_temperature["beta"]
    table = reweight(by_temperature, at=1.0 / at, resamples=60).table
    assert np.allclose(table.values["energy"][::-1], plain.values["energy"], atol=1e-9)
    assert table.control_name == "T"


def test_gaps_shuffled_rows_and_chains() -> None:
    """Rows that are missing are gaps, rows are sorted by time, chains are not one series."""
    data = gaussian(6, rho=0.8)
    data["time"] = np.tile(np.arange(4000.0), 6)
    whole = reweight(data, at=[0.5], time="time", resamples=60)
    mixed = np.random.default_rng(1).permutation(data["E"].size)
    shuffled = {name: values[mixed] for name, values in data.items()}
    again = reweight(shuffled, at=[0.5], time="time", resamples=60)
    assert again.identical(whole)
    assert np.allclose(whole.time, 0.5 * (1.8 / 0.2), rtol=0.25)
    gaps = {**data, "E": np.where(np.random.default_rng(2).random(24_000) < 0.3, np.nan, data["E"])}
    holes = reweight(gaps, at=[0.5], time="time", resamples=60)
    assert "rows_left_out" in flag_names(holes.flags)
    assert holes.samples.sum() < 0.75 * whole.samples.sum()
    change = holes.table.values["energy"] - whole.table.values["energy"]
    assert np.all(np.abs(change) < 3 * whole.table.errors["energy"])
    assert np.all(holes.time < whole.time)


def test_an_array_with_dimensions_is_read() -> None:
    energy = gaussian(7)["E"].reshape(1, 3, 2, 4000)
    data = xr.Dataset(
        {"E": (("N", "beta", "chain", "time"), energy)},
        {"N": [8.0], "beta": [0.0, 0.5, 1.0], "chain": [0, 1]},
    )
    table = reweight(data, at=[0.5], resamples=60).table
    of_rows = reweight(gaussian(7), at=[0.5], resamples=60).table
    for name in of_rows.observables:
        assert table.values[name] == pytest.approx(of_rows.values[name])


def test_what_lies_out_of_reach_is_refused_or_flagged() -> None:
    with pytest.raises(AnalysisError, match=r"beta = 0 and 5 share .* independent samples"):
        reweight(gaussian(1, betas=(0.0, 5.0)))
    thin = reweight(gaussian(1, betas=(0.0, 2.0), rows=1000), at=[1.0], resamples=60)
    assert THIN_HISTOGRAMS.among(thin.flags)
    beyond = reweight(gaussian(1), at=[0.5, 3.0], resamples=60)
    assert BEYOND_HISTOGRAMS.among(beyond.flags)
    assert beyond.table.control.tolist() == [0.5]
    with pytest.raises(AnalysisError, match="no control is within reach"):
        reweight(gaussian(1), at=[4.0])
    with pytest.raises(SeriesTooShort, match="beta = 0"):
        reweight(gaussian(1, rows=500, rho=0.98))


def test_points_that_are_not_left_out_are_right() -> None:
    """Far beyond the runs the error still covers the truth: 12 seeds, rms below 1.8."""
    z = []
    for seed in range(12):
        table = reweight(gaussian(seed, rows=1000), at=np.arange(1.1, 3.0, 0.1), resamples=60).table
        last = (table.values["energy"] + table.control * VARIANCE) / table.errors["energy"]
        assert table.control.max() > 1.15
        z.append(last[-1])
    assert np.sqrt(np.mean(np.square(z))) < 1.8


def test_energies_that_do_not_go_with_the_control() -> None:
    data = gaussian(1)
    with pytest.raises(AnalysisError, match="--per-site"):
        reweight({**data, "E": data["E"] / 8.0})
    with pytest.raises(AnalysisError, match=r"falls -(0\.9\d*|1|1\.0\d*) times"):
        reweight({**data, "E": -data["E"]})
    site = reweight({**data, "E": data["E"] / 8.0}, at=[0.5], per_site=True, resamples=60).table
    whole = reweight(data, at=[0.5], resamples=60).table
    assert site.values["energy"] * 8.0 == pytest.approx(whole.values["energy"])
    assert site.values["specific_heat"] == pytest.approx(whole.values["specific_heat"])
    shifted = {**data, "E": data["E"] + 0.5 * (data["beta"] == 0.5)}
    assert INCONSISTENT.among(reweight(shifted, at=[0.5], resamples=100).flags)


def test_bad_words_are_refused() -> None:
    data = gaussian(1, rows=500)
    unknown: Any = "T"
    with pytest.raises(AnalysisError, match="weight 'T'"):
        reweight(data, weight=unknown)
    with pytest.raises(AnalysisError, match="a temperature of 0"):
        reweight(data, weight="temperature")
    with pytest.raises(AnalysisError, match="no moment 'kurtosis'"):
        reweight(data, observable="m", moments=["kurtosis"])
    with pytest.raises(AnalysisError, match="resamples = 5"):
        reweight(data, resamples=5)
    with pytest.raises(AnalysisError, match="not finite"):
        reweight(data, at=[np.nan])
    with pytest.raises(DatasetError, match="no observable column 'U'"):
        reweight(data, "U")
    with pytest.raises(AnalysisError, match="the energy is 1 in all rows"):
        reweight({**data, "E": np.ones(3000)})
    with pytest.raises(AnalysisError, match="no row holds all numbers"):
        read_series({"N": [1], "T": [1], "E": [np.nan]}, "E")


def test_several_observables_and_linear_sizes() -> None:
    data = gaussian(2)
    data["L"] = data.pop("N")
    result = reweight({**data, "q": data["m"] ** 2}, observable=["m", "q"], at=[0.5], resamples=60)
    names = result.table.observables
    assert {"m_binder", "q_mean_abs"} <= set(names)
    assert "no_susceptibility" in flag_names(result.flags)
    assert not any("susceptibility" in name or name == "specific_heat" for name in names)
    cubes = reweight(data, at=[0.5], space_dimension=3, resamples=60).table
    assert cubes.values["specific_heat"][0] == pytest.approx(0.25 * VARIANCE / 512, rel=0.05)


def test_the_covariance_is_that_of_the_estimates() -> None:
    """Of means at two controls over 30 seeds, whose correlation scatters by 0.18 at the most."""
    at, values, stated = np.array([0.1, 0.8]), [], []
    for seed in range(30):
        table = reweight(gaussian(seed, rows=500), at=at, resamples=60).table
        matrix, errors = table.covariance["energy"], table.errors["energy"]
        stated.append(matrix[0, 1] / errors.prod())
        values.append(table.values["energy"])
    seen = np.corrcoef(np.array(values).T)[0, 1]
    assert abs(seen - np.mean(stated)) < 0.75
    assert np.std(stated) < 0.25


def test_command(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The table and the result go to files that other commands read."""
    small = gaussian(1, betas=np.linspace(0.2, 1.6, 6), rows=2000)
    large = {**small, "N": 2 * small["N"]}
    columns = {name: np.concatenate([small[name], large[name]]) for name in small}
    path, table, results = tmp_path / "e.csv", tmp_path / "t.nc", tmp_path / "r.nc"
    np.savetxt(path, np.column_stack(list(columns.values())), header=" ".join(columns), comments="")
    words = ["reweight", str(path), "--observable", "m", "-o", str(table)]
    words += ["--results", str(results), "--at", "0.3:1.5:13", "--at", "1.55"]
    assert main(words) == 0
    assert "exp(-beta E)" in capsys.readouterr().out
    read = read_table(table, observable="specific_heat")
    assert read.control.size == 28
    assert read.covariance["specific_heat"].shape == (28, 28)
    kept: Any = open_results(results)
    assert kept.table.values["binder"].size == 28
    assert find_peaks(read, "specific_heat").size.size == 2
    assert main([*words[:2], "--at", "1:0:3"]) == 2
    assert "LOW:HIGH:COUNT" in capsys.readouterr().err
