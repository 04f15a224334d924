"""A module to run in place of the caller's: what its code changes while it runs is changed there."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def twin(model: nn.Module) -> nn.Module:
    """A copy of everything that a run of `model` may write to: parameters, buffers, attributes, objects behind hooks.

    Tensors that belong to an autograd graph, as pruned or normalised weights do, are copied without it; an attribute
    that cannot be copied (a lock, an open file) is shared.

    Examples
    --------
    >>> class Counting(nn.Module):
    ...     calls = 0
    ...     def forward(self, x):
    ...         self.calls += 1
    ...         return x
    >>> counting = Counting()
    >>> _ = twin(counting)(torch.zeros(1))
    >>> counting.calls
    0
    """
    model = getattr(model, "_orig_mod", model)  # what torch.compile wraps: compiled code cannot be watched
    memo: dict[int, Any] = {}
    for module in model.modules():
        for leaf in tree_leaves(vars(module)):
            if isinstance(leaf, Tensor) and leaf.grad_fn is not None:
                memo[id(leaf)] = leaf.detach().clone()
    with torch.no_grad():
        try:
            return copy.deepcopy(model, dict(memo))
        except Exception:  # any attribute may refuse in its own way
            return _by_parts(model, memo)


def _by_parts(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Module by module and attribute by attribute, those that cannot be copied shared."""
    modules = list(model.modules())
    for module in modules:
        memo[id(module)] = module.__new__(type(module))
    for module in modules:
        state = vars(memo[id(module)])
        for name, value in vars(module).items():
            state[name] = value
            with suppress(Exception):
                state[name] = copy.deepcopy(value, memo)
    return memo[id(model)]
