"""The definition of projected dynamics: plain torch over [replica, ...] tensors.

Each step writes out the formulas of `physbatch.dynamics.projected.run` with library functions: a
QR decomposition where the kernel has its own, erf and log from torch. It draws the same random
numbers as the kernel, so that both give the same trajectories up to rounding.
"""

import math

import torch
from torch import Tensor

from physbatch.dynamics.projected.run import ProjectedRun, ProjectedTrajectory
from physbatch.dynamics.projected.state import CommitteeState
from physbatch.exact.committee import generalization_error
from physbatch.streams.keys import KIND_BATCH, KIND_FACTOR_CHI, KIND_FACTOR_NORMAL, KIND_FIELD
from physbatch.streams.tensor import normals, philox

#: Blocks between attempts at a chi number.
_ATTEMPT = 4


class ProjectedNumbers:
    """The random numbers of projected dynamics, addressed as the kernel addresses them.

    Parameters
    ----------
    key : int
        Stream key.
    first_replica, replicas : int
        Number of the first replica, and how many there are.
    """

    def __init__(self, key: int, first_replica: int, replicas: int) -> None:
        self.key = key
        self.replica = torch.arange(first_replica, first_replica + replicas)[:, None]

    def words(self, kind: int, index: int, blocks: Tensor) -> Tensor:
        """32-bit words of some blocks, shape (replica, block, 4)."""
        low = torch.tensor(index & 0xFFFFFFFF)
        high = torch.tensor(kind | ((index >> 32) << 8))
        return philox(blocks, low, high, self.replica, self.key)

    def normals(self, kind: int, index: int, count: int) -> Tensor:
        """The first `count` normal numbers of an index, shape (replica, count)."""
        words = self.words(kind, index, torch.arange(math.ceil(count / 4))[None, :])
        drawn: Tensor = normals(words).flatten(1)[:, :count]
        return drawn

    def factor(self, rank: int, freedom: int, index: int) -> Tensor:
        """Bartlett's lower triangle of a Wishart matrix, shape (replica, rank, rank)."""
        triangle = torch.zeros(len(self.replica), rank, rank, dtype=torch.float64)
        rows, columns = torch.tril_indices(rank, rank, offset=-1)
        triangle[:, rows, columns] = self.normals(KIND_FACTOR_NORMAL, index, rank * (rank - 1) // 2)
        for row in range(rank):
            triangle[:, row, row] = self._chi(row, freedom - row, index)
        return triangle

    def _chi(self, number: int, freedom: int, index: int) -> Tensor:
        """Chi numbers by Marsaglia and Tsang's rejection method, shape (replica,)."""
        result = torch.full((len(self.replica),), -1.0, dtype=torch.float64)
        block, half = divmod(number, 2)
        d = freedom / 2 - 1 / 3
        while (result < 0).any():
            words = self.words(KIND_FACTOR_CHI, index, torch.tensor([[block]]))[:, 0]
            x = normals(words[:, :2])[:, half]
            if freedom == 1:
                return x.abs()
            v = (1 + x / math.sqrt(9 * d)) ** 3
            log_u = torch.log((words[:, 2 + half].double() + 0.5) / 2**32)
            kept = (v > 0) & (log_u < x**2 / 2 + d - d * v + d * torch.log(v.clamp(min=1e-300)))
            result = torch.where((result < 0) & kept, torch.sqrt(2 * d * v.clamp(min=0)), result)
            block += _ATTEMPT
        return result

    def batch_counts(self, run: ProjectedRun, step: int) -> Tensor:
        """Number of samples in each replica's batch, shape (replica,)."""
        words = self.words(KIND_BATCH, step, torch.tensor([[0]]))[:, 0, 0]
        return run.batch.floor + (words < run.batch.threshold).long()


def _activate(fields: Tensor, activation: str) -> tuple[Tensor, Tensor]:
    """g and g'."""
    if activation == "erf":
        slope = math.sqrt(2 / math.pi) * torch.exp(-(fields**2) / 2)
        return torch.erf(fields / math.sqrt(2)), slope
    if activation == "relu":
        return fields.clamp(min=0), (fields > 0).double()
    return fields, torch.ones_like(fields)


def _lower_triangle(matrix: Tensor) -> Tensor:
    """L of matrix = L x (orthonormal rows), with a diagonal that is not negative."""
    triangle: Tensor = torch.linalg.qr(matrix.mT, mode="r")[1].mT
    sign = torch.where(torch.diagonal(triangle, dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    return triangle * sign[:, None, :]


def _gram_factor(drive: Tensor) -> Tensor:
    """Lower triangle A with A A' = D' D; a column of D that depends on others adds a zero column.

    Such columns occur: relu units that are active on the same samples.
    """
    gram = drive.mT @ drive
    factor = torch.zeros_like(gram)
    for j in range(gram.shape[1]):
        left = gram[:, :, j] - (factor @ factor[:, j, :, None])[:, :, 0]
        free = left[:, j] > 2e-15 * gram[:, j, j]
        root = torch.sqrt(torch.where(free, left[:, j], torch.inf))
        factor[:, j:, j] = left[:, j:] / root[:, None]
    return factor


def run_projected_definition(state: CommitteeState, run: ProjectedRun) -> ProjectedTrajectory:
    """Simulate the replicas of one cell; arguments and result as for `run_projected`.

    The generalisation error comes from the closed form in Q, R and T, so it has an absolute
    accuracy of 1e-14 only; divergence is not looked for.
    """
    teacher = torch.from_numpy(state.teacher)
    inside, outside = torch.from_numpy(state.inside), torch.from_numpy(state.perpendicular)
    numbers = ProjectedNumbers(run.dynamics_key, run.first_replica, len(inside))
    columns = {int(time): column for column, time in enumerate(run.times)}
    out = ProjectedTrajectory.empty(state, len(run.times))
    for step in range(run.first_step, run.last_step + 1):
        q = (inside @ inside.mT + outside @ outside.mT).numpy()
        r = (inside @ teacher.mT).numpy()
        if step % run.check_interval == 0 or step in columns:
            error = generalization_error(q, r, state.teacher_teacher, run.activation)
            if step % run.check_interval == 0:
                new = (out.first_passage < 0) & (error < run.passage_error)
                out.first_passage[new] = step
            if step in columns:
                out.student_overlap[:, columns[step]] = q
                out.teacher_overlap[:, columns[step]] = r
                out.generalization_error[:, columns[step]] = error
        if step < run.last_step:
            inside, outside = _moved(numbers, run, step, teacher, inside, outside)
    out.state.partner[:] = -1
    out.state.difference[:] = inside.numpy()
    out.state.perpendicular[:] = outside.numpy()
    return out


def _moved(
    numbers: ProjectedNumbers,
    run: ProjectedRun,
    step: int,
    teacher: Tensor,
    inside: Tensor,
    outside: Tensor,
) -> tuple[Tensor, Tensor]:
    """The student after one step."""
    _, students, teachers = inside.shape
    units, largest = students + teachers, run.batch.largest
    count = units + (1 if run.label_noise else 0)
    z = torch.stack(
        [numbers.normals(KIND_FIELD, step * largest + s, count) for s in range(largest)], dim=1
    )
    basis, rest = z[:, :, :teachers], z[:, :, teachers:units]
    target, _ = _activate(basis @ teacher.mT, run.activation)
    output, slope = _activate(basis @ inside.mT + rest @ outside.mT, run.activation)
    wrong = target.sum(dim=2) - output.sum(dim=2)
    if run.label_noise:
        wrong = wrong + math.sqrt(run.label_noise) * z[:, :, units]
    in_batch = torch.arange(largest)[None, :] < numbers.batch_counts(run, step)[:, None]
    drive = run.learning_rate / run.batch.mean * (wrong * in_batch)[:, :, None] * slope

    # With few samples D' itself is the smaller factor of D' D.
    factor = drive.mT if largest <= students else _gram_factor(drive)
    wishart = numbers.factor(min(largest, students), run.size - units, step)
    return inside + drive.mT @ basis / run.size, _lower_triangle(
        torch.cat((outside + drive.mT @ rest / run.size, factor @ wishart / run.size), dim=2)
    )
