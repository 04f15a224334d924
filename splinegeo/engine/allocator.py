"""What was freed is given back to the system: a memory budget is about what the system sees."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None  # not the GNU C library, which alone holds back so much


_TRIM = _trim()


def give_back() -> None:
    """Release freed memory that the C library keeps in pieces, between small arrays that are still in use."""
    if _TRIM is not None:
        _TRIM(0)
