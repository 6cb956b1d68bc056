"""Flags are of listed kinds; their words travel, their kinds are found again."""

from __future__ import annotations

import json
import pickle
import runpy
from pathlib import Path

import pytest

from physbatch.results import FLAGS, Estimate, Flag, flag_names, flags

_SCRIPT = Path(__file__).parents[3] / "docs" / "_scripts" / "flags_page.py"


def test_words_are_those_that_are_printed_and_stored() -> None:
    flag = flags.BAD_FIT("chi2/dof = 30.1/12")
    assert flag == "bad_fit: chi2/dof = 30.1/12"
    assert json.dumps([flag]) == '["bad_fit: chi2/dof = 30.1/12"]'
    assert (flag.name, flag.text, flag.kind) == ("bad_fit", "chi2/dof = 30.1/12", flags.BAD_FIT)
    assert flags.BAD_FIT.among((flag,))
    assert not flags.AT_BOUND.among((flag,))


@pytest.mark.parametrize("kind", FLAGS.values(), ids=FLAGS)
def test_every_kind_comes_back_from_a_file_and_from_another_process(kind: flags.FlagKind) -> None:
    flag = kind("words: with a colon")
    for back in (Flag.read(str(flag)), pickle.loads(pickle.dumps(flag))):
        assert (back, back.name, back.text) == (flag, flag.name, flag.text)
        assert back.kind is kind
    assert getattr(flags, kind.name.upper(), None) is kind or kind.name == "unknown"
    assert all(text.endswith(".") and "\n" not in text for text in (kind.meaning, kind.remedy))


def test_names_are_sorted_and_unique() -> None:
    assert list(FLAGS) == sorted(set(FLAGS))
    with pytest.raises(ValueError, match="bad_fit"):
        flags.FlagKind("A.", "B.").named("bad_fit")


@pytest.mark.parametrize(
    ("words", "name", "text"),
    [
        ("newer: 3 of 4", "newer", "3 of 4"),
        ("no_data at N = 50, m = 2", "no_data", "at N = 50, m = 2"),
        ("no_passage at N = 50: none", "no_passage", "at N = 50: none"),
        ("odd", "odd", ""),
        ("several words: more", "", "several words: more"),
        ("replicas at N = 50 are odd", "", "replicas at N = 50 are odd"),
        ("", "", ""),
    ],
)
def test_words_of_others_are_kept(words: str, name: str, text: str) -> None:
    flag = Flag.read(words)
    assert (str(flag), flag.name, flag.text) == (words, name, text)
    assert (flag.kind.name == "unknown") == (name not in FLAGS)


def test_places_are_added_to_the_words() -> None:
    flag = flags.NO_PEAK("too few points")
    assert flag.at("L = 8") == "no_peak: too few points at L = 8"
    assert flag.of("L = 8") == "no_peak: L = 8: too few points"
    assert {flag.at("x").kind, flag.of("x").kind} == {flags.NO_PEAK}


def test_names_are_listed_once() -> None:
    one, other = flags.FLAT("a"), flags.BIMODAL("b")
    assert flag_names((one, other, flags.FLAT("c"))) == ("flat", "bimodal")
    assert repr(Estimate(1.0, 0.3, flags=("x: y",))) == "1.00(30) [x]"


def test_the_page_lists_every_flag() -> None:
    script = runpy.run_path(str(_SCRIPT))
    page = script["PAGE"].read_text(encoding="utf-8")
    assert page == script["flags_page"](), "run python docs/_scripts/flags_page.py"
