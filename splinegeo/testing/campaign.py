"""Many random networks, the engine beside the rational witness, and a table of the disagreements."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from .compare import assert_matches_rational, rational_witness
from .contract import PartitionLike
from .networks import random_network
from .validity import assert_valid_partition

Engine = Callable[[Sequence[nn.Module], np.ndarray], Sequence[PartitionLike]]


@dataclass(frozen=True)
class Trial:
    """One network: what was compared, and the sentence of the disagreement if there was one.

    Attributes
    ----------
    kind, seed : str, int
        ``random_network(kind, seed)`` repeats the network.
    n_regions : int
        In rational arithmetic.
    seconds : float
        Witness, engine and checks together.
    disagreement : str
        Empty when everything is equal.
    """

    kind: str
    seed: int
    n_regions: int
    seconds: float
    disagreement: str


def compare_block(kind: str, seeds: Sequence[int], engine: Engine) -> list[Trial]:
    """Compare the engine with the witness on random networks of one architecture.

    An exception of the engine is a disagreement like any other: it is recorded, and the campaign goes on.

    Parameters
    ----------
    kind : str
    seeds : sequence of int
        Of `random_network`, all of one block of `SEEDS_PER_ARCHITECTURE`.
    engine : callable
        Models of one architecture, and their window, to partitions.

    Returns
    -------
    list of Trial
        One per seed.
    """
    start = time.perf_counter()
    models = [random_network(kind, seed)[0] for seed in seeds]
    _, window = random_network(kind, seeds[0])
    try:
        parts = engine(models, window)
    except Exception as error:  # whatever the engine raises is a finding
        if len(seeds) > 1:  # which of the networks was it?
            return [trial for seed in seeds for trial in compare_block(kind, [seed], engine)]
        regions = rational_witness(models[0], window).n_regions
        return [Trial(kind, seeds[0], regions, time.perf_counter() - start, _sentence(error))]
    shared = (time.perf_counter() - start) / len(seeds)
    jobs = zip(seeds, models, parts, strict=True)
    return [_compare_one(kind, seed, model, window, part, shared) for seed, model, part in jobs]


def _compare_one(
    kind: str, seed: int, model: nn.Module, window: np.ndarray, part: PartitionLike, shared: float
) -> Trial:
    start = time.perf_counter()
    witness = rational_witness(model, window)
    disagreement = ""
    try:
        assert_matches_rational(part, witness)
        assert_valid_partition(part, model)
    except Exception as error:  # arrays that cannot even be read are a finding too
        disagreement = _sentence(error)
    return Trial(kind, seed, witness.n_regions, shared + time.perf_counter() - start, disagreement)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def table(trials: Iterable[Trial], kinds: Sequence[str]) -> str:
    """Kinds × (networks, mismatches, regions, seconds), and a line of sums.

    Examples
    --------
    >>> print(table([Trial("abs", 0, 12, 0.5, ""), Trial("abs", 1, 8, 0.5, "no")], ["abs"]))
    kind                   networks  mismatches   regions   seconds
    abs                           2           1        20       1.0
    all                           2           1        20       1.0
    """
    rows = list(trials)
    lines = [f"{'kind':<20}{'networks':>11}{'mismatches':>12}{'regions':>10}{'seconds':>10}"]
    for name in (*kinds, "all"):
        chosen = [row for row in rows if name in (row.kind, "all")]
        wrong = sum(bool(row.disagreement) for row in chosen)
        regions, seconds = sum(row.n_regions for row in chosen), sum(row.seconds for row in chosen)
        lines.append(f"{name:<20}{len(chosen):>11}{wrong:>12}{regions:>10}{seconds:>10.1f}")
    return "\n".join(lines)
