"""A transformer for modular arithmetic, in two halves: tokens to vectors, and everything that bends."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_POSITIONS = 3  # a, b, =


class TokenTransformer(nn.Module):
    """Embedding, then the core: one layer of attention and one MLP, read out at the last token.

    Neighbourhoods need an input space of real numbers: it is that of the core, the embedded tokens,
    ``model.core`` around ``model.embedding(tokens)``.

    References
    ----------
    N. Nanda, L. Chan, T. Lieberum, J. Smith, J. Steinhardt, "Progress measures for grokking via mechanistic
    interpretability", ICLR 2023.
    """

    def __init__(self, n_symbols: int, width: int, n_heads: int, n_hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self.embedding = Embedding(n_symbols, width)
        self.core = Core(n_symbols, width, n_heads, n_hidden, activation)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, 3) to logits (n, n_symbols)."""
        return self.core(self.embedding(tokens))


class Embedding(nn.Module):
    """Of the symbols and of "=", with the places added; tokens (n, 3) to vectors (n, 3, width)."""

    def __init__(self, n_symbols: int, width: int) -> None:
        super().__init__()
        self.symbols = nn.Parameter(torch.randn(n_symbols + 1, width) / width**0.5)
        self.places = nn.Parameter(torch.randn(N_POSITIONS, width) / width**0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (n, 3) to vectors (n, 3, width)."""
        return self.symbols[tokens] + self.places


class Core(nn.Module):
    """From vectors (n, 3, width) to logits: attention of the last token to all, MLP, readout."""

    def __init__(self, n_symbols: int, width: int, n_heads: int, n_hidden: int, activation: nn.Module) -> None:
        super().__init__()
        self._n_heads = n_heads
        self.query, self.key, self.value, self.join = (_linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(_linear(width, n_hidden, bias=True), activation, _linear(n_hidden, width, bias=True))
        self.readout = _linear(width, n_symbols)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (n, 3, width) to logits (n, n_symbols)."""
        last = x[:, -1]
        residual = last + self._attend(x, last)
        return self.readout(residual + self.mlp(residual))

    def _attend(self, x: Tensor, last: Tensor) -> Tensor:
        n, places, width = x.shape
        split = (n, places, self._n_heads, width // self._n_heads)
        query = self.query(last).reshape(n, 1, *split[2:])
        key, value = self.key(x).reshape(split), self.value(x).reshape(split)
        weight = ((query * key).sum(-1, keepdim=True) / split[-1] ** 0.5).softmax(1)
        return self.join((weight * value).sum(1).reshape(n, width))


def _linear(n_in: int, n_out: int, *, bias: bool = False) -> nn.Linear:
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.normal_(layer.weight, std=n_in**-0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
