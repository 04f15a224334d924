"""The command line: parse, call, report."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import safetensors.torch
import torch
import typer
from torch import nn

import splinegeo.viz as viz
from splinegeo.validation import probes
from splinegeo.validation.checkpoints import load_checkpoints
from splinegeo.validation.demo import run_demo

from .engine import compute_partition
from .errors import InvalidInputError, SplineGeoError
from .partition import Partition, write_whole
from .slices import Slice

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Exact spline-partition geometry of deep networks.",
)

Out = Annotated[Path, typer.Option(help="Where the results go.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Model = Annotated[
    str, typer.Option(help="Where the module comes from: package.module:factory, called without arguments.")
]
Weights = Annotated[Path | None, typer.Option(help="A state dict: .safetensors, or .pt loaded with weights only.")]


Run = Annotated[Path | None, typer.Option(help="A folder that `splinegeo demo` filled, instead of --model.")]
AnyModel = Annotated[
    str | None, typer.Option("--model", help="Where the module comes from: package.module:factory, no arguments.")
]
Points = Annotated[Path | None, typer.Option(help="A .npy file with the points, (n, *input shape).")]
Digits = Annotated[
    bool, typer.Option(help="Training, test and random points of the digits, split by --seed as in `demo --seed`.")
]
Images = Annotated[bool, typer.Option(help="Give the digits as (1, 28, 28) instead of (784,).")]
Dim = Annotated[int, typer.Option(help="Number P of directions of each neighbourhood.")]
NPoints = Annotated[int, typer.Option(help="How many training, test and random points.")]


@app.command()
def demo(out: Out = Path("demo"), seed: Seed = 0) -> None:
    """Train on real digits and animate the exact partition of a slice over the training."""
    run_demo(out, seed=seed, say=typer.echo)


@app.command()
def partition(
    model: Model,
    weights: Weights = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(help="x0 x1 y0 y1, for networks with two inputs."),
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="A .npy file with three inputs: the slice goes through them.")
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


@app.command()
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


@app.command()
def complexity(
    run: Run = None,
    model: AnyModel = None,
    weights: Weights = None,
    points: Points = None,
    digits: Digits = False,
    images: Images = False,
    radius: Annotated[float, typer.Option(help="Radius r of the neighbourhoods, in input space.")] = 0.005,
    dim: Dim = 25,
    n_points: NPoints = 1000,
    out: Out = Path("complexity"),
    seed: Seed = 0,
) -> None:
    """Local complexity at every checkpoint of a run, or by layer for one model; complexity.csv and .png."""
    steps, models, split_seed = _networks(run, model, weights, seed)
    around = _probes(points, digits or (run is not None and points is None), n_points, split_seed, seed, images)
    out.mkdir(parents=True, exist_ok=True)
    found = probes.measure_complexity(models, around, radius=radius, dim=dim, rng=seed, progress=True)
    files = probes.save_complexity(out, found, steps)
    typer.echo(f"{len(models)} network(s), {_sizes(around)}: " + ", ".join(map(str, files)))


@app.command()
def deformation(
    run: Run = None,
    model: AnyModel = None,
    weights: Weights = None,
    points: Points = None,
    digits: Digits = False,
    images: Images = False,
    radius: Annotated[list[float] | None, typer.Option(help="Repeat for several; default 0.001 to 5.")] = None,
    dim: Dim = 25,
    n_points: NPoints = 200,
    out: Out = Path("deformation"),
    seed: Seed = 0,
) -> None:
    """How the layers deform neighbourhoods, for one model or a run's last checkpoint; deformation.csv and .png."""
    _, models, split_seed = _networks(run, model, weights, seed)
    around = _probes(points, digits or (run is not None and points is None), n_points, split_seed, seed, images)
    out.mkdir(parents=True, exist_ok=True)
    radii = radius or probes.RADII
    found = probes.measure_deformation(models[-1], around, radii=radii, dim=dim, rng=seed, progress=True)
    files = probes.save_deformation(out, found)
    typer.echo(f"{len(radii)} radii, {_sizes(around)}: " + ", ".join(map(str, files)))


def load_model(factory: str, weights: Path | None) -> nn.Module:
    """The module that `package.module:factory` makes, with the weights of a file if one is given."""
    module_name, _, name = factory.partition(":")
    if not name:
        raise InvalidInputError(f"'{factory}' does not name a factory: write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module_name), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InvalidInputError(f"cannot make a model from '{factory}': {error}") from error
    if not isinstance(made, nn.Module):
        raise InvalidInputError(f"'{factory}' made a {type(made).__name__}, not a torch.nn.Module")
    if weights is not None:
        _load_weights(made, weights)
    return made.eval()


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        state: Any
        if path.suffix == ".safetensors":
            state = safetensors.torch.load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
        model.load_state_dict(state)
    except Exception as error:  # each format raises its own kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidInputError(f"cannot load weights from '{path}': {first}") from error


def _networks(
    run: Path | None, model: str | None, weights: Path | None, seed: int
) -> tuple[list[int] | None, list[nn.Module], int]:
    """Steps (None for a saved model), networks, and the seed that split the digits they were trained on."""
    if (run is None) == (model is None):
        raise InvalidInputError("say which network with either --run or --model")
    if model is not None:
        torch.manual_seed(seed)
        return None, [load_model(model, weights)], seed
    if weights is not None:
        raise InvalidInputError("--weights goes with --model; a run brings its own")
    assert run is not None
    checkpoints = load_checkpoints(run)
    return [c.step for c in checkpoints], [c.model() for c in checkpoints], checkpoints[-1].seed


def _probes(
    points: Path | None, digits: bool, n_points: int, split_seed: int, seed: int, images: bool
) -> dict[str, torch.Tensor]:
    if (points is None) != digits:
        raise InvalidInputError("say around which points with either --points or --digits")
    if points is not None:
        return probes.file_probes(points)
    return probes.digit_probes(n_points, split_seed=split_seed, seed=seed, images=images)


def _sizes(around: dict[str, torch.Tensor]) -> str:
    return ", ".join(f"{len(x):,} {name}" for name, x in around.items())


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
    if len(points) != 3:
        raise InvalidInputError(f"'{anchors}' holds {len(points)} inputs; a slice goes through three")
    return Slice.through(points[0], points[1], points[2], margin=margin)


def _draw(part: Partition, color: str | None, path: Path) -> None:
    ax = viz.draw_partition(part, color)
    if part.slope.shape[1] > 0:
        viz.draw_decision_boundary(part, ax)
    figure = ax.get_figure(root=True)
    assert figure is not None
    write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=200, bbox_inches="tight"))


def main() -> None:
    """Entry point: one line and a non-zero exit status for whatever the user can mend."""
    try:
        app()
    except (SplineGeoError, OSError, ValueError, TypeError) as error:
        typer.echo(f"splinegeo: {error}", err=True)
        raise SystemExit(1) from error
