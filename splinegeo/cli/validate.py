"""`splinegeo validate`: the library against the paper and against laws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splinegeo.validation.checks import run_validation

from .options import Out, Seed


def validate(
    quick: Annotated[bool, typer.Option("--quick", help="Small settings: about an eighth of the computing.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a check, as in the report; repeat for several. Default: all.")
    ] = None,
    out: Out = Path("validation"),
    seed: Seed = 0,
) -> None:
    """Run the paper's validation experiments and more; report.html and report.json. Fails if any check does."""
    report = run_validation(out, quick=quick, seed=seed, only=only or (), progress=True)
    for entry in report.entries:
        finding = entry.finding
        typer.echo(f"{finding.verdict:8}  {finding.name:16}  {finding.error or finding.claim}")
    typer.echo(f"{out}/report.html, {out}/report.json")
    if not report.ok:
        raise typer.Exit(1)
