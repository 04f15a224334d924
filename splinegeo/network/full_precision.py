"""Products of float32 numbers that no setting of the process shortens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Lock
from typing import Any

import torch


@contextmanager
def full_precision(dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """While it lasts, products of float32 numbers are what they say, whatever the process allows otherwise.

    PyTorch may be told to shorten the operands of matrix products to TF32 or bfloat16, and those of convolutions on a
    GPU it shortens unless told not to. Other formats than float32 need nothing: then nothing is touched.
    """
    with ExitStack() as stack:
        if dtype is torch.float32:
            stack.enter_context(_MATRIX_PRODUCTS.kept())
            if device.type == "cuda":
                stack.enter_context(_CONVOLUTIONS.kept())
        yield


class _Setting:
    """A setting of the whole process: the first thread that needs it changes it, the last one restores it."""

    def __init__(self, change: Callable[[], Callable[[], None]]) -> None:
        """`change` returns what restores the setting."""
        self._change, self._lock, self._users = change, Lock(), 0
        self._restore: Callable[[], None] = _nothing

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While it lasts, the setting is changed."""
        with self._lock:
            if not self._users:
                self._restore = self._change()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._restore()


def _keep_matrix_products() -> Callable[[], None]:
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # somebody uses PyTorch's newer settings, part by part
        return _keep_parts(torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    if before == "highest":
        return _nothing
    torch.set_float32_matmul_precision("highest")
    return partial(torch.set_float32_matmul_precision, before)


def _keep_convolutions() -> Callable[[], None]:
    try:
        before = torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return _keep_parts(torch.backends.cudnn.conv, torch.backends.cudnn.rnn)  # type: ignore[attr-defined]
    if not before:
        return _nothing
    torch.backends.cudnn.allow_tf32 = False
    return partial(setattr, torch.backends.cudnn, "allow_tf32", before)


def _keep_parts(*parts: Any) -> Callable[[], None]:
    shortened = [(part, part.fp32_precision) for part in parts if part.fp32_precision not in ("ieee", "none")]
    for part, _ in shortened:
        part.fp32_precision = "ieee"

    def restore() -> None:
        for part, value in shortened:
            part.fp32_precision = value

    return restore


def _nothing() -> None:
    """Restores what was not changed: even setting what is set would cut a setting off from PyTorch's global one."""


_MATRIX_PRODUCTS, _CONVOLUTIONS = _Setting(_keep_matrix_products), _Setting(_keep_convolutions)
