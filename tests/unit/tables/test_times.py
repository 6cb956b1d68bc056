"""Tables of observables in time: which column is what, what is left out, and replicas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physbatch.errors import AnalysisError, DatasetError
from physbatch.exact.planted import first_order
from physbatch.results import flags
from physbatch.tables import read_times, times_of_dataset
from physbatch.typing import FloatArray

TIMES = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def columns(**more: FloatArray) -> dict[str, FloatArray]:
    time, rate = (axis.ravel() for axis in np.meshgrid(TIMES, [3.1, 3.3]))
    return {"t": time, "lambda": rate, "rho": time**-0.2, "rho_err": 0.01 * time**-0.2, **more}


def test_columns_are_known_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "decay.csv"
    data = columns(R2=columns()["t"] ** 1.3, N=columns()["t"] ** 0.3)
    np.savetxt(
        path, np.array(list(data.values())).T, delimiter=",", header=",".join(data), comments=""
    )
    table = read_times(path)
    assert (table.time_name, table.control_name, table.size) == ("t", "lambda", None)
    assert table.growths == {"rho": "power", "R2": "spread", "N": "power"}
    assert list(table.errors) == ["rho"]
    assert flags.COLUMNS_GUESSED.among(table.flags)


def test_a_column_of_few_values_is_the_size() -> None:
    once, count = columns(), len(columns()["t"])
    data = {name: np.tile(column, 2) for name, column in once.items()}
    table = read_times({**data, "N": np.repeat([64.0, 128.0], count)})
    assert (table.size_name, table.dimension) == ("N", "N")
    assert table.size is not None
    assert table.size.tolist() == [64.0] * count + [128.0] * count


def test_rows_without_a_time_or_an_error_are_left_out() -> None:
    data = columns()
    data["t"][0], data["rho_err"][3] = 0.0, 0.0
    table = read_times(data)
    assert len(table.time) == 8
    assert flags.ROWS_LEFT_OUT.among(table.flags)


def test_rows_of_one_point_are_replicas() -> None:
    data = {n: np.repeat(c, 4) for n, c in columns().items() if n != "rho_err"}
    data["rho"] = data["rho"] + np.tile([-0.03, -0.01, 0.01, 0.03], 10)
    table = read_times(data)
    spread = np.std([-0.03, -0.01, 0.01, 0.03], ddof=1) / 2.0
    assert np.allclose(table.values["rho"], np.tile(TIMES**-0.2, 2))
    assert np.allclose(table.errors["rho"], spread)


def test_what_is_no_such_table_is_refused() -> None:
    data = columns()
    with pytest.raises(DatasetError, match="no column is plainly the time"):
        read_times({name: column for name, column in data.items() if name != "t"})
    with pytest.raises(AnalysisError, match="6 points at 3 times"):
        read_times({name: column[np.isin(data["t"], TIMES[:3])] for name, column in data.items()})
    with pytest.raises(AnalysisError, match="stands twice"):
        read_times({name: np.append(column, column[0]) for name, column in data.items()})
    with pytest.raises(AnalysisError, match="0 points are within the range"):
        read_times(data).window(time_min=100.0)


def test_a_dataset_gives_the_means_of_its_replicas() -> None:
    data = first_order(sizes=(50, 100), control=(12.0, 13.0), replicas=20, seed=1)
    table = times_of_dataset(data)
    row = (table.size == 100.0) & (table.control == 13.0) if table.size is not None else None
    exact = 1.0 - data["overlap"].sel(size=100, batch_size=13.0).mean("replica")
    known = table.time[row]
    assert np.allclose(table.values["1 - overlap"][row], exact.sel(time=known).values)
    with pytest.raises(AnalysisError, match="no observable 'nothing'"):
        times_of_dataset(data, "nothing")
