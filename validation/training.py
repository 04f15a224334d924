"""Training a classifier with checkpoints on log-spaced steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from .digits import Digits


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

    Notes
    -----
    The setting of the paper's MNIST experiments: batch 200, learning rate 1e-3, weight decay 0.01.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    loss_of = nn.CrossEntropyLoss()
    generator = torch.Generator().manual_seed(seed)
    rows, states, wanted = [], [], set(checkpoints)
    n = len(digits.train_x)
    order = torch.randperm(n, generator=generator)
    position = 0
    for step in tqdm(range(max(checkpoints) + 1), desc="training", unit="step", disable=not progress):
        if step in wanted:
            rows.append((step, *_evaluate(model, digits)))
            states.append({name: value.detach().clone() for name, value in model.state_dict().items()})
        if position >= n:
            order, position = torch.randperm(n, generator=generator), 0
        batch = order[position : position + batch_size]
        position += batch_size
        optimizer.zero_grad()
        loss_of(model(digits.train_x[batch]), digits.train_y[batch]).backward()
        optimizer.step()
    steps, loss, train_accuracy, test_accuracy = (np.array(column) for column in zip(*rows, strict=True))
    return TrainingRun(steps, loss, train_accuracy, test_accuracy, tuple(states))


def _evaluate(model: nn.Module, digits: Digits) -> tuple[float, float, float]:
    """Training loss, training accuracy, test accuracy."""
    with torch.no_grad():
        logits = model(digits.train_x)
        loss = nn.functional.cross_entropy(logits, digits.train_y).item()
        train = (logits.argmax(1) == digits.train_y).double().mean().item()
        test = (model(digits.test_x).argmax(1) == digits.test_y).double().mean().item()
    return loss, train, test
