"""The numbers of a training run on TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from splinegeo.errors import InvalidInputError

from ..extras import load_extra
from .table import TOTAL, Row


class TensorBoard:
    """Scalars for a folder, or for anything with ``add_scalar(tag, value, step)``.

    Tags are ``local_complexity/<probe>/r=<radius>`` for the total, with ``/<layer>`` behind it for each layer, and the
    bare name for every other quantity.
    """

    def __init__(self, target: str | os.PathLike[str] | Any) -> None:
        self._own = isinstance(target, (str, os.PathLike))
        if self._own:
            self._writer = load_extra("torch.utils.tensorboard", "tensorboard", "tensorboard").SummaryWriter(target)
        elif callable(getattr(target, "add_scalar", None)):
            self._writer = target
        else:
            raise InvalidInputError(f"tensorboard must be a folder or have a method add_scalar, not {target!r}")

    def add(self, rows: Sequence[Row]) -> None:
        """Send the rows of one step."""
        for row in rows:
            self._writer.add_scalar(_tag(row), row.value, row.step)
        if self._own:
            self._writer.flush()

    def close(self) -> None:
        """Close the event file, if it was opened here."""
        if self._own:
            self._writer.close()


def _tag(row: Row) -> str:
    if not row.probe:
        return row.quantity
    tag = f"{row.quantity}/{row.probe}/r={row.radius:g}"
    return tag if row.layer == TOTAL else f"{tag}/{row.layer}"
