"""Refinement on a planted engine: decisions, their log, interruption, budget, bad input."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.dataset import STATUS_MISSING
from physbatch.engines import own
from physbatch.errors import AnalysisError, InterruptedRun, OutputError, PausedRun, StudyError
from physbatch.study.comparison import value_differences
from physbatch.sweep import assembly, run_study
from physbatch.sweep.refining import Target, decisions_of, loop, refine, refined
from physbatch.sweep.refining.decisions import FILE
from tests.unit.sweep.refining.planted import EXPONENT, LOWER, m_c, planted_study


def coarse(folder: Path, seed: int = 1, **grid: Any) -> Path:
    output = folder / "x.nc"
    run_study(planted_study(seed, **grid), output, workers=1)
    return output


def assert_same(data: xr.Dataset, reference: xr.Dataset) -> None:
    assert set(data.variables) == set(reference.variables)
    for name in reference.variables:
        assert data[name].values.tobytes() == reference[name].values.tobytes(), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return refine(coarse(tmp_path_factory.mktemp("whole")), "m_c=0.015", workers=1)


def test_it_reaches_the_error_and_says_why(whole: xr.Dataset) -> None:
    last = refined(whole)
    assert last.stops
    assert last.error_before <= 0.015
    assert abs(last.value - m_c(100)) < 4.0 * last.stderr
    assert last.low < last.value < last.high
    assert last.reason.startswith("the error is")
    rows = [row for row in decisions_of(whole) if not row.stops]
    # Undecided success: within some widths of m_c once the bracket is known.
    assert all(abs(row.control - m_c(100)) < 4.0 for row in rows)
    assert all("success" in row.reason and row.cost > 0.0 for row in rows)
    errors = [row.error_before for row in decisions_of(whole)]
    assert errors[0] > 3.0 * errors[-1]
    assert all(row.error_expected < row.error_before for row in rows)


def test_the_log_is_read_by_plain_xarray(whole: xr.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    whole.to_netcdf(path)
    with xr.open_dataset(path) as plain:
        rows = plain["decision_round"].values
        assert rows[0] == 1
        assert (np.diff(rows) >= 0).all()
        chosen = plain["decision_control"].values
        cells = set(plain["batch_size"].values.tolist())
        assert set(chosen[np.isfinite(chosen)].tolist()) <= cells
        assert "long_name" in plain["decision_reason"].attrs


def test_same_dataset_same_decisions(whole: xr.Dataset, tmp_path: Path) -> None:
    assert_same(refine(coarse(tmp_path), "m_c=0.015", workers=1), whole)


def test_another_seed_decides_otherwise(whole: xr.Dataset, tmp_path: Path) -> None:
    other = refine(coarse(tmp_path, 2), "m_c=0.015", workers=1)
    assert set(other["batch_size"].values) != set(whole["batch_size"].values)


@pytest.mark.parametrize("stops", [1, 3])
def test_interrupted_and_resumed(
    stops: int, whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a cell is computed: the decision is kept, and the same call goes on."""
    output, calls = coarse(tmp_path), itertools.count(1)
    simulate = own.FunctionEngine.simulate

    def interrupted(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == stops:
            raise KeyboardInterrupt
        return simulate(*arguments, **keywords)

    monkeypatch.setattr(own.FunctionEngine, "simulate", interrupted)
    with pytest.raises(InterruptedRun, match="run the same command again"):
        refine(output, "m_c=0.015", workers=1)
    assert (output.with_name("x.nc.cells") / FILE).is_file()
    assert_same(refine(output, "m_c=0.015", workers=1), whole)


def test_a_dataset_of_slabs(
    whole: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "IN_MEMORY_BYTES", 0)
    with refine(coarse(tmp_path), "m_c=0.015", workers=1) as data:
        assert_same(data.load(), whole)


def test_nothing_to_do_the_second_time(tmp_path: Path) -> None:
    output = coarse(tmp_path)
    first = refine(output, "m_c=0.02", workers=1)
    stamp = output.read_bytes()
    again = refine(output, "m_c=0.02", workers=1)
    assert output.read_bytes() == stamp
    assert_same(again, first)
    finer = refine(output, "m_c=0.008", workers=1)
    assert refined(finer).error_before <= 0.008
    assert len(decisions_of(finer)) > len(decisions_of(first))
    assert not any(change.differing for change in value_differences(finer, first).values())


def jump_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.chain([0.0] * calls, itertools.repeat(1e9))
    monkeypatch.setattr(loop, "monotonic", lambda: next(clock))


def test_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: xr.Dataset) -> None:
    """A clock that is asked at the start, and twice a round: it jumps after the first round."""
    output = coarse(tmp_path)
    jump_after(3, monkeypatch)
    with pytest.raises(PausedRun, match="budget is spent: m_c at N = 100: "):
        refine(output, "m_c=0.015", budget=900.0, workers=1)
    there = decisions_of(xr.open_dataset(output))
    assert 0 < len(there) < len(decisions_of(whole))
    assert_same(refine(output, "m_c=0.015", workers=1), whole)


def test_exponent_of_sizes(tmp_path: Path) -> None:
    output = coarse(tmp_path, size=[50, 100, 400], replicas=16)
    data = refine(output, "exponent=0.1", workers=1)
    last = refined(data)
    assert last.error_before <= 0.1
    assert abs(last.value - EXPONENT) < 4.0 * last.stderr
    added = [row.size for row in decisions_of(data) if not row.stops]
    # The ends hold the slope: the middle size gets the fewest cells.
    assert added.count(100.0) < added.count(50.0) + added.count(400.0)
    assert bool((data["status"] == STATUS_MISSING).any())  # sizes have controls of their own


def test_jump(tmp_path: Path) -> None:
    data = refine(coarse(tmp_path, replicas=32), "jump=0.01", workers=1)
    last = refined(data)
    assert last.target == "jump at N = 100"
    assert last.error_before <= 0.01
    assert abs(last.value - (1.0 - LOWER)) < 4.0 * last.stderr


def test_whole_controls_get_more_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.Allowed, "whole", lambda *_: True)
    monkeypatch.setattr(
        loop.Allowed, "__call__", lambda self, size, control: control == int(control)
    )
    data = refine(coarse(tmp_path, replicas=32), "m_c=0.004", workers=1)
    rows = decisions_of(data)
    assert all(m == int(m) for m in data["batch_size"].values)
    raised = [row for row in rows if math.isnan(row.control) and not row.stops]
    assert [row.replicas for row in raised] == sorted({row.replicas for row in raised})
    assert data.sizes["replica"] == raised[-1].replicas
    assert refined(data).error_before <= 0.004


@pytest.mark.parametrize(
    ("controls", "most"), [([40.0, 60.0], 8), ([2.0, 3.0], 8)], ids=["below", "above"]
)
def test_a_grid_beside_the_transition(controls: list[float], most: int, tmp_path: Path) -> None:
    data = refine(coarse(tmp_path, batch_size=controls), "m_c=0.03", workers=1)
    assert abs(refined(data).value - m_c(100)) < 4.0 * refined(data).stderr
    assert refined(data).round < 12


def test_nothing_ever_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.sweep.refining.planted.EXPONENT", 30.0)
    data = refine(coarse(tmp_path), "m_c=0.02", workers=1)
    assert refined(data).reason.startswith("all replicas fare alike")


# --- bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("m_c", "no target"),
        ("mc=0.02", "choose among m_c, jump"),
        ("m_c=2", "relative error of 2"),
        ("m_c=0", "relative error of 0"),
        ("m_c=2%", "no target"),
        ("m_c=nan", "no target"),
    ],
)
def test_targets_that_are_none(text: str, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        Target.parse(text)


def other_shards(output: Path) -> None:
    shutil.rmtree(output.with_name("x.nc.cells"))


def broken_log(output: Path) -> None:
    (output.with_name("x.nc.cells") / FILE).write_text("{")


def no_change(output: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("words", "harm", "said"),
    [
        (["--target", "m_c=3"], no_change, "--target: a relative error of 3"),
        (["--target", "m_c=0.1", "--at-size", "7"], no_change, "choose among 100"),
        (["--target", "exponent=0.1", "--at-size", "100"], no_change, "is of all sizes"),
        (["--target", "exponent=0.1"], no_change, "at least two sizes"),
        (["--target", "m_c=0.1", "--budget", "soon"], no_change, "--budget: 'soon' is no duration"),
        (["--target", "m_c=0.1", "--workers", "0"], no_change, "--workers"),
        (["--target", "m_c=0.1"], other_shards, "4 of 4 cells are not in x.nc.cells"),
        (["--target", "m_c=0.1"], broken_log, "cannot read the decisions"),
    ],
)
def test_bad_input_in_one_line(
    words: list[str],
    harm: Callable[[Path], None],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = coarse(tmp_path)
    harm(output)
    assert main(["refine", str(output), *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_data_that_cannot_be_refined(tmp_path: Path) -> None:
    from physbatch.exact.planted import first_order

    made = tmp_path / "made.nc"
    first_order(sizes=(50,), replicas=4).to_netcdf(made)
    with pytest.raises(OutputError, match="has no study"):
        refine(made, "m_c=0.1", workers=1)
    swept = tmp_path / "swept"
    swept.mkdir()
    output = coarse(swept, options={"tau": [1, 2]})
    with pytest.raises(AnalysisError, match="the data sweep tau"):
        refine(output, "m_c=0.1", workers=1)
    with pytest.raises(OutputError, match="no decisions"):
        refined(xr.open_dataset(output))


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = coarse(tmp_path)
    assert main(["refine", str(output), "--target", "m_c=0.03", "--workers", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("m_c at N = 100: ")
    assert "because  the error is" in said.out
    assert f"dataset  {output}" in said.out
    assert "round 1: m_c at N = 100: " in said.err
    assert main(["refine", str(output), "--target", "m_c=0.03", "--json"]) == 0
    assert '"reached": true' in capsys.readouterr().out
    jump_after(3, monkeypatch)
    assert main(["refine", str(output), "--target", "m_c=0.001", "--budget", "15min"]) == 75
    assert "the budget is spent" in capsys.readouterr().err


def test_an_exponent_of_a_collapse_begins_with_few_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few points for a collapse: cells where success is undecided, at every size."""
    output = coarse(tmp_path, size=[50, 200], batch_size=[8, 16])
    jump_after(3, monkeypatch)
    with pytest.raises(PausedRun, match="nu: nan, an unknown error of at most 30 %"):
        refine(output, "nu=0.3", budget=900.0, workers=1)
    rows = decisions_of(xr.open_dataset(output))
    assert {row.target for row in rows} == {"nu"}
    assert all("too_few_points" in row.flags and 8.0 < row.control < 16.0 for row in rows)
