"""Errors from the scatter of points about their neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import DatasetError
from physbatch.results.flag import flag_names
from physbatch.tables.read import read_table
from physbatch.tables.scatter import ErrorLevel, roughness, scatter_errors, too_smooth
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

SIZE = np.repeat([8.0, 16.0, 32.0, 64.0], 40)
CONTROL = np.tile(np.linspace(-1.0, 1.0, 40), 4)
#: A level rests on 144 residuals, each shared with four neighbours, of which some count less.
TOLERANCE = 4.5 * np.sqrt(1.9 / (2 * 144))


def estimated(values: FloatArray) -> ErrorLevel:
    level = scatter_errors(SIZE, CONTROL, values)
    assert level is not None
    return level


@pytest.mark.parametrize("seed", range(5))
def test_levels_of_planted_noise(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=160)
    level = estimated(np.tanh(CONTROL) + 0.01 * noise)
    np.testing.assert_allclose(level.errors, 0.01, rtol=TOLERANCE)
    assert "%" not in level.text
    height = SIZE**1.75 / (1 + CONTROL**2)
    level = estimated(height * (1 + 0.02 * noise))
    np.testing.assert_allclose(level.errors / height, 0.02, rtol=TOLERANCE + 0.06)
    assert "%" in level.text


def test_single_values_hardly_move_the_level() -> None:
    noise = np.random.default_rng(1).normal(size=160)
    values = np.tanh(CONTROL) + 0.01 * noise
    before = estimated(values).errors[0]
    values[[20, 60, 100]] += 0.1
    assert before < estimated(values).errors[0] < 1.35 * before


def test_no_level_without_scatter_or_points() -> None:
    assert scatter_errors(SIZE, CONTROL, 2.0 + CONTROL + CONTROL**2) is None
    rng = np.random.default_rng(2)
    few = slice(0, 13)
    assert scatter_errors(SIZE[few], CONTROL[few], rng.normal(size=13)) is None
    assert scatter_errors(np.arange(1.0, 30.0), np.ones(29), rng.normal(size=29)) is None


def test_roughness_of_independent_points_and_of_points_that_move_together() -> None:
    noise = np.random.default_rng(3).normal(size=160)
    errors = {"m": np.full(160, 0.02)}
    rough = roughness(ScalingTable(SIZE, CONTROL, {"m": 0.02 * noise}, errors), "m")
    assert rough[1] == 4 * 12
    assert abs(rough[0] - 1.0) < 4.5 * np.sqrt(2 / 48)
    assert not too_smooth(*rough)
    smooth = roughness(ScalingTable(SIZE, CONTROL, {"m": 0.002 * noise}, errors), "m")
    assert smooth[0] == pytest.approx(rough[0] / 100)
    assert too_smooth(*smooth)
    single = ScalingTable(SIZE[::40], CONTROL[::40], {"m": noise[:4]}, {"m": np.ones(4)})
    assert not too_smooth(*roughness(single, "m"))


def test_files_without_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    path = tmp_path / "no-errors.csv"
    rows = np.column_stack([SIZE, CONTROL, np.tanh(CONTROL) + 0.01 * rng.normal(size=160)])
    np.savetxt(path, rng.permutation(rows), delimiter=",", header="L,x,m", comments="")
    table = read_table(path)
    np.testing.assert_allclose(table.errors["m"], 0.01, rtol=TOLERANCE)
    assert flag_names(table.flags) == ("columns_guessed", "errors_unknown")
    assert "144 points" in table.flags[1]
    np.savetxt(path, rows[:12], delimiter=",", header="L,x,m", comments="")
    with pytest.raises(DatasetError, match="every point has a single row"):
        read_table(path, minimum_sizes=1)
