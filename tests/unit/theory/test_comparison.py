"""What was measured beside what theory says for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.exact import greedy_unit
from physbatch.plots import plot_comparison
from physbatch.results import open_results
from physbatch.theory import compare

DATA = Path(__file__).parents[3] / "data"


def test_the_overlap_of_one_unit_is_that_of_the_exact_chain(tmp_path: Path) -> None:
    result = compare(open_dataset(DATA / "greedy_unit-d5.nc"))
    assert (result.quantity, result.control_name) == ("overlap", "batch_size")
    for m, value in zip(result.control[:4], result.predicted[:4], strict=True):
        law = greedy_unit.stationary_law(5, m)
        assert value == pytest.approx(greedy_unit.overlap_and_perfect(law)[0], abs=1e-6)
    # Of 1024 replicas few fail at large m: the error of so few is none of a normal law.
    usual = result.value < 0.99
    score = (result.value - result.predicted)[usual] / result.stderr[usual]
    assert np.abs(score).max() < 4.0
    assert usual.sum() > 4
    assert open_results(result.save(tmp_path / "theory.nc")).identical(result)


def test_thresholds_go_with_the_fraction_that_learns() -> None:
    result = compare(open_dataset(DATA / "erf_committee-batch20.nc"))
    assert result.quantity == "success"
    assert np.isnan(result.predicted).all()
    assert not result.depends_on_size("m_c, N -> infinity")
    assert result.depends_on_size("m_c to order 1/N")
    at = {size: dict(result.thresholds_of(size)) for size in (200.0, 1600.0)}
    assert at[200.0]["m_c, N -> infinity"] == pytest.approx(5.0, abs=1e-4)
    assert at[200.0]["m_c to order 1/N"] > at[1600.0]["m_c to order 1/N"] > 5.0
    drawn = plot_comparison(result)
    lines = [line for line in drawn.ax.lines if line.get_gid() == "threshold"]
    assert sorted({line.get_xdata()[0] for line in lines})[0] == pytest.approx(5.0, abs=1e-4)
    assert list(drawn.panels) == ["theory"]


def test_ratios_are_those_of_the_axis() -> None:
    """m_c = eta (N + 1)/(2 - eta) of the mean square, divided by N."""
    result = compare(open_dataset(DATA / "linear_sgd-slow.nc"))
    assert result.control_name == "batch_ratio"
    kinds = dict(result.thresholds_of(20.0))
    assert kinds["m_c of the mean square"] == pytest.approx(0.5 * 21 / 1.5 / 20)


def test_command_draws_theory_or_says_in_a_line_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def figure(name: str, *words: str) -> tuple[int, str]:
        target = str(tmp_path / "x.svg")
        code = main(["figure", str(DATA / f"{name}.nc"), "-o", target, "--theory", *words])
        return code, capsys.readouterr().err

    assert figure("greedy_unit-d3") == (0, "")
    assert (tmp_path / "x.svg").stat().st_size > 1000
    for name, words, part in (
        ("sparse_vector-d3", (), "no theory is known for this study"),
        ("erf_committee-n0100", (), "learning_rate swept as well"),
        ("greedy_unit-d3", ("--kind", "drift"), "without --kind"),
    ):
        code, error = figure(name, *words)
        assert code == 2
        assert part in error
        assert error.count("\n") == 1
