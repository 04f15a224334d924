"""Training a classifier: a trainer that can be put away at any step and taken up again, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from .digits import Digits

_OPTIMIZER = "optimizer."
_MODEL = "model."


@dataclass(frozen=True)
class TrainingRun:
    """What was recorded at each checkpoint.

    Attributes
    ----------
    steps : (n,) int
    loss : (n,) cross-entropy on the training set
    train_accuracy, test_accuracy : (n,) in [0, 1]
    states : state dicts, float32
    """

    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    states: tuple[dict[str, Tensor], ...]


class Trainer:
    """AdamW on shuffled batches of one training set that lies in memory.

    Every epoch goes through the training set in a new order, `batch_size` at a time; the last batch of an epoch is
    smaller where the numbers do not divide.

    Parameters
    ----------
    model : the module to train, in place
    x, y : (n, *input shape) inputs and (n,) int64 labels
    loss : ``"cross_entropy"``, or ``"squared_error"``: the mean squared distance to the one-hot labels
    seed : of the order of the samples; the initialisation is the model's own affair

    Notes
    -----
    The setting of the paper's MNIST experiments: batch 200, learning rate 1e-3, weight decay 0.01.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        batch_size: int = 200,
        loss: str = "cross_entropy",
        seed: int = 0,
    ) -> None:
        self.model, self.step = model.train(), 0
        self._x, self._y, self._batch_size = x, y, batch_size
        self._loss = LOSSES[loss]
        # One kernel for all parameters: the plain loop over them takes a third of a small network's step.
        self._optimizer = torch.optim.AdamW(
            model.parameters(), lr=learning_rate, weight_decay=weight_decay, betas=betas, fused=True
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.randperm(len(x), generator=self._generator)
        self._position = 0

    def advance(self, last: int, bar: Any = None) -> None:
        """Train until `last` optimiser steps are done in all, and move the bar if there is one."""
        self.model.train()
        while self.step < last:
            if self._position >= len(self._x):
                self._order, self._position = torch.randperm(len(self._x), generator=self._generator), 0
            batch = self._order[self._position : self._position + self._batch_size]
            self._position += self._batch_size
            self._optimizer.zero_grad()
            self._loss(self.model(self._x[batch]), self._y[batch]).backward()
            self._optimizer.step()
            self.step += 1
            if bar is not None:
                bar.update()

    def state(self) -> dict[str, Tensor]:
        """Everything that the next steps depend on, as tensors: weights, optimiser, generator, place in the epoch."""
        moments = self._optimizer.state_dict()["state"]
        return {
            **{f"{_MODEL}{name}": value.detach().clone() for name, value in self.model.state_dict().items()},
            **{
                f"{_OPTIMIZER}{index}.{name}": value.clone()
                for index, values in moments.items()
                for name, value in values.items()
            },
            "generator": self._generator.get_state(),
            "order": self._order,
            "place": torch.tensor([self.step, self._position]),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        self.model.load_state_dict(
            {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
        )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith(_OPTIMIZER):
                index, part = name.removeprefix(_OPTIMIZER).split(".")
                moments.setdefault(int(index), {})[part] = value.clone()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._generator.set_state(state["generator"])
        self._order = state["order"]
        self.step, self._position = state["place"].tolist()


def _squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.mse_loss(outputs, nn.functional.one_hot(labels, outputs.shape[-1]).to(outputs.dtype))


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": nn.functional.cross_entropy,
    "squared_error": _squared_error,
}


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    """A ReLU network with the given layer widths, input and output included, at PyTorch's initialisation."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def log_spaced_steps(last: int, n: int) -> list[int]:
    """About `n` distinct steps from 0 to `last`, denser at the beginning.

    >>> log_spaced_steps(100, 5)
    [0, 1, 5, 22, 100]
    """
    return sorted({0, *np.geomspace(1, last, n - 1).round().astype(int).tolist()})


def train(
    model: nn.Module,
    digits: Digits,
    checkpoints: Sequence[int],
    *,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    batch_size: int = 200,
    seed: int = 0,
    progress: bool = False,
) -> TrainingRun:
    """Train with AdamW on cross-entropy, and record at every checkpoint.

    Parameters
    ----------
    checkpoints : ascending step numbers; the last one ends the training
    """
    trainer = Trainer(
        model,
        digits.train_x,
        digits.train_y,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batch_size,
        seed=seed,
    )
    rows, states = [], []
    with tqdm(total=max(checkpoints), desc="training", unit="step", disable=not progress) as bar:
        for step in checkpoints:
            trainer.advance(step, bar)
            rows.append((step, *_evaluate(model, digits)))
            states.append({name: value.detach().clone() for name, value in model.state_dict().items()})
    steps, loss, train_accuracy, test_accuracy = (np.array(column) for column in zip(*rows, strict=True))
    return TrainingRun(steps, loss, train_accuracy, test_accuracy, tuple(states))


def _evaluate(model: nn.Module, digits: Digits) -> tuple[float, float, float]:
    """Training loss, training accuracy, test accuracy."""
    model.eval()
    loss = loss_of(model, digits.train_x, digits.train_y)
    return loss, accuracy(model, digits.train_x, digits.train_y), accuracy(model, digits.test_x, digits.test_y)


def loss_of(model: nn.Module, x: Tensor, y: Tensor, loss: str = "cross_entropy") -> float:
    """The mean loss over all samples, in the module's present mode."""
    with torch.no_grad():
        return LOSSES[loss](model(x), y).item()


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of samples whose largest output is that of their label, in the module's present mode."""
    with torch.no_grad():
        return (model(x).argmax(1) == y).double().mean().item()
