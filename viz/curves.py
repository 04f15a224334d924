"""Curves over training steps: beside an animation, and on their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from splinegeo import InvalidInputError

from .style import FONT, INK, LOSS, RANDOM, TEST, TRAIN, house_style

Curves = Mapping[str, tuple[ArrayLike, ArrayLike]]

_BY_NAME = {"train": TRAIN, "test": TEST, "random": RANDOM, "loss": LOSS}
_OTHERS = ("#8a4fbf", "#c2392b", "#13888f", "#7a5c3a")


def draw_training_curves(
    steps: ArrayLike,
    *,
    loss: ArrayLike | None = None,
    train_accuracy: ArrayLike | None = None,
    test_accuracy: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Loss and accuracies over a logarithmic axis of training steps: train green, test orange, loss grey.

    Parameters
    ----------
    steps : (n,) increasing numbers of optimiser steps; 0, before training, has its place left of 1
    loss : (n,), optional
        On an axis of its own at the right, logarithmic.
    train_accuracy, test_accuracy : (n,), optional
        Shares between 0 and 1.
    ax : Axes, optional
        A new figure otherwise.

    Returns
    -------
    Axes
        Those of the accuracies.

    Raises
    ------
    InvalidInputError
        If a curve has another length than `steps`, or a step is negative.

    Examples
    --------
    >>> from splinegeo import viz
    >>> ax = viz.draw_training_curves([0, 1, 10, 100], train_accuracy=[0.1, 0.2, 0.8, 1.0])
    >>> [line.get_label() for line in ax.lines]
    ['train accuracy']
    """
    with house_style():
        if ax is None:
            _, ax = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        accuracies = {"train accuracy": train_accuracy, "test accuracy": test_accuracy}
        lines = []
        for name, values in accuracies.items():
            if values is not None:
                lines += ax.plot(*checked_curve(name, steps, values), color=colour_of(name), lw=1.7, label=name)
        ax.set_ylim(-0.02, 1.02)
        ax.set_ylabel("accuracy", fontsize=FONT)
        style_curves(ax, np.asarray(steps, dtype=np.float64))
        if loss is not None:
            right = ax.twinx()
            lines += right.plot(*checked_curve("loss", steps, loss), color=LOSS, lw=1.3, ls=(0, (4, 2)), label="loss")
            right.set_yscale("log")
            right.set_ylabel("loss", fontsize=FONT, color=LOSS)
            right.tick_params(labelsize=FONT - 1, colors=LOSS, which="both")
            right.spines["top"].set_visible(False)
        ax.legend(handles=lines, frameon=False, loc="center left", fontsize=FONT - 1)
    return ax


def checked_curve(name: str, steps: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values as arrays of one length."""
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise InvalidInputError(f"curve '{name}' has values of shape {y.shape} at steps of shape {x.shape}")
    if (x < 0).any():
        raise InvalidInputError(f"curve '{name}' has a negative step: {x.min():g}")
    return x, y


def colour_of(name: str, index: int = 0) -> str:
    """The paper's colour where the name says train, test, random or loss; others in turn."""
    known = (colour for word, colour in _BY_NAME.items() if word in name.lower())
    return next(known, _OTHERS[index % len(_OTHERS)])


def style_curves(ax: Axes, steps: NDArray[np.float64]) -> None:
    """A logarithmic axis of steps on which 0 has a place too, a light grid, nothing else."""
    last = max(float(steps.max()), 10.0)
    if steps.min() < 1:
        ax.set_xscale("symlog", linthresh=1, linscale=0.4)
        ax.set_xlim(-0.15, last * 1.15)
        decades = [0.0, *10.0 ** np.arange(np.floor(np.log10(last)) + 1)]
    else:
        ax.set_xscale("log")
        ax.set_xlim(steps.min() / 1.15, last * 1.15)
        decades = list(10.0 ** np.arange(np.ceil(np.log10(steps.min())), np.floor(np.log10(last)) + 1))
    ax.set_xticks(decades)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"$10^{{{np.log10(x):.0f}}}$" if x > 0 else "0"))
    ax.set_xlabel("optimiser step", fontsize=FONT)
    ax.tick_params(labelsize=FONT - 1)
    ax.grid(color="#dcdce2", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def draw_growing_curves(ax: Axes, curves: Curves, step: float, label: str) -> None:
    """What has happened until `step`, with a marker at its end; what is to come stays faint."""
    for index, (name, (steps, values)) in enumerate(curves.items()):
        x, y = checked_curve(name, steps, values)
        colour = colour_of(name, index)
        now = float(np.interp(step, x, y))
        ax.plot(x, y, color=colour, alpha=0.2, lw=1.2)
        ax.plot([*x[x < step], step], [*y[x < step], now], color=colour, lw=1.9, label=name)
        ax.plot([step], [now], "o", color=colour, ms=5.5, mec="white", mew=0.9, clip_on=False, zorder=4)
    ax.axvline(step, color=INK, lw=0.6, alpha=0.5)
    ax.set_ylabel(label, fontsize=FONT)
    style_curves(ax, np.concatenate([np.asarray(steps, dtype=np.float64) for steps, _ in curves.values()]))
    # Above the curves, where none of them comes: a legend that looks for room would jump between frames.
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
    ax.legend(frameon=False, ncols=3, fontsize=FONT - 1, **place)
