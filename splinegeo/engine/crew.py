"""Who does the tiles: threads side by side, each with PyTorch on one core; and the bar that shows how far they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

import torch
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """As many threads as PyTorch may use: whole tiles side by side keep them busier than shares of short operations.

    Attributes
    ----------
    size : number of threads
    lock : held while something that all threads share is changed
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.lock = Lock()
        self._unwanted = Event()

    @classmethod
    def for_device(cls, device: torch.device) -> Crew:
        """All threads that PyTorch may use on the CPU; one to feed another device."""
        return cls(torch.get_num_threads() if device.type == "cpu" else 1)

    def alone(self) -> Crew:
        """A crew of one, for a tile that one thread of a crew has to cut further."""
        return Crew(1)

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results in order; the first error or interrupt stops everybody at the next step."""
        if self.size == 1 or len(items) == 1:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self.size, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                return list(pool.map(torch.no_grad()(work), items))
            except BaseException:
                self._unwanted.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                torch.set_num_threads(self.size)  # the threads' setting is partly that of the whole process

    def require_wanted(self) -> None:
        """Stop a thread whose result nobody waits for any more."""
        if self._unwanted.is_set():
            raise InterruptedError("another tile failed")


class Progress:
    """A bar over the layers, which counts the regions so far; tiles advance it by their share."""

    def __init__(self, bar: tqdm, layer_names: Sequence[str], n_regions: int) -> None:
        self._bar, self._layer_names, self._n_regions = bar, layer_names, n_regions

    def advance(self, share: float, n_more: int, layer: int) -> None:
        """One layer of a share of the windows is done, with so many regions more."""
        self._n_regions += n_more
        self._bar.update(share)
        self._bar.set_postfix(layer=self._layer_names[layer], regions=self._n_regions)
