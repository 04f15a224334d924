"""Freed memory goes back to the system."""

import sys
from pathlib import Path

import numpy as np
import pytest

from splinegeo.engine import allocator


def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(
    sys.platform != "linux" or allocator._TRIM is None, reason="only the GNU C library can be told to give memory back"
)
def test_pieces_between_small_arrays_are_given_back():
    blocks, pins = [], []
    for _ in range(500):
        blocks.append(np.ones(12_000))  # 94 KiB, below what is mapped on its own
        pins.append(np.ones(10))
    before = resident_pages()
    del blocks
    allocator.give_back()
    assert before - resident_pages() > 5_000  # of 11 700 pages
    assert all(pin.sum() == 10 for pin in pins)


def test_where_nothing_can_be_given_back_nothing_happens(monkeypatch):
    monkeypatch.setattr(allocator, "_TRIM", None)
    assert allocator.give_back() is None
