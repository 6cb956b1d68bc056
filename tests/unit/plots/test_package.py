"""The package lists its names without loading matplotlib, and none is forgotten."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from physbatch import plots


def test_names_are_listed_without_matplotlib() -> None:
    code = (
        "import sys; from physbatch import plots\n"
        "names = dir(plots)\n"
        "assert 'plot_collapse' in names and 'draw' in names\n"
        "assert not {'matplotlib', 'seaborn', 'torch'} & set(sys.modules)\n"
        "plots.plot_collapse, plots.plot_noise_range\n"
        "assert not hasattr(plots, 'plot_nothing')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_plot_function_is_public() -> None:
    folder = Path(plots.__file__).parent
    defined = {
        node.name
        for path in folder.rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("plot_")
    }
    assert defined == {name for name in plots.__all__ if name.startswith("plot_")}
