"""The package lists its names without loading matplotlib, and none is forgotten."""

from __future__ import annotations

import ast
import runpy
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


def test_the_gallery_page_is_that_of_the_script_and_has_every_kind() -> None:
    docs = Path(__file__).parents[3] / "docs"
    script = runpy.run_path(str(docs / "_scripts" / "gallery_page.py"))
    page = (docs / "gallery.md").read_text("utf-8")
    assert page == script["gallery_page"](), "run python docs/_scripts/gallery_page.py"
    functions = {name for name in plots.__all__ if name.startswith("plot_")}
    assert {name for name in functions if f"{name}(" not in page} == set()
