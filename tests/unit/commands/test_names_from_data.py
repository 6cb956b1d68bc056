"""Names that come from data are data: to a terminal, to a spreadsheet, to a browser."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from physbatch.cli import main

ESCAPE = "m\x1b]0;owned\x07\x1b[31m\x9b1m"
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://example.org","m")'


def table(path: Path, name: str) -> Path:
    """Two curves that cross, under a name."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["L", "T", name, "err"])
        for size in (8, 16):
            for control in (1.0, 1.25, 1.5, 1.75, 2.0):
                writer.writerow([size, control, 1 + size / 8 * (1.6 - control), 0.01])
    return path


@pytest.mark.parametrize("command", ["crossings", "import", "collapse"])
def test_no_command_to_a_terminal(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = table(tmp_path / "x.csv", ESCAPE)
    words = ["-o", str(tmp_path / "out.nc")] if command == "import" else []
    assert main([command, str(file), "--observable", ESCAPE, "--error", "err", *words]) in (0, 3)
    shown = capsys.readouterr()
    assert "owned" in shown.out
    assert not set("\x1b\x07\x9b") & set(shown.out + shown.err)
    assert main([command, str(file), "--observable", "\x1b[2Jn", *words]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_no_formula_for_a_spreadsheet(tmp_path: Path) -> None:
    file = table(tmp_path / "x.csv", FORMULA)
    stored, text = tmp_path / "table.nc", tmp_path / "table.csv"
    assert main(["import", str(file), "--observable", FORMULA, "-o", str(stored)]) == 0
    assert main(["export", str(stored), "-o", str(text)]) == 0
    header = next(csv.reader(text.read_text().splitlines()[1:]))
    assert header == ["L", "T", f"'{FORMULA}", f"'{FORMULA}_error"]


def test_a_page_of_tables_may_do_nothing(tmp_path: Path) -> None:
    file, page = table(tmp_path / "x.csv", SCRIPT), tmp_path / "page.html"
    words = ["--observable", SCRIPT, "--error", "err"]
    assert main(["crossings", str(file), *words, "--table", str(page)]) == 0
    text = page.read_text()
    assert "default-src 'none'" in text
    assert text.index("Content-Security-Policy") < text.index("<title>")
    assert "<script" not in text


HALF = "m\ud800"
"""Half a character: JSON can say it, no file and no terminal takes it."""


def test_half_a_character_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"L": size, "T": control, HALF: size * control, "err": 0.01}
        for size in (8, 16)
        for control in (1.0, 1.5, 2.0)
    ]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    table_file = tmp_path / "x.nc"
    assert main(["import", str(tmp_path / "x.json"), "-o", str(table_file)]) == 0
    assert main(["export", str(table_file), "-o", str(tmp_path / "x.csv")]) == 0
    assert "m?" in (tmp_path / "x.csv").read_text("utf-8")


def test_names_do_not_turn_the_writing_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crossings", str(table(tmp_path / "x.csv", "m\u202egnp"))]) in (0, 3)
    said = "".join(capsys.readouterr())
    assert "\u202e" not in said
    assert r"m\u202egnp" in said
