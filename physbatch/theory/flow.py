"""Trajectories of one unit in the plane of R and Q, with the flow of the exact equations."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.exact.committee import equations_of_motion
from physbatch.theory.comparison import study_of
from physbatch.theory.gradient import why_not_committee
from physbatch.theory.points import points_of
from physbatch.typing import FloatArray

_COUNT = 25  # points of the grid along each axis


class Flow(NamedTuple):
    """Where replicas went, and where the equations for N -> infinity lead.

    Shapes: teacher_overlap and student_overlap (replica, time), R and Q of every replica; r (n_r,)
    and q (n_q,); velocity_r and velocity_q (n_q, n_r), dR/dalpha and dQ/dalpha, nan where no unit
    has such overlaps (Q <= R^2).
    """

    rate: float
    teacher_overlap: FloatArray
    student_overlap: FloatArray
    r: FloatArray
    q: FloatArray
    velocity_r: FloatArray
    velocity_q: FloatArray


def unit_flow(data: xr.Dataset) -> Flow:
    """The trajectories of one cell of a soft committee of one unit, and the flow around them.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset with one size, batch size and learning rate.

    Returns
    -------
    Flow
        R and Q of the replicas, and the velocities at c = eta/m on a grid around them.

    Raises
    ------
    physbatch.errors.AnalysisError
        If no equations are known for its study, it has more units, or several cells.

    References
    ----------
    Saad and Solla, Phys. Rev. E 52 (1995) 4225, doi 10.1103/PhysRevE.52.4225.
    """
    if "teacher_overlap" not in data or data.sizes["student_unit"] > 1:
        raise AnalysisError(
            "no R and Q of a single unit",
            where="flow",
            remedy="the plane of R and Q is that of soft committees of one unit (K = 1)",
        )
    study = study_of(data)
    problem = why_not_committee(study)
    if problem:
        raise AnalysisError("no flow is known for this study", where="flow", remedy=problem)
    cells = [str(dim) for dim in data["status"].dims if dim != "replica"]
    extra = [name for name in cells if data.sizes[name] > 1]
    if extra:
        raise AnalysisError(
            f"{', '.join(extra)} swept as well",
            where="flow",
            remedy=f"choose one of each: `physbatch select DATA.nc {extra[0]}=... -o PART.nc`",
        )
    cell = data.squeeze([*cells, "student_unit", "other_student_unit", "teacher_unit"])
    control = float(np.ravel(data[str(data.attrs["control_dim"])].values)[0])
    (point,) = (
        point
        for point in points_of(study)
        if control in (point.batch_size, point.batch_size / point.size)
    )
    kept = cell.isel(replica=cell["status"].values == STATUS_OK)
    r, q = (
        np.asarray(kept[name].transpose("replica", "time").values, np.float64)
        for name in ("teacher_overlap", "student_overlap")
    )
    rate = point.learning_rate / point.batch_size
    return flow_around(r, q, rate)


def flow_around(r: FloatArray, q: FloatArray, rate: float) -> Flow:
    """The exact flow on a grid that holds some trajectories and the perfect unit.

    Parameters
    ----------
    r, q : ndarray, shape (replica, time)
        R and Q of every replica.
    rate : float
        c = eta/m.

    Returns
    -------
    Flow
        The trajectories and the velocities.

    Examples
    --------
    >>> flow = flow_around(np.array([[0.0, 0.5]]), np.array([[1.0, 1.0]]), 2.0)
    >>> bool(flow.velocity_r[12, 0] > 0)
    True
    """
    axes = []
    for values in (r, q):
        low, high = min(float(values.min(initial=0.0)), 0.0), float(values.max(initial=1.0))
        room = 0.08 * (high - low)
        axes.append(np.linspace(low - room * (low < 0), high + room, _COUNT))
    velocities = np.full((2, _COUNT, _COUNT), np.nan)
    teacher = np.eye(1)
    for row, of_q in enumerate(axes[1]):
        for column, of_r in enumerate(axes[0]):
            if of_q > of_r**2:
                state = np.array([[of_q]]), np.array([[of_r]])
                velocity_q, velocity_r = equations_of_motion(*state, teacher, rate)
                velocities[:, row, column] = velocity_r.item(), velocity_q.item()
    return Flow(rate, r, q, *axes, *velocities)
