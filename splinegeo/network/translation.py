"""From a torch module to operators in order: constant, affine and piecewise affine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node

from ..errors import InvalidInputError, NonFiniteError, NotPiecewiseAffineError
from .entry import Entry
from .export import export
from .maxima import MAXIMA
from .nodes import call_arguments, is_activation, is_within, module_path, operands_of, within_model
from .operators import REWRITTEN, is_affine, operator_name
from .precision import as_double
from .program import Program, Ref, Size, Step
from .refusal import advice, require_known_sizes, require_piecewise, require_rows


@dataclass(frozen=True)
class Architecture:
    """A program without its weights.

    Attributes
    ----------
    program : the operators, with no constants
    constant_steps : steps that compute constants from weights, run once per binding
    sources : for each weight of the graph, its name in the module
    lifted : tensors that stand in the code itself and never change
    is_of_these_weights : whether numbers that were read from the weights stand in the operators
    """

    program: Program
    constant_steps: tuple[Step, ...]
    sources: Mapping[str, str]
    lifted: Mapping[str, Tensor]
    is_of_these_weights: bool

    def bind(self, weights: Mapping[str, Tensor]) -> Program:
        """The program with weights, by the names that they have in the module, in float64 on the CPU."""
        constants: dict[str, Any] = dict(self.lifted)
        for name, source in self.sources.items():
            constants[name] = as_double(weights[source])
            if not torch.isfinite(constants[name]).all():
                raise NonFiniteError(f"weight '{source}' contains NaN or infinity")
        with torch.no_grad():
            for step in self.constant_steps:
                self.program.execute(step, constants, 1)
        return replace(self.program, constants={n: c for n, c in constants.items() if isinstance(c, Tensor)})


def translate(entry: Entry, input_shape: tuple[int, ...]) -> Architecture:
    """Translate a module in float64 into a list of affine and piecewise-affine operators.

    Raises
    ------
    NotPiecewiseAffineError
        If an operator is not piecewise affine; names it, its module, and the nearest `until` that works.
    CaptureError
        If `torch.export` cannot follow the module's code.
    InvalidInputError
        If the module does not accept inputs of this shape, or does not return one tensor.
    """
    exported = export(entry, input_shape)
    signature = exported.program.graph_signature
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    fixed = dict(signature.inputs_to_lifted_tensor_constants)
    for name in [n for n, source in sources.items() if source in signature.non_persistent_buffers]:
        fixed[name] = sources.pop(name)
    sources = {name: within_model(source) for name, source in sources.items()}
    lifted = {name: as_double(exported.program.constants[target]) for name, target in fixed.items()}
    (input_name,) = signature.user_inputs
    last = _last_node(exported.program.graph, entry, signature.user_outputs)
    if last is None:
        entry.n_calls -= 1
        return translate(entry, input_shape)
    return _translate(exported.program.graph, last, input_name, sources, lifted, exported.is_of_these_weights)


def _translate(
    graph: Graph,
    last: Node,
    input_name: str,
    sources: Mapping[str, str],
    lifted: Mapping[str, Tensor],
    is_of_these_weights: bool,
) -> Architecture:
    """Sort the nodes of an exported graph into constant, affine and piecewise-affine steps."""
    depends: dict[str, bool] = {}
    constant_steps: list[Step] = []
    steps: list[Step] = []
    layer_names, unit_shapes = _LayerNames(), []
    row_constants: dict[str, Step] = {}
    rows = next(node for node in graph.nodes if node.name == input_name).meta["val"].shape[0].node.expr
    for node in graph.nodes:
        if node.op == "placeholder":
            depends[node.name] = node.name == input_name
            continue
        if node.op == "output":
            break
        value = node.meta.get("val")
        if not isinstance(value, Tensor | tuple | list):
            continue  # assertions do nothing; sizes are filled in where they are used
        layer = None
        operands = [depends[n.name] for n in node.all_input_nodes if n.name in depends]
        depends[node.name] = any(operands)
        name = operator_name(node.target)
        require_known_sizes(node, rows)
        if any(operands):
            require_piecewise(node, name, operands, depends)
        if any(operands) and not is_affine(name, operands):
            layer = len(layer_names)
            layer_names.add(module_path(node), name, is_activation(node))
            value = value[0] if isinstance(value, tuple | list) else value
            unit_shapes.append(tuple(value.shape[1:]))
        step = Step(node.name, name, _target(node, depends), *call_arguments(node), module_path(node), layer)
        if any(operands) or node is last:
            steps.append(step)
        elif any(_is_row_dependent(leaf, row_constants) for leaf in operands_of(node)):
            row_constants[node.name] = step
        else:
            constant_steps.append(step)
        if node is last:
            break
    program = Program(
        steps=_with_last_uses(steps, last.name),
        constants={},
        input=input_name,
        output=last.name,
        layer_names=tuple(layer_names),
        unit_shapes=tuple(unit_shapes),
        row_constants=row_constants,
    )
    require_rows(program, graph)
    return Architecture(program, tuple(constant_steps), sources, lifted, is_of_these_weights)


def _target(node: Node, depends: Mapping[str, bool]) -> Any:
    """What to call: of a maximum that also returns where it was found, only the values."""
    if operator_name(node.target) in REWRITTEN:
        return REWRITTEN[operator_name(node.target)]
    if operator_name(node.target) in MAXIMA and isinstance(node.meta["val"], tuple | list):
        return _Values(node.target)
    source = node.args[0] if operator_name(node.target) == "getitem" else None
    if not (isinstance(source, Node) and operator_name(source.target) in MAXIMA):
        return node.target
    if node.args[1] != 0:
        path = module_path(node)
        raise NotPiecewiseAffineError(
            f"the positions that '{operator_name(source.target)}' in module '{path}' returns are not piecewise "
            f"affine; {advice(source, depends)}"
        )
    return _same


@dataclass(frozen=True)
class _Values:
    """An operator that returns values and positions, reduced to the values."""

    operator: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.operator(*args, **kwargs)[0]


def _same(values: Any, _index: int) -> Any:
    return values


class _LayerNames(list[str]):
    """Names of nonlinearities: the module path, the operator appended when it is called in a module's own forward."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def add(self, path: str, operator: str, is_activation: bool) -> None:
        name = path if is_activation else f"{path}.{operator}".lstrip(".")
        self._seen[name] += 1
        self.append(name if self._seen[name] == 1 else f"{name}:{self._seen[name]}")


def _last_node(graph: Graph, entry: Entry, outputs: Sequence[Any]) -> Node | None:
    """The node whose value is the output; None if the submodule `until` was called last under another of its names."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    if entry.until:
        inside = [n for n in tensors.values() if n.op == "call_function" and is_within(module_path(n), entry.until)]
        if not inside and entry.n_calls <= 1:
            raise InvalidInputError(f"submodule '{entry.until}' computes nothing: name the module before it")
        if entry.output is None and entry.n_calls > 1 and outputs[0] not in {node.name for node in inside}:
            return None
    if len(outputs) != 1 or outputs[0] not in tensors:
        what = f"submodule '{entry.until}'" if entry.until else "the model"
        raise InvalidInputError(f"{what} must return one tensor: name it with output=, or a submodule with until=")
    if not any(isinstance(size, torch.SymInt) for size in tensors[outputs[0]].meta["val"].shape):
        raise InvalidInputError("the model must return one row for each input of a batch")
    return tensors[outputs[0]]


def _is_row_dependent(leaf: Any, row_constants: Mapping[str, Step]) -> bool:
    return isinstance(leaf, Size) or (isinstance(leaf, Ref) and leaf.name in row_constants)


def _with_last_uses(steps: list[Step], output: str) -> tuple[Step, ...]:
    """Mark for each step which results it is the last to need."""
    seen = {output}
    marked = []
    for step in reversed(steps):
        fresh = [name for name in dict.fromkeys((*step.inputs(), step.name)) if name not in seen]
        seen.update(fresh)
        marked.append(replace(step, last_uses=tuple(fresh)))
    return tuple(reversed(marked))
