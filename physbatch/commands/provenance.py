"""Where data come from: what differs, whether they can be made again, and making them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbatch.commands.options import Code, Json, Output, Workers
from physbatch.commands.output import print_json
from physbatch.commands.studies import check_workers, load_study, study_of_dataset
from physbatch.errors import DatasetError, StudyError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.study.model import Study


def diff(first: str, second: str, *, json_: Json = False) -> None:
    """Say what differs between two studies or datasets: fields, cells, values, versions.

    Parameters
    ----------
    first
        A dataset, a study file (TOML) or the name of a study in the catalogue.
    second
        The other one.
    """
    from physbatch.study.comparison import (
        attribute_differences,
        study_differences,
        value_differences,
    )

    (study, data), (other_study, other_data) = _load(first), _load(second)
    fields = study_differences(study, other_study)
    shared, only_first, only_second = _count_cells(study, other_study)
    values, attributes = {}, {}
    if data is not None and other_data is not None:
        values = value_differences(data, other_data)
        attributes = attribute_differences(data, other_data)
    differing = {name: change for name, change in values.items() if change.differing}
    if json_:
        answer: dict[str, Any] = {
            "study": {name: list(pair) for name, pair in fields.items()},
            "cells": {"both": shared, "first": only_first, "second": only_second},
            "provenance": {name: list(pair) for name, pair in attributes.items()},
        }
        if values:
            answer["values"] = {name: change.__dict__ for name, change in values.items()}
        print_json(answer)
        return
    for name, pair in fields.items():
        print(f"study    {name}: {_brief(pair[0])} | {_brief(pair[1])}")
    print(f"cells    {shared} in both, {only_first} only in the first, {only_second} in the second")
    for name, pair in attributes.items():
        print(f"made by  {name}: {pair[0]} | {pair[1]}")
    for name, change in differing.items():
        print(
            f"values   {name}: {change.differing} of {change.common} common values differ, "
            f"by up to {change.largest:.3g}"
        )
    if values and not differing:
        common = sum(change.common for change in values.values())
        print(f"values   all {common} common values have the same bits")
    if not fields and not differing:
        print("no difference in the study" + (" and in the values" if values else ""))


def verify(
    file: Path,
    *,
    cells: int = 3,
    seed: int | None = None,
    json_: Json = False,
    code: Code = Code(),
) -> None:
    """Recompute a random sample of the cells of a dataset and compare bit for bit.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote.
    cells
        How many cells to recompute.
    seed
        Seed of the choice; by default other cells each time.
    """
    from physbatch.dataset import open_dataset
    from physbatch.sweep.verifying import verify_dataset, what_differs

    if cells < 1:
        raise StudyError(f"{cells} cells", where="--cells", remedy="give 1 or more")
    with open_dataset(file, load=False) as data:
        study = code.permitted(study_of_dataset(dict(data.attrs), where=str(file)), str(file))
        check = verify_dataset(data, cells, seed=seed, study=study)
    if json_:
        print_json(
            {
                "checked": check.checked,
                "cells": check.total,
                "values": check.values,
                "part": check.part,
                "differences": {cell: list(names) for cell, names in check.differences.items()},
            }
        )
    if check.differences:
        cell, names = next(iter(check.differences.items()))
        raise DatasetError(
            f"{len(check.differences)} of {check.checked} recomputed cells differ; {cell}: "
            f"{', '.join(names)}",
            where=str(file),
            remedy=f"it was made with {what_differs(data)}",
        )
    if not json_:
        print(
            f"verified {check.checked} of {check.total} cells: all {check.values} values have the "
            "same bits"
        )
        if check.part:
            print(
                f"part     of its study: {check.part}; `physbatch select` keeps a study that fits"
            )


def rerun(file: Path, *, output: Output, workers: Workers = None, code: Code = Code()) -> None:
    """Make a dataset again from its own attributes, and say whether the bits are the same.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote.
    output
        The new dataset.
    """
    from physbatch.dataset import open_dataset
    from physbatch.progress import progress_display
    from physbatch.study.comparison import attribute_differences, value_differences
    from physbatch.sweep.run import run_study

    check_workers(workers)
    if output.exists() and output.samefile(file):
        raise StudyError("is the dataset itself", where=str(output), remedy="name a new file")
    with open_dataset(file, load=False) as old:
        study = code.permitted(study_of_dataset(dict(old.attrs), where=str(file)), str(file))
        with run_study(study, output, workers=workers, progress=progress_display()) as new:
            print(f"dataset  {output}")
            for name, pair in attribute_differences(old, new).items():
                print(f"made by  {name}: {pair[0]} | {pair[1]}")
            values = value_differences(old, new)
    differing = [name for name, change in values.items() if change.differing]
    if differing:
        print(f"values   differ in {', '.join(differing)}")
    else:
        print(f"values   all {sum(change.common for change in values.values())} have the same bits")


def _load(name: str) -> tuple[Study, xr.Dataset | None]:
    """A study, and the dataset if the name is that of one."""
    from physbatch.dataset import open_dataset

    path = Path(name)
    if path.is_file() and not name.endswith(".toml"):
        data = open_dataset(path, load=False)
        return study_of_dataset(dict(data.attrs), where=name), data
    return load_study(name), None


def _count_cells(study: Study, other: Study) -> tuple[int, int, int]:
    """Number of cells in both studies, only in the first, only in the second."""
    from physbatch.engines.registry import engine_for
    from physbatch.sweep.plan import Plan

    first = {cell.key for cell in Plan(study, engine_for(study)).cells}
    second = {cell.key for cell in Plan(other, engine_for(other)).cells}
    return len(first & second), len(first - second), len(second - first)


def _brief(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:40]} ... ({len(text)} characters)"
