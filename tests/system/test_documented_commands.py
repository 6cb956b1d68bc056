"""What a newcomer types from the README and the tutorials runs, in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physbatch import make_dataset
from physbatch.cli import main
from physbatch.exact import lattices, planted
from physbatch.files import save
from physbatch.scaling import analyse
from physbatch.study import Study
from tests.system.test_docs import ROOT, commands_of


def prepare(folder: Path, tiny_study: Study) -> None:
    """What the pages take for granted: a study file and tables of somebody's data."""
    (folder / "study.toml").write_text(tiny_study.to_toml())
    size, control = np.repeat([8.0, 16.0, 32.0], 15), np.tile(np.linspace(2.0, 2.5, 15), 3)
    x = size * (control - 2.25)
    noise = 0.01 * np.random.default_rng(1).normal(size=size.size)
    binder = np.column_stack([size, control, 0.3 - 0.3 * np.tanh(0.5 * x) + noise, 0 * x + 0.01])
    np.savetxt(folder / "ising.csv", binder, delimiter=",", header="L,T,U,dU", comments="")
    height = size**1.75
    peak = np.column_stack([size, 2.25 + x / size, height * (1 - 0.02 * x**2 / 4), 0.01 * height])
    np.savetxt(folder / "chi.csv", peak, delimiter=",", header="L,T,chi,dchi", comments="")
    table = lattices.percolation_table((12, 16, 24), np.linspace(0.52, 0.66, 9), 100, seed=1)
    (folder / "percolation.csv").write_text(table.only("largest_cluster").to_csv())
    accuracy = planted.first_order(sizes=(50, 100, 200), replicas=20)["overlap"]
    sizes, counts, times = (accuracy[n].values for n in ("size", "batch_size", "time"))
    swept = {"size": sizes, "pattern_count": counts, "time": times, "success_at": 1.0}
    save(make_dataset(accuracy.values, loss=1.0 - accuracy.values, **swept), folder / "own.nc")


#: Pages whose commands need nothing but what `prepare` makes and what they make themselves.
RUN = ["README.md", "docs/tutorial.md", "docs/own-data.md", "docs/how-to/run-and-resume.md"]


@pytest.mark.parametrize("page", [*RUN, "docs/how-to/figures.md"])
def test_every_command_of_a_page_runs_in_order(
    page: str, tmp_path: Path, tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder, on small inputs, as a newcomer would type them."""
    prepare(tmp_path, tiny_study)
    if page not in RUN:
        data = planted.first_order(sizes=(50, 100, 200), control=(12.0, 12.5, 13.0, 13.5, 14.0))
        save(data, tmp_path / "data.nc")
        analyse(data, resamples=60).save(tmp_path / "results.nc")
    monkeypatch.chdir(tmp_path)
    commands = commands_of(ROOT / page)
    assert commands
    for line in commands:
        words = shlex.split(line)[1:]
        # The data that stand in for those of a page need not hold an exponent.
        assert main(words) in (0, 3), line
        for option in ("-o", "--output", "--figure"):
            if option in words:
                stem = words[words.index(option) + 1].removesuffix(".pdf")
                assert list(tmp_path.glob(f"{stem}*")), f"{line} wrote nothing"


def test_the_python_of_the_readme_is_a_script_that_states_m_c(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.S | re.M
    )
    assert len([line for line in block.splitlines() if line]) <= 10
    (tmp_path / "example.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert re.fullmatch(r"\d+\.\d+\(\d+\)\(\d+\)", first)
    assert second.startswith("Analysis of mini-batch size")
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "data.nc").exists()
