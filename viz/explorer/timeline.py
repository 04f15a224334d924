"""What runs beside the picture: checkpoints with their titles and steps, and curves over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splinegeo import InvalidInputError

from ..curves import Curves, checked_curve, colour_of


@dataclass(frozen=True)
class Timeline:
    """The checkpoints of an explorer or a page.

    Attributes
    ----------
    titles : what is said of each
    steps : of each; their numbers if nobody knows
    panels : curves by the label of their values
    """

    titles: tuple[str, ...]
    steps: tuple[float, ...]
    panels: Mapping[str, Curves]

    @classmethod
    def of(
        cls,
        n: int,
        titles: Sequence[str] | None = None,
        steps: Sequence[float] | None = None,
        curves: Curves | None = None,
        panels: Mapping[str, Curves] | None = None,
    ) -> Timeline:
        """Of `n` checkpoints, complaining where the numbers differ."""
        for name, given in (("titles", titles), ("steps", steps)):
            if given is not None and len(given) != n:
                raise InvalidInputError(f"{len(given)} {name} for {n} partitions or checkpoints")
        if curves is not None and panels is not None:
            raise InvalidInputError("give either curves or panels: panels are several of them, each with its label")
        if (curves or panels) and steps is None:
            raise InvalidInputError("curves need steps: the step of each checkpoint, one number each")
        numbers = range(n) if steps is None else steps
        if titles is None:
            titles = [f"step {step:,}" if steps is not None else f"{step + 1} of {n}" for step in numbers]
        beside = panels or ({} if curves is None else {"": curves})
        return cls(tuple(map(str, titles)), tuple(float(step) for step in numbers), beside)

    def description(self) -> dict[str, Any]:
        """For the page."""
        pairs = zip(self.titles, self.steps, strict=True)
        return {
            "checkpoints": [{"label": title, "step": step} for title, step in pairs],
            "panels": [
                {"label": label, "curves": [_curve(name, i, c) for i, (name, c) in enumerate(curves.items())]}
                for label, curves in self.panels.items()
            ],
        }


def _curve(name: str, index: int, curve: Sequence[Any]) -> dict[str, Any]:
    steps, values = checked_curve(name, curve[0], curve[1])
    shown = [value if np.isfinite(value) else None for value in values.tolist()]
    return {"name": name, "steps": steps.tolist(), "values": shown, "colour": colour_of(name, index)}
