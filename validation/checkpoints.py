"""Checkpoints of a training run on disk: one safetensors file for each step, which says how it was made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

import splinegeo as sg

from .training import TrainingRun, mlp

FOLDER = "checkpoints"
_KEY = "splinegeo"


@dataclass(frozen=True)
class Checkpoint:
    """A network at one step of a training run.

    Attributes
    ----------
    step : optimiser steps done
    seed : of the run; `load_digits` with it gives the split into training and test digits
    state : state dict
    """

    step: int
    seed: int
    state: dict[str, Tensor]

    def model(self) -> nn.Module:
        """The network itself, in evaluation mode; its widths are those of the weights."""
        weights = [self.state[f"{2 * layer}.weight"] for layer in range(len(self.state) // 2)]
        made = mlp(weights[0].shape[1], *(weight.shape[0] for weight in weights))
        made.load_state_dict(self.state)
        return made.eval()


def save_checkpoints(out: Path, run: TrainingRun, seed: int) -> None:
    """Write every state of an `mlp` as ``out/checkpoints/step_000123.safetensors``, in place of older ones."""
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("step_*.safetensors"):
        stale.unlink()
    for step, state in zip(run.steps.tolist(), run.states, strict=True):
        made = {_KEY: json.dumps({"step": step, "seed": seed})}
        _write(folder / f"step_{step:06d}.safetensors", safetensors.torch.save(state, metadata=made))


def _write(path: Path, content: bytes) -> None:
    sg.write_whole(path, lambda stream: stream.write(content))


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
    return sorted((_load(path) for path in files), key=lambda checkpoint: checkpoint.step)


def _load(path: Path) -> Checkpoint:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            made = json.loads((file.metadata() or {})[_KEY])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        checkpoint = Checkpoint(int(made["step"]), int(made["seed"]), state)
        checkpoint.model()
    except (OSError, safetensors.SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise sg.InvalidInputError(f"'{path}' is not a whole checkpoint of a run: {first}") from error
    return checkpoint
