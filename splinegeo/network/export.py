"""From a module to the graph of its operators, by `torch.export`."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.fx import Graph

from ..ambient import TRACING
from ..errors import CaptureError, InvalidInputError
from .operators import operator_name
from .precision import InDouble


def export(model: nn.Module, input_shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    """The graph of a float64 module on a batch (n, *input_shape) of any size, in functional form.

    Raises
    ------
    InvalidInputError
        If the module does not accept inputs of this shape.
    CaptureError
        If `torch.export` cannot follow its code.
    """
    with TRACING:
        return _export_alone(model, input_shape)


def _export_alone(model: nn.Module, input_shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    example = torch.zeros((2, *input_shape), dtype=torch.float64)
    try:
        with torch.no_grad(), InDouble():
            model(example)
    except Exception as error:
        shape = ", ".join(map(str, ("n", *input_shape)))
        raise InvalidInputError(
            f"the float64 copy of the model does not accept inputs of shape ({shape}): {_first_line(error)}"
        ) from error
    rows = torch.export.Dim("n", min=2)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            with InDouble():
                program = torch.export.export(model, (example,), dynamic_shapes=({0: rows},), strict=False)
            _spell_out(program.graph)
            # The functional form, in which no operator writes into its input, is most of the time of a capture.
            return program if _is_functional(program.graph) else program.run_decompositions({})
    except Exception as error:
        if "Constraints violated" in str(error):
            why = "its code fixes the size of the batch, as len(x) does: write x.shape[0] or -1 instead"
        else:
            why = f"{_first_line(error)} (control flow that depends on the data is not piecewise affine in one piece)"
        raise CaptureError(f"torch.export cannot follow {type(model).__name__}: {why}") from error


# Operators that the functional form leaves as they are.
_PLAIN = {"linear", "conv1d", "conv2d", "conv3d", "relu", "leaky_relu", "abs", "hardtanh", "add", "sub", "neg", "clone"}


def _is_functional(graph: Graph) -> bool:
    """Whether every operator is one that stays as it is in functional form."""
    calls = (node.target for node in graph.nodes if node.op == "call_function")
    return all(operator_name(target) in _PLAIN for target in calls)


def _spell_out(graph: Graph) -> None:
    """Rewrite two operators in place: what they do must not depend on the batch, and must survive decomposition."""
    for node in graph.find_nodes(op="call_function", target=torch.ops.aten.softshrink.default):
        x, level = (*node.args, 0.5)[:2]
        with graph.inserting_before(node):
            clamped = graph.call_function(torch.ops.aten.clamp.default, (x, -level, level))
        clamped.meta = dict(node.meta)
        node.target, node.args = torch.ops.aten.sub.Tensor, (x, clamped)
    for node in [n for n in graph.nodes if n.op == "call_function" and operator_name(n.target) == "squeeze"]:
        x, *dims = node.args
        shape = x.meta["val"].shape
        asked = [dims[0]] if dims and isinstance(dims[0], int) else dims[0] if dims else range(len(shape))
        single = [d % len(shape) for d in asked if isinstance(shape[d], int) and shape[d] == 1]
        node.target, node.args = torch.ops.aten.squeeze.dims, (x, single)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
