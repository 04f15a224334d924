"""What enters the values of an affine operator: the sums of magnitudes of which rounding errors are small multiples."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from .arguments import map_leaves
from .table import names_of

# Plain numbers among their arguments enter the values.
_WITH_SCALARS = names_of(
    "add sub rsub subtract mul multiply div divide true_divide constant_pad_nd fill masked_fill where "
    "addmm addmv addbmm baddbmm addcmul"
)


def magnitude(name: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Sum of the magnitudes that enter each value of an affine operator, by executing it on absolute values.

    For a linear unit this is ``|w| · |a| + |b|``; rounding errors are a small multiple of it.
    """
    if name in _OWN_RULES:
        return _OWN_RULES[name](target, *args, **kwargs)
    if name.endswith("batch_norm") or name == "_native_batch_norm_legit_no_training":
        x, weight, bias, mean, variance, *rest = args
        parts = [None if p is None else p.abs() for p in (weight, bias)]
        return target(x.abs(), *parts, -mean.abs(), variance, *rest, **kwargs)
    if name in ("sub", "rsub", "subtract"):
        target = torch.add
    args, kwargs = map_leaves(_absolute, (args, kwargs))
    if name in _WITH_SCALARS:
        args = tuple(abs(arg) if isinstance(arg, int | float) else arg for arg in args)
        kwargs = {key: abs(arg) if isinstance(arg, int | float) else arg for key, arg in kwargs.items()}
    return target(*args, **kwargs)


def _absolute(leaf: Any) -> Any:
    return leaf.abs() if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex()) else leaf


def _itself(_target: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    return x.abs()


def _scattered(target: Any, x: Tensor, dim: int, index: Tensor, source: Any, **options: Any) -> Tensor:
    return target(x.abs(), dim, index, source.abs() if isinstance(source, Tensor) else abs(source), **options)


def _cubic(target: Any, x: Tensor, *rest: Any, **options: Any) -> Tensor:
    """Weights of cubic interpolation have both signs; the sum of their magnitudes is less than two."""
    return 2 * target(x.abs().amax((-2, -1), keepdim=True).expand_as(x).contiguous(), *rest, **options).abs()


def _transformed(target: Any, x: Tensor, dims: list[int], norm: int, *rest: Any) -> Tensor:
    """Every coefficient of a Fourier transform has magnitude one, up to its normalisation."""
    is_forward_of_reals = "r2c" in str(target)
    shape = target(x.abs() if is_forward_of_reals else x.abs().to(torch.complex128), dims, norm, *rest).shape
    size = prod(shape[d] for d in dims) if "c2r" in str(target) else prod(x.shape[d] for d in dims)
    total = x.abs().sum(dims, keepdim=True) * (2 if "c2r" in str(target) else 1)
    return (total / {0: 1, 1: size**0.5, 2: size}[norm]).expand(shape).contiguous()


def _both_parts(_target: Any, x: Tensor) -> Tensor:
    return torch.stack([x.abs(), x.abs()], dim=-1)


def _joined_parts(_target: Any, x: Tensor, *imaginary: Tensor) -> Tensor:
    return x.abs() + imaginary[0].abs() if imaginary else x.abs().sum(-1)


_OWN_RULES: dict[str, Callable[..., Tensor]] = {
    **dict.fromkeys(("neg", "negative", "real", "imag", "_conj", "conj_physical", "resolve_conj"), _itself),
    **dict.fromkeys(("upsample_bicubic2d", "_upsample_bicubic2d_aa"), _cubic),
    **dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c"), _transformed),
    "scatter": _scattered,
    "view_as_real": _both_parts,
    "view_as_complex": _joined_parts,
    "complex": _joined_parts,
}
