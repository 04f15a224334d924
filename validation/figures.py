"""Figures in the house's style, which no window and no global state knows of, and tables: made, and written whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from splinegeo.viz.style import FONT, TITLE, house_style

import splinegeo as sg

DPI = 150


def new_figure(n_columns: int, width: float = 7.2, height: float = 3.0, **options: Any) -> tuple[Figure, list[Axes]]:
    """A row of axes; `options` go to `Figure.subplots`."""
    with house_style():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes: NDArray[Any] = figure.subplots(1, n_columns, squeeze=False, **options)
    for ax in axes[0]:
        ax.tick_params(labelsize=FONT - 1)
    return figure, list(axes[0])


def style_lines(ax: Axes, x: str, y: str, *, legend: bool = True) -> None:
    """Names of the axes, a light grid, no box."""
    ax.set_xlabel(x, fontsize=FONT)
    ax.set_ylabel(y, fontsize=FONT)
    ax.grid(color="#dcdce2", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        ax.legend(frameon=False, fontsize=FONT - 1)


def add_title(ax: Axes, text: str) -> None:
    """In the size of the house, whatever the global settings are."""
    ax.set_title(text, fontsize=TITLE)


def shades(n: int) -> list[tuple[float, float, float]]:
    """Colours from light to dark that print well, for n values in order.

    >>> len(shades(3)), len(shades(1))
    (3, 1)
    """
    light, dark = np.array([0.52, 0.80, 0.55]), np.array([0.20, 0.09, 0.42])
    steps = np.linspace(0, 1, n) if n > 1 else np.array([0.6])
    return [tuple(light + (dark - light) * step) for step in steps]


def save_figure(path: Path, figure: Figure) -> Path:
    """Write a figure as PNG, and close it."""
    try:
        return sg.write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=DPI))
    finally:
        plt.close(figure)


def save_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return sg.write_whole(path, lambda stream: stream.write(text.getvalue().encode()))
