"""Slurm: array jobs that compute the parts of a study, and jobs that are dask workers."""

from __future__ import annotations

import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physbatch.errors import PausedRun, StudyError
from physbatch.sweep.stopping import GRACE, parse_duration

#: Seconds before its end at which the batch system tells a job to save.
WARNING = int(2 * GRACE)

_TEMPLATE = """\
#!/bin/bash
#SBATCH --job-name=physbatch
#SBATCH --array=1-{jobs}
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={time}
#SBATCH --signal=B:USR1@{warning}
#SBATCH --requeue
#SBATCH --open-mode=append
{options}
# Submit:  sbatch THIS_FILE
# Look:    {command} status {output}
# At last: {command} merge {output}

{command} run {study} -o {output} {code}\\
  --cells "$SLURM_ARRAY_TASK_ID/{jobs}" --workers "$SLURM_CPUS_PER_TASK" &
run=$!
trap 'kill -USR1 "$run"' USR1
wait "$run"
code=$?
while kill -0 "$run" 2>/dev/null; do  # the trap ended the wait, not the run
  wait "$run"
  code=$?
done
if [ "$code" -eq {paused} ]; then  # saved, and there is more to do
  scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
fi
exit "$code"
"""


def array_script(
    study: str,
    output: Path,
    *,
    jobs: int,
    cpus: int,
    time: str,
    partition: str | None = None,
    account: str | None = None,
    allow_code: bool = False,
) -> str:
    """An sbatch script for a study (a file or a name in the catalogue) in so many parts.

    All nodes share the file system of the output. StudyError if a number is not positive, or a
    name holds more than letters, digits and ``._,-``.
    """
    for value, name in ((jobs, "--jobs"), (cpus, "--cpus")):
        if value < 1:
            raise StudyError(f"{value}", where=name, remedy="give 1 or more")
    if not re.fullmatch(r"(\d+-)?\d+:\d\d:\d\d", time):
        raise StudyError(f"{time!r} is no time limit", where="--time", remedy="give HH:MM:SS")
    if parse_duration(time) <= 2 * WARNING:
        raise StudyError(
            f"{time} leaves no time to compute",
            where="--time",
            remedy=f"give more than {2 * WARNING} s",
        )
    options = []
    for word, name in ((partition, "partition"), (account, "account")):
        if word is not None:
            options.append(f"#SBATCH --{name}={_name(word, where=f'--{name}')}\n")
    source = str(Path(study).resolve()) if Path(study).exists() else study
    target = str(output.resolve())
    if "\n" in source + target:
        raise StudyError("a name holds a line break", where="slurm", remedy="rename the file")
    return _TEMPLATE.format(
        jobs=jobs,
        cpus=cpus,
        time=time,
        warning=WARNING,
        options="".join(options),
        command=f"{shlex.quote(sys.executable)} -m physbatch",
        study=shlex.quote(source),
        code="--allow-code " if allow_code else "",
        output=shlex.quote(target),
        paused=PausedRun.exit_code,
    )


@dataclass(frozen=True)
class SlurmWorkers:
    """Jobs of Slurm that are dask workers, submitted by dask-jobqueue.

    Attributes
    ----------
    partition, account, interface : str, optional
        Where to run, whom to charge, and the network interface that the nodes can reach.
    hours : float
        Time limit of a job; one whose time is over is replaced.
    jobs, cpus : int
        Number of jobs, and worker processes of each.
    memory : float
        GB for each job.

    Examples
    --------
    >>> from physbatch.sweep.slurm import SlurmWorkers
    >>> SlurmWorkers.parse("partition=short,hours=1.5,jobs=10").jobs
    10
    """

    partition: str | None = None
    account: str | None = None
    interface: str | None = None
    hours: float = 1.0
    jobs: int = 4
    cpus: int = 1
    memory: float = 2.0

    @classmethod
    def parse(cls, text: str) -> SlurmWorkers:
        """Read ``partition=short,hours=2,jobs=10``; StudyError if it makes no sense."""
        where = "--slurm"
        kinds = {"hours": float, "jobs": int, "cpus": int, "memory": float}
        names = ("partition", "account", "interface")
        values: dict[str, Any] = {}
        for word in text.split(","):
            key, _, value = word.partition("=")
            if (key not in kinds and key not in names) or key in values:
                raise StudyError(
                    f"{word!r} is not understood",
                    where=where,
                    remedy=f"give KEY=VALUE,... with {', '.join((*names, *kinds))}, each once",
                )
            if key in names:
                values[key] = _name(value, where=f"{where} {key}")
                continue
            try:
                values[key] = kinds[key](value)
            except ValueError:
                values[key] = 0
            if not 0 < values[key] <= 1e5:
                raise StudyError(f"{value!r}", where=f"{where} {key}", remedy="give a number > 0")
        return cls(**values)

    def options(self, logs: Path) -> dict[str, Any]:
        """Arguments of `dask_jobqueue.SLURMCluster`; jobs print to the folder `logs`."""
        minutes = max(1, round(60 * self.hours))
        return {
            "queue": self.partition,
            "account": self.account,
            "interface": self.interface,
            "walltime": f"{minutes // 60:02d}:{minutes % 60:02d}:00",
            "cores": self.cpus,
            "processes": self.cpus,
            "memory": f"{self.memory:g}GB",
            "job_name": "physbatch",
            "log_directory": str(logs.resolve() / "slurm"),
            "local_directory": tempfile.gettempdir(),
            "scheduler_options": {"dashboard": False, "dashboard_address": ":0"},
        }


def _name(text: str, *, where: str) -> str:
    """A word that may stand in a script."""
    if not re.fullmatch(r"[\w.,-]+", text):
        raise StudyError(f"{text!r} is no name", where=where, remedy="check it")
    return text
