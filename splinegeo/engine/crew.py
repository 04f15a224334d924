"""Threads side by side, each with PyTorch on one core: for large pieces of work that need nothing of one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """As many threads as PyTorch may use: whole pieces side by side keep them busier than shares of short operations.

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
        """A crew of one, for what one thread of a crew has to cut further."""
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
            raise InterruptedError("another piece of the work failed")
