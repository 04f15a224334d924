"""A module as a classifier: its logits, its decisions, its margins, and what must hold of inputs and labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError, NonFiniteError

from ..given import real_tensor


def margin(z: Tensor, y: Tensor) -> Tensor:
    """How far the wrong classes are ahead, (n,)."""
    if z.shape[1] == 1:
        return torch.where(y > 0, -z[:, 0], z[:, 0])
    own = y.unsqueeze(1)
    return z.scatter(1, own, -torch.inf).logsumexp(1) - z.gather(1, own)[:, 0]


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """The increasing function log(1 + exp ·) of the margin, as it is commonly computed, (n,)."""
    if z.shape[1] == 1:
        return nn.functional.softplus(margin(z, y))
    return nn.functional.cross_entropy(z, y, reduction="none")


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"margin": margin, "cross_entropy": cross_entropy}


def is_right(z: Tensor, y: Tensor) -> Tensor:
    """Whether each prediction is the label; ties go to the first class, a zero to the negative one."""
    return (z[:, 0] > 0) == (y > 0) if z.shape[1] == 1 else z.argmax(1) == y


def logits(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Outputs (n, classes), checked."""
    z = model(x)
    z = z.unsqueeze(1) if z.dim() == 1 else z
    if z.dim() != 2 or len(z) != len(x):
        raise InvalidInputError(f"a classifier must return (N, classes), not {tuple(z.shape)} for {len(x)} inputs")
    if not bool(torch.isfinite(z).all()):
        raise NonFiniteError("the outputs of the model contain NaN or infinity")
    least, classes = (-1, 2) if z.shape[1] == 1 else (0, z.shape[1])
    if len(y) and not least <= int(y.min()) <= int(y.max()) < classes:
        raise InvalidInputError(
            f"labels lie between {int(y.min())} and {int(y.max())}; the model has {z.shape[1]} outputs"
        )
    return z


def checked(model: nn.Module, x: Tensor | ArrayLike, y: Tensor | ArrayLike) -> tuple[Tensor, Tensor]:
    """Inputs and labels on the model's device, the inputs in its float format."""
    inputs = real_tensor(x, "x").clone()
    labels = real_tensor(y, "y").clone()
    if not inputs.is_floating_point() or inputs.dim() < 2 or not inputs.numel():
        raise InvalidInputError(f"x must be floating-point inputs (N, …), not {inputs.dtype} {tuple(inputs.shape)}")
    if labels.is_floating_point() or labels.shape != inputs.shape[:1]:
        raise InvalidInputError(
            f"y must be {len(inputs)} integer labels, not {labels.dtype} of shape {tuple(labels.shape)}"
        )
    state = next((p for p in model.parameters() if p.is_floating_point()), inputs)
    return inputs.to(state.device, state.dtype), labels.to(state.device, torch.int64)


def labels_of(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The classes (n,) that the model gives; `y` are some labels, which tell one output's two classes apart."""
    z = logits(model, x, y)
    return (z[:, 0] > 0).to(torch.int64) if z.shape[1] == 1 else z.argmax(1)


def last_layer_of(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None, nn.Linear | None]:
    """Logits, and the features (N, d) that enter the last linear layer, if one makes the logits."""
    seen: dict[str, object] = {}

    def remember(module: nn.Linear, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        seen.update(layer=module, features=inputs[0].detach(), outputs=outputs)

    hooks = [m.register_forward_hook(remember) for m in model.modules() if isinstance(m, nn.Linear)]
    try:
        with torch.no_grad():
            z = logits(model, x, y)
    finally:
        for hook in hooks:
            hook.remove()
    layer, features = seen.get("layer"), seen.get("features")
    if not isinstance(layer, nn.Linear) or not isinstance(features, Tensor) or seen.get("outputs") is not z:
        return z, None, None
    return z, features, layer


def ranked_classes(z: Tensor, y: Tensor) -> Tensor:
    """The wrong classes from the likeliest to the least likely, (n, classes − 1); (n, 0) for one output."""
    if z.shape[1] == 1:
        return y.new_zeros((len(y), 0))
    return z.scatter(1, y.unsqueeze(1), -torch.inf).argsort(1, descending=True)[:, :-1]


def lead_of(z: Tensor, y: Tensor) -> Tensor:
    """How far the best wrong class is ahead of the right one, (n,); for one output −s z, s = ±1."""
    if z.shape[1] == 1:
        return torch.where(y > 0, -z[:, 0], z[:, 0])
    own = y.unsqueeze(1)
    return z.scatter(1, own, -torch.inf).amax(1) - z.gather(1, own)[:, 0]
