"""`splinegeo explore` and `splinegeo share`: from runs, files and networks; one line for what is wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import torch
from splinegeo.validation import TrainingRun, mlp
from splinegeo.validation.checkpoints import save_checkpoints
from splinegeo.validation.networks import Mlp
from typer.testing import CliRunner

import splinegeo as sg
from splinegeo.cli import app, main
from splinegeo.cli.explore import _run_source, _source
from splinegeo.cli.sources import Run

STEPS = [0, 9, 1000]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    (tmp_path / "explored_models.py").write_text(
        "import torch\ndef small():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("explored_models", None)


@pytest.fixture
def run(workplace):
    """A run of small networks on digits, as the demo leaves one."""
    models = [mlp(784, 8, 8, 10, seed=seed) for seed in range(3)]
    states, empty = tuple(model.state_dict() for model in models), np.zeros(3)
    out = workplace / "run"
    (out / "partitions").mkdir(parents=True)
    save_checkpoints(out, TrainingRun(np.array(STEPS), empty, empty, empty, states), Mlp((8, 8)), seed=5)
    data = Run.of(out).digits()[0]
    parts = sg.compute_partitions(models[0], sg.Slice.through(*data[[3, 4, 6]], margin=0.6), states=states)
    for step, part in zip(STEPS, parts, strict=True):
        part.save(out / f"partitions/step_{step:06d}.npz", maps=step == STEPS[-1])
    rows = [f"{step},1.0,0.{k + 1},0.{k}" for k, step in enumerate(STEPS)]
    (out / "training.csv").write_text("\n".join(["step,loss,train_accuracy,test_accuracy", *rows]) + "\n")
    return out


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_share_a_run(run, workplace):
    result = invoke("share", run, "--out", "page.html")
    assert result.exit_code == 0, result.output
    text = (workplace / "page.html").read_text()
    assert text.count('id="frame-') == 3
    assert "3 frames" in result.output


def test_the_demo_ends_with_a_page(run, workplace, monkeypatch):
    monkeypatch.setattr("splinegeo.cli.runs.run_demo", lambda out, **_: run.rename(out))
    result = invoke("demo", "--out", "trained")
    assert result.exit_code == 0, result.output
    assert "A network learns digits" in (workplace / "trained/migration.html").read_text()


def test_a_run_knows_its_curves_classes_and_anchors(run):
    source, title = _run_source(run, None, 10**6)
    header, _ = source.about()
    assert (title, header["live"], header["data"], header["anchors"]) == ("run", True, 1000, [3, 4, 6])
    assert [c["step"] for c in header["checkpoints"]] == STEPS
    assert header["checkpoints"][1]["label"] == "step 9   train 20.0%   test 10.0%"
    assert header["panels"][0]["curves"][0]["values"] == [0.1, 0.2, 0.3]
    found = Run.of(run).partitions()
    assert [step for step, _ in found] == STEPS
    model = Run.of(run).checkpoints[1].model().double()
    u = found[1][1].centroids[:5]
    np.testing.assert_allclose(found[1][1].evaluate(u), model(found[1][1].domain.embed(u)).detach(), rtol=1e-6)


def test_curves_of_a_tracked_run(run):
    (run / "training.csv").unlink()
    tracker = sg.LocalComplexityTracker(mlp(784, 8, 8, 10), {"train": torch.rand(3, 784)}, radius=0.5, dim=2)
    for step in (1, 10):
        tracker.record(step, train_accuracy=0.5)
    tracker.save(run / "table.csv")
    panels = Run.of(run).panels()
    assert panels["accuracy"]["train accuracy"] == ([1, 10], [0.5, 0.5])
    assert panels["local complexity, r = 0.5"]["train (LC, r = 0.5)"][0] == [1, 10]


def test_share_files(run, workplace):
    files = sorted((run / "partitions").iterdir())
    result = invoke("share", *files, "--out", "files.html")
    assert result.exit_code == 0, result.output
    assert (workplace / "files.html").read_text().count('id="frame-') == 3


def test_explore_a_network_in_a_browser_page(workplace):
    command = ["explore", "--model", "explored_models:small", "--box", "-1", "1", "-1", "1", "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from splinegeo.cli import main; main()", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/\S+", process.stdout.readline())[0]
        with urllib.request.urlopen(address, timeout=60) as page:
            assert b"splinegeo" in page.read()
        question = json.dumps({"ask": "about"}).encode()
        with urllib.request.urlopen(address + "ask", question, timeout=60) as answer:
            assert b'"live": true' in answer.read()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "interrupted" in error
    assert "Traceback" not in error


def test_data_say_where_to_look(workplace):
    np.save("data.npy", np.random.default_rng(0).random((5, 2)))
    torch.save(mlp(2, 12, 3).state_dict(), "w.pt")
    source, _ = _source([], "explored_models:small", workplace / "w.pt", workplace / "data.npy", None, None, 1000)
    assert source.about()[0]["anchors"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explore"], "say what to look at"),
        (["explore", "run", "--model", "explored_models:small"], "say what to look at"),
        (["explore", "run", "--weights", "w.pt"], "go with --model"),
        (["explore", "nowhere.npz"], "no such file"),
        (["explore", "empty"], "no checkpoints"),
        (["explore", "run", "run"], "is a folder"),
        (["explore", "--model", "explored_models:small"], "where to look"),
        (["explore", "--model", "explored_models:small", "--data", "none.npy"], "none.npy"),
        (["explore", "--model", "explored_models:small", "--data", "two.npy"], "2 inputs"),
        (["explore", "--model", "explored_models:small", "--data", "wide.npy"], "shape"),
        (["explore", "--model", "explored_models:small", "--box", 0, 1, 0, 1, "--until", "x"], "no submodule 'x'"),
        (["share"], "say what to share"),
        (["share", "empty"], "no checkpoints"),
        (["share", "explored_models.py"], "not a whole partition"),
        (["share", "run", "--out", "no/folder.html"], "cannot write"),
    ],
)
def test_bad_input_is_one_line_and_a_status(run, workplace, monkeypatch, capsys, arguments, message):
    (workplace / "empty").mkdir()
    np.save("two.npy", np.zeros((2, 2)))
    np.save("wide.npy", np.random.default_rng(0).random((3, 7)))
    monkeypatch.setattr(sys, "argv", ["splinegeo", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("splinegeo: ")
    assert message in error
    assert not list(workplace.glob("*.html"))
