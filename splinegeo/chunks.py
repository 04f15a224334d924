"""How much one operation handles at once: what stays in the caches of a host, what keeps a GPU busy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

# Elements: a megabyte of float64, of which several passes stay in a cache; and 128 megabytes, which take a GPU several
# times as long as a launch, while a few of them do not matter beside its memory.
_ON_HOST, _ON_GPU = 2**17, 2**24


def on_gpu(x: NDArray[Any] | Tensor) -> bool:
    """Whether the array lives where one long operation is cheaper than many short ones."""
    return not isinstance(x, np.ndarray) and x.device.type != "cpu"


def rows_at_once(x: NDArray[Any] | Tensor, width: int) -> int:
    """How many rows of `width` elements had better be handled at once where x lives."""
    return max(1, (_ON_GPU if on_gpu(x) else _ON_HOST) // max(1, width))
