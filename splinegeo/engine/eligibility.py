"""Which operators can be taken exactly: those whose coefficients are the given floats themselves.

An operator that computes its coefficients first (a batch norm divides by a square root) is refused by name.
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import InvalidInputError
from ..network import Architecture, Network, Step
from ..network.maxima import MAXIMA
from ..network.operators import COMPARISONS
from .bends import BENDS


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Every value is one of the operands', its negative, or a constant.
MOVES = _names(
    """
    neg cat concat stack hstack vstack clone alias detach contiguous lift_fresh lift_fresh_copy
    view view_as reshape reshape_as _unsafe_view flatten unflatten ravel permute transpose t swapaxes movedim moveaxis
    squeeze unsqueeze expand expand_as repeat repeat_interleave tile broadcast_to slice select narrow index
    index_select gather take_along_dim split split_with_sizes chunk tensor_split unbind unsafe_split unsafe_chunk
    getitem flip roll rot90 diagonal diag tril triu mT copy where masked_fill to _to_copy dropout
    alpha_dropout feature_dropout upsample_nearest1d upsample_nearest2d upsample_nearest3d
    pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
    replication_pad1d replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle im2col unfold
    slice_scatter select_scatter zeros_like ones_like full_like new_zeros new_ones new_full fill
    """
)
# Every coefficient is one number of the weights, or a count.
WEIGHS = _names(
    """
    add sub rsub mul multiply sum cumsum linear matmul mm bmm mv dot outer inner addmm addmv baddbmm
    conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d
    col2im index_put index_add index_copy scatter_add
    """
)
# Coefficients are quotients, which floats hold only if the divisor is a power of two.
DIVIDES = _names(
    """
    div divide true_divide mean avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    """
)
CREATES = _names("full zeros ones arange scalar_tensor eye lift_fresh_copy")
AFFINE = MOVES | WEIGHS | DIVIDES
COMPARED = COMPARISONS | {"fmax", "fmin"}
PIECEWISE = frozenset({*BENDS, *MAXIMA, *COMPARED})


def require_exact(architecture: Architecture, dtype: torch.dtype = torch.float64) -> None:
    """Refuse a network whose coefficients are not exactly the given floats, as far as its operators tell.

    Parameters
    ----------
    dtype : the float format of the engine, which must hold the given weights

    Raises
    ------
    InvalidInputError
        Names the operator and its module. Operators after the last nonlinearity move no edge and are not asked.
    """
    if dtype != torch.float64:
        raise InvalidInputError(f"exact=True settles what float64 leaves open: leave dtype={dtype} out")
    network = architecture.program
    head = network.steps[: last_nonlinearity(network) + 1]
    for step in head:
        if step.operator not in (AFFINE if step.layer is None else PIECEWISE):
            raise refusal(step)
        numbers = [step.kwargs.get(name, 1) for name in ("alpha", "beta")]
        if any(abs(np.frexp(number)[0]) != 0.5 for number in numbers):
            raise refusal(step)
    needed = {name for step in head for name in step.inputs()}
    for step in reversed([*architecture.constant_steps, *network.row_constants.values()]):
        if step.name in needed:
            needed.update(step.inputs())
            if step.operator not in MOVES | CREATES:
                raise refusal(step)


def last_nonlinearity(network: Network) -> int:
    """Position of the last nonlinearity among the steps; -1 without any."""
    return max((i for i, step in enumerate(network.steps) if step.layer is not None), default=-1)


def refusal(step: Step, why: str = "computes new ones") -> InvalidInputError:
    """The sentence that an operator without exact coefficients gets."""
    where = f" in module '{step.module}'" if step.module else ""
    return InvalidInputError(
        f"exact=True needs coefficients that are exactly the given floats, and operator '{step.operator}'{where} "
        f"{why}: fold it into the layer beside it, or leave exact=True out"
    )
