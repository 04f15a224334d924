from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import Normalize, to_rgb
from splinegeo.validation import mlp

import splinegeo as sg
from splinegeo import viz

STEPS = [0, 3, 100]
DOMAIN = sg.Slice.box((-2, 2), (-1, 1))


@pytest.fixture(scope="module")
def probes() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(40, 2, generator=generator) for name in ("train", "test", "random")}


@pytest.fixture(scope="module")
def complexity(probes) -> dict[str, list[sg.LocalComplexity]]:
    models = [mlp(2, 12, 12, 3, seed=seed) for seed in STEPS]
    return {name: [sg.local_complexity(model, x, radius=0.2, dim=2) for model in models] for name, x in probes.items()}


@pytest.fixture(scope="module")
def image() -> sg.ComplexityMap:
    return sg.complexity_map(mlp(2, 12, 12, 3), DOMAIN, 40, radius=0.1, dim=2)


def band_ends(collection):
    """Lowest and highest value of a band at each of its steps."""
    points = collection.get_paths()[0].vertices
    return [(points[points[:, 0] == x, 1].min(), points[points[:, 0] == x, 1].max()) for x in np.unique(points[:, 0])]


def test_lines_are_means_and_bands_their_intervals(complexity):
    ax = viz.draw_local_complexity(STEPS, complexity, level=0.9)
    for line, band, results in zip(ax.lines, ax.collections, complexity.values(), strict=True):
        assert line.get_ydata().tolist() == [found.mean() for found in results]
        np.testing.assert_allclose(band_ends(band), [found.confidence_interval(0.9) for found in results])


def test_probes_have_the_colours_of_the_paper(complexity):
    ax = viz.draw_local_complexity(STEPS, complexity)
    train, test, random = (to_rgb(line.get_color()) for line in ax.lines)
    assert train[1] == max(train)  # green
    assert test[0] == max(test)  # orange
    assert random[2] == max(random)  # blue
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test", "random"]
    assert "$r$ = 0.2, $P$ = 2" in ax.get_ylabel()


def test_one_layer_alone(complexity):
    ax = viz.draw_local_complexity(STEPS, complexity, layer="3")
    assert ax.lines[0].get_ydata().tolist() == [found.mean("3") for found in complexity["train"]]


def test_numbers_are_as_good_as_results(complexity):
    rows = {
        name: np.array([(found.mean(), *found.confidence_interval()) for found in results])
        for name, results in complexity.items()
    }
    _, axes = plt.subplots(1, 2)
    viz.draw_local_complexity(STEPS, complexity, axes[0])
    viz.draw_local_complexity(STEPS, rows, axes[1])
    for one, other in zip(axes[0].lines, axes[1].lines, strict=True):
        np.testing.assert_allclose(one.get_xydata(), other.get_xydata())
    assert axes[1].get_ylabel() == "local complexity"


def test_one_point_has_a_mean_but_no_band(probes):
    found = sg.local_complexity(mlp(2, 12, 3), probes["train"][:1], radius=0.2, dim=2)
    ax = viz.draw_local_complexity([1, 10], {"train": [found, found]})
    ax.figure.canvas.draw()
    assert np.isfinite(ax.get_ylim()).all()
    viz.draw_layer_complexity({"train": found}).figure.canvas.draw()


@pytest.mark.parametrize(
    ("steps", "given", "message"),
    [
        ([0, 1], {}, "no local complexity"),
        ([0, 1], {"train": [1.0, 2.0]}, "'train' must be results"),
        ([0, 1], {"train": [(1.0, 0.0), (2.0, 1.0)]}, "'train' must be results"),
        ([0, 1], {"test": [(1, 0, 2)]}, "'test' has values of shape"),
        ([-1, 1], {"test": [(1, 0, 2), (1, 0, 2)]}, "negative step"),
    ],
)
def test_what_cannot_be_drawn_is_named(steps, given, message):
    with pytest.raises(sg.InvalidInputError, match=message):
        viz.draw_local_complexity(steps, given)


def test_layers_of_one_network(complexity):
    ax = viz.draw_layer_complexity({name: results[0] for name, results in complexity.items()})
    means = ax.containers[0].lines[0].get_ydata()
    assert means.tolist() == [complexity["train"][0].mean(layer) for layer in ("1", "3")]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "3"]


def test_layers_of_two_networks_are_refused(complexity, probes):
    other = sg.local_complexity(mlp(2, 12, 3), probes["train"], radius=0.2, dim=2)
    with pytest.raises(sg.InvalidInputError, match="one list of layers, not 2"):
        viz.draw_layer_complexity({"train": complexity["train"][0], "test": other})


def test_many_layers_have_numbers(probes):
    found = sg.local_complexity(mlp(2, *[4] * 30, 3), probes["train"], radius=0.2, dim=2)
    ax = viz.draw_layer_complexity({"train": found})
    ax.figure.canvas.draw()
    assert 5 < len(ax.get_xticks()) < 16


def test_image_lies_where_its_pixels_are(image):
    ax = viz.draw_complexity_map(image)
    shown = ax.images[0]
    assert shown.get_gid() == "complexity"
    assert shown.get_extent() == [-2, 2, -1, 1]
    assert shown.origin == "lower"
    np.testing.assert_array_equal(shown.get_array(), image.image)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((-2, 2), (-1, 1), 1)


def test_partition_is_laid_over_the_image(image):
    ax = viz.draw_complexity_map(image)
    part = sg.compute_partition(mlp(2, 12, 12, 3), DOMAIN)
    assert viz.draw_partition(part, None, ax, edges="black") is ax
    edges = next(c for c in ax.collections if c.get_gid() == "edges")
    assert edges.get_zorder() > ax.images[0].get_zorder()
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-1, 1))
    ax.figure.canvas.draw()


def test_zero_sets_run_through_dark_pixels(image):
    part = sg.compute_partition(mlp(2, 12, 12, 3), DOMAIN)
    lines = part.edges[part.edge_layer == 0]
    middle = part.vertices[lines].mean(axis=1)
    column, row = ((middle - (-2, -1)) / 0.1).astype(int).T
    assert image.image[row, column].mean() > 1.5 * image.image.mean()


def test_outside_the_window_the_image_is_empty():
    triangle = sg.Slice.polygon([(0, 0), (2, 0), (0, 1)])
    found = sg.complexity_map(mlp(2, 12, 3), triangle, 20, radius=0.1, dim=2)
    ax = viz.draw_complexity_map(found)
    ax.figure.canvas.draw()
    assert np.ma.getmaskarray(ax.images[0].get_array()).mean() == pytest.approx(0.5, abs=0.1)


def test_scale_of_an_image(image):
    whole, shared, own = (
        viz.draw_complexity_map(image, **options).images[0].norm
        for options in ({}, {"limits": (0, 50)}, {"norm": Normalize(3, 4)})
    )
    assert (whole.vmin, whole.vmax) == (image.image.min(), image.image.max())
    assert (shared.vmin, shared.vmax) == (0, 50)
    assert (own.vmin, own.vmax) == (3, 4)
    with pytest.raises(sg.InvalidInputError, match="limits"):
        viz.draw_complexity_map(image, limits=(2, 1))


def test_image_of_one_value():
    found = sg.complexity_map(mlp(2, 12, 3), DOMAIN, 8, radius=1e-9, dim=2)
    assert not found.image.any()
    viz.draw_complexity_map(found).figure.canvas.draw()
