"""`splinegeo partition`, `splinegeo animate`: exact partitions computed, drawn, animated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from matplotlib.axes import Axes

import splinegeo.viz as viz
from splinegeo.viz.saving import as_image

from ..engine import compute_partition
from ..errors import InvalidInputError
from ..partition import Partition
from ..slices import Slice
from ..writing import write_whole
from .models import load_model
from .options import Model, Out, Seed, Weights, out_file, takes
from .pictures import Look, picture_format


@takes(Look)
def partition(
    look: Look,
    model: Model,
    weights: Weights = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="x0 x1 y0 y1, for networks with two inputs."),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(help="A .npy file with three inputs or more: the slice is the plane nearest to them."),
    ] = None,
    margin: Annotated[float, typer.Option(help="How far the window reaches beyond the anchors.")] = 0.25,
    until: Annotated[str | None, typer.Option(help="Compute the partition up to this submodule.")] = None,
    image: Annotated[str, typer.Option("--format", help="Of the picture: png, pdf, svg or eps.")] = "png",
    dpi: Annotated[float, typer.Option(help="Pixels per inch of the picture.", min=10)] = 200,
    out: Out = Path("partition.npz"),
    seed: Seed = 0,
) -> None:
    """Compute the exact partition of one slice; writes it (.npz) and a picture beside it."""
    out, image, domain = out_file(out, ".npz"), picture_format(image), _domain(box, anchors, margin)
    torch.manual_seed(seed)
    part = compute_partition(load_model(model, weights), domain, until=until, progress=True)
    drawn = as_image(_drawn(part, look), image, dpi=dpi)
    picture = out.with_suffix(f".{image}")
    part.save(out)
    write_whole(picture, lambda stream: stream.write(drawn))
    typer.echo(f"{part.n_regions:,} regions: {out}, {picture}")


@takes(Look)
def animate(
    look: Look,
    partitions: Annotated[
        list[Path], typer.Argument(help="Files that `splinegeo partition` or `demo` wrote, in order.")
    ],
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
        color=look.quantity,
        cmap=look.cmap,
        limits=look.limits,
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


def _drawn(part: Partition, look: Look) -> Axes:
    ax = viz.draw_partition(part, look.quantity, cmap=look.cmap, limits=look.limits)
    return viz.draw_decision_boundary(part, ax) if part.slope.shape[1] > 0 else ax
