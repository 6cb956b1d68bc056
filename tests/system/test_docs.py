"""The documentation builds without a warning, every block in it runs, every command is known."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_documentation_builds(tmp_path: Path) -> None:
    for name in ("sphinx", "myst_nb", "numpydoc", "furo"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"component missing: {name}")
    target = str(tmp_path / "html")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tutorial = (tmp_path / "html" / "tutorial.html").read_text("utf-8")
    assert "even number of binary terms" in tutorial  # what the last block prints
    assert "sparse-vector" in tutorial
    commands = (tmp_path / "html" / "_api" / "commands.html").read_text("utf-8")
    for name in ("run", "collapse", "noise evidence", "study check", "catalogue"):
        assert f"physbatch {name}<" in commands
    assert "--control-min" in commands
    noise = (tmp_path / "html" / "noise.html").read_text("utf-8")
    assert "_static/mathjax/tex-svg.js" in noise
    assert (tmp_path / "html" / "_static" / "mathjax" / "LICENSE").is_file()
    scripts = [
        source
        for page in (tmp_path / "html").rglob("*.html")
        for source in re.findall(r'<script[^>]* src="([^"]*)"', page.read_text("utf-8"))
    ]
    assert [source for source in scripts if "//" in source] == []
    for page, figures in (("tutorial", 1), ("own-data", 1), ("how-to/figures", 4)):
        shown = (tmp_path / "html" / f"{page}.html").read_text("utf-8").count("<img")
        assert shown >= figures, f"{page} shows {shown} figures"


def commands_of(page: Path) -> list[str]:
    """Every line `physbatch ...` in the blocks of a page, in order."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```|^((?:    physbatch .*\n)+)", text, re.S | re.M)
    lines = "\n".join("".join(block) for block in blocks).replace("\\\n", " ").splitlines()
    found = [re.split(r" #| > ", line)[0].strip() for line in lines]
    return [line for line in found if line.startswith("physbatch ") and "..." not in line]


def documented_commands() -> list[str]:
    """Every command of the pages and the README, once."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    return sorted({line for page in pages for line in commands_of(page)})


@pytest.mark.parametrize("line", documented_commands())
def test_documented_command_is_understood(line: str) -> None:
    """Its words name a command, and options that this command has."""
    from physbatch.cli import app

    for command in line.split(";"):
        words = shlex.split(command)[1:]
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_there_are_documented_commands() -> None:
    assert len(documented_commands()) >= 15


def test_the_numbers_of_the_readme_are_findings() -> None:
    """What the README states with an error stands in the table of findings, which a test checks."""
    numbers = re.findall(r"\d+\.\d+(?:\(\d+\))+", (ROOT / "README.md").read_text("utf-8"))
    findings = (DOCS / "findings.md").read_text("utf-8")
    assert len(numbers) >= 5
    assert [number for number in numbers if f"| {number} |" not in findings] == []


def test_every_field_of_a_study_is_documented() -> None:
    from physbatch import study as axes

    page = (DOCS / "how-to" / "write-a-study.md").read_text("utf-8")
    models = [getattr(axes, name) for name in axes.__all__]
    fields = {field for model in models for field in getattr(model, "model_fields", ())}
    assert len(fields) > 40
    assert [field for field in sorted(fields) if not re.search(rf"\b{field}\b", page)] == []
