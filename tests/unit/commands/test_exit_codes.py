"""What the exit code says, and mistakes that the command line recognises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from physbatch.cli import main

#: Parallel lines, which cross nowhere.
PARALLEL = "L,T,m,dm\n" + "".join(
    f"{size},{temperature},{temperature + size / 10},0.01\n"
    for size in (8, 16, 32)
    for temperature in (2.1, 2.2, 2.3, 2.4)
)
#: Lines that cross at 2.25.
CROSSING = "L,T,m,dm\n" + "".join(
    f"{size},{temperature},{(temperature - 2.25) * size},0.01\n"
    for size in (8, 16, 32)
    for temperature in (2.1, 2.2, 2.3, 2.4)
)


def test_a_fit_without_a_number_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(PARALLEL)
    assert main(["crossings", str(table), "--resamples", "50"]) == 3
    assert "c_c = nan" in capsys.readouterr().out
    assert main(["crossings", str(table), "--resamples", "50", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["parameters"]["c_c"]["value"] is None
    table.write_text(CROSSING)
    assert main(["crossings", str(table), "--resamples", "50"]) == 0


def test_the_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "3 no number could be stated" in " ".join(capsys.readouterr().out.split())


def test_size_and_control_that_changed_places_are_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text(CROSSING)
    assert main(["crossings", str(table), "--size", "T", "--control", "L"]) == 2
    error = capsys.readouterr().err
    assert "size and control are swapped; give them as in `physbatch collapse " in error
    assert "--size L --control T`" in error


def test_batch_sizes_as_controls_are_none(tmp_path: Path) -> None:
    """Whole controls are as good as any where the sizes are whole too."""
    table = tmp_path / "t.csv"
    rows = [line.split(",") for line in CROSSING.splitlines()[1:]]
    text = "".join(f"{a},{round(float(b) * 10)},{c},{d}\n" for a, b, c, d in rows)
    table.write_text("N,m,q,dq\n" + text)
    columns = ["--control", "m", "--observable", "q", "--error", "dq"]
    assert main(["crossings", str(table), "--resamples", "50", *columns]) == 0


def test_a_misspelt_section_is_named_before_what_stands_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "s.toml"
    study.write_text('title = "t"\n[gird]\nsize = [9]\n[system]\nkind = "sparse"\n')
    assert main(["study", "check", str(study)]) == 2
    assert "unknown field 'gird'; did you mean 'grid'?" in capsys.readouterr().err


def test_the_catalogue_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < 80
    assert any(line.startswith("sparse-vector ") for line in lines)


def test_shells_can_complete(tmp_path: Path) -> None:
    script = tmp_path / "complete.bash"
    assert main(["--install-completion", "--shell", "bash", "--output", str(script)]) == 0
    assert "collapse" in script.read_text("utf-8")
