"""What has no spline partition is refused, with the operator, its place, and the nearest way out."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node

from ..errors import CaptureError, InvalidInputError, NotPiecewiseAffineError
from .nodes import enclosing, module_path, named_arguments, placeholder_for
from .operators import is_piecewise_affine, operator_name, spoiler
from .precision import is_lazy
from .program import Program, Size


def require_capturable(model: nn.Module) -> None:
    """Refuse what no tracing could make a piecewise-affine function of."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    for path, module in model.named_modules():
        called = f"{type(module).__name__} '{path}'" if path else f"the model, a {type(module).__name__},"
        if isinstance(module, torch.jit.ScriptModule):
            raise CaptureError(f"{called} is TorchScript, which hides its operators: pass the module it was made from")
        if "quantized" in type(module).__module__.split("."):
            raise NotPiecewiseAffineError(f"{called} rounds its values to integers: pass the model before quantisation")
        if any(is_lazy(p) for p in module._parameters.values()):
            raise InvalidInputError(f"{called} is a lazy layer without weights: run the model once on an input first")
        dropout = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        if module.training and (dropout or isinstance(module, nn.RReLU | nn.modules.batchnorm._BatchNorm)):
            raise NotPiecewiseAffineError(
                f"{called} is in training mode, where the network is not one function of its input: "
                "call model.eval() first"
            )


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


def require_known_sizes(node: Node, rows: Any) -> None:
    """Refuse a call with a size that is no function of the number of rows alone."""
    for used in node.all_input_nodes:
        size = placeholder_for(used)
        if isinstance(size, Size) and size.expression.free_symbols - rows.free_symbols:
            path = module_path(node)
            where = f" in module '{path}'" if path else ""
            raise CaptureError(f"a size that operator '{operator_name(node.target)}'{where} gets depends on the data")


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


def require_rows(program: Program, graph: Graph) -> None:
    """Refuse results without one row per point of the batch, if they are needed at a nonlinearity or after it."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    rows = tensors[program.input].meta["val"].shape[0].node.expr
    live = {program.input}
    for step in program.steps:
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
