"""The theory that holds for a study, worked out on its grid."""

from __future__ import annotations

from collections.abc import Callable

from physbatch.errors import AnalysisError
from physbatch.study.model import Study
from physbatch.theory.discrete import sparse, unit, why_not_sparse, why_not_unit
from physbatch.theory.gradient import committee, linear, why_not_committee, why_not_linear
from physbatch.theory.points import Prediction

_THEORIES: dict[str, tuple[Callable[[Study], str], Callable[[Study], Prediction]]] = {
    "one greedy unit": (why_not_unit, unit),
    "the sparse network": (why_not_sparse, sparse),
    "a linear student": (why_not_linear, linear),
    "the soft committee": (why_not_committee, committee),
}


def predict(study: Study) -> Prediction:
    """Work out what theory says for a study.

    Known are one greedy or Metropolis unit of binary weights with a fresh batch for every proposal
    (exact overlap at the end of the run), the sparse network of two layers with a fresh batch for
    every proposal (overlap for N -> infinity: star closure up to d = 7, limit of many legs beyond,
    with the spinodal), a linear student of fresh Gaussian inputs (exact growth of the mean
    squared error, both thresholds), and the soft committee (stability of the perfect student).

    Parameters
    ----------
    study : Study
        The grid says where; all other parts say which theory.

    Returns
    -------
    Prediction
        The value at every point of the grid, thresholds, and what is left out.

    Raises
    ------
    physbatch.errors.AnalysisError
        If no theory is known for the study; the error says what the nearest one asks for.

    References
    ----------
    Saad and Solla, Phys. Rev. E 52 (1995) 4225, doi 10.1103/PhysRevE.52.4225 (committee).

    Examples
    --------
    >>> from physbatch.study import catalogue
    >>> prediction = predict(catalogue.study("greedy-unit", batch_size=[2, 10]))
    >>> prediction.value.round(5).tolist()
    [0.36585, 0.99417]
    """
    reasons = {}
    strange = _unknown_choices(study)
    if strange:
        raise AnalysisError(
            "no theory is known for this study",
            where="predict",
            remedy=f"leave {strange[0]} at its default",
        )
    if study.system.kind == "teacher-student" and study.dynamics.kind != "own":
        for name, (why_not, work_out) in _THEORIES.items():
            reasons[name] = why_not(study)
            if not reasons[name]:
                return work_out(study)
    near = _nearest(study)
    raise AnalysisError(
        "no theory is known for this study",
        where="predict",
        remedy=f"for {near} {reasons[near]}" if near in reasons else "own code has none",
    )


#: Choices that the theories look at; with any other that is not the default none of them holds.
_KNOWN = {
    "system": {
        "kind", "wiring", "depth", "output", "activation", "weights", "inputs", "learned_layers",
        "student_wiring", "field_scaling", "initial_overlap", "readout", "teacher_vectors",
    },
    "dynamics": {
        "kind", "ties", "refresh", "temperature", "engine", "learning_rate", "loss", "momentum",
        "sampling", "precision",
    },
}  # fmt: skip


def _unknown_choices(study: Study) -> list[str]:
    """Fields beside the defaults that no theory has heard of."""
    names = [
        f"{section}.{name}"
        for section, known in _KNOWN.items()
        for name in getattr(study, section).model_dump(exclude_defaults=True)
        if name not in known
    ]
    inputs = study.system.inputs.model_dump(exclude_defaults=True) if not names else {}
    names += [f"system.inputs.{name}" for name in inputs if name in ("label_noise", "spectrum")]
    rate = study.dynamics.model_dump(exclude_defaults=True).get("learning_rate") or {}
    return names + [f"dynamics.learning_rate.{n}" for n in rate if n not in ("rule", "base")]


def _nearest(study: Study) -> str:
    """The theory whose conditions say most about a study."""
    if study.dynamics.kind == "sgd":
        linear_student = study.system.activation == "linear"
        return "a linear student" if linear_student else "the soft committee"
    return "one greedy unit" if study.system.depth == 1 else "the sparse network"
