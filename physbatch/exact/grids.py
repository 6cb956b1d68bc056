"""Grids of sizes and controls, and tables of replica-level samples, for the test systems."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from physbatch.errors import AnalysisError
from physbatch.tables.table import Dimension, ScalingTable
from physbatch.typing import FloatArray

#: One list of controls for all sizes, or one for each size.
Controls = npt.ArrayLike | Mapping[float, npt.ArrayLike]


def scaled_grid(
    sizes: Sequence[float],
    c_c: float,
    nu: float,
    x: tuple[float, float] = (-4.0, 4.0),
    points: int = 15,
    *,
    ragged: bool = False,
    seed: int = 0,
) -> dict[float, FloatArray]:
    r"""Controls :math:`c = c_c + x N^{-1/\nu}` for each size, evenly spaced over one range of x.

    If `ragged`, each size has its own random controls in this range, and one, two ... fewer of
    them.

    >>> scaled_grid((10, 100), 0.5, 1.0, (-1, 1), 3)[100].tolist()
    [0.49, 0.5, 0.51]
    """
    generator = np.random.default_rng([seed, 21])
    grid = {}
    for row, size in enumerate(sizes):
        scaled = np.linspace(x[0], x[1], points)
        if ragged:
            count = max(points - row % 4, 3)
            scaled = np.sort(generator.uniform(x[0], x[1], size=count))
        grid[float(size)] = c_c + scaled * float(size) ** (-1.0 / nu)
    return grid


def flatten_grid(sizes: Sequence[float], controls: Controls) -> tuple[FloatArray, FloatArray]:
    """Size and control of every point, shape (n_point,) each, sorted by size, then control.

    AnalysisError for a size that is not positive or stands twice, or controls that are not finite,
    not different, or missing for a size.
    """
    if len(sizes) == 0 or min(sizes) <= 0 or len(set(sizes)) < len(sizes):
        raise AnalysisError("sizes must be positive and different", where="sizes")
    size: list[FloatArray] = []
    control: list[FloatArray] = []
    for n in sorted(sizes):
        if isinstance(controls, Mapping) and n not in controls:
            raise AnalysisError(f"no controls for size {n:g}", where="controls")
        given = controls[n] if isinstance(controls, Mapping) else controls
        row = np.sort(np.asarray(given, dtype=np.float64).ravel())
        if row.size == 0 or not np.all(np.isfinite(row)) or np.any(np.diff(row) == 0.0):
            raise AnalysisError(
                f"controls of size {n:g} must be finite, different and at least one",
                where="controls",
            )
        size.append(np.full(row.size, float(n)))
        control.append(row)
    return np.concatenate(size), np.concatenate(control)


def table_from_samples(
    size: npt.ArrayLike,
    control: npt.ArrayLike,
    samples: Mapping[str, npt.ArrayLike],
    *,
    size_name: str = "N",
    control_name: str = "control",
    dimension: Dimension = "N",
    source: str = "",
) -> ScalingTable:
    r"""A table of the means of replica-level samples, shape (n_point, n_replica) by name.

    Points are sorted by size, then control; a column is the same replica for all names, at least
    two. The error of a mean over R replicas is :math:`s/\sqrt R`, s the standard deviation of the
    samples with R - 1. Where all samples are equal it is 1/R, about what one different replica of
    an indicator would give; 0 would claim that the value is known.

    >>> table = table_from_samples([8, 8], [0.1, 0.2], {"success": [[0, 0, 1, 1], [1, 1, 1, 1]]})
    >>> table.values["success"].tolist(), table.errors["success"].round(3).tolist()
    ([0.5, 1.0], [0.289, 0.25])
    """
    arrays = {name: np.asarray(rows, dtype=np.float64) for name, rows in samples.items()}
    replicas = min((rows.shape[1] for rows in arrays.values()), default=0)
    if replicas < 2:
        raise AnalysisError("fewer than two replicas", remedy="take more replicas")
    errors = {}
    for name, rows in arrays.items():
        # Equal samples may differ from their mean by rounding: compare them with one another.
        equal = np.ptp(rows, axis=1) == 0.0
        errors[name] = np.where(equal, 1.0 / replicas, rows.std(axis=1, ddof=1) / np.sqrt(replicas))
    return ScalingTable(
        np.asarray(size, dtype=np.float64),
        np.asarray(control, dtype=np.float64),
        {name: rows.mean(axis=1) for name, rows in arrays.items()},
        errors,
        samples={name: tuple(rows) for name, rows in arrays.items()},
        size_name=size_name,
        control_name=control_name,
        dimension=dimension,
        source=source,
    )
