"""Exact partitions: splinegeo beside its relatives and beside the floor, in turn in one run, on the same weights.

    make benchmark                                            # every row: some minutes
    .venv/bin/python -m benchmarks.compare --list             # what the rows are
    .venv/bin/python -m benchmarks.compare --rows 1 3 digit   # by number, or by a part of the name
    .venv/bin/python -m benchmarks.compare --repeats 5 --threads 1 --json benchmark.json
    .venv/bin/python -m benchmarks.compare --device cuda      # on a GPU, beside the host and the card's floor

Times are medians over the repeats, with the smallest and the largest; ratios are taken repeat by repeat. "whole" is one
call of `compute_partitions` in float64, capture and verification included; "bare" is without them, what a further
checkpoint costs. regioncam is given float32 weights, which is all it takes; relucent, which solves linear programmes,
only windows of few regions. Nobody computes the affine maps of the regions. For the floor see `floor.py`.
"""

from __future__ import annotations

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import splinegeo as sg

from .floor import Floor, Speeds
from .relatives import Contestant, bare, by_regioncam, by_relucent, whole
from .timing import CLOCKS, Spread, Times, in_turn
from .workloads import WORKLOADS, Workload, random_network


def contestants(workload: Workload, most_for_relucent: int, threads: int, device: str = "cpu") -> dict[str, Contestant]:
    """Who takes part in a row, by name; on another device than the host, the host is a contestant."""
    parts = sg.compute_partitions(workload.model, workload.domains, states=workload.states)
    n_regions = sum(part.n_regions for row in parts for part in row)
    found: dict[str, Contestant | None] = {
        "whole": whole(workload, device),
        "bare": bare(workload, device),
        "floor": Floor(workload, parts, device),
        "host": bare(workload) if device != "cpu" else None,
        "regioncam": by_regioncam(workload),
        "relucent": by_relucent(workload, threads) if n_regions <= most_for_relucent else None,
    }
    return {name: contestant for name, contestant in found.items() if contestant is not None}


def report(name: str, times: Times, ideal: float | None = None) -> dict[str, Any]:
    """Print one row, and return it for the file; `ideal` are the floor's seconds at the device's best speeds."""
    counts = {tool: sorted(set(n)) for tool, n in times.results.items() if tool != "floor"}
    agreed = len({n for several in counts.values() for n in several}) == 1
    regions = f"{counts['whole'][0]:,} regions" + ("" if agreed else f", but {counts}")
    print(f"\n{name}: {regions}", flush=True)
    ratios: dict[str, Spread] = {}
    for tool in times.seconds:
        if tool not in ("whole", "bare", "floor"):
            ratios |= {f"{tool} / whole": times.ratio(tool, "whole"), f"{tool} / bare": times.ratio(tool, "bare")}
    ratios["bare / floor"] = times.ratio("bare", "floor")
    for tool in times.seconds:
        print(f"  {tool:20s} {times.spread(tool)} s")
    for pair, ratio in ratios.items():
        print(f"  {pair:20s} {ratio}")
    if ideal is not None:
        print(f"  {'bare / ideal':20s} {times.spread('bare').median / ideal:.3g}, ideal {ideal:.3g} s")
    return {
        "workload": name,
        "regions": counts,
        "seconds": dict(times.seconds),
        "ideal": ideal,
        "ratios": {pair: vars(ratio) for pair, ratio in ratios.items()},
    }


def chosen(patterns: list[str]) -> list[Workload]:
    """The rows by number or by a part of their names; all of them without patterns.

    Raises
    ------
    SystemExit
        If nothing matches.
    """
    if not patterns:
        return [make() for make in WORKLOADS]
    if all(pattern.isdigit() and 1 <= int(pattern) <= len(WORKLOADS) for pattern in patterns):
        return [WORKLOADS[int(pattern) - 1]() for pattern in patterns]
    found = [row for row in chosen([]) if any(pattern in row.name for pattern in patterns)]
    if not found:
        raise SystemExit(f"no row is called {' or '.join(patterns)}: see --list")
    return found


def machine(threads: int, clock: str) -> dict[str, Any]:
    """Where and with what the figures were taken."""
    versions = {}
    for package in ("splinegeo", "torch", "numpy", "regioncam", "relucent"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"threads": threads, "clock": clock, "machine": platform.machine(), "python": platform.python_version(),
            "versions": versions}  # fmt: skip


def main() -> None:
    """Measure the rows in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=[], metavar="ROW", help="numbers, or parts of names")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, and relucent's workers")
    parser.add_argument("--device", default="cpu", help="where splinegeo and the floor compute, such as cuda")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu, of this process alone: for busy machines")
    parser.add_argument("--relucent", type=int, default=600, metavar="N", help="windows of at most so many regions")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    rows = chosen(options.rows)
    if options.list:
        print("\n".join(f"{k:2d}  {row.name}" for k, row in enumerate(rows, 1)))
        return
    torch.set_num_threads(options.threads)
    about = machine(options.threads, options.clock)
    speeds = Speeds.of(options.device) if options.device != "cpu" else None
    print(about, speeds or "")
    in_turn(contestants(random_network((2, 8, 1), 1), 100, 1, options.device), 1)  # imports and first-use costs
    results = []
    for row in rows:
        found = contestants(row, options.relucent, options.threads, options.device)
        times = in_turn(found, options.repeats, options.clock)
        results.append(report(row.name, times, speeds and found["floor"].at(speeds)))
    if options.json is not None:
        text = json.dumps({"about": about, "rows": results}, indent=1)
        sg.write_whole(options.json, lambda stream: stream.write(text.encode()))


if __name__ == "__main__":
    main()
