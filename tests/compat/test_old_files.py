"""Files of every released schema version: today's code opens them and makes them again."""

from __future__ import annotations

from pathlib import Path

from physbatch import dataset
from physbatch.study import Study
from physbatch.sweep import run_study


def test_schema_1_opens_and_can_be_made_again(tmp_path: Path) -> None:
    """The streams and the dynamics of version 0.1 may never change unnoticed."""
    old = dataset.open_dataset(Path(__file__).parent / "schema-1.nc")
    study = Study.from_json(str(old.attrs["study"]))
    assert study.hash() == old.attrs["study_hash"]
    new = run_study(study, tmp_path / "again.nc", workers=1)
    for name in old.variables:
        assert new[name].values.tobytes() == old[name].values.tobytes(), name
