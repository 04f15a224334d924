"""A module that the user names, with the weights of a file."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from torch import nn

from ..errors import InvalidInputError
from ..loading import load_model as load_file
from ..network import load_weights


def load_model(model: str, weights: Path | None) -> nn.Module:
    """The module in a file, or the one that `package.module:factory` makes; with weights, if any are given."""
    made = load_file(model) if Path(model).suffix in (".onnx", ".nnet") else _made_by(model)
    return (made if weights is None else load_weights(made, weights)).eval()


def _made_by(factory: str) -> nn.Module:
    module_name, _, name = factory.partition(":")
    if not name:
        raise InvalidInputError(
            f"'{factory}' does not name a factory: write package.module:factory, or a file .onnx or .nnet"
        )
    sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"cannot make a model from '{factory}': {error}") from error
    if not isinstance(made, nn.Module):
        raise InvalidInputError(f"'{factory}' made a {type(made).__name__}, not a torch.nn.Module")
    return made
