"""What is built: a study that asks for more is refused by name."""

from __future__ import annotations

from physbatch.axes import SGD
from physbatch.errors import NotBuiltError
from physbatch.study import Study

__all__ = ["missing", "require_built"]


def missing(study: Study) -> list[str]:
    """Names of the choices of a study that no engine implements."""
    names = _missing_for_discrete_weights(study)
    if isinstance(study.dynamics, SGD):
        names = [f"dynamics.kind = 'sgd', engine = {study.dynamics.engine!r}"]
    if study.grid.replicas_per_graph != 1:
        names.append("grid.replicas_per_graph > 1")
    return names


def _missing_for_discrete_weights(study: Study) -> list[str]:
    system = study.system
    names = []
    if system.inputs.kind != "binary":
        names.append(f"system.inputs.kind = {system.inputs.kind!r}")
    if system.wiring.kind == "dense":
        names.append("system.wiring.kind = 'dense'")
    if system.student_wiring.kind == "dense":
        names.append("system.student_wiring.kind = 'dense'")
    if system.activation != "sign":
        names.append(f"system.activation = {system.activation!r}")
    if system.weights != "binary":
        names.append(f"system.weights = {system.weights!r}")
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
