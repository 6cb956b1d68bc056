"""Overlaps of continuous students with their teachers, modulo the symmetries of the network.

Everything is for one student and plain numpy sums, so that a student's numbers do not depend on
which others are measured beside it.

The symmetries: with an odd activation, flipping all weights into and out of a hidden unit
changes nothing if both are learned; with relu, neither does multiplying the weights into it by
a positive number and dividing those out of it. In a dense network hidden units may also be
permuted.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from physbatch.systems.architecture import Architecture
from physbatch.systems.continuous import ContinuousSystem
from physbatch.systems.wiring import layer_matrices
from physbatch.typing import FloatArray, IntArray


def _products(left: FloatArray, right: FloatArray) -> FloatArray:
    """left right', by sums that do not depend on a linear-algebra library or its threads."""
    return np.asarray(np.einsum("ki,ni->kn", left, right, optimize=False))


def path_overlap(
    architecture: Architecture,
    sources: npt.NDArray[np.int32],
    teacher: FloatArray,
    student: FloatArray,
) -> float:
    r"""Overlap of the products of weights along all paths from inputs to outputs.

    .. math:: q = \frac{\sum_p \prod_{e \in p} w_e w^*_e}
        {\sqrt{\sum_p \prod_e w_e^2 \, \sum_p \prod_e w_e^{*2}}},

    a cosine, from -1 to 1, that flipping the signs of a hidden unit leaves as it is. The sums
    go layer by layer: s_i = sum_j w_ij w*_ij s_j.

    Parameters
    ----------
    architecture : Architecture
        The layers, the same for both.
    sources : ndarray of int32, shape (edge,)
        Unit of the layer below that each edge reads.
    teacher, student : ndarray, shape (edge,)
        Weights.

    Returns
    -------
    float
        q; 0 if all of the student's paths vanish. A random student has mean 0 and variance
        about 1/(N d^L) for vector output.
    """
    sums = [np.ones(architecture.size) for _ in range(3)]
    for number, layer in enumerate(architecture.layers):
        edges = slice(*architecture.edge_offsets[number : number + 2])
        w, v = student[edges], teacher[edges]
        # Norms divide out; taken out layer by layer they cannot overflow.
        w = w / (math.sqrt(np.mean(w * w)) or 1.0)
        v = v / (math.sqrt(np.mean(v * v)) or 1.0)
        for index, factors in enumerate((w * v, w * w, v * v)):
            if layer.wiring == "full":
                terms = factors.reshape(layer.units, layer.fan_in) * sums[index]
            else:
                terms = (factors * sums[index][sources[edges]]).reshape(layer.units, layer.fan_in)
            sums[index] = terms.sum(axis=1)
    mixed, learned, wanted = (float(values.sum()) for values in sums)
    return mixed / math.sqrt(learned * wanted) if learned > 0 and wanted > 0 else 0.0


def unit_overlaps(student: FloatArray, teacher: FloatArray) -> FloatArray:
    """``R_in = w_i.w*_n/(|w_i| |w*_n|)``, shape (student's unit, teacher's unit); 0 for w_i = 0.

    >>> unit_overlaps(np.array([[2.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 3.0]])).round(3)
    array([[0.707, 0.   ]])
    """
    norms = [np.sqrt((rows * rows).sum(axis=1)) for rows in (student, teacher)]
    scaled = [
        rows / np.where(norm > 0, norm, 1.0)[:, None]
        for rows, norm in zip((student, teacher), norms, strict=True)
    ]
    return _products(*scaled)


@dataclass(frozen=True)
class Matching:
    """Which hidden unit of the student stands for which of the teacher: min(K, M) matched pairs.

    A sign is -1 where the student's unit must be flipped; q = (1/M) sum over the pairs of sign
    R_in.
    """

    students: IntArray
    teachers: IntArray
    signs: FloatArray
    overlap: float


def match_units(overlaps: FloatArray, *, permutable: bool, sign_free: bool) -> Matching:
    r"""Match the student's K units to the teacher's M by their overlaps R.

    The assignment i(n) that maximises :math:`q = \frac1M \sum_n |R_{i(n), n}|` (Kuhn 1955, doi
    10.1002/nav.3800020109), or R itself where the sign of a unit is not free; unit n to unit n
    where nothing is.

    Parameters
    ----------
    overlaps : ndarray, shape (K, M)
        See `unit_overlaps`.
    permutable, sign_free : bool
        Which symmetries there are.

    Examples
    --------
    >>> table = np.array([[0.1, -0.9], [0.8, 0.3]])
    >>> round(match_units(table, permutable=True, sign_free=True).overlap, 6)
    0.85
    """
    scores = np.abs(overlaps) if sign_free else overlaps
    if permutable:
        students, teachers = linear_sum_assignment(scores, maximize=True)
    else:
        students = teachers = np.arange(min(overlaps.shape))
    signs = np.ones(len(students))
    if sign_free:
        signs[overlaps[students, teachers] < 0] = -1.0
    total = float(scores[students, teachers].sum())
    return Matching(students, teachers, signs, total / overlaps.shape[1])


def cosine_overlap(teacher: FloatArray, student: FloatArray) -> float:
    """``w.w*/(|w| |w*|)`` of two flat arrays of weights; 0 if the student's vanish."""
    return float(unit_overlaps(student.reshape(1, -1), teacher.reshape(1, -1))[0, 0])


def _fix_gauge(
    layers: Architecture,
    sources: npt.NDArray[np.int32],
    student: FloatArray,
    teacher: FloatArray,
    *,
    odd: bool,
) -> FloatArray:
    """The equivalent student that is nearest to the teacher, unit by unit from below.

    Odd activations: the sign of each hidden unit. relu: its scale, so that the weights into it
    have the length of the teacher's. A unit's values are multiplied by its factor, and who
    reads them divides by it.
    """
    factors = np.ones(layers.size)
    fixed = np.empty_like(student)
    for number, layer in enumerate(layers.layers):
        edges = slice(*layers.edge_offsets[number : number + 2])
        read = np.arange(layer.edges) % layer.sources if layer.wiring == "full" else sources[edges]
        shape = (layer.units, layer.fan_in)
        turned = (student[edges] / factors[read]).reshape(shape)
        wanted = teacher[edges].reshape(shape)
        if number == layers.depth - 1:
            factors = np.ones(layer.units)
        elif odd:
            factors = np.where((turned * wanted).sum(axis=1) < 0, -1.0, 1.0)
        else:
            lengths, wanted_lengths = (
                np.sqrt((rows * rows).sum(axis=1)) for rows in (turned, wanted)
            )
            usable = (lengths > 0) & (wanted_lengths > 0)
            factors = np.where(usable, wanted_lengths / np.where(lengths > 0, lengths, 1.0), 1.0)
        fixed[edges] = (turned * factors[:, None]).ravel()
    return fixed


@dataclass(frozen=True)
class OverlapMeasurement:
    """Order parameters of one student.

    Attributes
    ----------
    overlap : float
        q, 1 for a perfect student.
    weight_error : float
        ``|w - w*|^2/N`` over the learned weights of a known graph, or the first layer's of a dense
        student, of the nearest equivalent student.
    student_norm : float
        Root mean square of the learned weights over that of the teacher's.
    student_overlaps, teacher_overlaps : ndarray, shape (K, K) and (K, M)
        Q = w w'/N and R = w w*'/N of the first layer.
    """

    overlap: float
    weight_error: float
    student_norm: float
    student_overlaps: FloatArray
    teacher_overlaps: FloatArray


def measure_overlaps(
    system: ContinuousSystem, replica: int, student: FloatArray, *, matrices: bool = False
) -> OverlapMeasurement:
    """Order parameters of a student of one replica.

    With a known graph the path overlap; for relu with all layers learned the cosine of the
    weights, after rescaling every hidden unit to the teacher's length. For dense hidden layers
    the overlap of the first layer's units after matching (`match_units`). Units of a committee
    may be permuted but not flipped, and where fixed upper weights differ from unit to unit
    neither: then R is taken with its sign, or without an assignment.

    Parameters
    ----------
    system : ContinuousSystem
        The teachers.
    replica : int
        Row of `system`.
    student : ndarray, shape (edge,)
        Weights.
    matrices : bool
        Whether Q and R are wanted; else they are empty.
    """
    layers, functions = system.student_layers, system.functions
    size = layers.size
    learnable = layers.learnable
    target = system.target[replica]
    first = layers.layers[0]
    vectors = student[: first.edges].reshape(first.units, first.fan_in)
    wanted = _teacher_vectors(system, replica)
    if _dense(layers):
        matching = match_units(
            unit_overlaps(vectors, wanted),
            permutable=layers.depth > 1 and (layers.learned == "all" or functions.committee),
            sign_free=layers.depth > 1 and layers.learned == "all" and functions.odd,
        )
        overlap = matching.overlap
        matched = matching.signs[:, None] * vectors[matching.students]
        difference = matched - wanted[matching.teachers]
        error = float((difference * difference).sum()) / size
        left_out = np.setdiff1d(np.arange(len(vectors)), matching.students)
        not_found = np.setdiff1d(np.arange(len(wanted)), matching.teachers)
        error += float((vectors[left_out] ** 2).sum() + (wanted[not_found] ** 2).sum()) / size
    else:
        overlap, error = _known_graph(system, replica, student)
    square, wanted_square = (np.mean(weights[:learnable] ** 2) for weights in (student, target))
    empty = np.empty((0, 0))
    return OverlapMeasurement(
        overlap=overlap,
        weight_error=error,
        student_norm=math.sqrt(square / wanted_square),
        student_overlaps=_products(vectors, vectors) / size if matrices else empty,
        teacher_overlaps=_products(vectors, wanted) / size if matrices else empty,
    )


def _dense(layers: Architecture) -> bool:
    return layers.layers[0].wiring == "full"


def _teacher_vectors(system: ContinuousSystem, replica: int) -> FloatArray:
    """First-layer vectors of the teacher in the student's units, shape (M, fan-in)."""
    teacher, student = system.teacher_layers, system.student_layers
    first = teacher.layers[0]
    if not _dense(student) or teacher.layers == student.layers:
        return system.target[replica, : first.edges].reshape(first.units, first.fan_in)
    # The student may have fewer units than the teacher.
    below = Architecture(teacher.size, teacher.layers[:1], teacher.learned)
    ratio = system.functions.scales(teacher)[0] / system.functions.scales(student)[0]
    matrix = layer_matrices(
        below, system.teacher_sources[replica], system.teacher[replica, : first.edges]
    )[0]
    return np.asarray(ratio * matrix)


def _known_graph(
    system: ContinuousSystem, replica: int, student: FloatArray
) -> tuple[float, float]:
    """Overlap and squared distance of a student that has the teacher's graph."""
    layers, functions = system.student_layers, system.functions
    sources, target = system.student_sources[replica], system.target[replica]
    learnable = layers.learnable
    if layers.learned == "first" or layers.depth == 1:
        difference = (student - target)[:learnable]
        overlap = path_overlap(layers, sources, target, student)
        return overlap, float((difference * difference).sum()) / layers.size
    fixed = _fix_gauge(layers, sources, student, target, odd=functions.odd)
    difference = fixed - target
    error = float((difference * difference).sum()) / layers.size
    if functions.odd:
        return path_overlap(layers, sources, target, student), error
    return cosine_overlap(target, fixed), error
