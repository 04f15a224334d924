"""From a torch module to operators in order: constant, affine and piecewise affine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, Node

from ..errors import CaptureError, InvalidInputError, NonFiniteError
from .arguments import leaves
from .constants import named_tensors
from .entry import Entry
from .export import export
from .maxima import MAXIMA
from .nodes import (
    call_arguments,
    is_activation,
    is_within,
    module_path,
    origin_name,
    shaped_call,
    sizes_of,
    within_model,
)
from .operators import REWRITTEN, is_affine, operator_name
from .precision import as_double
from .program import Program, Ref, Size, Step
from .refusal import places_refused, require_known_sizes, require_piecewise
from .rows import batch_first
from .table import SHAPED


@dataclass(frozen=True)
class Architecture:
    """A program without its weights.

    Attributes
    ----------
    program : the operators, with no constants
    constant_steps : steps that compute constants from weights, run once per binding
    sources : for each weight of the graph, its name in the module
    lifted : tensors that stand in the code itself and never change
    was_read : whether numbers that were read from the weights stand in the operators
    """

    program: Program
    constant_steps: tuple[Step, ...]
    sources: Mapping[str, str]
    lifted: Mapping[str, Tensor]
    was_read: bool

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
    translator = _Translator(exported.program.graph, input_name)
    found = Architecture(*translator.run(last), sources, lifted, exported.was_read)
    program = found.program
    if not translator.has_rows:
        bound = found.bind(named_tensors(entry.model))
        program = replace(batch_first(bound, translator.shapes, translator.rows), constants={})
    return replace(found, program=replace(program, steps=_with_last_uses(program.steps, program.output)))


class _Translator:
    """Sorts the nodes of an exported graph into constant, affine and piecewise-affine steps."""

    def __init__(self, graph: Graph, input_name: str) -> None:
        self._graph, self._input = graph, input_name
        (source,) = (node for node in graph.nodes if node.name == input_name)
        n_rows = source.meta["val"].shape[0]
        if isinstance(n_rows, int):
            raise CaptureError(
                "an operator of PyTorch that the module calls is followed for one size of the batch only"
            )
        self.rows = Size(n_rows.node.expr)
        self.shapes: dict[str, tuple[Any, ...]] = {}
        self._depends: dict[str, bool] = {}
        self._steps: list[Step] = []
        self._constant_steps: list[Step] = []
        self._row_constants: dict[str, Step] = {}
        self._layer_names, self._unit_shapes = _LayerNames(), list[tuple[int, ...]]()

    def run(self, last: Node) -> tuple[Program, tuple[Step, ...]]:
        """The program up to a node, and the steps that compute its constants."""
        for node in self._graph.nodes:
            if node.op == "placeholder":
                self._depends[node.name] = node.name == self._input
                self._note_shape(node)
            elif isinstance(node.meta.get("val"), Tensor | tuple | list):
                self._add(node, is_last=node is last)
                self._note_shape(node)
            if node is last:
                break
        program = Program(
            steps=tuple(self._steps),
            constants={},
            input=self._input,
            output=last.name,
            layer_names=tuple(self._layer_names),
            unit_shapes=tuple(self._unit_shapes),
            row_constants=self._row_constants,
        )
        return program, tuple(self._constant_steps)

    def _note_shape(self, node: Node) -> None:
        value = node.meta["val"]
        if isinstance(value, tuple | list) and operator_name(node.target) in MAXIMA:
            value = value[0]
        if isinstance(value, Tensor):
            self.shapes[node.name] = sizes_of(value)

    @property
    def has_rows(self) -> bool:
        """Whether every result that depends on the input has one row for each point in its first dimension."""
        return all(
            bool(shape)
            and isinstance(shape[0], Size)
            and shape[0] == self.rows
            and not any(isinstance(size, Size) for size in shape[1:])
            for name, shape in self.shapes.items()
            if self._depends.get(name)
        )

    def _add(self, node: Node, is_last: bool) -> None:
        """One call; assertions have no value, and sizes are filled in where they are used."""
        name = operator_name(node.target)
        operands = [self._depends[n.name] for n in node.all_input_nodes if n.name in self._depends]
        require_known_sizes(node, self.rows)
        shaped = name in SHAPED
        depends = any(operands) and not shaped
        self._depends[node.name] = depends
        layer = self._layer(node, name, operands) if depends else None
        target, args, kwargs = shaped_call(node) if shaped else (self._target(node, name), *call_arguments(node))
        step = Step(node.name, name, target, args, kwargs, module_path(node), layer)
        if depends or is_last:
            self._steps.append(step)
        elif any(_is_row_dependent(leaf, self._row_constants) for leaf in leaves((args, kwargs))):
            self._row_constants[node.name] = step
        else:
            self._constant_steps.append(step)

    def _layer(self, node: Node, name: str, operands: list[bool]) -> int | None:
        """The index of a nonlinearity, None for an affine operator; everything else is refused."""
        require_piecewise(node, name, operands, self._depends)
        if is_affine(name, operands):
            return None
        self._layer_names.add(module_path(node), origin_name(node), is_activation(node))
        value = node.meta["val"]
        self._unit_shapes.append(tuple((value[0] if isinstance(value, tuple | list) else value).shape[1:]))
        return len(self._layer_names) - 1

    def _target(self, node: Node, name: str) -> Any:
        """What to call: of a maximum that also returns where it was found, only the values."""
        if name in REWRITTEN:
            return REWRITTEN[name]
        if name in MAXIMA and isinstance(node.meta["val"], tuple | list):
            return _Values(node.target)
        source = node.args[0] if name == "getitem" else None
        if not (isinstance(source, Node) and operator_name(source.target) in MAXIMA):
            return node.target
        if node.args[1] != 0:
            raise places_refused(node, source, self._depends)
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
    shape = tensors[outputs[0]].meta["val"].shape
    if not shape or not isinstance(shape[0], torch.SymInt):
        raise InvalidInputError("the model must return one row for each input of a batch, in its first dimension")
    return tensors[outputs[0]]


def _is_row_dependent(leaf: Any, row_constants: Mapping[str, Step]) -> bool:
    return isinstance(leaf, Size) or (isinstance(leaf, Ref) and leaf.name in row_constants)


def _with_last_uses(steps: tuple[Step, ...], output: str) -> tuple[Step, ...]:
    """Mark for each step which results it is the last to need."""
    seen = {output}
    marked = []
    for step in reversed(steps):
        fresh = [name for name in dict.fromkeys((*step.inputs(), step.name)) if name not in seen]
        seen.update(fresh)
        marked.append(replace(step, last_uses=tuple(fresh)))
    return tuple(reversed(marked))
