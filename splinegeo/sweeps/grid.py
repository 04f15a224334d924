"""The points of a sweep, one by one, in order: a generator on the first axis is never held as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from ..errors import InvalidInputError

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Point:
    """One point of the grid.

    Attributes
    ----------
    index : position along each axis
    values : value on each axis, by its name
    """

    index: tuple[int, ...]
    values: Mapping[str, Any]

    def __str__(self) -> str:
        """Short values as they are, others by their position: ``checkpoint[3], seed=0``."""
        return ", ".join(_named(name, i, v) for i, (name, v) in zip(self.index, self.values.items(), strict=True))


@dataclass(frozen=True)
class Grid:
    """Cartesian product of named axes; the last one varies fastest.

    Attributes
    ----------
    names : of the axes
    first : values of the first axis, gone through once
    others : values of the other axes
    """

    names: tuple[str, ...]
    first: Iterable[Any]
    others: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, axes: Mapping[str, Iterable[Any]]) -> Grid:
        """The grid of keyword arguments.

        Raises
        ------
        InvalidInputError
            If there is no axis, or one is empty or no collection of values.
        """
        if not axes:
            raise InvalidInputError("a sweep needs an axis: name one, as in seed=range(3)")
        for name, values in axes.items():
            if isinstance(values, Mapping | str | bytes) or not isinstance(values, Iterable):
                kind = type(values).__name__
                raise InvalidInputError(f"axis '{name}' is one {kind}, not a collection of values: write {name}=[...]")
        first, *others = axes.values()
        grid = cls(tuple(axes), first, tuple(map(tuple, others)))
        for name, values in zip(grid.names, (first, *grid.others), strict=True):
            if isinstance(values, Sized) and len(values) == 0:
                raise InvalidInputError(f"axis '{name}' is empty")
        return grid

    @property
    def size(self) -> int | None:
        """Number of points; None while the length of the first axis is unknown."""
        return len(self.first) * self.n_inner if isinstance(self.first, Sized) else None

    @property
    def n_inner(self) -> int:
        """Number of points for each value of the first axis."""
        return prod(map(len, self.others))

    def __iter__(self) -> Iterator[Point]:
        for i, value in enumerate(self.first):
            for inner in product(*map(enumerate, self.others)):
                index = (i, *(k for k, _ in inner))
                yield Point(index, dict(zip(self.names, (value, *(v for _, v in inner)), strict=True)))


def _named(name: str, position: int, value: Any) -> str:
    text = repr(value) if isinstance(value, int | float | str) else ""
    return f"{name}={text}" if 0 < len(text) <= _LONGEST_NAME else f"{name}[{position}]"
