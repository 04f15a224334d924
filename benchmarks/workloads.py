"""What is measured: a network, windows, and checkpoints; the same weights for every contestant."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from splinegeo.validation import load_digits, log_spaced_steps, mlp, train
from torch import Tensor, nn

import splinegeo as sg

State = Mapping[str, Tensor]
DIGIT_WIDTHS = (784, 200, 200, 200, 10)
N_STEPS = 300
N_CHECKPOINTS = 50
RADIUS = 0.05
DIAMOND = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


@dataclass(frozen=True)
class Workload:
    """A network at some checkpoints on some windows.

    Attributes
    ----------
    name : what the table calls it
    model : a chain of layers
    domains : windows, refined together
    states : checkpoints, computed one after the other
    """

    name: str
    model: nn.Sequential
    domains: list[sg.Slice]
    states: list[State]

    @classmethod
    def of(cls, name: str, model: nn.Sequential, domains: list[sg.Slice]) -> Workload:
        """A workload with the model's own weights as its only checkpoint."""
        return cls(name, model, domains, [model.state_dict()])

    def at(self, state: State) -> nn.Sequential:
        """A copy of the model with the weights of a checkpoint."""
        made = copy.deepcopy(self.model)
        made.load_state_dict(state)
        return made


def random_network(widths: tuple[int, ...], half_width: float) -> Workload:
    """A network of two inputs at PyTorch's default initialisation, seed 0, on a square around the origin."""
    window = sg.Slice.box((-half_width, half_width), (-half_width, half_width))
    return Workload.of(f"{'-'.join(map(str, widths))}, s = {half_width:g}", mlp(*widths, seed=0), [window])


def digit_slice() -> Workload:
    """A trained network on the plane through three digits."""
    return Workload(
        "784-200-200-200-10 on a digit slice", mlp(*DIGIT_WIDTHS), [_digit_plane((784,))], [_training()[-1]]
    )


def checkpoints() -> Workload:
    """The same network and plane at fifty steps of its training."""
    name = f"{N_CHECKPOINTS} checkpoints of 784-200-200-200-10"
    return Workload(name, mlp(*DIGIT_WIDTHS), [_digit_plane((784,))], list(_training()[-N_CHECKPOINTS:]))


def diamonds() -> Workload:
    """The same network around a thousand digits: two-dimensional diamonds, as in exact local complexity."""
    digits = load_digits().test_x[:1000]
    frames = sg.random_frames(len(digits), 784, 2, rng=0).numpy()
    centres = digits.double().numpy()
    domains = [sg.Slice(x, f.T, RADIUS * DIAMOND, (784,)) for x, f in zip(centres, frames, strict=True)]
    return Workload("1 000 diamonds in one batch", mlp(*DIGIT_WIDTHS), domains, [_training()[-1]])


def convolution() -> Workload:
    """A trained convolutional network on the plane through three digits."""
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=2), nn.ReLU()]
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(72, 10))
    digits = load_digits()
    _fit(model, digits.train_x.reshape(-1, 1, 28, 28), digits.train_y)
    return Workload.of("conv 4-8 on a digit slice", model, [_digit_plane((1, 28, 28))])


WORKLOADS: tuple[Callable[[], Workload], ...] = (
    lambda: random_network((2, 30, 30, 1), 1),
    lambda: random_network((2, 32, 32, 32, 32, 1), 1),
    lambda: random_network((2, 100, 100, 1), 1),
    lambda: random_network((2, 200, 200, 1), 1),
    lambda: random_network((2, 64, 64, 64, 64, 1), 10),
    lambda: random_network((2, 200, 200, 200, 10), 1),
    lambda: random_network((2, 200, 200, 200, 10), 10),
    lambda: random_network((2, 1000, 1), 1),
    lambda: random_network((2, 700, 1), 1),  # the stress case of regioncam's own benchmarks
    digit_slice,
    convolution,
    diamonds,
    checkpoints,
)


def _digit_plane(shape: tuple[int, ...]) -> sg.Slice:
    """The plane through a 3, a 5 and an 8, which networks confuse."""
    digits = load_digits()
    first = [int(torch.nonzero(digits.train_y == label)[0]) for label in (3, 5, 8)]
    return sg.Slice.through(*(digits.train_x[i].reshape(shape) for i in first), margin=0.6)


@cache
def _training() -> tuple[State, ...]:
    """Weights of the digit network at about fifty steps of a short training."""
    model = mlp(*DIGIT_WIDTHS, seed=0)
    return train(model, load_digits(), log_spaced_steps(N_STEPS, N_CHECKPOINTS + 15), seed=0).states


def _fit(model: nn.Module, x: Tensor, y: Tensor, n_steps: int = 150) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_steps):
        batch = torch.randint(len(x), (200,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
