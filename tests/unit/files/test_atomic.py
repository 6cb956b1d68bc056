"""Files written whole or not at all, whatever lies in their way."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

import pytest

from physbatch.files import write_atomic
from physbatch.files.atomic import open_to_append, read_regular, set_aside


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even to one who guessed the temporary name."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    monkeypatch.setattr(secrets, "token_hex", lambda length: "0" * 2 * length)
    planted = tmp_path / f".x.{'0' * 16}.tmp"
    planted.symlink_to(victim)
    with pytest.raises(Exception, match="File exists"):
        write_atomic(tmp_path / "x", b"new")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "x").exists()
    (tmp_path / "index").symlink_to(victim)
    with pytest.raises(OSError, match="link"):
        open_to_append(tmp_path / "index")
    assert victim.read_text() == "mine"


def test_a_link_under_the_final_name_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "x").symlink_to(victim)
    write_atomic(tmp_path / "x", b"new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "x").read_bytes() == b"new"


def test_many_writers_of_one_process_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two containers have that share a folder; names do not depend on it."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(50):
                write_atomic(tmp_path / "x", bytes([number]) * 1000)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    content = (tmp_path / "x").read_bytes()
    assert content == content[:1] * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "absent"):
        with pytest.raises(OSError, match=r"regular|directory|No such"):
            read_regular(tmp_path / name)
    with pytest.raises(OSError, match=r"regular|No such device"):
        open_to_append(tmp_path / "pipe")


def test_what_is_set_aside_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x.damaged").mkdir()
    (tmp_path / "x.damaged" / "inside").write_text("")
    aside = set_aside(tmp_path / "x")
    assert aside.is_dir()
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "x.damaged" / "inside").exists()
