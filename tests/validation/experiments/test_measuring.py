"""What is recorded is what the library measures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from splinegeo.validation.data import ModularAddition
from splinegeo.validation.experiments import Recipe
from splinegeo.validation.experiments.measuring import complexity_curve, curve, open_tracker
from splinegeo.validation.networks import Transformer
from splinegeo.validation.setting import Setting

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
    target = torch.nn.functional.one_hot(samples.train_y, 10)
    loss = torch.nn.functional.mse_loss(model(samples.train_x).double(), target.double())
    assert curve(table, "train_loss").value == pytest.approx(float(loss.detach()))
    profile = sg.migration_profile(model, samples.train_x, samples.train_y, n_segments=20, dim=2, rng=2)
    for fraction, mean in zip(profile.fractions, profile.mean, strict=True):
        assert sg.select_series(table, "migration_profile", f"{fraction:g}").value == pytest.approx(mean)
    found = sg.select_series(table, "migration_log2_ratio")
    assert [one[0] for one in found[1:]] == pytest.approx(profile.log2_ratio_interval())
    z = model(samples.train_x).detach()
    assert curve(table, "precision/gap_least").value == pytest.approx(
        sg.precision_diagnostics(z, samples.train_y).gap_quantiles[0]
    )
    collapse = sg.neural_collapse(model[:-1](samples.train_x), samples.train_y, model[-1])
    assert curve(table, "collapse/nc3").value == pytest.approx(collapse.nc3)


def test_rounding_is_looked_at_in_the_format_of_the_loss(recipe, tmp_path):
    """A network that leads by 30 logits: the gradient of the right class is gone in float32 and there in mixed."""
    for precision, vanished in (("float32", 1.0), ("mixed", 0.0)):
        setting = replace(recipe.variants["plain"], loss="cross_entropy", precision=precision)
        samples, model = setting.task.load(0), torch.nn.Sequential(torch.nn.Linear(784, 10))
        with torch.no_grad():
            model[0].weight.zero_()
            model[0].bias.copy_(30.0 * (torch.arange(10) == 4))
        samples = replace(samples, train_y=torch.full_like(samples.train_y, 4))
        folder = tmp_path / precision
        folder.mkdir()
        deep = torch.nn.Sequential(torch.nn.Linear(784, 784), torch.nn.ReLU(), *model)
        open_tracker(deep, replace(recipe, n_segments=0), setting, samples, folder, seed=0).record(0)
        assert curve(sg.load_table(folder / "table.csv"), "precision/vanished").value == vanished


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
