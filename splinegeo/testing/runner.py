"""The engine on many random networks, in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from torch import nn

from ..engine import compute_partitions
from ..slices import Slice
from .campaign import Trial, compare_block
from .contract import PartitionLike
from .networks import SEEDS_PER_ARCHITECTURE

Block = tuple[str, Sequence[int]]


def blocks(kinds: Sequence[str], n_networks: int, first_seed: int) -> list[Block]:
    """Spread networks over the kinds, in blocks of seeds that share an architecture.

    Parameters
    ----------
    kinds : sequence of str
    n_networks : int
        The first kinds get one more where it does not divide.
    first_seed : int
        A multiple of `SEEDS_PER_ARCHITECTURE`; every kind counts on from it.

    Examples
    --------
    >>> blocks(["abs", "max"], 11, 16)
    [('abs', range(16, 22)), ('max', range(16, 21))]
    """
    work: list[Block] = []
    for place, kind in enumerate(kinds):
        end = first_seed + len(range(place, n_networks, len(kinds)))
        starts = range(first_seed, end, SEEDS_PER_ARCHITECTURE)
        work += [(kind, range(start, min(start + SEEDS_PER_ARCHITECTURE, end))) for start in starts]
    return work


def run_blocks(work: Sequence[Block], jobs: int = 1) -> Iterator[list[Trial]]:
    """Compare the engine with rational arithmetic on every block, in order.

    Parameters
    ----------
    work : sequence of (kind, seeds)
        From `blocks`.
    jobs : int
        Processes; 1 stays in this one.

    Examples
    --------
    >>> [trial.disagreement for trials in run_blocks(blocks(["abs"], 2, 0)) for trial in trials]
    ['', '']
    """
    if jobs == 1:
        yield from map(engine_block, work)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(engine_block, work)


def engine_block(block: Block) -> list[Trial]:
    """One block; a function of a module, so that other processes can find it."""
    return compare_block(*block, _engine)


def _engine(models: Sequence[nn.Module], window: np.ndarray) -> Sequence[PartitionLike]:
    """One capture for all models: they differ in their weights only."""
    return compute_partitions(models[0], Slice.polygon(window), states=[m.state_dict() for m in models])


def _one_thread() -> None:
    torch.set_num_threads(1)  # the networks are tiny, and every process has a core to itself
