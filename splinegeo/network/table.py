"""The one table of operators, by their ATen names: what each is in the operands that depend on the network's input.

*Affine* operators are executed on the vertices by PyTorch itself; their rows say in which operands they are affine, and
what their coefficients are made of. *Piecewise affine* ones are the splines of `ACTIVATIONS`, the comparisons of two
values, and the maxima over many of `MAXIMA`; everything else is lowered to these (`lowering`), or refused: it *curves*,
or it *jumps*. The tests hold every row, and every operator of PyTorch's core set, against PyTorch's own kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .maxima import MAXIMA
from .splines import ACTIVATIONS


class In(Enum):
    """In which operands an operator is affine; the others must not depend on the network's input."""

    ALL = "all together"
    ONE = "any one of them: a product"
    FIRST = "the first"
    SUM = "the first, plus a product of the two others"
    BUT_FIRST = "all but the first, a mask"


class Coefficients(Enum):
    """What an affine operator's coefficients are made of: whether exact arithmetic can know them."""

    MOVES = "every value is one of the operands', its negative, or a constant"
    WEIGHS = "every coefficient is one number of the weights, or a count"
    DIVIDES = "quotients, which floats hold only if the divisor is a power of two"
    COMPUTES = "new numbers"


@dataclass(frozen=True)
class Affine:
    """One row: in which operands, and with which coefficients."""

    operands: In
    coefficients: Coefficients


def names_of(text: str) -> frozenset[str]:
    """The names in a text."""
    return frozenset(text.split())


_ROWS: tuple[tuple[In, Coefficients, str], ...] = (
    (
        In.ALL,
        Coefficients.MOVES,
        """
        neg negative cat concat stack hstack vstack clone alias detach contiguous lift_fresh lift_fresh_copy
        view view_as reshape reshape_as _unsafe_view flatten unflatten ravel permute transpose t swapaxes movedim
        moveaxis squeeze unsqueeze expand expand_as repeat repeat_interleave tile broadcast_to slice select narrow index
        index_select gather take_along_dim split split_with_sizes chunk tensor_split unbind unsafe_split unsafe_chunk
        getitem flip roll rot90 diagonal diag tril triu mT copy to _to_copy fill
        upsample_nearest1d upsample_nearest2d upsample_nearest3d
        _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
        pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d
        replication_pad1d replication_pad2d replication_pad3d
        pixel_shuffle pixel_unshuffle channel_shuffle im2col unfold
        slice_scatter select_scatter diagonal_scatter scatter masked_scatter as_strided
        """,
    ),
    (
        In.ALL,
        Coefficients.WEIGHS,
        "add sub rsub subtract sum cumsum col2im index_put index_add index_copy scatter_add",
    ),
    (
        In.ALL,
        Coefficients.DIVIDES,
        """
        mean avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        _adaptive_avg_pool2d _adaptive_avg_pool3d
        """,
    ),
    (
        In.ALL,
        Coefficients.COMPUTES,
        """
        upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
        _upsample_bilinear2d_aa _upsample_bicubic2d_aa scatter_reduce
        _fft_r2c _fft_c2r _fft_c2c view_as_real view_as_complex real imag complex _conj conj_physical resolve_conj
        """,
    ),
    (
        In.ONE,
        Coefficients.WEIGHS,
        """
        linear conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d
        mul multiply matmul mm bmm mv dot outer inner
        """,
    ),
    (In.ONE, Coefficients.COMPUTES, "einsum tensordot"),
    (In.FIRST, Coefficients.MOVES, "dropout native_dropout alpha_dropout feature_dropout masked_fill"),
    (In.FIRST, Coefficients.DIVIDES, "div divide true_divide"),
    (
        In.FIRST,
        Coefficients.COMPUTES,
        "batch_norm _native_batch_norm_legit_no_training native_batch_norm",
    ),
    (In.SUM, Coefficients.WEIGHS, "addmm addmv addbmm baddbmm addcmul"),
    (In.BUT_FIRST, Coefficients.MOVES, "where"),
)
AFFINE: dict[str, Affine] = {
    name: Affine(operands, coefficients) for operands, coefficients, names in _ROWS for name in names.split()
}

# Two values compared, and the sign with which they enter: a minimum is the maximum of the negatives.
COMPARISONS: dict[str, int] = {"maximum": 1, "max.other": 1, "fmax": 1, "minimum": -1, "min.other": -1, "fmin": -1}
# Their candidates enter `MAXIMA` with this sign.
MINIMA = frozenset({"amin", "min.dim"})

# Affine or piecewise affine in their first operand only if the others, as slopes and bounds are, stay the same.
SLOPED = frozenset({"prelu", "_prelu_kernel"})
# They say nothing of their operand but its shape.
SHAPED = {
    "zeros_like": 0,
    "ones_like": 1,
    "full_like": None,
    "new_zeros": 0,
    "new_ones": 1,
    "new_full": None,
    "empty_like": 0,
    "new_empty": 0,
}
# They make tensors of nothing, whose numbers are those in the code.
CREATES = frozenset({"full", "zeros", "ones", "arange", "scalar_tensor", "eye", "lift_fresh_copy", "empty"})

# They lay every patch of their input side by side before they multiply.
CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "convolution"})
PRODUCTS = CONVOLUTIONS | {"linear"}

# Not piecewise affine: they are curved somewhere between their kinks …
CURVED = names_of(
    """
    acos acosh asin asinh atan atan2 atanh cos cosh sin sinh tan tanh exp exp2 expm1 log log10 log1p log2
    logaddexp logsumexp logcumsumexp sqrt rsqrt reciprocal pow square prod cumprod softmax _softmax log_softmax
    _log_softmax softmin layer_norm native_layer_norm group_norm native_group_norm rms_norm _fused_rms_norm
    linalg_vector_norm norm linalg_norm frobenius_norm var var_mean std std_mean _cdist_forward cdist
    _pdist_forward pdist cosine_similarity erfc erfinv xlogy special_expit hypot lgamma digamma glu selu logit
    normalize scaled_dot_product_attention local_response_norm embedding_bag _embedding_bag instance_norm
    _native_batch_norm_legit
    """
) | {name for name, row in ACTIVATIONS.items() if row.is_smooth}
# … or they jump, or have values that are no real numbers.
JUMPING = names_of(
    """
    ceil floor round trunc frac fix fmod remainder floor_divide heaviside sgn signbit eq ge gt le lt ne equal
    isclose isinf isnan isfinite any all logical_and logical_not logical_or logical_xor bitwise_and bitwise_not
    bitwise_or bitwise_xor argmax argmin argsort nonzero bucketize searchsorted one_hot bool masked_select
    count_nonzero unique
    """
)
# What is not lowered any further.
KNOWN = frozenset({*AFFINE, *ACTIVATIONS, *COMPARISONS, *MAXIMA, *SHAPED})
