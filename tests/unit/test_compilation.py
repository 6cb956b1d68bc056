"""The hash that the compiler's disk cache follows covers every module that it must."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import physbatch
from physbatch.sources import hash_of_sources

KERNELS = (
    "physbatch.dynamics.bitsliced.kernel",
    "physbatch.dynamics.discrete.kernel",
    "physbatch.dynamics.projected.kernel",
    "physbatch.dynamics.sgd.kernel",
    "physbatch.streams.filling",
)
PACKAGE = Path(physbatch.__file__).parent
#: Imported by compiled modules, but used outside of compiled code alone.
NOT_COMPILED = {f"physbatch.{name}" for name in ("compilation", "errors", "sources", "typing")}


def syntax(module: str) -> ast.Module:
    return ast.parse(Path(str(importlib.import_module(module).__file__)).read_text("utf-8"))


def imported(module: str) -> set[str]:
    """Modules of this package that a module takes names from."""
    return {
        str(node.module)
        for node in ast.walk(syntax(module))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("physbatch")
    }


def hashed(module: str) -> set[str]:
    """Modules in the folders named in the call of `hash_of_sources`."""
    (call,) = (
        node
        for node in ast.walk(syntax(module))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hash_of_sources"
    )
    folders = [ast.literal_eval(folder) for folder in call.args]
    return {
        f"physbatch.{folder.replace('/', '.')}.{file.stem}"
        for folder in folders
        for file in (PACKAGE / folder).glob("*.py")
    }


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_module_of_compiled_code_is_hashed(kernel: str) -> None:
    needed = {kernel}
    while not (more := set().union(*map(imported, needed)) - NOT_COMPILED) <= needed:
        needed |= more
    assert needed <= hashed(kernel)


def test_the_hash_follows_content_and_nothing_else(tmp_path: Path) -> None:
    file, helper = tmp_path / "kernel.py", tmp_path / "helper.py"
    seen = []
    for source, helper_source in (
        ("a = 1", "b = 1"),
        ("a = 1", "b = 2"),
        ("a = 2", "b = 1"),
        ("a = 1", "b = 1"),
    ):
        file.write_text(source, "utf-8")
        helper.write_text(helper_source, "utf-8")
        seen.append(hash_of_sources(str(tmp_path)))
    assert seen[0] == seen[3]
    assert len(set(seen)) == 3
    assert all(0 <= value < 2**56 for value in seen)
