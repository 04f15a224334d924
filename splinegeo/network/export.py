"""From a module to the graph of its operators, by `torch.export`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph

from ..ambient import TRACING
from ..errors import CaptureError, InvalidInputError, SplineGeoError
from .constants import KnownConstants
from .entry import Entry
from .lowering import LOWERED, decompositions
from .operators import base_name, operator_name
from .refusal import require_no_places
from .table import CURVED, JUMPING, KNOWN


@dataclass(frozen=True)
class Export:
    """A module's operators as a graph in functional form.

    Attributes
    ----------
    program : torch.export.ExportedProgram
        Of the `Entry`.
    was_read : whether the module's code read values of its weights, which now stand in the graph as numbers
    """

    program: torch.export.ExportedProgram
    was_read: bool


def export(entry: Entry, input_shape: tuple[int, ...]) -> Export:
    """The graph of a float64 module on a batch (n, *input_shape) of any size, in functional form.

    Raises
    ------
    CaptureError
        If `torch.export` cannot follow its code.
    """
    with _alone():
        return _export_alone(entry, input_shape)


def try_out(entry: Entry, input_shape: tuple[int, ...]) -> None:
    """Run a module once as it is.

    Raises
    ------
    InvalidInputError
        If it does not accept inputs of this shape.
    """
    try:
        with _alone():
            entry.count_calls(torch.zeros((2, *input_shape), dtype=torch.float64))
    except Exception as error:
        shape = ", ".join(map(str, ("n", *input_shape)))
        raise InvalidInputError(
            f"the float64 copy of the model does not accept inputs of shape ({shape}): {_first_line(error)}"
        ) from error


@contextmanager
def _alone() -> Iterator[None]:
    with TRACING, torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def _export_alone(entry: Entry, input_shape: tuple[int, ...]) -> Export:
    example = torch.zeros((2, *input_shape), dtype=torch.float64)
    rows = torch.export.Dim("n", min=2)
    values = {name: tensor.clone() for name, tensor in entry.model.named_buffers(remove_duplicate=False)}
    constants = KnownConstants({**dict(entry.model.named_parameters(remove_duplicate=False)), **values})
    try:
        with constants:
            traced = _Traced(entry, constants)
            program = torch.export.export(traced, (example,), dynamic_shapes=({0: rows},), strict=False)
        _spell_out(program.graph)
        # The functional form, in which no operator writes into its input, is most of the time of a capture.
        if not _is_functional(program.graph):
            program = program.run_decompositions(decompositions() if _asks_for_more(program) else {})
        return Export(program, constants.was_read)
    except SplineGeoError:
        raise
    except Exception as error:
        if "Constraints violated" in str(error):
            why = "its code fixes the size of the batch, as len(x) does: write x.shape[0] or -1 instead"
        else:
            why = f"{_first_line(error)} (control flow that depends on the data is not piecewise affine in one piece)"
        raise CaptureError(f"torch.export cannot follow {type(entry.model).__name__}: {why}") from error


class _Traced(nn.Module):
    """An entry whose constants are known while it is traced."""

    def __init__(self, entry: Entry, constants: KnownConstants) -> None:
        super().__init__()
        self.entry, self._constants = entry, constants

    def forward(self, x: Tensor) -> Any:
        self._constants.introduce(self.entry.model)
        return self.entry(x)


# Operators that the functional form leaves as they are.
_PLAIN = {"linear", "conv1d", "conv2d", "conv3d", "relu", "leaky_relu", "abs", "hardtanh", "add", "sub", "neg", "clone"}


def _is_functional(graph: Graph) -> bool:
    """Whether every operator is one that stays as it is in functional form."""
    calls = (node.target for node in graph.nodes if node.op == "call_function")
    return all(operator_name(target) in _PLAIN for target in calls)


def _asks_for_more(program: torch.export.ExportedProgram) -> bool:
    """Whether an operator of the input is not in the table, and might be written with those that are."""
    depends = dict.fromkeys(program.graph_signature.user_inputs, True)
    asks = False
    for node in program.graph.nodes:
        if node.op == "call_function" and any(n.name in depends for n in node.all_input_nodes):
            depends[node.name] = True
            name = base_name(node.target)
            asks |= name in LOWERED or name not in KNOWN | CURVED | JUMPING
            require_no_places(node, depends)
    return asks


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
