"""Studies: TOML in and out, stable hashes, and one clear line for everything that is wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from physbatch.engines.point import GridPoints
from physbatch.engines.registry import require_built
from physbatch.errors import NotBuiltError, StudyError
from physbatch.study import catalogue
from physbatch.study.model import Study
from tests.conftest import plan_of

BASE: dict[str, Any] = {
    "title": "base",
    "system": {"depth": 2, "wiring": {"kind": "regular", "degree": 3}},
    "dynamics": {"kind": "greedy"},
    "grid": {"size": [9], "batch_size": [2], "replicas": 4},
    "measurement": {"duration": 10},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """The base study with one field set (or removed, for the value `...`)."""
    content = copy.deepcopy(BASE)
    *sections, field = path.split(".")
    table = content
    for section in sections:
        table = table.setdefault(section, {})
    if value is ...:
        del table[field]
    else:
        table[field] = value
    return content


def test_toml_round_trip(tmp_path: Path) -> None:
    study = Study.from_dict(changed("grid.batch_size", {"start": 1, "stop": 2.2, "step": 0.4}))
    path = tmp_path / "study.toml"
    path.write_text(study.to_toml())
    assert Study.from_toml(path) == study
    assert Study.from_json(study.canonical_json()) == study
    assert Study.from_toml(path).hash() == study.hash()


def test_quickstart_is_what_it_says() -> None:
    study = Study.from_toml(Path(__file__).parents[3] / "analysis/quickstart/study.toml")
    assert study.grid.size == (50, 100, 200, 400)
    assert study.grid.batch_size == tuple(10 + 0.5 * step for step in range(13))
    assert (study.grid.replicas, study.measurement.duration) == (32, 1000)
    assert study.system.learned_layers == "all"
    assert (study.dynamics.ties, study.dynamics.refresh) == ("reject", "sweep")
    assert len(plan_of(study)) == 52


def test_hash_is_pinned() -> None:
    """Old datasets name their study by this hash: it must never change for old studies."""
    assert Study.from_dict(BASE).hash() == (
        "0bae166a06429e40125fd0a3a8917db503e9c6289dc9efce0de0c06ed7fbb983"
    )


def test_hash_ignores_words_and_defaults_but_not_physics() -> None:
    base = Study.from_dict(BASE).hash()
    assert Study.from_dict(changed("title", "other words")).hash() == base
    assert Study.from_dict(changed("system.activation", "sign")).hash() == base
    assert Study.from_dict(changed("seed.study", 2)).hash() != base
    assert Study.from_dict(changed("dynamics.ties", "accept")).hash() != base


def test_a_range_holds_its_end_and_gives_the_typed_values() -> None:
    grid = Study.from_dict(changed("grid.batch_size", {"start": 10, "stop": 11, "step": 0.1})).grid
    assert grid.batch_size is not None
    assert len(grid.batch_size) == 11
    assert grid.batch_size[7] == 10.7


def test_cells_are_named_by_their_own_physics() -> None:
    """Sweeping a parameter or fixing it gives the same random streams; so does a larger grid."""
    fixed = plan_of(Study.from_dict(BASE)).cells
    swept = changed("system.wiring.degree", ...)
    swept["grid"]["degree"] = [3, 5]
    swept["grid"]["size"] = [9, 11]
    swept["grid"]["replicas"] = 40
    cells = plan_of(Study.from_dict(swept)).cells
    assert fixed[0].identity in {cell.identity for cell in cells}
    same_range = changed("grid.size", [9, 11])
    assert fixed[0].key in {cell.key for cell in plan_of(Study.from_dict(same_range)).cells}


def test_measuring_times() -> None:
    def times(value: object, duration: int) -> tuple[int, ...]:
        content = changed("measurement", {"duration": duration, "times": value})
        return Study.from_dict(content).measurement.measuring_times()

    assert times({"kind": "log", "per_decade": 2}, 100) == (0, 1, 3, 10, 32, 100)
    assert times({"kind": "linear", "every": 4}, 10) == (0, 4, 8, 10)
    assert times({"kind": "list", "values": [10, 5]}, 10) == (5, 10)


DENSE = {"wiring": {"kind": "dense", "hidden_units": 3}}
TERNARY = {
    "weights": "ternary",
    "wiring": {"kind": "regular", "degree": 3},
    "student_wiring": {"kind": "dense"},
}

WRONG = [
    ("grid.sizes", [9], "unknown field 'grid.sizes'"),
    ("grid.size", [9.5], "grid.size.0"),
    ("grid.size", [-9], "greater than 0"),
    ("grid.size", [], "at least one value"),
    ("grid.size", [9, 9], "twice"),
    ("grid.size", "nine", "grid.size"),
    ("grid.batch_size", [0], "greater than 0"),
    ("grid.batch_size", [float("nan")], "finite"),
    ("grid.batch_size", {"start": 1, "stop": 2}, "exactly start, stop and step"),
    ("grid.batch_size", {"start": 1, "stop": 2, "step": 0}, "step > 0"),
    ("grid.batch_size", {"start": 1, "stop": 1e9, "step": 1e-3}, "more than"),
    ("grid.batch_size", ..., "exactly one of batch_size and batch_ratio"),
    ("grid.batch_ratio", [1.0], "exactly one of batch_size and batch_ratio"),
    ("grid.replicas", 0, "greater than 0"),
    ("grid.replicas", True, "grid.replicas"),
    ("grid.temperature", [1.0], "means nothing"),
    ("grid.degree", [3], "exactly one of system.wiring.degree and grid.degree"),
    ("system.wiring.degree", ..., "exactly one of system.wiring.degree and grid.degree"),
    ("system.wiring.degree", 4, "odd"),
    ("system.wiring.degree", 11, "degree 11 is larger than size 9"),
    ("system.wiring.kind", "small-world", "system.wiring"),
    ("system.wiring", {"kind": "tree", "degree": 5}, "tree with degree 5"),
    ("system.initial_overlap", 1.5, "less than or equal to 1"),
    ("system.output", "both", "system.output"),
    ("system.weights", "continuous", "no gradient"),
    ("system.weights", "ternary", "dense student"),
    ("system.student_wiring", {"kind": "dense"}, "ternary"),
    ("system.activation", "relu", "count wrong signs"),
    ("system", DENSE | {"weights": "ternary", "student_wiring": {"kind": "dense"}}, "sparse"),
    ("system", DENSE | {"learned_layers": "first"}, "outputs equal"),
    ("system", TERNARY | {"initial_overlap": -0.5}, "no opposite student"),
    ("system", DENSE | {"student_wiring": {"kind": "dense", "hidden_units": 4}}, "unit reads 4"),
    ("system.inputs", {"kind": "patterns", "count": 1}, "a batch of 2 distinct patterns"),
    ("system.inputs", {"kind": "patterns", "count": 9, "label_noise": 0.6}, "the opposite"),
    ("dynamics", {"kind": "sgd", "learning_rate": {"base": 0.1}}, "continuous weights"),
    ("dynamics", {"kind": "metropolis"}, "dynamics.temperature"),
    ("dynamics", {"kind": "metropolis", "temperature": 0}, "greater than 0"),
    ("dynamics.ties", "maybe", "dynamics"),
    ("measurement.duration", 0, "greater than 0"),
    ("measurement.times", {"kind": "list", "values": [5]}, "last listed time"),
    ("seed.study", -1, "greater than or equal to 0"),
    ("title", ..., "'title' is missing"),
    ("title", "", "title"),
    ("grid.batch_size", ["4"], "grid.batch_size.0: must be a number"),
    ("grid.batch_size", [True], "grid.batch_size.0: must be a number"),
    ("grid.size", [2**70], "grid.size.0: must be less than"),
    ("grid.size", "9", "grid.size: must be a list of values"),
    ("grid.replicas", 10**10, "3.1e+08 cells, more than 1e+08"),
    ("system.depth", 10**9, "system.depth: must be less than or equal to 1000"),
    ("system.weights", "w" * 999, "(given: 'www"),
    ("system.inputs", "binary", "system.inputs: must be a table of fields"),
    ("measurement.sharpness", "yes", "measurement.sharpness: must be true or false"),
    # A file knows no table of the name of a kind, and a slip has a likely cure.
    ("system.wiring.degre", 3, "unknown field 'system.wiring.degre'; did you mean 'degree'?"),
    ("dynamics.lr", 3, "unknown field 'dynamics.lr'; there are kind, ties, refresh"),
    ("dynamics.kind", ..., "field 'dynamics.kind' is missing"),
    ("dynamics.kind", "anneal", "dynamics.kind: must be one of 'greedy', 'metropolis', 'sgd'"),
    ("measurement.times", {"kind": "linear"}, "field 'measurement.times.every' is missing"),
    (
        "system",
        TERNARY | {"depth": 1, "student_wiring": {"kind": "dense", "hidden_units": 5}},
        "a student of depth 1 has no hidden units",
    ),
    ("system", DENSE | {"depth": 1, "output": "scalar"}, "depth 1 has no hidden units"),
]


@pytest.mark.parametrize(("path", "value", "words"), WRONG)
def test_wrong_fields_are_refused_in_one_line(path: str, value: object, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        Study.from_dict(changed(path, value), where="file.toml")
    line = str(caught.value)
    assert words in line
    assert line.startswith("file.toml: ")
    assert "\n" not in line
    assert "pydantic" not in line
    assert len(line) < 300


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rounding": "alternating"}, "rounding 'alternating' needs a constant batch_schedule"),
        ({"sampling": "epochs"}, "sampling 'epochs' needs a constant batch_schedule"),
        ({"batch_schedule": {"kind": "ramp", "to": 2**24, "steps": 5}}, "is above 16777216"),
        (
            {"batch_schedule": {"kind": "ramp", "to": 2, "steps": 10**7}},
            "settles within 1000000 of them",
        ),
    ],
)
def test_schedules_that_sweeps_cannot_follow(fields: dict[str, Any], words: str) -> None:
    content = changed("measurement.duration", 10**8)
    content["system"]["inputs"] = {"kind": "patterns", "count": 10_000}
    ramp = {"kind": "ramp", "to": 2, "steps": 50}
    content["dynamics"] = {**content["dynamics"], "batch_schedule": ramp}
    Study.from_dict(content)
    content["dynamics"].update(fields)
    with pytest.raises(StudyError, match=words):
        Study.from_dict(content)


def test_batches_beyond_the_limit_are_refused_by_ratio_as_well() -> None:
    """A batch of more than 2^24 samples, however it is written."""
    content = changed("grid.batch_size", ...)
    content["grid"]["batch_ratio"] = [2.0**24 / 9]
    assert Study.from_dict(content).grid.control == "batch_ratio"
    content["grid"]["batch_ratio"] = [2.0**25 / 9]
    with pytest.raises(StudyError, match="above 16777216 samples"):
        Study.from_dict(content)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("grid.initial_overlap", [0.0, 0.5], "no teacher to start from"),
        ("system.teacher_vectors", "orthogonal", "teacher_vectors does not fit"),
        ("system.teacher_activation", "erf", "teacher_activation does not fit"),
        ("system.field_scaling", "sqrt_fan_in", "field_scaling does not fit"),
        ("system.depth", 5, "two layers of filters"),
    ],
)
def test_classifiers_refuse_what_they_would_ignore(path: str, value: object, words: str) -> None:
    """The data would carry a choice that nobody had made."""
    content = catalogue.study("digits-convolution").model_dump(mode="json", exclude_defaults=True)
    *folders, name = path.split(".")
    section = content
    for folder in folders:
        section = section[folder]
    section[name] = value
    with pytest.raises(StudyError, match=words):
        Study.from_dict(content)


@pytest.mark.parametrize(
    "system",
    [
        TERNARY,
        DENSE,
        DENSE | {"output": "scalar", "learned_layers": "first"},
        DENSE | {"output": "scalar", "student_wiring": {"kind": "dense", "hidden_units": 5}},
        {"wiring": {"kind": "tree", "degree": 9}, "depth": 1, "inputs": {"kind": "gaussian"}},
        {"wiring": {"kind": "regular", "degree": 3}, "inputs": {"kind": "patterns", "count": 2}},
    ],
    ids=str,
)
def test_general_discrete_systems_are_built(system: dict[str, Any]) -> None:
    assert len(plan_of(require_built(Study.from_dict(changed("system", system))))) == 1


def test_gaussian_inputs_allow_an_even_first_fan_in() -> None:
    """The sum of an even number of Gaussian terms is no tie; the layers above stay odd."""
    system = {"wiring": {"kind": "tree", "degree": 4}, "depth": 1, "inputs": {"kind": "gaussian"}}
    content = changed("system", system)
    content["grid"]["size"] = [8]
    assert Study.from_dict(content).architecture(8, 4).layers[0].fan_in == 4
    content["system"]["depth"] = 2
    content["grid"]["size"] = [16]
    with pytest.raises(StudyError, match="layer 2"):
        Study.from_dict(content)


def test_even_scalar_fan_in_is_refused() -> None:
    content = changed("system", {"output": "scalar", "wiring": {"kind": "tree", "degree": 3}})
    content["grid"]["size"] = [12]
    with pytest.raises(StudyError, match="scalar output reads 4"):
        Study.from_dict(content)


def test_what_is_not_built_is_refused_by_name() -> None:
    study = Study.from_dict(changed("measurement.sharpness", True))
    with pytest.raises(NotBuiltError, match=r"not implemented: measurement\.sharpness"):
        require_built(study)
    content = changed("grid.replicas_per_graph", 2)
    content["system"]["inputs"] = {"kind": "patterns", "of": "binary", "count": 64}
    with pytest.raises(NotBuiltError, match=r"not implemented: grid\.replicas_per_graph"):
        require_built(Study.from_dict(content))


@pytest.mark.parametrize(("rule", "rate"), [("fixed", 0.5), ("per-sample", 8.0), ("sqrt", 2.0)])
def test_learning_rate_rules(rule: str, rate: float) -> None:
    content = changed("system.weights", "continuous")
    content["system"]["activation"] = "erf"
    content["dynamics"] = {"kind": "sgd", "learning_rate": {"rule": rule, "base": 0.5}}
    points = GridPoints(require_built(Study.from_dict(content)))
    assert points.at({"size": 9, "batch_size": 16.0}).learning_rate == rate


@pytest.mark.parametrize("name", catalogue.names())
def test_every_catalogue_study_can_be_run(name: str) -> None:
    study = require_built(catalogue.study(name))
    assert len(plan_of(study)) > 0


def test_unknown_catalogue_name_lists_the_known_ones() -> None:
    with pytest.raises(StudyError, match="greedy-unit"):
        catalogue.study("nothing")


def test_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    for content in (b"[broken", b"\xff\xfe\x00", b"\x00" * 10):
        path.write_bytes(content)
        with pytest.raises(StudyError, match="not a TOML file"):
            Study.from_toml(path)
    with pytest.raises(StudyError, match="cannot read"):
        Study.from_toml(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{'a.' * 20_000}b = 1", "line 2 has a key of more than 500 parts"),
        (f"[{'a . ' * 20_000}b]", "line 2 has a key of more than 500 parts"),
        (f"seed = {'9' * 5000}", "not a TOML file"),
        (f"title2 = 1\nmeasurement.duration = 0x{'f' * 5000}", "problems"),
        (f"description = 0x{'f' * 5000}", r"description: must be .*0xfff.*\.\.\."),
        (f"deep = {'[' * 50_000}", "not a TOML file"),
    ],
    ids=["dotted key", "dotted table", "integer", "hexadecimal", "given", "nested"],
)
def test_what_would_take_a_parser_long_is_refused(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(f'title = "x ... y"\n{line}\n')
    with pytest.raises(StudyError, match=words):
        Study.from_toml(tmp_path / "study.toml")
