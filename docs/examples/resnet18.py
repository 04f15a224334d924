"""A pre-activation ResNet18 on 3 × 32 × 32 inputs, end to end: exact partition of a small slice, with its picture.

python docs/examples/resnet18.py --out resnet18.png
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn

import splinegeo as sg
from splinegeo import viz


class Block(nn.Module):
    """Pre-activation residual block: norm, ReLU, convolution, twice, beside the shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int, norm: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in) if norm else nn.Identity()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=not norm)
        self.norm2 = nn.BatchNorm2d(n_out) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=not norm)
        self.shortcut = nn.Identity() if n_in == n_out and stride == 1 else nn.Conv2d(n_in, n_out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Images to images."""
        out = torch.relu(self.norm1(x))
        out = self.conv2(torch.relu(self.norm2(self.conv1(out))))
        return out + self.shortcut(x)


class PreActResNet18(nn.Module):
    """Eight blocks in four stages; `width` filters in the first."""

    def __init__(self, width: int = 16, norm: bool = False, n_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        stages, n_in = [], width
        for stage in range(4):
            n_out = width * 2**stage
            stages += [Block(n_in, n_out, 1 if stage == 0 else 2, norm), Block(n_out, n_out, 1, norm)]
            n_in = n_out
        self.blocks = nn.Sequential(*stages)
        self.head = nn.Linear(n_in, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, 3, 32, 32) to logits (n, n_classes)."""
        features = torch.relu(self.blocks(self.stem(x)))
        return self.head(features.mean(dim=(2, 3)))


def main() -> None:
    """Compute, check and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="resnet18.png")
    parser.add_argument("--half-width", type=float, default=0.02)
    parser.add_argument("--norm", action="store_true", help="with batch norm, at random running statistics")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = PreActResNet18(norm=options.norm).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    domain = sg.Slice.around(torch.randn(3, 32, 32), options.half_width)
    start = time.perf_counter()
    part = sg.compute_partition(model, domain, progress=True)
    seconds = time.perf_counter() - start
    report = part.check(model.double())
    ax = viz.draw_partition(part, edges="layer")
    ax.figure.savefig(options.out, dpi=150, bbox_inches="tight")
    print(f"{part.n_regions} regions in {seconds:.1f} s; check {'holds' if report.ok else report}: {options.out}")


if __name__ == "__main__":
    main()
