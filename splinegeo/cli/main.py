"""The entry point: every command by name, and one line for whatever goes wrong."""

from __future__ import annotations

import gc
from importlib import metadata
from typing import Annotated

import typer

from ..errors import SplineGeoError
from .explore import explore, share
from .partitions import animate, partition
from .paths import path
from .probes import complexity, deformation
from .runs import demo, train
from .validate import validate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Exact spline-partition geometry of deep networks.",
)

# In the order of the help text.
for command in (demo, partition, path, animate, explore, share, complexity, deformation, train, validate):
    app.command()(command)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splinegeo {metadata.version('splinegeo')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version and stop.", is_eager=True, callback=_say_version)
    ] = False,
) -> None:
    pass


# Typer's exit status for an interrupt from the keyboard, which it makes without a word.
_INTERRUPTED = 130


def main() -> None:
    """Entry point: one line and a non-zero exit status for whatever the user can mend, and for Ctrl-C."""
    try:
        status = _status()
    except (SplineGeoError, OSError, ValueError, TypeError) as error:
        typer.echo(f"splinegeo: {error}", err=True)
        raise SystemExit(1) from error
    if status == _INTERRUPTED:
        gc.collect()  # bars that only the frames of the interrupted call still hold are closed before the last line
        typer.echo("splinegeo: interrupted; no file is left half-written", err=True)
    raise SystemExit(status)


def _status() -> str | int | None:
    """Run the command; by its return the exception is gone, and its frames with it."""
    try:
        app()
    except SystemExit as end:
        return end.code
    return 0
