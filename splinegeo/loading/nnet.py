"""The ``.nnet`` format: fully connected ReLU networks as text, with the normalisation of inputs and outputs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import InvalidInputError


class Scaled(nn.Module):
    """x ↦ x · scale + shift, feature by feature."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor) -> Tensor:
        """Scale, then shift."""
        return x * self.scale + self.shift


def read_nnet(path: Path) -> nn.Module:
    """A ``.nnet`` file as a module in float64: (x − mean)/range, layers with ReLU between them, y · range + mean.

    The limits of the inputs that stand in the file are not applied: they say where the network is meant to be used.
    """
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("//")]
        rows = [[float(number) for number in line.split(",") if number.strip()] for line in lines]
        return _network(rows)
    except (ValueError, IndexError, RuntimeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"'{path}' is not a whole .nnet file: {error}") from error


def _network(rows: list[list[float]]) -> nn.Module:
    sizes = [int(size) for size in rows[1]]
    n_inputs = sizes[0]
    # Lines 2 to 4: a flag that nobody reads, least and largest inputs. Lines 5 and 6: one number more than there are
    # inputs, the last one for all outputs.
    mean, spread = (torch.tensor(row, dtype=torch.float64) for row in rows[5:7])
    if len(mean) != n_inputs + 1 or len(spread) != n_inputs + 1:
        raise ValueError(f"it should have {n_inputs + 1} means and ranges, not {len(mean)} and {len(spread)}")
    layers: list[nn.Module] = [Scaled(1 / spread[:-1], -mean[:-1] / spread[:-1])]
    start = 7
    for k, (a, b) in enumerate(pairwise(sizes)):
        linear = nn.Linear(a, b, dtype=torch.float64)
        weight, bias = (torch.tensor(rows[i : i + b], dtype=torch.float64) for i in (start, start + b))
        with torch.no_grad():
            linear.weight.copy_(weight.reshape(b, a))
            linear.bias.copy_(bias.reshape(b))
        layers += [linear] if k == len(sizes) - 2 else [linear, nn.ReLU()]
        start += 2 * b
    if start != len(rows):
        raise ValueError(f"it has {len(rows)} lines, where its sizes {sizes} ask for {start}")
    return nn.Sequential(*layers, Scaled(spread[-1:], mean[-1:]))
