"""Networks as data: described, rebuilt, and what they compute."""

import json

import pytest
import torch
from splinegeo.validation import mlp
from splinegeo.validation.networks import Cnn, Mlp, Transformer, describe, network_of

import splinegeo as sg

NETWORKS = [
    Mlp(),
    Mlp((5, 6), activation="gelu", scale=8.0),
    Mlp((5,), batch_norm=True),
    Cnn((2, 3), (2, 2), 7, batch_norm=True),
    Transformer(7, 8, 2, 12),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_description_survives_json(network):
    again = network_of(json.loads(json.dumps(describe(network))))
    assert again == network
    first, second = network.build(3).state_dict(), again.build(3).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("wrong", [{}, {"kind": "Mlp", "depth": 3}, {"kind": "Rnn"}])
def test_what_describes_no_network_is_refused(wrong):
    with pytest.raises(sg.InvalidInputError, match="describes none"):
        network_of(wrong)


def test_the_plain_network_is_that_of_the_demo_and_scaling_scales_it():
    plain, scaled, expected = Mlp((6, 5)).build(2), Mlp((6, 5), scale=8.0).build(2), mlp(784, 6, 5, 10, seed=2)
    for one, eight, own in zip(plain.parameters(), scaled.parameters(), expected.parameters(), strict=True):
        assert torch.equal(one, own)
        assert torch.equal(eight, 8 * own)


def test_a_convolutional_network_takes_images():
    assert Cnn().build(0)(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("network", NETWORKS)
def test_units_are_those_that_the_library_counts(network):
    model = network.build(0).eval()
    core = getattr(model, "core", model)
    shape = (3, 8) if isinstance(network, Transformer) else (1, 28, 28) if isinstance(network, Cnn) else (784,)
    n = []
    for module in core.modules():
        if isinstance(module, torch.nn.ReLU | torch.nn.GELU):
            module.register_forward_hook(lambda *a: n.append(a[-1][0].numel()))
    core(torch.rand(1, *shape))
    assert sum(n) == network.n_units


def test_attention_is_that_of_torch():
    model = Transformer(7, 8, 2, 12).build(0)
    core, x = model.core, torch.rand(5, 3, 8)
    heads = [part(x).reshape(5, 3, 2, 4).transpose(1, 2) for part in (core.query, core.key, core.value)]
    attended = torch.nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(5, 3, 8)[:, -1]
    residual = x[:, -1] + core.join(attended)
    torch.testing.assert_close(core(x), core.readout(residual + core.mlp(residual)))


def test_a_transformer_is_its_core_behind_its_embedding():
    model, tokens = Transformer(7, 8, 2, 12).build(0), torch.tensor([[1, 2, 7], [6, 0, 7]])
    assert torch.equal(model(tokens), model.core(model.embedding(tokens)))
    assert model.embedding(tokens).shape == (2, 3, 8)
