"""`load_model`: the module in a file, by its suffix."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from torch import nn

from ..errors import InvalidInputError
from .nnet import read_nnet
from .onnx import read_onnx

_READERS = {".onnx": read_onnx, ".nnet": read_nnet}


def load_model(path: str | PathLike[str]) -> nn.Module:
    """The network that a file holds, as a torch module in eval mode.

    Parameters
    ----------
    path : path
        ``.onnx`` (needs ``pip install 'splinegeo[onnx]'``): constants are folded, and a batch of one that was baked in
        when the file was written is made free, so that the module takes batches. ``.nnet`` (the text format of the
        ACAS Xu networks): inputs and outputs are in the units of the file, normalisation included.

    Raises
    ------
    InvalidInputError
        If there is no such file, it is of another format, or what it holds cannot be converted; names the operator.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> text = "// y = 2 relu(x + 1)\\n2,1,1,1,\\n1,1,1,\\n0,\\n-9,\\n9,\\n0,0,\\n1,1,\\n1,\\n1,\\n2,\\n0,\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "small.nnet"
    ...     _ = path.write_text(text)
    ...     model = load_model(path)
    >>> import torch
    >>> model(torch.tensor([[3.0], [-5.0]], dtype=torch.float64)).flatten().tolist()
    [8.0, 0.0]
    """
    path = Path(path)
    if path.suffix not in _READERS:
        raise InvalidInputError(f"'{path}' is none of {', '.join(_READERS)}; for weights use load_weights(model, path)")
    if not path.is_file():
        raise InvalidInputError(f"cannot load a model from '{path}': there is no such file")
    return _READERS[path.suffix](path).eval()
