"""Which theory holds for a study, what it says, and why none does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.exact import greedy_unit, sparse
from physbatch.files import save
from physbatch.study import Study, catalogue
from physbatch.theory import predict


def test_greedy_unit_is_the_exact_chain() -> None:
    found = predict(catalogue.study("greedy-unit", batch_size=[2, 10]))
    for m, value in zip((2, 10), found.value, strict=True):
        law = greedy_unit.stationary_law(3, m)
        assert value == pytest.approx(greedy_unit.overlap_and_perfect(law)[0], abs=1e-9)


def test_several_units_wait_for_each_other() -> None:
    """Of 5 units each gets a binomial number of proposals, so that early times differ."""
    changes = {"size": [15], "batch_size": [3.5], "duration": 2, "times": {"kind": "log"}}
    found = predict(catalogue.study("greedy-unit", **changes))
    step = greedy_unit.transition_matrix(3, 3.5)
    chances = [math.comb(30, k) * 0.2**k * 0.8 ** (30 - k) for k in range(31)]
    law = sum(
        chance * greedy_unit.initial_law(3) @ np.linalg.matrix_power(step, k)
        for k, chance in enumerate(chances)
    )
    assert found.value[0] == pytest.approx(greedy_unit.overlap_and_perfect(law)[0], abs=1e-12)


def test_sparse_network() -> None:
    found = predict(catalogue.study("sparse-proposal-3", batch_size=[3.0, 6.0], size=[50, 200]))
    assert found.value[:2] == pytest.approx([0.3018, 1.0], abs=1e-3)
    np.testing.assert_array_equal(found.value[:2], found.value[2:])
    assert found["m_s, d = 3, star closure"].value == sparse.spinodal(3).batch_size
    assert "N -> infinity" in str(found)


def test_many_legs() -> None:
    found = predict(catalogue.study("sparse-proposal-9", batch_size=[81.0, 140.0], size=[200]))
    assert found.value[0] == pytest.approx(sparse.scaled_overlap(1.0))
    assert math.isnan(found.value[1])
    assert found["m_s, d = 9, 1.6085 d^2"].value == pytest.approx(130.29, abs=0.01)


def test_linear_student() -> None:
    """The growth changes sign at eta (N + 1)/(2 - eta), also in the scaled convention."""
    study = catalogue.study("linear-sgd", size=[20], batch_ratio=[1.0, 1.05, 1.1])
    found = predict(study)
    assert np.sign(found.value.round(12)).tolist() == [1, 0, -1]
    content = study.model_dump(mode="json", exclude_none=True)
    content["system"]["field_scaling"] = "sqrt_fan_in"
    content["dynamics"]["learning_rate"]["base"] *= 20
    np.testing.assert_allclose(predict(Study.from_dict(content)).value, found.value, atol=1e-12)


def test_committee() -> None:
    found = predict(catalogue.study("erf-committee", size=[100], batch_size=[4.75, 5.25]))
    assert found.value[0] > 0 > found.value[1]
    assert next(iter(found.thresholds.values())).value == pytest.approx(5, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sparse-vector", "remembered"),
        ("deep-sparse", "depth must be 2"),
        ("independent-units", "fresh for every proposal"),
        ("dense-sgd", "soft committee"),
    ],
)
def test_no_theory_says_why(name: str, words: str) -> None:
    with pytest.raises(AnalysisError, match=words):
        predict(catalogue.study(name))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "study.toml"
    small = {"size": [12, 18], "batch_size": [2, 4, 8], "replicas": 8, "duration": 8}
    study = catalogue.study("sparse-proposal-3", **small)
    file.write_text(study.to_toml())
    saved = tmp_path / "theory.nc"
    assert main(["predict", str(file), "-o", str(saved)]) == 0
    assert "star closure" in capsys.readouterr().out
    assert saved.exists()
    data = tmp_path / "data.nc"
    drawn = sparse.simulate_dataset([12, 18], 3, [2, 4, 8], [2, 8], replicas=8)
    save(drawn.assign_attrs(study=study.canonical_json()), data)
    assert main(["predict", str(data), "--json"]) == 0
    capsys.readouterr()
    assert main(["predict", "sparse-vector"]) == 2
    assert "no theory" in capsys.readouterr().err


def test_choices_that_no_theory_knows_are_refused() -> None:
    content = catalogue.study("sparse-proposal-3").model_dump(mode="json", exclude_none=True)
    content["dynamics"]["order"] = "sequential"
    with pytest.raises(AnalysisError, match=r"leave dynamics\.order at its default"):
        predict(Study.from_dict(content))
