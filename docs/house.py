"""The house from its imports: which room stands on which, and the picture in docs/architecture.md.

``python -m docs.house`` draws docs/house.svg again; tests/system/test_habits.py reads the same
imports and holds them to the rules of docs/architecture.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
#: Rooms from the ground up. A module imports from lower floors and from its own room.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "typing", "progress", "compilation"),
    ("files", "streams"),
    ("results",),
    ("dataset", "systems"),
    ("tables", "study"),
    ("scaling.statistics",),
    ("scaling.laws",),
    ("scaling.curves",),
    ("scaling.data_collapse", "scaling.transition", "scaling.times"),
    ("scaling.order",),
    ("exact", "noise"),
    ("dynamics",),
    ("engines",),
    ("sweep", "plots"),
    ("report",),
    ("commands",),
    ("cli",),
)


class Module(NamedTuple):
    """A module of physbatch, and the line of each module that it imports."""

    name: str
    path: Path
    imports: Mapping[str, int]

    @property
    def room(self) -> str:
        """The folder, or the module itself where it stands alone: ``scaling.laws``, ``dataset``."""
        parts = self.name.split(".")[1:]
        depth = 2 if parts[:1] == ["scaling"] else 1
        return ".".join(parts[:depth])


@cache
def modules() -> Mapping[str, Module]:
    """All modules by name, with their imports at any depth: local ones and those of types too."""
    paths = {_name(path): path for path in sorted((ROOT / "physbatch").rglob("*.py"))}
    found: dict[str, Module] = {}
    for name, path in paths.items():
        targets: dict[str, int] = {}
        for target, line in _targets(path):
            while target and target not in paths:
                target = target.rpartition(".")[0]
            if target and target != name:
                targets.setdefault(target, line)
        found[name] = Module(name, path, targets)
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _targets(path: Path) -> Iterator[tuple[str, int]]:
    """What a file imports; of ``from a import b`` a.b, since b may be a module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def circles() -> list[list[str]]:
    """Sets of modules that import each other in a circle (Tarjan); the lazy front door is none."""
    graph = {name: list(module.imports) for name, module in modules().items()}
    graph["physbatch"] = []
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            place = stack.index(name)
            components.append(sorted(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in order:
            visit(name)
    return [component for component in components if len(component) > 1]


def draw(path: Path) -> None:
    """The rooms on their floors, with an arrow from each room to those that it imports."""
    from matplotlib.figure import Figure

    floor_of = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    place = {
        room: ((index + 1) / (len(rooms) + 1), level)
        for level, rooms in enumerate(FLOORS)
        for index, room in enumerate(rooms)
    }
    lines = dict.fromkeys(floor_of, 0)
    arrows: set[tuple[str, str]] = set()
    for module in modules().values():
        if module.room not in floor_of:
            continue
        lines[module.room] += len(module.path.read_text("utf-8").splitlines())
        for target in module.imports:
            other = modules()[target].room
            if other in floor_of and other != module.room:
                arrows.add((module.room, other))
    figure = Figure(figsize=(7, 8))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(-0.6, len(FLOORS) - 0.4))
    for room, other in sorted(arrows):
        style = {"arrowstyle": "-|>", "color": "0.75", "lw": 0.5, "shrinkA": 8, "shrinkB": 8}
        bend = 0.12 * (place[room][1] - place[other][1] > 1)
        arrow = {**style, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", place[other], place[room], arrowprops=arrow, zorder=1)
    for room, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": "0.2", "lw": 0.8}
        text = f"{room}  {lines[room]}"
        axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=box, zorder=2)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(ROOT / "docs" / "house.svg")
