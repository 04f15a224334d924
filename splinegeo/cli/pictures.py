"""How commands draw: options that several share, checked before the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import matplotlib.pyplot as plt
import typer

from splinegeo.viz.colouring import QUANTITIES
from splinegeo.viz.saving import FORMATS

from ..errors import InvalidInputError


@dataclass(frozen=True)
class Look:
    """Of pictures of partitions: the options that `partition` and `animate` share, checked before the work."""

    color: Annotated[str, typer.Option(help=f"{', '.join(QUANTITIES)} or none.")] = "slope_norm"
    cmap: Annotated[str | None, typer.Option(help="A colour map of matplotlib.")] = None
    limits: Annotated[tuple[float, float] | None, typer.Option(help="Ends of the colour scale.")] = None

    def __post_init__(self) -> None:
        if self.color != "none" and self.color not in QUANTITIES:
            raise InvalidInputError(f"--color '{self.color}' is not known: choose {', '.join(QUANTITIES)} or none")
        if self.cmap is not None and self.cmap not in plt.colormaps():
            raise InvalidInputError(f"--cmap '{self.cmap}' is no colour map of matplotlib, such as viridis")
        if self.limits is not None and not self.limits[0] < self.limits[1]:
            raise InvalidInputError(f"--limits {self.limits[0]} {self.limits[1]}: the first must be the smaller one")

    @property
    def quantity(self) -> str | None:
        """What `draw_partition` takes as its colour."""
        return None if self.color == "none" else self.color


def picture_format(name: str) -> str:
    """One of the formats of pictures."""
    if name not in FORMATS:
        raise InvalidInputError(f"--format '{name}' is not known: choose {', '.join(FORMATS)}")
    return name
