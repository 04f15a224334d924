"""An experiment as plain data: what is trained, what is measured, what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import splinegeo as sg

from ..data import DigitTask
from ..setting import Setting


@dataclass(frozen=True)
class Recipe:
    """A named experiment.

    Attributes
    ----------
    name, title : for the command line and for pictures
    claim : what the paper says will be seen, or the question
    variants : name of a variant -> its setting
    radii : of the neighbourhoods of local complexity, in input space; the migration profile takes the first
    dim : number P of directions of each neighbourhood
    n_points : of each kind: training, test, random
    n_segments : of the migration profile; 0 leaves it out
    budgets : ε of the ℓ∞ attacks; none for inputs that are no pixels
    n_attacked, n_victims : at how many of the checkpoints, the last included, and how many points are attacked
    attacked : ``"test"`` or ``"train"``, whose points are attacked
    classes : three training samples of these classes span the slice
    margin : of the slice around them
    n_slices : at how many of the checkpoints the slice of the first seed is computed; 0 leaves it out
    resolution : pixels along a side of the maps that stand in for partitions
    """

    name: str
    title: str
    claim: str
    variants: Mapping[str, Setting]
    radii: tuple[float, ...] = (0.005, 0.5)
    dim: int = 25
    n_points: int = 500
    n_segments: int = 400
    budgets: tuple[float, ...] = (0.06, 0.1)
    n_attacked: int = 6
    n_victims: int = 200
    attacked: str = "test"
    classes: tuple[int, int, int] = (3, 5, 8)
    margin: float = 0.6
    n_slices: int = 8
    resolution: int = 72


def chosen(recipe: Recipe, variants: Sequence[str] | None, last_step: int | None) -> Recipe:
    """The recipe with these variants alone, ending at that step.

    Raises
    ------
    InvalidInputError
        For an unknown variant, or no step at all.
    """
    unknown = [name for name in variants or () if name not in recipe.variants]
    if unknown:
        raise sg.InvalidInputError(f"'{recipe.name}' has no variant {unknown}; choose among {list(recipe.variants)}")
    if last_step is not None and last_step < 1:
        raise sg.InvalidInputError(f"a training takes at least one step, not {last_step}")
    kept = {name: recipe.variants[name] for name in variants or recipe.variants}
    if last_step is not None:
        kept = {name: replace(setting, last_step=last_step) for name, setting in kept.items()}
    return replace(recipe, variants=kept)


def on_pictures(recipe: Recipe, source: str) -> Recipe:
    """The same on images of a file or folder that `read_pictures` takes, by networks that fit them.

    Raises
    ------
    InvalidInputError
        If there are no such images, or the experiment takes none.
    """
    variants = {}
    for name, setting in recipe.variants.items():
        if not isinstance(setting.task, DigitTask):
            raise sg.InvalidInputError(f"'{recipe.name}' is not about images; it takes no --data")
        task = replace(setting.task, source=source)
        pictures = task.pictures()
        network = setting.network.fitted(pictures.x.shape[1:], pictures.n_classes)
        variants[name] = replace(setting, task=task, network=network)
    first, second, third = (c % pictures.n_classes for c in recipe.classes)
    return replace(recipe, variants=variants, classes=(first, second, third))


def quick(recipe: Recipe) -> Recipe:
    """The same on a smaller scale: the first and the last variant, fewer steps, points, directions and slices."""
    ends = list(recipe.variants)[:: max(len(recipe.variants) - 1, 1)]
    return replace(
        recipe,
        variants={name: replace(recipe.variants[name], last_step=40, per_decade=3, checkpoints=()) for name in ends},
        dim=4,
        n_points=50,
        n_segments=min(recipe.n_segments, 30),
        n_attacked=2,
        n_victims=20,
        n_slices=min(recipe.n_slices, 2),
        resolution=16,
    )
