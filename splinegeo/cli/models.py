"""A module that the user names, with the weights of a file."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from ..errors import InvalidInputError


def load_model(factory: str, weights: Path | None) -> nn.Module:
    """The module that `package.module:factory` makes, with the weights of a file if one is given."""
    module_name, _, name = factory.partition(":")
    if not name:
        raise InvalidInputError(f"'{factory}' does not name a factory: write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"cannot make a model from '{factory}': {error}") from error
    if not isinstance(made, nn.Module):
        raise InvalidInputError(f"'{factory}' made a {type(made).__name__}, not a torch.nn.Module")
    if weights is not None:
        _load_weights(made, weights)
    return made.eval()


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        state: Any
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
        model.load_state_dict(state)
    except Exception as error:  # each format raises its own kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidInputError(f"cannot load weights from '{path}': {first}") from error
