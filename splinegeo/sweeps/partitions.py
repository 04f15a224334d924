"""`sweep_partitions`: exact partitions at checkpoints times slices, reduced where they are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..engine import compute_partitions
from ..errors import InvalidInputError, SweepError
from ..network import Captured
from ..partition import Partition
from ..slices import Slice
from .sweep import Sweep, described, sweep


def sweep_partitions(
    model: nn.Module | Captured,
    domains: Slice | Sequence[Slice],
    *,
    states: Iterable[Any],
    reduce: Callable[[Partition], Any] | None = None,
    load: Callable[[Any], Mapping[str, Tensor]] | None = None,
    executor: Executor | None = None,
    chunk: int = 8,
    in_flight: int = 32,
    progress: bool = False,
    until: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float64,
    max_memory: float | None = None,
    exact: bool = False,
) -> Sweep:
    """Exact partitions at every checkpoint and slice, each reduced to what is asked of it.

    A task is a chunk of checkpoints on all slices, so that one capture of the network serves the chunk, and the
    slices are refined together.

    Parameters
    ----------
    model : nn.Module or Network
        The architecture; its own weights are not used.
    domains : Slice or sequence of Slice
        All of one input shape.
    states : iterable
        Checkpoints: state dicts, or whatever `load` makes one from. A generator is drawn as the work proceeds.
    reduce : callable, optional
        From a `Partition` to a result, on the worker: ``operator.attrgetter("n_regions")``, or a function of a
        module. By default the partition itself comes back, with its affine maps.
    load : callable, optional
        From an item of `states` to a state dict, on the worker: with ``safetensors.torch.load_file``, `states`
        are paths and no weights travel.
    executor : concurrent.futures.Executor, optional
        Where the tasks run; by default here, one after the other.
    chunk : int
        Checkpoints per task; their partitions are in memory together.
    in_flight, progress : as in `sweep`; a call is a task
    until, device, dtype, max_memory, exact : as in `compute_partition`

    Returns
    -------
    Sweep
        With one axis, checkpoint, if one slice is given; else with two, checkpoint and domain.

    Raises
    ------
    SweepError
        If a partition cannot be computed, or reduced: names the checkpoint, and what was raised.

    Examples
    --------
    >>> import operator, torch, splinegeo as sg
    >>> from torch import nn
    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <torch._C.Generator object at ...>
    >>> networks = [nn.Sequential(nn.Linear(2, n, bias=False), nn.ReLU(), nn.Linear(n, 1)) for n in (7, 7, 7)]
    >>> windows = [sg.Slice.box((-1, 1), (-1, 1)), sg.Slice.box((10, 11), (10, 11))]
    >>> states = [network.state_dict() for network in networks]
    >>> found = sg.sweep_partitions(networks[0], windows, states=states, reduce=operator.attrgetter("n_regions"))
    >>> found
    Sweep(checkpoint: 3, domain: 2)
    >>> found.stack()[:, 0]
    array([14, 14, 14])
    """
    if chunk < 1:
        raise InvalidInputError(f"chunk must be at least 1, not {chunk}")
    slices = [domains] if isinstance(domains, Slice) else list(domains)
    task = _Task(model, slices, reduce, load, until, device, dtype, max_memory, exact)
    chunks: Iterable[_Chunk] = _chunks(states, chunk)
    if isinstance(states, Sequence):  # of known length, which the bar shows
        chunks = list(chunks)
    tasks = sweep(task, executor=executor, in_flight=in_flight, progress=progress, checkpoints=chunks)
    rows = [row for rows in tasks.results for row in rows]
    results = np.full((len(rows), len(slices)), None, dtype=object)
    for index in np.ndindex(*results.shape):
        results[index] = rows[index[0]][index[1]]
    results = results[:, 0] if isinstance(domains, Slice) else results
    results.setflags(write=False)
    return Sweep(("checkpoint",) if isinstance(domains, Slice) else ("checkpoint", "domain"), results)


@dataclass(frozen=True)
class _Chunk:
    """Some checkpoints, and the position of the first among all."""

    start: int
    states: tuple[Any, ...]


def _chunks(states: Iterable[Any], size: int) -> Iterator[_Chunk]:
    if isinstance(states, Mapping | str):
        raise InvalidInputError(f"states is one {type(states).__name__}, not a collection of checkpoints: write [...]")
    remaining, start = iter(states), 0
    while some := tuple(islice(remaining, size)):
        yield _Chunk(start, some)
        start += len(some)


@dataclass(frozen=True)
class _Task:
    """What travels to a worker: partitions of a chunk of checkpoints, reduced; a list per checkpoint."""

    model: nn.Module | Captured
    domains: list[Slice]
    reduce: Callable[[Partition], Any] | None
    load: Callable[[Any], Mapping[str, Tensor]] | None
    until: str | None
    device: torch.device | str | None
    dtype: torch.dtype
    max_memory: float | None
    exact: bool

    def __call__(self, checkpoints: _Chunk) -> list[list[Any]]:
        try:
            return self._rows(checkpoints.states)
        except Exception:
            # One by one, so that the checkpoint that fails can be named.
            numbered = enumerate(checkpoints.states, checkpoints.start)
            return [row for position, state in numbered for row in self._row(position, state)]

    def _rows(self, states: Sequence[Any]) -> list[list[Any]]:
        found = compute_partitions(
            self.model,
            self.domains,
            states=list(states) if self.load is None else [self.load(state) for state in states],
            until=self.until,
            device=self.device,
            dtype=self.dtype,
            max_memory=self.max_memory,
            exact=self.exact,
        )
        return [[part if self.reduce is None else self.reduce(part) for part in row] for row in found]

    def _row(self, position: int, state: Any) -> list[list[Any]]:
        try:
            return self._rows([state])
        except Exception as error:
            raise SweepError(f"no result at checkpoint {position}: {described(error)}") from error
