"""The rules that keep the house liveable (docs/architecture.md), each a test.

ruff and mypy --strict stay clean.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs import house

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "physbatch"
COMPILED = re.compile("jit|vectorize|compiled|kernel")
#: Names that say nothing.
EMPTY_NAMES = {"one", "found", "held", "place", "own"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize(
    "words", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_clean(words: list[str]) -> None:
    if importlib.util.find_spec(words[0]) is None:
        pytest.skip(f"component missing: {words[0]}")
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- floors -----------------------------------------------------------------------------


def test_no_circle_of_imports() -> None:
    assert house.circles() == []


def test_imports_go_down_the_house() -> None:
    floor = {room: level for level, rooms in enumerate(house.FLOORS) for room in rooms}
    wrong = [
        f"{module.name}:{line} imports {target}"
        for module in house.modules().values()
        for target, line in module.imports.items()
        if module.room in floor
        and (other := house.modules()[target].room) in floor
        and other != module.room
        and floor[other] >= floor[module.room]
    ]
    assert wrong == []


def test_every_room_has_its_floor() -> None:
    rooms = {module.room for module in house.modules().values()}
    floors = {room for level in house.FLOORS for room in level}
    assert rooms - floors == {"", "__main__", "scaling"}
    assert floors <= rooms


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        (("results", "tables", "scaling", "exact"), ("torch", "matplotlib", "seaborn")),
        (("plots",), ("torch", "scipy.optimize", "lmfit", "emcee")),
        (("dynamics", "systems"), ("xarray", "netCDF4")),
    ],
)
def test_rooms_know_no_strangers(rooms: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} imports {name}"
        for room in rooms
        for path in (LIBRARY / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in imported(node)
        if any(name == word or name.startswith(f"{word}.") for word in forbidden)
    ]
    assert wrong == []


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


# --- sizes ------------------------------------------------------------------------------


def test_folders_hold_at_most_twenty_modules() -> None:
    counts = Counter(path.parent for path in LIBRARY.rglob("*.py"))
    assert {str(folder): count for folder, count in counts.items() if count > 20} == {}


def test_at_most_three_modules_share_a_prefix() -> None:
    prefixes = Counter(
        (path.parent, path.stem.partition("_")[0])
        for path in LIBRARY.rglob("*.py")
        if not path.stem.startswith("__")
    )
    assert {key: count for key, count in prefixes.items() if count > 3} == {}


def test_a_module_is_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in LIBRARY.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 400} == {}


def functions() -> Iterator[tuple[Path, Function]]:
    """Every function but the compiled ones: kernels of one file, folder or decorator."""
    for path in sorted(LIBRARY.rglob("*.py")):
        if "kernel" in str(path.relative_to(LIBRARY)):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function) and not any(map(compiled, node.decorator_list)):
                yield path, node


def compiled(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return COMPILED.search(name) is not None


def test_functions_are_short_and_take_few_parameters() -> None:
    wrong = []
    for path, node in functions():
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            length -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        arguments = node.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
        count = len([name for name in names if name not in ("self", "cls")])
        if length > 60 or count > 8:
            wrong.append(
                f"{path.relative_to(ROOT)}: {node.name} {length} lines, {count} parameters"
            )
    assert wrong == []


# --- names ------------------------------------------------------------------------------


def test_names_say_something() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.id}"
        for path in sorted(LIBRARY.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in EMPTY_NAMES
    ]
    assert wrong == []


def test_no_public_function_is_called_like_a_module_of_its_package() -> None:
    modules = {path.parent: set[str]() for path in LIBRARY.rglob("*.py")}
    for path in LIBRARY.rglob("*.py"):
        modules[path.parent].add(path.stem)
        if path.stem == "__init__" and path.parent != LIBRARY:
            modules[path.parent.parent].add(path.parent.name)
    wrong = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, node in functions()
        if not node.name.startswith("_")
        and node.col_offset == 0
        and node.name in modules[path.parent]
    ]
    assert wrong == []


def test_packages_say_what_they_are_for() -> None:
    for path in LIBRARY.rglob("__init__.py"):
        words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert len(words) >= 15, path
        assert words.split(".")[0] != path.parent.name, path


def test_only_packages_are_imported_from_outside() -> None:
    """Docs, analysis/ and tests other than tests/unit use what packages name."""
    packages = {name for name, module in house.modules().items() if module.path.stem == "__init__"}
    outside = [
        *(ROOT / "analysis").rglob("*.py"),
        *(path for path in (ROOT / "tests").rglob("*.py") if "unit" not in path.parts),
    ]
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.module}"
        for path in outside
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("physbatch.")
        and node.module not in packages
        and node.module not in TOP_LEVEL
    ]
    assert wrong == []


#: Modules that stand alone are public themselves.
TOP_LEVEL = {"physbatch.errors", "physbatch.dataset", "physbatch.progress", "physbatch.cli"}


def test_unit_tests_mirror_the_house() -> None:
    """A folder of tests/unit is a folder of physbatch."""
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    missing = [str(folder) for folder in folders if not (LIBRARY / folder).is_dir()]
    assert missing == []
