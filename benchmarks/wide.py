"""The walk in bases beside the walk on vertices, on wide and convolutional networks: same weights, same run.

python -m benchmarks.wide [--rows NAME ...] [--repeats 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

import splinegeo as sg
from splinegeo.engine.basis import walk

from .timing import in_turn


def layers(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU at PyTorch's default initialisation, seed 0."""
    torch.manual_seed(0)
    chain: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        chain += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*chain[:-1])


def vgg(pool: Callable[[int], nn.Module]) -> nn.Sequential:
    """Six convolutions of 64 to 128 channels on 3 x 32 x 32, seed 0."""
    torch.manual_seed(0)
    chain: list[nn.Module] = []
    n_in = 3
    for n_out in (64, 64, 0, 128, 128, 0, 128, 128):
        if n_out:
            chain += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU()]
            n_in = n_out
        else:
            chain.append(pool(2))
    return nn.Sequential(*chain, nn.AvgPool2d(8), nn.Flatten(), nn.Linear(128, 10))


def cnn() -> nn.Sequential:
    """Three convolutions of 8 to 16 channels with batch norm on 1 x 28 x 28, seed 0."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 49, 10)),
    ).eval()


class Block(nn.Module):
    """Pre-activation residual block without norm."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(n_in, n_out, 3, stride, 1), nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.shortcut = nn.Identity() if n_in == n_out and stride == 1 else nn.Conv2d(n_in, n_out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        return self.shortcut(x) + self.second(torch.relu(self.first(torch.relu(x))))


def resnet18() -> nn.Sequential:
    """Eight blocks of 16 to 128 filters on 3 x 32 x 32, seed 0."""
    torch.manual_seed(0)
    blocks, n_in = [], 16
    for stage in range(4):
        for stride in (1 if stage == 0 else 2, 1):
            blocks.append(Block(n_in, 16 * 2**stage, stride))
            n_in = 16 * 2**stage
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1), *blocks, nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(n_in, 10)
    )


def around_an_image(shape: tuple[int, ...], half_width: float) -> sg.Slice:
    """A random plane around random pixels, seed 1."""
    torch.manual_seed(1)
    return sg.Slice.around(torch.rand(shape), half_width)


def box(half_width: float) -> sg.Slice:
    """A square around the origin."""
    return sg.Slice.box((-half_width, half_width), (-half_width, half_width))


ROWS: dict[str, tuple[Callable[[], nn.Module], sg.Slice]] = {
    "784-200x3-10, s = 20": (lambda: layers(784, 200, 200, 200, 10), around_an_image((784,), 20.0)),
    "2-200x3-10, s = 10": (lambda: layers(2, 200, 200, 200, 10), box(10.0)),
    "2-500x3-10, s = 0.5": (lambda: layers(2, 500, 500, 500, 10), box(0.5)),
    "2-1000x3-10, s = 0.15": (lambda: layers(2, 1000, 1000, 1000, 10), box(0.15)),
    "2-2000x4-10, s = 0.05": (lambda: layers(2, *[2000] * 4, 10), box(0.05)),
    "CNN 8-16-16, s = 0.5": (cnn, around_an_image((1, 28, 28), 0.5)),
    "VGG, s = 0.02": (lambda: vgg(nn.AvgPool2d), around_an_image((3, 32, 32), 0.02)),
    "VGG, max pools, s = 0.01": (lambda: vgg(nn.MaxPool2d), around_an_image((3, 32, 32), 0.01)),
    "ResNet18, s = 0.03": (resnet18, around_an_image((3, 32, 32), 0.03)),
}


@contextmanager
def widths_from(least: float) -> Iterator[None]:
    """While it lasts, bases are used from so many multiply-adds of a row and layer on."""
    before, walk._WIDE = walk._WIDE, least  # type: ignore[assignment]
    try:
        yield
    finally:
        walk._WIDE = before


def measured(name: str, repeats: int) -> str:
    """One row of the table."""
    factory, domain = ROWS[name]
    network = sg.capture(factory(), domain)

    def regions(least: float) -> int:
        with widths_from(least):
            return sg.compute_partition(network, domain).n_regions

    times = in_turn({"vertices": lambda: regions(float("inf")), "bases": lambda: regions(0.0)}, repeats, "cpu")
    counts = {count for some in times.results.values() for count in some}
    if len(counts) > 1:
        raise AssertionError(f"{name}: the two walks find {sorted(counts)} regions")
    seconds = [times.spread(way).median for way in ("vertices", "bases")]
    ratio = times.ratio("vertices", "bases")
    return f"| {name} | {counts.pop():,} | {seconds[0]:.2f} s | {seconds[1]:.2f} s | {ratio} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | regions | on vertices | in bases | ratio |\n|---|---|---|---|---|")
    for name in options.rows:
        print(measured(name, options.repeats), flush=True)


if __name__ == "__main__":
    main()
