"""Sphinx configuration; `make docs` builds with warnings as errors and runs every block."""

from __future__ import annotations

from pathlib import Path

import physbatch

# Pages of the API that an earlier build made and no list names any more would be warned about.
for page in Path(__file__).parent.glob("_api/*.rst"):
    page.unlink()

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
html_theme = "furo"
html_title = f"physbatch {release}"

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
