"""From a torch module to operators in order, through `torch.export`, verified against the module itself."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Graph, Node, map_arg

from ..errors import CaptureError, InvalidInputError, NonFiniteError, NotPiecewiseAffineError
from .maxima import MAXIMA
from .operators import BREAKS, is_affine, operator_name
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
    if until is not None and until not in dict(model.named_modules()):
        raise InvalidInputError(f"the model has no submodule '{until}'; it has {_some_names(model)}")
    program = _export(double_copy(model), input_shape)
    signature = program.graph_signature
    sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    lifted = {
        name: _as_double(program.constants[target])
        for name, target in signature.inputs_to_lifted_tensor_constants.items()
    }
    (input_name,) = signature.user_inputs
    return _translate(program.graph, until, input_name, sources, lifted)


def double_copy(model: nn.Module) -> nn.Module:
    """A float64 copy of a module on the CPU, in eval mode; the caller's module stays as it is."""
    return copy.deepcopy(model).cpu().double().eval()


def _refuse_training_mode(model: nn.Module) -> None:
    for path, module in model.named_modules():
        random = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        batch = isinstance(module, nn.modules.batchnorm._BatchNorm)
        if module.training and (random or batch):
            raise NotPiecewiseAffineError(
                f"{type(module).__name__} '{path}' is in training mode, where the network is not one function "
                "of its input: call model.eval() first"
            )


def _some_names(model: nn.Module, most: int = 8) -> str:
    names = [name for name, _ in model.named_modules() if name]
    return ", ".join(f"'{n}'" for n in names[:most]) + (" …" if len(names) > most else "")


def _export(model: nn.Module, input_shape: tuple[int, ...]) -> torch.export.ExportedProgram:
    example = torch.zeros((2, *input_shape), dtype=torch.float64)
    try:
        with torch.no_grad():
            model(example)
    except Exception as error:
        raise InvalidInputError(
            f"the model does not accept inputs of shape (n, {', '.join(map(str, input_shape))}): {_first_line(error)}"
        ) from error
    rows = torch.export.Dim("n", min=2)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(model, (example,), dynamic_shapes=({0: rows},), strict=False)
            return program.run_decompositions({})  # functional form: no operator writes into its input
    except Exception as error:
        raise CaptureError(
            f"torch.export cannot follow {type(model).__name__}: {_first_line(error)} "
            "(control flow that depends on the data is not piecewise affine in one piece)"
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _translate(
    graph: Graph, until: str | None, input_name: str, sources: Mapping[str, str], lifted: Mapping[str, Tensor]
) -> Architecture:
    """Sort the nodes of an exported graph into constant, affine and piecewise-affine steps."""
    depends: dict[str, bool] = {}
    constant_steps: list[Step] = []
    steps: list[Step] = []
    layer_names, unit_shapes = _LayerNames(), []
    last = _last_node(graph, until)
    for node in graph.nodes:
        if node.op == "placeholder":
            depends[node.name] = node.name == input_name
            continue
        if node.op == "output":
            break
        value = node.meta.get("val")
        if isinstance(value, torch.SymInt | int):
            continue  # sizes are filled in where they are used
        layer = None
        operands = [depends[n.name] for n in node.all_input_nodes if n.name in depends]
        depends[node.name] = any(operands)
        name = operator_name(node.target)
        if any(operands) and not is_affine(name, operands):
            layer = len(layer_names)
            _require_piecewise(node, name, operands, steps)
            layer_names.add(_module_path(node), name, _is_activation(node))
            value = value[0] if isinstance(value, tuple | list) else value
            unit_shapes.append(tuple(value.shape[1:]))
        row_dependent = any(isinstance(leaf, Size) for leaf in _leaves(node))
        step = Step(node.name, name, _target(node, steps), *_arguments(node), _module_path(node), layer)
        (steps if any(operands) or row_dependent else constant_steps).append(step)
        if node is last:
            break
    network = Network(
        steps=_with_last_uses(steps, last.name),
        constants={},
        input=input_name,
        output=last.name,
        layer_names=tuple(layer_names),
        unit_shapes=tuple(unit_shapes),
    )
    return Architecture(network, tuple(constant_steps), sources, lifted)


def _target(node: Node, steps: list[Step]) -> Any:
    """What to call: of a maximum that also returns where it was found, only the values."""
    if operator_name(node.target) in MAXIMA and isinstance(node.meta["val"], tuple | list):
        return _Values(node.target)
    source = node.args[0] if operator_name(node.target) == "getitem" else None
    if not (isinstance(source, Node) and operator_name(source.target) in MAXIMA):
        return node.target
    if node.args[1] != 0:
        path = _module_path(node)
        raise NotPiecewiseAffineError(
            f"the positions that '{operator_name(source.target)}' in module '{path}' returns are not piecewise "
            f"affine; {_advice(path, steps)}"
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


def _require_piecewise(node: Node, name: str, operands: list[bool], steps: list[Step]) -> None:
    if name in BREAKS or name in MAXIMA:
        return
    path = _module_path(node)
    product = sum(operands) > 1 and is_affine(name, [True] + [False] * (len(operands) - 1))
    what = f"the product of two activations ('{name}')" if product else f"operator '{name}'"
    where = f" in module '{path}'" if path else ""
    raise NotPiecewiseAffineError(f"{what}{where} is not piecewise affine; {_advice(path, steps)}")


def _advice(path: str, steps: list[Step]) -> str:
    """The nearest `until` that stops before a refused operator: the last module that was left before it."""
    for step in reversed(steps):
        module = step.module
        while module:
            if not (path == module or path.startswith(module + ".")):
                return f"until='{module}' stops before it"
            module = module.rpartition(".")[0]
    return "no submodule ends before it"


def _last_node(graph: Graph, until: str | None) -> Node:
    """The node whose value is the output, or the last value that the submodule `until` computes."""
    if until:
        inside = [n for n in graph.nodes if n.op == "call_function" and _within(_module_path(n), until)]
        if not inside:
            raise InvalidInputError(f"submodule '{until}' computes nothing: name the module before it")
        return inside[-1]
    (output,) = (n for n in graph.nodes if n.op == "output")
    results = output.args[0]
    if len(results) != 1 or not isinstance(results[0], Node) or not isinstance(results[0].meta.get("val"), Tensor):
        raise InvalidInputError("the model must return one tensor; name the submodule that does with until=")
    return results[0]


def _within(path: str, module: str) -> bool:
    return path == module or path.startswith(module + ".")


def _arguments(node: Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
    fill: Any = _placeholder_for
    args: Any = map_arg(node.args, fill)
    kwargs: Any = map_arg(node.kwargs, fill)
    return args, {name: value for name, value in kwargs.items() if name not in ("device", "pin_memory")}


def _placeholder_for(node: Node) -> Ref | Size | int:
    value = node.meta.get("val")
    if isinstance(value, torch.SymInt):
        return Size(value.node.expr)
    return value if isinstance(value, int) else Ref(node.name)


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
