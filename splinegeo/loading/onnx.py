"""ONNX files: constants folded, the batch made free, and then converted by onnx2torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import InvalidInputError
from ..extras import load_extra

# Operators that read constants and whose results cannot be told from them.
_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


def read_onnx(path: Path) -> nn.Module:
    """An ONNX file as a module; see `load_model`."""
    onnx = load_extra("onnx", "onnx", "onnx")
    converter = _converter()
    try:
        proto = onnx.load(str(path))
        onnx.checker.check_model(proto)
        if len({v.name for v in proto.graph.input} - {t.name for t in proto.graph.initializer}) != 1:
            raise ValueError("it should have one input")
        _fold(onnx, proto.graph, proto.opset_import)
        _free_batch(onnx, proto.graph)
        return converter.convert(proto)
    except Exception as error:  # both libraries raise many kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInputError(f"cannot convert '{path}': {reason[:400]}") from error


def _converter() -> ModuleType:
    """onnx2torch, which imports torchvision for the sake of two operators that no network of ours has.

    PyTorch's builds for the CPU do not fit the compiled part of torchvision as it is published; all that its import
    then misses are the declarations of operators that suppress overlapping boxes.
    """
    try:
        return load_extra("onnx2torch", "onnx2torch", "onnx")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in ("nms", "qnms"):
            with suppress(RuntimeError):  # declared already
                torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")
        return load_extra("onnx2torch", "onnx2torch", "onnx")


def _fold(onnx: Any, graph: Any, opsets: Any) -> None:
    """Compute what depends on constants alone, and keep the results as constants."""
    known = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    inputs = [value for value in graph.input if value.name not in known]
    kept = []
    for node in graph.node:
        constant = all(name in known for name in node.input if name) and node.op_type not in _RANDOM
        if not constant or any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
            kept.append(node)
            continue
        values = _evaluated(onnx, node, known, opsets)
        for name, value in zip(node.output, values, strict=False):
            known[name] = np.asarray(value)
    used = {name for node in kept for name in node.input} | {value.name for value in graph.output}
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(kept)
    graph.input.extend(inputs)
    graph.initializer.extend(onnx.numpy_helper.from_array(v, name) for name, v in known.items() if name in used)


def _evaluated(onnx: Any, node: Any, known: dict[str, Any], opsets: Any) -> list[Any]:
    """Results of one node on constants, by ONNX's own reference."""
    helper, names = onnx.helper, [name for name in dict.fromkeys(node.input) if name]

    def described(name: str) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(known[name].dtype)
        return helper.make_tensor_value_info(name, kind, known[name].shape)

    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "constant", [described(name) for name in names], outputs)
    reference = load_extra("onnx.reference", "onnx", "onnx")
    evaluator = reference.ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
    return evaluator.run(None, {name: known[name] for name in names})


def _free_batch(onnx: Any, graph: Any) -> None:
    """Let the batch be of any size: where it was written down as one, and where it is read from a shape.

    Targets of reshapes then say the batch by 0 (as it is) or -1 (whatever is left), so that no shape is computed.
    """
    (entering,) = graph.input
    shape = entering.type.tensor_type.shape.dim
    baked_in = bool(len(shape)) and shape[0].dim_value == 1
    known = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        target = _target(node.input[1], makers, known, baked_in) if node.op_type == "Reshape" else None
        if target is not None:
            name = f"{node.input[1]}_for_{node.output[0]}"
            graph.initializer.append(onnx.numpy_helper.from_array(target, name))
            node.input[1] = name
    _forget_unused(graph)
    if baked_in:
        del graph.value_info[:]
        for value in (entering, *graph.output):
            sizes = value.type.tensor_type.shape.dim
            if len(sizes) and sizes[0].dim_value == 1:
                sizes[0].dim_param = "batch"


def _target(name: str, makers: dict[str, Any], known: dict[str, Any], baked_in: bool) -> Any:
    """The shape that a reshape is to make, its batch left open; None where it is right, or not understood."""
    if name in known:
        sizes = known[name]
        if not baked_in or not len(sizes) or sizes[0] != 1:
            return None
        rest = sizes[1:]
    else:
        parts = list(makers[name].input) if name in makers and makers[name].op_type == "Concat" else []
        if len(parts) < 2 or not _is_batch(parts[0], makers, known) or any(part not in known for part in parts[1:]):
            return None
        rest = np.concatenate([known[part].reshape(-1) for part in parts[1:]])
    return np.concatenate([[0 if -1 in rest else -1], rest]).astype(np.int64)


def _is_batch(name: str, makers: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether a value is the first size of some tensor."""
    node = makers.get(name)
    while node is not None and node.op_type in ("Unsqueeze", "Cast", "Identity"):
        node = makers.get(node.input[0])
    if node is None or node.op_type != "Gather" or node.input[1] not in known or known[node.input[1]].any():
        return False
    source = makers.get(node.input[0])
    return source is not None and source.op_type == "Shape"


def _forget_unused(graph: Any) -> None:
    """Take out nodes whose results nobody reads any more."""
    needed, kept = {value.name for value in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
