"""The demo, small: real digits, real networks, real files, and a film of three panels."""

from contextlib import closing

import imageio_ffmpeg
import pytest
import torch
from PIL import Image
from splinegeo.validation import log_spaced_steps
from splinegeo.validation.checkpoints import load_checkpoints
from splinegeo.validation.experiments import demo as demo_module
from splinegeo.validation.experiments.demo import run_demo

import splinegeo as sg

STEPS = log_spaced_steps(60, 3)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    lines = []
    run_demo(out, quick=True, say=lines.append, progress=False)
    return out, lines


def test_demo_leaves_what_it_promises(demo):
    out, lines = demo
    assert {p.name for p in out.iterdir()} == {
        "migration.mp4", "migration.gif", "curves.png", "table.csv", "table.csv.json", "setting.json",
        "resume.safetensors", "partitions", "checkpoints",
    }  # fmt: skip
    with closing(imageio_ffmpeg.read_frames(str(out / "migration.mp4"))) as frames:
        assert all(n % 2 == 0 for n in next(frames)["size"])
    with Image.open(out / "migration.gif") as animation:
        assert animation.n_frames == len(STEPS)
    table = sg.load_table(out / "table.csv")
    assert sorted(set(table["step"].tolist())) == STEPS
    assert sg.select_series(table, "test_accuracy").value[-1] > 0.8
    assert any("check of the last partition against the network holds" in line for line in lines)


def test_demo_partitions_load_and_are_those_of_the_checkpoints(demo):
    out, _ = demo
    files, checkpoints = sorted((out / "partitions").iterdir()), load_checkpoints(out)
    assert [c.step for c in checkpoints] == STEPS
    assert len(files) == len(STEPS)
    last = sg.Partition.load(files[-1])
    assert last.n_regions > 10_000
    assert last.check(checkpoints[-1].model()).ok
    assert {value.dtype for value in checkpoints[-1].state.values()} == {torch.float64}


def test_what_is_measured_at_the_end_is_the_profile_of_the_last_checkpoint(demo):
    out, lines = demo
    setting = demo_module.SMALL
    samples = setting.task.load(0)
    model = load_checkpoints(out)[-1].model()
    found = sg.migration_profile(model, samples.train_x, samples.train_y, n_segments=100)
    assert f"near the data {found.mean[0]:.3f}, near the decision boundary {found.mean[-1]:.2f}" in "".join(lines)


def test_demo_goes_on_where_it_was_and_refuses_another_seed(demo):
    out, _ = demo
    before = (out / "table.csv").read_bytes()
    with pytest.raises(sg.InvalidInputError, match="seed = 0, not 1"):
        run_demo(out, quick=True, seed=1, say=print, progress=False)
    assert (out / "table.csv").read_bytes() == before
