"""Bad tables on the command line: one typed line and exit code 2, or flags and no number."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.scaling import collapse, find_crossings, find_peaks
from physbatch.tables import ScalingTable

Rows = list[tuple[float, float, float, float]]


def rows(low: float = 0.9, high: float = 1.1, sizes: tuple[int, ...] = (8, 16, 32)) -> Rows:
    """tanh(L (T - 1)) with noise of 0.01, 13 points a size."""
    rng = np.random.default_rng(1)
    return [
        (float(size), float(c), float(np.tanh(size * (c - 1)) + 0.01 * rng.normal()), 0.01)
        for size in sizes
        for c in np.linspace(low, high, 13)
    ]


def spoiled(column: int, value: float) -> Rows:
    """The fifth row with another number in it."""
    table = rows()
    row = list(table[4])
    row[column] = value
    table[4] = (row[0], row[1], row[2], row[3])
    return table


#: What is refused, and words that must be in the one line.
REFUSED: dict[str, tuple[Rows, str]] = {
    "nan value": (spoiled(2, math.nan), "line 6: observable 'U' is nan"),
    "nan error": (spoiled(3, math.nan), "line 6: error of 'U' is nan"),
    "nan control": (spoiled(1, math.nan), "line 6: control 'T' is nan"),
    "infinite value": (spoiled(2, math.inf), "line 6: observable 'U' is inf"),
    "zero error": (spoiled(3, 0.0), "line 6: error of 'U' is 0, it must be above 0"),
    "negative error": (spoiled(3, -0.01), "line 6: error of 'U' is -0.01, it must be above 0"),
    "zero size": (spoiled(0, 0.0), "line 6: size 'L' is 0, it must be above 0"),
    "out of range": (spoiled(2, 1e200), "line 6: 'U' is 1e+200, too near the end"),
    "one size": (rows(sizes=(8,)), "one size (L = 8)"),
    "two points": ([rows()[0], rows()[-1]], "2 points"),
    "no points": ([], "no rows"),
    "duplicated rows": ([*rows(), rows()[3]], "stands twice"),
    "constant": ([(*row[:2], 0.5, 0.01) for row in rows()], "observable 'U' is 0.5 at all"),
}

COMMANDS = {
    "collapse": ["collapse", "--window", "all"],
    "spline": ["collapse", "--window", "all", "--method", "spline"],
    "local-linear": ["collapse", "--method", "local-linear", "--errors", "quality"],
    "crossings": ["crossings", "--resamples", "100"],
    "exponents": ["exponents"],
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Rows], list[str]]:
    """Write a table and give the words that read it."""

    def written(table: Rows) -> list[str]:
        path = tmp_path / "points.csv"
        lines = ["L,T,U,dU", *(",".join(f"{x:.12g}" for x in row) for row in table)]
        path.write_text("\n".join(lines) + "\n")
        return [str(path), "--size", "L", "--control", "T", "--observable", "U", "--error", "dU"]

    return written


def run(command: str, words: list[str], *more: str) -> int:
    name, *options = COMMANDS[command]
    return main([name, *words, *options, *more])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(
    case: str,
    command: str,
    write: Callable[[Rows], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, words = REFUSED[case]
    assert run(command, write(table), "--strict") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_unsorted_rows_give_the_same_answer(
    command: str, write: Callable[[Rows], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    table = rows()
    mixed = [table[i] for i in np.random.default_rng(2).permutation(len(table))]
    documents = []
    for one in (table, mixed):
        code = run(command, write(one), "--json")
        documents.append(answered(code, capsys.readouterr().out))
    assert documents[0] == documents[1]


def stated(document: dict[str, Any]) -> dict[str, float]:
    """The parameters that have a value."""
    return {
        name: one["value"]
        for name, one in document["parameters"].items()
        if one["value"] is not None
    }


def answered(code: int, out: str) -> dict[str, Any]:
    """What a command printed; it ends with 3 only where no parameter has a value."""
    document: dict[str, Any] = json.loads(out)
    assert code in (0, 3)
    assert code == 0 or stated(document) == {}
    return document


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("low", "high"), [(1.05, 1.25), (1.1, 1.2), (0.75, 0.9)])
def test_controls_that_miss_c_c(
    low: float,
    high: float,
    command: str,
    write: Callable[[Rows], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """c_c = 1 is out of reach: no number, or one with a flag."""
    code = run(command, write(rows(low, high)), "--json")
    document = answered(code, capsys.readouterr().out)
    assert document["flags"]
    if command in ("crossings", "exponents"):
        assert "c_c" not in stated(document)


@pytest.mark.parametrize("command", COMMANDS)
def test_errors_that_are_far_too_large_or_small(
    command: str, write: Callable[[Rows], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """1e4 times: nothing is known. 1e-10 times: no form can hold."""
    for error in (100.0, 1e-12):
        code = run(command, write([(*row[:3], error) for row in rows()]), "--json")
        out, err = capsys.readouterr()
        if code == 2:
            assert err.count("\n") == 1
            continue
        assert answered(code, out)["flags"]


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million different points."""
    count = 250_000
    control = np.tile(np.linspace(0.9, 1.1, count), 4)
    size = np.repeat([8, 16, 32, 64], count)
    value = np.tanh(size * (control - 1))
    path = tmp_path_factory.mktemp("million") / "million.csv"
    lines = (f"{n},{c:.9f},{v:.5f},.01" for n, c, v in zip(size, control, value, strict=True))
    path.write_text("L,T,U,dU\n" + "\n".join(lines))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_million_rows(command: str, million: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are averaged, and said to move together: their scatter is that of the digits."""
    words = [str(million), "--size", "L", "--control", "T", "--observable", "U", "--error", "dU"]
    code = run(command, [*words, "--json"])
    document = answered(code, capsys.readouterr().out)
    flags = [flag.split(":")[0] for flag in document["flags"]]
    assert {"binned", "correlated_points"} <= set(flags)


def test_a_million_rows_of_replicas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four sizes, 25 controls, 10^4 replicas each: averaged, and resampled."""
    replicas = 10_000
    control = np.repeat(np.linspace(0.8, 1.2, 25), replicas)
    path = tmp_path / "replicas.csv"
    rng = np.random.default_rng(1)
    with path.open("w") as file:
        file.write("L,T,m\n")
        for size in (16, 32, 64, 128):
            value = np.tanh(math.sqrt(size) * (control - 1)) + rng.normal(size=control.size)
            file.writelines(
                f"{size},{c:.4f},{m:.4f}\n" for c, m in zip(control, value, strict=True)
            )
    words = [str(path), "--size", "L", "--control", "T", "--observable", "m"]
    assert main(["crossings", *words, "--resamples", "200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["parameters"]["c_c"]
    assert abs(found["value"] - 1.0) < 4 * math.hypot(found["stderr"], found["systematic"])
    assert found["stderr"] < 0.01


# --- the library ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimate",
    [
        lambda table: collapse(table),
        lambda table: collapse(table, method="local-linear"),
        lambda table: find_crossings(table),
        lambda table: find_peaks(table, "U"),
    ],
    ids=["collapse", "local-linear", "crossings", "peaks"],
)
@pytest.mark.parametrize("case", ["nan value", "zero error", "negative error", "duplicated rows"])
def test_the_library_refuses_as_well(case: str, estimate: Callable[[ScalingTable], object]) -> None:
    """Tables that were made by hand, past the reader."""
    size, control, value, error = np.array(REFUSED[case][0]).T
    table = ScalingTable(size, control, {"U": value}, {"U": error})
    with pytest.raises(AnalysisError) as caught:
        estimate(table)
    assert "\n" not in str(caught.value)
