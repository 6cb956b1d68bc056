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
    ("errors", "typing", "progress", "terminal", "compilation", "lazy", "sources"),
    ("files", "streams"),
    ("results",),
    ("dataset", "systems"),
    ("views",),
    ("tables", "study"),
    ("scaling.statistics",),
    ("scaling.laws",),
    ("scaling.curves", "scaling.reweighting"),
    ("scaling.data_collapse", "scaling.transition", "scaling.times", "scaling.dynamic_scaling"),
    ("scaling.order",),
    ("scaling.design",),
    ("exact", "noise"),
    ("theory",),
    ("dynamics",),
    ("engines", "tasks"),
    ("sweep", "plots"),
    ("report",),
    ("pipeline",),
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


def direct(below: Mapping[str, set[str]], room: str, other: str) -> bool:
    """Whether no third room leads from one to the other: what follows from others is not drawn."""

    def leads(start: str) -> bool:
        return other in below[start] or any(map(leads, below[start]))

    return not any(leads(third) for third in below[room] - {other})


def draw(path: Path) -> None:
    """The rooms on their floors; an arrow leads down to each room that others do not lead to."""
    from matplotlib.figure import Figure

    floor_of = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    place = {
        room: ((index + 1) / (len(rooms) + 1), level)
        for level, rooms in enumerate(FLOORS)
        for index, room in enumerate(rooms)
    }
    below: dict[str, set[str]] = {room: set() for room in floor_of}
    lines = dict.fromkeys(floor_of, 0)
    for module in modules().values():
        if module.room in floor_of:
            lines[module.room] += len(module.path.read_text("utf-8").splitlines())
            below[module.room] |= {modules()[target].room for target in module.imports}
    below = {room: (rooms & set(floor_of)) - {room} for room, rooms in below.items()}
    arrows = [
        (room, other) for room in below for other in below[room] if direct(below, room, other)
    ]
    figure = Figure(figsize=(7, 7))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(-0.6, len(FLOORS) - 0.4))
    style = {"arrowstyle": "-|>", "color": "0.5", "lw": 0.7, "shrinkA": 8, "shrinkB": 8}
    for room, other in sorted(arrows):
        (x, y), (other_x, other_y) = place[room], place[other]
        past_a_room = abs(x - other_x) < 0.1 and y - other_y > 1
        arrow = {**style, "connectionstyle": f"arc3,rad={0.15 * past_a_room}"}
        axes.annotate("", place[other], place[room], arrowprops=arrow, zorder=1)
    for room, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": "0.2", "lw": 0.8}
        text = f"{room}  {lines[room]}"
        axes.text(x, y, text, ha="center", va="center", fontsize=7, bbox=box, zorder=2)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(ROOT / "docs" / "house.svg")
