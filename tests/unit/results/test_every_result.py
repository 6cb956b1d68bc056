"""Every class of results: written, read, exported, reported, drawn, and its JSON of one shape."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.exact import curie_weiss
from physbatch.noise import LateSharpness
from physbatch.plots import draw, has_pictures
from physbatch.report import render_page
from physbatch.results import (
    Estimate,
    Flag,
    Record,
    flags,
    open_results,
    result_classes,
    write_results,
)
from physbatch.results.fields import Field, fields_of
from physbatch.scaling import (
    find_coexistence,
    find_crossings,
    fit_exponents,
    fit_law,
    law,
    make_table,
    reweight,
)
from physbatch.study.catalogue import study
from physbatch.theory import predict
from tests.compat import results as by_hand
from tests.unit.plots.synthetic import make_analysis

_SCHEMA = Path(__file__).parents[3] / "docs" / "results.schema.json"
_LENGTHS = {"parameter": 2, "replica": 4}
_FLAG = flags.BAD_FIT("chi2/dof = 30.1/12")


def _law() -> Record:
    size = np.array([8.0, 16.0, 32.0, 64.0])
    return fit_law(size, 0.1 * size, 0.01 * size, [law("power"), law("shifted", phi=1.0)])


def _crossings() -> Record:
    return find_crossings(curie_weiss.table((32, 64, 128), np.linspace(0.9, 1.2, 9)), resamples=50)


def _sharpness() -> Record:
    known, unknown = Estimate(13.0, 1.3, flags=(_FLAG,)), Estimate(float("nan"))
    lines = {"2/eta": 100.0}
    return LateSharpness(np.array([4.0, 64.0]), (known, known), (known, unknown), lines, (_FLAG,))


def _exponents() -> Record:
    size, x = np.repeat([8.0, 16.0, 32.0, 64.0], 9), np.tile(np.linspace(-1.0, 1.0, 9), 4)
    height = size**1.75 * (1.0 - 0.3 * x**2)
    table = make_table(size, 1.0 + x / size, {"chi": height}, {"chi": 0.01 * height})
    return fit_exponents(table)


def _reweighting() -> Record:
    beta = np.repeat([0.0, 1.0], 500)
    up = np.random.default_rng(1).binomial(10, 1 / (1 + np.exp(-2 * beta)))
    columns = {"N": np.full(1000, 10.0), "beta": beta, "E": 10.0 - 2 * up}
    return reweight(columns, at=[0.2, 0.5, 0.8], resamples=50)


def _coexistence() -> Record:
    generator = np.random.default_rng(1)
    phase = np.where(generator.random(2000) < 0.5, -60.0, -40.0)
    columns = {"L": np.full(2000, 10.0), "beta": np.ones(2000)}
    columns["E"] = phase + 4.0 * generator.standard_normal(2000)
    return find_coexistence(columns, resamples=50, space_dimension=2)


#: Results whose parts must fit together; all others are made of their types.
FACTORIES: dict[str, Callable[[], Record]] = {
    "analysis": make_analysis,
    "jump": lambda: by_hand.analysis().jumps[0],
    "collapse": by_hand.collapse,
    "transition order": by_hand.order,
    "scaling fit": _law,
    "reweighting": _reweighting,
    "coexistence": _coexistence,
    "crossings": _crossings,
    "sharpness": _sharpness,
    "law": lambda: law("shifted", phi=0.5),
    "exponents": _exponents,
    "prediction": lambda: predict(study("linear-sgd", size=[20], batch_ratio=[0.5, 1.0])),
    "extrapolation": lambda: by_hand.analysis().m_c_extrapolation,  # type: ignore[return-value]
}


def _value(field: Field, number: int) -> Any:
    """Something that a field may hold."""
    shape = tuple(_LENGTHS.get(dim, 3) for dim in field.dims)
    estimate = Estimate(1.5 + number, 0.25, 0.1, (1.25, 1.75), (_FLAG,))
    parts = field.inner
    made: dict[str, Callable[[], Any]] = {
        "scalar": lambda: parts("1") if parts is str else parts(1.5 + number),
        "estimate": lambda: estimate,
        "flags": lambda: (_FLAG, Flag.read("no_data at N = 50")),
        "texts": lambda: ("first", "second: µ"),
        "numbers": lambda: (1.0, float("nan")),
        "estimates": lambda: (estimate, Estimate(float("nan"))),
        "pairs": lambda: (("phi", 0.5),),
        "mapping": lambda: {"a": estimate if parts is Estimate else parts(2)},
        "array": lambda: np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(_dtype(field)),
        "dataset": lambda: xr.Dataset({"y": ("time", [1.0, 2.0])}, coords={"time": [1.0, 2.0]}),
        "part": lambda: _make(parts),
        "parts": lambda: (_make(parts), _make(parts)),
        "named": lambda: _make(parts),
    }
    return made[field.way]()


def _dtype(field: Field) -> Any:
    return field.inner.__args__[1].__args__[0]


def _make(cls: Any) -> Any:
    kind = getattr(cls, "kind", "")
    if kind in FACTORIES:
        return FACTORIES[kind]()
    return cls(**{f.name: _value(f, number) for number, f in enumerate(fields_of(cls))})


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_SCHEMA.read_text("utf-8"))
    return found


@pytest.mark.parametrize("kind", sorted(result_classes()))
def test_every_result_goes_everywhere(kind: str, tmp_path: Path, schema: dict[str, Any]) -> None:
    result = _make(result_classes()[kind])
    path = result.save(tmp_path / "result.nc")
    back = open_results(path)
    assert type(back) is type(result)
    assert back.identical(result)
    assert repr(back) == repr(result)
    assert pickle.loads(pickle.dumps(result)) == result == back
    assert hash(back) == hash(result)
    frames = [result.to_dataframe(), *map(result.to_dataframe, result.to_tables())]
    assert list(frames[0].index) == list(result.stated()) or not result.stated()

    with xr.open_dataset(path) as root:
        assert all(dim in root.coords for dim in root.dims)
        assert root.attrs["physbatch_kind"] == kind
    with xr.open_datatree(path) as tree:
        for node in tree.subtree:
            assert all(isinstance(v, (str, int, float, np.number)) for v in node.attrs.values())
            assert node.to_dataset().to_dataframe().memory_usage(deep=True).sum() < 100e6

    for suffix in ("csv", "tex", "html"):
        table = write_results(tmp_path / f"table.{suffix}", result).read_text("utf-8")
        assert main(["export", str(path), "-o", str(tmp_path / f"again.{suffix}")]) == 0
        assert (tmp_path / f"again.{suffix}").read_text("utf-8") == table
    assert render_page(back).startswith("<!doctype html>")

    document = json.loads(json.dumps(back.to_json(), allow_nan=False))
    assert document == json.loads(json.dumps(result.to_json(), allow_nan=False))
    _validate(document, schema, schema)
    if has_pictures(back):
        assert draw(back).axes
    else:
        with pytest.raises(AnalysisError, match=f"{type(back).__name__} has no figure of its own"):
            draw(back)


@pytest.mark.parametrize("kind", sorted(result_classes()))
def test_a_misspelt_name_is_an_error_with_near_names(kind: str) -> None:
    result = _make(result_classes()[kind])
    with pytest.raises(KeyError, match="no 'nuu-nothing'"):
        result["nuu-nothing"]
    for name, estimate in result.stated().items() if kind != "transition order" else ():
        assert result[name] is estimate or result[name] == estimate


def test_the_near_name_of_nu_is_told() -> None:
    result = by_hand.collapse()
    assert (result["nu"].value, result["nu"].stderr) == (1.0, 0.05)
    with pytest.raises(KeyError, match=r"\bnu\b"):
        result["nuu"]


def _validate(document: Any, rule: dict[str, Any], schema: dict[str, Any]) -> None:
    """The part of JSON Schema that results.schema.json uses."""
    if "$ref" in rule:
        rule = schema["$defs"][rule["$ref"].rpartition("/")[2]]
    types = {
        "object": dict, "array": list, "string": str, "null": type(None), "integer": int,
        "number": (int, float),
    }  # fmt: skip
    wanted = rule.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    assert not wanted or any(isinstance(document, types[name]) for name in wanted), document
    assert document == rule.get("const", document)
    if isinstance(document, list):
        assert rule.get("minItems", 0) <= len(document) <= rule.get("maxItems", len(document))
        for item in document:
            _validate(item, rule.get("items", {}), schema)
    if isinstance(document, dict):
        assert set(rule.get("required", ())) <= set(document)
        others = rule.get("additionalProperties", {})
        for name, item in document.items():
            assert others is not False or name in rule["properties"], name
            _validate(item, rule.get("properties", {}).get(name, others), schema)
