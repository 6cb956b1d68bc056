"""The command line: it parses, calls the library and prints.

Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 cells failed, 2 bad
input, 3 no number could be stated, 75 stopped by a time limit or a signal and saved, 130
interrupted.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import cyclopts
from cyclopts import App, Parameter

import physbatch
from physbatch.commands.options import Json, Stored
from physbatch.commands.output import finish, keep_other_results, print_json
from physbatch.commands.ranges import Ranges
from physbatch.errors import PhysbatchError
from physbatch.terminal import plain_text, silence_stderr

app = App(
    name="physbatch",
    help="Phase transitions in the mini-batch size: simulate, analyse, draw.",
    version=physbatch.__version__,
    version_flags=["--version"],
    help_format="plaintext",
    help_epilogue="Exit codes: 0 done, 1 cells failed, 2 bad input, 3 no number could be stated, "
    "75 stopped by a time limit or a signal and saved (run the same command again), 130 "
    "interrupted and saved.",
    # No --empty-moment beside --moment: leaving an option out says the same.
    default_parameter=Parameter(negative_iterable=()),
    result_action="return_value",
)
app.register_install_completion_command(help="Let the shell complete commands and options.")
study_app = App(name="study", help="Look at study files, or begin one.", help_format="plaintext")
app.command(study_app)
# Imported when they are used: runs, and analyses of any table of sizes, controls, observables.
for _name, _home, _help in (
    ("quick", "quick:quick_command", "A study of the catalogue, from its name to a report."),
    ("run", "runs:run", "Simulate a study and write its dataset; go on where a run stopped."),
    ("refine", "refining:refine_command", "Add cells to a dataset until m_c has a stated error."),
    ("status", "runs:status", "Say how far a run is."),
    ("merge", "runs:merge", "Write the dataset of an array job from its parts."),
    ("slurm", "runs:slurm", "Print an sbatch script that computes a study as an array job."),
    ("diff", "provenance:diff", "Say what differs between two studies or datasets."),
    ("verify", "provenance:verify", "Recompute some cells of a dataset, compare bit for bit."),
    ("rerun", "provenance:rerun", "Make a dataset again from its own attributes."),
    ("select", "select:select_command", "Write a part of a dataset: some sizes, one degree ..."),
    ("predict", "predict:predict_command", "Say what theory predicts for a study."),
    ("bench", "bench:bench_command", "Time cells of a study: throughput, limit, memory."),
    ("figure", "figures:figure", "Draw the figures of a dataset or of results, as PDF and PNG."),
    ("animate", "animate:animate_command", "Write a moving picture, as GIF or MP4."),
    ("report", "reports:report", "Write one page: answer, figures, tables, study, provenance."),
    ("import", "tables:import_", "Read a table of observables and write it as NetCDF."),
    ("export", "tables:export", "Write a table as CSV, or results as CSV, LaTeX or HTML."),
):
    app.command(f"physbatch.commands.{_home}", name=_name, help=_help)
for _name, _help in (
    ("check", "Print the resolved study, its cells, and the memory and time it needs."),
    ("init", "Write a study to begin with, which explains each of its lines."),
):
    study_app.command(f"physbatch.commands.study_files:{_name}", name=_name, help=_help)
for _name, _help in (
    ("moments", "Moments of samples, with errors: Binder ..."),
    ("reweight", "Raw series at a few controls to a table at many."),
    ("coexistence", "Two phases in histograms of the energy: barrier, latent heat."),
    ("crossings", "Where the curves of two sizes cross."),
    ("collapse", "Critical point and exponents by data collapse."),
    ("exponents", "Exponents from power laws in the size."),
    ("dynamics", "Critical point, delta, nu_par and z from what observables do in time."),
    ("order", "First order, continuous, crossover or undecided."),
    ("explore", "A page on which sliders move the collapse live."),
    ("noise", "Batch noise: stability, best m, evidence."),
    ("passages", "Mean times to the first passage, and their laws."),
    ("growth", "Linear stability of the perfect state, from dilute seeds."),
):
    app.command(f"physbatch.commands.analyses.{_name}:{_name}_command", name=_name, help=_help)


@app.command
def analyse(
    dataset: Path,
    *,
    observable: str | None = None,
    control: str | None = None,
    time: float | None = None,
    ranges: Ranges = Ranges(),
    outputs: Stored = Stored(),
) -> None:
    """Find m_c with its error, its drift with run time, and the jump of the overlap.

    Parameters
    ----------
    dataset
        A dataset that `physbatch run` wrote, or one of `physbatch.make_dataset`.
    observable
        The variable that has the two peaks; by default the overlap.
    control
        The swept parameter that is the control; by default that of the dataset.
    time
        Run time at which to analyse; by default the last one.
    """
    from physbatch.dataset import is_large, open_dataset
    from physbatch.scaling import analyse as analyse_dataset

    keep_other_results(outputs.output, "analysis")
    with open_dataset(dataset, load=not is_large(dataset)) as whole:
        data = ranges.of_dataset(whole, control)
        result = analyse_dataset(data, observable, control=control, time=time)
    finish(result, outputs, [result])


@app.command
def catalogue(*, json_: Json = False) -> None:
    """List the named studies, one line each; `physbatch run NAME -o OUT.nc` runs one.

    Parameters
    ----------
    """
    from physbatch.study import catalogue as studies

    titles = {name: studies.study(name).title for name in studies.names()}
    if json_:
        print_json(titles)
        return
    width = max(map(len, titles))
    for name, title in titles.items():
        hanging = " " * (width + 2)
        print(
            textwrap.fill(title, 79, initial_indent=f"{name:{width}}  ", subsequent_indent=hanging)
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on some words, by default those of the process; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # A bare hyphen, which is standard input, would be taken for an option.
    words = ["./-" if word == "-" else word for word in words]
    try:
        with contextlib.redirect_stdout(_Plain(sys.stdout)):
            code = app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        _complain(" ".join(str(error).split()))
        return 2
    except PhysbatchError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone: there is nobody to tell.
        sys.stderr.close()
        return 0
    except OSError as error:
        # A path that no check foresaw: too long a name, a loop of links, a dead disk.
        _complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
        return 2
    except MemoryError:
        _complain("out of memory; use fewer sizes, replicas or measuring times")
        return 2
    return code if isinstance(code, int) else 0


class _Plain(io.TextIOBase):
    """A stream that shows control characters in what comes from data, and does not obey them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(plain_text(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    # The class in C has a descriptor that cannot be set; its types say that it is an attribute.
    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding


def _complain(message: str) -> None:
    try:
        print(f"physbatch: {plain_text(message)}", file=sys.stderr)
    except OSError:  # a closed terminal: the exit code says it
        silence_stderr()


def script() -> None:
    """Entry point of the ``physbatch`` command."""
    # Figures are written to files. A notebook leaves the name of its backend to every command that
    # it calls, where it may not be installed.
    os.environ["MPLBACKEND"] = "agg"
    # Titles and file names may hold letters that the terminal's alphabet lacks.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = main()
    except KeyboardInterrupt:  # another Ctrl-C while the first was being told
        code = 130
    if code == 130:
        # All is saved and said: one more must not turn that into a death by a signal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
