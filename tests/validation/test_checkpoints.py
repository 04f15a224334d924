"""What was stopped at any moment ends with the bits of what was not."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import splinegeo.validation.checkpoints as checkpoints_module
import torch
from splinegeo.validation.checkpoints import RESUME, ResumableTraining, load_checkpoints
from splinegeo.validation.data import DigitTask
from splinegeo.validation.networks import Mlp
from splinegeo.validation.setting import Setting

import splinegeo as sg


@pytest.fixture
def setting():
    return Setting(Mlp((8,)), DigitTask(n_train=60), batch_size=20, last_step=50, per_decade=3)


class Stopped(Exception):
    pass


class Bar:
    """Stops the training at the n-th step that it hears of."""

    def __init__(self, n):
        self.n = n

    def update(self):
        self.n -= 1
        if self.n == 0:
            raise Stopped


def finish(folder, setting, seed=0, bar=None):
    folder.mkdir(exist_ok=True)
    training = ResumableTraining(folder, setting, seed, setting.task.load(seed))
    return {step: training.state_at(step, bar) for step in setting.steps()}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[step][name], other[step][name]) for step in one for name in one[step]
    )


@pytest.mark.parametrize("n", [1, 2, 17, 49])
def test_a_training_that_was_stopped_ends_with_the_same_bits(tmp_path, setting, n):
    whole = finish(tmp_path / "whole", setting)
    with pytest.raises(Stopped):
        finish(tmp_path / "stopped", setting, bar=Bar(n))
    assert same(whole, finish(tmp_path / "stopped", setting))


@pytest.mark.parametrize("n", [1, 3])
def test_stopped_between_a_checkpoint_and_the_state_behind_it(tmp_path, setting, monkeypatch, n):
    whole, left = finish(tmp_path / "whole", setting), iter(range(n, -1, -1))

    def save_and_stop(*arguments):
        original(*arguments)
        if next(left) == 0:
            raise Stopped

    original = checkpoints_module.save_checkpoint
    monkeypatch.setattr(checkpoints_module, "save_checkpoint", save_and_stop)
    with pytest.raises(Stopped):
        finish(tmp_path / "stopped", setting)
    monkeypatch.setattr(checkpoints_module, "save_checkpoint", original)
    assert same(whole, finish(tmp_path / "stopped", setting))


def test_nothing_is_trained_twice(tmp_path, setting):
    finish(tmp_path / "a", setting)
    finish(tmp_path / "a", setting, bar=Bar(1))  # would stop at the first step


def test_a_folder_belongs_to_one_setting_and_seed(tmp_path, setting):
    finish(tmp_path / "a", setting)
    other = replace(setting, batch_size=30, loss="margin")
    words = (
        r"'.*a' holds a training with loss = squared_error, not margin; batch_size = 20, not 30; take another folder"
    )
    for one, seed, what in ((setting, 1, "seed = 0, not 1"), (other, 0, words)):
        with pytest.raises(sg.InvalidInputError, match=what):
            ResumableTraining(tmp_path / "a", one, seed, one.task.load(seed))


def test_a_folder_of_an_older_version_is_refused_in_words(tmp_path, setting):
    (tmp_path / "setting.json").write_text('{"seed": 0, "loss": "cross_entropy", "learning_rate": 0.001}')
    with pytest.raises(
        sg.InvalidInputError, match=r"version = unknown, not 2.*loss = cross_entropy, not squared_error"
    ):
        ResumableTraining(tmp_path, setting, 0, setting.task.load(0))


@pytest.mark.parametrize("switch", [(10, "float32"), (22, "mixed")])
def test_checkpoints_keep_the_precision_of_their_step(tmp_path, setting, switch):
    setting = replace(setting, switch=switch)
    finish(tmp_path / "a", setting)
    formats = {c.step: next(c.model().parameters()).dtype for c in load_checkpoints(tmp_path / "a")}
    assert formats == {step: torch.float64 if step <= switch[0] else torch.float32 for step in setting.steps()}


def test_a_damaged_state_is_named(tmp_path, setting):
    finish(tmp_path / "a", setting)
    (tmp_path / "a" / RESUME).write_bytes(b"no tensors")
    with pytest.raises(sg.InvalidInputError, match=r"resume\.safetensors"):
        finish(tmp_path / "a", setting)


@pytest.mark.slow
def test_a_killed_process_leaves_what_ends_with_the_same_bits(tmp_path):
    """SIGKILL at several moments, then to the end: tables and weights are those of an unbroken run, byte for byte."""
    program = [sys.executable, str(Path(__file__).with_name("killed.py"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    steps = "1500"
    subprocess.run([*program, str(tmp_path / "whole"), steps], check=True, env=environment)
    broken = tmp_path / "broken"
    checkpoints = broken / "plain/seed_0/checkpoints"
    for enough in (3, 30, 60):
        process = subprocess.Popen([*program, str(broken), steps], env=environment)
        while process.poll() is None and len(list(checkpoints.glob("step_*"))) < enough:
            time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    subprocess.run([*program, str(broken), steps], check=True, env=environment)
    whole_files = {
        path.relative_to(tmp_path / "whole")
        for kind in ("*.safetensors", "*.csv", "*.json", "*.npz", "*.md")
        for path in (tmp_path / "whole").rglob(kind)
    }
    assert len(whole_files) > 80
    for path in whole_files:
        assert (broken / path).read_bytes() == (tmp_path / "whole" / path).read_bytes(), path
