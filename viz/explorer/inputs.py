"""Inputs as a person sees them: images where they are some."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEWEST_PIXELS = 64  # of a flat input that is taken for a square image
_CHANNELS = (1, 3)


def image_shape(input_shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(height, width, channels) of inputs that are images, or None.

    Examples
    --------
    >>> image_shape((3, 32, 32)), image_shape((784,)), image_shape((28, 28)), image_shape((2,))
    ((32, 32, 3), (28, 28, 1), (28, 28, 1), None)
    """
    if len(input_shape) == 3 and input_shape[0] in _CHANNELS:
        return input_shape[1], input_shape[2], input_shape[0]
    if len(input_shape) == 3 and input_shape[2] in _CHANNELS:
        return input_shape[0], input_shape[1], input_shape[2]
    if len(input_shape) == 2:
        return (*input_shape, 1)
    side = math.isqrt(math.prod(input_shape))
    square = len(input_shape) == 1 and side**2 == input_shape[0] >= _FEWEST_PIXELS
    return (side, side, 1) if square else None


def pixels(inputs: NDArray[Any], input_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """(n, height, width, channels) bytes of (n, D) inputs; values between 0 and 1 keep their brightness."""
    shape = image_shape(input_shape)
    assert shape is not None
    height, width, channels = shape
    flat = np.asarray(inputs, dtype=np.float64).reshape(len(inputs), -1)
    low, high = np.minimum(0.0, flat.min(axis=1)), np.maximum(1.0, flat.max(axis=1))
    if (flat > 2).any():  # bytes, or standardised values: each image by its own range
        low, high = flat.min(axis=1), flat.max(axis=1)
    scaled = (flat - low[:, None]) / np.where(high > low, high - low, 1)[:, None]
    image = scaled.reshape(len(flat), *input_shape)
    if len(input_shape) == 3 and input_shape[0] in _CHANNELS:
        image = np.moveaxis(image, 1, 3)
    return np.round(255 * image.reshape(len(flat), height, width, channels)).astype(np.uint8)
