"""Layers are found by themselves, in the order of execution, whatever the architecture and the spelling."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from splinegeo.complexity import local_complexity, random_frames
from splinegeo.errors import InvalidInputError


def points(n, *shape, seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def vertices(x, radius, dim):
    flat = x.double().flatten(1)
    frames = radius * random_frames(len(x), flat.shape[1], dim)
    both = torch.cat([flat[:, None] + frames, flat[:, None] - frames], 1)
    return both.reshape(-1, *x.shape[1:])


def watched(model, x, radius, dim, *modules):
    """Counts from forward hooks: sign changes in what enters the named activation modules, call by call."""
    model = copy.deepcopy(model).double()
    counts = []

    def hook(module, args):
        values = args[0].reshape(len(x), 2 * dim, -1)
        counts.append(((values.amax(1) > 0) & (values.amin(1) < 0)).sum(1))

    for name in modules:
        model.get_submodule(name).register_forward_pre_hook(hook)
    with torch.no_grad():
        model(vertices(x, radius, dim))
    return torch.stack(counts, 1).numpy()


class Spellings(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        x = F.relu(self.linear(x))
        x = self.linear(x).relu()
        x = torch.relu(self.linear(x))
        x = self.act(self.linear(x))
        x = self.linear(x).relu_()
        x = self.linear(x).clamp(min=0)
        x = self.linear(x).clamp_min_(0)
        x = torch.maximum(self.linear(x), torch.zeros(8, dtype=x.dtype))
        x = F.leaky_relu(self.linear(x), inplace=True)
        return self.linear(F.gelu(self.act(self.linear(x)), approximate="tanh"))


def test_all_spellings_are_found_in_order_and_named_uniquely():
    torch.manual_seed(0)
    result = local_complexity(Spellings(), points(20, 8), radius=0.5, dim=4)
    assert result.layer_names == (
        *("relu", "relu:2", "relu:3", "act", "relu:4", "clamp", "clamp_min", "maximum"),
        *("leaky_relu", "act:2", "gelu"),
    )
    assert (result.counts.sum(0)[:3] > 0).all()


def test_spellings_of_one_function_count_alike():
    torch.manual_seed(0)
    first, second = nn.Linear(8, 30), nn.Linear(30, 30)
    spellings = [
        lambda x: F.relu(x),
        lambda x: x.relu_(),
        lambda x: x.clamp(min=0),
        lambda x: torch.maximum(x, torch.zeros_like(x)),
        lambda x: F.threshold(x, 0, 0),
    ]

    class Model(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.first, self.second, self.act = first, second, act

        def forward(self, x):
            return self.act(self.second(self.act(self.first(x))))

    counts = [local_complexity(Model(act), points(30, 8), radius=0.5, dim=4).counts for act in spellings]
    assert counts[0].sum() > 0
    assert all((c == counts[0]).all() for c in counts)


def test_more_than_ten_layers_stay_in_order():
    torch.manual_seed(0)
    model = nn.Sequential(*[m for _ in range(13) for m in (nn.Linear(6, 6), nn.ReLU())])
    result = local_complexity(model, points(30, 6), radius=2.0, dim=4)
    names = tuple(str(2 * k + 1) for k in range(13))
    assert result.layer_names == names
    assert (result.counts == watched(model, points(30, 6), 2.0, 4, *names)).all()
    some = local_complexity(model, points(30, 6), radius=2.0, dim=4, layers=["21", "3"])
    assert some.layer_names == ("3", "21")
    assert (some.counts == result.counts[:, [1, 10]]).all()


def test_logits_and_softmax_are_no_layers():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(-1))
    assert local_complexity(model, points(3, 6), dim=2).layer_names == ("1",)
    with pytest.raises(InvalidInputError, match="no nonlinearity"):
        local_complexity(nn.Linear(6, 3), points(3, 6), dim=2)


@pytest.mark.parametrize("act", [nn.ReLU(), nn.ReLU(inplace=True), nn.SiLU()])
def test_convolutions(act):
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(2, 6, 3, padding=1), act, nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3), copy.deepcopy(act), nn.Flatten(), nn.Linear(32, 20), copy.deepcopy(act)),
        nn.Linear(20, 4),
    )
    x = points(9, 2, 8, 8)
    result = local_complexity(model, x, radius=0.3, dim=10)
    assert result.layer_names == ("1", "4", "7")
    assert (result.counts == watched(model, x, 0.3, 10, "1", "4", "7")).all()
    assert result.counts.sum() > 0


class Residual(nn.Module):
    def __init__(self, width, norm, inplace):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=not norm)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=not norm)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width) if norm else nn.Identity() for _ in range(2)])
        self.relu = nn.ReLU(inplace=inplace)

    def forward(self, x):
        y = self.relu(self.norms[0](self.first(x)))
        y = self.norms[1](self.second(y))
        y += x
        return self.relu(y)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_residual_inputs_are_counted_as_they_enter_the_nonlinearity(norm, inplace):
    torch.manual_seed(0)
    model = nn.Sequential(Residual(3, norm, inplace), Residual(3, norm, inplace)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    x = points(8, 3, 5, 5)
    result = local_complexity(model, x, radius=0.3, dim=10)
    assert result.layer_names == ("0.relu", "0.relu:2", "1.relu", "1.relu:2")
    assert (result.counts == watched(model, x, 0.3, 10, "0.relu", "1.relu")).all()


def test_in_place_on_a_view_of_the_input_does_not_confuse():
    """Flatten shares memory with its input: what follows must see the change, and only there."""

    class Views(nn.Module):
        def forward(self, x):
            F.relu_(x.view(len(x), -1))
            return F.gelu(x - 0.1)

    x = points(20, 2, 3)
    v = vertices(x, 0.8, 3).reshape(20, 6, 6)
    expected = [((z.amax(1) > 0) & (z.amin(1) < 0)).sum(1) for z in (v, v.clamp_min(0) - 0.1)]
    counts = local_complexity(Views(), x.double(), radius=0.8, dim=3).counts
    assert (counts == torch.stack(expected, 1).numpy()).all()


class Block(nn.Module):
    def __init__(self, width, batch_first):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=batch_first)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.up, self.act, self.down = nn.Linear(width, 24), nn.GELU(), nn.Linear(24, width)

    def forward(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.norms[1](x))))


def test_transformers_count_the_units_of_their_mlp_blocks():
    torch.manual_seed(0)
    model = nn.Sequential(Block(8, True), Block(8, True)).eval()
    x = points(10, 5, 8)
    result = local_complexity(model, x, radius=0.3, dim=10)
    assert result.layer_names == ("0.act", "1.act")
    assert (result.counts == watched(model, x, 0.3, 10, "0.act", "1.act")).all()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_fused_encoder_layers_hide_nothing(activation):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 24, activation=activation, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    result = local_complexity(model, points(6, 5, 8), radius=0.3, dim=10)
    assert result.layer_names == tuple(f"layers.{k}.{activation}" for k in range(2))
    assert result.total.sum() > 0


def test_a_batch_axis_behind_the_tokens_is_found():
    torch.manual_seed(0)
    block = Block(8, False).eval()

    class TokensFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = block

        def forward(self, x):
            return self.block(x.transpose(0, 1))

    twin = copy.deepcopy(block)
    twin.attention.batch_first = True
    x = points(6, 5, 8)
    a = local_complexity(TokensFirst(), x, radius=0.3, dim=10)
    b = local_complexity(twin, x, radius=0.3, dim=10)
    assert (a.layer_names, b.layer_names) == (("block.act",), ("act",))
    assert (a.counts == b.counts).all()
    with pytest.raises(InvalidInputError, match="mixes the points"):
        local_complexity(block, x, radius=0.3, dim=10)


def test_gates_count_where_their_argument_changes_sign():
    model, x = nn.Sequential(nn.Linear(6, 20), nn.GLU()).double(), points(30, 6).double()
    with torch.no_grad():
        z = model[0](vertices(x, 0.5, 3)).reshape(30, 6, 20)[..., 10:]
    expected = ((z.amax(1) > 0) & (z.amin(1) < 0)).sum(1)
    assert (local_complexity(model, x, radius=0.5, dim=3).total == expected.numpy()).all()


def test_nonlinearities_of_constants_are_no_layers():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.linear = nn.Parameter(torch.ones(6)), nn.Linear(6, 6)

        def forward(self, x):
            return F.relu(self.linear(x * F.softplus(self.scale)))

    assert local_complexity(Scaled(), points(5, 6), dim=2).layer_names == ("relu",)


def test_instance_norm_does_not_mix_points():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(2, 4, 1), nn.InstanceNorm1d(4), nn.ReLU())
    x = points(7, 2, 6)
    result = local_complexity(model, x, radius=0.3, dim=4)
    assert (result.counts == watched(model, x, 0.3, 4, "2")).all()


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(8), nn.Dropout(), nn.BatchNorm1d(8, track_running_stats=False)])
def test_training_mode_is_refused_with_the_path_of_the_layer(layer):
    model = nn.Sequential(nn.Linear(6, 8), layer, nn.ReLU())
    state = copy.deepcopy(model.state_dict())
    with pytest.raises(InvalidInputError, match=r"'1' .*eval"):
        local_complexity(model, points(5, 6), dim=2)
    assert all(torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    "forward",
    [
        lambda h: F.dropout(h, 0.5, training=True),
        lambda h: h + torch.randn_like(h),
        lambda h: F.batch_norm(h, None, None, training=True),
        lambda h: h - h.mean(0),
        lambda h: h / len(h),
        lambda h: h @ h.T,
    ],
)
def test_mixing_of_points_is_refused_however_it_is_written(forward):
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 8)

        def forward(self, x):
            return F.relu(forward(self.linear(x)))

    model, state = Mixing(), torch.get_rng_state()
    with pytest.raises(InvalidInputError, match=r"mixes|batch statistics or random"):
        local_complexity(model, points(5, 6), dim=2)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("more", [F.relu, F.gelu, lambda x: x])
def test_layers_that_depend_on_the_values_of_the_input_are_refused(more):
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 6)

        def forward(self, x):
            calm = x.abs().max() < 100
            x = F.relu(self.linear(x)) if calm else more(self.linear(x))
            return F.silu(self.linear(x))

    x = torch.cat([points(5, 6), 200 * torch.ones(1, 6)])
    if more is F.relu:
        assert local_complexity(Moody(), x, dim=2, layers=["relu", "silu"]).counts.shape == (6, 2)
    else:
        with pytest.raises(InvalidInputError, match=r"executes (other|fewer) layers"):
            local_complexity(Moody(), x, dim=2, layers=["relu", "silu"])


def test_the_model_stops_behind_the_last_layer_that_counts():
    class Counting(nn.Linear):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return super().forward(x)

    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), Counting(6, 6))
    local_complexity(model, points(5, 6), dim=2)
    assert Counting.calls == 2, "only the two runs that find the layers go to the end"


def test_lazy_layers_without_weights_are_refused():
    with pytest.raises(InvalidInputError, match="lazy"):
        local_complexity(nn.Sequential(nn.LazyLinear(4), nn.ReLU()), points(5, 6), dim=2)


def test_shared_modules_and_autocast_do_not_matter():
    torch.manual_seed(0)
    act = nn.ReLU()
    model, x = nn.Sequential(nn.Linear(6, 9), act, nn.Linear(9, 9), act), points(12, 6)
    plain = local_complexity(model, x, radius=0.5, dim=3)
    assert plain.layer_names == ("1", "1:2")
    with torch.autocast("cpu"):
        assert (local_complexity(model, x, radius=0.5, dim=3).counts == plain.counts).all()
