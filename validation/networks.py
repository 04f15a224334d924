"""The networks of the experiments as plain data: what to build, written beside the weights so as to build it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from operator import mul
from typing import Any, Protocol

import torch
from torch import nn

import splinegeo as sg

from .transformer import TokenTransformer

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class Network(Protocol):
    """A description that can make the module it describes."""

    @property
    def n_units(self) -> int:
        """The number of units that bend."""

    def build(self, seed: int) -> nn.Module:
        """The module with the initialisation of that seed."""


@dataclass(frozen=True)
class Mlp:
    """A fully connected classifier of 784 pixels.

    Attributes
    ----------
    hidden : widths of the hidden layers
    activation : ``"relu"`` or ``"gelu"``
    batch_norm : between each hidden layer and its activation
    scale : factor on all parameters at initialisation
    """

    hidden: tuple[int, ...] = (200, 200, 200)
    activation: str = "relu"
    batch_norm: bool = False
    scale: float = 1.0
    n_in: int = 784
    n_out: int = 10

    @property
    def n_units(self) -> int:
        """All hidden units."""
        return sum(self.hidden)

    def build(self, seed: int) -> nn.Module:
        """PyTorch's initialisation, scaled."""
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((self.n_in, *self.hidden)):
            layers += [nn.Linear(n_in, n_out)]
            layers += [nn.BatchNorm1d(n_out)] if self.batch_norm else []
            layers += [_ACTIVATIONS[self.activation]()]
        model = nn.Sequential(*layers, nn.Linear(self.hidden[-1], self.n_out))
        _scale(model, self.scale)
        return model


@dataclass(frozen=True)
class Cnn:
    """Five convolutions and two linear layers with ReLU, for images of 28 by 28 pixels.

    Attributes
    ----------
    channels, strides : of the convolutions, all 3 by 3 with a padding of 1
    width : of the hidden linear layer
    batch_norm : between each convolution and its activation
    """

    channels: tuple[int, ...] = (8, 16, 16, 16, 16)
    strides: tuple[int, ...] = (2, 1, 2, 1, 1)
    width: int = 64
    batch_norm: bool = False
    n_out: int = 10

    @property
    def n_units(self) -> int:
        """Every place of every channel, and the hidden linear layer."""
        return sum(n * side**2 for n, side in zip(self.channels, self._sides(), strict=True)) + self.width

    def build(self, seed: int) -> nn.Module:
        """PyTorch's initialisation."""
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for (n_in, n_out), stride in zip(pairwise((1, *self.channels)), self.strides, strict=True):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1)]
            layers += [nn.BatchNorm2d(n_out)] if self.batch_norm else []
            layers += [nn.ReLU()]
        flat = self.channels[-1] * self._sides()[-1] ** 2
        return nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(flat, self.width), nn.ReLU(), nn.Linear(self.width, self.n_out)
        )

    def _sides(self) -> list[int]:
        """Of the images behind each convolution."""
        return [-(-28 // divisor) for divisor in accumulate(self.strides, mul)]


@dataclass(frozen=True)
class Transformer:
    """One layer of attention and one of MLP over the tokens a, b, =; no layer norm, as in Nanda et al. (2023).

    Attributes
    ----------
    n_symbols : p, the number of values that a and b take, and of classes
    width : of the residual stream
    n_heads : of the attention
    n_hidden : units of the MLP, the only units that bend
    """

    n_symbols: int = 59
    width: int = 64
    n_heads: int = 4
    n_hidden: int = 256
    activation: str = "gelu"

    @property
    def n_units(self) -> int:
        """Those of the MLP."""
        return self.n_hidden

    def build(self, seed: int) -> nn.Module:
        """Normal weights with standard deviation 1 / √width."""
        torch.manual_seed(seed)
        activation = _ACTIVATIONS[self.activation]()
        return TokenTransformer(self.n_symbols, self.width, self.n_heads, self.n_hidden, activation)


_KINDS: dict[str, type] = {kind.__name__: kind for kind in (Mlp, Cnn, Transformer)}


def describe(network: Network) -> dict[str, Any]:
    """A description that JSON can hold."""
    return {"kind": type(network).__name__, **asdict(network)}  # type: ignore[call-overload] # all are dataclasses


def network_of(description: Mapping[str, Any]) -> Network:
    """The network that `describe` described.

    Raises
    ------
    InvalidInputError
        If it is none.

    Examples
    --------
    >>> network_of(describe(Mlp(hidden=(20, 20)))) == Mlp(hidden=(20, 20))
    True
    """
    try:
        fields = {name: tuple(v) if isinstance(v, list) else v for name, v in description.items() if name != "kind"}
        return _KINDS[description["kind"]](**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise sg.InvalidInputError(f"{description!r} describes none of the networks {list(_KINDS)}") from error


def _scale(model: nn.Module, factor: float) -> None:
    if factor != 1:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(factor)
