"""Checkpoints of a training run on disk: one safetensors file for each step, which says how it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

import splinegeo as sg

from .networks import Network, describe, network_of
from .training import TrainingRun

FOLDER = "checkpoints"
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
        made = self.network.build(self.seed)
        made.load_state_dict(self.state)
        return made.eval()


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
