"""Look at a model in the middle of its training and leave no trace."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while the context lasts; modes, gradients and random states are then what they were.

    Within, the gradients are None: what is accumulated there goes to new tensors, so that those of the training,
    which may be half accumulated, need no copy. The random states are those of Python, NumPy and torch, on the CPU
    and on all CUDA devices.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002  (other people's code draws from it)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            for parameter, _ in gradients:
                parameter.grad = None
            model.eval()
            yield
        finally:
            for module, mode in modes:  # not model.train(): parts may be frozen
                module.training = mode
            for parameter, gradient in gradients:
                parameter.grad = gradient
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002
