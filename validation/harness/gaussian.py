"""Random networks with Gaussian weights and biases, whose averages are known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn


def gaussian_mlp(
    widths: tuple[int, ...], *, weight_std: float, bias_std: float, activation: Callable[[], nn.Module], seed: int
) -> nn.Sequential:
    """A float64 network without an output layer: every linear layer is followed by the activation.

    Parameters
    ----------
    widths : inputs, then units of each hidden layer
    weight_std : σ; the weights of a layer with n inputs are N(0, σ²/n)
    bias_std : the biases are N(0, bias_std²); 0 leaves none
    """
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layer = nn.Linear(n_in, n_out).double()
        with torch.no_grad():
            layer.weight.normal_(0, weight_std / n_in**0.5, generator=generator)
            layer.bias.normal_(0, 1, generator=generator).mul_(bias_std)
        layers += [layer, activation()]
    return nn.Sequential(*layers).eval()
