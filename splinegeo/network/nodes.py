"""What a node of an exported graph says: where it stands in the module, what it calls, and with which arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import Node, map_arg

from .operators import base_name, operator_name
from .program import Ref, Size
from .table import KNOWN, SHAPED


def is_activation(node: Node) -> bool:
    """Whether the node's module is one of PyTorch's own, so that its path alone names the nonlinearity."""
    stack = node.meta.get("nn_module_stack") or {}
    return bool(stack) and str(list(stack.values())[-1][1]).startswith(("torch.nn.", "<class 'torch.nn."))


def module_path(node: Node) -> str:
    """The submodule that makes the call; '' for the root."""
    stack = node.meta.get("nn_module_stack") or {}
    return within_model(list(stack.values())[-1][0]) if stack else ""


def within_model(path: str) -> str:
    """A path in the user's module, from one in what is traced."""
    return path.removeprefix("entry").removeprefix(".model").removeprefix(".")


def named_arguments(node: Node) -> dict[str, Any]:
    """The arguments by the names of the operator's schema."""
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema else []
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def enclosing(node: Node) -> Iterator[str]:
    """The modules that a node belongs to, innermost first, the root left out."""
    path = module_path(node)
    while path:
        yield path
        path = path.rpartition(".")[0]


def is_within(path: str, module: str) -> bool:
    """Whether a module path is that of a module, or of a part of it."""
    return path == module or path.startswith(module + ".")


def call_arguments(node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments of a `Step`."""
    fill: Any = placeholder_for
    args: Any = map_arg(node.args, fill)
    kwargs: Any = map_arg(node.kwargs, fill)
    return args, {name: value for name, value in kwargs.items() if name != "pin_memory"}


def placeholder_for(node: Node) -> Ref | Size | int:
    """What stands for a node's result among the arguments of a later one."""
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt):
        return Size(value.node.expr)
    return value if isinstance(value, int) else Ref(node.name)


def origin_name(node: Node) -> str:
    """The operator that the module calls, of which a node is a part: 'sort' for the maxima and minima that sort."""
    for source in node.meta.get("from_node") or ():
        name, own = base_name(source.target), operator_name(node.target)
        return own if name in KNOWN and own in KNOWN else name
    return operator_name(node.target)


def sizes_of(value: Any) -> tuple[int | Size, ...]:
    """The shape of a tensor under tracing, with sizes that depend on the number of rows."""
    return tuple(Size(size.node.expr) if isinstance(size, torch.SymInt) else int(size) for size in value.shape)


def shaped_call(node: Node) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """What makes a tensor of which the node's operand gave only the shape, such as `ones_like`: the call of `full`."""
    value, name = node.meta["val"], operator_name(node.target)
    sizes = list(sizes_of(value))
    last: Any = node.args[-1]
    number = SHAPED[name] if SHAPED[name] is not None else placeholder_for(last) if isinstance(last, Node) else last
    return torch.ops.aten.full.default, (sizes, number), {"dtype": value.dtype, "device": value.device}
