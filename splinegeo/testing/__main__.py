"""``python -m splinegeo.testing``: the engine against rational arithmetic on thousands of random networks."""

from __future__ import annotations

from typing import Annotated

import typer
from tqdm import tqdm

from .campaign import table
from .networks import NETWORK_KINDS
from .runner import blocks, run_blocks

SEEDS_APART = 1_000_000  # campaigns with different seeds share no network
Networks = Annotated[int, typer.Option(min=1, help="How many networks, spread evenly over the kinds.")]
Seed = Annotated[int, typer.Option(min=0, help="Campaigns with different seeds share no network.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
Kinds = Annotated[list[str] | None, typer.Option(help="Only this kind; repeat for several.")]


def main(networks: Networks = 10_000, seed: Seed = 0, jobs: Jobs = 1, kind: Kinds = None) -> None:
    """Compare the exact engine with rational arithmetic, and print kinds × mismatches."""
    kinds = kind or list(NETWORK_KINDS)
    unknown = sorted(set(kinds) - set(NETWORK_KINDS))
    if unknown:
        raise typer.BadParameter(f"unknown kind {unknown[0]!r}; the kinds are {', '.join(NETWORK_KINDS)}")
    work = blocks(kinds, networks, seed * SEEDS_APART)
    trials = []
    with tqdm(total=networks, unit="network", disable=None) as bar:
        for block in run_blocks(work, jobs):
            trials += block
            bar.update(len(block))
            for done in block:
                if done.disagreement:
                    typer.echo(f"random_network({done.kind!r}, {done.seed}): {done.disagreement}")
    typer.echo(table(trials, kinds))
    if any(done.disagreement for done in trials):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
