"""What was measured beside what theory says for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.dataset import control_dim, time_unit
from physbatch.errors import AnalysisError
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.replica_moments import moments
from physbatch.study.model import Study
from physbatch.theory.points import Prediction
from physbatch.typing import Dims, FloatArray


@result("comparison with theory")
@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Record):
    """Means over replicas at the last time, and the prediction for their study.

    Attributes
    ----------
    quantity : str
        What was measured: ``overlap`` where theory predicts it, else ``success``, the fraction of
        replicas that succeed, which goes with predicted thresholds alone.
    control_name, time_units : str
        The control, and the unit of the time.
    time : float
        When it was measured.
    size, control, value, stderr, predicted : ndarray, shape (measured,)
        The points; `predicted` is nan where theory says nothing of the quantity.
    prediction : Prediction
        All that theory says.
    """

    main_dim: ClassVar[str] = "measured"  # cells may be missing: other points than theory has
    dims: ClassVar[Dims] = {}

    quantity: str
    control_name: str
    time: float
    time_units: str
    size: FloatArray
    control: FloatArray
    value: FloatArray
    stderr: FloatArray
    predicted: FloatArray
    prediction: Prediction

    def __repr__(self) -> str:
        return f"Comparison({self.quantity} at {self.value.size} points; {self.prediction.theory})"

    def thresholds_of(self, size: float) -> list[tuple[str, float]]:
        """Kind of each threshold and its control at a size."""
        scale = size if self.control_name == "batch_ratio" else 1.0
        rows = zip(
            self.prediction.threshold_kind,
            self.prediction.threshold_size,
            self.prediction.thresholds.values(),
            strict=True,
        )
        return [(kind, m.value / scale) for kind, of, m in rows if of == size or np.isnan(of)]

    def depends_on_size(self, kind: str) -> bool:
        """Whether thresholds of a kind stand elsewhere on the control at other sizes."""
        sizes = self.prediction.threshold_size[np.array(self.prediction.threshold_kind) == kind]
        return bool(np.isfinite(sizes).any()) or self.control_name == "batch_ratio"


def compare(data: xr.Dataset) -> Comparison:
    """Set the means of a dataset beside what theory says for its study.

    Parameters
    ----------
    data : xarray.Dataset
        What `physbatch.run_study` returned or a part of it, with one value of every parameter
        besides size and control.

    Returns
    -------
    Comparison
        The points with their errors, and the prediction at each.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no theory for the study, or more than size and control is swept.

    Examples
    --------
    >>> from physbatch.exact.sparse import simulate_dataset
    >>> from physbatch.study import catalogue
    >>> study = catalogue.study("sparse-proposal-3", size=[12], batch_size=[4], duration=4)
    >>> data = simulate_dataset([12], 3, [4], [4], replicas=50)
    >>> compare(data.assign_attrs(study=study.canonical_json())).quantity
    'overlap'
    """
    control = control_dim(data)
    means = moments(data).isel(time=-1)
    lengths = means["overlap_mean"].sizes
    others = [str(name) for name in lengths if name not in ("size", control)]
    extra = [name for name in others if lengths[name] > 1]
    if extra:
        raise AnalysisError(
            f"{', '.join(extra)} swept as well",
            where="theory",
            remedy=f"choose one of each: `physbatch select DATA.nc {extra[0]}=... -o PART.nc`",
        )
    from physbatch.theory.prediction import predict  # its kernels are compiled; a figure has none

    prediction = predict(study_of(data))
    name = "overlap" if prediction.quantity == "overlap" else "success"
    variable = {"overlap": "overlap_mean", "success": "success_probability"}[name]
    plane = means[[variable, f"{variable}_stderr"]]
    plane = plane.squeeze(others, drop=True).transpose("size", control)
    size, x = (axis.ravel() for axis in np.meshgrid(plane["size"], plane[control], indexing="ij"))
    value, stderr = (np.asarray(plane[key].values, np.float64).ravel() for key in plane.data_vars)
    known = np.isfinite(value)
    size, x, value, stderr = (np.asarray(a, np.float64)[known] for a in (size, x, value, stderr))
    predicted = np.full(value.shape, np.nan)
    if name == "overlap":
        predicted = _at(prediction, control, size, x)
    return Comparison(
        quantity=name,
        control_name=control,
        time=float(means["time"]),
        time_units=time_unit(data),
        size=size,
        control=x,
        value=value,
        stderr=stderr,
        predicted=predicted,
        prediction=prediction,
    )


def _at(prediction: Prediction, control: str, size: FloatArray, x: FloatArray) -> FloatArray:
    """The predictions at some sizes and controls; nan at those that the study does not have."""
    known = {
        (row, round(at, 9)): value
        for row, controls, values in prediction.curves(control)
        for at, value in zip(controls.tolist(), values, strict=True)
    }
    keys = zip(size.tolist(), x.tolist(), strict=True)
    return np.array([known.get((row, round(at, 9)), np.nan) for row, at in keys])


def study_of(data: xr.Dataset) -> Study:
    """The study of a dataset, with those values of the swept parameters that the dataset has."""
    study = Study.from_json(str(data.attrs.get("study", "")), where="theory")
    there = {}
    for name in ("size", "degree", "initial_overlap", "temperature", "learning_rate"):
        if getattr(study.grid, name) and name in data.coords:
            there[name] = tuple(np.atleast_1d(data[name].values).tolist())
    last = float(data["time"].values[-1])
    measured = study.measurement.model_copy(update={"duration": int(last)})
    grid = study.grid.model_copy(update=there)
    return study.model_copy(update={"grid": grid, "measurement": measured})
