"""A training on disk: a safetensors file for each checkpoint, and a training that survives its process by them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

import splinegeo as sg

from .data import Samples
from .networks import Network, describe, network_of, restored
from .setting import Setting, differences
from .training import Trainer, TrainingRun

FOLDER = "checkpoints"
RESUME = "resume.safetensors"
SETTING = "setting.json"
_KEY = "splinegeo"


@dataclass(frozen=True)
class Checkpoint:
    """A network at one step of a training run.

    Attributes
    ----------
    step : optimiser steps done
    seed : of the run; `load_digits` with it gives the split into training and test digits
    network : what the weights are the weights of
    state : state dict
    """

    step: int
    seed: int
    network: Network
    state: dict[str, Tensor]

    def model(self) -> nn.Module:
        """The module itself, in evaluation mode."""
        return restored(self.network, self.state)


def checkpoint_path(out: Path, step: int) -> Path:
    """Where the checkpoint of a step lies in the folder of a run."""
    return out / FOLDER / f"step_{step:06d}.safetensors"


def save_checkpoint(out: Path, checkpoint: Checkpoint) -> None:
    """Write one checkpoint into the folder of a run."""
    path = checkpoint_path(out, checkpoint.step)
    path.parent.mkdir(exist_ok=True)
    made = {"step": checkpoint.step, "seed": checkpoint.seed, "network": describe(checkpoint.network)}
    content = safetensors.torch.save(
        {name: value.detach().contiguous() for name, value in checkpoint.state.items()},
        metadata={_KEY: json.dumps(made)},
    )
    sg.write_whole(path, lambda stream: stream.write(content))


def save_checkpoints(out: Path, run: TrainingRun, network: Network, seed: int) -> None:
    """Write every state as ``out/checkpoints/step_000123.safetensors``, in place of older ones."""
    for stale in (out / FOLDER).glob("step_*.safetensors"):
        stale.unlink()
    for step, state in zip(run.steps.tolist(), run.states, strict=True):
        save_checkpoint(out, Checkpoint(step, seed, network, state))


def load_checkpoints(out: Path) -> list[Checkpoint]:
    """The checkpoints of the run in folder `out`, by ascending step.

    Raises
    ------
    InvalidInputError
        If there are none, or a file is not one that `save_checkpoints` wrote.
    """
    files = sorted((out / FOLDER).glob("step_*.safetensors"))
    if not files:
        raise sg.InvalidInputError(f"no checkpoints in '{out / FOLDER}'; `splinegeo demo --out {out}` leaves some")
    return sorted((load_checkpoint(path) for path in files), key=lambda checkpoint: checkpoint.step)


def load_checkpoint(path: Path) -> Checkpoint:
    """One checkpoint.

    Raises
    ------
    InvalidInputError
        If the file is not one that `save_checkpoint` wrote.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            made = json.loads((file.metadata() or {})[_KEY])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        checkpoint = Checkpoint(int(made["step"]), int(made["seed"]), network_of(made["network"]), state)
        checkpoint.model()
    except (OSError, safetensors.SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise sg.InvalidInputError(f"'{path}' is not a whole checkpoint of a run: {first}") from error
    return checkpoint


class ResumableTraining:
    """One training of a setting in a folder, taken up where the last process left it.

    The weights of every checkpoint are kept as ``checkpoints/step_*.safetensors``; ``resume.safetensors`` holds
    what the next step depends on at the newest checkpoint. It is written after that checkpoint and replaced whole:
    a process that is killed between the two trains that stretch again, with the same bits.

    Raises
    ------
    InvalidInputError
        If the folder holds a training of another setting or seed.
    """

    def __init__(self, out: Path, setting: Setting, seed: int, samples: Samples) -> None:
        self._out, self._network, self._seed = out, setting.network, seed
        _claim(out / SETTING, {"seed": seed, **setting.identity()})
        self._trainer = Trainer(setting.network.build(seed), samples.train_x, samples.train_y, setting, seed)
        self._resume()

    @property
    def step(self) -> int:
        """How far the training has come."""
        return self._trainer.step

    def state_at(self, step: int, bar: Any = None) -> dict[str, Tensor]:
        """The weights at a step: those of its checkpoint if the training has passed it, trained otherwise.

        Raises
        ------
        InvalidInputError
            If the training has passed the step without leaving a checkpoint, or left one that is damaged.
        """
        if step > self._trainer.step or (step == 0 and not checkpoint_path(self._out, 0).exists()):
            self._trainer.advance(step, bar)
            state = {name: value.clone() for name, value in self._trainer.model.state_dict().items()}
            save_checkpoint(self._out, Checkpoint(step, self._seed, self._network, state))
            content = safetensors.torch.save(self._trainer.state())
            sg.write_whole(self._out / RESUME, lambda stream: stream.write(content))
            return state
        return load_checkpoint(checkpoint_path(self._out, step)).state

    def _resume(self) -> None:
        path = self._out / RESUME
        if not path.exists():
            return
        try:
            self._trainer.restore(safetensors.torch.load_file(path))
        except (OSError, safetensors.SafetensorError, LookupError, ValueError, RuntimeError) as error:
            raise sg.InvalidInputError(f"cannot go on with the training in '{path}': {error}; remove it") from error


def _claim(path: Path, setting: dict[str, Any]) -> None:
    """Write down what is trained in a folder, or refuse one that was used for something else."""
    wanted = json.loads(json.dumps(setting))
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = differences(found, wanted)
        if differing:
            raise sg.InvalidInputError(
                f"'{path.parent}' holds a training with {'; '.join(differing)}; take another folder, or remove it"
            )
    text = json.dumps(wanted, indent=1).encode()
    sg.write_whole(path, lambda stream: stream.write(text))
