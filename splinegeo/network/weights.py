"""Weights as people save them, fitted to a module: one loader for files, folders, checkpoints and state dicts."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from ..errors import InvalidInputError

# What a state dict is called inside a checkpoint, the likeliest first.
_INSIDE = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params")
# What a file of weights is called in a folder, the likeliest first.
_IN_FOLDER = ("model.safetensors", "pytorch_model.bin", "model.pt", "model.pth")
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_MOST_NAMES = 8
_LOG = logging.getLogger("splinegeo")

Source = Mapping[str, Any] | str | PathLike[str]


def load_weights(model: nn.Module, source: Source) -> nn.Module:
    """Give a module the weights of a file, a folder, a checkpoint or a state dict.

    Files are ``.safetensors`` or what `torch.save` wrote, read with ``weights_only=True``: none can execute anything. A
    folder holds one such file, or parts with an index as Hugging Face writes them. The state dict may stand inside a
    checkpoint (under ``state_dict``, ``model_state_dict``, ``model``, …, as Lightning and many training loops save
    it). Names may carry a prefix that the module does not know (``module.`` of `DataParallel`, ``_orig_mod.`` of
    `torch.compile`, ``net.`` of a module around this one), or lack one: it is taken off or put on, and a word is
    logged.

    Parameters
    ----------
    model : torch.nn.Module
        Its parameters and buffers are overwritten; if the weights do not fit, nothing is.
    source : path, or mapping of name to Tensor or array

    Returns
    -------
    torch.nn.Module
        `model`.

    Raises
    ------
    InvalidInputError
        If nothing can be read, or if the weights do not fit: a table says which are missing, unexpected, or of
        another shape.

    Examples
    --------
    >>> model, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    >>> checkpoint = {"epoch": 3, "state_dict": {"module." + k: v for k, v in other.state_dict().items()}}
    >>> bool((load_weights(model, checkpoint).weight == other.weight).all())
    True
    >>> load_weights(model, {"weight": torch.zeros(5, 2), "scale": torch.zeros(1)})
    Traceback (most recent call last):
        ...
    splinegeo.errors.InvalidInputError: the weights do not fit Linear:
      missing: bias
      unexpected: scale
      other shape: weight: (5, 2), where the model has (1, 2)
    """
    where = "" if isinstance(source, Mapping) else f" of '{source}'"
    state = _fitted(read_state(source), model, where)
    try:
        model.load_state_dict(state)
    except Exception as error:  # a module may have hooks of its own for this
        raise InvalidInputError(f"the weights{where} do not fit {type(model).__name__}: {_flat(error)}") from error
    return model


def read_state(source: Source) -> dict[str, Any]:
    """The state dict of a path or of what was given, its names as they are."""
    if isinstance(source, Mapping):
        return _state_inside(source, "the mapping")
    path = Path(source)
    if path.is_dir():
        path = _file_in(path)
    if not path.exists():
        raise InvalidInputError(f"cannot load weights from '{path}': there is no such file")
    try:
        if path.name.endswith(".index.json"):
            return _parts(path)
        found = (
            safetensors.torch.load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, weights_only=True, map_location="cpu")
        )
    except Exception as error:  # each format raises its own kinds
        raise InvalidInputError(f"cannot load weights from '{path}': {_flat(error)}") from error
    if not isinstance(found, Mapping):
        raise InvalidInputError(f"'{path}' holds a {type(found).__name__}, not a state dict")
    return _state_inside(found, f"'{path}'")


def _file_in(folder: Path) -> Path:
    """The file of weights in a folder."""
    indices = sorted(folder.glob("*.index.json"))
    named = [folder / name for name in _IN_FOLDER if (folder / name).exists()]
    others = sorted(p for p in folder.iterdir() if p.suffix in _SUFFIXES)
    if named or indices:
        return [*named, *indices][0]
    if len(others) != 1:
        names = ", ".join(p.name for p in others[:_MOST_NAMES]) or "none"
        raise InvalidInputError(f"the folder '{folder}' should hold one file of weights; it has {names}: name the file")
    return others[0]


def _parts(index: Path) -> dict[str, Any]:
    """A state dict in several files, joined."""
    names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    if any(Path(name).name != name for name in names):
        raise InvalidInputError("its index names files outside its folder")
    state: dict[str, Any] = {}
    for name in names:
        state |= read_state(index.parent / name)
    return state


def _state_inside(found: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The state dict itself: what was found, or what stands in it under a usual name."""
    while not _has_tensors(found):
        name = next((name for name in _INSIDE if isinstance(found.get(name), Mapping)), None)
        if name is None:
            keys = ", ".join(map(repr, list(found)[:_MOST_NAMES])) or "nothing"
            raise InvalidInputError(f"{what} holds no state dict: it has {keys}")
        found = found[name]
    inner = next((found[n] for n in _INSIDE if isinstance(found.get(n), Mapping) and _has_tensors(found[n])), None)
    found = found if inner is None else inner
    return {name: torch.as_tensor(v) if isinstance(v, np.ndarray) else v for name, v in found.items()}


def _has_tensors(state: Mapping[str, Any]) -> bool:
    return any(isinstance(value, Tensor | np.ndarray) for value in state.values())


def _fitted(state: Mapping[str, Any], model: nn.Module, where: str) -> dict[str, Any]:
    """The state under the names of the module."""
    expected = model.state_dict()
    if not all(isinstance(name, str) for name in state):
        raise InvalidInputError(f"the weights{where} have names that are no text")
    word = ""
    if set(state) != set(expected):
        state, word = _renamed(state, set(expected))
    missing = [n for n in expected if n not in state and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in state if n not in expected]
    shapes = [
        f"{n}: {tuple(state[n].shape)}, where the model has {tuple(expected[n].shape)}"
        for n in expected
        if n in state and _shape(state[n]) != _shape(expected[n])
    ]
    if missing or unexpected or shapes:
        rows = (("missing", missing), ("unexpected", unexpected), ("other shape", shapes))
        table = "".join(f"\n  {title}: {_some(names)}" for title, names in rows if names)
        raise InvalidInputError(f"the weights{where} do not fit {type(model).__name__}:{table}")
    if word:
        _say(word)
    return dict(state)


def _renamed(state: Mapping[str, Any], expected: set[str]) -> tuple[Mapping[str, Any], str]:
    """With a prefix taken off or put on, if that makes names fit that did not; and a word about it."""
    compiled = {_uncompiled(name): value for name, value in state.items()}
    plain = {_uncompiled(name): name for name in expected}
    best, said, most = dict(state), "", len(expected & set(state))
    for prefix in _prefixes(compiled, plain):
        inside = {n.removeprefix(prefix): v for n, v in compiled.items() if n.startswith(prefix)}
        fitting = len(inside.keys() & plain.keys())
        if fitting > most:
            others = len(compiled) - len(inside)
            best, most = {plain.get(n, n): v for n, v in inside.items()}, fitting
            said = f"names of weights begin with '{prefix}', which the model does not know: it was taken off"
            said += f", and {others} others were left out" if others else ""
    for prefix in _prefixes(plain, compiled):
        longer = {prefix + n: v for n, v in compiled.items()}
        fitting = len(longer.keys() & plain.keys())
        if fitting > most:
            best, most = {plain.get(n, n): v for n, v in longer.items()}, fitting
            said = f"names of weights lack the '{prefix}' that the model has: it was put on"
    return best, said


def _prefixes(longer: Mapping[str, Any], shorter: Mapping[str, Any]) -> Iterator[str]:
    """Prefixes, the empty one first, with which some names of `longer` are names of `shorter`."""
    yield ""
    found: dict[str, None] = {}
    for name in longer:
        steps = name.split(".")
        for k in range(1, len(steps)):
            if ".".join(steps[k:]) in shorter:
                found[".".join(steps[:k]) + "."] = None
    yield from found


def _uncompiled(name: str) -> str:
    """Without the step that `torch.compile` puts before any module that it wraps."""
    return ".".join(step for step in name.split(".") if step != "_orig_mod")


@functools.lru_cache
def _say(word: str) -> None:
    """Log a word, once."""
    _LOG.warning(word)


def _shape(value: Any) -> Any:
    if not isinstance(value, Tensor) or isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer):
        return None
    return tuple(value.shape)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _flat(error: Exception) -> str:
    """An error of another library in one line."""
    text = " ".join(str(error).split())
    return text if text and len(text) < 400 else (text[:400] + " …" if text else type(error).__name__)
