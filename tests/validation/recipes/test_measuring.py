"""What is recorded is what the library measures."""

import numpy as np
import pytest
import torch
from splinegeo.validation.networks import Transformer
from splinegeo.validation.recipes import ModularAddition, Recipe, Setting
from splinegeo.validation.recipes.measuring import complexity_curve, curve, open_tracker, robust_name

import splinegeo as sg


def test_pixels(recipe, tmp_path):
    setting = recipe.variants["plain"]
    samples, model = setting.task.load(2), setting.network.build(0).eval()
    tracker = open_tracker(model, recipe, setting, samples, tmp_path, seed=2)
    tracker.record(7)
    table = sg.load_table(tmp_path / "table.csv")
    for probe, x in (("train", samples.train_x), ("test", samples.test_x)):
        expected = sg.local_complexity(model, x[:12], radius=0.5, dim=2, rng=2)
        assert complexity_curve(table, probe, 0.5).value == pytest.approx(expected.mean())
    right = (model(samples.test_x).argmax(1) == samples.test_y).double().mean()
    assert curve(table, "test_accuracy").value == pytest.approx(float(right))
    robust = sg.robust_accuracy(model, samples.test_x[:12], samples.test_y[:12], eps=0.1, n_steps=2, rng=2)
    assert curve(table, robust_name(0.1)).value == pytest.approx(robust)
    loss = torch.nn.functional.cross_entropy(model(samples.train_x), samples.train_y)
    assert curve(table, "train_loss").value == pytest.approx(float(loss.detach()))


def test_attacks_may_be_on_training_points(recipe, tmp_path):
    setting = recipe.variants["plain"]
    samples, model = setting.task.load(0), setting.network.build(0).eval()
    attacked = Recipe(**{**vars(recipe), "attacked": "train"})
    open_tracker(model, attacked, setting, samples, tmp_path, seed=0).record(0)
    robust = sg.robust_accuracy(model, samples.train_x[:12], samples.train_y[:12], eps=0.1, n_steps=2, rng=0)
    assert curve(sg.load_table(tmp_path / "table.csv"), robust_name(0.1)).value == pytest.approx(robust)


def test_neighbourhoods_of_tokens_move_with_their_embeddings(tmp_path):
    setting = Setting(Transformer(7, 8, 2, 12), ModularAddition(7, 0.5))
    recipe = Recipe("t", "t", "t", {"t": setting}, dim=3, n_points=10, budgets=(), radii=(0.5,))
    samples, model = setting.task.load(0), setting.network.build(0).eval()
    tracker = open_tracker(model, recipe, setting, samples, tmp_path, seed=1)
    expected = []
    for step in range(2):
        with torch.no_grad():
            model.embedding.symbols.mul_(1 - step * 0.5)
            points = model.embedding(samples.test_x[:10])
        tracker.record(step)
        expected.append(sg.local_complexity(model.core, points, radius=0.5, dim=3, rng=1).mean())
    found = complexity_curve(sg.load_table(tmp_path / "table.csv"), "test", 0.5)
    np.testing.assert_allclose(found.value, expected)
    assert expected[0] != expected[1]
