"""PGD: exact on affine models, within its ball, and the same as foolbox's, step by step."""

import warnings
from functools import partial

import pytest
import torch
from splinegeo.validation import load_digits
from torch import nn

import splinegeo as sg
from splinegeo.dynamics.classifier import LOSSES

from .conftest import small_model

EPSILONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


@pytest.fixture(scope="module")
def digits():
    return load_digits(1000)


def mlp():
    return nn.Sequential(nn.Linear(784, 60), nn.ReLU(), nn.Linear(60, 60), nn.ReLU(), nn.Linear(60, 10))


@pytest.fixture(scope="module")
def network(digits):
    """A real network on real digits, trained until it is right on nearly all of its training set."""
    torch.manual_seed(0)
    model = mlp()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(digits.train_x), digits.train_y).backward()
        optimizer.step()
    assert (model(digits.train_x).argmax(1) == digits.train_y).double().mean() > 0.95
    return model


def affine(n_in, n_out, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(n_in, n_out).double()


def margins(model, x, y):
    z = model(x)
    own = z.gather(1, y[:, None])
    return (own - z).scatter(1, y[:, None], torch.inf)


@pytest.mark.parametrize("random_start", [False, True])
def test_the_margin_of_an_affine_model_falls_by_eps_times_the_l1_norm(random_start):
    model, x = affine(30, 2), torch.rand(50, 30, dtype=torch.float64)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([9.0, -9.0]))  # far from the boundary: nothing is misclassified on the way
        y = torch.zeros(50, dtype=torch.int64)
        for eps in (0.01, 0.3):
            options = {"eps": eps, "n_steps": 7, "bounds": None, "random_start": random_start}
            attacked = sg.pgd_attack(model, x, y, **options)
            fall = margins(model, x, y) - margins(model, attacked, y)
            expected = eps * (model.weight[0] - model.weight[1]).abs().sum()
            assert torch.allclose(fall[:, 1], expected.expand(50), rtol=1e-12)


@pytest.mark.parametrize("loss", ["margin", "cross_entropy"])
@pytest.mark.parametrize("labels", ["01", "signs"])
def test_one_output_classifies_by_its_sign(labels, loss):
    model, x = affine(30, 1), torch.rand(300, 30, dtype=torch.float64)
    with torch.no_grad():
        z = model(x)[:, 0]
        positive, norm = z > 0, model.weight.abs().sum()
        assert 0.05 < positive.double().mean() < 0.95
    y = positive.long() if labels == "01" else 2 * positive.long() - 1
    for eps in (0.0, 0.01, 0.03, 0.1):
        truth = (z.abs() > eps * norm).double().mean().item()
        assert sg.robust_accuracy(model, x, y, eps=eps, n_steps=5, bounds=None, loss=loss) == truth
    assert sg.robust_accuracy(model, x, 1 - y if labels == "01" else -y, eps=0, n_steps=1) == 0
    flat = nn.Sequential(model, nn.Flatten(0))
    assert sg.robust_accuracy(flat, x, y, eps=0.03, n_steps=5) > 0


@pytest.mark.parametrize(("scale", "slack"), [(1, 0.05), (100, 0.005)])
def test_accuracy_of_affine_models_is_the_true_one(scale, slack):
    """With many classes PGD is an upper bound of z_y − z_j > ε‖w_y − w_j‖₁ for all j, close where logits are large."""
    model, x = affine(30, 10, seed=1), torch.rand(1000, 30, dtype=torch.float64)
    with torch.no_grad():
        model.weight *= scale
        model.bias *= scale
        y = model(x).argmax(1)
        norms = (model.weight[y][:, None] - model.weight[None]).abs().sum(2)
        for eps in (0.005, 0.01, 0.02):
            truth = (margins(model, x, y) > eps * norms).all(1).double().mean().item()
            found = sg.robust_accuracy(model, x, y, eps=eps, n_steps=20, bounds=None, attack="pgd")
            assert 0.1 < truth <= found <= truth + slack


def test_accuracy_falls_with_eps_from_the_clean_one(network, digits):
    x, y = digits.test_x[:400], digits.test_y[:400]
    clean = (network(x).argmax(1) == y).double().mean().item()
    found = [sg.robust_accuracy(network, x, y, eps=eps, n_steps=10) for eps in EPSILONS]
    assert found[0] == clean
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.1 < 0.5 < found[1]


def test_more_steps_of_one_size_never_help_the_model(network, digits):
    x, y = digits.test_x[:400], digits.test_y[:400]
    found = [sg.robust_accuracy(network, x, y, eps=0.03, n_steps=n, step_size=0.01) for n in (1, 2, 3, 5, 9)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-0.1, 1.2), None])
def test_attacks_stay_in_the_ball_and_the_bounds(network, digits, bounds):
    x, y = digits.test_x[:200], digits.test_y[:200]
    attacked = sg.pgd_attack(network, x, y, eps=0.1, n_steps=10, bounds=bounds)
    assert (attacked - x).abs().max() <= 0.1 + 1e-7
    if bounds is not None:
        assert bounds[0] <= attacked.min() < attacked.max() <= bounds[1]
    robust = (network(attacked).argmax(1) == y).double().mean().item()
    found = sg.robust_accuracy(network, x, y, eps=0.1, n_steps=10, bounds=bounds, attack="pgd")
    assert robust == pytest.approx(found, abs=0.006)
    wrong = network(x).argmax(1) != y
    assert wrong.any()
    assert torch.equal(attacked[wrong], x[wrong])


def test_bounds_may_differ_between_features():
    model, x = affine(4, 2), torch.full((5, 4), 0.5, dtype=torch.float64)
    low, high = torch.tensor([0.5, 0.0, 0.4, 0.0]), torch.tensor([0.5, 1.0, 0.6, 1.0])
    y = model(x).argmax(1)
    attacked = sg.pgd_attack(model, x, y, eps=0.3, n_steps=5, bounds=(low, high))
    assert (attacked[:, 0] == 0.5).all()
    assert (attacked >= low).all()
    assert (attacked <= high.double() + 1e-7).all()


def test_results_repeat_and_do_not_depend_on_the_batch_size(network, digits):
    x, y = digits.test_x[:60].double(), digits.test_y[:60]
    model = mlp().double()
    model.load_state_dict(network.state_dict())
    options = {"eps": 0.03, "n_steps": 8}
    robust = partial(sg.robust_accuracy, attack="pgd", rng=4, **options)
    whole = sg.pgd_attack(model, x, y, rng=4, **options)
    for size in (1, 7, 60):
        again = sg.pgd_attack(model, x, y, rng=4, batch_size=size, **options)
        assert (whole - again).abs().max() < 1e-12
        assert robust(model, x, y, batch_size=size) == robust(model, x, y)
    assert not torch.equal(whole, sg.pgd_attack(model, x, y, rng=5, **options))
    assert torch.equal(whole, sg.pgd_attack(model, x, y, rng=4, **options))
    single = [robust(network, x, y, batch_size=size) for size in (1, 7, 60)]
    assert max(single) - min(single) <= 1 / 60


def test_nothing_of_the_callers_changes():
    model, x = small_model(), torch.rand(20, 6, requires_grad=True)
    model[4].eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    modes, state = [m.training for m in model.modules()], torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    y = torch.randint(3, (20,), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        first = sg.robust_accuracy(model, x, y, eps=0.1, n_steps=4)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert sg.robust_accuracy(model, x, y, eps=0.1, n_steps=4) == first
    assert modes == [m.training for m in model.modules()]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert (model[0].weight.grad == 1).all()
    assert all(p.grad is None for p in list(model.parameters())[1:])
    assert x.grad is None


def test_models_may_write_to_their_input():
    torch.manual_seed(0)
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 3))
    x = torch.rand(20, 6)
    y, before = model(x.clone()).argmax(1), x.clone()
    assert sg.robust_accuracy(model, x, y, eps=0.5, n_steps=5) < 1
    assert torch.equal(x, before)


def surer(network, factor):
    """The same decisions from logits that are `factor` times as large."""
    model = nn.Sequential(*network, nn.Linear(10, 10, bias=False))
    with torch.no_grad():
        model[-1].weight.copy_(factor * torch.eye(10))
    return model.eval()


def test_a_network_that_is_sure_of_itself_is_not_spared(network, digits):
    """Larger logits change no decision, but round the gradient of the cross-entropy, which then finds far less."""
    x, y = digits.test_x[:300], digits.test_y[:300]
    options = {"eps": 0.05, "n_steps": 10, "attack": "pgd"}
    as_it_is = sg.robust_accuracy(network, x, y, **options)
    assert as_it_is < 0.6
    assert sg.robust_accuracy(network, x, y, loss="cross_entropy", **options) == pytest.approx(as_it_is, abs=0.02)
    for factor in (30, 1000):
        sure = surer(network, factor)
        assert sg.robust_accuracy(sure, x, y, **options) == pytest.approx(as_it_is, abs=0.05)
        assert sg.robust_accuracy(sure, x, y, loss="cross_entropy", **options) > as_it_is + 0.15


def test_the_losses_have_the_same_signs_in_exact_arithmetic():
    z = torch.randn(50, 10, dtype=torch.float64, requires_grad=True)
    y = torch.arange(50) % 10
    gradients = [torch.autograd.grad(loss(z, y).sum(), z)[0] for loss in LOSSES.values()]
    assert torch.equal(*(gradient.sign() for gradient in gradients))
    assert torch.allclose(LOSSES["cross_entropy"](z, y), nn.functional.softplus(LOSSES["margin"](z, y)))


def test_foolbox_finds_the_same_points_step_by_step(network, digits):
    """Without a random start, what is first misclassified at step k is foolbox's result of k steps."""
    foolbox = import_foolbox()
    x, y = digits.test_x[:200], digits.test_y[:200]
    witness = foolbox.PyTorchModel(network.eval(), bounds=(0, 1))
    n_steps, options = 6, {"eps": 0.03, "step_size": 0.008, "loss": "cross_entropy"}
    attacked = sg.pgd_attack(network, x, y, n_steps=n_steps, random_start=False, **options)
    open_, seen = network(x).argmax(1) == y, 0
    for k in range(1, n_steps + 1):
        attack = foolbox.attacks.LinfPGD(abs_stepsize=0.008, steps=k, random_start=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs, _, _ = attack(witness, x, y, epsilons=0.03)
        fooled = open_ & (network(theirs).argmax(1) != y)
        here = open_ if k == n_steps else fooled
        # A gradient that rounds to another sign in another batch moves a pixel by up to two steps.
        same = ((attacked[here] - theirs[here]).abs() < 1e-6).double().mean(1)
        assert same.min() > 0.97 if len(same) else True
        seen += len(same)
        open_ = open_ & ~fooled
    assert seen > 150


@pytest.mark.parametrize(("factor", "slack"), [(1, 0.02), (30, 0.06)])
def test_accuracies_are_foolboxes(network, digits, factor, slack):
    """Whose loss is the cross-entropy; also for networks that it spares, where rounding decides in part."""
    foolbox = import_foolbox()
    x, y, model = digits.test_x[:400], digits.test_y[:400], surer(network, factor)
    witness = foolbox.PyTorchModel(model, bounds=(0, 1))
    torch.manual_seed(0)
    for eps in EPSILONS[1:]:
        attack = foolbox.attacks.LinfPGD(abs_stepsize=2.5 * eps / 20, steps=20)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, _, fooled = attack(witness, x, y, epsilons=eps)
        theirs = 1 - fooled.double().mean().item()
        ours = sg.robust_accuracy(model, x, y, eps=eps, n_steps=20, loss="cross_entropy")
        assert ours == pytest.approx(theirs, abs=slack)


def import_foolbox():
    with warnings.catch_warnings():  # its own imports
        warnings.simplefilter("ignore")
        return pytest.importorskip("foolbox")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": -0.1}, "eps"),
        ({"eps": float("nan")}, "eps"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 1.5}, "n_steps"),
        ({"step_size": 0.0}, "step_size"),
        ({"step_size": -1.0}, "step_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"rng": -1}, "rng"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"bounds": (0.0, 0.5)}, "leave the bounds"),
        ({"y": torch.tensor([0, 1, 3])}, "labels lie between 0 and 3"),
        ({"y": torch.tensor([0, -1, 1])}, "labels lie between -1 and 1"),
        ({"y": torch.tensor([0, 1])}, "3 integer labels"),
        ({"y": torch.tensor([0.0, 1.0, 2.0])}, "3 integer labels"),
        ({"x": torch.zeros(3, 6, dtype=torch.int64)}, "floating-point"),
        ({"x": torch.full((3, 6), 0.5).index_fill(0, torch.tensor([1]), torch.nan)}, "NaN"),
        ({"model": nn.Flatten(0)}, "classifier must return"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    x = torch.linspace(0, 1, 18).view(3, 6)
    arguments = {"model": small_model(), "x": x, "y": torch.tensor([0, 1, 2]), "eps": 0.1, "n_steps": 2, **change}
    if "loss" in change or "step_size" in change:
        arguments["attack"] = "pgd"
    with pytest.raises(sg.SplineGeoError, match=message):
        sg.robust_accuracy(**arguments)
