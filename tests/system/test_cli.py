"""The command line as a user meets it: one clear line for bad input, exit codes, JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from physbatch import dataset
from physbatch.cli import main
from physbatch.files import save
from physbatch.study import Study
from physbatch.sweep import run_study

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tiny_data(tmp_path: Path, tiny_study: Study) -> Path:
    path = tmp_path / "tiny.nc"
    run_study(tiny_study, path, workers=1)
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run in this process; expect exit code 2 and exactly one line on stderr."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("physbatch: ")
    assert "Traceback" not in err
    return lines[0]


BAD_STUDIES = [
    ("degree = 3", "degree = 4", "odd"),
    ("degree = 3", "degree = 7", "degree 7 is larger than size 6"),
    ("degree = 3", "degre = 3", "unknown field 'system.wiring.degre'; did you mean 'degree'?"),
    ("replicas = 5", "replicas = 0", "grid.replicas"),
    ("duration = 20", "duration = -1", "measurement.duration"),
    ("    2.0,", "    0.0,", "grid.batch_size.0"),
    ("    6,", "    -6,", "grid.size.0"),
    ('kind = "greedy"', 'kind = "annealing"', "dynamics"),
    ('weights = "binary"', 'weights = "ternary"', "ternary"),
    ('activation = "sign"', 'activation = "tanh"', "count wrong signs"),
    ("[grid]", "[grid", "not a TOML file"),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD_STUDIES)
@pytest.mark.parametrize("command", ["run", "check"])
def test_bad_studies(
    command: str,
    old: str,
    new: str,
    words: str,
    tiny_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = tiny_file.read_text()
    assert old in text
    tiny_file.write_text(text.replace(old, new, 1))
    target = tiny_file.parent / "out.nc"
    call = ("run", tiny_file, "-o", target) if command == "run" else ("study", "check", tiny_file)
    line = refused(capsys, *call)
    assert words in line
    assert "tiny.toml" in line
    assert list(tiny_file.parent.iterdir()) == [tiny_file]


def test_bad_arguments(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "x.nc"
    for words, expected in (
        (("rnu",), "Did you mean"),
        (("run", "sparse-vector"), "--output"),
        (("run", "sparse-vector", "-o", target, "--wrkers", "2"), "--wrkers"),
        (("run", "sparse-vector", "-o", target, "--workers", "two"), "two"),
        (("run", "sparse-vector", "-o", target, "--workers", "0"), "give 1 or more"),
        (("run", "sparse-vector", "-o", target, "--device", "tpu"), "tpu"),
        (("run", "no-such-study", "-o", target), "catalogue"),
        (("run", tmp_path / "absent.toml", "-o", target), "cannot read"),
        (("run", tmp_path, "-o", target), "cannot read"),
        (("status", target), "no dataset and no unfinished run"),
        (("analyse", target), "cannot read"),
        (("report", "-o", tmp_path / "x.html"), "no dataset among the files"),
    ):
        assert expected in refused(capsys, *words)
    assert list(tmp_path.iterdir()) == []


def test_an_output_of_another_study(
    tiny_data: Path, tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny_data.read_bytes()
    tiny_file.write_text(tiny_file.read_text().replace("study = 1", "study = 2"))
    assert "belongs to another study" in refused(capsys, "run", tiny_file, "-o", tiny_data)
    assert "holds something else" in refused(capsys, "analyse", tiny_data, "-o", tiny_data)
    assert "holds something else" in refused(capsys, "report", tiny_data, "-o", tiny_data)
    assert tiny_data.read_bytes() == before


def test_damaged_foreign_and_newer_files(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tiny_data.read_bytes()
    broken = tmp_path / "broken.nc"
    broken.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused(capsys, "analyse", broken)
    assert "truncated" in refused(capsys, "figure", broken, "-o", tmp_path / "f.pdf")
    xr.Dataset({"x": ("t", np.arange(3.0))}).to_netcdf(broken)
    assert "not a physbatch dataset" in refused(capsys, "analyse", broken)
    assert "not a physbatch dataset" in refused(capsys, "report", broken, "-o", tmp_path / "r.html")
    newer = dataset.open_dataset(tiny_data).assign_attrs(physbatch_schema=9)
    save(newer, broken)
    assert "upgrade physbatch" in refused(capsys, "analyse", broken)
    assert not (tmp_path / "f.pdf").exists()
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_is_named_and_loses_nothing(
    workers: str, tiny_file: Path, physbatch_command: Command
) -> None:
    """A limit on the size of files stands for a full disk; it also hits worker processes."""
    pytest.importorskip("resource")
    target = tiny_file.parent / "out" / "data.nc"
    # The limit would hit the compiler's disk cache as well: fill that first.
    physbatch_command("run", tiny_file, "-o", tiny_file.parent / "first.nc", "--workers", "1")
    script = (
        "import resource, signal, sys\n"
        "from physbatch.cli import main\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "    sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", tiny_file, "-o", target, "--workers", workers],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not target.exists()
    assert not list(target.parent.rglob("*.tmp"))
    again = physbatch_command("run", tiny_file, "-o", target, "--workers", "1")
    assert again.returncode == 0, again.stderr


def test_a_read_only_folder_is_named(tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """/proc refuses new files even to root."""
    if not Path("/proc/self").exists():
        pytest.skip("no /proc on this system")
    assert "cannot write" in refused(capsys, "run", tiny_file, "-o", "/proc/data.nc")


def test_run_analyse_figure_report(
    tiny_file: Path, tmp_path: Path, physbatch_command: Command
) -> None:
    """The whole way on a tiny study, each command in a process of its own."""
    data, results = tmp_path / "d.nc", tmp_path / "r.nc"
    done = physbatch_command("run", tiny_file, "-o", data, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"dataset  {data}\n"
    assert "6/6 cells" in done.stderr
    again = physbatch_command("run", tiny_file, "-o", data)
    assert "nothing to do" in again.stderr
    done = physbatch_command("analyse", data, "-o", results, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert set(answer) >= {"parameters", "goodness", "flags", "per_size"}
    assert set(answer["parameters"]) == {"m_c", "jump"}
    assert set(answer["parameters"]["m_c"]) >= {"value", "stderr"}
    assert [row["size"] for row in answer["per_size"]] == [6, 9]
    for source in (results, data):
        done = physbatch_command("figure", source, "-o", tmp_path / "f.pdf")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    done = physbatch_command("report", data, results, "-o", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert "tiny sparse-vector study" in (tmp_path / "r.html").read_text()
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [
        *("m_c", "jump", "verdict", "data", "data", "report")
    ]
    status = physbatch_command("status", data, "--json")
    assert json.loads(status.stdout)["complete"] is True


def test_status_tells_complete_from_unfinished(
    tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also without shards, and for a dataset in which cells are missing."""

    def status() -> tuple[bool, int]:
        capsys.readouterr()
        assert main(["status", str(tiny_data), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        return answer["complete"], answer["done"]

    assert status() == (True, 6)
    shutil.rmtree(tiny_data.with_name("tiny.nc.cells"))
    assert status() == (True, 6)
    data = dataset.open_dataset(tiny_data)
    data["status"][0, 0] = dataset.STATUS_MISSING
    save(data, tiny_data)
    assert status() == (False, 0)


def test_study_check_prints_study_cells_memory_and_time(
    tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "check", str(tiny_file)]) == 0
    out = capsys.readouterr().out
    text = out[: out.index("# study hash")]
    tiny_file.write_text(text)
    assert Study.from_toml(tiny_file).title == "tiny sparse-vector study"
    for words in ("# cells        6", "# time ", "# memory "):
        assert words in out
    assert main(["study", "check", str(tiny_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 6


def test_catalogue_names_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    from physbatch.study import catalogue

    assert main(["catalogue"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = [line.split()[0] for line in lines if not line.startswith(" ")]  # else a title goes on
    assert first == list(catalogue.names())


#: Entries that take long at their own size, and a size at which they run in a blink.
REDUCED: dict[str, dict[str, object]] = {
    "linear-sgd": {"size": [10], "batch_ratio": [0.5, 1.0, 2.0], "duration": 60},
    "sparse-sgd": {"size": [10], "batch_size": [2.0, 8.0], "duration": 60},
    "dense-sgd": {"size": [8], "batch_size": [2.0, 8.0], "duration": 60},
    "deep-dense": {"size": [8], "batch_size": [2.0, 8.0], "duration": 60},
    "sparse-ternary-dense": {"size": [9], "batch_size": [8, 64], "duration": 100},
    "sparse-patterns": {"size": [11], "batch_size": [4, 24], "duration": 100},
    "planted-start": {"size": [20], "batch_size": [6, 13], "duration": 60},
    "deep-sparse": {"size": [10], "batch_size": [6, 24], "duration": 60},
    "deep-sparse-4": {"size": [8], "batch_size": [24, 64], "duration": 60},
    "sparse-vector": {"size": [10], "batch_size": [8, 20], "duration": 60},
    "sparse-vector-ties": {"size": [10], "batch_size": [3, 20], "duration": 60},
    "sparse-vector-ties-5": {"size": [10], "batch_size": [6, 30], "duration": 60},
    "sparse-vector-ties-7": {"size": [14], "batch_size": [12, 60], "duration": 60},
    "ternary-unit": {"size": [9], "batch_size": [4, 48], "duration": 100},
    "linear-anneal": {"size": [10], "batch_size": [8, 24], "duration": 500},
    "linear-of-erf": {"size": [10], "batch_size": [8, 64], "duration": 60},
    "sparse-sgd-signs": {"size": [10], "batch_size": [2.0, 8.0], "duration": 60},
    "linear-spectrum": {"size": [10], "batch_size": [6, 24], "duration": 60},
    "sgd-regimes": {"size": [10], "batch_size": [1, 16], "learning_rate": [8], "duration": 4000},
    "hinge-perceptron": {"size": [10], "batch_size": [2, 8], "duration": 300},
    "task-linear": {"size": [8], "batch_size": [4, 16], "duration": 100},
    "sparse-hysteresis": {"size": [10], "duration": 60},
    "sparse-vector-in-order": {"size": [10], "batch_size": [3, 60], "duration": 60},
    "noisy-labels": {"size": [10], "batch_size": [3, 20], "duration": 60},
    "sparse-pattern-epochs": {"size": [11], "batch_size": [4, 24], "duration": 100},
    "sparse-scalar": {"size": [9], "batch_ratio": [1.0, 5.0], "duration": 60},
    "independent-units": {"size": [15], "batch_size": [4, 24], "duration": 60},
    "greedy-unit": {"batch_size": [1, 10], "duration": 100},
}


@pytest.mark.parametrize("name", REDUCED)
def test_entries_of_the_catalogue_run_at_reduced_size(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the study file through the run to the analysis."""
    from physbatch.study import catalogue

    changes = {"replicas": 6, "test_samples": 64, **REDUCED[name]}
    source, target = tmp_path / "study.toml", tmp_path / "data.nc"
    source.write_text(catalogue.study(name, **changes).to_toml())
    assert main(["run", str(source), "-o", str(target), "--workers", "1"]) == 0
    data = dataset.open_dataset(target)
    assert (data["status"] != dataset.STATUS_MISSING).all()
    first, last = (data["generalization_error"].isel(time=index) for index in (0, -1))
    assert float(last[..., -1, :].median()) < float(first.median())
    capsys.readouterr()
    assert main(["analyse", str(target), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["parameters"]) == {"m_c", "jump"}


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    import physbatch

    main(["--version"])
    assert physbatch.__version__ in capsys.readouterr().out
    main(["--help"])
    assert "analyse" in capsys.readouterr().out


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_import_physbatch_is_light() -> None:
    heavy = {"torch", "matplotlib", "numba", "xarray", "scipy", "seaborn"}
    assert not heavy & imported_by("import physbatch")
    assert not heavy & imported_by("import physbatch.cli")
    names = ["collapse", "scaling.collapse", "plots", "exact", "noise", "read_table", "catalogue"]
    door = f"import physbatch; {', '.join(f'physbatch.{name}' for name in names)}"
    # scipy.stats loads half of scipy; what needs it says scipy.stats, and loads it then.
    assert not {"torch", "matplotlib", "scipy.stats"} & imported_by(door)
    assert not {"torch", "matplotlib"} & imported_by("from physbatch.scaling import *")
    assert "torch" not in imported_by("import physbatch.sweep.run")


def test_kernel_workers_never_import_torch(
    tiny_file: Path, tmp_path: Path, physbatch_command: Command
) -> None:
    """A stand-in for torch leaves a mark when anyone imports it."""
    (tmp_path / "fake" / "torch").mkdir(parents=True)
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "fake" / "torch" / "__init__.py").write_text(
        f"import os, pathlib\npathlib.Path({str(marks)!r}, str(os.getpid())).touch()\n"
    )
    path = os.pathsep.join([str(tmp_path / "fake"), os.environ.get("PYTHONPATH", "")])
    done = physbatch_command(
        "run", tiny_file, "-o", tmp_path / "d.nc", "--workers", "2", env={"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    assert list(marks.iterdir()) == []


def test_a_terminal_without_the_letters_of_a_title(
    tiny_file: Path, physbatch_command: Command
) -> None:
    """They are escaped; a traceback would hide the answer."""
    text = tiny_file.read_text("utf-8")
    named = tiny_file.with_name("größe.toml")
    lines = [line for line in text.splitlines() if not line.startswith("title")]
    named.write_text("\n".join(['title = "Größe"', *lines]), "utf-8")
    done = physbatch_command("study", "check", named, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert r"Gr\xf6\xdfe" in done.stdout


def test_help_says_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["moments", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "75 stopped by a time limit or a signal and saved" in shown
    assert "--moment" in shown
    assert "--empty" not in shown


def test_a_name_that_is_nearly_in_the_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(capsys, "run", "sparse-vectr", "-o", tmp_path / "out.nc")
    assert "did you mean 'sparse-vector'?" in line
