"""Every word of the vocabulary means the same in both libraries."""

import numpy as np
import pytest
import torch

from splinegeo.mesh import arrays, as_array, as_tensor, on_host

from .lines import array

RNG = np.random.default_rng(0)
NUMBERS = RNG.standard_normal(200)
ROWS = RNG.integers(0, 200, 300)
SMALL = RNG.integers(0, 9, 200)
TABLE = RNG.standard_normal((200, 3))
WORDS = RNG.integers(-(2**63), 2**63 - 1, (50, 3))
BITS = RNG.random((50, 192)) < 0.3

# A call of each word, and what it means said another way.
MEANINGS = {
    "zeros": (lambda: arrays.zeros((2, 3), array(NUMBERS)), np.zeros((2, 3), int)),
    "full": (lambda: arrays.full(4, 2.5, array(NUMBERS)), np.full(4, 2.5)),
    "flags": (lambda: arrays.flags(4, True, array(NUMBERS)), np.ones(4, bool)),
    "arange": (lambda: arrays.arange(3, 7, array(NUMBERS)), np.array([3, 4, 5, 6])),
    "take": (lambda: arrays.take(array(TABLE), array(ROWS)), TABLE[ROWS]),
    "put": (lambda: arrays.put(array([0, 0, 0]), array([2, 0]), array([5, 6])), np.array([6, 0, 5])),
    "put_least": (
        lambda: arrays.put_least(array([9, 9, 1]), array([0, 0, 2]), array([5, 4, 3])),
        np.array([4, 9, 1]),
    ),
    "concat": (lambda: arrays.concat([array(TABLE), array(TABLE)]), np.tile(TABLE, (2, 1))),
    "columns": (lambda: arrays.columns(array(NUMBERS), array(NUMBERS)), np.stack([NUMBERS, NUMBERS], 1)),
    "whole": (lambda: arrays.whole(array(NUMBERS * 9)), np.trunc(NUMBERS * 9).astype(int)),
    "repeat": (lambda: arrays.repeat(array(TABLE), array(SMALL)), np.repeat(TABLE, SMALL, 0)),
    "repeat alike": (lambda: arrays.repeat(array(NUMBERS), 2), np.repeat(NUMBERS, 2)),
    "where": (lambda: arrays.where(array(NUMBERS) > 0, array(NUMBERS), 0.5), np.where(NUMBERS > 0, NUMBERS, 0.5)),
    "minimum": (lambda: arrays.minimum(array(NUMBERS), -array(NUMBERS)), -abs(NUMBERS)),
    "ascending": (lambda: arrays.ascending(array(NUMBERS)), np.maximum.accumulate(NUMBERS)),
    "least_row": (lambda: arrays.least_row(array(TABLE)), TABLE.min(0)),
    "lerp": (lambda: arrays.lerp(array(NUMBERS), array(NUMBERS) + 2, array(NUMBERS) * 0 + 0.25), NUMBERS + 0.5),
    "positions": (lambda: arrays.positions(array(NUMBERS) > 0), np.flatnonzero(NUMBERS > 0)),
    "bincount": (lambda: arrays.bincount(array(SMALL), 12), np.bincount(SMALL, minlength=12)),
    "search": (lambda: arrays.search(array([1, 3, 3, 5]), array([3, 0, 9])), np.array([1, 0, 4])),
    "search right": (lambda: arrays.search(array([1, 3, 3, 5]), array([3, 0, 9]), right=True), np.array([3, 0, 4])),
    "argsort": (lambda: arrays.argsort(array(SMALL)), np.argsort(SMALL, kind="stable")),
    "pack": (lambda: arrays.pack(array(BITS)), np.packbits(BITS, axis=1, bitorder="little").view(np.int64)),
    "unpack": (
        lambda: arrays.unpack(arrays.as_octets(arrays.pack(array(BITS)).reshape(-1))),
        BITS.reshape(-1).astype(np.uint8),
    ),
    "any_bit": (lambda: arrays.any_bit(array(WORDS)), np.bitwise_or.reduce(WORDS)),
    "any_bit of none": (lambda: arrays.any_bit(array(WORDS[:0])), np.zeros(3, int)),
}


@pytest.mark.parametrize("word", MEANINGS)
def test_a_word_means_what_it_says(word, kind):
    call, expected = MEANINGS[word]
    found = call()
    assert isinstance(found, np.ndarray if kind == "numpy" else torch.Tensor)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert on_host(found).dtype == expected.dtype


def test_lerp_is_exact_at_both_ends():
    one, other = array(NUMBERS), array(NUMBERS[::-1])
    np.testing.assert_array_equal(arrays.lerp(one, other, one * 0), one)
    np.testing.assert_array_equal(arrays.lerp(one, other, one * 0 + 1), other)


@pytest.mark.parametrize(("one", "other", "t"), [(1.0, -3.0, 0.25), (-2.0, 2.0, 0.5), (1e308, -1e308, 0.0)])
def test_zero_between_two_ends(one, other, t):
    assert arrays.zero_between(array([one]), array([other])).tolist() == [t]


def test_nothing_is_copied_on_the_way_to_a_tensor_and_back():
    x = torch.arange(3)
    as_tensor(as_array(x))[0] = 7
    assert x.tolist() == [7, 1, 2]
    assert isinstance(as_array(x), np.ndarray)
