"""Atomic file writes: complete or unchanged, whatever fails or is killed."""

import errno
import hashlib
import json
import os
import random
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from vicinal.core.storage.files import (
    check_writable,
    make_directory,
    predictions_path,
    read_json,
    refuse_links,
    replace_file,
    replace_together,
    sha256,
    to_json,
    write_json,
    write_text,
)
from vicinal.errors import RunError, SettingError

LENGTH = 300_000


def fails(error: BaseException):
    """Write half a file, then raise."""

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    return write


def test_text_and_json_round_trip(tmp_path):
    write_text(tmp_path / "a.txt", "grüße\n")
    assert (tmp_path / "a.txt").read_bytes() == b"gr\xc3\xbc\xc3\x9fe\n"
    value = {"name": "Öl", "scores": [0.1, 1e-300, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "Öl" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_sha256_of_the_standard_example(tmp_path):
    # FIPS 180-2, appendix B.1
    write_text(tmp_path / "abc", "abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == known == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "error", [ValueError("mine"), KeyboardInterrupt(), MemoryError()]
)
def test_an_error_while_writing_keeps_the_old_file(tmp_path, error):
    write_text(tmp_path / "a", "old")
    with pytest.raises(type(error)) as caught:
        replace_file(tmp_path / "a", fails(error))
    assert caught.value is error
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        ValueError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_reported_and_keeps_the_old_file(tmp_path, error):
    write_text(tmp_path / "a", "old")
    with pytest.raises(RunError, match="disk is full") as caught:
        replace_file(tmp_path / "a", fails(error))
    assert str(tmp_path / "a") in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_mounted_disk_that_is_full(small_disk):
    write_text(small_disk / "a", "old")
    with pytest.raises(RunError, match="disk is full"):
        write_text(small_disk / "a", "new" * 1_000_000)
    assert [p.name for p in small_disk.iterdir()] == ["a"]
    assert (small_disk / "a").read_text() == "old"


def test_a_directory_that_cannot_be_written(tmp_path):
    write_text(tmp_path / "file", "")
    for path in (tmp_path / "file" / "below", tmp_path / "missing" / "below"):
        with pytest.raises(RunError, match=r"cannot be written.*may write to"):
            write_text(path, "text")
    with pytest.raises(RunError, match=r"cannot be written.*may write to"):
        make_directory(tmp_path / "file" / "below")


def test_a_symbolic_link_is_kept(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link, target = tmp_path / "link.csv", tmp_path / "elsewhere" / "out.csv"
    link.symlink_to(target)
    for text in ("first", "second"):
        write_text(link, text)
        assert link.is_symlink() and target.read_text() == text
    assert [p.name for p in target.parent.iterdir()] == ["out.csv"]


def test_a_directory_at_the_path_is_kept(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(RunError, match="cannot be written"):
        write_text(tmp_path / "a", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_directory_that_cannot_be_flushed_is_no_error(tmp_path, monkeypatch):
    flush = os.fsync

    def only_files(descriptor: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def test_the_file_has_the_permissions_of_open(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "ours", "")
    plain, ours = ((tmp_path / name).stat().st_mode for name in ("plain", "ours"))
    assert plain == ours


def test_a_kill_at_any_moment_leaves_a_complete_file(tmp_path, start):
    path, draw, halves = tmp_path / "a", random.Random(0), 0
    write_text(path, "x" * LENGTH)
    for number in range(12):
        if number >= 5 and halves:
            break
        with start(__file__, path) as child:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            time.sleep(draw.uniform(0, 0.02))
            child.kill()
        text = path.read_text()
        assert len(text) == LENGTH and len(set(text)) == 1
        halves += len(list(tmp_path.glob(".a.*")))
    assert halves, "no kill came in mid-write: the test has shown nothing"


def replace_for_ever(path: Path) -> None:
    """Replace a file by texts of one letter, each written in small pieces."""
    print("ready", flush=True)
    for k in count():
        letter = "abcdefgh"[k % 8]

        def write(temporary: Path, letter: str = letter) -> None:
            with temporary.open("w") as file:
                for _ in range(LENGTH // 1000):
                    file.write(letter * 1000)
                    file.flush()

        replace_file(path, write)


if __name__ == "__main__":
    replace_for_ever(Path(sys.argv[1]))


def test_a_path_is_checked_before_the_work(tmp_path):
    check_writable(tmp_path / "new.csv")
    assert not list(tmp_path.iterdir())
    write_text(tmp_path / "old.csv", "kept")
    assert predictions_path(str(tmp_path / "old.csv")) == tmp_path / "old.csv"
    assert (tmp_path / "old.csv").read_text() == "kept" and predictions_path(
        None
    ) is None
    with pytest.raises(RunError, match="cannot be written: No such file"):
        check_writable(tmp_path / "gone" / "new.csv")
    with pytest.raises(RunError, match=r"it is a directory\. Name a file"):
        predictions_path(str(tmp_path))
    with pytest.raises(SettingError, match=r"must be a \.csv file"):
        predictions_path("text.json")


def test_links_inside_a_directory_are_refused(tmp_path):
    """A directory from elsewhere must not make us write to files of the user."""
    victim, run = tmp_path / "victim", tmp_path / "run"
    victim.mkdir()
    (run / "data").mkdir(parents=True)
    (run / "report.html").symlink_to(victim / "diary.txt")  # of a missing file, too
    (run / "explain").symlink_to(victim)
    (run / "data" / "deep").symlink_to(victim)
    for name in ("report.html", "explain", "explain/plot.png", "data/deep/a/b.csv"):
        with pytest.raises(RunError, match=r"is a symbolic link.*Remove the link"):
            refuse_links(run, run / name)
    assert refuse_links(run, run / "data" / "index.csv") == run / "data" / "index.csv"
    (tmp_path / "link").symlink_to(run)  # the directory itself may be one
    assert refuse_links(tmp_path / "link", tmp_path / "link" / "data")


def test_json_holds_no_characters_that_a_terminal_acts_on(tmp_path):
    value = {"a\x9b\x7f": ["\x1b[31m", "\u202e\u2028", "Zürich\t"]}
    text = to_json(value)
    assert json.loads(text) == value and "Zürich" in text
    assert not {"\x9b", "\x7f", "\x1b", "\u202e", "\u2028"} & set(text)


def test_files_that_belong_together_are_replaced_together(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    write_text(first, "old a")
    write_text(second, "old b")
    for error in (KeyboardInterrupt(), ValueError("mine")):
        with pytest.raises(type(error)):
            with replace_together(first, second) as (new_first, _):
                write_text(new_first, "new a")
                raise error
        assert [path.read_text() for path in (first, second)] == ["old a", "old b"]
    with replace_together(first, second) as (new_first, new_second):
        write_text(new_first, "new a")
        write_text(new_second, "new b")
        assert [path.read_text() for path in (first, second)] == ["old a", "old b"]
    assert [path.read_text() for path in (first, second)] == ["new a", "new b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(RunError, match="cannot be written"):
        with replace_together(tmp_path / "nowhere" / "a"):
            pytest.fail("no directory")
