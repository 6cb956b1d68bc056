"""Studies that grow: more controls at some sizes, or more replicas everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from physbatch.errors import StudyError
from physbatch.study.grid import REPLICAS_PER_CELL
from physbatch.study.model import Study


def controls_of(study: Study) -> dict[float, frozenset[float]]:
    """The controls of each size.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> sorted(controls_of(study("sparse-vector", size=[50], batch_size=[12, 13]))[50])
    [12.0, 13.0]
    """
    grid = study.grid
    values = getattr(grid, grid.control)
    return {
        float(size): frozenset(float(value) for value in values if grid.has(size, value))
        for size in grid.size
    }


def grown(study: Study, cells: Iterable[tuple[float, float]], replicas: int = 0) -> Study:
    """The study with more cells (size, control), and at least that many replicas of each.

    StudyError if it does not allow such a cell.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> larger = grown(study("sparse-vector", size=[50, 100], batch_size=[12]), [(50, 12.5)])
    >>> larger.grid.controls
    {50: (12.0, 12.5), 100: (12.0,)}
    """
    controls = {size: set(values) for size, values in controls_of(study).items()}
    for size, control in cells:
        controls.setdefault(size, set()).add(control)
    content = study.model_dump(mode="json", exclude_defaults=True)
    content["grid"]["size"] = sorted(map(int, controls))
    content["grid"][study.grid.control] = {
        str(int(size)): sorted(values) for size, values in controls.items()
    }
    content["grid"]["replicas"] = max(study.grid.replicas, replicas)
    return Study.from_dict(content)


class Allowed:
    """Which cells a study may have, asked of its own checks."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __call__(self, size: float, control: float) -> bool:
        """Whether there can be a cell of that size and control."""
        try:
            grown(self._study, [(size, control)])
        except StudyError:
            return False
        return True

    def whole(self, controls: Mapping[float, frozenset[float]]) -> bool:
        """Whether controls must be whole numbers."""
        size, values = next(iter(controls.items()))
        lowest = min(values)
        return lowest == int(lowest) and not self(size, lowest + 0.5)


def more_replicas(study: Study) -> int:
    """Twice the replicas, in full cells: those that are not full would be computed again."""
    return -(-2 * study.grid.replicas // REPLICAS_PER_CELL) * REPLICAS_PER_CELL
