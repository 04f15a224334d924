"""The trainer: one epoch sees every sample once, and a state taken anywhere is all that the future depends on."""

import pytest
import torch
from splinegeo.validation import mlp
from splinegeo.validation.networks import Mlp
from splinegeo.validation.training import LOSSES, Trainer


def samples(n=23):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 784, generator=generator), torch.randint(0, 10, (n,), generator=generator)


@pytest.mark.parametrize("at", [0, 1, 3, 7])
@pytest.mark.parametrize("network", [Mlp((9, 9)), Mlp((9,), batch_norm=True)])
def test_a_restored_trainer_goes_on_bit_for_bit(network, at):
    x, y = samples()
    options = {"batch_size": 5, "weight_decay": 0.3, "loss": "squared_error", "seed": 4}
    whole = Trainer(network.build(1), x, y, **options)
    whole.advance(at)
    state = {name: value.clone() for name, value in whole.state().items()}
    whole.advance(11)
    resumed = Trainer(network.build(2), x, y, **{**options, "seed": 5})
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
    Trainer(Watched(1, 2), x, y, batch_size=3).advance(6)
    assert [len(batch) for batch in seen] == [3, 3, 1] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(7))
    assert first.tolist() != second.tolist()


def test_one_step_is_that_of_plain_adamw():
    x, y = samples(6)
    trained, plain = mlp(784, 5, 10, seed=3), mlp(784, 5, 10, seed=3)
    Trainer(trained, x, y, batch_size=6, learning_rate=0.01, weight_decay=0.2).advance(2)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=0.2, fused=False)
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(plain(x), y).backward()
        optimizer.step()
    for ours, theirs in zip(trained.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_squared_error_is_the_distance_to_the_one_hot_labels():
    found = LOSSES["squared_error"](torch.tensor([[1.0, 0.0], [0.5, 0.0]]), torch.tensor([0, 1]))
    assert found == pytest.approx((0.25 + 1) / 4)
