"""Ctrl-C at any moment: status 130, one line, and every file that is there is whole."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

import splinegeo as sg
from splinegeo import viz

HERE = Path(__file__).parent
MODELS = """
import torch

def small():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))

def large():
    torch.manual_seed(0)
    layers = []
    for n_in, n_out in ((2, 300), (300, 300), (300, 300), (300, 300)):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)
"""
LINE = "splinegeo: interrupted; no file is left half-written"


class Operations:
    """Sends a SIGINT in the middle of one of the operations on the files of a folder."""

    def __init__(self):
        self.folder, self.at, self.n = None, 0, 0
        sys.addaudithook(self.hear)  # there is no way to take it back, only to be deaf

    def hear(self, event, arguments):
        if self.folder is None or event not in ("open", "os.rename", "subprocess.Popen"):
            return
        if event == "subprocess.Popen" or str(arguments[0]).startswith(str(self.folder)):
            self.n += 1
            if self.n == self.at:
                signal.raise_signal(signal.SIGINT)

    def count(self, folder, work, at=0):
        """Number of operations until the end, or the interrupt at the one called for."""
        self.folder, self.at, self.n = folder, at, 0
        try:
            work()
        finally:
            self.folder = None
        return self.n


@pytest.fixture(autouse=True)
def heard():
    """Interrupts are heard, also where the tests run in the background of a shell, which has them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def operations():
    return Operations()


@pytest.fixture(scope="module")
def part():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    return sg.compute_partition(model, sg.Slice.box((-1, 1), (-1, 1)))


@pytest.mark.parametrize("kind", ["npz", "mp4", "gif"])
def test_an_interrupt_in_any_operation_on_files(operations, part, kind, tmp_path):
    def work():
        if kind == "npz":
            part.save(tmp_path / "part.npz")
        else:
            viz.animate([part, part], tmp_path / f"film.{kind}", dpi=40, boundary=False)

    work()  # the first call of all does more: it looks for ffmpeg
    n = operations.count(tmp_path, work)
    (whole,) = contents(tmp_path).values()
    assert n >= 2 + (kind == "mp4")
    for at in range(1, n + 1):
        with pytest.raises(KeyboardInterrupt):
            operations.count(tmp_path, work, at)
        (file,) = tmp_path.iterdir()  # the old one, or the new one: they are equal
        assert file.read_bytes() == whole
        file.unlink()
        with pytest.raises(KeyboardInterrupt):
            operations.count(tmp_path, work, at)
        assert list(contents(tmp_path).values()) in ([], [whole])
        work()


@pytest.fixture
def alarm():
    """A function that interrupts after some seconds, and calls the work."""

    def within(seconds, work):
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                work()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield within
    signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of a file that nobody could close
def test_an_interrupt_at_any_time_of_writing(alarm, tmp_path):
    """Between two operations too, where a file is there and nobody has taken note of it yet."""
    content = bytes(1000)
    for microseconds in np.linspace(20, 400, 4000):
        alarm(microseconds * 1e-6, lambda: sg.write_whole(tmp_path / "file", lambda stream: stream.write(content)))
        for path in tmp_path.iterdir():
            assert path.name == "file"
            assert path.read_bytes() == content
            path.unlink()


@pytest.fixture
def workplace(tmp_path):
    (tmp_path / "interrupt_models.py").write_text(textwrap.dedent(MODELS))
    return tmp_path


def interrupted(folder, **specification):
    """The report of `interrupted.py` on a command."""
    results = folder / "results"
    results.mkdir()
    path = folder / "specification.json"
    path.write_text(json.dumps({"folder": str(results), **specification}))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, HERE / "interrupted.py", path], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return results, json.loads((results / "report.json").read_text())


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_nothing_half_written(results, report):
    whole = contents(results / "whole")
    assert report["whole"]["status"] == 0, report["whole"]
    assert whole
    for i, run in enumerate(report["runs"]):
        left = contents(results / f"run{i}")
        if run["when"][0] == "time" and run["status"] == 0:  # this run was faster than the clock
            assert left == whole
            continue
        assert run["status"] == 130, run
        assert run["error"].count(LINE) == 1, run
        assert run["error"].rstrip().endswith(LINE), run
        assert "Traceback" not in run["error"], run
        assert left.keys() <= whole.keys(), (run["when"], sorted(left))
        for name, content in left.items():
            assert content == whole[name], (run["when"], name)


@pytest.mark.slow
def test_partition(workplace):
    command = ["partition", "--model", "interrupt_models:small", "--box", "-1", "1", "-1", "1", "--out", "OUT/part.npz"]
    results, report = interrupted(workplace, command=command, shares=[0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
    assert report["whole"]["files"] >= 4  # two files, each opened and moved
    assert_nothing_half_written(results, report)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_animate(workplace, kind):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    for k, part in enumerate(sg.compute_partitions(model, [sg.Slice.box((-s, s), (-s, s)) for s in (1, 2, 3)])):
        part.save(workplace / f"{k}.npz")
    command = ["animate", "0.npz", "1.npz", "2.npz", "--out", f"OUT/film.{kind}"]
    results, report = interrupted(workplace, command=command, shares=[0.2, 0.6, 0.95, 0.99])
    assert report["whole"]["files"] >= 2 + (kind == "mp4")
    assert_nothing_half_written(results, report)


@pytest.mark.slow
def test_demo(workplace):
    results, report = interrupted(
        workplace,
        command=["demo", "--out", "OUT"],
        demo={"last_step": 20, "n_frames": 3},
        shares=[0.01, 0.1, 0.3, 0.5, 0.7, 0.9],
        most_files=12,
    )
    assert_nothing_half_written(results, report)


@pytest.mark.slow
def test_the_console_command_while_it_computes(workplace):
    """The real program, interrupted as soon as its bar shows."""
    command = "import sys; from splinegeo.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            command,
            "partition",
            "--model",
            "interrupt_models:large",
            "--box",
            "-9",
            "9",
            "-9",
            "9",
        ],
        cwd=workplace,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    shown = process.stderr.read(1)
    while "layer" not in shown:
        shown += process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, rest
    assert rest.rstrip().endswith(LINE)
    assert "Traceback" not in rest
    assert set(os.listdir(workplace)) <= {"__pycache__", "interrupt_models.py"}
