"""Two tiny modules that the random networks need and PyTorch does not offer."""

from __future__ import annotations

import torch
from torch import nn


class Abs(nn.Module):
    """The absolute value of every unit, ``|x| = max(x, -x)``.

    Examples
    --------
    >>> Abs()(torch.tensor([[-2.0, 3.0]])).tolist()
    [[2.0, 3.0]]
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Fold every unit at zero; shape ``(n, units)`` in and out."""
        return x.abs()


class Maxout(nn.Module):
    """The largest of every `size` consecutive units, ``y_i = max_k x_{i·size + k}``.

    Parameters
    ----------
    size : int
        Candidates per output; it must divide the number of units.

    Examples
    --------
    >>> Maxout(2)(torch.tensor([[1.0, 4.0, -1.0, -2.0]])).tolist()
    [[4.0, -1.0]]
    """

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(n, units)`` to ``(n, units / size)``."""
        return x.view(x.shape[0], -1, self.size).amax(-1)

    def extra_repr(self) -> str:
        """Shown by ``repr``."""
        return f"size={self.size}"
