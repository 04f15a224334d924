"""What is there is replaced whole, where the name leads; what must not be replaced stays; killed runs leave nothing."""

import os
import stat
import time

import pytest

import splinegeo as sg


def hello(stream):
    stream.write(b"hello")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    for target in ("there/old", "there/new"):  # a file, and none yet
        link = tmp_path / f"link_{target[-3:]}"
        link.symlink_to(tmp_path / target)
        (tmp_path / "there/old").write_bytes(b"old")
        sg.write_whole(link, hello)
        assert link.is_symlink()
        assert (tmp_path / target).read_bytes() == b"hello"
    assert sorted(os.listdir(tmp_path)) == ["link_new", "link_old", "there"]


def test_a_read_only_file_stays_as_it_is(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(sg.InvalidInputError, match=r"cannot write '.*file': it is read-only"):
        sg.write_whole(tmp_path / "file", hello)
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["file"]


def test_permissions_stay(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "file").chmod(0o640)
    sg.write_whole(tmp_path / "file", hello)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of Unix")
def test_what_is_no_file_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, why in (("pipe", "no file"), ("folder", "no file"), ("loop", "circle")):
        with pytest.raises(sg.InvalidInputError, match=rf"cannot write '.*{name}': .*{why}"):
            sg.write_whole(tmp_path / name, hello)
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop", "pipe"]


def test_what_killed_runs_left_is_removed(tmp_path):
    left, fresh, other = (
        tmp_path / f".{name}" for name in ("a.npz." + 16 * "0", "a.npz." + 16 * "1", "b.npz." + 16 * "0")
    )
    for path in (left, fresh, other):
        path.write_bytes(b"half")
    for path in (left, other):
        os.utime(path, (time.time() - 7200,) * 2)
    sg.write_whole(tmp_path / "a.npz", hello)
    assert sorted(os.listdir(tmp_path)) == sorted([fresh.name, other.name, "a.npz"])


@pytest.mark.parametrize("name", ["no/such/folder/file", "a\0b", "x" * 300])
def test_where_nothing_can_be_written(tmp_path, name):
    with pytest.raises(sg.InvalidInputError, match="cannot write"):
        sg.write_whole(tmp_path / name, hello)
    assert os.listdir(tmp_path) == []
