"""Nested arguments of an operator call: PyTorch's own trees, for the few containers that a captured call holds.

A call of a small network spends more time in its arguments than in its arithmetic, so this is short and direct.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def map_leaves(function: Callable[[Any], Any], arguments: Any) -> Any:
    """The same nesting of tuples, lists and dictionaries with the function applied to every leaf.

    >>> map_leaves(lambda leaf: 2 * leaf, (1, [2, {"a": 3}]))
    (2, [4, {'a': 6}])
    """
    if isinstance(arguments, tuple | list):
        mapped = [map_leaves(function, argument) for argument in arguments]
        return tuple(mapped) if isinstance(arguments, tuple) else mapped
    if isinstance(arguments, dict):
        return {key: map_leaves(function, argument) for key, argument in arguments.items()}
    return function(arguments)


def leaves(arguments: Any) -> Iterator[Any]:
    """All leaves of nested tuples, lists and dictionaries, in order."""
    if isinstance(arguments, tuple | list):
        for argument in arguments:
            yield from leaves(argument)
    elif isinstance(arguments, dict):
        yield from leaves(list(arguments.values()))
    else:
        yield arguments
