"""APGD, Square, transfer: exact on affine models, never weaker than PGD, blind or not where cells are flat."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from splinegeo.validation import load_digits, mlp, train
from torch import nn

import splinegeo as sg


@pytest.fixture(scope="module")
def digits():
    return load_digits(1000)


@pytest.fixture(scope="module")
def network(digits):
    model = mlp(784, 60, 60, 10, seed=0)
    train(model, digits, [150])
    return model.eval()


def affine(n_in, n_out, seed=0):
    torch.manual_seed(seed)
    return nn.Linear(n_in, n_out).double()


@pytest.mark.parametrize("scale", [1, 100])
def test_targeted_accuracy_of_affine_models_is_the_true_one(scale):
    """z_y − z_j > ε‖w_y − w_j‖₁ for all j; PGD, whose gradient mixes the classes, leaves a slack there."""
    model, x = affine(30, 10, seed=1), torch.rand(500, 30, dtype=torch.float64)
    with torch.no_grad():
        model.weight *= scale
        model.bias *= scale
        z = model(x)
        y = z.argmax(1)
        norms = (model.weight[y][:, None] - model.weight[None]).abs().sum(2)
        lead = (z.gather(1, y[:, None]) - z).scatter(1, y[:, None], torch.inf)
    for eps in (0.005, 0.01, 0.02):
        truth = (lead > eps * norms).all(1).double().mean().item()
        assert sg.robust_accuracy(model, x, y, eps=eps, n_steps=5, bounds=None) == truth
        assert truth <= sg.robust_accuracy(model, x, y, eps=eps, n_queries=300, bounds=None, attack="square") < 1


def test_one_output_classifies_by_its_sign():
    model, x = affine(30, 1), torch.rand(200, 30, dtype=torch.float64)
    with torch.no_grad():
        z = model(x)[:, 0]
        truth = (z.abs() > 0.03 * model.weight.abs().sum()).double().mean().item()
    for y in ((z > 0).long(), 2 * (z > 0).long() - 1):
        assert sg.robust_accuracy(model, x, y, eps=0.03, n_steps=5, bounds=None) == truth
        assert sg.robust_accuracy(model, x, y, eps=0.03, bounds=None, attack="square", n_queries=200) >= truth


ATTACKS = {"apgd": partial(sg.apgd_attack, n_steps=20), "square": partial(sg.square_attack, n_queries=60)}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), None])
def test_attacks_stay_in_the_ball_and_the_bounds_and_find_what_is_counted(network, digits, name, bounds):
    x, y = digits.test_x[:150], digits.test_y[:150]
    found = ATTACKS[name](network, x, y, eps=0.1, bounds=bounds)
    assert (found - x).abs().max() <= 0.1 + 1e-7
    if bounds:
        assert 0 <= found.min() < found.max() <= 1
    wrong = network(x).argmax(1) != y
    assert torch.equal(found[wrong], x[wrong])
    robust = (network(found).argmax(1) == y).double().mean().item()
    options = {"n_steps": 20} if name == "apgd" else {"n_queries": 60}
    counted = sg.robust_accuracy(network, x, y, eps=0.1, bounds=bounds, attack=name, **options)
    assert robust == pytest.approx(counted, abs=0.01)
    assert counted < (~wrong).double().mean()


@pytest.mark.parametrize("name", ATTACKS)
def test_results_repeat_and_do_not_depend_on_the_batch_size(network, digits, name):
    model = mlp(784, 60, 60, 10).double()
    model.load_state_dict(network.state_dict())
    x, y = digits.test_x[:40], digits.test_y[:40]
    whole = ATTACKS[name](model, x, y, eps=0.03, rng=4)
    for size in (1, 7):
        # Other batches round otherwise, and a sign may turn on it: by far most pixels are the same.
        same = (whole - ATTACKS[name](model, x, y, eps=0.03, rng=4, batch_size=size)).abs() < 1e-9
        assert same.double().mean() > 0.98
    assert torch.equal(whole, ATTACKS[name](model, x, y, eps=0.03, rng=4))
    assert not torch.equal(whole, ATTACKS[name](model, x, y, eps=0.03, rng=5))


def test_apgd_leaves_no_more_than_pgd_and_further_attacks_no_more_than_one(network, digits):
    x, y = digits.test_x[:200], digits.test_y[:200]
    for eps in (0.03, 0.06):
        weak = sg.robust_accuracy(network, x, y, eps=eps, n_steps=20, attack="pgd")
        both = sg.robust_accuracy(network, x, y, eps=eps, n_steps=20, attack=("apgd", "pgd", "square"), n_queries=50)
        assert both.by_attack["apgd"] <= weak == both.by_attack["pgd"]
        assert both <= min(both.by_attack.values())
        assert both.vanishing_gradients == 0


class Plateaus(nn.Module):
    """Two classes by the mean of the pixels; `steep` makes the outputs flat everywhere but close to the boundary."""

    def __init__(self, steep):
        super().__init__()
        self.steep = nn.Parameter(torch.tensor(steep))

    def forward(self, x):
        u = (x.flatten(1).mean(1) - 0.5) * self.steep
        return torch.stack([-u, u], 1).clamp(-1, 1)


def test_flat_cells_hide_from_gradients_but_not_from_square_or_transfer():
    generator = torch.Generator().manual_seed(0)
    x = 0.45 + 0.1 * torch.rand(40, 64, generator=generator)
    x = x - x.mean(1, keepdim=True) + torch.tensor([0.46, 0.54]).repeat(20)[:, None]
    y = torch.tensor([0, 1]).repeat(20)
    flat, slanted = Plateaus(1e4), Plateaus(1.0)
    for attack in ("pgd", "apgd"):
        found = sg.robust_accuracy(flat, x, y, eps=0.06, n_steps=20, attack=attack)
        assert found == 1
        assert found.vanishing_gradients == 1
    assert sg.robust_accuracy(flat, x, y, eps=0.06, attack="square", n_queries=2000) < 0.8
    assert sg.robust_accuracy(flat, x, y, eps=0.06, n_steps=20, attack="transfer", sources=[slanted]) == 0
    worst = sg.robust_accuracy(flat, x, y, eps=0.06, n_steps=5, attack=("apgd", "transfer"), sources=[slanted])
    assert (worst, worst.by_attack) == (0, {"apgd": 1.0, "transfer": 0.0})
    assert sg.robust_accuracy(slanted, x, y, eps=0.06, n_steps=5).vanishing_gradients == 0
    assert sg.robust_accuracy(flat, x, y, eps=0.02, attack=("apgd", "square"), n_queries=50) == 1


def test_images_and_flat_inputs_are_attacked_alike(network, digits):
    x, y = digits.test_x[:60], digits.test_y[:60]
    images = nn.Sequential(nn.Flatten(), *network)
    one = sg.square_attack(network, x, y, eps=0.1, n_queries=40, rng=3)
    other = sg.square_attack(images, x.reshape(-1, 1, 28, 28), y, eps=0.1, n_queries=40, rng=3)
    assert torch.equal(one, other.flatten(1))


def test_a_step_size_or_a_loss_means_pgd(network, digits):
    x, y = digits.test_x[:50], digits.test_y[:50]
    named = sg.robust_accuracy(network, x, y, eps=0.05, n_steps=7, step_size=0.01, attack="pgd")
    for options in ({"step_size": 0.01}, {"loss": "margin", "step_size": 0.01}):
        meant = sg.robust_accuracy(network, x, y, eps=0.05, n_steps=7, **options)
        assert (meant, list(meant.by_attack)) == (named, ["pgd"])
    assert list(sg.robust_accuracy(network, x, y, eps=0.05, n_steps=2).by_attack) == ["apgd"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attack": "fgsm"}, "attack must be one or several of"),
        ({"attack": ()}, "attack must be one or several of"),
        ({"attack": ("apgd", "apgd")}, "attack must be one or several of"),
        ({"attack": "apgd", "step_size": 0.1}, "belong to PGD"),
        ({"attack": "square", "loss": "margin"}, "belong to PGD"),
        ({"attack": "transfer"}, "sources=, the networks"),
        ({"sources": [nn.Linear(6, 3)]}, "sources=, the networks"),
        ({"attack": "square", "n_queries": 0}, "positive integer"),
        ({"attack": "square", "x": torch.full((3, 1, 1, 1, 6), 0.5)}, "takes images or flat inputs"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3))
    arguments = {"model": model, "x": torch.full((3, 6), 0.5), "y": torch.tensor([0, 1, 2]), "eps": 0.1, **change}
    with pytest.raises(sg.InvalidInputError, match=message):
        sg.robust_accuracy(**arguments)


@pytest.mark.parametrize("eps", [0.04, 0.08])
def test_accuracies_are_those_of_an_independent_implementation(network, digits, eps):
    """adversarial-robustness-toolbox: APGD on the difference of logits, and Square with as many queries."""
    with warnings.catch_warnings():  # its own imports
        warnings.simplefilter("ignore")
        attacks = pytest.importorskip("art.attacks.evasion")
        estimators = pytest.importorskip("art.estimators.classification")
    x, y = digits.test_x[:200], digits.test_y[:200]
    images = nn.Sequential(nn.Flatten(), *network)
    shape = (1, 28, 28)
    witness = estimators.PyTorchClassifier(
        images, nn.CrossEntropyLoss(), input_shape=shape, nb_classes=10, clip_values=(0.0, 1.0), device_type="cpu"
    )
    pixels, labels = x.reshape(-1, *shape).numpy(), nn.functional.one_hot(y, 10).numpy()
    np.random.seed(0)  # noqa: NPY002  (what it draws from)
    auto = attacks.AutoProjectedGradientDescent(
        witness,
        eps=eps,
        eps_step=2 * eps,
        max_iter=50,
        nb_random_init=2,
        loss_type="difference_logits_ratio",
        verbose=False,
    )
    square = attacks.SquareAttack(witness, eps=eps, max_iter=500, nb_restarts=1, verbose=False)
    for name, attack in (("apgd", auto), ("square", square)):
        theirs = (witness.predict(attack.generate(pixels, labels)).argmax(1) == y.numpy()).mean()
        ours = sg.robust_accuracy(network, x, y, eps=eps, attack=name, n_steps=50, n_queries=500)
        assert ours == pytest.approx(theirs, abs=0.02), name
