"""Is the cost linear in the number of regions, and in the number of slices? A curve, its slope, and a picture.

    make scaling                                            # some minutes; needs 4 GB
    .venv/bin/python -m benchmarks.scaling --most 200000    # up to so many regions and slices
    .venv/bin/python -m benchmarks.scaling --device cuda --width 600 --budget 30    # on a GPU, to ten million regions

Every point is a process of its own: the peak of its resident memory, or of what is allocated on a GPU, is that of one
computation, less the peak before it. The network of the first curve is always the same, 2-300x10-10 with normal weights
(He), so that a vertex costs the same everywhere; its window grows. The second curve has 1, 10, … 10 000 diamonds in the
784-dimensional input space of a 784-200-200-200-10 network, refined in one batch. The slope is that of a straight line
through the logarithms of the points with more than `SMALL` regions: below, the cost is that of any call.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from splinegeo.viz.style import INK, TEST, TRAIN, house_style
from torch import nn

import splinegeo as sg

DEPTH = 10
DIGIT_WIDTHS = (784, 200, 200, 200, 10)
# half-width of the window -> about as many regions in it; only `--most` reads the numbers
WINDOWS = {
    0.038: 11_000,
    0.1: 83_000,
    0.3: 628_000,
    0.62: 1_640_000,
    1.0: 2_630_000,
}
SLICES = (1, 10, 100, 1_000, 10_000)
RADIUS = 0.5
DIAMOND = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
SMALL = 15_000
_MIB, _GIB = 2**20, 2**30


def network(widths: Sequence[int]) -> nn.Sequential:
    """A ReLU network with He's normal weights, seed 0: its deep layers cut as often as its first."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layer = nn.Linear(n_in, n_out)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.normal_(layer.bias, std=0.3)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def diamonds(n: int) -> list[sg.Slice]:
    """Diamonds around random points of the unit cube, in random planes."""
    points = np.random.default_rng(0).random((n, DIGIT_WIDTHS[0]))
    frames = sg.random_frames(n, DIGIT_WIDTHS[0], 2, rng=0).numpy()
    return [sg.Slice(x, f.T, RADIUS * DIAMOND, (DIGIT_WIDTHS[0],)) for x, f in zip(points, frames, strict=True)]


def measured(curve: str, size: float, width: int, device: str, max_memory: int | None) -> dict[str, float]:
    """One point, in this process: sizes, seconds, and bytes beyond what was taken before."""
    torch.manual_seed(0)
    if curve == "regions":
        model, domains = network((2, *[width] * DEPTH, 10)), [sg.Slice.box((-size, size), (-size, size))]
    else:
        model, domains = network(DIGIT_WIDTHS), diamonds(int(size))
    # imports and first-use costs
    sg.compute_partition(network((2, 8, 8, 1)), sg.Slice.box((-1, 1), (-1, 1)), device=device)
    before, wall, cpu = peak(device), time.perf_counter(), time.process_time()
    parts = sg.compute_partitions(model, domains, device=device, max_memory=max_memory)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    n_regions = sum(part.n_regions for part in parts)
    return {"size": size, "regions": n_regions, "slices": len(parts), "seconds": seconds, "cpu_seconds": cpu_seconds,
            "bytes": peak(device) - before}  # fmt: skip


def peak(device: str) -> int:
    """Largest memory so far, in bytes: resident of this process, or allocated on a GPU."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def in_own_process(curve: str, size: float, options: Sequence[str]) -> dict[str, float]:
    """One point, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--point", curve, str(size)]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def slope(points: Sequence[Mapping[str, float]], x: str, y: str) -> float:
    """Exponent p of y ~ x**p, by least squares on the logarithms; NaN below two points."""
    large = [(p[x], p[y]) for p in points if p["regions"] > SMALL and p[y] > 0]
    if len(large) < 2:
        return float("nan")
    logs = np.log(np.array(large))
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def curve_of(name: str, sizes: Sequence[float], options: Sequence[str]) -> list[dict[str, float]]:
    """All points of a curve, printed as they come."""
    points = []
    print(f"\n{'regions':>10s} {'slices':>7s} {'seconds':>9s} {'CPU s':>9s} {'MiB':>8s}", flush=True)
    for size in sizes:
        p = in_own_process(name, size, options)
        points.append(p)
        print(f"{p['regions']:10,.0f} {p['slices']:7,.0f} {p['seconds']:9.3f} {p['cpu_seconds']:9.3f} "
              f"{p['bytes'] / _MIB:8.0f}", flush=True)  # fmt: skip
    for y in ("seconds", "cpu_seconds", "bytes"):
        print(f"  {y} ~ {name} ** {slope(points, name, y):.2f}")
    return points


def draw(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Time and memory over each size, on logarithmic axes, with lines of slope one."""
    with house_style():
        figure, panels = plt.subplots(2, 2, figsize=(6.6, 4.8), sharex="col", layout="constrained")
        for column, (name, points) in zip(panels.T, curves.items(), strict=True):
            _panel(column[0], points, name, "seconds", 1.0, "time / s", TRAIN)
            _panel(column[1], points, name, "bytes", _MIB, "peak memory / MiB", TEST)
            column[1].set_xlabel(f"number of {name}")
        sg.write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=200))
        plt.close(figure)


def _panel(
    ax: Axes, points: Sequence[Mapping[str, float]], x: str, y: str, unit: float, words: str, colour: str
) -> None:
    sizes, values = (np.array([p[name] for p in points]) for name in (x, y))
    ax.loglog(sizes, values / unit, "o", color=colour, markersize=5, label=f"measured, slope {slope(points, x, y):.2f}")
    ax.loglog(sizes, values[-1] / unit * sizes / sizes[-1], "--", color=INK, linewidth=0.8, label="slope 1")
    ax.set_ylabel(words)
    ax.legend(loc="upper left", frameon=False)


def main() -> None:
    """Measure both curves; write the picture and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=3_000_000, help="leave out points of more regions or slices")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--width", type=int, default=300, help="of the layers of the first curve's network")
    parser.add_argument("--device", default="cpu", help="where to compute, such as cuda")
    parser.add_argument("--budget", type=float, metavar="GIB", help="max_memory; a GPU takes no tiles without one")
    parser.add_argument("--picture", type=Path, default=Path("docs/images/scaling.png"))
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--point", nargs=2, metavar=("CURVE", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.point:
        max_memory = options.budget and int(options.budget * _GIB)
        curve, size = options.point
        print(json.dumps(measured(curve, float(size), options.width, options.device, max_memory)))
        return
    sizes = {
        "regions": [s for s, n in WINDOWS.items() if n <= options.most],
        "slices": [n for n in SLICES if n <= options.most],
    }
    passed = ["--threads", str(options.threads), "--width", str(options.width), "--device", options.device]
    passed += ["--budget", str(options.budget)] if options.budget else []
    curves = {name: curve_of(name, some, passed) for name, some in sizes.items()}
    draw(curves, options.picture)
    if options.json is not None:
        about: dict[str, Any] = {"with": passed, "torch": torch.__version__, **curves}
        sg.write_whole(options.json, lambda stream: stream.write(json.dumps(about, indent=1).encode()))


if __name__ == "__main__":
    main()
