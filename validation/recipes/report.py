"""The summary of an experiment as tables to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .recipe import Recipe

_PHASES = ("first_descent", "ascent", "migration")


def report(recipe: Recipe, summary: dict[str, Any]) -> str:
    """Markdown: accuracies first, then local complexity around training points."""
    runs = [
        (name, seed.removeprefix("seed "), figures)
        for name, of_seeds in summary["variants"].items()
        for seed, figures in of_seeds.items()
    ]
    accuracies = [f"ε = {eps:g}: lowest → final (half-way at)" for eps in recipe.budgets]
    header = ("variant", "seed", "steps", "train = 1 at", "train", "test", *accuracies)
    complexities = ("variant", "seed", "r", "step 0", "peak (at)", "final", "first descent", "ascent", "migration")
    return "\n".join(
        [
            f"## {recipe.title}",
            "",
            f"Claim: {recipe.claim}",
            "",
            *_table(header, [_accuracies(recipe, *run) for run in runs]),
            "",
            "Local complexity around training points: mean; peak since the training accuracy is 1; phases in steps.",
            "",
            *_table(complexities, [row for run in runs for row in _complexities(recipe, *run)]),
            "",
        ]
    )


def _accuracies(recipe: Recipe, name: str, seed: str, figures: dict[str, Any]) -> tuple[str, ...]:
    rises = [figures["robust_accuracy"][f"{eps:g}"] for eps in recipe.budgets]
    return (
        name,
        seed,
        f"{figures['last_step']:,}",
        _step(figures["interpolation"]),
        f"{figures['train_accuracy']:.3f}",
        f"{figures['test_accuracy']:.3f}",
        *(f"{rise['low']:.3f} → {rise['final']:.3f} ({_step(rise['half_step'])})" for rise in rises),
    )


def _complexities(recipe: Recipe, name: str, seed: str, figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for radius in recipe.radii:
        found = figures["local_complexity"][f"{radius:g}"]
        yield (
            name,
            seed,
            f"{radius:g}",
            f"{found['first']['train']:.2f}",
            f"{found['peak']['train']:.2f} ({_step(found['peak_step']['train'])})",
            f"{found['final']['train']:.2f}",
            *(_interval(found["phases"][phase]) for phase in _PHASES),
        )


def _step(step: int | None) -> str:
    return "-" if step is None else f"{step:,}"


def _interval(ends: list[int] | None) -> str:
    return "-" if ends is None else f"{ends[0]:,} to {ends[1]:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield "| " + " | ".join(row) + " |"
