"""Slices at checkpoints: exact where the network is piecewise affine, maps where it is not."""

from dataclasses import replace

import numpy as np
import pytest
import splinegeo.validation.experiments.slices as slices_module
from splinegeo.validation.data import ModularAddition
from splinegeo.validation.experiments import Recipe
from splinegeo.validation.experiments.slices import chosen_steps, compute_slices, save_slices
from splinegeo.validation.networks import Mlp, Transformer
from splinegeo.validation.setting import Setting

import splinegeo as sg


@pytest.mark.parametrize(("n", "expected"), [(1, [0]), (2, [0, 40]), (3, [0, 20, 40]), (9, [0, 10, 20, 30, 40])])
def test_steps_are_spread_and_end_at_the_last(n, expected):
    found = chosen_steps([0, 10, 20, 30, 40], n)
    assert found == expected or n == 1


def slices_of(recipe, setting):
    states = {step: setting.network.build(step).state_dict() for step in (0, 9)}
    return compute_slices(setting.network, states, recipe, setting.task.load(0), progress=False)


def test_partitions_are_those_of_the_states_through_the_samples(recipe, tmp_path):
    setting = recipe.variants["plain"]
    slices = slices_of(recipe, setting)
    samples = setting.task.load(0)
    for anchor, label in zip(slices.anchors, recipe.classes, strict=True):
        assert (samples.train_x == anchor).all(dim=1).nonzero()[0].item() == (samples.train_y == label).nonzero()[0]
    assert slices.frames[1].check(setting.network.build(9).double()).ok
    save_slices(tmp_path, slices)
    assert sg.Partition.load(tmp_path / "partitions/step_000009.npz").n_regions == slices.frames[1].n_regions


def test_a_gelu_network_has_maps_of_local_complexity(recipe, tmp_path):
    setting = replace(recipe.variants["plain"], network=Mlp((8,), activation="gelu"))
    slices = slices_of(recipe, setting)
    assert all(isinstance(frame, sg.ComplexityMap) for frame in slices.frames)
    save_slices(tmp_path, slices)
    saved = np.load(tmp_path / "partitions/step_000009.npy", allow_pickle=False)
    np.testing.assert_array_equal(saved, slices.frames[1].image)


def test_a_network_too_large_for_partitions_has_maps(recipe, monkeypatch):
    monkeypatch.setattr(slices_module, "MOST_UNITS", 7)
    assert isinstance(slices_of(recipe, recipe.variants["plain"]).frames[0], sg.ComplexityMap)


def test_the_slice_of_a_transformer_moves_with_its_embedding():
    setting = Setting(Transformer(11, 8, 2, 12), ModularAddition(11, 0.5))
    recipe = Recipe("t", "t", "t", {"t": setting}, dim=2, budgets=(), radii=(0.5,))
    slices = slices_of(recipe, setting)
    assert slices.domain is None
    assert slices.frames[0].extent != slices.frames[1].extent
