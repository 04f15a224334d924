"""A training that survives its process: every checkpoint on disk, beside the last the whole state of the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

import splinegeo as sg

from ..checkpoints import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint
from ..training import Trainer
from .recipe import Setting
from .tasks import Samples

RESUME = "resume.safetensors"
SETTING = "setting.json"


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
        self._trainer = Trainer(
            setting.network.build(seed),
            samples.train_x,
            samples.train_y,
            learning_rate=setting.learning_rate,
            weight_decay=setting.weight_decay,
            betas=setting.betas,
            batch_size=setting.batch_size,
            loss=setting.loss,
            seed=seed,
        )
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
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in setting if found.get(name) != json.loads(json.dumps(setting[name]))]
        if differing:
            raise sg.InvalidInputError(
                f"'{path.parent}' holds a training with another {', '.join(differing)}; take another folder"
            )
    text = json.dumps(setting, indent=1).encode()
    sg.write_whole(path, lambda stream: stream.write(text))
