"""Every check on a small scale: laws hold as things are, and no longer hold when something is broken on purpose."""

import dataclasses

import numpy as np
import pytest
from splinegeo.validation.checks import (
    batch_norm,
    deformation,
    during_training,
    image,
    kink_density,
    sandwich,
    shifted,
    zero_bias,
)
from splinegeo.validation.checks.subjects import Subjects, TrainingPlan

import splinegeo as sg

SETTINGS = {
    zero_bias: zero_bias.Settings(
        n_inputs=8, width=10, depth=2, radii=(0.1, 1.0), dims=(1, 2, 8), n_points=20, scales=(1 / 3, 7.0)
    ),
    shifted: shifted.Settings(
        n_networks=10, n_exact=2, n_inputs=8, width=20, depth=2, shifts=(0.0, 30.0), radii=(0.5, 5.0), dims=(1, 2, 8)
    ),
    kink_density: kink_density.Settings(n_networks=20, distances=(0.0, 1.0), heights=(0.0,)),
    sandwich: sandwich.Settings(n_points=10, radii=(0.05, 2.0)),
    during_training: during_training.Settings(n_points=15, radii=(0.5,)),
    image: image.Settings(resolution=16, half_width=2.0),
    deformation: deformation.Settings(n_points=4, radii=(0.0001, 0.001, 0.014, 1.0), dim=5),
    batch_norm: batch_norm.Settings(n_points=10),
}


@pytest.fixture(scope="module")
def subjects():
    plan = TrainingPlan(mlp_steps=40, mlp_checkpoints=4, normalised_steps=20, cnn_steps=2, width=24)
    return Subjects(plan)


def broken_laws(module, subjects):
    finding = module.check(SETTINGS[module], subjects, 0)
    return [rule.statement for rule in finding.rules if rule.kind == "law" and not rule.holds]


def breaks(function, **change):
    """`function`, with some fields of its result changed."""

    def wrong(*args, **options):
        result = function(*args, **options)
        return dataclasses.replace(result, **{name: make(getattr(result, name)) for name, make in change.items()})

    return wrong


@pytest.mark.parametrize("module", SETTINGS, ids=lambda module: module.__name__.rsplit(".", 1)[-1])
def test_laws_hold_and_the_finding_is_complete(module, subjects):
    finding = module.check(SETTINGS[module], subjects, 0)
    assert [rule.statement for rule in finding.rules if rule.kind == "law" and not rule.holds] == []
    assert any(rule.kind == "law" for rule in finding.rules)
    assert finding.error is None
    assert finding.tables
    assert finding.pictures
    for table in finding.tables:
        assert {len(row) for row in table.rows} == {len(table.header)}
    for rule in finding.rules:
        assert rule.reason
        assert rule.measured
        assert type(rule.holds) is bool


@pytest.mark.parametrize("module", [sandwich, during_training, shifted, zero_bias])
def test_an_estimate_that_counts_too_much_is_caught(module, subjects, monkeypatch):
    monkeypatch.setattr(sg, "local_complexity", breaks(sg.local_complexity, counts=lambda counts: counts + 1))
    assert broken_laws(module, subjects)


@pytest.mark.parametrize("module", [sandwich, during_training, shifted, zero_bias])
def test_an_estimate_that_misses_a_unit_is_caught(module, subjects, monkeypatch):
    wrong = breaks(sg.local_complexity, counts=lambda counts: np.maximum(counts - 1, 0))
    monkeypatch.setattr(sg, "local_complexity", wrong)
    assert broken_laws(module, subjects)


def test_a_bound_that_is_none_is_caught(subjects, monkeypatch):
    monkeypatch.setattr(sg, "local_complexity_bounds", breaks(sg.local_complexity_bounds, upper=lambda u: u // 2))
    assert len(broken_laws(sandwich, subjects)) == 2


def test_an_exact_count_that_is_none_is_caught(subjects, monkeypatch):
    wrong = breaks(sg.exact_local_complexity, counts=lambda counts: np.maximum(counts - 1, 0))
    monkeypatch.setattr(sg, "exact_local_complexity", wrong)
    assert broken_laws(sandwich, subjects)


def test_a_neighbourhood_of_the_wrong_dimension_is_caught(subjects, monkeypatch):
    """Two directions where one was asked for: more counts, all of them genuine."""
    right = sg.local_complexity

    def wrong(*args, dim, **options):
        return right(*args, dim=max(dim, 2), **options)

    monkeypatch.setattr(sg, "local_complexity", wrong)
    assert [law for law in broken_laws(shifted, subjects) if "standard deviations" in law]


def test_a_picture_that_is_shifted_by_a_pixel_is_caught(subjects, monkeypatch):
    monkeypatch.setattr(sg, "complexity_map", breaks(sg.complexity_map, image=lambda i: np.roll(i, 1, axis=1)))
    assert [law for law in broken_laws(image, subjects) if law.startswith("Precision 1")]


def test_edges_that_are_too_long_are_caught(subjects, monkeypatch):
    right = kink_density.edge_length
    monkeypatch.setattr(kink_density, "edge_length", lambda part: 1.2 * right(part))
    assert broken_laws(kink_density, subjects)


def test_a_deformation_that_depends_on_the_radius_is_caught(subjects, monkeypatch):
    right = sg.neighborhood_deformation

    def wrong(*args, radius, **options):
        found = right(*args, radius=radius, **options)
        return dataclasses.replace(found, eccentricity=found.eccentricity * (1 + 0.01 * radius))

    monkeypatch.setattr(sg, "neighborhood_deformation", wrong)
    assert broken_laws(deformation, subjects)


def test_a_batch_norm_that_is_not_centred_is_caught(subjects, monkeypatch):
    right = batch_norm.centred

    def wrong(model, x):
        return right(model, x[: len(x) // 2])

    monkeypatch.setattr(batch_norm, "centred", wrong)
    assert [law for law in broken_laws(batch_norm, subjects) if "pencil" in law]


@pytest.mark.parametrize(
    ("change", "radius"),
    [([0, 0.05, 0.15], 10**-0.5), ([0, 0.01, 0.02], np.inf), ([0.2, 0.3, 0.4], 0.01), ([0, 0.2, 0.05], 10**-1.5)],
)
def test_the_radius_of_ten_percent_is_the_first_crossing(change, radius):
    found = deformation.threshold(np.array([0.01, 0.1, 1.0]), np.array(change))
    assert found == pytest.approx(radius)


def test_precision_and_recall():
    found, truth = np.array([1, 1, 0, 0], dtype=bool), np.array([1, 0, 1, 0], dtype=bool)
    confusion = image.Confusion.of(found, truth)
    assert (confusion.precision, confusion.recall) == (0.5, 0.5)
    nothing = image.Confusion.of(np.zeros(4, dtype=bool), np.zeros(4, dtype=bool))
    assert (nothing.precision, nothing.recall) == (1, 1)


def test_the_law_of_the_density_at_both_ends():
    """At the origin n σw / (2 σb); far away n / (π r): there every line is seen as if it passed the origin."""
    assert kink_density.density(0.0, 10, 3.0, 2.0) == pytest.approx(7.5)
    r = 1e4
    assert kink_density.density(r, 10, 3.0, 2.0) == pytest.approx(10 / (np.pi * r), rel=1e-3)


def test_subjects_are_trained_once_and_of_the_shape_they_say(subjects):
    assert subjects.run is subjects.run
    assert subjects.shape == "784-24-24-24-10"
    x = subjects.digits.test_x[:5]
    for model in (subjects.mlp, subjects.normalised, subjects.cnn):
        assert not model.training
        assert model(x).shape == (5, 10)
