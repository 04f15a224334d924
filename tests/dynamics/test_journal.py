"""The table on disk: killed runs lose nothing, torn ends are cut off, strangers are refused."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

import splinegeo as sg
from splinegeo.dynamics.journal import Journal

from .conftest import small_model, train


def make(probes, path, **options):
    settings = {"radius": (0.1, 1.0), "dim": 4, "steps": range(0, 100, 3), "path": path, **options}
    return sg.LocalComplexityTracker(small_model(), probes, **settings)


def run(probes, path, n_steps, **options):
    tracker = make(probes, path, **options)
    train(tracker._model, n_steps, lambda step, loss: tracker.record(step, loss=loss))
    return tracker


def assert_same(one, other):
    """Two tables are equal, with NaN equal to NaN."""
    assert [*map(repr, one.tolist())] == [*map(repr, other.tolist())]


@pytest.fixture
def whole(probes, tmp_path):
    return run(probes, tmp_path / "whole.csv", 10)


def test_the_file_is_the_table(whole, tmp_path):
    assert_same(sg.load_table(tmp_path / "whole.csv"), whole.table)
    with open(tmp_path / "whole.csv", newline="") as stream:
        first = next(csv.DictReader(stream))
    assert first["quantity"] == "loss"
    assert (first["radius"], first["probe"]) == ("nan", "")
    saved = whole.save(tmp_path / "copy.csv")
    assert saved.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_every_record_is_on_disk_when_it_returns(probes, tmp_path):
    tracker = make(probes, tmp_path / "run.csv")
    for step in (0, 3, 6):
        tracker.record(step)
        assert set(sg.load_table(tmp_path / "run.csv")["step"]) == set(range(0, step + 1, 3))


def test_a_resumed_run_is_the_unbroken_one(probes, tmp_path, whole):
    run(probes, tmp_path / "run.csv", 5)
    measured = []
    resumed = make(probes, tmp_path / "run.csv", metrics={"new": lambda m: measured.append(1) or 1.0})
    train(resumed._model, 10, lambda step, loss: resumed.record(step, loss=loss))
    assert len(measured) == 2
    kept = resumed.table[resumed.table["quantity"] != "new"]
    assert_same(kept, whole.table)


def test_a_torn_run_resumes(tmp_path, whole):
    """Whatever prefix of the last step is there, it is cut off, and what is before it stays."""
    content = (tmp_path / "whole.csv").read_bytes()
    last = content.index(b"\n9,") + 1
    settings = json.loads((tmp_path / "whole.csv.json").read_text())
    path = tmp_path / "torn.csv"
    (tmp_path / "torn.csv.json").write_text(json.dumps(settings))

    def reopened(text):
        path.write_bytes(text)
        return {row.step for row in Journal(path, settings, ("local_complexity", "random", 1.0, "total")).rows}

    near_breaks = {k + d for k in range(last, len(content)) if content[k] == 10 for d in (-1, 0, 1, 2)}
    for size in sorted(near_breaks | set(range(last, len(content), 17))):
        if size >= len(content):
            break
        assert reopened(content[:size]) == {0, 3, 6}, size
        assert path.read_bytes() == content[:last]
    for tail in (b"\0" * 30, b"9,loss,,nan,,0.5,nan,nan\n\0\0\n", b'9,"', b"\xff\n"):
        assert reopened(content[:last] + tail) == {0, 3, 6}
        assert path.read_bytes() == content[:last]
    assert reopened(content) == {0, 3, 6, 9}
    assert path.read_bytes() == content


def test_damage_before_the_end_is_not_repaired(probes, tmp_path, whole):
    path = tmp_path / "whole.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in ([*lines[:5], b"x\n", *lines[5:]], [*lines[:12], *lines[13:20], *lines[27:]]):
        path.write_bytes(b"".join(damaged))
        with pytest.raises(sg.InvalidInputError, match="damaged before step"):
            make(probes, path)
        assert path.read_bytes() == b"".join(damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": (0.1, 2.0)}, r"radii = \[0\.1, 1\.0\], not \[0\.1, 2\.0\]"),
        ({"dim": 3}, "dim = 4, not 3"),
        ({"layers": ["2"]}, r"layers = \['2', '5'\], not \['2'\]"),
        ({"rng": 5}, "rng = 0, not 5"),
        ({"level": 0.5}, "level"),
    ],
)
def test_other_settings_are_refused(probes, tmp_path, whole, change, message):
    before = (tmp_path / "whole.csv").read_bytes()
    with pytest.raises(sg.InvalidInputError, match=message):
        make(probes, tmp_path / "whole.csv", **change)
    assert (tmp_path / "whole.csv").read_bytes() == before


def test_other_probes_are_refused(probes, tmp_path, whole):
    moved = {**probes, "train": probes["train"] + 1e-6}
    renamed = {"test": probes["train"], "random": probes["random"]}
    swapped = {name: probes[name] for name in ("random", "train")}
    for others in (moved, renamed, swapped):
        with pytest.raises(sg.InvalidInputError, match="made with probes"):
            make(others, tmp_path / "whole.csv")


def test_files_that_are_no_table_are_refused(probes, tmp_path, whole):
    foreign = tmp_path / "thesis.csv"
    foreign.write_text("dear diary\n")
    with pytest.raises(sg.InvalidInputError, match=r"thesis\.csv\.json' does not say"):
        make(probes, foreign)
    (tmp_path / "thesis.csv.json").write_bytes((tmp_path / "whole.csv.json").read_bytes())
    with pytest.raises(sg.InvalidInputError, match="not a tracker's table"):
        make(probes, foreign)
    assert foreign.read_text() == "dear diary\n"
    for text in ("dear diary\n", "step,value\n1,2\n", ""):
        foreign.write_text(text)
        with pytest.raises(sg.InvalidInputError, match="holds no table"):
            sg.load_table(foreign)
    with pytest.raises(sg.InvalidInputError, match="holds no table"):
        sg.load_table(tmp_path / "nothing.csv")


def test_two_writers_are_told(probes, tmp_path):
    one, two = make(probes, tmp_path / "run.csv"), make(probes, tmp_path / "run.csv")
    one.record(0)
    with pytest.raises(sg.InvalidInputError, match="changed by somebody else"):
        two.record(0)
    (tmp_path / "run.csv").unlink()
    with pytest.raises(sg.InvalidInputError, match="cannot write"):
        one.record(3)


def test_a_full_disk_leaves_no_torn_step(probes, tmp_path, monkeypatch, whole):
    path, real = tmp_path / "whole.csv", os.write
    tracker, before = make(probes, path), path.read_bytes()

    def full(handle, text):
        if real(handle, bytes(text[:40])) and len(text) < 400:
            raise OSError(28, "No space left on device")
        return 40

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(sg.InvalidInputError, match="No space left"):
        tracker.record(30)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert tracker.record(30)
    assert_same(sg.load_table(path), tracker.table)


def test_parquet_is_the_same_table(whole, tmp_path):
    pytest.importorskip("pyarrow")
    path = whole.save(tmp_path / "run.parquet")
    assert_same(sg.load_table(path), whole.table)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(sg.InvalidInputError, match="holds no table"):
        sg.load_table(path)
    with pytest.raises(sg.InvalidInputError, match=r"\.csv or \.parquet"):
        whole.save(tmp_path / "run.xlsx")


PROGRAM = """
    import sys, time, torch
    from torch import nn
    import splinegeo as sg
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 1))
    x = torch.randn(64, 4)
    tracker = sg.LocalComplexityTracker(model, {"train": x}, radius=0.5, dim=2, steps=range(200), path=sys.argv[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(60):
        loss = (model(x)[:, 0] - x[:, 0].sign()).square().mean()
        tracker.record(step, loss=loss)
        print(step, flush=True)
        time.sleep(float(sys.argv[2]))
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.slow
def test_a_process_killed_in_mid_run_loses_nothing(tmp_path):
    def start(path, pause):
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path), str(pause)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    with start(tmp_path / "killed.csv", 0.01) as process:
        while int(process.stdout.readline()) < 20:
            pass
        time.sleep(0.015)
        process.send_signal(signal.SIGKILL)
        printed = [20, *map(int, process.stdout.read().split())]
    assert process.returncode == -signal.SIGKILL
    kept = sorted(set(sg.load_table(tmp_path / "killed.csv")["step"]))
    assert kept[-1] in (printed[-1], printed[-1] + 1)
    assert kept == list(range(kept[-1] + 1))
    assert kept[-1] < 59
    for path in (tmp_path / "killed.csv", tmp_path / "unbroken.csv"):
        with start(path, 0) as process:
            process.communicate()
        assert process.returncode == 0
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "unbroken.csv").read_bytes()


def test_steps_of_an_earlier_life_are_not_measured(probes, tmp_path, whole):
    tracker = make(probes, tmp_path / "whole.csv")
    with torch.no_grad():
        tracker._model[0].weight.zero_()
    assert not any(tracker.record(step) for step in range(10))
    assert_same(tracker.table, whole.table)


OLD = Path(__file__).parent.parent / "written_by_0_1_0"


@pytest.mark.parametrize("name", ["table.csv", "run/plain/seed_0/table.csv"])
def test_tables_of_the_first_version_load(name):
    table = sg.load_table(OLD / name)
    assert len(set(table["step"])) > 2
    assert len(set(table["probe"]) - {""}) >= 2


def test_a_parquet_table_of_the_first_version_loads():
    pytest.importorskip("pyarrow")
    assert_same(sg.load_table(OLD / "table.parquet"), sg.load_table(OLD / "table.csv"))


def damaged(content, rng):
    """A few bytes changed, lost, doubled, or something nasty among them."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 2, 5])):
        at = rng.randrange(len(content))
        nasty = [b"", b'"', b"\0", 400 * b"9", b"1e999", b"\r", 3000 * b"[", b"{", b"nan", content[at : at + 90]]
        content[at : at + rng.randrange(30)] = rng.choice(nasty)
    return bytes(content)


@pytest.mark.parametrize("name", ["run.csv", "run.csv.json", "copy.parquet"])
def test_whatever_is_damaged_there_is_one_error(name, probes, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    tracker = run(probes, tmp_path / "run.csv", 4)
    files = [tracker.save(tmp_path / "copy.parquet")] if name.endswith("parquet") else []
    files += [tmp_path / "run.csv", tmp_path / "run.csv.json"]
    whole, rng = {path: path.read_bytes() for path in files}, random.Random(0)
    for _ in range(100):
        for path, content in whole.items():
            path.write_bytes(damaged(content, rng) if path.name == name else content)
        try:
            sg.load_table(tmp_path / name.removesuffix(".json"))
            make(probes, tmp_path / "run.csv")
        except sg.InvalidInputError as error:
            assert "\n" not in str(error)  # noqa: PT017
