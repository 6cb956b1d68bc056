"""Array jobs for Slurm: a script that computes each part and queues it again until done."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from physbatch.errors import PausedRun, StudyError
from physbatch.sweep.stopping import GRACE, parse_duration

__all__ = ["array_script"]

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

{command} run {study} -o {output} \\
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
) -> str:
    """An sbatch script for a study.

    Parameters
    ----------
    study : str
        A study file or the name of a study in the catalogue.
    output : Path
        The dataset, on a file system that all nodes share.
    jobs, cpus : int
        Number of parts, and cores of each.
    time : str
        Time limit of a job, as Slurm writes it.
    partition, account : str, optional
        Where to run, whom to charge.

    Raises
    ------
    StudyError
        If a number is not positive, or a name holds more than letters, digits and ``._,-``.
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
    for value_, name in ((partition, "partition"), (account, "account")):
        if value_ is not None:
            if not re.fullmatch(r"[\w.,-]+", value_):
                raise StudyError(f"{value_!r} is no name", where=f"--{name}", remedy="check it")
            options.append(f"#SBATCH --{name}={value_}\n")
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
        output=shlex.quote(target),
        paused=PausedRun.exit_code,
    )
