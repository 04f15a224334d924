"""Neural collapse: how features and last layer of a classifier become a simplex."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from splinegeo.errors import InvalidInputError

from ..ambient import own_settings
from ..given import real_tensor


@dataclass(frozen=True)
class NeuralCollapse:
    """What `neural_collapse` found: 0 is full collapse in everything but the norms.

    Attributes
    ----------
    nc1 : float
        Variability within the classes: tr(S_W S_B⁺) / C.
    nc2_norm_means, nc2_norm_weights : float
        Coefficients of variation of the norms of the centred class means and of the rows of W.
    nc2_angle_means, nc2_angle_weights : float
        Mean over pairs of classes of |cos + 1 / (C − 1)|.
    nc3 : float
        ‖Wᵀ/‖W‖ − M/‖M‖‖ (Frobenius): are weights and centred class means the same up to scale?
    nc4 : float
        Share of points whose class is not that of the nearest class mean.
    mean_norm, class_mean_norm : float
        ‖μ_G‖, and mean over the classes of ‖μ_c − μ_G‖: centred measures do not see a drift of all features.
    """

    nc1: float
    nc2_norm_means: float
    nc2_norm_weights: float
    nc2_angle_means: float
    nc2_angle_weights: float
    nc3: float
    nc4: float
    mean_norm: float
    class_mean_norm: float

    def numbers(self) -> dict[str, float]:
        """Everything by name."""
        return asdict(self)


@own_settings()
def neural_collapse(features: Tensor | ArrayLike, labels: Tensor | ArrayLike, last_layer: nn.Linear) -> NeuralCollapse:
    """Measure neural collapse, NC1 to NC4.

    With features h (inputs of the last layer W, b), class means μ_c, their mean μ_G over all points, the centred means
    M = [μ_c − μ_G], S_W the covariance of the features within their classes and S_B = M Mᵀ / C:

    NC1: tr(S_W S_B⁺) / C → 0. NC2: the columns of M, and the rows of W, have equal norms and equal angles, cosine
    −1/(C − 1). NC3: W ∝ Mᵀ. NC4: the class is that of the nearest class mean.

    Parameters
    ----------
    features : Tensor or array, shape (N, d)
    labels : Tensor or array of int, shape (N,)
        At least two classes; the rows of W belong to the labels 0 to C − 1, all of which must occur.
    last_layer : torch.nn.Linear

    Raises
    ------
    InvalidInputError
        Shapes that do not fit, or a class without points.

    References
    ----------
    V. Papyan, X. Y. Han, D. L. Donoho, Prevalence of neural collapse during the terminal phase of deep learning
    training, PNAS 117 (2020).

    Examples
    --------
    Two classes whose features are two opposite points:

    >>> last = nn.Linear(2, 2)
    >>> with torch.no_grad():
    ...     _ = last.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), last.bias.zero_()
    >>> h, y = torch.tensor([[2.0, 0.0], [-2.0, 0.0]]).repeat(3, 1), torch.tensor([0, 1]).repeat(3)
    >>> found = neural_collapse(h, y, last)
    >>> found.nc1, found.nc2_angle_means, round(found.nc3, 6), found.nc4, found.class_mean_norm
    (0.0, 0.0, 0.0, 0.0, 2.0)
    """
    h, y, w, bias = _checked(features, labels, last_layer)
    n_classes = len(w)
    means = torch.stack([h[y == c].mean(0) for c in range(n_classes)])
    centre = h.mean(0)
    m = means - centre
    within = h - means[y]
    s_w, s_b = within.T @ within / len(h), m.T @ m / n_classes
    weights_at, means_at = w.T / w.norm(), m.T / m.norm()
    nearest = torch.cdist(h, means).argmin(1)
    return NeuralCollapse(
        nc1=(torch.trace(s_w @ torch.linalg.pinv(s_b, hermitian=True)) / n_classes).item(),
        nc2_norm_means=_variation(m),
        nc2_norm_weights=_variation(w),
        nc2_angle_means=_angles(m),
        nc2_angle_weights=_angles(w),
        nc3=(weights_at - means_at).norm().item(),
        nc4=((h @ w.T + bias).argmax(1) != nearest).double().mean().item(),
        mean_norm=centre.norm().item(),
        class_mean_norm=m.norm(dim=1).mean().item(),
    )


def _variation(rows: Tensor) -> float:
    norms = rows.norm(dim=1)
    return (norms.std(correction=0) / norms.mean()).item()


def _angles(rows: Tensor) -> float:
    n = len(rows)
    cosine = nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2)
    apart = ~torch.eye(n, dtype=torch.bool, device=rows.device)
    return (cosine[apart] + 1 / (n - 1)).abs().mean().item()


def _checked(
    features: Tensor | ArrayLike, labels: Tensor | ArrayLike, last: nn.Linear
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if not isinstance(last, nn.Linear):
        raise InvalidInputError(f"last_layer must be a torch.nn.Linear, not {type(last).__name__}")
    w = last.weight.detach().double()
    h, y = real_tensor(features, "features").double().to(w.device), real_tensor(labels, "labels").to(w.device)
    if h.dim() != 2 or h.shape[1] != w.shape[1] or y.shape != h.shape[:1] or y.is_floating_point():
        raise InvalidInputError(
            f"features must be (N, {w.shape[1]}) with N integer labels, not {tuple(h.shape)} and {tuple(y.shape)}"
        )
    missing = sorted(set(range(len(w))) - set(y.tolist()))
    if len(w) < 2 or missing or len(set(y.tolist())) > len(w):
        raise InvalidInputError(f"every class from 0 to {len(w) - 1} needs points; there are none of {missing}")
    bias = last.bias.detach().double() if last.bias is not None else w.new_zeros(len(w))
    return h, y.to(torch.int64), w, bias
