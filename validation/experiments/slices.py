"""The slice of an experiment at its checkpoints: exact partitions, or maps of local complexity where none exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import splinegeo as sg

from ..data import Samples
from ..networks import Network, format_of
from ..transformer import TokenTransformer
from .recipe import Recipe

FOLDER = "partitions"
# The regions of a slice grow with the square of the units that cross it: beyond this many units, maps. 600 units make
# about 60 000 regions, 1 500 about 400 000.
MOST_UNITS = 1500


@dataclass(frozen=True)
class Slices:
    """What a slice looks like at some steps.

    Attributes
    ----------
    steps : of the checkpoints
    frames : exact partitions, or maps of local complexity
    domain : the slice; None if it moves with the embedding
    anchors : the three training samples it goes through; None if it moves
    """

    steps: list[int]
    frames: Sequence[sg.Partition | sg.ComplexityMap]
    domain: sg.Slice | None
    anchors: Tensor | None


def chosen_steps(steps: Sequence[int], n: int) -> list[int]:
    """About `n` of the checkpoints, evenly spaced among them, the last one included.

    >>> chosen_steps([0, 1, 10, 100, 1000], 3)
    [0, 10, 1000]
    """
    places = np.linspace(0, len(steps) - 1, min(n, len(steps))).round().astype(int)
    return [steps[place] for place in np.unique(places)]


def compute_slices(
    network: Network, states: dict[int, dict[str, Tensor]], recipe: Recipe, samples: Samples, progress: bool
) -> Slices:
    """The slice through three training samples at every given state.

    Exact partitions, but maps of local complexity for networks that are not piecewise affine, or so large that their
    partitions would be.
    """
    model = network.build(0).eval()
    chosen = [int(torch.nonzero(samples.train_y == label)[0]) for label in recipe.classes]
    anchors = samples.train_x[chosen]
    steps = list(states)
    if isinstance(model, TokenTransformer):
        return Slices(steps, _moving_maps(model, states, anchors, recipe), None, None)
    domain = sg.Slice.through(anchors[0], anchors[1], anchors[2], margin=recipe.margin)
    try:
        if network.n_units <= MOST_UNITS:
            parts = sg.compute_partitions(model, domain, states=list(states.values()), progress=progress)
            return Slices(steps, parts, domain, anchors)
    except sg.NotPiecewiseAffineError:
        pass
    maps = []
    for state in states.values():
        model.to(format_of(state)).load_state_dict(state)
        maps.append(_map(model, domain, recipe))
    return Slices(steps, maps, domain, anchors)


def _moving_maps(
    model: TokenTransformer, states: dict[int, dict[str, Tensor]], tokens: Tensor, recipe: Recipe
) -> list[sg.ComplexityMap]:
    """Around the embeddings of the three samples at each step; the plane moves with them."""
    maps = []
    for state in states.values():
        model.load_state_dict(state)
        with torch.no_grad():
            a, b, c = model.embedding(tokens)
        domain = sg.Slice.through(a, b, c, margin=recipe.margin)
        maps.append(_map(model.core, domain, recipe))
    return maps


def _map(model: nn.Module, domain: sg.Slice, recipe: Recipe) -> sg.ComplexityMap:
    return sg.complexity_map(model, domain, recipe.resolution, radius=recipe.radii[-1], dim=recipe.dim)


def save_slices(out: Path, slices: Slices) -> None:
    """Write ``partitions/step_*.npz``, in place of older ones; the affine maps only for the last one.

    Maps of local complexity are written as ``.npy`` images.
    """
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("step_*.np[yz]"):
        stale.unlink()
    for step, frame in zip(slices.steps, slices.frames, strict=True):
        path = folder / f"step_{step:06d}"
        if isinstance(frame, sg.ComplexityMap):
            _save_image(path.with_suffix(".npy"), frame.image)
        else:
            # The maps of ten outputs would be four fifths of the file.
            frame.save(path.with_suffix(".npz"), maps=step == slices.steps[-1])


def saved_steps(out: Path) -> list[int]:
    """The steps of the slices that `save_slices` left in the folder of a run."""
    return sorted(int(path.stem.removeprefix("step_")) for path in (out / FOLDER).glob("step_*.np[yz]"))


def _save_image(path: Path, image: np.ndarray) -> None:
    sg.write_whole(path, lambda stream: np.save(stream, image, allow_pickle=False))
