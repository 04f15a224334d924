"""PyTorch's core operators, each once: affine, piecewise affine, curved, jumping, or no function of real numbers.

Every operator that is a function has an example of it, from a batch (n, 12) to a batch.
"""

import torch

A = torch.ops.aten
DOUBLE = torch.float64
WEIGHT = torch.linspace(-1, 1, 144, dtype=DOUBLE).reshape(12, 12)
LAST = torch.tensor([3, 1, 2, 0, 7, 5, 4, 11, 6, 10, 8, 9])
MASK = torch.arange(12) % 3 == 0
KERNEL = torch.linspace(-1, 1, 8, dtype=DOUBLE).reshape(2, 1, 2, 2)
GRID = torch.linspace(-0.9, 0.9, 12, dtype=DOUBLE).reshape(1, 2, 3, 2)
MEAN, VARIANCE = torch.tensor([0.3, -0.2, 0.1], dtype=DOUBLE), torch.tensor([1.5, 0.7, 2.0], dtype=DOUBLE)


def image(h):
    return h.view(-1, 1, 3, 4)


def volume(h):
    return h.view(-1, 1, 2, 2, 3)


def sequence(h):
    return h.view(-1, 3, 4)


def rows(h):
    return h.shape[0]


def first(many):
    return many[0]


AFFINE = {
    "_adaptive_avg_pool2d.default": lambda h: A._adaptive_avg_pool2d(image(h), [1, 2]),
    "_adaptive_avg_pool3d.default": lambda h: A._adaptive_avg_pool3d(volume(h), [1, 2, 1]),
    "_fft_c2r.default": lambda h: A._fft_c2r(A._fft_r2c(h, [1], 0, True), [1], 2, 12),
    "_fft_r2c.default": lambda h: A.view_as_real(A._fft_r2c(h, [1], 1, True)),
    "_native_batch_norm_legit_no_training.default": lambda h: first(
        A._native_batch_norm_legit_no_training(sequence(h), MEAN, VARIANCE, MEAN, VARIANCE, 0.1, 1e-5)
    ),
    "_to_copy.default": lambda h: A._to_copy(h, dtype=DOUBLE),
    "adaptive_avg_pool1d.default": lambda h: A.adaptive_avg_pool1d(sequence(h), [3]),
    "add.Scalar": lambda h: A.add.Scalar(h, 2, 3),
    "add.Tensor": lambda h: A.add.Tensor(h, h.flip(1), alpha=-2),
    "addmm.default": lambda h: A.addmm(WEIGHT[0], h, WEIGHT, beta=2),
    "alias.default": lambda h: A.alias(h),
    "as_strided.default": lambda h: A.as_strided(h + 0, [rows(h), 4], [12, 3], 1),
    "avg_pool1d.default": lambda h: A.avg_pool1d(sequence(h), [2], [1], [1]),
    "avg_pool2d.default": lambda h: A.avg_pool2d(image(h), [2, 2], [1, 1]),
    "avg_pool3d.default": lambda h: A.avg_pool3d(volume(h), [1, 2, 2], [1, 1, 1]),
    "bmm.default": lambda h: A.bmm(sequence(h), WEIGHT[:4, :5].expand(rows(h), 4, 5)),
    "cat.default": lambda h: A.cat([h, -h[:, :2]], 1),
    "clone.default": lambda h: A.clone(h),
    "col2im.default": lambda h: A.col2im(h.view(-1, 4, 3), [2, 4], [2, 2], [1, 1], [0, 0], [1, 1]),
    "constant_pad_nd.default": lambda h: A.constant_pad_nd(h, [1, -2], -0.5),
    "convolution.default": lambda h: A.convolution(image(h), KERNEL, None, [1, 1], [1, 0], [1, 1], False, [0, 0], 1),
    "copy.default": lambda h: A.copy(torch.zeros_like(h), h),
    "cumsum.default": lambda h: A.cumsum(h, 1),
    "diagonal.default": lambda h: A.diagonal(sequence(h), 1, 1, 2),
    "div.Scalar": lambda h: A.div.Scalar(h, 3.0),
    "div.Tensor": lambda h: A.div.Tensor(h, WEIGHT[0] + 2),
    "expand.default": lambda h: A.expand(h[:, None], [-1, 2, -1]),
    "fill.Scalar": lambda h: h + A.fill.Scalar(h, 2.0),
    "flip.default": lambda h: A.flip(h, [1]),
    "full_like.default": lambda h: h - A.full_like(h, 0.5),
    "gather.default": lambda h: A.gather(h, 1, LAST.expand(rows(h), 12)),
    "grid_sampler_2d.default": lambda h: A.grid_sampler_2d(image(h), GRID.expand(rows(h), 2, 3, 2), 0, 0, False),
    "index.Tensor": lambda h: A.index.Tensor(h, [None, LAST]),
    "index_put.default": lambda h: A.index_put(h, [None, LAST[:2]], -h[:, :2], True),
    "index_select.default": lambda h: A.index_select(h, 1, LAST),
    "masked_scatter.default": lambda h: A.masked_scatter(h, torch.ones_like(h, dtype=torch.bool), -h),
    "mean.dim": lambda h: A.mean.dim(h, [1], True),
    "mm.default": lambda h: A.mm(h, WEIGHT),
    "mul.Scalar": lambda h: A.mul.Scalar(h, -2.0),
    "mul.Tensor": lambda h: A.mul.Tensor(WEIGHT[1], h),
    "native_dropout.default": lambda h: first(A.native_dropout(h, 0.5, False)),
    "neg.default": lambda h: A.neg(h),
    "permute.default": lambda h: A.permute(sequence(h), [0, 2, 1]),
    "reflection_pad1d.default": lambda h: A.reflection_pad1d(sequence(h), [1, 2]),
    "reflection_pad2d.default": lambda h: A.reflection_pad2d(image(h), [1, 0, 0, 2]),
    "reflection_pad3d.default": lambda h: A.reflection_pad3d(volume(h), [1, 0, 0, 1, 1, 0]),
    "repeat.default": lambda h: A.repeat(h, [1, 2]),
    "replication_pad2d.default": lambda h: A.replication_pad2d(image(h), [1, 0, 0, 2]),
    "replication_pad3d.default": lambda h: A.replication_pad3d(volume(h), [1, 0, 0, 1, 1, 0]),
    "scatter.src": lambda h: A.scatter.src(torch.zeros_like(h), 1, LAST.expand(rows(h), 12), h),
    "scatter.value": lambda h: A.scatter.value(h, -1, LAST[:2].expand(rows(h), 2), -0.5),
    "scatter_add.default": lambda h: A.scatter_add(h, 1, (LAST % 3).expand(rows(h), 12), h),
    "scatter_reduce.two": lambda h: A.scatter_reduce.two(h, 1, (LAST % 3).expand(rows(h), 12), h, "mean"),
    "select.int": lambda h: A.select.int(sequence(h), 1, -1),
    "select_scatter.default": lambda h: A.select_scatter(sequence(h), sequence(h)[:, 0], 1, 2),
    "slice.Tensor": lambda h: A.slice.Tensor(h, 1, 1, 9, 2),
    "slice_scatter.default": lambda h: A.slice_scatter(h, -h[:, :4], 1, 0, 8, 2),
    "split_with_sizes.default": lambda h: A.split_with_sizes(h, [3, 9], 1)[1],
    "squeeze.dim": lambda h: A.squeeze.dim(h[:, None], 1),
    "squeeze.dims": lambda h: A.squeeze.dims(h[:, None], [1, 2]),
    "sub.Scalar": lambda h: A.sub.Scalar(h, 2.0),
    "sub.Tensor": lambda h: A.sub.Tensor(h, h.flip(1)),
    "sum.dim_IntList": lambda h: A.sum.dim_IntList(h, [1], True),
    "unsqueeze.default": lambda h: A.unsqueeze(h, 1),
    "upsample_bilinear2d.vec": lambda h: A.upsample_bilinear2d.vec(image(h), [5, 7], False, None),
    "upsample_nearest2d.vec": lambda h: A.upsample_nearest2d.vec(image(h), [5, 7], None),
    "view.default": lambda h: A.view(h, [-1, 3, 4]),
    "where.self": lambda h: A.where.self(MASK, h, -h.flip(1)),
}
# Affine, and over the whole batch.
MIXING = {"mean.default": lambda h: A.mean.default(h)}
PIECEWISE = {
    "abs.default": lambda h: A.abs(h),
    "amax.default": lambda h: A.amax(h, [1], True),
    "amin.default": lambda h: A.amin(sequence(h), [1, 2], True),
    "clamp.default": lambda h: A.clamp(h, -0.5, 0.25),
    "clamp.Tensor": lambda h: A.clamp.Tensor(h, WEIGHT[0] - 0.5, WEIGHT[0]),
    "hardtanh.default": lambda h: A.hardtanh(h, -0.5, 0.75),
    "leaky_relu.default": lambda h: A.leaky_relu(h, 0.2),
    "max.dim": lambda h: first(A.max.dim(h, 1, True)),
    "max_pool2d_with_indices.default": lambda h: first(A.max_pool2d_with_indices(image(h), [2, 2], [1, 1])),
    "max_pool3d_with_indices.default": lambda h: first(A.max_pool3d_with_indices(volume(h), [1, 2, 2], [1, 1, 1])),
    "maximum.default": lambda h: A.maximum(h, h.roll(1, 1)),
    "min.dim": lambda h: first(A.min.dim(h, 1, True)),
    "minimum.default": lambda h: A.minimum(h, WEIGHT[0]),
    "relu.default": lambda h: A.relu(h),
    "sort.default": lambda h: first(A.sort(sequence(h), -1)),
    "topk.default": lambda h: first(A.topk(sequence(h), 2, -1)),
}
CURVED = {
    "_cdist_forward.default": lambda h: A._cdist_forward(sequence(h), WEIGHT[:2, :4].expand(rows(h), 2, 4), 2.0, None),
    "_log_softmax.default": lambda h: A._log_softmax(h, 1, False),
    "_native_batch_norm_legit.default": lambda h: first(
        A._native_batch_norm_legit(sequence(h), None, None, MEAN.clone(), VARIANCE.clone(), True, 0.1, 1e-5)
    ),
    "_native_batch_norm_legit.no_stats": lambda h: first(
        A._native_batch_norm_legit.no_stats(sequence(h), None, None, True, 0.1, 1e-5)
    ),
    "_pdist_forward.default": lambda h: A._pdist_forward(h.reshape(-1, 4), 2.0),
    "_softmax.default": lambda h: A._softmax(h, 1, False),
    "acos.default": lambda h: A.acos(h / 8),
    "acosh.default": lambda h: A.acosh(h + 8),
    "asin.default": lambda h: A.asin(h / 8),
    "asinh.default": lambda h: A.asinh(h),
    "atan.default": lambda h: A.atan(h),
    "atan2.default": lambda h: A.atan2(h, h.flip(1) + 8),
    "atanh.default": lambda h: A.atanh(h / 8),
    "cos.default": lambda h: A.cos(h),
    "cosh.default": lambda h: A.cosh(h),
    "elu.default": lambda h: A.elu(h),
    "erf.default": lambda h: A.erf(h),
    "exp.default": lambda h: A.exp(h),
    "expm1.default": lambda h: A.expm1(h),
    "gelu.default": lambda h: A.gelu(h),
    "log.default": lambda h: A.log(h + 8),
    "log10.default": lambda h: A.log10(h + 8),
    "log1p.default": lambda h: A.log1p(h + 8),
    "log2.default": lambda h: A.log2(h + 8),
    "native_group_norm.default": lambda h: first(A.native_group_norm(sequence(h), None, None, rows(h), 3, 4, 1, 1e-5)),
    "native_layer_norm.default": lambda h: first(A.native_layer_norm(h, [12], None, None, 1e-5)),
    "pow.Scalar": lambda h: A.pow.Scalar(2.0, h),
    "pow.Tensor_Scalar": lambda h: A.pow.Tensor_Scalar(h, 2),
    "pow.Tensor_Tensor": lambda h: A.pow.Tensor_Tensor(h + 8, WEIGHT[0] + 2),
    "prod.default": lambda h: A.prod(h[:, :2]),
    "prod.dim_int": lambda h: A.prod.dim_int(sequence(h), 1),
    "reciprocal.default": lambda h: A.reciprocal(h + 8),
    "rsqrt.default": lambda h: A.rsqrt(h + 8),
    "sigmoid.default": lambda h: A.sigmoid(h),
    "sin.default": lambda h: A.sin(h),
    "sinh.default": lambda h: A.sinh(h),
    "sqrt.default": lambda h: A.sqrt(h + 8),
    "tan.default": lambda h: A.tan(h / 8),
    "tanh.default": lambda h: A.tanh(h),
    "var.correction": lambda h: A.var.correction(h, [1]),
    "var.dim": lambda h: A.var.dim(h, [1]),
}
JUMPS = {
    "any.default": lambda h: A.any(h > 1),
    "any.dim": lambda h: A.any.dim(h > 1, 1),
    "any.dims": lambda h: A.any.dims(sequence(h) > 1, [1, 2]),
    "argmax.default": lambda h: A.argmax(h, 1),
    "argmin.default": lambda h: A.argmin(h, 1),
    "bitwise_and.Tensor": lambda h: A.bitwise_and.Tensor(h > 0, h < 1),
    "bitwise_and.Scalar": lambda h: A.bitwise_and.Scalar(h > 0, True),
    "bitwise_not.default": lambda h: A.bitwise_not(h > 0),
    "bitwise_or.Tensor": lambda h: A.bitwise_or.Tensor(h < 0, h > 1),
    "bitwise_or.Scalar": lambda h: A.bitwise_or.Scalar(h < 0, False),
    "bitwise_xor.Tensor": lambda h: A.bitwise_xor.Tensor(h < 0, h < 1),
    "bitwise_xor.Scalar": lambda h: A.bitwise_xor.Scalar(h < 0, True),
    "ceil.default": lambda h: A.ceil(h),
    "div.Scalar_mode": lambda h: A.div.Scalar_mode(h, 1.5, rounding_mode="floor"),
    "div.Tensor_mode": lambda h: A.div.Tensor_mode(h, WEIGHT[0] + 2, rounding_mode="trunc"),
    "eq.Scalar": lambda h: A.eq.Scalar(h.relu(), 0),
    "eq.Tensor": lambda h: A.eq.Tensor(h, h.relu()),
    "floor.default": lambda h: A.floor(h),
    "fmod.Scalar": lambda h: A.fmod.Scalar(h, 1),
    "fmod.Tensor": lambda h: A.fmod.Tensor(h, WEIGHT[0] + 2),
    "ge.Scalar": lambda h: A.ge.Scalar(h, 0),
    "ge.Tensor": lambda h: A.ge.Tensor(h, h.roll(1, 1)),
    "gt.Scalar": lambda h: A.gt.Scalar(h, 0),
    "gt.Tensor": lambda h: A.gt.Tensor(h, h.roll(1, 1)),
    "isinf.default": lambda h: A.isinf(1 / h.relu()),
    "isnan.default": lambda h: A.isnan(h.log()),
    "le.Scalar": lambda h: A.le.Scalar(h, 0),
    "le.Tensor": lambda h: A.le.Tensor(h, WEIGHT[0]),
    "logical_and.default": lambda h: A.logical_and(h > 0, h < 1),
    "logical_not.default": lambda h: A.logical_not(h > 0),
    "logical_or.default": lambda h: A.logical_or(h < 0, h > 1),
    "logical_xor.default": lambda h: A.logical_xor(h < 0, h < 1),
    "lt.Scalar": lambda h: A.lt.Scalar(h, 0),
    "lt.Tensor": lambda h: A.lt.Tensor(h, WEIGHT[0]),
    "ne.Scalar": lambda h: A.ne.Scalar(h.relu(), 0),
    "ne.Tensor": lambda h: A.ne.Tensor(h, h.relu()),
    "remainder.Scalar": lambda h: A.remainder.Scalar(h, 1),
    "remainder.Tensor": lambda h: A.remainder.Tensor(h, WEIGHT[0] + 2),
    "round.default": lambda h: A.round(h),
    "sign.default": lambda h: A.sign(h),
    "trunc.default": lambda h: A.trunc(h),
}
# They make tensors of nothing, or of random numbers; look up whole numbers; ask for sizes; leave memory as it is; have
# results whose shape depends on values; or are derivatives, which no network calls.
NO_FUNCTION = frozenset(
    name
    for line in (
        "arange.start_step full.default scalar_tensor.default empty.memory_format empty_strided.default",
        "resize_.default rand.default randn.default randperm.default embedding.default _embedding_bag.default",
        "_local_scalar_dense.default nonzero.default atan2.out sym_is_contiguous.default sym_numel.default",
        "sym_size.int sym_storage_offset.default sym_stride.int _adaptive_avg_pool2d_backward.default",
        "avg_pool2d_backward.default convolution_backward.default embedding_dense_backward.default",
        "max_pool2d_with_indices_backward.default native_group_norm_backward.default",
        "native_layer_norm_backward.default",
    )
    for name in line.split(" ")
)


def core_operators():
    """The names of PyTorch's core operators, of the version that runs."""
    names = set()
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        if namespace == "aten":
            operator = getattr(getattr(A, name, None), schema.overload_name or "default", None)
            if operator is not None and torch.Tag.core in operator.tags:
                names.add(str(operator).removeprefix("aten."))
    return names
