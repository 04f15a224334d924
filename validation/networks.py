"""The networks of experiments and checks: as plain data that builds them again, and random ones with known averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import splinegeo as sg

from .transformer import TokenTransformer

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class Network(Protocol):
    """A description that can make the module it describes."""

    @property
    def n_units(self) -> int:
        """The number of units that bend."""

    @property
    def takes_images(self) -> bool:
        """Whether the inputs are images (channels, side, side), not flat."""

    def build(self, seed: int) -> nn.Module:
        """The module with the initialisation of that seed, in float32."""

    def fitted(self, image_shape: tuple[int, ...], n_classes: int) -> Network:
        """The same for other images (channels, height, width) and another number of classes."""


@dataclass(frozen=True)
class Mlp:
    """A fully connected classifier.

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

    @property
    def takes_images(self) -> bool:
        """Flat pixels."""
        return False

    def build(self, seed: int) -> nn.Sequential:
        """PyTorch's initialisation, scaled."""
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((self.n_in, *self.hidden)):
            layers += [nn.Linear(n_in, n_out)]
            layers += [nn.BatchNorm1d(n_out)] if self.batch_norm else []
            layers += [_ACTIVATIONS[self.activation]()]
        model = nn.Sequential(*layers, nn.Linear((self.n_in, *self.hidden)[-1], self.n_out))
        _scale(model, self.scale)
        return model

    def fitted(self, image_shape: tuple[int, ...], n_classes: int) -> Mlp:
        """As many inputs as pixels."""
        return replace(self, n_in=prod(image_shape), n_out=n_classes)


@dataclass(frozen=True)
class Cnn:
    """Convolutions and two linear layers with ReLU, the paper's shape of a CNN, for square images.

    Strides stand where pooling would, so that certified bounds apply to all of it.

    Attributes
    ----------
    channels, strides : of the convolutions, all 3 by 3 with a padding of 1
    width : of the hidden linear layer
    batch_norm : between each convolution and its activation
    n_in, side : channels and height of the images
    """

    channels: tuple[int, ...] = (8, 16, 16, 16, 16)
    strides: tuple[int, ...] = (2, 1, 2, 1, 1)
    width: int = 64
    batch_norm: bool = False
    n_in: int = 1
    side: int = 28
    n_out: int = 10

    @property
    def takes_images(self) -> bool:
        """Images (n_in, side, side)."""
        return True

    @property
    def n_units(self) -> int:
        """Every place of every channel, and the hidden linear layer."""
        return sum(n * side**2 for n, side in zip(self.channels, self._sides(), strict=True)) + self.width

    def build(self, seed: int) -> nn.Sequential:
        """PyTorch's initialisation."""
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for (n_in, n_out), stride in zip(pairwise((self.n_in, *self.channels)), self.strides, strict=True):
            layers += [nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1)]
            layers += [nn.BatchNorm2d(n_out)] if self.batch_norm else []
            layers += [nn.ReLU()]
        flat = self.channels[-1] * self._sides()[-1] ** 2
        return nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(flat, self.width), nn.ReLU(), nn.Linear(self.width, self.n_out)
        )

    def fitted(self, image_shape: tuple[int, ...], n_classes: int) -> Cnn:
        """For square images of that size."""
        channels, height, width = image_shape
        if height != width:
            raise sg.InvalidInputError(f"this network takes square images, not {height} by {width} pixels")
        return replace(self, n_in=channels, side=height, n_out=n_classes)

    def _sides(self) -> list[int]:
        """Of the images behind each convolution."""
        return [-(-self.side // divisor) for divisor in accumulate(self.strides, mul)]


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

    @property
    def takes_images(self) -> bool:
        """Tokens."""
        return False

    def fitted(self, image_shape: tuple[int, ...], n_classes: int) -> Transformer:
        """Refused: this one learns modular addition."""
        raise sg.InvalidInputError("this experiment is about modular addition; it takes no --data")

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


def restored(network: Network, state: Mapping[str, Tensor]) -> nn.Module:
    """The module with these weights, in their float format, in evaluation mode."""
    model = network.build(0).to(format_of(state))
    model.load_state_dict(dict(state))
    return model.eval()


def format_of(state: Mapping[str, Tensor]) -> torch.dtype:
    """The float format of a state dict."""
    return next(value.dtype for value in state.values() if value.is_floating_point())


def mlp(*widths: int, seed: int = 0) -> nn.Sequential:
    """A ReLU network with the given layer widths, input and output included, at PyTorch's initialisation."""
    return Mlp(tuple(widths[1:-1]), n_in=widths[0], n_out=widths[-1]).build(seed)


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
