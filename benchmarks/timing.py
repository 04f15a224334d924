"""Contestants in turn: each repeat runs all of them, so that a noisy machine disturbs them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Spread:
    """Median, with the smallest and the largest."""

    median: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """The spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.smallest:.3g} .. {self.largest:.3g})"


@dataclass(frozen=True)
class Times:
    """Seconds of each contestant, repeat by repeat, and what it returned."""

    seconds: Mapping[str, list[float]]
    results: Mapping[str, list[int]]

    def spread(self, name: str) -> Spread:
        """Seconds of one contestant."""
        return Spread.of(self.seconds[name])

    def ratio(self, name: str, base: str) -> Spread:
        """Seconds of one over those of another, repeat by repeat."""
        return Spread.of([a / b for a, b in zip(self.seconds[name], self.seconds[base], strict=True)])


def in_turn(contestants: Mapping[str, Callable[[], int]], repeats: int, clock: str = "wall") -> Times:
    """Run all contestants `repeats` times, in an order that moves on with every repeat."""
    now, names = CLOCKS[clock], list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    results: dict[str, list[int]] = {name: [] for name in names}
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            start = now()
            result = contestants[name]()
            seconds[name].append(now() - start)
            results[name].append(result)
    return Times(seconds, results)
