"""The trainer: an epoch sees every sample once, a state is all that the future depends on, optimisers are PyTorch's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from splinegeo.validation import load_digits, log_spaced_steps, mlp, train
from splinegeo.validation.networks import Mlp
from splinegeo.validation.setting import Setting
from splinegeo.validation.training import Trainer

import splinegeo as sg

PLAIN = Setting(batch_size=5, weight_decay=0.3)


def samples(n=23):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 784, generator=generator), torch.randint(0, 10, (n,), generator=generator)


def close(one, other):
    for ours, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("at", [0, 1, 3, 7])
@pytest.mark.parametrize(
    "setting",
    [
        PLAIN,
        replace(PLAIN, network=Mlp((9,), batch_norm=True), precision="float32", loss="cross_entropy"),
        replace(PLAIN, optimizer="sgd", noise=0.1, decay_until=9),
        replace(PLAIN, optimizer="adam", sharpness=0.1, clip=0.5),
        replace(PLAIN, precision="float64", switch=(3, "float32")),
        replace(PLAIN, precision="float32", switch=(2, "mixed"), loss="margin"),
        replace(PLAIN, precision="float32", switch=(5, "float64")),
    ],
)
def test_a_restored_trainer_goes_on_bit_for_bit(setting, at):
    setting = replace(setting, network=replace(setting.network, hidden=(9,)))
    x, y = samples()
    whole = Trainer(setting.network.build(1), x, y, setting, seed=4)
    whole.advance(at)
    state = {name: value.clone() for name, value in whole.state().items()}
    whole.advance(11)
    resumed = Trainer(setting.network.build(2), x, y, setting, seed=5)
    resumed.restore(state)
    assert resumed.step == at
    resumed.advance(11)
    assert all(torch.equal(value, resumed.state()[name]) for name, value in whole.state().items())


def test_an_epoch_sees_every_sample_once_and_the_next_in_another_order():
    seen = []

    class Watched(torch.nn.Linear):
        def forward(self, x):
            seen.append(x[:, 0].detach().clone())
            return super().forward(x)

    x, y = torch.arange(7.0).unsqueeze(1), torch.zeros(7, dtype=torch.int64)
    Trainer(Watched(1, 2), x, y, replace(PLAIN, batch_size=3)).advance(6)
    assert [len(batch) for batch in seen] == [3, 3, 1] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(7))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(
    ("how", "plain"),
    [
        (
            {"optimizer": "adamw"},
            lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.2, betas=(0.8, 0.95), eps=1e-4),
        ),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.2, betas=(0.8, 0.95), eps=1e-4)),
        ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.2, momentum=0.7)),
    ],
)
def test_steps_are_those_of_pytorch(how, plain):
    x, y = samples(6)
    setting = Setting(
        batch_size=6, learning_rate=0.01, weight_decay=0.2, betas=(0.8, 0.95), eps=1e-4, momentum=0.7, **how
    )
    trained, model = mlp(784, 5, 10, seed=3), mlp(784, 5, 10, seed=3).double()
    Trainer(trained, x, y, setting).advance(3)
    optimizer = plain(model.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x.double()), torch.nn.functional.one_hot(y, 10).double()).backward()
        optimizer.step()
    close(trained, model)


@pytest.mark.parametrize("adaptive", [False, True])
def test_sharpness_aware_steps_take_the_gradient_where_the_papers_say(adaptive):
    """One step of SGD from w: w − α ∇L(w + ρ g / ‖g‖), or w + ρ w² g / ‖w g‖."""
    x, y = samples(6)
    rho, target = 0.3, torch.nn.functional.one_hot(y, 10).double()
    model = mlp(784, 5, 10, seed=3).double()

    def gradients():
        loss = torch.nn.functional.mse_loss(model(x.double()), target)
        return torch.autograd.grad(loss, list(model.parameters()))

    start = [p.detach().clone() for p in model.parameters()]
    scaled = [w.abs() * g if adaptive else g for w, g in zip(start, gradients(), strict=True)]
    norm = torch.cat([one.flatten() for one in scaled]).norm()
    with torch.no_grad():
        for p, one in zip(model.parameters(), scaled, strict=True):
            p.add_(rho * (p.abs() * one if adaptive else one) / norm)
    there = gradients()
    with torch.no_grad():
        for p, w, g in zip(model.parameters(), start, there, strict=True):
            p.copy_(w - 0.1 * g)
    how = Setting(
        optimizer="sgd",
        learning_rate=0.1,
        momentum=0.0,
        weight_decay=0.0,
        sharpness=rho,
        adaptive=adaptive,
        batch_size=6,
    )
    trained = mlp(784, 5, 10, seed=3)
    Trainer(trained, x, y, how).advance(1)
    close(trained, model)


def test_clipping_bounds_the_gradient_and_noise_is_added():
    x, y = samples(6)
    still = Setting(optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0, batch_size=6)
    for how, least, most in ((replace(still, clip=1e-3), 0.999e-3, 1.001e-3), (replace(still, noise=0.5), 30, 33)):
        model, before = mlp(784, 5, 10, seed=3), mlp(784, 5, 10, seed=3).double()
        Trainer(model, x, y, how).advance(1)
        moved = torch.cat([(a - b).flatten() for a, b in zip(model.parameters(), before.parameters(), strict=True)])
        assert least < moved.norm() < most  # of 3 985 entries


def test_the_learning_rate_falls_as_half_a_cosine():
    how = Setting(learning_rate=2.0, decay_until=100)
    assert [how.rate(step) for step in (0, 50, 100, 200)] == pytest.approx([2.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("precision", "weights"), [("float32", "float32"), ("mixed", "float32"), ("float64", "float64")]
)
def test_precision_is_that_of_the_weights(precision, weights):
    model = mlp(784, 5, 10)
    trainer = Trainer(model, *samples(), replace(PLAIN, precision=precision))
    trainer.advance(2)
    assert {p.dtype for p in model.parameters()} == {getattr(torch, weights)}
    assert {v.dtype for name, v in trainer.state().items() if "exp_avg" in name} == {getattr(torch, weights)}


def test_in_mixed_precision_the_loss_is_that_of_float64():
    """Where the right class leads by 30 logits, float32's cross-entropy has no gradient at all for it."""
    x = torch.eye(2)
    for precision, moves in (("float32", False), ("mixed", True)):
        model = torch.nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[30.0, 0.0], [0.0, 30.0]]))
        how = Setting(
            loss="cross_entropy",
            precision=precision,
            optimizer="sgd",
            learning_rate=1e14,
            momentum=0.0,
            weight_decay=0.0,
        )
        Trainer(model, x, torch.tensor([0, 1]), how).advance(1)
        assert bool(model.weight[0, 0] != 30) == moves


def test_a_switch_changes_the_precision_at_its_step():
    how = replace(PLAIN, precision="float64", switch=(2, "float32"))
    model = mlp(784, 5, 10)
    trainer, formats = Trainer(model, *samples(), how), []
    for step in range(1, 5):
        trainer.advance(step)
        formats.append(next(model.parameters()).dtype)
    assert formats == [torch.float64] * 2 + [torch.float32] * 2
    assert 2 in replace(how, last_step=9).steps()


@pytest.mark.parametrize("wrong", [{"loss": "hinge"}, {"precision": "float16"}, {"optimizer": "rmsprop"}])
def test_unknown_words_are_refused(wrong):
    with pytest.raises(sg.InvalidInputError, match="is none of"):
        Setting(**wrong)
    with pytest.raises(sg.InvalidInputError, match="'half' is none of"):
        Setting(switch=(3, "half"))


def test_training_learns_and_repeats():
    digits = load_digits(200)
    runs = [train(mlp(784, 30, 10, seed=1), digits, [0, 60], seed=2) for _ in range(2)]
    assert runs[0].train_accuracy[-1] > 0.8 > 0.3 > runs[0].train_accuracy[0]
    np.testing.assert_array_equal(runs[0].loss, runs[1].loss)
    assert not torch.equal(runs[0].states[0]["0.weight"], runs[0].states[1]["0.weight"])


@pytest.mark.parametrize(("last", "n"), [(10, 3), (4000, 46), (100_000, 200)])
def test_steps_are_distinct_and_reach_both_ends(last, n):
    steps = log_spaced_steps(last, n)
    assert steps[0] == 0
    assert steps[-1] == last
    assert steps == sorted(set(steps))
    assert len(steps) <= n


def test_small_networks_train_with_the_same_bits_on_any_number_of_threads():
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            model = mlp(784, 30, 10, seed=1)
            Trainer(model, *samples(400), PLAIN).advance(5)
            assert torch.get_num_threads() == threads
            found.append([p.detach().clone() for p in model.parameters()])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
