"""What is not piecewise affine is refused in one sentence, which names an `until` that works."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import splinegeo as sg

from .zoo import Written, between

SQUARE = sg.Slice.box((-3, 3), (-3, 3))


def after_a_block(operator, **children):
    """Something after a block that is piecewise affine; it stands in the module `bad`."""
    return Written(
        lambda m, x: m.last(m.bad(m.block(x))),
        block=nn.Sequential(nn.Linear(2, 6), nn.ReLU()),
        bad=Written(operator, **children),
        last=nn.Linear(6, 2),
    )


def _attention():
    attention = nn.MultiheadAttention(3, 1, batch_first=True)
    return after_a_block(lambda m, h: m.inner(*[h.view(-1, 2, 3)] * 3)[0].flatten(1), inner=attention)


# what the message says -> the operation after the block
REFUSED = {
    "'softmax'": lambda m, h: h.softmax(dim=1),
    "'log_softmax'": lambda m, h: F.log_softmax(h, dim=1),
    "'gelu'": lambda m, h: F.gelu(h),
    "'silu'": lambda m, h: F.silu(h),
    "'tanh'": lambda m, h: torch.tanh(h),
    "'sigmoid'": lambda m, h: h.sigmoid(),
    "'hardswish'": lambda m, h: F.hardswish(h),
    "'elu'": lambda m, h: F.elu(h),
    "'softplus'": lambda m, h: F.softplus(h),
    "'layer_norm'": lambda m, h: F.layer_norm(h, (6,)),
    "'group_norm'": lambda m, h: F.group_norm(h, 2),
    "'pow'": lambda m, h: h**2,
    "'exp'": lambda m, h: h.exp(),
    "'sqrt'": lambda m, h: h.abs().sqrt(),
    "product of two activations ('mul')": lambda m, h: h * h.flip(1),
    "product of two activations ('matmul')": lambda m, h: (h[:, None] @ h[:, :, None]).view(-1, 1) + h,
    "product of two activations ('prelu')": lambda m, h: F.prelu(h.mT, h.mean(1)).mT,
    "'div'": lambda m, h: h / (h + 1),
    "'reciprocal'": lambda m, h: h + 1 / (h + 1),
    "'floor'": lambda m, h: h.floor(),
    "'round'": lambda m, h: h.round(),
    "'sign'": lambda m, h: h.sign(),
    "'remainder'": lambda m, h: h % 1,
    "'div' in module 'bad' is not piecewise affine (rounds, so it jumps)": lambda m, h: torch.div(
        h, 2, rounding_mode="floor"
    ),
    "its result is int64": lambda m, h: h.long().to(h.dtype),
    "its result is bool": lambda m, h: h.bool().to(h.dtype),
    "'threshold' in module 'bad' is not piecewise affine (jumps from 0.5 to 0.25 at 0.25)": lambda m, h: F.threshold(
        h, 0.25, 0.5
    ),
    "'gt'": lambda m, h: torch.where(h > 0, h, 0.5 * h),
    "'hardshrink' in module 'bad' is not piecewise affine (it jumps)": lambda m, h: F.hardshrink(h),
    "'argmax'": lambda m, h: h + h.argmax(dim=1, keepdim=True),
    "positions that 'max_pool1d_with_indices'": lambda m, h: (
        h[:, None] + F.max_pool1d(h[:, None], 2, return_indices=True)[1].repeat(1, 1, 2)
    ).flatten(1),
    "positions that 'max.dim'": lambda m, h: h + h.max(dim=1, keepdim=True)[1],
    "positions that 'sort'": lambda m, h: h + h.sort(dim=1)[1],
    "positions that 'topk'": lambda m, h: h.gather(1, h.topk(2, dim=1)[1]).repeat(1, 3),
    "'sort' in module 'bad' is not piecewise affine in one piece": lambda m, h: h.repeat(1, 11).sort(dim=1)[0][:, :6],
    "'linalg_vector_norm'": lambda m, h: h / h.norm(dim=1, keepdim=True),
    "'native_dropout' in module 'bad' is not piecewise affine (is in training mode": lambda m, h: F.dropout(h),
    "'rrelu' in module 'bad' is not piecewise affine (is in training mode": lambda m, h: F.rrelu(h, training=True),
    "batch_norm": lambda m, h: F.batch_norm(h, None, None, training=True),
}


def refuse_and_follow(model, domain=SQUARE):
    """The message of the refusal, after its advice was followed with success."""
    with pytest.raises(sg.NotPiecewiseAffineError) as caught:
        sg.compute_partition(model, domain)
    message = str(caught.value)
    assert "\n" not in message
    (until,) = re.findall(r"until='([^']+)' stops before it", message)
    part = sg.compute_partition(model, domain, until=until)
    assert part.n_regions > 1
    assert part.check().ok
    return message, until


# Those that the fast tests try; the others are of the same kinds.
FAST = ("softmax", "gelu", "'mul'", "prelu", "'div'", "int64", "threshold", "'gt'", "max.dim")


@pytest.mark.parametrize(
    "name", [n if any(word in n for word in FAST) else pytest.param(n, marks=pytest.mark.slow) for n in REFUSED]
)
def test_refusals_name_operator_module_and_an_until_that_works(name):
    torch.manual_seed(0)
    message, until = refuse_and_follow(after_a_block(REFUSED[name]))
    assert name in message
    assert "module 'bad'" in message
    assert until == "block.1"


def test_attention_is_refused_inside_its_module():
    message, until = refuse_and_follow(_attention())
    assert "module 'bad.inner'" in message
    assert until == "block.1"


@pytest.mark.parametrize("layer", [nn.GELU(), nn.SiLU(), nn.Softmax(1), nn.LayerNorm(6), nn.Mish(), nn.GLU()])
def test_modules_of_pytorch_are_refused_by_their_path(layer):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 6), layer))
    message, until = refuse_and_follow(model)
    assert "module '2.1'" in message
    assert until == "2.0"


def test_the_advice_never_names_a_module_that_is_entered_again():
    """`act` is used before and after the softmax, so `until='act'` would not stop before it."""
    torch.manual_seed(0)
    model = Written(
        lambda m, x: m.act(m.second(m.act(m.first(x)).softmax(1))),
        first=nn.Linear(2, 4),
        second=nn.Linear(4, 4),
        act=nn.LeakyReLU(),
    )
    with pytest.raises(sg.NotPiecewiseAffineError, match="until='first' stops before it"):
        sg.compute_partition(model, SQUARE)
    assert sg.compute_partition(model, SQUARE, until="first").n_regions == 1


def test_nothing_is_advised_where_nothing_ends_before():
    with pytest.raises(sg.NotPiecewiseAffineError, match="'exp' is not piecewise affine; no submodule ends before it"):
        sg.compute_partition(Written(lambda m, x: torch.exp(x)), SQUARE)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(6), nn.Dropout(0.5), nn.AlphaDropout(0.1), nn.RReLU()])
def test_training_mode_is_refused(layer):
    model = nn.Sequential(nn.Linear(2, 6), layer)
    with pytest.raises(sg.NotPiecewiseAffineError, match=r"'1' is in training mode.*model.eval\(\)"):
        sg.compute_partition(model, SQUARE)
    sg.compute_partition(model.eval(), SQUARE)


def test_batch_norm_without_statistics_is_refused_even_in_eval_mode():
    model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.BatchNorm1d(6, track_running_stats=False)).eval()
    message, until = refuse_and_follow(model)
    assert "batch_norm" in message
    assert until == "1"


def _if_positive(m, x):
    return x if x.sum() > 0 else 2 * x


def _while_small(m, x):
    while x.norm() >= 0:
        x = x - 1
        if x.sum() < -20:
            break
    return x


@pytest.mark.parametrize("forward", [_if_positive, _while_small, lambda m, x: x * float(x[0, 0])])
def test_control_flow_on_the_data_cannot_be_captured(forward):
    with pytest.raises(sg.CaptureError, match=r"torch\.export cannot follow Written: .*control flow"):
        sg.compute_partition(Written(forward), SQUARE)


def test_a_fixed_batch_size_is_named_as_such():
    with pytest.raises(sg.CaptureError, match="fixes the size of the batch"):
        sg.compute_partition(Written(lambda m, x: torch.relu(x.reshape(len(x), -1))), SQUARE)


@pytest.mark.parametrize(
    ("mix", "operator"),
    [
        (lambda m, x: torch.relu(x - x.mean(0)), "mean"),
        (lambda m, x: x - x.sum(dim=0, keepdim=True), "sum"),
        (lambda m, x: torch.relu(x + x.flip(0)), "flip"),
        (lambda m, x: x.cumsum(0), "cumsum"),
        (lambda m, x: x - x.amax(0), "amax"),
        (lambda m, x: x / 2 - x.amax(), "amax"),
        (lambda m, x: x.roll(1, 0), "roll"),
        (lambda m, x: x - x.max(dim=0)[0], "max.dim"),
    ],
)
def test_modules_that_mix_the_batch_are_refused_by_name(mix, operator):
    with pytest.raises(sg.CaptureError, match=f"'{operator}'"):
        sg.compute_partition(Written(mix), SQUARE)


def test_random_numbers_are_refused():
    with pytest.raises(sg.CaptureError, match="random numbers"):
        sg.compute_partition(Written(lambda m, x: x + torch.rand(2)), SQUARE)


@pytest.mark.parametrize(
    "output",
    [
        lambda m, x: (x, m.layer(x)),
        lambda m, x: (m.layer(x),),
        lambda m, x: {"logits": m.layer(x)},
        lambda m, x: [m.layer(x), 3],
        lambda m, x: None,
        lambda m, x: m.layer.bias,
        lambda m, x: m.layer(x).sum(),
    ],
)
def test_the_model_returns_one_tensor_with_one_row_per_input(output):
    with pytest.raises(sg.InvalidInputError, match="must return one"):
        sg.compute_partition(Written(output, layer=nn.Linear(2, 2)), SQUARE)


def test_until_reaches_into_a_model_with_several_outputs():
    model = Written(lambda m, x: (m.layer(x), x.exp()), layer=nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    assert sg.compute_partition(model, SQUARE, until="layer").check().ok


def test_wrong_shapes_are_refused_with_the_shape():
    for model, domain in ((between(F.relu), sg.Slice.around(np.zeros(3), 1)), (nn.Conv2d(1, 1, 3), SQUARE)):
        shape = re.escape(str(("n", *domain.input_shape)).replace("'", ""))
        with pytest.raises(sg.InvalidInputError, match=f"does not accept inputs of shape {shape}: .+"):
            sg.compute_partition(model, domain)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["first.weight", "last.bias"])
def test_weights_that_are_not_finite_are_named(value, where):
    model = between(F.relu)
    with torch.no_grad():
        model.get_parameter(where).view(-1)[0] = value
    with pytest.raises(sg.NonFiniteError, match=f"'{where}' contains NaN or infinity"):
        sg.compute_partition(model, SQUARE)
    states = [between(F.relu).state_dict(), model.state_dict()]
    with pytest.raises(sg.NonFiniteError, match=where):
        sg.compute_partitions(between(F.relu), SQUARE, states=states)


def test_unknown_and_idle_submodules_are_refused():
    model = nn.Sequential(nn.Linear(2, 3), nn.Identity(), nn.Dropout(), nn.ReLU()).eval()
    with pytest.raises(sg.InvalidInputError, match="no submodule 'head'; it has '0', '1'"):
        sg.compute_partition(model, SQUARE, until="head")
    with pytest.raises(sg.InvalidInputError, match="submodule '1' computes nothing"):
        sg.compute_partition(model, SQUARE, until="1")


def test_a_state_dict_of_another_architecture_is_refused():
    with pytest.raises((sg.InvalidInputError, RuntimeError), match="do not fit"):
        sg.compute_partitions(between(F.relu), SQUARE, states=[between(F.relu, 7).state_dict()])


@pytest.mark.parametrize("model", [None, lambda x: x, torch.zeros(2)])
def test_only_modules_are_models(model):
    with pytest.raises(TypeError, match=r"must be a torch.nn.Module"):
        sg.compute_partition(model, SQUARE)


def test_every_refusal_is_a_splinegeo_error():
    for error in (sg.NotPiecewiseAffineError, sg.CaptureError, sg.InvalidInputError, sg.NonFiniteError):
        assert issubclass(error, sg.SplineGeoError)
