"""`splinegeo explore`, `splinegeo share`: look around, and let others look around."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

import splinegeo.viz as viz
from splinegeo.viz.explorer import ExplorerServer, Source, source_of

from ..errors import InvalidInputError
from ..slices import Slice
from .models import load_model
from .options import Weights
from .sources import Run, anchors_among, load_inputs, load_partitions

Paths = Annotated[
    list[Path] | None, typer.Argument(help="The folder of a run, or files that `splinegeo partition` wrote, in order.")
]


def explore(
    paths: Paths = None,
    model: Annotated[str | None, typer.Option(help="package.module:factory, .onnx or .nnet, instead of a run.")] = None,
    weights: Weights = None,
    data: Annotated[
        Path | None, typer.Option(help="A .npy file of inputs: the first slice goes through three of them.")
    ] = None,
    box: Annotated[
        tuple[float, float, float, float] | None, typer.Option(help="x0 x1 y0 y1, for networks with two inputs.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Show the partition up to this submodule.")] = None,
    max_regions: Annotated[int, typer.Option(help="Refuse views that would have more.")] = 500_000,
    port: Annotated[int, typer.Option(help="Of 127.0.0.1; 0 for any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Look around in a slice: pan, zoom, turn, tilt; every view is the exact partition, computed anew."""
    source, title = _source(paths or [], model, weights, data, box, until, max_regions)
    source.about()  # what cannot be shown is said here, not on the page
    with ExplorerServer(source, title, port) as server:
        typer.echo(f"{server.address}\nonly this machine can open it; Ctrl-C ends it")
        if browser:
            webbrowser.open(server.address)
        server.serve_forever()


def share(
    paths: Paths = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("run.html"),
    title: Annotated[str | None, typer.Option(help="Of the page; the name of the folder or file by default.")] = None,
) -> None:
    """Write one HTML file that shows a run, or saved partitions, to anybody with a browser."""
    given = paths or []
    if _is_run(given):
        run = Run.of(given[0])
        steps, parts = (list(column) for column in zip(*run.partitions(), strict=True))
        found, panels = run.digits(), run.panels()
        data, labels = found or (None, [])
        anchors = [] if data is None else anchors_among(data, parts[0].domain)
        viz.write_html(
            parts,
            out,
            title=title or given[0].resolve().name,
            titles=run.titles(steps, panels),
            steps=steps,
            panels=panels,
            anchors=data[anchors] if data is not None and anchors else None,
            anchor_labels=[labels[i] for i in anchors] or None,
            progress=True,
        )
    else:
        parts = load_partitions(_files(given))
        viz.write_html(parts, out, title=title or given[0].stem, titles=[path.stem for path in given], progress=True)
    typer.echo(f"{len(parts)} frames, {out.stat().st_size / 1e6:.1f} MB: {out}")


def _source(
    paths: list[Path],
    model: str | None,
    weights: Path | None,
    data: Path | None,
    box: tuple[float, float, float, float] | None,
    until: str | None,
    max_regions: int,
) -> tuple[Source, str]:
    if (not paths) == (model is None):
        raise InvalidInputError("say what to look at: the folder of a run, partition files, or --model")
    if model is None:
        if weights is not None or data is not None or box is not None:
            raise InvalidInputError("--weights, --data and --box go with --model")
        return _run_source(paths[0], until, max_regions) if _is_run(paths) else _file_source(_files(paths))
    module = load_model(model, weights)
    inputs = None if data is None else load_inputs(data)
    if box is None and inputs is None:
        raise InvalidInputError("say where to look with --data, or with --box for networks with two inputs")
    if inputs is not None and box is None and len(inputs) < 3:
        raise InvalidInputError(f"'{data}' holds {len(inputs)} inputs; a slice goes through three")
    domain = None if box is None else Slice.box(box[:2], box[2:])
    anchors = None if box is not None else [0, 1, 2]
    made = source_of(
        module, domain, until=until, data=inputs, data_anchors=anchors, title=model, max_regions=max_regions
    )
    return made, model


def _run_source(folder: Path, until: str | None, max_regions: int) -> tuple[Source, str]:
    run = Run.of(folder)
    data, labels = run.digits() or (None, [])
    domain, panels, title = run.domain(data, labels), run.panels(), folder.resolve().name
    anchors = [] if data is None else anchors_among(data, domain)
    source = source_of(
        run.model(),
        domain,
        states=[checkpoint.state for checkpoint in run.checkpoints],
        until=until,
        data=data,
        labels=labels or None,
        data_anchors=anchors if len(anchors) == 3 else None,
        anchors=data[anchors] if data is not None and anchors else None,
        anchor_labels=[labels[i] for i in anchors] or None,
        title=title,
        titles=run.titles(run.steps, panels),
        steps=run.steps,
        panels=panels,
        max_regions=max_regions,
    )
    return source, title


def _file_source(files: list[Path]) -> tuple[Source, str]:
    title = files[0].stem
    return source_of(load_partitions(files), title=title, titles=[path.stem for path in files]), title


def _is_run(paths: list[Path]) -> bool:
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise InvalidInputError(f"'{folders[0]}' is a folder: give one folder of a run, or files")
    return bool(folders)


def _files(paths: list[Path]) -> list[Path]:
    if not paths:
        raise InvalidInputError("say what to share: the folder of a run, or partition files")
    return paths
