"""The tracker as a callback of Lightning, which comes under two names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor

from splinegeo.errors import InvalidInputError

from .tracker import LocalComplexityTracker


def _callback_class() -> Any:
    """Lightning's base class of callbacks; a bare one where Lightning is not installed."""
    for package in ("lightning.pytorch", "pytorch_lightning"):
        with suppress(ImportError):
            return importlib.import_module(package).Callback
    return object


Callback: Any = _callback_class()


class LocalComplexityCallback(Callback):
    """Call `LocalComplexityTracker.record` before the training and behind every batch.

    The step is ``trainer.global_step``, the number of optimiser steps; batches whose gradients are only accumulated
    do not advance it. If the training step returns a loss, it is recorded as ``loss``. With several processes, the
    first measures.

    Parameters
    ----------
    tracker : LocalComplexityTracker
        Made for the module that is trained, or for a part of it.
    log : sequence of str
        Names of logged metrics (of ``trainer.callback_metrics``) to record too, once they are there.

    Raises
    ------
    InvalidInputError
        If neither ``lightning`` nor ``pytorch_lightning`` is installed.

    Examples
    --------
    ::

        from splinegeo.dynamics.lightning import LocalComplexityCallback

        tracker = sg.LocalComplexityTracker(module, {"train": x}, path="run.csv")
        trainer = Trainer(max_steps=100_000, callbacks=[LocalComplexityCallback(tracker)])
    """

    def __init__(self, tracker: LocalComplexityTracker, log: Sequence[str] = ()) -> None:
        if Callback is object:
            raise InvalidInputError("this needs Lightning, which is not installed: pip install 'splinegeo[lightning]'")
        super().__init__()
        self.tracker, self._names = tracker, (log,) if isinstance(log, str) else tuple(log)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Record the step that the training starts from."""
        self._record(trainer, {})

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Record the step that was just taken."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        self._record(trainer, {"loss": loss} if isinstance(loss, Tensor) else {})

    def _record(self, trainer: Any, values: dict[str, Any]) -> None:
        # Asked first, because Lightning computes its metrics whenever it is asked for them.
        if not (trainer.is_global_zero and self.tracker.due(trainer.global_step)):
            return
        logged = trainer.callback_metrics if self._names else {}
        found = {name: logged[name] for name in self._names if name in logged}
        self.tracker.record(trainer.global_step, **{**values, **found})
