"""Parts of datasets: the values, the study they belong to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.dataset import open_dataset
from physbatch.errors import DatasetError
from physbatch.scaling import analyse
from physbatch.study import catalogue
from physbatch.study.model import Study
from physbatch.study.selection import select
from physbatch.sweep.run import run_study
from physbatch.sweep.verifying import verify_dataset


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sizes, two degrees, two starts, three batch sizes."""
    content = catalogue.study("sparse-vector").model_dump(mode="json", exclude_defaults=True)
    content["grid"] = {
        "size": [10, 15, 20],
        "degree": [3, 5],
        "initial_overlap": [0.0, 0.97],
        "batch_size": [4, 8, 16],
        "replicas": 6,
    }
    content["measurement"] = {"duration": 10}
    del content["system"]["wiring"]["degree"]
    target = tmp_path_factory.mktemp("swept") / "data.nc"
    run_study(Study.from_dict(content), target, workers=1)
    return target


def study_of(data: xr.Dataset) -> Study:
    return Study.from_json(str(data.attrs["study"]), where="test")


def test_one_value_of_a_parameter_is_no_dimension_any_more(swept: Path) -> None:
    data = open_dataset(swept)
    part = select(data, {"degree": [5], "initial_overlap": [0.97]})
    assert part["overlap"].dims == ("size", "batch_size", "replica", "time")
    np.testing.assert_array_equal(
        part["overlap"], data["overlap"].sel(degree=5, initial_overlap=0.97)
    )
    study = study_of(part)
    assert study.degrees == (5,)
    assert study.grid.degree is None
    assert study.system.initial_overlap == 0.97
    assert study.hash() == part.attrs["study_hash"] != data.attrs["study_hash"]
    assert np.isnan(analyse(part).m_c.value) or analyse(part).m_c.value > 0


def test_several_values_stay_a_dimension(swept: Path) -> None:
    part = select(open_dataset(swept), {"size": [20, 10], "degree": [3, 5]})
    assert part["size"].values.tolist() == [10, 20]
    assert part["degree"].values.tolist() == [3, 5]
    assert study_of(part).grid.size == (10, 20)


def test_cells_of_a_part_are_those_of_the_whole(swept: Path) -> None:
    """The study of the part draws the same random numbers: recomputed cells have the same bits."""
    part = select(open_dataset(swept), {"degree": [3], "initial_overlap": [0.0], "size": [15]})
    verification = verify_dataset(part, cells=3, seed=1)
    assert verification.checked == verification.total == 3
    assert verification.differences == {}


def test_what_is_not_there_is_named(swept: Path) -> None:
    data = open_dataset(swept)
    with pytest.raises(DatasetError, match=r"degree = 4 is not in the grid.*3, 5"):
        select(data, {"degree": [4]})
    with pytest.raises(DatasetError, match="no dimension 'colour'"):
        select(data, {"colour": [4]})


def test_the_command(swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "part.nc"
    assert main(["analyse", str(swept)]) == 2
    assert "physbatch select DATA.nc degree=3 initial_overlap=0 -o" in capsys.readouterr().err
    words = ["select", str(swept), "degree=3", "initial_overlap=0", "size=10,20"]
    assert main([*words, "-o", str(target)]) == 0
    assert "kept     6 of 36 grid points" in capsys.readouterr().out
    assert main(["analyse", str(target)]) == 0
    assert main(["verify", str(target), "--cells", "1"]) == 0
    for wrong in ("degree", "degree=", "degree=x", "degree=7"):
        assert main(["select", str(swept), wrong, "-o", str(tmp_path / "no.nc")]) == 2
    assert main(["select", str(swept), "-o", str(tmp_path / "no.nc")]) == 2
    assert not (tmp_path / "no.nc").exists()
    capsys.readouterr()
