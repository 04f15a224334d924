"""Training a classifier: a trainer that can be put away at any step and taken up again, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from .data import Samples
from .losses import LOSSES
from .networks import format_of
from .setting import Setting

_OPTIMIZER = "optimizer."
_MODEL = "model."
# Multiplications of a forward pass, about, below which a step is not worth dividing.
_SMALL = 1e8


class Trainer:
    """An optimiser on shuffled batches of one training set that lies in memory.

    Every epoch goes through the training set in a new order, `batch_size` at a time; the last batch of an epoch is
    smaller where the numbers do not divide.

    Parameters
    ----------
    model : the module to train, in place, brought to the precision of the setting
    x, y : (n, *input shape) inputs and (n,) int64 labels
    setting : of which the network and the task are not looked at
    seed : of the order of the samples and of added noise; the initialisation is the model's own affair
    """

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor, setting: Setting, seed: int = 0) -> None:
        self._setting, self._loss = setting, LOSSES[setting.loss]
        self.model, self.step = model.train(), 0
        self._x, self._y = x, y
        model.to(setting.formats(0)[0])
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = _optimizer(self._parameters, setting)
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.randperm(len(x), generator=self._generator)
        self._position = 0

    def advance(self, last: int, bar: Any = None) -> None:
        """Train until `last` optimiser steps are done in all, and move the bar if there is one."""
        self.model.train()
        with _threads_for(self._parameters, self._setting.batch_size):
            self._advance(last, bar)

    def _advance(self, last: int, bar: Any) -> None:
        while self.step < last:
            self._cast()
            if self._position >= len(self._x):
                self._order, self._position = torch.randperm(len(self._x), generator=self._generator), 0
            batch = self._order[self._position : self._position + self._setting.batch_size]
            self._position += self._setting.batch_size
            for group in self._optimizer.param_groups:
                group["lr"] = self._setting.rate(self.step)
            self._gradients(self._x[batch], self._y[batch])
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
                if value is not None
            },
            "generator": self._generator.get_state(),
            "order": self._order,
            "place": torch.tensor([self.step, self._position]),
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on where `state` was taken."""
        self.step, self._position = state["place"].tolist()
        weights = {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
        self.model.to(format_of(weights))
        self.model.load_state_dict(weights)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith(_OPTIMIZER):
                index, part = name.removeprefix(_OPTIMIZER).split(".")
                moments.setdefault(int(index), {})[part] = value.clone()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._generator.set_state(state["generator"])
        self._order = state["order"]

    def _cast(self) -> None:
        """Weights, inputs and the optimiser's moments in the format of the step to come."""
        weights, _ = self._setting.formats(self.step)
        if self._parameters[0].dtype != weights:
            self.model.to(weights)
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # which casts the moments
        self._x = self._x.to(weights) if self._x.is_floating_point() else self._x

    def _gradients(self, x: Tensor, y: Tensor) -> None:
        """Leave in every parameter the gradient that the optimiser is to follow."""
        how, parameters = self._setting, self._parameters
        self._backward(x, y)
        if how.sharpness:
            before = [parameter.detach().clone() for parameter in parameters]
            _climb(parameters, how.sharpness, how.adaptive)
            self._backward(x, y)
            with torch.no_grad():
                for parameter, value in zip(parameters, before, strict=True):
                    parameter.copy_(value)
        if how.noise:
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad.add_(torch.randn(parameter.shape, generator=self._generator), alpha=how.noise)
        if how.clip is not None:
            nn.utils.clip_grad_norm_(parameters, how.clip)

    def _backward(self, x: Tensor, y: Tensor) -> None:
        self._optimizer.zero_grad()
        outputs = self.model(x)
        self._loss(outputs.to(self._setting.formats(self.step)[1]), y).backward()


@contextmanager
def _threads_for(parameters: Sequence[nn.Parameter], batch_size: int) -> Iterator[None]:
    """One thread for small networks: steps gain nothing from more, and have the same bits for any number of cores."""
    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in parameters) * batch_size < _SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _optimizer(parameters: Sequence[nn.Parameter], how: Setting) -> torch.optim.Optimizer:
    shared: dict[str, Any] = {"lr": how.learning_rate, "weight_decay": how.weight_decay}
    # One kernel for all parameters: the plain loop over them takes a third of a small network's step.
    if how.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=how.momentum, fused=True, **shared)
    kind = torch.optim.AdamW if how.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, betas=how.betas, eps=how.eps, fused=True, **shared)


def _climb(parameters: Sequence[nn.Parameter], rho: float, adaptive: bool) -> None:
    """Move the weights to where sharpness-aware minimisation takes its gradient.

    References
    ----------
    P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, Sharpness-Aware Minimization for Efficiently Improving
    Generalization, ICLR 2021; J. Kwon, J. Kim, H. Park, I. K. Choi, ASAM, ICML 2021.
    """
    with torch.no_grad():
        pairs = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
        scaled = [parameter.abs() * gradient if adaptive else gradient for parameter, gradient in pairs]
        norm = torch.stack([one.norm() for one in scaled]).norm()
        for (parameter, _), one in zip(pairs, scaled, strict=True):
            direction = parameter.abs() * one if adaptive else one
            parameter.add_(torch.where(norm > 0, rho / norm, 0.0) * direction)


@dataclass(frozen=True)
class TrainingRun:
    """What was recorded at each checkpoint.

    Attributes
    ----------
    steps : (n,) int
    loss : (n,) on the training set
    train_accuracy, test_accuracy : (n,) in [0, 1]
    states : state dicts
    """

    steps: NDArray[np.int64]
    loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    states: tuple[dict[str, Tensor], ...]


def train(
    model: nn.Module,
    samples: Samples,
    checkpoints: Sequence[int],
    setting: Setting | None = None,
    *,
    seed: int = 0,
    progress: bool = False,
) -> TrainingRun:
    """Train a module and record at every checkpoint; nothing is written.

    Parameters
    ----------
    checkpoints : ascending step numbers; the last one ends the training
    setting : of which network, task and length are not looked at; by default the paper's for digits with
        cross-entropy in float32, which is quick and enough where no late phase is looked for
    """
    how = setting or Setting(loss="cross_entropy", precision="float32")
    trainer = Trainer(model, samples.train_x, samples.train_y, how, seed)
    rows, states = [], []
    with tqdm(total=max(checkpoints), desc="training", unit="step", disable=not progress) as bar:
        for step in checkpoints:
            trainer.advance(step, bar)
            model.eval()
            train_, test = (samples.train_x, samples.train_y), (samples.test_x, samples.test_y)
            rows.append((step, loss_of(model, *train_, how.loss), accuracy(model, *train_), accuracy(model, *test)))
            states.append({name: value.detach().clone() for name, value in model.state_dict().items()})
    steps, loss, train_accuracy, test_accuracy = (np.array(column) for column in zip(*rows, strict=True))
    return TrainingRun(steps, loss, train_accuracy, test_accuracy, tuple(states))


def outputs_of(model: nn.Module, x: Tensor) -> Tensor:
    """The outputs (n, C), without gradients, computed in the float format of the module."""
    weights = next(model.parameters()).dtype
    with torch.no_grad():
        z: Tensor = model(x.to(weights) if x.is_floating_point() else x)
    return z


def loss_of(model: nn.Module, x: Tensor, y: Tensor, loss: str) -> float:
    """The mean loss over all samples, from the outputs in float64, in the module's present mode."""
    return LOSSES[loss](outputs_of(model, x).double(), y).item()


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of samples whose largest output is that of their label, in the module's present mode."""
    return (outputs_of(model, x).argmax(1) == y).double().mean().item()


def log_spaced_steps(last: int, n: int) -> list[int]:
    """About `n` distinct steps from 0 to `last`, denser at the beginning.

    >>> log_spaced_steps(100, 5)
    [0, 1, 5, 22, 100]
    """
    return sorted({0, *np.geomspace(1, last, n - 1).round().astype(int).tolist()})
