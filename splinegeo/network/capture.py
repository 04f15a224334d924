"""From a torch module to operators in order: constant, affine and piecewise affine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node

from ..errors import InvalidInputError, NonFiniteError, NotPiecewiseAffineError
from .export import export
from .maxima import MAXIMA
from .nodes import call_arguments, is_activation, is_within, module_path, operands_of
from .operators import REWRITTEN, is_affine, operator_name
from .precision import double_copy
from .program import Network, Ref, Size, Step
from .refusal import advice, require_piecewise, require_rows


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
    program = export(double_copy(model), input_shape)
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
    network = Network(
        steps=_with_last_uses(steps, last.name),
        constants={},
        input=input_name,
        output=last.name,
        layer_names=tuple(layer_names),
        unit_shapes=tuple(unit_shapes),
        row_constants=row_constants,
    )
    require_rows(network, graph)
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


def _last_node(graph: Graph, until: str | None, outputs: Sequence[Any]) -> Node:
    """The node whose value is the output, or the last value that the submodule `until` computes."""
    tensors = {node.name: node for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    if until:
        inside = [n for n in tensors.values() if n.op == "call_function" and is_within(module_path(n), until)]
        if not inside:
            raise InvalidInputError(f"submodule '{until}' computes nothing: name the module before it")
        return inside[-1]
    if len(outputs) != 1 or outputs[0] not in tensors:
        raise InvalidInputError("the model must return one tensor; name the submodule that does with until=")
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


def _as_double(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64 if tensor.is_floating_point() else None, copy=True)
