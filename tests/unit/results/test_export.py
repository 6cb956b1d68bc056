"""Results as CSV, LaTeX and HTML: all numbers and flags arrive, nothing foreign is replaced."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.exact import curie_weiss, phases
from physbatch.exact.planted import first_order
from physbatch.results import open_results
from physbatch.results.export import result_csv, write_results
from physbatch.scaling import (
    analyse,
    collapse,
    find_crossings,
    make_table,
    transition_order,
)
from physbatch.scaling.curves.peaks import find_peaks
from physbatch.scaling.laws.fits import fit_law
from physbatch.scaling.times.escapes import escape_times
from physbatch.scaling.times.exponential import fit_escape_time


def table() -> Any:
    size, control = np.repeat([8.0, 16.0, 32.0], 15), np.tile(np.linspace(0.9, 1.1, 15), 3)
    x = size * (control - 1.0)
    values = {"U": np.tanh(x), "chi": size / (1 + x**2)}
    errors = {"U": np.full(45, 0.01), "chi": 0.02 * size}
    noise = np.sin(37.0 * np.arange(45))
    values = {name: y + errors[name] * noise for name, y in values.items()}
    return make_table(size, control, values, errors, control_name="T")


RESULTS = {
    "analysis": lambda: analyse(first_order(sizes=(50, 100), replicas=16), resamples=60),
    "collapse": lambda: collapse(table().only("U"), fixed={"zeta": 0.0}, window="all"),
    "crossings": lambda: find_crossings(
        curie_weiss.table((32, 64, 128), np.linspace(0.9, 1.2, 9)), resamples=50
    ),
    "order": lambda: transition_order(phases.equilibrium_first_order((50, 100, 200))),
    "law": lambda: fit_law([8, 16, 32], [1.0, 2.0, 4.1], [0.1] * 3),
    "peaks": lambda: find_peaks(table(), "chi", resamples=50),
    "escape time": lambda: fit_escape_time([1.0, 2.0, 3.0], [1.0, 2.0, np.inf]),
    "escape times": lambda: escape_times(first_order(sizes=(50,), control=(12.0, 13.0))),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_estimate_is_in_every_format(name: str, tmp_path: Path) -> None:
    result = RESULTS[name]()
    stated = result.stated()
    assert stated
    rows = list(csv.DictReader(io.StringIO(result_csv(result))))
    assert [row["name"] for row in rows] == list(stated)
    for row, one in zip(rows, stated.values(), strict=True):
        for column, number in zip(
            ("value", "stderr", "systematic", "low68", "high68"),
            (one.value, one.stderr, one.systematic, *one.interval68),
            strict=True,
        ):
            held = float(row[column]) if row[column] else math.nan
            assert held == number or (math.isnan(held) and not math.isfinite(number))
        assert row["flags"] == "; ".join(one.flags)
    latex = write_results(tmp_path / "t.tex", result).read_text("utf-8")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert all(line.endswith(r"\\") for line in latex.splitlines() if "&" in line)
    page = write_results(tmp_path / "t.html", result).read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<table>") == 1
    # The same result comes back from its file, and gives the same table.
    back = open_results(result.save(tmp_path / "r.nc"))
    assert type(back) is type(result)
    assert result_csv(back) == result_csv(result)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"cannot be written as \.xlsx"):
        write_results(tmp_path / "t.xlsx", RESULTS["law"]())


@pytest.mark.parametrize("suffix", ["csv", "tex", "html"])
def test_the_command_exports_results(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "law.nc", tmp_path / f"law.{suffix}"
    RESULTS["law"]().save(source)
    for _ in range(2):  # a table of ours is replaced
        assert main(["export", str(source), "-o", str(target)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"table    {target}"] * 2
    target.write_text("my thesis")
    assert main(["export", str(source), "-o", str(target)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert target.read_text() == "my thesis"


def test_commands_that_keep_no_results_write_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data.csv"
    data.write_text(table().to_csv())
    for command, observable in (("crossings", "U"), ("exponents", "chi")):
        target = tmp_path / f"{command}.tex"
        words = [command, str(data), "--observable", observable, "--table", str(target)]
        assert main(words) == 0
        assert f"table    {target}" in capsys.readouterr().out
        assert r"\toprule" in target.read_text()
    assert main(["crossings", str(data), "--observable", "U", "--table", "t.doc"]) == 2
