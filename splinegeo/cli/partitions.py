"""`splinegeo partition`, `splinegeo animate`: exact partitions computed, drawn, animated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import splinegeo.viz as viz

from ..engine import compute_partition
from ..errors import InvalidInputError
from ..partition import Partition, write_whole
from ..slices import Slice
from .models import load_model
from .options import Model, Out, Seed, Weights


def partition(
    model: Model,
    weights: Weights = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="x0 x1 y0 y1, for networks with two inputs."),
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="A .npy file with three inputs or more: the slice is the plane nearest to them.")
    ] = None,
    margin: Annotated[float, typer.Option(help="How far the window reaches beyond the anchors.")] = 0.25,
    until: Annotated[str | None, typer.Option(help="Compute the partition up to this submodule.")] = None,
    color: Annotated[str, typer.Option(help="slope_norm, area, class, layer or none.")] = "slope_norm",
    out: Out = Path("partition.npz"),
    seed: Seed = 0,
) -> None:
    """Compute the exact partition of one slice; writes it (.npz) and a picture beside it (.png)."""
    torch.manual_seed(seed)
    part = compute_partition(load_model(model, weights), _domain(box, anchors, margin), until=until, progress=True)
    part.save(out)
    picture = out.with_suffix(".png")
    _draw(part, None if color == "none" else color, picture)
    typer.echo(f"{part.n_regions:,} regions: {out}, {picture}")


def animate(
    partitions: Annotated[
        list[Path], typer.Argument(help="Files that `splinegeo partition` or `demo` wrote, in order.")
    ],
    color: Annotated[str, typer.Option(help="slope_norm, area, layer or none.")] = "slope_norm",
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 8,
    out: Out = Path("animation.mp4"),
) -> None:
    """Animate saved partitions, one frame each; writes .mp4 or .gif."""
    parts = [Partition.load(path) for path in partitions]
    boundary = all("slope" in vars(part) for part in parts)
    viz.animate(
        parts,
        out,
        fps=fps,
        color=None if color == "none" else color,
        titles=[path.stem for path in partitions],
        boundary=boundary,
        progress=True,
    )
    typer.echo(f"{len(parts)} frames: {out}" + ("" if boundary else " (no decision boundary: saved without maps)"))


def _domain(box: tuple[float, float, float, float] | None, anchors: Path | None, margin: float) -> Slice:
    if (box is None) == (anchors is None):
        raise InvalidInputError("say where to look with either --box or --anchors")
    if box is not None:
        return Slice.box(box[:2], box[2:])
    assert anchors is not None
    try:
        points = np.load(anchors, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"cannot read anchors from '{anchors}': {error}") from error
    return Slice.through(*points, margin=margin)


def _draw(part: Partition, color: str | None, path: Path) -> None:
    ax = viz.draw_partition(part, color)
    if part.slope.shape[1] > 0:
        viz.draw_decision_boundary(part, ax)
    figure = ax.get_figure(root=True)
    assert figure is not None
    write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=200, bbox_inches="tight"))
