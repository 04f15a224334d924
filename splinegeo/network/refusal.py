"""What has no spline partition is refused, with the operator, its place, and the nearest way out."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.fx import Node

from ..errors import CaptureError, InvalidInputError, NotPiecewiseAffineError
from .lowering import MOST_SORTED, WITH_PLACES
from .nodes import enclosing, module_path, named_arguments, origin_name, placeholder_for
from .operators import base_name, is_piecewise_affine, operator_name, spoiler
from .precision import is_lazy
from .program import Size
from .table import CURVED, JUMPING, KNOWN


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
    called = origin_name(node)
    what, why = f"the product of two activations ('{called}')" if product else f"operator '{called}'", ""
    if is_piecewise_affine(name, operands):
        problem = spoiler(name, named_arguments(node)) or _rounds(node)
        if problem is None:
            return
        what, why = f"operator '{called}'", f" ({problem})"
    elif name in JUMPING and not product:
        why = " (it jumps)"
    elif name in WITH_PLACES:
        why = f" in one piece of reasonable size (it sorts the batch, or more than {MOST_SORTED} numbers)"
    path = module_path(node)
    where = f" in module '{path}'" if path else ""
    known = "" if product or name in KNOWN | CURVED | JUMPING | WITH_PLACES else "known to be "
    raise NotPiecewiseAffineError(f"{what}{where} is not {known}piecewise affine{why}; {advice(node, depends)}")


def require_known_sizes(node: Node, rows: Size) -> None:
    """Refuse a call with a size that is no function of the number of rows alone."""
    for used in node.all_input_nodes:
        size = placeholder_for(used)
        if isinstance(size, Size) and size.expression.free_symbols - rows.expression.free_symbols:
            path = module_path(node)
            where = f" in module '{path}'" if path else ""
            raise CaptureError(f"a size that operator '{operator_name(node.target)}'{where} gets depends on the data")


def require_no_places(node: Node, depends: Mapping[str, bool]) -> None:
    """Refuse the use of positions that an order statistic was found at."""
    source = node.args[0] if node.target is operator.getitem else None
    if isinstance(source, Node) and base_name(source.target) in WITH_PLACES and node.args[1] != 0 and node.users:
        raise places_refused(node, source, depends)


def places_refused(node: Node, source: Node, depends: Mapping[str, bool]) -> NotPiecewiseAffineError:
    """The sentence for the use of positions that a maximum was found at."""
    return NotPiecewiseAffineError(
        f"the positions that '{operator_name(source.target)}' in module '{module_path(node)}' returns are not "
        f"piecewise affine; {advice(source, depends)}"
    )


def _rounds(node: Node) -> str | None:
    value = node.meta["val"]
    is_number = isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
    if isinstance(value, Tensor) and not is_number and node.target is not operator.getitem:
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
