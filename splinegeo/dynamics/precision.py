"""Has the loss left its float format? What rounding does to the gradient of the cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..given import real_tensor

# From here on what a training follows is not the gradient of its loss.
_VANISHED, _ERROR = 0.5, 0.1
_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


class PrecisionWarning(UserWarning):
    """The gradient of a training's loss has been lost to rounding."""


@dataclass(frozen=True)
class PrecisionDiagnostics:
    """What `precision_diagnostics` found; NaN where it was not asked for.

    Attributes
    ----------
    vanished : float
        Share of points at which the right class has a gradient of exactly 0 in the given format.
    residual : float
        Mean over the points of |Σ_j g_j| / Σ_j |g_j|; the gradients with respect to a point's logits sum to 0, in
        exact arithmetic. 0 where all of them vanish.
    relative_error : float
        ‖g − ĝ‖ / ‖g‖ over all logits, ĝ in the given format.
    gap_quantiles : tuple of float
        Of the lead of the right class over the next one, in logits: least, 5 %, median, 95 %, greatest.
    weight_norm : float
        ℓ₂ norm of all parameters.
    mean_norm, class_mean_norm : float
        Of the mean of all features, and mean over the classes of the norm of theirs.
    below_eps : float
        Share of the parameters' entries whose √v̂ in Adam is less than its eps, so that they hardly move.
    """

    vanished: float
    residual: float
    relative_error: float
    gap_quantiles: tuple[float, float, float, float, float]
    weight_norm: float = np.nan
    mean_norm: float = np.nan
    class_mean_norm: float = np.nan
    below_eps: float = np.nan

    @property
    def warning(self) -> str | None:
        """One sentence if the loss has left its format's range, else None."""
        if self.vanished < _VANISHED and self.relative_error < _ERROR:
            return None
        return (
            "the cross-entropy has left the range of its float format: the gradient of the right class is exactly 0 at "
            f"{self.vanished:.0%} of the points, and the whole gradient is wrong by {self.relative_error:.0%}; compute "
            "the loss in float64 (loss(logits.double(), y)) or as softplus(logsumexp of the other logits - own logit)"
        )

    def numbers(self) -> dict[str, float]:
        """Everything that was measured, by name."""
        low, _, median, _, high = self.gap_quantiles
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "gap_quantiles"}
        known = {**plain, "gap_least": low, "gap_median": median, "gap_greatest": high}
        return {name: value for name, value in known.items() if not np.isnan(value)}


@own_settings()
def precision_diagnostics(
    logits: Tensor | ArrayLike,
    labels: Tensor | ArrayLike,
    *,
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    features: Tensor | ArrayLike | None = None,
) -> PrecisionDiagnostics:
    """Compare the gradient of the cross-entropy in the logits' float format with the true one.

    With p = softmax(z), the gradient with respect to the logits of a point of class y is g_j = p_j for j ≠ y, and
    g_y = p_y − 1 = −Σ_{j≠y} p_j. The former expression of g_y is 0 in float32 as soon as class y leads by 17 logits (in
    float64, 38), while the other g_j are not: from there on all logits drift together, and the training diverges
    (softmax collapse). The reference takes the latter, in float64.

    Parameters
    ----------
    logits : Tensor or array, shape (N, C)
        Outputs z of the network in the float format in which the loss is computed from them.
    labels : Tensor or array of int, shape (N,)
    model : torch.nn.Module, optional
        For the norm of the weights.
    optimizer : torch.optim.Optimizer, optional
        Adam or AdamW, for its second moments.
    features : Tensor or array, shape (N, d), optional
        Inputs of the last layer, for the norms of their means.

    Raises
    ------
    InvalidInputError
        Shapes that do not fit, or labels that are no class.

    References
    ----------
    L. Prieto, M. Barsbey, P. A. M. Mediano, T. Birdal, Grokking at the Edge of Numerical Stability, ICLR 2025.

    Examples
    --------
    >>> z, y = torch.tensor([[0.0, 1.0], [0.0, 20.0]]), torch.tensor([1, 1])
    >>> precision_diagnostics(z, y).vanished, precision_diagnostics(z.double(), y).vanished
    (0.5, 0.0)
    """
    z, y = _checked(logits, labels)
    own = nn.functional.one_hot(y, z.shape[1]).to(z.dtype)
    given = (z.softmax(1) - own).double()
    true = z.double().softmax(1) * (1 - own.double())
    true = true - true.sum(1, keepdim=True) * own.double()
    size = given.abs().sum(1)
    residual = torch.where(size > 0, given.sum(1).abs() / size, 0.0)
    others = z.masked_fill(own.bool(), -torch.inf).amax(1)
    gaps = (z.gather(1, y[:, None])[:, 0] - others).double()
    low, few, median, many, high = torch.quantile(gaps, gaps.new_tensor(_QUANTILES)).tolist()
    return PrecisionDiagnostics(
        vanished=(given.gather(1, y[:, None]) == 0).double().mean().item(),
        residual=residual.mean().item(),
        relative_error=((given - true).norm() / true.norm()).item() if true.norm() > 0 else 0.0,
        gap_quantiles=(low, few, median, many, high),
        **_norms(model, features, y),
        below_eps=np.nan if optimizer is None else _below_eps(optimizer),
    )


def _norms(model: nn.Module | None, features: Tensor | ArrayLike | None, y: Tensor) -> dict[str, float]:
    found = {}
    if model is not None:
        squares = [parameter.detach().double().square().sum() for parameter in model.parameters()]
        found["weight_norm"] = torch.stack(squares).sum().sqrt().item()
    if features is not None:
        h = real_tensor(features, "features").flatten(1).double()
        if len(h) != len(y):
            raise InvalidInputError(f"{len(h)} features for {len(y)} labels")
        found["mean_norm"] = h.mean(0).norm().item()
        found["class_mean_norm"] = torch.stack([h[y == c].mean(0).norm() for c in y.unique()]).mean().item()
    return found


def _below_eps(optimizer: torch.optim.Optimizer) -> float:
    """Over all entries that Adam has a second moment of; NaN without any."""
    below = total = 0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "exp_avg_sq" in state:
                correction = 1 - group["betas"][1] ** float(state["step"])
                root = (state["exp_avg_sq"] / correction).sqrt()
                below, total = below + int((root < group["eps"]).sum()), total + root.numel()
    return below / total if total else np.nan


def _checked(logits: Tensor | ArrayLike, labels: Tensor | ArrayLike) -> tuple[Tensor, Tensor]:
    z, y = real_tensor(logits, "logits"), real_tensor(labels, "labels")
    if z.dim() != 2 or z.shape[1] < 2 or not len(z) or not z.is_floating_point():
        raise InvalidInputError(f"logits must be floating-point (N, C) with C >= 2, not {z.dtype} {tuple(z.shape)}")
    if y.shape != z.shape[:1] or y.is_floating_point() or not 0 <= int(y.min()) <= int(y.max()) < z.shape[1]:
        raise InvalidInputError(f"labels must be {len(z)} integers from 0 to {z.shape[1] - 1}")
    return z, y.to(z.device, torch.int64)
