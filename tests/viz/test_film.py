"""The film of migration and its panels: what is drawn is what was measured."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import splinegeo as sg
from splinegeo import viz


@pytest.fixture(scope="module")
def parts():
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 3))
        found.append(sg.compute_partition(model, sg.Slice.box((-2, 2), (-1, 1))))
    return found


PROFILES = [([0, 0.5, 1], [2.0, 1.0, 1.0], [1.5, 0.5, 0.5], [2.5, 1.5, 1.5]), ([0, 0.5, 1], [0.0, 0.5, 3.0])]


def test_an_edge_map_holds_the_edge_length_of_each_pixel():
    """One line x = 0.5: its column of pixels, without blur, is all there is; densities are over the mean."""
    model = nn.Sequential(nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0]]))
        model[0].bias.fill_(-0.53)
    part = sg.compute_partition(model, sg.Slice.box((0, 2), (0, 1)))
    image = viz.draw_edge_map(part, resolution=20, blur=0.0).images[0].get_array()
    assert image.shape == (10, 20)
    expected = np.zeros((10, 20))
    expected[:, 5] = 20.0  # all of the length in one of twenty columns
    np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_the_length_in_the_map_is_that_of_all_edges(parts):
    image = viz.draw_edge_map(parts[0], resolution=30, colorbar=False).images[0].get_array()
    assert image.mean() == pytest.approx(1)
    with pytest.raises(sg.InvalidInputError, match="resolution"):
        viz.draw_edge_map(parts[0], resolution=0)


def test_a_film_has_a_frame_for_each_checkpoint(parts, tmp_path):
    path = tmp_path / "film.gif"
    viz.animate_migration(parts, PROFILES, path, titles=["a", "b"], notes=["c", "d"], anchors=np.zeros((1, 2)), dpi=50)
    with Image.open(path) as film:
        assert film.n_frames == 2
    for wrong in ({"titles": ["a"]}, {"notes": ["a"] * 3}):
        with pytest.raises(sg.InvalidInputError, match="for 2 partitions"):
            viz.animate_migration(parts, PROFILES, path, **wrong)
    with pytest.raises(sg.InvalidInputError, match="1 profiles for 2 partitions"):
        viz.animate_migration(parts, PROFILES[:1], path)
    with pytest.raises(sg.InvalidInputError, match="no partitions"):
        viz.animate_migration([], [], path)


def test_profiles_are_drawn_as_they_are():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 3)), torch.randn(60, 4)
    found = sg.migration_profile(model, x, torch.arange(60) % 3, n_segments=30, radius=0.3, dim=2)
    ax = viz.draw_migration_profile(found)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), found.mean)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((found.mean + 2.576 * found.standard_error).max())
    both = viz.draw_migration_profile(dict(enumerate(PROFILES)), legend="step")
    assert [line.get_label() for line in both.lines] == ["0", "1"]
    with pytest.raises(sg.InvalidInputError, match="no migration profile"):
        viz.draw_migration_profile({})
    with pytest.raises(sg.InvalidInputError, match="profile"):
        viz.draw_migration_profile(([0, 1], [1, 2, 3]))


def test_a_map_over_the_steps():
    ax = viz.draw_migration_map([0, 10, 100], [PROFILES[0]] * 2 + [PROFILES[1]])
    np.testing.assert_array_equal(ax.collections[0].get_array(), np.array([[2, 2, 0], [1, 1, 0.5], [1, 1, 3]]))
    with pytest.raises(sg.InvalidInputError, match="migration map"):
        viz.draw_migration_map([0, 10], PROFILES * 2)
    with pytest.raises(sg.InvalidInputError, match="different fractions"):
        viz.draw_migration_map([0, 10], [PROFILES[0], ([0, 0.4, 1], [1, 1, 1])])
