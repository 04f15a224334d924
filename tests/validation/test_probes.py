"""Probes on real digits, checkpoints on disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
from splinegeo.validation import TrainingRun, load_digits, mlp
from splinegeo.validation.checkpoints import load_checkpoints, save_checkpoints
from splinegeo.validation.networks import Mlp
from splinegeo.validation.probes import digit_probes, measure_complexity, measure_deformation

import splinegeo as sg


def training_run(steps):
    states = tuple(mlp(784, 6, 10, seed=step).state_dict() for step in steps)
    return TrainingRun(np.array(steps), *(np.zeros(len(steps)) for _ in range(3)), states)


def test_probes_are_digits_of_the_split_and_random_points_of_the_box():
    digits, probes = load_digits(seed=4), digit_probes(300, split_seed=4, seed=1)
    assert torch.equal(probes["train"], digits.train_x[:300])
    assert torch.equal(probes["test"], digits.test_x[:300])
    assert 0 <= probes["random"].min() < 0.01 < 0.99 < probes["random"].max() <= 1
    assert not torch.equal(probes["random"], digit_probes(300, split_seed=4, seed=2)["random"])
    assert digit_probes(5, images=True)["test"].shape == (5, 1, 28, 28)


def test_checkpoints_come_back_by_step_not_by_name(tmp_path):
    steps = [0, 7, 999_999, 1_000_000, 12_345_678]
    save_checkpoints(tmp_path, training_run(steps), Mlp((6,)), seed=3)
    found = load_checkpoints(tmp_path)
    assert [c.step for c in found] == steps
    for step, checkpoint in zip(steps, found, strict=True):
        x = torch.rand(3, 784)
        assert checkpoint.seed == 3
        torch.testing.assert_close(checkpoint.model()(x), mlp(784, 6, 10, seed=step)(x))


def test_a_new_run_replaces_the_old(tmp_path):
    for steps in ([0, 1, 2], [5]):
        save_checkpoints(tmp_path, training_run(steps), Mlp((6,)), seed=0)
    assert [c.step for c in load_checkpoints(tmp_path)] == [5]


def test_checkpoints_of_the_first_version_load():
    run = Path(__file__).parent.parent / "written_by_0_1_0/run/plain/seed_0"
    found = load_checkpoints(run)
    assert [checkpoint.step for checkpoint in found] == [0, 1, 3, 5, 10, 20]
    assert found[-1].model()(torch.rand(3, 784)).shape == (3, 10)


def test_a_torn_checkpoint_is_named(tmp_path):
    save_checkpoints(tmp_path, training_run([0]), Mlp((6,)), seed=0)
    (file,) = (tmp_path / "checkpoints").iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(sg.InvalidInputError, match=r"step_000000\.safetensors' is not a whole checkpoint"):
        load_checkpoints(tmp_path)


def test_measurements_are_those_of_the_library():
    models, probes = [mlp(784, 6, 10, seed=seed) for seed in range(2)], digit_probes(8)
    found = measure_complexity(models, probes, radius=1.0, dim=4, rng=9)
    assert list(found) == ["train", "test", "random"]
    again = sg.local_complexity(models[1], probes["random"], radius=1.0, dim=4, rng=9)
    np.testing.assert_array_equal(found["random"][1].counts, again.counts)
    bent = measure_deformation(models[0], probes, radii=(0.1, 1.0), dim=4, rng=9)
    assert [one.radius for one in bent["test"]] == [0.1, 1.0]
