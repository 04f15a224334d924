"""What users of SplineCam ask most often works as docs/splinecam.md says."""

import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

import splinegeo as sg

ROOT = Path(__file__).parent.parent


class Residual(nn.Module):
    """Overlapping max pooling behind a block with a skip connection."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(2, 2, 3, padding=1) for _ in range(2))
        self.pool, self.last = nn.MaxPool2d(3, 2), nn.Linear(2 * 2 * 2, 3)

    def forward(self, x):
        h = torch.relu(x + self.second(torch.relu(self.first(x))))
        return self.last(self.pool(h).flatten(1))


def test_max_pooling_and_residual_connections_as_they_are():
    torch.manual_seed(0)
    part = sg.compute_partition(Residual(), sg.Slice.around(torch.randn(2, 5, 5), 2.0))
    assert part.check().ok
    pooled = [k for k, name in enumerate(part.layer_names) if name == "pool"]
    assert np.isin(part.edge_layer, pooled).any()


def test_the_example_with_three_features_runs_and_holds_the_third():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/splinecam.md").read_text(), re.S)
    found = {}
    exec(code, found)
    part, model = found["part"], found["model"]
    assert part.n_regions > 1
    inputs = part.domain.embed(part.centroids)
    np.testing.assert_allclose(inputs[:, 1], -0.1, atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(part.evaluate(part.centroids), model.double()(inputs), atol=1e-10)


def test_regions_in_a_ball_and_the_histogram_of_their_volumes():
    torch.manual_seed(0)
    model, centre = nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Linear(30, 2)), torch.randn(4)
    plane, angle = sg.Slice.around(centre, 1.0), np.linspace(0, 2 * np.pi, 96, endpoint=False)
    disc = sg.Slice(plane.origin, plane.basis, np.stack([np.cos(angle), np.sin(angle)], 1), (4,))
    part = sg.compute_partition(model, disc)
    table = sg.region_statistics(part)
    assert {"area", "perimeter", "eccentricity"} <= set(table.dtype.names)
    assert np.isclose(part.areas.sum(), 48 * np.sin(2 * np.pi / 96), rtol=1e-12)
    counts, _ = np.histogram(np.log10(part.areas))
    assert counts.sum() == part.n_regions
    assert np.linalg.norm(part.vertices, axis=1).max() <= 1 + 1e-12


def test_nothing_is_needed_that_has_no_wheels():
    text = (ROOT / "pyproject.toml").read_text()
    needed = re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S).group(1)
    assert "graph-tool" not in needed
    assert len(re.findall(r'"[a-z0-9-]+[><=]', needed)) >= 8
