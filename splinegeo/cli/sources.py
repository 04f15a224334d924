"""What `splinegeo explore` and `splinegeo share` look at: the folder of a run, saved partitions, or a network."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from splinegeo.validation.checkpoints import Checkpoint, load_checkpoints
from splinegeo.validation.data import load_digits
from splinegeo.validation.training import outputs_of
from splinegeo.viz.explorer.maps import with_network

from ..dynamics import load_table, select_series
from ..errors import InvalidInputError
from ..partition import Partition
from ..slices import Slice

_N_CLASSES = 10
Panels = dict[str, dict[str, tuple[Any, ...]]]


@dataclass(frozen=True)
class Run:
    """The folder of a training run: checkpoints, partitions, curves.

    Attributes
    ----------
    folder : Path
    checkpoints : by ascending step
    """

    folder: Path
    checkpoints: list[Checkpoint]

    @classmethod
    def of(cls, folder: Path) -> Run:
        """Read the checkpoints."""
        return cls(folder, load_checkpoints(folder))

    @property
    def steps(self) -> list[int]:
        """Of the checkpoints."""
        return [checkpoint.step for checkpoint in self.checkpoints]

    def model(self) -> nn.Module:
        """The network at the last checkpoint."""
        return self.checkpoints[-1].model()

    def partitions(self) -> list[tuple[int, Partition]]:
        """Step and partition of each file in ``partitions/``, with its network where that step has a checkpoint."""
        models = {checkpoint.step: checkpoint for checkpoint in self.checkpoints}
        found = []
        for path in sorted((self.folder / "partitions").glob("step_*.npz")):
            step, part = int(path.stem.removeprefix("step_")), Partition.load(path)
            missing = "slope" not in vars(part) and step in models
            found.append((step, with_network(part, models[step].model()) if missing else part))
        if not found:
            raise InvalidInputError(f"no partitions in '{self.folder / 'partitions'}'")
        return found

    def digits(self) -> tuple[torch.Tensor, list[int]] | None:
        """The training digits and labels of the run, if its network takes digits and they are installed."""
        try:
            digits = load_digits(seed=self.checkpoints[-1].seed)
            outputs_of(self.model(), digits.train_x[:2])
        except (InvalidInputError, RuntimeError):  # not installed; or another kind of input
            return None
        return digits.train_x, digits.train_y.tolist()

    def domain(self, data: torch.Tensor | None, labels: Sequence[int]) -> Slice:
        """That of the saved partitions; else through the first training images of three classes."""
        files = sorted((self.folder / "partitions").glob("step_*.npz"))
        if files:
            return Partition.load(files[-1]).domain
        if data is None:
            raise InvalidInputError(f"'{self.folder}' holds no partitions, which would say where to look")
        firsts = [labels.index(label) for label in range(_N_CLASSES) if label in labels][:3]
        return Slice.through(*data[firsts])

    def panels(self) -> Panels:
        """The curves that the run left: ``training.csv``, or the tracker's ``table.csv``."""
        if (self.folder / "training.csv").is_file():
            return _training_curves(self.folder / "training.csv")
        if (self.folder / "table.csv").is_file():
            return _tracked_curves(load_table(self.folder / "table.csv"))
        return {}

    def titles(self, steps: Sequence[int], panels: Panels) -> list[str]:
        """Of each step, with its accuracies where they are known."""
        known = {name: dict(zip(curve[0], curve[1], strict=True)) for name, curve in panels.get("accuracy", {}).items()}
        shown = {name.split()[0]: values for name, values in known.items() if name.split()[0] in ("train", "test")}
        return [
            "   ".join([f"step {step:,}", *(f"{name} {v[step]:.1%}" for name, v in shown.items() if step in v)])
            for step in steps
        ]


def anchors_among(data: torch.Tensor, domain: Slice) -> list[int]:
    """Indices of the data points that a plane goes through."""
    x = data.reshape(len(data), -1).double().numpy()
    u = domain.project(x)
    away = np.linalg.norm(x - domain.origin - u @ domain.basis.T, axis=1)
    return np.flatnonzero(away <= 1e-6 * np.ptp(domain.window, axis=0).max()).tolist()


def load_partitions(paths: Sequence[Path]) -> list[Partition]:
    """Saved partitions, in the given order."""
    return [Partition.load(path) for path in paths]


def load_inputs(path: Path) -> np.ndarray:
    """Inputs (n, *input shape) of a ``.npy`` file."""
    try:
        data = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInputError(f"cannot read data from '{path}': {error}") from error
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "fiu" or data.ndim < 2 or not len(data):
        raise InvalidInputError(f"'{path}' holds no data: numbers of shape (n, *input shape)")
    return data.astype(np.float64)


def _training_curves(path: Path) -> Panels:
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    steps = [int(row["step"]) for row in rows]
    names = ("train_accuracy", "test_accuracy")
    accuracy = {n.replace("_", " "): (steps, [float(row[n]) for row in rows]) for n in names if rows and n in rows[0]}
    return {"accuracy": accuracy} if accuracy else {}


def _tracked_curves(table: np.ndarray) -> Panels:
    """Accuracies in one panel, local complexity by probe in one for each radius."""
    panels: Panels = {}
    plain = sorted({str(q) for q in table["quantity"] if "accuracy" in str(q)}, key=lambda q: "train" not in q)
    for quantity in plain:
        series = select_series(table, quantity)
        panels.setdefault("accuracy", {})[quantity.replace("_", " ")] = (series.steps.tolist(), series.value.tolist())
    counted = table[(table["quantity"] == "local_complexity") & (table["layer"] == "total")]
    for radius, probe in sorted({(float(row["radius"]), str(row["probe"])) for row in counted}):
        series = select_series(table, "local_complexity", probe=probe, radius=radius, layer="total")
        panel = panels.setdefault(f"local complexity, r = {radius:g}", {})
        panel[f"{probe} (LC, r = {radius:g})"] = (series.steps.tolist(), series.value.tolist())
    return panels
