"""Exact partitions: splinegeo beside regioncam and beside the floor, in turn in one run, on the same weights.

    make benchmark                                   # every row; about ten minutes
    .venv/bin/python -m benchmarks.compare --rows 4  # the first four

Times are medians over the repeats, with the smallest and the largest; ratios are taken repeat by repeat. splinegeo
computes in float64 and is timed whole, capture and verification included ("with capture"), and without them, as from
the second checkpoint on. Neither side computes affine maps of the regions. The floor is one float64 forward pass of
the final vertices plus one read and write of every hidden activation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import regioncam
import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine.compute import partitions_of
from splinegeo.network import capture
from splinegeo.tolerance import Tolerance


@dataclass(frozen=True)
class Row:
    """A network at PyTorch's default initialisation, seed 0, and the half-width of its square window."""

    widths: tuple[int, ...]
    half_width: float

    def __str__(self) -> str:
        return "-".join(map(str, self.widths)) + f", s = {self.half_width:g}"


ROWS = (
    Row((2, 30, 30, 1), 1),
    Row((2, 32, 32, 32, 32, 1), 1),
    Row((2, 100, 100, 1), 1),
    Row((2, 200, 200, 1), 1),
    Row((2, 64, 64, 64, 64, 1), 10),
    Row((2, 200, 200, 200, 10), 1),
    Row((2, 200, 200, 200, 10), 10),
    Row((2, 700, 1), 1),
    Row((2, 1000, 1), 1),
)


def network(widths: tuple[int, ...]) -> nn.Sequential:
    """A ReLU network, `torch.manual_seed(0)`."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def by_regioncam(model: nn.Sequential, half_width: float) -> int:
    """Number of regions that regioncam (Rust, float32) finds."""
    camera = regioncam.Regioncam(size=half_width)
    for layer in model:
        if isinstance(layer, nn.Linear):
            camera.linear(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy())
        else:
            camera.relu()
    return camera.num_faces


def floor(model: nn.Sequential, u: torch.Tensor) -> None:
    """The least that any method on live tensors does: the products, and each activation read and written."""
    with torch.no_grad():
        for layer in model:
            u = layer(u)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds, and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def spread(values: list[float]) -> str:
    """Median, with the smallest and the largest."""
    return f"{statistics.median(values):8.3f} ({min(values):.3f} .. {max(values):.3f})"


def measure(row: Row, repeats: int) -> None:
    """Print one row of the table."""
    model = network(row.widths)
    domain = sg.Slice.box((-row.half_width, row.half_width), (-row.half_width, row.half_width))
    double = network(row.widths).double()
    theirs, whole, bare, floors, counts = [], [], [], [], set()
    state, architecture = model.state_dict(), capture(model, (2,))
    for _ in range(repeats):
        seconds, part = timed(lambda: sg.compute_partition(model, domain))
        whole.append(seconds)
        bare.append(timed(lambda: partitions_of(architecture.bind(state), [domain], Tolerance.of(torch.float64)))[0])
        u = torch.from_numpy(np.array(part.vertices))
        floors.append(timed(lambda u=u: floor(double, u))[0])
        seconds, faces = timed(lambda: by_regioncam(model, row.half_width))
        theirs.append(seconds)
        counts.add((part.n_regions, faces))
    ratio = [t / b for t, b in zip(theirs, whole, strict=True)]
    ratio_bare = [t / b for t, b in zip(theirs, bare, strict=True)]
    over_floor = [b / f for b, f in zip(bare, floors, strict=True)]
    print(f"{row}: regions (splinegeo, regioncam) {sorted(counts)}")
    print(f"  regioncam            {spread(theirs)} s")
    print(f"  splinegeo            {spread(whole)} s with capture    regioncam / splinegeo {spread(ratio)}")
    print(f"  per checkpoint       {spread(bare)} s                 regioncam / splinegeo {spread(ratio_bare)}")
    print(f"  floor                {spread(floors)} s                 checkpoint / floor    {spread(over_floor)}")


def main() -> None:
    """Measure the rows in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=len(ROWS), help="only the first so many")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    by_regioncam(network((2, 8, 1)), 1.0)
    sg.compute_partition(network((2, 8, 1)), sg.Slice.box((-1, 1), (-1, 1)))  # imports and first-use costs
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for row in ROWS[: options.rows]:
        measure(row, options.repeats)


if __name__ == "__main__":
    main()
