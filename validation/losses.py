"""What a training minimises: losses of logits z (n, C) and labels y (n,), by name, means over the points."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]

SMOOTHING = 0.1
LEAD = 5.0


def margin(z: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy without its cancellation: softplus(log Σ_{j≠y} exp z_j − z_y).

    The same function as `cross_entropy`, whose gradient with respect to z_y, p_y − 1, is rounded to zero once the right
    class leads by 17 logits in float32 (38 in float64) while those of the other classes are not. Here the gradients
    sum to zero in every format.
    """
    return nn.functional.softplus(_behind(z, y)).mean()


def saturating_margin(z: Tensor, y: Tensor) -> Tensor:
    """`margin` that asks for a lead of 5 logits and no more: softplus(max(log Σ_{j≠y} exp z_j − z_y, −5))."""
    return nn.functional.softplus(_behind(z, y).clamp(min=-LEAD)).mean()


def clipped_logits(z: Tensor, y: Tensor) -> Tensor:
    """`margin` of logits whose vector is no longer than 5: of z min(1, 5 / ‖z‖).

    References
    ----------
    H. Wei, H. Zhuang, R. Xie, L. Feng, G. Niu, B. An, Y. Li, Mitigating Memorization of Noisy Labels by Clipping the
    Model Prediction, ICML 2023.
    """
    return margin(z * (LEAD / z.norm(dim=1, keepdim=True)).clamp(max=1.0), y)


def squared_error(z: Tensor, y: Tensor) -> Tensor:
    """Mean squared distance to the one-hot labels, over points and outputs."""
    return nn.functional.mse_loss(z, nn.functional.one_hot(y, z.shape[-1]).to(z.dtype))


def squared_hinge(z: Tensor, y: Tensor) -> Tensor:
    """Σ_{j≠y} max(0, 1 − z_y + z_j)² / C."""
    return nn.functional.multi_margin_loss(z, y, p=2)


def label_smoothing(z: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy to labels of which a tenth is spread evenly over all classes."""
    return nn.functional.cross_entropy(z, y, label_smoothing=SMOOTHING)


def _behind(z: Tensor, y: Tensor) -> Tensor:
    """How far the wrong classes are ahead of the right one, (n,)."""
    own = y.unsqueeze(1)
    return z.scatter(1, own, -float("inf")).logsumexp(1) - z.gather(1, own)[:, 0]


LOSSES: dict[str, Loss] = {
    "cross_entropy": nn.functional.cross_entropy,
    "margin": margin,
    "saturating_margin": saturating_margin,
    "clipped_logits": clipped_logits,
    "squared_error": squared_error,
    "squared_hinge": squared_hinge,
    "label_smoothing": label_smoothing,
}
