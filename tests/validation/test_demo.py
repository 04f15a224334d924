"""The demo, small: real digits, real networks, real files."""

import csv
from contextlib import closing

import imageio_ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image
from splinegeo.validation import load_digits, log_spaced_steps, mlp, train
from splinegeo.validation.checkpoints import load_checkpoints
from splinegeo.validation.demo import NETWORK, run_demo

import splinegeo as sg


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    lines = []
    run_demo(out, quick=True, say=lines.append, progress=False)
    return out, lines


def test_digits_are_mnist_split_without_overlap():
    digits = load_digits(1000)
    assert digits.train_x.shape == (1000, 784)
    assert digits.test_x.shape == (4000, 784)
    assert 0 <= digits.train_x.min() < digits.train_x.max() <= 1
    assert torch.bincount(torch.cat([digits.train_y, digits.test_y])).tolist() == [500] * 10
    rows = {x.numpy().tobytes() for x in digits.train_x}
    assert sum(x.numpy().tobytes() in rows for x in digits.test_x) <= 2  # MNIST itself repeats an image or two


def test_training_learns_and_repeats():
    digits = load_digits(200)
    runs = [train(mlp(784, 30, 10, seed=1), digits, [0, 60], seed=2) for _ in range(2)]
    assert runs[0].train_accuracy[-1] > 0.8 > 0.3 > runs[0].train_accuracy[0]
    np.testing.assert_array_equal(runs[0].loss, runs[1].loss)
    assert not torch.equal(runs[0].states[0]["0.weight"], runs[0].states[1]["0.weight"])


@pytest.mark.parametrize(("last", "n"), [(10, 3), (4000, 46), (100_000, 200)])
def test_steps_are_distinct_and_reach_both_ends(last, n):
    steps = log_spaced_steps(last, n)
    assert steps[0] == 0
    assert steps[-1] == last
    assert steps == sorted(set(steps))
    assert len(steps) <= n


def test_demo_leaves_what_it_promises(demo):
    out, lines = demo
    n_frames = len(log_spaced_steps(60, 3))
    assert {p.name for p in out.iterdir()} == {
        "migration.mp4", "migration.gif", "last_frame.png", "training_curves.png", "training.csv", "partitions",
        "checkpoints",
    }  # fmt: skip
    with closing(imageio_ffmpeg.read_frames(str(out / "migration.mp4"))) as frames:
        assert all(n % 2 == 0 for n in next(frames)["size"])
    with Image.open(out / "migration.gif") as animation:
        assert animation.n_frames == n_frames
    with open(out / "training.csv") as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == [str(s) for s in log_spaced_steps(60, 3)]
    assert any("holds" in line for line in lines)


def test_demo_partitions_load_and_check(demo):
    out, _ = demo
    files = sorted((out / "partitions").iterdir())
    last = sg.Partition.load(files[-1])
    assert last.n_regions > 10_000
    assert last.check().ok
    assert sg.Partition.load(files[0]).slope_norm().min() >= 0


def test_demo_checkpoints_are_the_networks_of_the_partitions(demo):
    out, _ = demo
    checkpoints = load_checkpoints(out)
    assert [c.step for c in checkpoints] == log_spaced_steps(60, 3)
    assert {c.seed for c in checkpoints} == {0}
    first = NETWORK.build(0).state_dict()
    assert all(torch.equal(first[name], value) for name, value in checkpoints[0].state.items())
    last = sg.Partition.load(sorted((out / "partitions").iterdir())[-1])
    assert last.check(checkpoints[-1].model().double()).ok
