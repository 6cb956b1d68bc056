"""The wheel and the sdist are whole, install into a clean environment, and work there."""

from __future__ import annotations

import datetime
import email
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import physbatch

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("build") is None or importlib.util.find_spec("hatchling") is None,
    reason="component missing: build or hatchling",
)


class Built(NamedTuple):
    wheel: Path
    sdist: Path


def run(*words: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed."""
    # Nothing of the source tree may reach the new environment.
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist, and a wheel that is built from that sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def clean(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with the wheel and the dependencies, without this tree."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / "python"
    install = ("install", "--no-deps", "--no-index", "--quiet", built.wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    home = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # Dependencies come from the running environment; a plain path does not bring in the
    # editable physbatch, whose own .pth file is read for site folders only.
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(home.strip(), "dependencies.pth").write_text("\n".join(sorted(paths)))
    return scripts


def test_wheel_holds_every_file_of_the_package(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        held = {name for name in wheel.namelist() if name.startswith("physbatch/")}
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        fields = email.message_from_bytes(wheel.read(metadata))
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "physbatch").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == expected
    for kind in (".toml", ".mplstyle", ".j2", ".css", ".js", "py.typed"):
        assert any(name.endswith(kind) for name in held), kind
    assert fields["Version"] == physbatch.__version__
    assert fields["Requires-Python"] == ">=3.11"
    assert fields["Description-Content-Type"] == "text/markdown"


def test_sdist_holds_what_make_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {
        "pyproject.toml",
        "constraints.txt",
        "constraints-oldest.txt",
        "Makefile",
        "README.md",
        "LICENSE",
    }
    needed |= {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "docs/conf.py"}
    needed |= {"analysis/quickstart/study.toml", "tests/system/test_release.py"}
    assert needed <= held


def test_the_lowest_versions_are_those_of_the_project() -> None:
    """constraints-oldest.txt has what pyproject.toml states, torch the pinned wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    stated = {
        name.lower(): version
        for line in [
            *project["dependencies"],
            *(line for lines in project["optional-dependencies"].values() for line in lines),
        ]
        for name, mark, version in [line.partition(">=")]
        if mark
    }
    lines = [
        line.split("==")
        for line in (ROOT / "constraints-oldest.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    oldest = {name.lower(): version for name, version in lines}
    needed = {line.partition(">=")[0].lower() for line in project["dependencies"]}
    assert needed - {"torch"} <= set(oldest)
    assert f"torch=={oldest['torch']}" in (ROOT / "constraints.txt").read_text("utf-8")
    assert {
        name: (version, stated[name])
        for name, version in oldest.items()
        if name in stated and name != "torch" and release(version) != release(stated[name])
    } == {}


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at their end."""
    numbers = [int(number) for number in version.split(".")]
    while numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def test_installed_wheel_goes_from_a_study_to_a_report(clean: Path, tmp_path: Path) -> None:
    command, python = clean / "physbatch", clean / "python"
    where = run(python, "-c", "import physbatch; print(physbatch.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(clean.parent), "the source tree is used"
    assert run(command, "--version", cwd=tmp_path).strip() == physbatch.__version__
    assert "sparse-vector " in run(command, "catalogue", cwd=tmp_path)
    tiny = (
        "import pathlib, physbatch\n"
        "study = physbatch.catalogue.study("
        "'sparse-vector', size=[6, 9], replicas=8, duration=20)\n"
        "pathlib.Path('study.toml').write_text(study.to_toml())"
    )
    run(python, "-c", tiny, cwd=tmp_path)
    run(command, "run", "study.toml", "-o", "data.nc", "--workers", "1", cwd=tmp_path)
    run(command, "analyse", "data.nc", "-o", "results.nc", cwd=tmp_path)
    run(command, "figure", "results.nc", "-o", "figure.pdf", cwd=tmp_path)
    run(command, "report", "data.nc", "results.nc", "-o", "report.html", cwd=tmp_path)
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") >= 4


def test_changelog_and_citation_name_the_version() -> None:
    """The version stands in `physbatch/__init__.py`; what else names it agrees."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changelog, re.M)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert released[0] == (physbatch.__version__, str(citation["date-released"]))
    assert citation["version"] == physbatch.__version__


# What the Citation File Format 1.2.0 asks for (doi 10.5281/zenodo.5171937, schema.json).
CITATION_FIELDS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi",
    "identifiers", "keywords", "license", "license-url", "message", "preferred-citation",
    "references", "repository", "repository-artifact", "repository-code", "title", "type", "url",
    "version",
}  # fmt: skip
PERSON = {"affiliation", "alias", "email", "family-names", "given-names", "name-suffix", "orcid"}
ENTITY = {"name", "city", "country", "email", "orcid", "website"}


def check_authors(authors: object) -> None:
    assert isinstance(authors, list)
    assert authors
    for author in authors:
        allowed = ENTITY if "name" in author else PERSON
        assert author.keys() <= allowed
        assert all(isinstance(text, str) and text for text in author.values())


def test_citation_follows_its_format() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"authors", "cff-version", "message", "title"} <= citation.keys() <= CITATION_FIELDS
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert isinstance(citation["version"], str)
    assert isinstance(citation["date-released"], datetime.date)
    check_authors(citation["authors"])
    for reference in citation["references"]:
        assert {"authors", "title", "type"} <= reference.keys()
        check_authors(reference["authors"])
        assert isinstance(reference["year"], int)
        assert re.fullmatch(r"10\.\d{4,9}/\S+", reference["doi"])
