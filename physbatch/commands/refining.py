"""Refinement on the command line: more cells until a quantity has a stated error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from physbatch.commands.options import Code, Json, Switch, Workers
from physbatch.commands.output import finite_number, number_of, print_json, print_rest, span
from physbatch.commands.studies import check_workers, study_of_dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from physbatch.sweep.refining import Decision


def refine_command(
    dataset: Path,
    *,
    target: Annotated[
        str,
        Parameter(
            help="QUANTITY=ERROR: m_c=0.02 is m_c to 2 %. Quantities are m_c and jump of one size, "
            "exponent (b of m_c ~ N^b), and nu, zeta, beta, gamma of the collapse of the overlaps."
        ),
    ],
    at_size: Annotated[
        float | None, Parameter(help="Size for m_c and jump; by default the largest.")
    ] = None,
    budget: Annotated[
        str | None, Parameter(help="Save and stop after this time: 90s, 30min, 2h or 02:00:00.")
    ] = None,
    workers: Workers = None,
    keep_old: Switch = False,
    json_: Json = False,
    allow_code: Switch = False,
) -> int:
    """Add cells to a dataset where they help most, until a quantity has a stated error.

    Round by round the cells are chosen that promise the greatest fall of the error for their cost,
    and are run as `physbatch run` does. The dataset holds each decision (decision_round ...).

    Exit codes: 0 done, 1 cells failed, 2 bad input, 3 no cell is left that would help, 75 the
    budget is spent or a signal came, with everything saved (run the same command again), 130
    interrupted.

    Parameters
    ----------
    dataset
        A dataset that `physbatch run` wrote, with its cells in DATASET.cells/.
    keep_old
        Keep cells that another revision of the code made.
    allow_code
        Run the code of the task (system.task) that the dataset names: read it.
    """
    from physbatch.dataset import open_dataset
    from physbatch.progress import progress_display
    from physbatch.sweep.refining import Target, decisions_of, percent, refine, refined
    from physbatch.sweep.stopping import parse_duration

    check_workers(workers)
    wanted = Target.parse(target, at_size)
    seconds = None if budget is None else parse_duration(budget, "--budget")
    with open_dataset(dataset, load=False) as existing:
        study = study_of_dataset(dict(existing.attrs), where=str(dataset))
    Code(allow_code).permitted(study, str(dataset))
    data = refine(
        dataset,
        wanted,
        budget=seconds,
        workers=workers,
        progress=progress_display(),
        keep_old=keep_old,
    )
    last = refined(data)
    met = last.error_before <= wanted.error
    if json_:
        print_json(_document(last, decisions_of(data), met=met))
        return 0 if met else 3
    rows = [row for row in decisions_of(data) if row.target == last.target and not row.stops]
    print(f"{last.target}: {last.estimate}, {percent(last.error_before)}")
    print(f"because  {last.reason}")
    rounds = len({row.round for row in rows})
    cost = sum(row.cost for row in rows)
    print(f"cells    {len(rows)} in {rounds} rounds, about {span(cost)} of a core")
    print_rest(last.estimate.flags)
    print(f"dataset  {dataset}")
    return 0 if met else 3


def _document(last: Decision, decisions: Sequence[Decision], *, met: bool) -> dict[str, Any]:
    """The JSON object: the answer, and every decision."""
    return {
        "target": last.target,
        "reached": met,
        "relative_error": finite_number(last.error_before),
        "estimate": number_of(last.estimate),
        "reason": last.reason,
        "decisions": [
            {
                name: finite_number(value) if isinstance(value, float) else value
                for name, value in row.__dict__.items()
            }
            for row in decisions
        ],
    }
