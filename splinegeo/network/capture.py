"""From a torch module to operators in order, through `torch.export`, verified against the module itself."""

from __future__ import annotations

import operator
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node, map_arg

from ..errors import CaptureError, InvalidInputError, NonFiniteError, NotPiecewiseAffineError
from .maxima import MAXIMA
from .operators import REWRITTEN, is_affine, is_piecewise_affine, operator_name, spoiler
from .precision import InDouble, double_copy
from .program import Network, Ref, Size, Step


@dataclass(frozen=True)
class Architecture:
    """A network without its weights: exported once, bound to many checkpoints.

    Attributes
    ----------
    network : the captured network, with the weights it was captured with
    constant_steps : steps that compute constants from weights, run once per binding
    sources : for each weight of the graph, its name in a state dict
    lifted : tensors that stand in the code itself and never change
    """

    network: Network
    constant_steps: tuple[Step, ...]
    sources: Mapping[str, str]
    lifted: Mapping[str, Tensor]

    def bind(self, state: Mapping[str, Tensor]) -> Network:
        """The network with the weights of a state dict, in float64 on the CPU."""
        constants = dict(self.lifted)
        for name, source in self.sources.items():
            constants[name] = _as_double(state[source].detach())
            if not torch.isfinite(constants[name]).all():
                raise NonFiniteError(f"weight '{source}' contains NaN or infinity")
        network = replace(self.network, constants=constants)
        with torch.no_grad():
            for step in self.constant_steps:
                network.execute(step, constants, 1)
        return network


def capture(model: nn.Module, input_shape: tuple[int, ...], until: str | None = None) -> Architecture:
    """Capture a module as a list of affine and piecewise-affine operators.

    Works on a float64 copy in eval mode; the caller's module is never changed.

    Parameters
    ----------
    model : nn.Module
        Takes a batch (n, *input_shape), gives one tensor (n, ...).
    until : str, optional
        Name of a submodule: capture everything before and including it.

    Raises
    ------
    NotPiecewiseAffineError
        If an operator is not piecewise affine; names it, its module, and the nearest `until` that works.
    CaptureError
        If `torch.export` cannot follow the module's code.
    InvalidInputError
        If the module does not accept inputs of this shape, or has no submodule `until`.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}")
    _refuse_training_mode(model)
    if until is not None and until not in dict(model.named_modules(remove_duplicate=False)):
        raise InvalidInputError(f"the model has no submodule '{until}'; it has {_some_names(model)}")
    program = _export(double_copy(model), input_shape)
    signature = program.graph_signature
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    fixed = dict(signature.inputs_to_lifted_tensor_constants)
    for name in [n for n, source in sources.items() if source in signature.non_persistent_buffers]:
        fixed[name] = sources.pop(name)
    lifted = {name: _as_double(program.constants[target]) for name, target in fixed.items()}
    (input_name,) = signature.user_inputs
    last = _last_node(program.graph, until, signature.user_outputs)
    return _translate(program.graph, last, input_name, sources, lifted)


def _refuse_training_mode(model: nn.Module) -> None:
    for path, module in model.named_modules():
        dropout = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        if module.training and (dropout or isinstance(module, nn.RReLU | nn.modules.batchnorm._BatchNorm)):
            raise NotPiecewiseAffineError(
                f"{type(module).__name__} '{path}' is in training mode, where the network is not one function "
                "of its input: call model.eval() first"
            )


def _some_names(model: nn.Module, most: int = 8) -> str:
    names = [name for name, _ in model.named_modules() if name]
    return ", ".join(f"'{n}'" for n in names[:most]) + (" …" if len(names) > most else "")


# torch.export and the filters of warnings change the state of the whole process while they run: threads take turns.
_ONE_AT_A_TIME = Lock()


def _export(model: nn.Module, input_shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    with _ONE_AT_A_TIME:
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


def _translate(
    graph: Graph, last: Node, input_name: str, sources: Mapping[str, str], lifted: Mapping[str, Tensor]
) -> Architecture:
    """Sort the nodes of an exported graph into constant, affine and piecewise-affine steps."""
    depends: dict[str, bool] = {}
    constant_steps: list[Step] = []
    steps: list[Step] = []
    layer_names, unit_shapes = _LayerNames(), []
    row_constants: dict[str, Step] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            depends[node.name] = node.name == input_name
            continue
        if node.op == "output":
            break
        value = node.meta.get("val")
        if value is None or isinstance(value, torch.SymInt | int):
            continue  # assertions do nothing; sizes are filled in where they are used
        layer = None
        operands = [depends[n.name] for n in node.all_input_nodes if n.name in depends]
        depends[node.name] = any(operands)
        name = operator_name(node.target)
        if any(operands):
            _require_piecewise(node, name, operands, depends)
        if any(operands) and not is_affine(name, operands):
            layer = len(layer_names)
            layer_names.add(_module_path(node), name, _is_activation(node))
            value = value[0] if isinstance(value, tuple | list) else value
            unit_shapes.append(tuple(value.shape[1:]))
        step = Step(node.name, name, _target(node, depends), *_arguments(node), _module_path(node), layer)
        if any(operands) or node is last:
            steps.append(step)
        elif any(_is_row_dependent(leaf, row_constants) for leaf in _leaves(node)):
            row_constants[node.name] = step
        else:
            constant_steps.append(step)
        if node is last:
            break
    network = Network(
        steps=_with_last_uses(steps, last.name),
        constants={},
        input=input_name,
        output=last.name,
        layer_names=tuple(layer_names),
        unit_shapes=tuple(unit_shapes),
        row_constants=row_constants,
    )
    _require_rows(network, graph)
    return Architecture(network, tuple(constant_steps), sources, lifted)


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
        path = _module_path(node)
        raise NotPiecewiseAffineError(
            f"the positions that '{operator_name(source.target)}' in module '{path}' returns are not piecewise "
            f"affine; {_advice(source, depends)}"
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


def _is_activation(node: Node) -> bool:
    """Whether the node's module is one of PyTorch's own, so that its path alone names the nonlinearity."""
    stack = node.meta.get("nn_module_stack") or {}
    return bool(stack) and str(list(stack.values())[-1][1]).startswith(("torch.nn.", "<class 'torch.nn."))


def _module_path(node: Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


def _require_piecewise(node: Node, name: str, operands: list[bool], depends: Mapping[str, bool]) -> None:
    """Refuse a node that is not piecewise affine in those of its operands that depend on the input."""
    product = sum(operands) > 1 and is_piecewise_affine(name, [True] + [False] * (len(operands) - 1))
    what, why = f"the product of two activations ('{name}')" if product else f"operator '{name}'", ""
    if is_piecewise_affine(name, operands):
        problem = spoiler(name, _named_arguments(node)) or _rounds(node)
        if problem is None:
            return
        what, why = f"operator '{name}'", f" ({problem})"
    path = _module_path(node)
    where = f" in module '{path}'" if path else ""
    raise NotPiecewiseAffineError(f"{what}{where} is not piecewise affine{why}; {_advice(node, depends)}")


def _named_arguments(node: Node) -> dict[str, Any]:
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema else []
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def _rounds(node: Node) -> str | None:
    value = node.meta["val"]
    if isinstance(value, Tensor) and not value.is_floating_point() and node.target is not operator.getitem:
        return f"its result is {str(value.dtype).removeprefix('torch.')}"
    return None


def _advice(refused: Node, depends: Mapping[str, bool]) -> str:
    """The nearest `until` that stops before a refused operator: a module that is left for good before it."""
    nodes = list(refused.graph.nodes)
    position = nodes.index(refused)
    entered_later = {module for node in nodes[position:] for module in _enclosing(node)}
    for node in reversed(nodes[:position]):
        if depends.get(node.name) and isinstance(node.meta.get("val"), Tensor):
            for module in _enclosing(node):
                if module not in entered_later:
                    return f"until='{module}' stops before it"
    return "no submodule ends before it"


def _enclosing(node: Node) -> Iterator[str]:
    """The modules that a node belongs to, innermost first, the root left out."""
    path = _module_path(node)
    while path:
        yield path
        path = path.rpartition(".")[0]


def _last_node(graph: Graph, until: str | None, outputs: Sequence[Any]) -> Node:
    """The node whose value is the output, or the last value that the submodule `until` computes."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    if until:
        inside = [n for n in tensors.values() if n.op == "call_function" and _within(_module_path(n), until)]
        if not inside:
            raise InvalidInputError(f"submodule '{until}' computes nothing: name the module before it")
        return inside[-1]
    if len(outputs) != 1 or outputs[0] not in tensors:
        raise InvalidInputError("the model must return one tensor; name the submodule that does with until=")
    if not any(isinstance(size, torch.SymInt) for size in tensors[outputs[0]].meta["val"].shape):
        raise InvalidInputError("the model must return one row for each input of a batch")
    return tensors[outputs[0]]


def _require_rows(network: Network, graph: Graph) -> None:
    """Refuse results without one row per point of the batch, if they are needed at a nonlinearity or after it."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    rows = tensors[network.input].meta["val"].shape[0].node.expr
    live = {network.input}
    for step in network.steps:
        live.add(step.name)
        for name in sorted(live & tensors.keys()) if step.layer is not None else ():
            shape = tensors[name].meta["val"].shape
            if not (shape and isinstance(shape[0], torch.SymInt) and shape[0].node.expr == rows):
                origin, path = operator_name(tensors[name].target), _module_path(tensors[name])
                where = f" in module '{path}'" if path else ""
                raise CaptureError(
                    f"the result of operator '{origin}'{where}, of shape {tuple(shape)}, meets the nonlinearity "
                    f"'{step.operator}' without one row for each point of the batch in its first dimension"
                )
        live.difference_update(step.last_uses)


def _within(path: str, module: str) -> bool:
    return path == module or path.startswith(module + ".")


def _arguments(node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
    fill: Any = _placeholder_for
    args: Any = map_arg(node.args, fill)
    kwargs: Any = map_arg(node.kwargs, fill)
    return args, {name: value for name, value in kwargs.items() if name != "pin_memory"}


def _placeholder_for(node: Node) -> Ref | Size | int:
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt):
        return Size(value.node.expr)
    return value if isinstance(value, int) else Ref(node.name)


def _is_row_dependent(leaf: Any, row_constants: Mapping[str, Step]) -> bool:
    return isinstance(leaf, Size) or (isinstance(leaf, Ref) and leaf.name in row_constants)


def _leaves(node: Node) -> Iterator[Any]:
    return (_placeholder_for(n) for n in node.all_input_nodes)


def _with_last_uses(steps: list[Step], output: str) -> tuple[Step, ...]:
    """Mark for each step which results it is the last to need."""
    seen = {output}
    marked = []
    for step in reversed(steps):
        fresh = [name for name in dict.fromkeys((*step.inputs(), step.name)) if name not in seen]
        seen.update(fresh)
        marked.append(replace(step, last_uses=tuple(fresh)))
    return tuple(reversed(marked))


def _as_double(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64 if tensor.is_floating_point() else None, copy=True)
