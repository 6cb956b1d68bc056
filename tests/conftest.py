"""Helpers that several test folders share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from physbatch.engines import engine_for
from physbatch.study import Study
from physbatch.sweep import Plan

# Idle threads of torch spin on a busy machine.
torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "title": "tiny sparse-vector study",
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [6, 9], "batch_size": [2, 3.5, 8], "replicas": 5},
    "measurement": {"duration": 20, "test_samples": 70},
}


def plan_of(study: Study) -> Plan:
    """The plan of a study, with the engine that serves it."""
    return Plan(study, engine_for(study))


@pytest.fixture
def tiny_study() -> Study:
    """A study that runs in a blink."""
    return Study.from_dict(TINY)


@pytest.fixture
def tiny_file(tmp_path: Path, tiny_study: Study) -> Path:
    """The tiny study as a TOML file."""
    path = tmp_path / "tiny.toml"
    path.write_text(tiny_study.to_toml())
    return path


@pytest.fixture
def physbatch_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own."""

    def command(
        *words: str | Path, env: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_line(words),
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            check=False,
        )

    return command


def command_line(words: Sequence[str | Path]) -> list[str]:
    """The words of a ``physbatch`` command."""
    return [sys.executable, "-m", "physbatch", *map(str, words)]


def run_words(*words: object) -> None:
    """Run words of the command line in this process; errors are raised."""
    from physbatch.cli import app

    app([str(word) for word in words], exit_on_error=False, print_error=False)


def run_command(name: str, *files: Path | str, **options: object) -> None:
    """Run a command with its options as keywords, a list given again for each value.

    True is a switch, False its --no- form.
    """
    words: list[object] = [name, *files]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            words += [f"{flag}={item}" for item in (value if isinstance(value, list) else [value])]
    run_words(*words)
