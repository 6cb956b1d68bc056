"""Sphinx configuration; `make docs` builds with warnings as errors and runs every block."""

from __future__ import annotations

import importlib
import types
from pathlib import Path

import physbatch
from physbatch.cli import app

#: Packages in the order in which a user meets them.
PACKAGES = (
    "study", "sweep", "tables", "scaling", "noise", "results", "plots", "report",
    "exact", "theory", "engines", "tasks", "systems", "dynamics", "streams",
)  # fmt: skip
API = Path(__file__).parent / "_api"


def belongs(package: types.ModuleType, name: str) -> bool:
    """Whether a package names something of its own, not a module or what another one defines."""
    thing = getattr(package, name)
    home = getattr(thing, "__module__", package.__name__)
    return not isinstance(thing, types.ModuleType) and str(home).startswith(package.__name__)


def write_api_pages() -> None:
    """A page for each package: what its ``__init__`` says, and what it names."""
    API.mkdir(exist_ok=True)
    # Pages that no list names any more would be warned about.
    for page in API.glob("*"):
        page.unlink()
    for package in PACKAGES:
        name = f"physbatch.{package}"
        module = importlib.import_module(name)
        public = [entry for entry in getattr(module, "__all__", ()) if belongs(module, entry)]
        listed = "\n".join(f"   {entry}" for entry in public)
        page = f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n   :no-members:\n"
        if public:
            page += f"\n.. autosummary::\n   :toctree:\n\n{listed}\n"
        (API / f"package-{package}.rst").write_text(page, "utf-8")


def write_commands_page() -> None:
    """Every command with its options, as `physbatch COMMAND --help` prints them."""
    page = app.generate_docs(output_format="markdown")
    start, stop = page.index("## Table of Contents"), page.index("**Commands**")
    # Dollars and stars in examples are for the shell, not for formulas and emphasis.
    listed = page[stop:].replace("$", r"\$").replace("'L*.dat'", "`'L*.dat'`")
    head = page[:start].replace("# physbatch", "# Commands", 1)
    (API / "commands.md").write_text(f"{head}{app.help_epilogue}\n\n{listed}", "utf-8")


write_api_pages()
write_commands_page()

project = "physbatch"
author = "The physbatch developers"
release = physbatch.__version__
version = release

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_title = f"physbatch {release}"
# Formulas need no network: MathJax 3.2.2 (Apache 2.0, its licence beside it) is among the pages.
html_static_path = ["_static"]
mathjax_path = "mathjax/tex-svg.js"

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# A page that fails to run fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
