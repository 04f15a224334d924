"""First light: train on real digits, compute the exact partition at every checkpoint, render the animation."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import splinegeo.viz as viz
import torch
from torch import Tensor

import splinegeo as sg

from .checkpoints import save_checkpoints
from .digits import Digits, load_digits
from .networks import Mlp
from .training import TrainingRun, log_spaced_steps, train

NETWORK = Mlp()  # 784-200-200-200-10
CLASSES = (3, 5, 8)  # digits that a network confuses: their triangle crosses many boundaries
MARGIN = 0.6
DPI = 150


def run_demo(
    out: Path,
    *,
    last_step: int = 6000,
    n_checkpoints: int = 46,
    seed: int = 0,
    quick: bool = False,
    say: Callable[[str], None],
    progress: bool = True,
) -> None:
    """Train MLP 784-200-200-200-10 on 1 000 digits and animate its exact partition over the training.

    Parameters
    ----------
    out : folder for the results; made if it does not exist
    last_step, n_checkpoints : length of the training, and how many of its steps (log-spaced) become frames
    quick : three frames of 60 steps, to see that everything works
    seed : of the split into training and test digits, of the initialisation and of the batches
    say : called with each line of the closing summary
    """
    if quick:
        last_step, n_checkpoints = 60, 3
    out.mkdir(parents=True, exist_ok=True)
    digits = load_digits(seed=seed)
    model = NETWORK.build(seed)
    run = train(model, digits, log_spaced_steps(last_step, n_checkpoints), seed=seed, progress=progress)
    anchors = anchors_of(digits, CLASSES)
    domain = sg.Slice.through(anchors[0], anchors[1], anchors[2], margin=MARGIN)
    parts = sg.compute_partitions(model, domain, states=run.states, progress=progress)

    _save_curves(out, run)
    save_checkpoints(out, run, NETWORK, seed)
    _save_partitions(out / "partitions", parts, run)
    _animate(out, parts, run, anchors, progress)
    for line in _summary(out, parts, run):
        say(line)


def anchors_of(digits: Digits, classes: Sequence[int]) -> Tensor:
    """The first training image of each class, (len(classes), 784)."""
    first = [int(torch.nonzero(digits.train_y == label)[0]) for label in classes]
    return digits.train_x[first]


def _save_curves(out: Path, run: TrainingRun) -> None:
    curves = (run.loss, run.train_accuracy, run.test_accuracy)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("step", "loss", "train_accuracy", "test_accuracy"))
    writer.writerows(zip(run.steps, *curves, strict=True))
    sg.write_whole(out / "training.csv", lambda stream: stream.write(text.getvalue().encode()))
    ax = viz.draw_training_curves(
        run.steps, loss=run.loss, train_accuracy=run.train_accuracy, test_accuracy=run.test_accuracy
    )
    _save_figure(ax.figure, out / "training_curves.png")


def _save_partitions(folder: Path, parts: list[sg.Partition], run: TrainingRun) -> None:
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("step_*.npz"):
        stale.unlink()
    for part, step in zip(parts, run.steps, strict=True):
        # The maps of ten outputs would be four fifths of the file; only the last one is kept whole.
        part.save(folder / f"step_{step:06d}.npz", maps=bool(step == run.steps[-1]))


def _animate(out: Path, parts: list[sg.Partition], run: TrainingRun, anchors: Tensor, progress: bool) -> None:
    titles = [
        f"step {step:>5,}    train {train:6.1%}    test {test:6.1%}"
        for step, train, test in zip(run.steps, run.train_accuracy, run.test_accuracy, strict=True)
    ]
    labels = [str(label) for label in CLASSES]
    # Slopes grow a thousandfold during training, and by a factor of two across one slice: relative to the slice's
    # mean, one colour scale serves all frames and each still shows its structure.
    color = "relative_slope"
    viz.animate(
        parts,
        [out / "migration.mp4", out / "migration.gif"],
        titles=titles,
        color=color,
        anchors=anchors,
        anchor_labels=labels,
        curves={
            "train accuracy": (run.steps, run.train_accuracy),
            "test accuracy": (run.steps, run.test_accuracy),
        },
        steps=run.steps.tolist(),
        hold=1.5,
        progress=progress,
    )
    ax = viz.draw_partition(parts[-1], color, limits=viz.colour_limits(parts, color))
    viz.draw_decision_boundary(parts[-1], ax)
    viz.draw_points(parts[-1], anchors, labels=labels, ax=ax)
    ax.set_title(titles[-1])
    _save_figure(ax.figure, out / "last_frame.png")


def _save_figure(figure: object, path: Path) -> None:
    assert isinstance(figure, plt.Figure)
    sg.write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=DPI, bbox_inches="tight"))
    plt.close(figure)


def _summary(out: Path, parts: list[sg.Partition], run: TrainingRun) -> list[str]:
    counts = np.array([part.n_regions for part in parts])
    report = parts[-1].check()
    verdict = "holds" if report.ok else f"FAILS: {report}"
    return [
        f"{out}/migration.mp4, .gif    {len(parts)} frames: the exact partition of a slice through three digits,",
        f"    {counts.min():,} to {counts.max():,} regions each, coloured by slope norm over its mean on the slice",
        f"{out}/last_frame.png         the last frame as a still",
        f"{out}/training_curves.png    loss and accuracies; the numbers are in training.csv",
        f"{out}/partitions/*.npz       the partitions themselves: splinegeo.Partition.load",
        f"{out}/checkpoints/*          the networks: splinegeo complexity (or deformation) --run {out}",
        f"after {run.steps[-1]:,} steps: train accuracy {run.train_accuracy[-1]:.1%}, test accuracy "
        f"{run.test_accuracy[-1]:.1%}; check of the last partition against the network {verdict}",
    ]
