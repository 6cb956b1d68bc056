"""The commands study check and study init, and --set."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from physbatch.commands.studies import changed
from physbatch.dataset import open_dataset
from physbatch.errors import OutputError, StudyError
from physbatch.study import Study, catalogue
from tests.conftest import run_words


def test_init_writes_a_study_that_check_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    run_words("study", "init", path)
    assert f"physbatch study check {path}" in capsys.readouterr().out
    run_words("study", "check", path)
    out = capsys.readouterr().out
    assert "# cells        10" in out
    assert "# end states   at most" in out
    lines = path.read_text().splitlines()
    assert sum("#" in line for line in lines) > 15
    with pytest.raises(OutputError, match="is there already"):
        run_words("study", "init", path)
    with pytest.raises(StudyError, match=r"end it with \.toml"):
        run_words("study", "init", tmp_path / "mine")


def test_what_the_template_offers_can_be_chosen(tmp_path: Path) -> None:
    """Its comments are true: each line that is commented out is accepted."""
    path = tmp_path / "mine.toml"
    run_words("study", "init", path)
    text = re.sub(r"(?m)^# (\w+ = )", r"\1", path.read_text())
    assert text.count("\n# ") < path.read_text().count("\n# ") - 8
    path.write_text(text)
    study = Study.from_toml(path)
    assert study.description
    assert study.seed.study == 1


def test_check_notes_batch_sizes_that_are_not_whole(
    tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_words("study", "check", tiny_file)
    assert "common to all units" in capsys.readouterr().out
    run_words("study", "check", tiny_file, "--set", "grid.batch_size=[0.5, 2]", "--json")
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "1 of 2 values, from 0.5" in note
    run_words("study", "check", tiny_file, "--set", "grid.batch_size=[2, 8]")
    assert "common to all units" not in capsys.readouterr().out


def test_run_with_other_values_goes_on(tiny_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.nc"
    run_words("run", tiny_file, "-o", output, "-w", "1", "--set", "measurement.duration=7")
    assert open_dataset(output)["time"].values[-1] == 7
    run_words("run", tiny_file, "-o", output, "-w", "1")
    data = open_dataset(output)
    assert data["time"].values[-1] == 20
    assert data.attrs["continued"] == "6 of 6 cells went on from time 7 (sweep) of a shorter run"


def test_several_fields_and_tables() -> None:
    study = changed(
        catalogue.study("sparse-vector"),
        [
            "grid.size=[50, 100]",
            "grid.batch_size={50 = [10, 11], 100 = {start = 11, stop = 13, step = 1}}",
            "dynamics.order = 'sequential'",
            "system.inputs.label_noise=0.1",
        ],
    )
    assert study.grid.size == (50, 100)
    assert study.grid.has(50, 11)
    assert not study.grid.has(50, 12)
    assert study.dynamics.model_dump()["order"] == "sequential"
    assert study.system.inputs.label_noise == 0.1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grid.sizes=[1]", "unknown field 'grid.sizes'; did you mean 'size'"),
        ("grid.size", "'' is no TOML value"),
        ("grid.size=[1", "is no TOML value"),
        (f"grid.size=[{'9' * 5000}]", r"\.\.\.' is no TOML value"),
        (f"grid.size={'[' * 5000}", r"\.\.\.' is no TOML value"),
        ("measurement.duration.a=3", "'duration' has no fields"),
        ("dynamics.order='odd'", "dynamics.order: must be 'random'"),
        ("system.inputs.label_noise=0.7", "above 0.5"),
    ],
)
def test_what_cannot_be_set(setting: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        changed(catalogue.study("sparse-vector"), [setting])
