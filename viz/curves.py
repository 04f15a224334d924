"""Curves over training steps: beside an animation, and on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from splinegeo import InvalidInputError

from .style import FONT, INK, LOSS, RANDOM, TEST, TRAIN, house_style

# Name of a curve -> steps and values, or steps, values and both ends of a band, as `Series` of a tracker has them.
Curves = Mapping[str, Sequence[ArrayLike]]

_BY_NAME = {"train": TRAIN, "test": TEST, "random": RANDOM, "loss": LOSS}
# Under attack: shades of the paper's orange for test points, darker for stronger attacks.
_ATTACKED = ("#f5b573", "#d05a0b", "#7a2f00")
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
    """The paper's colour where the name says train, test, random, loss or ε (an attack's); others in turn."""
    if "ε" in name:
        return _ATTACKED[index % len(_ATTACKED)]
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


def draw_curves(
    curves: Curves,
    ax: Axes | None = None,
    *,
    label: str = "",
    step: float | None = None,
    colors: Sequence[str] | None = None,
) -> Axes:
    """Curves over a logarithmic axis of training steps, with bands where they have some.

    Parameters
    ----------
    curves : {name: (steps, values)} or {name: (steps, values, low, high)}
        A `splinegeo.Series` is the latter; ends that are NaN draw no band. Names with ``train`` are drawn in the
        paper's green, ``test`` in its orange, ``random`` in its blue, those with ``ε``, the size of an attack, in
        shades of orange, others in turn.
    ax : Axes, optional
        A new figure otherwise.
    label : what the values are
    step : float, optional
        Draw only what has happened until this step, with a marker at its end; what is to come stays faint.
    colors : sequence, optional
        One for each curve, instead of those of their names.

    Raises
    ------
    InvalidInputError
        If there are no curves, or not as many colours; if a curve has another number of values than of steps, or a
        negative step.

    Examples
    --------
    >>> from splinegeo import viz
    >>> ax = viz.draw_curves({"train": ([0, 10, 100], [12, 9, 14], [11, 8, 12], [13, 10, 16])}, step=10)
    >>> [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    ['train']
    """
    if not curves:
        raise InvalidInputError("there are no curves to draw")
    if colors is not None and len(colors) != len(curves):
        raise InvalidInputError(f"{len(colors)} colors for {len(curves)} curves")
    with house_style():
        if ax is None:
            _, ax = plt.subplots(figsize=(5.4, 3.4), layout="constrained")
        chosen = _colours(list(curves)) if colors is None else colors
        for (name, given), colour in zip(curves.items(), chosen, strict=True):
            _draw_curve(ax, name, given, colour, step)
        if step is not None:
            ax.axvline(step, color=INK, lw=0.6, alpha=0.5)
        ax.set_ylabel(label, fontsize=FONT)
        style_curves(ax, np.concatenate([np.asarray(given[0], dtype=np.float64) for given in curves.values()]))
        # Above the curves, where none of them comes: a legend that looks for room would jump between frames.
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
        place |= {"columnspacing": 0.9, "handlelength": 1.1, "handletextpad": 0.4}
        ax.legend(frameon=False, ncols=len(curves), fontsize=FONT - 1, **place)
    return ax


def _colours(names: Sequence[str]) -> list[str]:
    """One for each name; attacks, and others without a colour of their own, are counted apart."""
    attacks = [name for name in names if "ε" in name]
    return [colour_of(name, attacks.index(name) if name in attacks else i) for i, name in enumerate(names)]


def _draw_curve(ax: Axes, name: str, given: Sequence[ArrayLike], colour: str, step: float | None) -> None:
    x, y = checked_curve(name, given[0], given[1])
    if len(given) > 2:
        (_, low), (_, high) = (checked_curve(name, given[0], end) for end in given[2:4])
        ax.fill_between(x, low, high, color=colour, alpha=0.22 if step is None else 0.12, linewidth=0)
    if step is None:
        ax.plot(x, y, color=colour, lw=1.7, label=name)
        return
    now = float(np.interp(step, x, y))
    ax.plot(x, y, color=colour, alpha=0.2, lw=1.2, label="_to come")
    ax.plot([*x[x < step], step], [*y[x < step], now], color=colour, lw=1.9, label=name)
    ax.plot([step], [now], "o", color=colour, ms=5.0, mec="white", mew=0.9, clip_on=False, zorder=4, label="_now")
