"""The networks that the checks look at: trained once, on real digits, shared by all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ..digits import Digits, load_digits
from ..training import TrainingRun, log_spaced_steps, mlp, train

DEPTH = 3


@dataclass(frozen=True)
class TrainingPlan:
    """How long the networks are trained.

    Attributes
    ----------
    mlp_steps, mlp_checkpoints : of the fully connected network
    normalised_steps : of its sibling with batch norm
    cnn_steps : of the convolutional network
    width : of the three hidden layers of the first two
    """

    mlp_steps: int
    mlp_checkpoints: int
    normalised_steps: int
    cnn_steps: int
    width: int = 200


class Subjects:
    """Digits and the networks trained on 1 000 of them, each trained when it is first asked for.

    Parameters
    ----------
    plan : TrainingPlan
    seed : of the split of the digits, the initialisations and the batches
    progress : whether trainings show a bar
    """

    def __init__(self, plan: TrainingPlan, seed: int = 0, progress: bool = False) -> None:
        self.plan, self.seed, self.progress = plan, seed, progress

    @cached_property
    def digits(self) -> Digits:
        """1 000 digits to train on, 4 000 others."""
        return load_digits(seed=self.seed)

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the fully connected network, inputs and outputs included."""
        return (784, *[self.plan.width] * DEPTH, 10)

    @property
    def shape(self) -> str:
        """The same in words: 784-200-200-200-10."""
        return "-".join(map(str, self.widths))

    @cached_property
    def run(self) -> TrainingRun:
        """The training of the fully connected network, log-spaced checkpoints."""
        steps = log_spaced_steps(self.plan.mlp_steps, self.plan.mlp_checkpoints)
        return self._train(mlp(*self.widths, seed=self.seed), steps)

    @cached_property
    def mlp(self) -> nn.Sequential:
        """The fully connected network at the end of its training."""
        return self.mlp_at(self.run.states[-1])

    def mlp_at(self, state: dict[str, Tensor]) -> nn.Sequential:
        """The fully connected network at one of the run's states."""
        model = mlp(*self.widths)
        model.load_state_dict(state)
        return model.eval()

    @cached_property
    def normalised(self) -> nn.Sequential:
        """Its sibling with batch norm, trained, in evaluation mode."""
        model = normalised_mlp(self.widths, self.seed)
        self._train(model, [self.plan.normalised_steps])
        return model.eval()

    @cached_property
    def cnn(self) -> nn.Sequential:
        """Five convolutions and two linear layers, trained, without batch norm."""
        model = convolutional(self.seed)
        self._train(model, [self.plan.cnn_steps])
        return model.eval()

    def _train(self, model: nn.Module, steps: list[int]) -> TrainingRun:
        return train(model, self.digits, steps, seed=self.seed, progress=self.progress)


def normalised_mlp(widths: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    """A network of these widths with batch norm between every hidden linear layer and its ReLU."""
    layers: list[nn.Module] = []
    for layer in mlp(*widths, seed=seed):
        layers += [nn.BatchNorm1d(widths[1])] if isinstance(layer, nn.ReLU) else []
        layers.append(layer)
    return nn.Sequential(*layers)


def convolutional(seed: int = 0, channels: int = 16) -> nn.Sequential:
    """The paper's shape of a CNN, five convolutions and two linear layers, for flat images of 28 by 28 pixels.

    Strides stand where pooling would, so that certified bounds apply to all of it.
    """
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Unflatten(1, (1, 28, 28))]
    for n_in, stride in ((1, 2), (channels, 2), (channels, 1), (channels, 1), (channels, 1)):
        layers += [nn.Conv2d(n_in, channels, 3, stride, padding=1), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(channels * 7 * 7, 100), nn.ReLU(), nn.Linear(100, 10)]
    return nn.Sequential(*layers)
