"""Refine a dataset: choose cells, run them, look again, until an error is reached."""

from __future__ import annotations

import math
import os
from pathlib import Path
from time import monotonic
from typing import Unpack

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING, open_dataset
from physbatch.engines.registry import engine_for, require_built
from physbatch.errors import OutputError, PausedRun, StudyError
from physbatch.results.estimate import Estimate
from physbatch.scaling.design.choice import Chosen, Rules
from physbatch.study.model import Study
from physbatch.sweep.assembly import write_dataset
from physbatch.sweep.display import Quiet
from physbatch.sweep.executors import leave_if_importing
from physbatch.sweep.lock import Lock
from physbatch.sweep.plan import Plan
from physbatch.sweep.refining.costs import CellCosts
from physbatch.sweep.refining.decisions import (
    SEPARATOR,
    Decision,
    decisions_of,
    read_decisions,
    write_decisions,
)
from physbatch.sweep.refining.growth import Allowed, controls_of, grown, more_replicas
from physbatch.sweep.refining.questions import Question, question_of
from physbatch.sweep.refining.target import Target
from physbatch.sweep.run import RunOptions, run_study
from physbatch.sweep.status import survey
from physbatch.sweep.store import Store, is_present

#: A round computes at most this share of the cells that there are, so that what it finds can
#: still change where the others go.
_SHARE = 3
#: Rounds of a call at most, and rounds without any success, or without any failure.
_MOST_ROUNDS, _MOST_BLIND = 60, 6


def refine(
    output: str | os.PathLike[str],
    target: str | Target,
    *,
    at_size: float | None = None,
    budget: float | None = None,
    **options: Unpack[RunOptions],
) -> xr.Dataset:
    """Add cells to a dataset until a quantity has a stated relative error.

    Round by round: the quantity is worked out from all cells that there are; those cells are
    chosen that promise the greatest fall of its variance for their cost
    (`physbatch.scaling.design`); they are run as any others, and the dataset is written anew. Each
    choice is a row of the dataset's dimension ``decision``. The same dataset and seed give the
    same choices and bits.

    Parameters
    ----------
    output : path
        A dataset that `run_study` wrote, with its shards beside it.
    target : str or Target
        ``m_c=0.02``: the quantity and its relative error; ``m_c`` and ``jump`` of one size,
        ``exponent`` (b of m_c ~ N^b), or ``nu``, ``zeta``, ``beta`` or ``gamma`` of the collapse
        of the overlaps.
    at_size : float, optional
        The size for m_c and jump; by default the largest.
    budget : float, optional
        Seconds after which to save and stop.
    **options
        The keywords of `run_study`.

    Returns
    -------
    xarray.Dataset
        As written; its last decision says what is known (`refined`).

    Raises
    ------
    physbatch.errors.StudyError
        For a target that is none.
    physbatch.errors.AnalysisError
        For data of which it cannot be asked.
    physbatch.errors.OutputError
        If the dataset lacks cells, or its shards are gone.
    physbatch.errors.InterruptedRun
        After Ctrl-C; the same call goes on from there.
    physbatch.errors.PausedRun
        The same when the budget is spent, or after a signal.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.study.catalogue import study
    >>> from physbatch.sweep import run_study
    >>> from physbatch.sweep.refining import refine, refined
    >>> coarse = study("sparse-vector", size=[20], batch_size=[4, 24], replicas=8, duration=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run_study(coarse, f"{folder}/x.nc", workers=1)
    ...     data = refine(f"{folder}/x.nc", "m_c=0.2", workers=1)
    >>> refined(data).estimate.stderr < 0.25 * refined(data).estimate.value
    True
    """
    leave_if_importing()
    wanted = target if isinstance(target, Target) else Target.parse(target, at_size)
    if budget is not None and not budget > 0.0:
        raise StudyError(f"a budget of {budget:g} s", where="--budget", remedy="give more than 0")
    return _Refinement(Path(output), wanted, budget, options).finish()


def refined(data: xr.Dataset) -> Decision:
    """The last decision of a dataset that `refine` has made; OutputError if there is none."""
    decisions = decisions_of(data)
    if not decisions:
        raise OutputError("no decisions", where="dataset", remedy="refine it first")
    return decisions[-1]


class _Refinement:
    """One call of `refine`."""

    def __init__(
        self, output: Path, target: Target, budget: float | None, options: RunOptions
    ) -> None:
        self._store = Store(output, keep_old=options.get("keep_old", False))
        self._options = options
        self._display = options.get("progress") or Quiet()
        limits = [limit for limit in (budget, options.get("time_limit")) if limit is not None]
        self._deadline = monotonic() + min(limits) if limits else None
        self._data = open_dataset(output)
        self._study = require_built(_study_of(self._data, output), where=str(output))
        self._decisions = read_decisions(self._store.folder) or decisions_of(self._data)
        if target.of_one_size and target.size is None:
            target = Target(target.quantity, target.error, float(self._data["size"].values[-1]))
        self._target = target
        self._name = str(target)

    def finish(self) -> xr.Dataset:
        """Round by round until the error is reached; see `refine`."""
        question_of(self._target, self._data)  # refused before anything is run
        self._require_cells()
        self._run_pending()
        for _ in range(_MOST_ROUNDS):
            question = question_of(self._target, self._data)
            reason = self._reason_to_stop(question)
            if reason:
                return self._stop(question, reason)
            self._leave_when_spent(question)
            rows = self._rows(question)
            if not rows:
                return self._stop(question, "no cell is left that would improve it")
            self._decisions += rows
            write_decisions(self._store.folder, self._decisions)
            self._say(question, rows)
            self._run_pending()
        return self._stop(question_of(self._target, self._data), f"{_MOST_ROUNDS} rounds")

    # --- what is there ------------------------------------------------------------------

    def _require_cells(self) -> None:
        """OutputError unless every cell of the dataset is there, with its shard."""
        absent = (self._data["status"] == STATUS_MISSING) & is_present(self._data, self._study)
        if bool(absent.any()):
            raise OutputError(
                "the dataset lacks cells",
                where=str(self._store.output),
                remedy="finish it with `physbatch run`",
            )
        plan = Plan(self._study, engine_for(self._study))
        done = survey(self._store, plan, verify=False).done
        gone = int((~done[plan.cells.ordinals]).sum())
        if gone:
            raise OutputError(
                f"{gone} of {len(plan.cells)} cells are not in {self._store.folder.name}, or other "
                "code made them",
                where=str(self._store.output),
                remedy="run its study again, with --keep-old to keep cells of other code",
            )

    def _run_pending(self) -> None:
        """Compute the cells that were decided and are not there yet."""
        study = self._study
        cells = [
            (row.size, row.control)
            for row in self._decisions
            if math.isfinite(row.control) and not _has(study, row.size, row.control)
        ]
        replicas = max((row.replicas for row in self._decisions if not _is_cell(row)), default=0)
        if not cells and replicas <= study.grid.replicas:
            return
        self._study = grown(study, cells, replicas)
        options: RunOptions = {**self._options}
        if self._deadline is not None:
            options["time_limit"] = max(self._deadline - monotonic(), 0.0)
        self._data = run_study(self._study, self._store.output, **options).load()

    # --- decisions ----------------------------------------------------------------------

    def _reason_to_stop(self, question: Question) -> str:
        """Why no more is needed, or no more would help; empty if neither."""
        error = question.error
        if error <= self._target.error:
            return f"the error is {percent(error)}, at most {percent(self._target.error)}"
        answer = question.answer
        if abs(answer.value) < 2.0 * answer.stderr < 2.0 * self._target.error:
            return f"{answer} is 0 within its error, so that no relative error can be reached"
        mine = [row for row in self._decisions if row.target == self._name]
        rounds = len({row.round for row in mine})
        if rounds >= _MOST_BLIND and _one_outcome(self._data, question.sizes):
            return f"all replicas fare alike at every control, after {rounds} rounds"
        return ""

    def _rows(self, question: Question) -> list[Decision]:
        """The cells of the next round."""
        study = self._study
        controls, allowed = controls_of(study), Allowed(study)
        there = sum(len(controls[size]) for size in question.sizes)
        rules = Rules(
            replicas=study.grid.replicas,
            most=max(1, there // _SHARE),
            error=self._target.error,
            known=controls,
            whole=allowed.whole(controls),
            allowed=allowed,
        )
        number = self._next_round()
        generator = np.random.default_rng([study.seed.study, number])
        costs = CellCosts(study, engine_for(study), self._data)
        chosen, expected = question.choose(rules, costs, generator)
        if chosen:
            return [self._row(question, expected, cell, study.grid.replicas) for cell in chosen]
        if not rules.whole:
            return []
        replicas = more_replicas(study)
        added = replicas / study.grid.replicas - 1.0
        cost = added * sum(costs(size, m) for size, values in controls.items() for m in values)
        expected = question.error * math.sqrt(study.grid.replicas / replicas)
        everywhere = Chosen(math.nan, math.nan, math.nan, math.nan, cost)
        return [self._row(question, expected, everywhere, replicas)]

    def _row(
        self, question: Question, expected: float, cell: Chosen | None, replicas: int
    ) -> Decision:
        answer = question.answer
        reason = "no new control is left where success is undecided: more replicas of every cell"
        if cell is not None and math.isfinite(cell.control):
            reason = str(cell)
        return Decision(
            round=self._next_round(),
            target=self._name,
            error_wanted=self._target.error,
            size=math.nan if cell is None else cell.size,
            control=math.nan if cell is None else cell.control,
            replicas=replicas,
            value=answer.value,
            stderr=answer.stderr,
            low=answer.interval68[0],
            high=answer.interval68[1],
            error_before=question.error,
            error_expected=expected,
            cost=0.0 if cell is None else cell.cost,
            reason=reason,
            flags=SEPARATOR.join(answer.flags),
        )

    def _next_round(self) -> int:
        return 1 + max((row.round for row in self._decisions), default=0)

    # --- ends ---------------------------------------------------------------------------

    def _stop(self, question: Question, reason: str) -> xr.Dataset:
        """Note the stop in the dataset, unless it says so already."""
        row = self._row(question, question.error, None, 0)
        row = Decision(**{**row.__dict__, "reason": reason})
        last = self._decisions[-1] if self._decisions else None
        if last is not None and last.stops and (last.target, last.error_wanted) == (
            row.target, row.error_wanted,
        ):  # fmt: skip
            self._display.note(f"{self._store.output}: nothing to do")
            return self._data
        self._decisions.append(row)
        plan = Plan(self._study, engine_for(self._study))
        with Lock(self._store.folder):
            write_decisions(self._store.folder, self._decisions)
            return write_dataset(self._store, plan, partial=False)

    def _leave_when_spent(self, question: Question) -> None:
        if self._deadline is not None and monotonic() > self._deadline:
            raise PausedRun(
                f"the budget is spent: {self._words(question)}",
                where=str(self._store.output),
                remedy="run the same command again to go on",
            )

    def _say(self, question: Question, rows: list[Decision]) -> None:
        where = ", ".join(_places(rows)) or "every cell"
        self._display.note(
            f"round {rows[0].round}: {self._words(question)}; next {where}; "
            f"{percent(rows[0].error_expected)} expected"
        )

    def _words(self, question: Question) -> str:
        answer: Estimate = question.answer
        wanted = percent(self._target.error)
        return f"{self._name}: {answer}, {percent(question.error)} of at most {wanted}"


def percent(error: float) -> str:
    """A relative error in words.

    >>> percent(0.0157), percent(math.inf)
    ('1.6 %', 'an unknown error')
    """
    return f"{100 * error:.2g} %" if math.isfinite(error) else "an unknown error"


def _study_of(data: xr.Dataset, output: Path) -> Study:
    if "study" not in data.attrs:
        raise OutputError(
            "has no study", where=str(output), remedy="refine a dataset that `physbatch run` wrote"
        )
    return Study.from_json(str(data.attrs["study"]), where=str(output))


def _is_cell(row: Decision) -> bool:
    return math.isfinite(row.control)


def _places(rows: list[Decision]) -> list[str]:
    """Where cells are, a few words for each size."""
    controls: dict[float, list[float]] = {}
    for row in filter(_is_cell, rows):
        controls.setdefault(row.size, []).append(row.control)
    return [
        f"N = {size:g}: {min(values):g}"
        if len(values) == 1
        else f"N = {size:g}: {len(values)} from {min(values):g} to {max(values):g}"
        for size, values in sorted(controls.items())
    ]


def _has(study: Study, size: float, control: float) -> bool:
    return control in controls_of(study).get(size, frozenset())


def _one_outcome(data: xr.Dataset, sizes: tuple[float, ...]) -> bool:
    """Whether at one of the sizes all replicas succeeded, or none did."""
    there = data["status"] != STATUS_MISSING
    passed = there & (data["first_passage"] < math.inf)
    for size in sizes:
        count, total = int(passed.sel(size=size).sum()), int(there.sel(size=size).sum())
        if count in (0, total):
            return True
    return False
