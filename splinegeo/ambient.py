"""What a process has set for everybody, and what of it our results must not depend on.

Three settings cannot be put aside for one thread, and are met where they would tell: the default format of floats
(every tensor that we make says its own), shortened float32 products (`network/full_precision.py`), and the random
states (we draw from generators of our own).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

import numpy as np
import torch

# Tracing by torch.export and forward-mode differentiation both change the state of torch.fx and functorch for the whole
# process while they run: threads take turns at both together.
TRACING = RLock()


@contextmanager
def own_settings(device: str | None = None) -> Iterator[None]:
    """While it lasts, what the caller has set for its own computations does not reach ours in this thread.

    These are inference mode, in which derivatives are refused; autocast, which rounds float32; NumPy's treatment of
    floating-point errors; and, if a `device` is named, the device of tensors that are made without saying where. All
    are as they were afterwards. As a decorator it protects a function.

    Examples
    --------
    >>> with torch.inference_mode(), torch.device("meta"), np.errstate(all="raise"), own_settings("cpu"):
    ...     torch.is_inference_mode_enabled(), torch.zeros(1).device, np.exp(np.float64(-1e9))
    (False, device(type='cpu'), np.float64(0.0))
    """
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            # Leaving inference mode also turns gradients on, which nobody asked for.
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if device is not None and torch.get_default_device() != torch.device(device):
            stack.enter_context(torch.device(device))
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        yield
