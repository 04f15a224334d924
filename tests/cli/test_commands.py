"""The command line: results for good input, one line and a non-zero status for bad."""

import csv
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import safetensors.torch
import torch
from splinegeo.validation import TrainingRun, load_digits, mlp
from splinegeo.validation.checkpoints import save_checkpoints
from splinegeo.validation.networks import Mlp
from typer.testing import CliRunner

import splinegeo as sg
from splinegeo.cli import app, main
from splinegeo.cli.models import load_model

FACTORY = """
import torch

def small():
    return torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))

def image():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))

def digit_image():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 9, stride=6), torch.nn.ReLU(), torch.nn.Flatten(1))

number = 3
"""


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    (tmp_path / "cli_models.py").write_text(textwrap.dedent(FACTORY))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("cli_models", None)


@pytest.fixture
def trained(workplace):
    """A folder with three checkpoints of a small network, as the demo leaves them."""
    states = tuple(mlp(784, 8, 8, 10, seed=seed).state_dict() for seed in range(3))
    empty = np.zeros(3)
    out = workplace / "trained"
    out.mkdir()
    save_checkpoints(out, TrainingRun(np.array([0, 9, 1_000_000]), empty, empty, empty, states), Mlp((8, 8)), seed=5)
    return out


def table(path):
    with open(path) as stream:
        return list(csv.DictReader(stream))


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("command", ["demo", "partition", "path", "animate", "complexity", "deformation", "train"])
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


def test_path_between_saved_points(workplace):
    np.save("points.npy", np.array([[-3.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
    result = run("path", "--model", "cli_models:small", "--points", "points.npy", "--out", "way", "--seed", 1)
    assert result.exit_code == 0, result.output
    rows = table("way.csv")
    torch.manual_seed(1)
    expected = sg.compute_path(load_model("cli_models:small", None), np.load("points.npy"))
    assert [float(row["start"]) for row in rows[1:]] == expected.kinks.tolist()
    assert [int(row["unit"]) for row in rows[1:]] == expected.kink_unit.tolist()
    assert (workplace / "way.png").stat().st_size > 10_000


def test_a_path_is_refused_before_anything_is_computed(workplace, monkeypatch, capsys):
    np.save("points.npy", np.zeros((2, 2)))
    for out, message in (("way.pdf", "must end in .csv"), ("nowhere/way.csv", "no folder 'nowhere'")):
        monkeypatch.setattr(
            sys, "argv", ["splinegeo", "path", "--model", "no:thing", "--points", "points.npy", "--out", out]
        )
        with pytest.raises(SystemExit, match="1"):
            main()
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in workplace.glob("way*")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "m.pdf"], "--out 'm.pdf' must end in .npz"),
        (["--out", "nowhere/m"], "no folder 'nowhere'"),
        (["--color", "blue"], "--color 'blue' is not known"),
        (["--cmap", "no"], "--cmap 'no' is no colour map"),
        (["--limits", "2", "1"], "--limits 2.0 1.0"),
        (["--format", "gif"], "--format 'gif' is not known"),
        (["--margin", "-2", "--anchors", "anchors.npy"], "margin"),
    ],
)
def test_a_partition_is_refused_before_anything_is_computed(workplace, monkeypatch, capsys, arguments, message):
    """The model does not even exist: whatever is wrong with the output is said before it is looked for."""
    np.save("anchors.npy", np.eye(3))
    where = [] if "--anchors" in arguments else ["--box", "0", "1", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["splinegeo", "partition", "--model", "no:thing", *where, *arguments])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in workplace.iterdir()) == ["anchors.npy", "cli_models.py"]


def test_a_picture_in_another_format_and_look(workplace):
    result = run("partition", "--model", "cli_models:small", "--box", -1, 1, -1, 1, "--out", "map", "--format", "pdf",
                 "--cmap", "viridis", "--limits", 0.01, 1)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (workplace / "map.pdf").read_bytes().startswith(b"%PDF")
    assert sg.Partition.load("map.npz").n_regions > 5


def test_complexity_of_a_run(trained, workplace):
    result = run("complexity", "--run", trained, "--n-points", 20, "--radius", 0.5, "--dim", 3, "--out", "lc")
    assert result.exit_code == 0, result.output
    assert (workplace / "lc/complexity.png").stat().st_size > 1000
    rows = table("lc/complexity.csv")
    keys = {(row["step"], row["probe"], row["layer"]) for row in rows}
    steps, probes, layers = ("0", "9", "1000000"), ("train", "test", "random"), ("total", "1", "3")
    assert keys == {(s, p, layer) for s in steps for p in probes for layer in layers}
    assert len(rows) == len(keys)
    digits = load_digits(seed=5).test_x[:20]  # the split of the run, not that of --seed
    expected = sg.local_complexity(mlp(784, 8, 8, 10, seed=1), digits, radius=0.5, dim=3)
    row = next(row for row in rows if (row["step"], row["probe"], row["layer"]) == ("9", "test", "total"))
    np.testing.assert_allclose(
        [float(row[name]) for name in ("mean", "low", "high")], [expected.mean(), *expected.confidence_interval()]
    )


def test_complexity_of_a_saved_model(workplace):
    points = np.random.default_rng(0).random((30, 2))
    np.save("points.npy", points)
    torch.save(mlp(2, 12, 3, seed=7).state_dict(), "w.pt")
    command = ("complexity", "--model", "cli_models:small", "--weights", "w.pt", "--points", "points.npy")
    result = run(*command, "--dim", 2, "--radius", 0.3, "--out", "lc")
    assert result.exit_code == 0, result.output
    assert (workplace / "lc/complexity.png").stat().st_size > 1000
    total, layer = table("lc/complexity.csv")
    assert (total["step"], total["probe"], total["layer"], layer["layer"]) == ("", "points", "total", "1")
    assert float(total["mean"]) == sg.local_complexity(mlp(2, 12, 3, seed=7), points, radius=0.3, dim=2).mean()


def test_digits_as_images(workplace):
    options = ("--digits", "--images", "--n-points", 5, "--dim", 2, "--out", "images")
    for command in ("complexity", "deformation"):
        result = run(command, "--model", "cli_models:digit_image", *options)
        assert result.exit_code == 0, result.output
    assert {row["probe"] for row in table("images/deformation.csv")} == {"train", "test", "random"}


def test_seed_decides_the_frames(trained):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command = ("complexity", "--run", trained, "--n-points", 20, "--radius", 2, "--seed", seed)
        assert run(*command, "--out", name).exit_code == 0
    a, b, c = (table(f"{name}/complexity.csv") for name in "abc")
    assert a == b != c


def test_deformation_of_the_last_checkpoint(trained, workplace):
    options = ("--n-points", 10, "--dim", 3, "--radius", 0.1, "--radius", 2, "--out", "bent")
    result = run("deformation", "--run", trained, *options)
    assert result.exit_code == 0, result.output
    assert (workplace / "bent/deformation.png").stat().st_size > 1000
    rows = [row for row in table("bent/deformation.csv") if row["probe"] == "train" and row["radius"] == "2.0"]
    found = sg.neighborhood_deformation(mlp(784, 8, 8, 10, seed=2), load_digits(seed=5).train_x[:10], radius=2.0, dim=3)
    assert [row["layer"] for row in rows] == ["input", "1", "3"]
    np.testing.assert_allclose([float(row["diameter"]) for row in rows], found.diameter.mean(axis=0))
    ratio = (found.eccentricity / found.eccentricity[:, :1]).mean(axis=0)
    np.testing.assert_allclose([float(row["relative_eccentricity"]) for row in rows], ratio)


def fails(monkeypatch, capsys, *arguments):
    """The one line that a command says before it gives up."""
    monkeypatch.setattr(sys, "argv", ["splinegeo", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("splinegeo: ")
    return error


@pytest.mark.parametrize("command", ["complexity", "deformation"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--run or --model"),
        (["--run", "trained", "--model", "cli_models:small"], "--run or --model"),
        (["--run", "trained", "--weights", "w.pt"], "--weights goes with --model"),
        (["--run", "nowhere"], "no checkpoints in 'nowhere"),
        (["--run", "broken"], "step_000001.safetensors' is not a whole checkpoint"),
        (["--run", "foreign"], "step_000001.safetensors' is not a whole checkpoint"),
        (["--run", "trained", "--n-points", 1001], "between 1 and 1000, not 1001"),
        (["--run", "trained", "--radius", -1], "-1"),
        (["--run", "trained", "--dim", 1000, "--n-points", 2], "1000"),
        (["--run", "trained", "--images", "--n-points", 2], "28"),
        (["--run", "trained", "--n-points", 2, "--out", "cli_models.py"], "cli_models.py"),
        (["--model", "cli_models:small"], "--points or --digits"),
        (["--model", "cli_models:small", "--points", "p.npy", "--digits"], "--points or --digits"),
        (["--model", "cli_models:small", "--points", "none.npy"], "none.npy"),
        (["--model", "cli_models:small", "--points", "whole.npy"], "floating-point"),
        (["--model", "cli_models:small", "--points", "cli_models.py"], "cannot read points"),
        (["--model", "cli_models:small", "--digits", "--n-points", 2], "784"),
        (["--model", "cli_models:number", "--digits"], "cli_models:number"),
    ],
)
def test_bad_probes_are_one_line_and_a_status(trained, workplace, monkeypatch, capsys, command, arguments, message):
    for name, content in (("broken", b"no tensors"), ("foreign", safetensors.torch.save({"a": torch.zeros(1)}))):
        (workplace / name / "checkpoints").mkdir(parents=True)
        (workplace / name / "checkpoints/step_000001.safetensors").write_bytes(content)
    np.save("whole.npy", np.arange(6).reshape(3, 2))
    assert message in fails(monkeypatch, capsys, command, *arguments)
    assert not list(workplace.rglob("*.csv")) + list(workplace.rglob("*.png"))


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
        (["--model", "cli_models:small", "--box", 0, 1, 0, 1, "--out", "no/folder.npz"], "no folder"),
        (["--model", "cli_models:small", "--box", 0, 1, 0, 1, "--color", "plaid"], "plaid"),
    ],
)
def test_bad_input_is_one_line_and_a_status(workplace, monkeypatch, capsys, arguments, message):
    assert message in fails(monkeypatch, capsys, "partition", *arguments)


def test_hostile_weights_execute_nothing(workplace):
    hostile = "import os\nclass Bomb:\n    def __reduce__(self):\n        return (os.mkdir, ('executed',))\n"
    subprocess.run(
        [sys.executable, "-c", hostile + "import torch\ntorch.save({'0.weight': Bomb()}, 'bomb.pt')"], check=True
    )
    result = run("partition", "--model", "cli_models:small", "--weights", "bomb.pt", "--box", 0, 1, 0, 1)
    assert result.exit_code != 0
    assert not (workplace / "executed").exists()


def test_train_lists_the_experiments_and_refuses_others(workplace, monkeypatch, capsys):
    listed = run("train", "--list")
    assert listed.exit_code == 0
    assert all(name in listed.output for name in ("delayed_robustness", "modular_addition", "scale 8"))
    assert "no recipe 'nothing'" in fails(monkeypatch, capsys, "train", "nothing")
    assert "say which experiment" in fails(monkeypatch, capsys, "train")
    assert "no variant ['x']" in fails(monkeypatch, capsys, "train", "depth", "--variant", "x")
    assert not list(workplace.rglob("*.csv"))


@pytest.mark.slow
def test_train_runs_an_experiment_on_a_smaller_scale(workplace):
    command = ("train", "depth", "--quick", "--variant", "depth 2", "--seed", 1, "--seed", 2, "--steps", 10)
    result = run(*command, "--out", "d")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (workplace / "d/depth_2").iterdir()} == {"seed_1", "seed_2"}
    assert table("d/depth_2/seed_2/table.csv")[-1]["step"] == "10"
