"""A module that the user names, with the weights of a file."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from torch import nn

from ..errors import InvalidInputError
from ..network import load_weights


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
        load_weights(made, weights)
    return made.eval()
