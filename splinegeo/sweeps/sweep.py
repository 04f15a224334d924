"""`sweep`: one measurement at every point of a grid, on whatever executor the caller brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import InvalidInputError, SweepError
from .grid import Grid, Point


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What a measurement returned at every point of a grid.

    Attributes
    ----------
    names : names of the axes, the last of which varies fastest
    results : object array, one dimension per axis
    """

    names: tuple[str, ...]
    results: NDArray[np.object_]

    def __repr__(self) -> str:
        return "Sweep(" + ", ".join(f"{name}: {n}" for name, n in zip(self.names, self.shape, strict=True)) + ")"

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.results.shape

    def stack(self) -> NDArray[Any]:
        """Numbers, or arrays of one shape, as one array: the axes of the sweep first.

        Raises
        ------
        InvalidInputError
            If the results are neither.
        """
        values = [np.asarray(result) for result in self.results.flat]
        kinds = {(value.shape, value.dtype.kind == "O") for value in values}
        if len(kinds) > 1 or any(is_object for _, is_object in kinds):
            shapes = sorted({value.shape for value in values})
            raise InvalidInputError(f"only numbers or arrays of one shape stack; these have shapes {shapes[:4]}")
        return np.stack(values).reshape(self.shape + values[0].shape)


def sweep(
    measure: Callable[..., Any],
    /,
    *,
    executor: Executor | None = None,
    in_flight: int = 32,
    progress: bool = False,
    **axes: Iterable[Any],
) -> Sweep:
    """Call ``measure`` once for every combination of the axes' values.

    Which machine does the work is the executor's affair: any `concurrent.futures.Executor` will do, that of a
    process pool, of Dask or of MPI. Results do not depend on it, nor on the order in which calls end.

    Parameters
    ----------
    measure : callable
        Called with one keyword argument per axis. For another process it must be importable there: a function of a
        module, or `functools.partial` of one.
    executor : concurrent.futures.Executor, optional
        Where the calls are made; by default here, one after the other. It is left open.
    in_flight : int
        So many calls at most are submitted and not finished, so that a generator of ten thousand checkpoints is
        drawn as the work proceeds. Give at least twice the number of workers.
    progress : bool
        Show a bar, call by call.
    **axes : iterables
        Values by the name of the argument. The first axis may be a generator; the last one varies fastest.

    Returns
    -------
    Sweep

    Raises
    ------
    SweepError
        If a call fails: names the point of the grid, and what it raised. Calls that have not begun are cancelled,
        as they are after an interrupt from the keyboard.
    InvalidInputError
        If there is no axis, or an axis is empty or no collection of values.

    Examples
    --------
    >>> import splinegeo as sg
    >>> found = sg.sweep(pow, base=[2, 3, 5], exp=range(4))
    >>> found
    Sweep(base: 3, exp: 4)
    >>> found.stack()
    array([[  1,   2,   4,   8],
           [  1,   3,   9,  27],
           [  1,   5,  25, 125]])

    The point that fails is named.

    >>> sg.sweep(pow, base=[2, 0], exp=[1, -1])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    splinegeo.errors.SweepError: no result at base=0, exp=-1: ZeroDivisionError: ...
    """
    if in_flight < 1:
        raise InvalidInputError(f"in_flight must be at least 1, not {in_flight}")
    grid = Grid.of(axes)
    found = _here(measure, grid) if executor is None else _elsewhere(measure, grid, executor, in_flight)
    results = dict(tqdm(found, total=grid.size, disable=not progress, unit="call"))
    if not results:
        raise InvalidInputError(f"axis '{grid.names[0]}' is empty")
    lengths = (len(results) // grid.n_inner, *map(len, grid.others))
    # Filled one by one: NumPy would take arrays among the results apart.
    array = np.full(lengths, None, dtype=object)
    for index, result in results.items():
        array[index] = result
    array.setflags(write=False)
    return Sweep(grid.names, array)


Found = Iterator[tuple[tuple[int, ...], Any]]


def _here(measure: Callable[..., Any], points: Iterable[Point]) -> Found:
    for point in points:
        try:
            result = measure(**point.values)
        except Exception as error:
            raise _explained(error, str(point)) from error
        yield point.index, result


def _elsewhere(measure: Callable[..., Any], points: Iterable[Point], executor: Executor, in_flight: int) -> Found:
    # A pending call keeps the name of its point, not its values: those belong to the executor now.
    pending: dict[Future[Any], tuple[tuple[int, ...], str]] = {}
    try:
        for point in points:
            if len(pending) == in_flight:
                yield from _finished(pending)
            pending[executor.submit(measure, **point.values)] = point.index, str(point)
        while pending:
            yield from _finished(pending)
    finally:
        for future in pending:
            future.cancel()


def _finished(pending: dict[Future[Any], tuple[tuple[int, ...], str]]) -> Found:
    """Wait until a call has ended; take all that have from `pending`."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        index, name = pending.pop(future)
        try:
            result = future.result()
        except Exception as error:
            raise _explained(error, name) from error
        yield index, result


def _explained(error: Exception, name: str) -> SweepError:
    """One line; the whole error stays its cause."""
    if isinstance(error, SweepError):  # it has named its place more precisely
        return error
    return SweepError(f"no result at {name}: {described(error)}")


def described(error: Exception) -> str:
    """Kind and first line of an error."""
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
