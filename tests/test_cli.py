"""The command line: results for good input, one line and a non-zero status for bad."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

import splinegeo as sg
from splinegeo.cli import app, main

FACTORY = """
import torch

def small():
    return torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))

def image():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))

number = 3
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    (tmp_path / "cli_models.py").write_text(textwrap.dedent(FACTORY))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("cli_models", None)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("command", ["demo", "partition", "animate"])
def test_every_command_explains_itself(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--out" in result.output


def test_partition_of_saved_weights(workplace):
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))
    safetensors.torch.save_file(model.state_dict(), "w.safetensors")
    torch.save(model.state_dict(), "w.pt")
    for weights in ("w.safetensors", "w.pt"):
        out = workplace / f"{weights}.npz"
        result = run(
            "partition", "--model", "cli_models:small", "--weights", weights, "--box", -2, 2, -1, 1, "--out", out
        )
        assert result.exit_code == 0, result.output
        assert out.with_suffix(".png").stat().st_size > 1000
        assert sg.Partition.load(out).check(model.double()).ok
        model = model.float()


def test_partition_through_anchors_and_animation(workplace):
    np.save("anchors.npy", np.random.default_rng(0).normal(size=(3, 3, 3)))
    for name in ("a.npz", "b.npz"):
        assert run("partition", "--model", "cli_models:image", "--anchors", "anchors.npy", "--out", name).exit_code == 0
    result = run("animate", "a.npz", "b.npz", "--out", "film.gif")
    assert result.exit_code == 0, result.output
    assert (workplace / "film.gif").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "cli_models:small"], "--box or --anchors"),
        (["--model", "cli_models", "--box", 0, 1, 0, 1], "package.module:factory"),
        (["--model", "no_such_module:f", "--box", 0, 1, 0, 1], "no_such_module"),
        (["--model", "cli_models:missing", "--box", 0, 1, 0, 1], "missing"),
        (["--model", "cli_models:small", "--weights", "none.pt", "--box", 0, 1, 0, 1], "none.pt"),
        (["--model", "cli_models:small", "--box", 0, 0, 0, 1], "no area"),
        (["--model", "cli_models:image", "--box", 0, 1, 0, 1], "shape"),
        (["--model", "cli_models:small", "--anchors", "none.npy"], "none.npy"),
        (["--model", "cli_models:small", "--box", 0, 1, 0, 1, "--out", "no/folder.npz"], "cannot write"),
        (["--model", "cli_models:small", "--box", 0, 1, 0, 1, "--color", "plaid"], "plaid"),
    ],
)
def test_bad_input_is_one_line_and_a_status(workplace, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["splinegeo", "partition", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("splinegeo: ")
    assert message in error


def test_hostile_weights_execute_nothing(workplace):
    hostile = "import os\nclass Bomb:\n    def __reduce__(self):\n        return (os.mkdir, ('executed',))\n"
    subprocess.run(
        [sys.executable, "-c", hostile + "import torch\ntorch.save({'0.weight': Bomb()}, 'bomb.pt')"], check=True
    )
    result = run("partition", "--model", "cli_models:small", "--weights", "bomb.pt", "--box", 0, 1, 0, 1)
    assert result.exit_code != 0
    assert not (workplace / "executed").exists()
