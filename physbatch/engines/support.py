"""What is built: a study that asks for more is refused by name."""

from __future__ import annotations

from physbatch.engines.protocol import bitsliced
from physbatch.errors import NotBuiltError
from physbatch.study.study import Study

__all__ = ["missing", "require_built"]


def missing(study: Study) -> list[str]:
    """Names of the choices of a study that no engine implements."""
    names = []
    if study.measurement.sharpness and study.system.inputs.kind != "samples":
        names.append("measurement.sharpness without inputs.kind = 'samples'")
    if study.grid.replicas_per_graph != 1 and not bitsliced(study):
        names.append(
            "grid.replicas_per_graph > 1 but for binary weights on regular graphs or trees"
        )
    return names


def require_built(study: Study, *, where: str = "study") -> Study:
    """Return the study if every choice is implemented.

    Raises
    ------
    NotBuiltError
        Naming each choice that is not.
    """
    names = missing(study)
    if names:
        raise NotBuiltError(
            f"not implemented: {', '.join(names)}",
            where=where,
            remedy="see `physbatch catalogue` for studies that run",
        )
    return study
