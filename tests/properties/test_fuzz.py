"""Any input: success, or a typed error with exit code 2, soon and in little memory.

The small profile runs with all tests, the full one (20 000 inputs) with the slow ones.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physbatch.cli import main
from physbatch.engines import missing
from physbatch.errors import PhysbatchError
from physbatch.files import FOOTER_BYTES, open_netcdf
from physbatch.study import Study, catalogue
from physbatch.sweep import run_study
from physbatch.tables import read_table
from tests.conftest import TINY, command_line

SECONDS = 10
MEGABYTES = 1000


@contextlib.contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """No hang."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no answer within {seconds} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """The peak of this process must not grow by a gigabyte."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) / 1000 < MEGABYTES


def require_clear(error: PhysbatchError) -> None:
    """One line and exit code 2."""
    assert error.exit_code == 2
    assert "\n" not in str(error)


def counts(few: int, many: int) -> pytest.MarkDecorator:
    """How many inputs: few in the small profile, many in the slow one."""
    slow = pytest.param(many, marks=pytest.mark.slow)
    return pytest.mark.parametrize("count", [few, slow], ids=["few", "many"])


def examine(count: int, body: Callable[..., None], *strategies: st.SearchStrategy[Any]) -> None:
    """Call `body` with `count` inputs, the same ones every time."""
    settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )(given(*strategies)(body))()


# --- studies ----------------------------------------------------------------------------

VALID = [catalogue.study(name).model_dump(mode="json") for name in catalogue.names()]
WORDS = sorted(
    {word for one in VALID for word in json.dumps(one).replace('"', " ").split() if word.isalpha()}
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([0, -1, 1, 2, 3, 1e-300, 1e308, 2**40, "", "../x", "\x00"]),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), inner, max_size=3),
    ),
    max_leaves=6,
)


@st.composite
def spoiled_studies(draw: st.DrawFn) -> dict[str, Any]:
    """A valid study with some fields replaced, dropped or added."""
    study: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(VALID))))
    for _ in range(draw(st.integers(1, 3))):
        place = study
        while True:
            name = draw(st.sampled_from([*sorted(place), "surplus"]))
            inner = place.get(name)
            if isinstance(inner, dict) and inner and draw(st.booleans()):
                place = inner
                continue
            if draw(st.integers(0, 4)) == 0:
                place.pop(name, None)
            else:
                place[name] = draw(values)
            break
    return study


@counts(300, 8000)
def test_studies(count: int) -> None:
    examine(count, read_study, spoiled_studies())


def read_study(content: dict[str, Any]) -> None:
    with bounded():
        try:
            study = Study.from_dict(content)
        except PhysbatchError as error:
            require_clear(error)
            return
        missing(study)
        assert Study.from_json(study.canonical_json()).hash() == study.hash()
        assert Study.from_dict(tomllib.loads(study.to_toml())).hash() == study.hash()


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """Bytes changed, cut out, doubled or put in, anywhere."""

    def change(edits: list[tuple[int, float, bytes]]) -> bytes:
        content = whole
        for kind, at, piece in edits:
            place = int(at * len(content))
            end = place + (0 if kind == 0 else len(piece) if kind == 1 else 50 * len(piece))
            content = content[:place] + (piece if kind < 2 else b"") + content[end:]
        return content

    edit = st.tuples(
        st.integers(0, 2), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)
    )
    return st.lists(edit, min_size=1, max_size=4).map(change)


def read_bytes(
    reader: Callable[[Path], object], content: bytes, name: str, seconds: int = SECONDS
) -> bool:
    """Whether a reader took it; anything but a typed error passes through."""
    with tempfile.TemporaryDirectory() as folder, bounded(seconds):
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            reader(path)
        except PhysbatchError as error:
            require_clear(error)
            return False
    return True


TOML = catalogue.study("sparse-vector").to_toml().encode()


@counts(200, 4000)
def test_study_files(count: int) -> None:
    def check(content: bytes) -> None:
        read_bytes(Study.from_toml, content, "study.toml")

    examine(
        count, check, st.one_of(mutated(TOML), st.binary(max_size=60), st.text().map(str.encode))
    )


# --- tables -----------------------------------------------------------------------------

CSV = b"# Ising\nL,T,m,dm\n" + b"".join(
    f"{size},{2 + 0.1 * step:.1f},{0.9 - 0.1 * step:.3f},{0.01}\n".encode()
    for size in (8, 16, 32)
    for step in range(5)
)


table_bytes = st.one_of(
    mutated(CSV),
    st.binary(max_size=80),
    st.lists(
        st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=4)), max_size=5),
        max_size=6,
    ).map(lambda rows: "\n".join(",".join(map(str, row)) for row in rows).encode()),
)


@counts(200, 5000)
def test_tables(count: int) -> None:
    def check(content: bytes, size: str | None) -> None:
        read_bytes(lambda path: read_table(path, size=size), content, "table.csv")

    examine(count, check, table_bytes, st.sampled_from([None, "L", "1", "7", "m"]))


# --- NetCDF -----------------------------------------------------------------------------


@functools.cache
def image() -> bytes:
    """A dataset of ours as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        run_study(Study.from_dict(TINY), f"{folder}/x.nc", workers=1)
        return Path(folder, "x.nc").read_bytes()


@counts(200, 2500)
def test_our_files_changed_anywhere_are_refused_unopened(count: int) -> None:
    whole, end = image(), -FOOTER_BYTES

    def check(content: bytes) -> None:
        if content != whole and content[end:] == whole[end:]:
            assert not read_bytes(open_netcdf, content, "data.nc")

    examine(count, check, mutated(whole))


def flipped(seed: int) -> bytes:
    """A foreign file with damage where the HDF5 library looks: few bytes, mostly in the head."""
    chance = random.Random(seed)
    content = bytearray(image()[:-FOOTER_BYTES])
    reach = len(content) if seed % 2 else 4000
    for _ in range(chance.randrange(1, 6)):
        content[chance.randrange(48, reach)] = chance.randrange(256)
    return bytes(content)


@counts(10, 500)
def test_damaged_foreign_files(count: int) -> None:
    """Each costs a process, with a limit of its own on processor time."""
    for seed in range(count):
        read_bytes(open_netcdf, flipped(seed), "foreign.nc", seconds=120)


# --- the command line -------------------------------------------------------------------

COMMANDS = (
    *("run", "status", "merge", "slurm", "diff", "verify", "rerun", "analyse", "import"),
    *("export", "moments", "crossings", "exponents", "catalogue", "study", "report"),
    *("figure", "select", "order", "passages", "explore"),
)
OPTIONS = (
    *("-o", "--output", "--workers", "-w", "--device", "--cells", "--time-limit", "--scheduler"),
    *("--json", "--seed", "--time", "--size", "--control", "--observable", "--jobs", "--partial"),
    *("--help", "--version", "--", "-", "--=", "--tls-ca", "--partition", "check"),
)
FILES = (
    "tiny.toml",
    "tiny.nc",
    "out.nc",
    "notes.txt",
    "table.csv",
    "absent.nc",
    ".",
    "",
    "no/x.nc",
)
FIXED = ("1", "0", "-1", "1/2", "cpu", "nan", "inf", "1e999", "tcp://x", "9" * 30)
arguments = st.lists(
    st.one_of(
        st.sampled_from(OPTIONS),
        st.sampled_from(FILES),
        st.sampled_from(FIXED),
        st.text(max_size=5).filter(lambda text: "\x00" not in text),
    ),
    max_size=6,
)


@pytest.fixture
def furnished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the words name."""
    (tmp_path / "tiny.toml").write_text(Study.from_dict(TINY).to_toml())
    (tmp_path / "tiny.nc").write_bytes(image())
    (tmp_path / "notes.txt").write_text("my notes")
    (tmp_path / "table.csv").write_bytes(CSV)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@counts(100, 2000)
def test_arguments(count: int, furnished: Path) -> None:
    def check(command: str, words: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), bounded(60):
            code = main([command, *words])
        assert code in (0, 2), (code, err.getvalue())
        if code == 2:
            assert err.getvalue().splitlines()[-1].startswith("physbatch: ")

    examine(count, check, st.sampled_from(COMMANDS), arguments)
    assert (furnished / "notes.txt").read_text() == "my notes"


@counts(3, 200)
def test_whole_processes(count: int, furnished: Path) -> None:
    chance = random.Random(5)
    for _ in range(count):
        words = chance.choices((*OPTIONS, *FILES, *FIXED), k=chance.randrange(6))
        done = subprocess.run(
            command_line([chance.choice(COMMANDS), *words]),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, 2), (words, done.stderr)
        assert "Traceback" not in done.stderr
