"""`splinegeo complexity`, `splinegeo deformation`: what networks do around points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from splinegeo.validation import probes
from splinegeo.validation.checkpoints import load_checkpoints

from ..errors import InvalidInputError
from .models import load_model
from .options import Out, Seed, Weights, takes

NPoints = Annotated[int, typer.Option(help="How many training, test and random points.")]


@dataclass(frozen=True)
class Around:
    """Which networks, and which points to look around: the options that both commands share."""

    run: Annotated[Path | None, typer.Option(help="A folder that `splinegeo demo` filled, instead of --model.")] = None
    model: Annotated[
        str | None, typer.Option(help="Where the module comes from: package.module:factory, no arguments.")
    ] = None
    weights: Weights = None
    points: Annotated[Path | None, typer.Option(help="A .npy file with the points, (n, *input shape).")] = None
    digits: Annotated[
        bool,
        typer.Option("--digits", help="Training, test and random points of the digits, split by --seed as in `demo`."),
    ] = False
    images: Annotated[bool, typer.Option("--images", help="Give the digits as (1, 28, 28) instead of (784,).")] = False
    dim: Annotated[int, typer.Option(help="Number P of directions of each neighbourhood.")] = 25
    seed: Seed = 0

    def networks(self) -> tuple[list[int] | None, list[nn.Module], int]:
        """Steps (None for a saved model), networks, and the seed that split the digits they were trained on."""
        if (self.run is None) == (self.model is None):
            raise InvalidInputError("say which network with either --run or --model")
        if self.model is not None:
            torch.manual_seed(self.seed)
            return None, [load_model(self.model, self.weights)], self.seed
        if self.weights is not None:
            raise InvalidInputError("--weights goes with --model; a run brings its own")
        assert self.run is not None
        checkpoints = load_checkpoints(self.run)
        return [c.step for c in checkpoints], [c.model() for c in checkpoints], checkpoints[-1].seed

    def probes(self, n_points: int, split_seed: int) -> dict[str, Tensor]:
        """The points by name: those of the file, or the digits of that split; a run has digits by default."""
        digits = self.digits or (self.run is not None and self.points is None)
        if (self.points is None) != digits:
            raise InvalidInputError("say around which points with either --points or --digits")
        if self.points is not None:
            return probes.file_probes(self.points)
        return probes.digit_probes(n_points, split_seed=split_seed, seed=self.seed, images=self.images)


@takes(Around)
def complexity(
    around: Around,
    radius: Annotated[float, typer.Option(help="Radius r of the neighbourhoods, in input space.")] = 0.005,
    n_points: NPoints = 1000,
    out: Out = Path("complexity"),
) -> None:
    """Local complexity at every checkpoint of a run, or by layer for one model; complexity.csv and .png."""
    steps, models, split_seed = around.networks()
    points = around.probes(n_points, split_seed)
    out.mkdir(parents=True, exist_ok=True)
    found = probes.measure_complexity(models, points, radius=radius, dim=around.dim, rng=around.seed, progress=True)
    files = probes.save_complexity(out, found, steps)
    typer.echo(f"{len(models)} network(s), {_sizes(points)}: " + ", ".join(map(str, files)))


@takes(Around)
def deformation(
    around: Around,
    radius: Annotated[list[float] | None, typer.Option(help="Repeat for several; default 0.001 to 5.")] = None,
    n_points: NPoints = 200,
    out: Out = Path("deformation"),
) -> None:
    """How the layers deform neighbourhoods, for one model or a run's last checkpoint; deformation.csv and .png."""
    _, models, split_seed = around.networks()
    points = around.probes(n_points, split_seed)
    out.mkdir(parents=True, exist_ok=True)
    radii = radius or probes.RADII
    found = probes.measure_deformation(models[-1], points, radii=radii, dim=around.dim, rng=around.seed, progress=True)
    files = probes.save_deformation(out, found)
    typer.echo(f"{len(radii)} radii, {_sizes(points)}: " + ", ".join(map(str, files)))


def _sizes(points: dict[str, Tensor]) -> str:
    return ", ".join(f"{len(x):,} {name}" for name, x in points.items())
