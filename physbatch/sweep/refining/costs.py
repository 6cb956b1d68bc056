"""What a cell costs before it is computed: by the engine's model and what others have shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_OK, control_dim
from physbatch.engines.point import GridPoints
from physbatch.engines.protocol import Engine
from physbatch.study.model import Study
from physbatch.sweep.timing import ends_with_success
from physbatch.typing import FloatArray


class CellCosts:
    """About how many core seconds cells of a study take.

    The engine's model times, where a replica ends when it succeeds, the share of the run time that
    replicas of the same size take at the controls around. Both are the same on every machine, so
    that decisions are; measured seconds are not.

    Parameters
    ----------
    study : Study
        With one value of each swept parameter.
    engine : Engine
        Its engine.
    data : xarray.Dataset
        The cells that are there.
    """

    def __init__(self, study: Study, engine: Engine, data: xr.Dataset) -> None:
        self._engine, self._points = engine, GridPoints(study)
        self._control = control_dim(data)
        self._replicas = min(study.grid.replicas, 32)
        self._blocks = math.ceil(study.grid.replicas / 32)
        self._swept = {
            str(dim): float(data[dim].values[0])
            for dim in data["status"].dims
            if dim not in ("size", self._control, "replica")
        }
        self._shares = _shares(data) if ends_with_success(study) else {}

    def __call__(self, size: float, control: float) -> float:
        """Core seconds of all replicas of a cell."""
        point = self._points.at(
            {"size": size, **self._swept, self._control: control}, 0, self._replicas
        )
        return self._blocks * self._engine.seconds(point) * self._share(size, control)

    def _share(self, size: float, control: float) -> float:
        controls, shares = self._shares.get(size, (np.empty(0), np.empty(0)))
        return float(np.interp(control, controls, shares)) if controls.size else 1.0


def _shares(data: xr.Dataset) -> Mapping[float, tuple[FloatArray, FloatArray]]:
    """Mean share of the run time that replicas take at each control of each size."""
    control, duration = control_dim(data), float(data["time"].values[-1])
    passage = data["first_passage"].where(data["status"] == STATUS_OK)
    others = [dim for dim in passage.dims if dim not in ("size", control)]
    mean = (passage.clip(max=duration) / duration).mean(others)
    rows = {}
    for size in data["size"].values.tolist():
        share = mean.sel(size=size).values
        there = np.isfinite(share)
        rows[float(size)] = (data[control].values[there].astype(float), share[there])
    return rows
