"""What depends on the input while a model runs, and which masks were made by which comparison."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from .activations import base_name


class Flow:
    """Follows the input of a model through its operators, and masks until they are put to use.

    A *mask* depends on the input through comparisons alone: ``h > 0``, its negation, its cast to float. The activation
    that it spells is what the first operator makes that brings it together with other numbers: ``h * (h > 0)``,
    ``where(h > 0, h, 0)``, ``h[h < 0] = 0``.
    """

    def __init__(self, x: Tensor) -> None:
        # For every tensor that depends on the input: the events whose masks it is made of; None if it is no mask.
        self._made_of = WeakIdKeyDictionary()
        self._made_of[x] = None
        # Memory that was written to through a view: whoever else looks at it depends on the input, too.
        self._written: set[int] = set()

    def varying(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
        """Those of the arguments that depend on the input."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in tensors:
            if tensor not in self._made_of and _memory(tensor) in self._written:
                self._made_of[tensor] = None
        return [tensor for tensor in tensors if tensor in self._made_of]

    def are_masks(self, tensors: list[Tensor]) -> bool:
        """Whether there is nothing in them but comparisons that were made before."""
        return all(self._made_of[tensor] is not None for tensor in tensors)

    def follow(self, func: OpOverload, varying: list[Tensor], out: Any, test: int | None) -> frozenset[int]:
        """Note what an operator made; `test` is its event if it made a mask. Gives the events whose masks it used."""
        name = base_name(func)
        if not varying or name.endswith("_like") or name.startswith("new_"):
            return frozenset()
        masks = [self._made_of[tensor] for tensor in varying]
        events = frozenset[int]().union(*(mask for mask in masks if mask is not None))
        is_mask = test is not None or None not in masks
        made_of = (events if test is None else frozenset({test})) if is_mask else None
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._made_of[leaf] = made_of
                if func._schema.is_mutable:
                    self._written |= {_memory(leaf)} - {0}
        return frozenset() if is_mask else events


def _memory(tensor: Tensor) -> int:
    """Where the numbers of a plain tensor lie; 0 where that cannot be asked."""
    return tensor.untyped_storage().data_ptr() if type(tensor) is Tensor else 0
