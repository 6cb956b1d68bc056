"""The shipped tasks: matched pairs agree with themselves, all learn, and say what they promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from physbatch import tasks
from physbatch.dynamics.task.draw import Draw, Use
from physbatch.engines import GridPoints, engine_for, revision_of
from physbatch.engines.task_code import runs_own_code, source_of
from physbatch.errors import StudyError
from physbatch.study import Study, catalogue
from physbatch.systems.function_space import compare_functions
from physbatch.systems.samples import load_samples

MATCHED = ("Linear", "MLP", "CNN", "LSTM", "Attention", "GPT", "Hermite")


def draw_of(replica: int = 0, use: Use = "training", occasion: int = 0) -> Draw:
    return Draw(7, occasion, replica, torch.float64, use)


@pytest.fixture(autouse=True)
def _double() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", MATCHED)
def test_a_student_that_is_its_teacher_has_overlap_one(name: str) -> None:
    task: Any = getattr(tasks, name)()
    x = task.inputs(200, 16, draw_of(use="probe"))
    teacher = task.teacher(16, draw_of(use="teacher"))
    alike, other = ({n: w.clone() for n, w in teacher.items()}, task.student(16, draw_of(1)))
    targets = task.teacher_forward(teacher, x)
    same = compare_functions(task.forward(alike, x)[None], targets[None])
    assert float(same.overlap[0]) == pytest.approx(1.0, abs=1e-12)
    assert float(same.error[0]) == 0.0
    assert abs(compare_functions(task.forward(other, x)[None], targets[None]).overlap[0]) < 0.9


#: Options that make no sense, and what is said of them.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Linear", {"noise": -1.0}, r"noise = -1.0 is no number of at least 0"),
    ("Linear", {"noise": "much"}, r"noise = 'much' is no number"),
    ("PowerLaw", {"decay": -0.5}, r"decay = -0.5 is no number"),
    ("MLP", {"depth": -1}, r"depth = -1 is no whole number of at least 0"),
    ("MLP", {"hidden": 2.5}, r"hidden = 2.5 is no whole number"),
    ("CNN", {"channels": True}, r"channels = True is no whole number"),
    ("LSTM", {"length": 0}, r"length = 0"),
    ("Attention", {"rank": 0}, r"rank = 0"),
    ("GPT", {"vocabulary": 1}, r"vocabulary = 1 is no whole number of at least 2"),
    ("Hermite", {"degree": 0}, r"degree = 0"),
    ("SparseParity", {"k": 0}, r"k = 0"),
    ("MultiIndex", {"directions": 0}, r"directions = 0"),
    ("ModularAddition", {"hidden": 0}, r"hidden = 0"),
    ("HiddenManifold", {"latent": 0}, r"latent = 0"),
    ("GaussianMixture", {"distance": -1}, r"distance = -1"),
    ("Digits", {"noise": 2.0}, r"noise = 2.0 is a part of the labels, at most 1"),
]


@pytest.mark.parametrize(("name", "options", "words"), REFUSED)
def test_options_that_make_no_sense_are_refused(
    name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(tasks, name)(**options)


#: Size, options, learning rate, steps and optimizer with which a student learns in a blink, with
#: 32 samples in a batch.
LEARNED: dict[str, tuple[int, dict[str, Any], float, int, str]] = {
    "Linear": (8, {}, 4.0, 20, "sgd"),
    "MLP": (8, {"depth": 3, "hidden": 4}, 0.1, 60, "adam"),
    "CNN": (16, {"channels": 2}, 0.1, 60, "adam"),
    "LSTM": (4, {"length": 3, "hidden": 2}, 0.1, 60, "adam"),
    "Attention": (4, {"length": 3, "rank": 1}, 0.1, 60, "adam"),
    "GPT": (4, {"vocabulary": 4, "length": 3}, 0.1, 60, "adam"),
    "SparseParity": (4, {"hidden": 16}, 0.1, 80, "adam"),
    "ModularAddition": (3, {"hidden": 24}, 0.1, 80, "adam"),
    "Hermite": (4, {}, 0.1, 60, "adam"),
    "MultiIndex": (4, {"hidden": 16}, 0.1, 60, "adam"),
    "GaussianMixture": (4, {"hidden": 8}, 0.1, 60, "adam"),
    "PowerLaw": (4, {"noise": 0.5}, 0.1, 60, "adam"),
    "HiddenManifold": (16, {"hidden": 4}, 0.1, 60, "adam"),
    "Digits": (64, {"noise": 0.1, "hidden": 16}, 0.05, 60, "adam"),
}


def small(name: str, steps: int | None = None) -> Study:
    size, options, rate, most, optimizer = LEARNED[name]
    duration = most if steps is None else steps
    content = {
        "title": name,
        "system": {
            "kind": "torch",
            "task": f"physbatch.tasks:{name}",
            "options": options,
            "lanes": 8,
        },
        "dynamics": {"kind": "sgd", "optimizer": optimizer, "learning_rate": {"base": rate}},
        "grid": {"size": [size], "batch_size": [32], "replicas": 8},
        "measurement": {
            "duration": duration,
            "times": {"kind": "list", "values": [0, duration]},
            "test_samples": 64,
        },
    }
    return Study.from_dict(content)


def test_every_task_is_here() -> None:
    assert set(LEARNED) == set(tasks.__all__)


@pytest.mark.parametrize("name", LEARNED)
def test_a_large_batch_raises_the_overlap(name: str) -> None:
    study = small(name)
    point = GridPoints(study).at({"size": study.grid.size[0], "batch_size": 32.0}, replicas=8)
    measured = engine_for(study).simulate(point, "cpu")
    for variable, values in measured.items():
        if values.ndim == 2 and variable != "replica_overlap":
            assert np.isfinite(values).all(), variable
            assert values.shape == (8, 2)
    # Eight replicas at a difference of several deviations of each: never by chance.
    start, end = measured["overlap"].mean(axis=0)
    assert end > start + 0.25, (start, end)
    assert (measured["status"] == 0).all()


@pytest.mark.parametrize("name", LEARNED)
def test_a_study_of_the_catalogue_names_it(name: str) -> None:
    studies = [catalogue.study(n) for n in catalogue.names() if n.startswith("task-")]
    (study,) = [s for s in studies if s.system.task == f"physbatch.tasks:{name}"]
    assert len(study.grid.batch_size or ()) >= 5
    assert not runs_own_code(study)
    assert engine_for(study).variables(study)["overlap"]


def test_the_hash_is_that_of_the_file_of_the_task() -> None:
    source = source_of("physbatch.tasks:MLP")
    assert source == source_of("physbatch.tasks.mlp:MLP")
    assert source.path.name == "mlp.py"
    assert source.digest in revision_of(small("MLP"))
    assert "cosine" in engine_for(small("Hermite")).variables(small("Hermite"))


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("MLP", {"activation": "sin"}, 4),
        ("MultiIndex", {"link": "sum"}, 4),
        ("GaussianMixture", {"centres": "ring"}, 4),
        ("CNN", {}, 9),
        ("GPT", {"heads": 3}, 4),
        ("SparseParity", {"k": 5}, 4),
        ("MultiIndex", {"directions": 5}, 4),
        ("Digits", {}, 65),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, options: dict[str, Any], size: int) -> None:
    content = small(name).model_dump(mode="json", exclude_defaults=True)
    content["system"]["options"] = options
    content["grid"]["size"] = [size]
    study = Study.from_dict(content)
    with pytest.raises(StudyError, match=r"tasks/\w+\.py"):
        engine_for(study).compile([GridPoints(study).at({"size": size, "batch_size": 32.0})])


# --- each task against what is known -----------------------------------------------------


def test_a_network_without_hidden_layers_is_linear() -> None:
    x = draw_of().normal(5, 6)
    w = draw_of(1).normal(6)
    linear, mlp = tasks.Linear().forward({"w": w}, x), tasks.MLP(depth=0).forward({"v": w}, x)
    torch.testing.assert_close(linear, mlp, rtol=1e-14, atol=0)


def test_the_cell_is_that_of_torch() -> None:
    size, hidden = 5, 3
    task = tasks.LSTM(length=4, hidden=hidden)
    p, x = task.student(size, draw_of()), task.inputs(6, size, draw_of(1))
    theirs = nn.LSTM(size, hidden, bias=False, batch_first=True)
    # torch has its gates in the order i, f, g, o.
    order = torch.cat([torch.arange(hidden) + hidden * part for part in (0, 1, 3, 2)])
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(p["w"][order] / size**0.5)
        theirs.weight_hh_l0.copy_(p["u"][order] / hidden**0.5)
        expected = theirs(x)[0][:, -1] @ p["v"] / hidden**0.5
    torch.testing.assert_close(task.forward(p, x), expected, rtol=1e-12, atol=1e-14)


def test_attention_is_that_of_torch() -> None:
    task = tasks.Attention(length=5, rank=2)
    p, x = task.student(7, draw_of()), task.inputs(3, 7, draw_of(1))
    z = x / 7**0.5
    expected = nn.functional.scaled_dot_product_attention(
        z @ p["q"].T, z @ p["k"].T, (z @ p["v"])[..., None]
    )[..., 0]
    torch.testing.assert_close(task.forward(p, x), expected, rtol=1e-12, atol=1e-14)


def test_a_language_model_sees_the_past_alone() -> None:
    task = tasks.GPT(vocabulary=6, length=4)
    p, x = task.student(8, draw_of()), task.inputs(50, 8, draw_of(1))
    changed = x.clone()
    changed[:, 2] = (x[:, 2] + 1) % 6
    difference = (task.forward(p, x) - task.forward(p, changed)).abs().amax(dim=(0, 2))
    assert difference[:2].max() == 0.0
    assert difference[2:].min() > 1e-3


def test_a_parity_is_a_product() -> None:
    x = torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]])
    said = tasks.SparseParity(k=2).teacher_forward({"index": torch.tensor([0, 2])}, x)
    assert said.tolist() == [-1.0, -1.0]


def test_sums_are_modulo_n() -> None:
    x = tasks.ModularAddition().inputs(400, 5, draw_of())
    assert torch.equal(x["sum"], (x["pairs"][:, 0] + x["pairs"][:, 1]) % 5)
    assert {tuple(pair) for pair in x["pairs"].tolist()} == {
        (a, b) for a in range(5) for b in range(5)
    }


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_hermite_polynomials_and_the_overlap_of_two(k: int) -> None:
    """<f_s f_t> = cos^k, here with the nodes of Gauss and Hermite in two dimensions: exact."""
    task = tasks.Hermite(degree=k)
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(8))
    x = torch.cartesian_prod(nodes, nodes)
    measure = torch.outer(weights, weights).flatten() / (2 * math.pi)
    student, teacher = {"w": torch.tensor([0.6, 0.8])}, {"w": torch.tensor([2.0, 0.0])}
    f, t = task.forward(student, x), task.teacher_forward(teacher, x)
    assert float(measure @ f**2) == pytest.approx(1.0, rel=1e-12)
    assert float(measure @ (f * t)) == pytest.approx(0.6**k, rel=1e-12)
    cosine = task.observables(student, teacher, x)["cosine"]
    assert float(cosine) == pytest.approx(0.6, rel=1e-14)


def test_a_staircase_and_a_product_of_orthonormal_directions() -> None:
    stairs, product = tasks.MultiIndex(directions=3), tasks.MultiIndex(3, link="product")
    p, x = stairs.teacher(6, draw_of()), stairs.inputs(4, 6, draw_of(1))
    torch.testing.assert_close(p["u"] @ p["u"].T, torch.eye(3), rtol=0, atol=1e-14)
    a, b, c = (x @ p["u"].T).unbind(dim=1)
    expected = (a + a * b + a * b * c) / 3**0.5
    torch.testing.assert_close(stairs.teacher_forward(p, x), expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(product.teacher_forward(p, x), a * b * c, rtol=1e-12, atol=1e-14)
    inside = {"w": draw_of(2).normal(5, 3) @ p["u"]}
    assert float(stairs.observables(inside, p, x)["subspace"]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(("centres", "mean"), [("pair", 3.0), ("xor", 0.0)])
def test_where_clouds_are(centres: str, mean: float) -> None:
    count = 20_000
    x = tasks.GaussianMixture(centres, distance=3.0).inputs(count, 4, draw_of())
    means = torch.stack([x["x"][x["class"] == label].mean(dim=0) for label in (0, 1)])
    expected = torch.tensor([[-mean, 0, 0, 0], [mean, 0, 0, 0]])
    # At most the variance 1 + d^2 of each number, and about half of the points in a class.
    assert (means - expected).abs().max() < 5 * (10 / (count / 2)) ** 0.5
    squares = x["x"].square().mean(dim=0)
    extra = torch.tensor([9.0, 0, 0, 0] if centres == "pair" else [4.5, 4.5, 0, 0])
    assert (squares - 1 - extra).abs().max() < 5 * (60 / count) ** 0.5


def test_inputs_lie_on_a_manifold_that_all_replicas_share() -> None:
    task = tasks.HiddenManifold(latent=3)
    first, second = (task.inputs(10, 12, draw_of(replica)) for replica in (0, 1))
    fields = torch.atanh(torch.cat([first["x"], second["x"]]))
    latent = torch.cat([first["latent"], second["latent"]])
    features = torch.linalg.lstsq(latent, fields).solution
    torch.testing.assert_close(latent @ features, fields, rtol=1e-7, atol=1e-7)


def test_digits_that_are_measured_on_are_never_learned() -> None:
    samples = load_samples("digits")
    x = torch.from_numpy(samples.inputs)
    x = (x - x.mean()) / x.std()
    task = tasks.Digits(noise=0.3)
    for use, rows in (("training", x[:1297]), ("probe", x[1297:])):
        drawn = task.inputs(40, 64, draw_of(use=use))["x"]
        assert (torch.cdist(drawn, rows).amin(dim=1) < 1e-5).all()


def test_the_noise_of_labels() -> None:
    targets, count = torch.zeros(20_000, dtype=torch.int64), 20_000
    noisy = tasks.Digits(noise=0.3).label_noise(targets, draw_of(use="noise"))
    changed, chance = float((noisy != 0).double().mean()), 0.27
    assert abs(changed - chance) < 5 * (chance * (1 - chance) / count) ** 0.5
    numbers: Tensor = draw_of().normal(count)
    residual = tasks.Linear(noise=0.5).label_noise(numbers, draw_of(1)) - numbers
    assert float(residual.std()) == pytest.approx(0.5, abs=5 * 0.5 / (2 * count) ** 0.5)
    assert tasks.Linear().label_noise(numbers, draw_of(1)) is numbers
