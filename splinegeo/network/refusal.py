"""What has no spline partition is refused, with the operator, its place, and the nearest way out."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.fx import Graph, Node

from ..errors import CaptureError, NotPiecewiseAffineError
from .nodes import enclosing, module_path, named_arguments
from .operators import is_piecewise_affine, operator_name, spoiler
from .program import Network


def require_piecewise(node: Node, name: str, operands: list[bool], depends: Mapping[str, bool]) -> None:
    """Refuse a node that is not piecewise affine in those of its operands that depend on the input."""
    product = sum(operands) > 1 and is_piecewise_affine(name, [True] + [False] * (len(operands) - 1))
    what, why = f"the product of two activations ('{name}')" if product else f"operator '{name}'", ""
    if is_piecewise_affine(name, operands):
        problem = spoiler(name, named_arguments(node)) or _rounds(node)
        if problem is None:
            return
        what, why = f"operator '{name}'", f" ({problem})"
    path = module_path(node)
    where = f" in module '{path}'" if path else ""
    raise NotPiecewiseAffineError(f"{what}{where} is not piecewise affine{why}; {advice(node, depends)}")


def _rounds(node: Node) -> str | None:
    value = node.meta["val"]
    if isinstance(value, Tensor) and not value.is_floating_point() and node.target is not operator.getitem:
        return f"its result is {str(value.dtype).removeprefix('torch.')}"
    return None


def advice(refused: Node, depends: Mapping[str, bool]) -> str:
    """The nearest `until` that stops before a refused operator: a module that is left for good before it."""
    nodes = list(refused.graph.nodes)
    position = nodes.index(refused)
    entered_later = {module for node in nodes[position:] for module in enclosing(node)}
    for node in reversed(nodes[:position]):
        if depends.get(node.name) and isinstance(node.meta.get("val"), Tensor):
            for module in enclosing(node):
                if module not in entered_later:
                    return f"until='{module}' stops before it"
    return "no submodule ends before it"


def require_rows(network: Network, graph: Graph) -> None:
    """Refuse results without one row per point of the batch, if they are needed at a nonlinearity or after it."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    rows = tensors[network.input].meta["val"].shape[0].node.expr
    live = {network.input}
    for step in network.steps:
        live.add(step.name)
        for name in sorted(live & tensors.keys()) if step.layer is not None else ():
            shape = tensors[name].meta["val"].shape
            if not (shape and isinstance(shape[0], torch.SymInt) and shape[0].node.expr == rows):
                origin, path = operator_name(tensors[name].target), module_path(tensors[name])
                where = f" in module '{path}'" if path else ""
                raise CaptureError(
                    f"the result of operator '{origin}'{where}, of shape {tuple(shape)}, meets the nonlinearity "
                    f"'{step.operator}' without one row for each point of the batch in its first dimension"
                )
        live.difference_update(step.last_uses)
