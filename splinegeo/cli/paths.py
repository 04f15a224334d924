"""`splinegeo path`: where a network bends along a polyline."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import torch
import typer

import splinegeo.viz as viz
from splinegeo.validation import probes
from splinegeo.viz.saving import as_image

from ..paths import Path as ExactPath
from ..paths import compute_path
from ..writing import write_whole
from .models import load_model
from .options import Model, Out, Seed, Weights, out_file


def path(
    model: Model,
    points: Annotated[Path, typer.Option(help="A .npy file with the corners of the polyline, (n, *input shape).")],
    weights: Weights = None,
    until: Annotated[str | None, typer.Option(help="See the path by everything up to this submodule.")] = None,
    out: Out = Path("path.csv"),
    seed: Seed = 0,
) -> None:
    """Compute the exact partition of a polyline; writes its pieces (.csv) and a picture beside them (.png)."""
    out = out_file(out, ".csv")
    torch.manual_seed(seed)
    (corners,) = probes.file_probes(points).values()
    found = compute_path(load_model(model, weights), corners, until=until)
    picture = out.with_suffix(".png")
    image = as_image(viz.draw_path(found), "png", dpi=200)
    write_whole(out, lambda stream: stream.write(_as_csv(found)))
    write_whole(picture, lambda stream: stream.write(image))
    changes = len(found.class_changes)
    typer.echo(
        f"{found.n_pieces:,} pieces, {changes:,} changes of class on a length of {found.length:.6g}: {out}, {picture}"
    )


def _as_csv(found: ExactPath) -> bytes:
    table = found.table()
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    return stream.getvalue().encode()
