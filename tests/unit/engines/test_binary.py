"""Replicas that share a graph, from the study to the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physbatch.engines.registry import require_built
from physbatch.errors import NotBuiltError
from physbatch.scaling import moments
from physbatch.study.model import Study
from physbatch.sweep.run import run_study
from tests.conftest import TINY, plan_of


def _study(replicas_per_graph: int) -> Study:
    grid = {**TINY["grid"], "replicas": 12, "replicas_per_graph": replicas_per_graph}
    return Study.from_dict({**TINY, "grid": grid})


def test_the_dataset_says_which_replicas_share_a_graph(tmp_path: Path) -> None:
    data = run_study(_study(4), tmp_path / "shared.nc", workers=1)
    np.testing.assert_array_equal(data["graph"].values, np.repeat([0, 1, 2], 4))
    assert data["graph"].dims == ("replica",)
    alone = run_study(_study(1), tmp_path / "alone.nc", workers=1)
    assert "graph" not in alone.coords
    # Graphs are the unit of the bootstrap: with 3 of them the errors differ from those of 12.
    name = "overlap_mean_stderr"
    shared, split = moments(data)[name], moments(data.drop_vars("graph"))[name]
    assert not np.allclose(shared, split, equal_nan=True)


def test_cells_of_other_groupings_have_other_names() -> None:
    keys = {plan_of(_study(count)).cells[0].key for count in (1, 2, 4)}
    assert len(keys) == 3


def test_other_systems_refuse_shared_graphs_by_name() -> None:
    grid = {"size": [3], "batch_size": [2], "replicas": 4, "replicas_per_graph": 2}
    system = {"depth": 1, "wiring": {"kind": "tree", "degree": 3}, "inputs": {"kind": "gaussian"}}
    study = Study.from_dict({**TINY, "grid": grid, "system": system})
    with pytest.raises(NotBuiltError, match="replicas_per_graph"):
        require_built(study)
