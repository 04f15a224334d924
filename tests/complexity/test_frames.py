"""Frames: orthonormal, Haar-distributed, and a function of the seed and the point's index alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from splinegeo.complexity import random_frames
from splinegeo.complexity.frames import FrameStream
from splinegeo.errors import InvalidInputError

SIZES = [(784, 25), (256, 64), (256, 65), (128, 32), (64, 25), (64, 64), (10, 3), (3, 3), (2, 1), (1, 1)]


def defect(frames):
    return (frames @ frames.mT - torch.eye(frames.shape[1], dtype=frames.dtype)).abs().max().item()


@pytest.mark.parametrize(("n_features", "dim"), SIZES)
def test_rows_are_orthonormal(n_features, dim):
    assert defect(random_frames(8, n_features, dim, dtype=torch.float32)) < 1e-5
    assert defect(random_frames(8, n_features, dim, dtype=torch.float64)) < 1e-12


@pytest.mark.parametrize(("n_features", "dim"), [(784, 25), (64, 25), (5, 3)])
def test_formats_agree(n_features, dim):
    single = random_frames(20, n_features, dim, dtype=torch.float32)
    assert torch.allclose(single.double(), random_frames(20, n_features, dim), atol=1e-6)


@pytest.mark.parametrize(("n_features", "dim"), [(784, 25), (100, 8), (64, 25), (7, 3), (2, 2)])
def test_a_frame_depends_on_seed_and_index_only(n_features, dim):
    whole = random_frames(300, n_features, dim, rng=3)
    assert torch.allclose(whole[:7], random_frames(7, n_features, dim, rng=3), atol=1e-14)
    with FrameStream(n_features, dim, 3, dtype=torch.float64) as stream:
        basis, mix = stream.take([250, 3, 299])
        picked = basis if mix is None else mix @ basis
    assert torch.allclose(picked, whole[[250, 3, 299]], atol=1e-14)
    with FrameStream(n_features, dim, 3, first=200, dtype=torch.float64) as stream:
        basis, mix = stream.take(range(5))
        later = basis if mix is None else mix @ basis
    assert torch.allclose(later, whole[200:205], atol=1e-14)
    assert not torch.allclose(whole, random_frames(300, n_features, dim, rng=4))


@pytest.mark.parametrize(("n_features", "dims"), [(256, (2, 25, 80)), (64, (1, 2, 25, 64)), (3, (1, 2, 3))])
def test_frames_are_nested(n_features, dims):
    largest = random_frames(5, n_features, max(dims))
    for dim in dims:
        assert torch.allclose(random_frames(5, n_features, dim), largest[:, :dim], atol=1e-12)


def test_frames_of_different_points_differ():
    frames = random_frames(2000, 2, 1).squeeze(1)
    assert len(torch.unique(frames[:, 0])) > 1990


def test_one_frame_can_be_shared():
    shared = random_frames(4, 784, 5, shared=True)
    assert torch.equal(shared, shared[:1].expand(4, -1, -1))
    assert torch.allclose(shared[0], random_frames(1, 784, 5)[0], atol=1e-14)


def test_rng_is_a_seed_or_a_generator():
    one, two = (random_frames(3, 6, 2, rng=torch.Generator().manual_seed(8)) for _ in range(2))
    assert torch.equal(one, two)
    generator = torch.Generator().manual_seed(8)
    first = random_frames(3, 6, 2, rng=generator)
    assert torch.equal(first, one)
    assert not torch.equal(first, random_frames(3, 6, 2, rng=generator))


def test_global_random_states_are_left_alone():
    before = torch.get_rng_state()
    random_frames(10, 784, 25)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("rng", [-1, 1.5, "seed", None, True])
def test_a_bad_rng_is_refused(rng):
    with pytest.raises(InvalidInputError, match="rng"):
        random_frames(3, 6, 2, rng=rng)


@pytest.mark.parametrize("dim", [0, -1, 7, 2.0, True])
def test_a_bad_dim_is_refused(dim):
    with pytest.raises(InvalidInputError, match="dim"):
        random_frames(3, 6, dim)


def test_no_points_are_refused():
    with pytest.raises(InvalidInputError, match="n_points"):
        random_frames(0, 6, 2)


# The Haar law. Each coordinate of each direction is distributed as a coordinate of the unit sphere, whose
# square is Beta(1/2, (D − 1)/2); the same must hold for the projection on any fixed direction, and for D = P
# = 2 and 3 the determinant is a fair coin. Seeds are fixed: the thresholds are quantiles, not tuned.


@pytest.mark.parametrize(("n_features", "dim"), [(200, 25), (40, 20), (5, 5), (3, 2), (2, 2)])
def test_every_direction_is_uniform_on_the_sphere(n_features, dim):
    frames = random_frames(4000, n_features, dim, rng=11)
    generator = torch.Generator().manual_seed(5)
    fixed = torch.randn(n_features, generator=generator, dtype=torch.float64)
    fixed /= fixed.norm()
    for direction in {0, dim // 2, dim - 1}:
        projections = (frames[:, direction] @ fixed).numpy()
        law = stats.beta(0.5, (n_features - 1) / 2)
        assert stats.kstest(projections**2, law.cdf).pvalue > 1e-3
        assert abs((projections > 0).mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


@pytest.mark.parametrize(("n_features", "dim"), [(200, 25), (12, 6)])
def test_a_span_is_uniform_too(n_features, dim):
    """The squared length of a fixed vector projected on the frame's span is Beta(P/2, (D − P)/2)."""
    frames = random_frames(4000, n_features, dim, rng=2)
    lengths = frames[:, :, 0].square().sum(1).numpy()
    assert stats.kstest(lengths, stats.beta(dim / 2, (n_features - dim) / 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("size", [2, 3])
def test_full_frames_are_uniform_on_both_halves_of_the_orthogonal_group(size):
    determinants = torch.linalg.det(random_frames(4000, size, size, rng=1))
    assert abs((determinants > 0).double().mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_the_law_does_not_change_under_rotation():
    """Traces of V and of Q V have one distribution."""
    frames = random_frames(8000, 6, 3, rng=4)
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    trace = frames.diagonal(dim1=1, dim2=2).sum(1)
    rotated = (frames @ rotation).diagonal(dim1=1, dim2=2).sum(1)
    assert stats.ks_2samp(trace[:4000].numpy(), rotated[4000:].numpy()).pvalue > 1e-3


def test_neighbouring_points_are_independent():
    frames = random_frames(4000, 784, 2, rng=9)
    products = (frames[:-1, 0] * frames[1:, 0]).sum(1).numpy()
    assert stats.kstest(products**2, stats.beta(0.5, 783 / 2).cdf).pvalue > 1e-3
